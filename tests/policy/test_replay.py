from __future__ import annotations

from msgspec.structs import replace

from nightlight.core.decision import Allow, Decision, HoldContent, Mode, Nudge, OpenCase, To
from nightlight.core.features import Features
from nightlight.core.harm import Harm, Level
from nightlight.policy import Judged, Policy, compare, default_rules, replay
from nightlight.policy.shadow import describe
from tests.policy.make import ALL, NOW, assessment, message, policy

STRICT = """
[[rule]]
id = "hold-high"
on = { level = "high" }
actions = [{ action = "hold_content" }, { action = "open_case", queue = "q", priority = 1 }]
"""
MILD = """
[[rule]]
id = "look"
on = { level = "high" }
actions = [{ action = "open_case", queue = "q", priority = 1 }]
"""


def judged(n: int, level: Level | None) -> Judged:
    moved = () if level is None else ((None, assessment(Harm.GROOMING, level)),)
    return Judged(event=message(id=f"e{n}"), at=NOW, permission=ALL, moved=moved)


def test_replay_counts_what_would_change_by_action_and_by_rule() -> None:
    events = [judged(1, None), judged(2, Level.LOW), judged(3, Level.HIGH), judged(4, Level.HIGH)]
    comparison = replay(iter(events), policy(MILD), policy(STRICT))
    assert (comparison.events, comparison.changed, comparison.examples) == (4, 2, ("e3", "e4"))
    assert comparison.table() == [
        ("action", "allow", 4, 2, 0, 2),
        ("action", "hold_content", 0, 2, 2, 0),
        ("action", "open_case q 1", 2, 2, 0, 0),
        ("rule", "hold-high", 0, 2, 2, 0),
        ("rule", "look", 2, 0, 0, 2),
    ]
    assert "4 events replayed: 2 would be decided otherwise" in comparison.text()
    assert comparison.text().splitlines()[4].split() == ["action", "allow", "4", "2", "0", "2"]


def test_a_rule_set_against_itself_changes_nothing() -> None:
    rules = Policy(default_rules())
    comparison = replay([judged(i, level) for i, level in enumerate(Level)], rules, rules)
    assert comparison.changed == 0
    assert all(change.added == change.removed == 0 for change in comparison.actions + comparison.rules)


def test_replay_decides_as_the_engine_did() -> None:
    rules = Policy(default_rules())
    one = judged(1, Level.HIGH)
    live = rules.decide(one.event, Features(), one.permission, one.moved, limited=False, now=NOW)
    assert rules.judge(one) == live


def test_examples_are_few() -> None:
    comparison = replay((judged(i, Level.HIGH) for i in range(50)), policy(MILD), policy(STRICT))
    assert (comparison.changed, len(comparison.examples)) == (50, 20)


def test_comparing_live_and_shadow_looks_at_what_is_done_and_not_at_who_asked() -> None:
    base = Decision(
        event_id="e", at=NOW, actions=(Allow(), OpenCase(rule="a", queue="q")), harms=(), level=Level.NONE, reasons=(), policy="p"
    )
    same = replace(base, actions=(Allow(rule="b"), OpenCase(rule="b", queue="q")), mode=Mode.SHADOW, policy="q")
    assert compare(base, same).same
    other = replace(base, actions=(HoldContent(), OpenCase(rule="a", queue="q", priority=1)))
    difference = compare(base, other)
    assert not difference.same
    assert difference.only_live == ("allow", "open_case q 5")
    assert difference.only_shadow == ("hold_content", "open_case q 1")


def test_an_action_in_short_names_no_account() -> None:
    assert describe(Nudge(rule="r", to=To.CHILDREN, message="help.now", account="somebody")) == "nudge children help.now"
