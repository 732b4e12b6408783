from __future__ import annotations

from importlib import import_module

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.decision import SAFE
from nightlight.policy import PolicyError, check, default_rules, load_rules
from nightlight.policy.cel import read_expression
from nightlight.policy.check import MAX_STEPS, RESERVED, default_text
from nightlight.policy.samples import samples
from nightlight.policy.schema import values_of

GOOD = """name = "sample"

[[rule]]
id = "one"
on = { harms = ["grooming"], level = "high" }
condition = 'actor.may_be_adult'
actions = [{ action = "open_case", queue = "conversations", priority = 2 }]
"""


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_one_passes_and_loads() -> None:
    assert check(GOOD, "p.toml") == []
    rules = load_rules(GOOD, "p.toml")
    assert rules.rules[0].on.level.value == "high"
    assert rules.version == f"sample@{rules.digest[:16]}"


def test_the_default_policy_passes_with_nothing_to_say() -> None:
    assert check(default_text(), "default.toml") == []
    assert default_rules().endpoints == {"safety"}


def test_conditions_of_the_default_policy_run_on_every_sample() -> None:
    contexts = [values_of(j, j.moved[0] if j.moved else None) for j in samples()[::3]]
    for rule in default_rules().rules:
        program = cel.compile(rule.condition)
        assert all(isinstance(program.execute(c), bool) for c in contexts), rule.id


@pytest.mark.parametrize(
    ("text", "line", "says", "allowed"),
    [
        (changed("actor.may_be_adult", "actor.may_be_adlt"), 6, "did you mean 'may_be_adult'?", "is_minor"),
        (changed("'actor.may_be_adult'", '"""\nactor.may_be_adult &&\nlenght(event.kind) > 1"""'), 8, "no function 'lenght'", "size"),
        (changed("'actor.may_be_adult'", "'risk.score'"), 6, "must give true or false", None),
        (changed("'actor.may_be_adult'", "true"), 6, "a condition is a text", None),
        (changed('"grooming"', '"groming"'), 5, "did you mean 'grooming'?", "sextortion"),
        (changed('level = "high"', 'level = "hi"'), 5, "there is no level", "elevated"),
        (changed('level = "high"', 'levels = "high"'), 5, "there is no key 'levels'", "level"),
        (changed('level = "high"', 'kinds = ["massage"]'), 5, "did you mean 'message'?", "media"),
        (changed('level = "high"', 'facts = ["limited"]'), 5, "not one of the facts", "contact_limited"),
        (changed('level = "high"', "crossing = 1"), 5, "true or false", None),
        (changed('["grooming"]', "[]"), 5, "is empty", None),
        (changed('["grooming"]', '"grooming"'), 5, "is a list", None),
        (changed("condition =", "conditon ="), 6, "did you mean 'condition'?", "actions"),
        (changed('"open_case"', '"open_cas"'), 7, "did you mean 'open_case'?", "nudge"),
        (changed("queue =", "que ="), 7, "there is no key 'que'", "queue"),
        (changed("priority = 2", 'priority = "2"'), 7, "priority", None),
        (changed("priority = 2", "priority = 12"), 7, "<= 9", None),
        (changed('[{ action = "open_case", queue = "conversations", priority = 2 }]', "[]"), 7, "would do nothing", "allow"),
        (changed('{ action = "open_case", queue = "conversations", priority = 2 }', '{ queue = "x" }'), 7, "names it", None),
        (changed('{ action = "open_case", queue = "conversations", priority = 2 }', '"open_case"'), 7, "names it", None),
        (changed('[{ action = "open_case", queue = "conversations", priority = 2 }]', '[{ action = ["x"] }]'), 7, "no action", None),
        (changed('id = "one"', 'id = "One!"'), 4, "needs an `id`", None),
        (changed('id = "one"\n', ""), 3, "needs an `id`", None),
        (changed('name = "sample"\n', ""), 1, "needs a `name`", None),
        (changed('id = "one"', 'id = "one"\nalways = true'), 5, "names the kinds", None),
        (changed("[[rule]]", "[rule]"), 3, "written as tables", None),
        (GOOD + GOOD.split("\n", 1)[1], 10, "used before, on line 4", None),
        ('name = "sample"\n', 1, "no rule", None),
        ('name = "sample"\nrule = 3 4\n', 2, "not TOML", None),
        (
            changed('{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "limit_contact", hours = 25 }'),
            7,
            "24 hours at most",
            None,
        ),
        (
            changed('{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "limit_contact", hours = 0 }'),
            7,
            "hours",
            None,
        ),
        (
            changed('{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "limit_contact", account = "x" }'),
            7,
            "no key 'account'",
            "hours",
        ),
        (
            changed(
                '{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "nudge", to = "parents", message = "x" }'
            ),
            7,
            "to",
            "children",
        ),
        (
            changed(
                '{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "nudge", to = "sender", message = "x" }'
            ),
            7,
            "noticed",
            "search_intent",
        ),
    ],
)
def test_problems_are_told_by_line_with_what_is_allowed(text: str, line: int, says: str, allowed: str | None) -> None:
    problems = check(text, "p.toml")
    found = [p for p in problems if says in p.message]
    assert found, problems
    assert found[0].line == line, found[0]
    assert str(found[0]).startswith(f"p.toml:{line}: ")
    if allowed is not None:
        assert allowed in found[0].allowed


@pytest.mark.parametrize("action", ["sanction_account", "report_account"])
def test_a_person_is_never_sanctioned_or_reported_without_a_verdict(action: str) -> None:
    without = changed('{ action = "open_case", queue = "conversations", priority = 2 }', f'{{ action = "{action}" }}')
    (problem,) = check(without, "p.toml")
    assert problem.line == 7
    assert "needs a person's verdict" in problem.message
    assert check(without.replace('id = "one"', 'id = "one"\nrequires_verdict = true'), "p.toml") == []
    assert check(without.replace('id = "one"', 'id = "one"\nrequires_verdict = false'), "p.toml") != []


def test_a_mistake_in_a_rule_can_never_fall_on_a_person() -> None:
    text = GOOD + 'requires_verdict = true\non_error = [{ action = "report_account" }]\n'
    assert ["mistake in a rule" in p.message for p in check(text, "p.toml")] == [True]


def test_a_reporter_and_a_searcher_may_be_spoken_to() -> None:
    nudge = changed('{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "nudge", to = "sender", message = "x" }')
    assert check(nudge.replace('"grooming"', '"search_intent"'), "p.toml") == []
    assert check(nudge.replace('"grooming"', '"search_intent", "sextortion"'), "p.toml") != []
    assert check(nudge.replace('harms = ["grooming"], ', ""), "p.toml") != []
    report = nudge.replace('on = { harms = ["grooming"], level = "high" }', 'always = true\non = { kinds = ["user_report"] }')
    assert check(report, "p.toml") == []
    assert check(report.replace('"user_report"', '"user_report", "message"'), "p.toml") != []


def nudging(rule: str, to: str, field: str = "actions") -> str:
    nudge = f'{{ action = "nudge", to = "{to}", message = "x" }}'
    actions = f'actions = [{{ action = "allow" }}]\non_error = [{nudge}]' if field == "on_error" else f"actions = [{nudge}]"
    return f'name = "sample"\n[[rule]]\nid = "one"\n{rule}\n{actions}\n'


@pytest.mark.parametrize("to", ["children", "recipients"])
@pytest.mark.parametrize("field", ["actions", "on_error"])
def test_no_rule_tells_the_one_who_was_reported(to: str, field: str) -> None:
    for rule in (
        'always = true\non = { kinds = ["user_report"] }',
        'always = true\non = { kinds = ["message", "user_report"], facts = ["contact_limited"] }',
        "requires_verdict = true",
        'requires_verdict = true\non = { kinds = ["user_report"] }',
    ):
        (problem,) = check(nudging(rule, to, field), "p.toml")
        assert "those who were reported" in problem.message and problem.allowed == ("sender",)
    for rule in (
        'always = true\non = { kinds = ["message"] }',
        'requires_verdict = true\non = { kinds = ["message"] }',
        'requires_verdict = true\non = { harms = ["grooming"] }',
        'on = { harms = ["grooming"], kinds = ["user_report"] }',
    ):
        assert check(nudging(rule, to, field), "p.toml") == []


@pytest.mark.parametrize("rule", ["", "requires_verdict = true\n"])
@pytest.mark.parametrize("field", ["actions", "on_error"])
def test_no_rule_speaks_at_the_endpoint_that_acts_on_accounts(rule: str, field: str) -> None:
    notify = '[{ action = "notify", endpoint = "enforcement" }]'
    text = f'name = "sample"\n[[rule]]\nid = "one"\n{rule}actions = [{{ action = "preserve" }}]\n'
    text = text + f"on_error = {notify}\n" if field == "on_error" else text.replace('[{ action = "preserve" }]', notify)
    for endpoints in (None, ["enforcement", "safety"]):
        (problem,) = check(text, "p.toml", endpoints=endpoints)
        assert "reserved for sanction_account" in problem.message
        assert "enforcement" not in problem.allowed
    assert check(text.replace("enforcement", "lead"), "p.toml") == []


def test_the_reserved_endpoints_are_those_that_sanctions_and_messages_go_to() -> None:
    registry = import_module("nightlight.actions.registry")
    assert set(RESERVED) == {registry.ENFORCEMENT, registry.MESSAGES}
    text = changed('{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "notify", endpoint = "messages" }')
    assert ["reserved for nudge" in p.message for p in check(text, "p.toml")] == [True]


CASE = '{ action = "open_case", queue = "conversations", priority = 2 }'
SEARCH = GOOD.replace('"grooming"', '"search_intent"')


@pytest.mark.parametrize(
    "action",
    [
        '{ action = "nudge", to = "parents", message = "x" }',
        '{ action = "nudge", to = "guardian", message = "x" }',
        '{ action = "nudge", to = "recipients", message = "grooming.high.parent" }',
        '{ action = "nudge", to = "children", message = "family.notice" }',
        '{ action = "notify", endpoint = "parents" }',
        '{ action = "notify", endpoint = "page-guardian" }',
    ],
)
def test_no_rule_tells_a_parent(action: str) -> None:
    for rule in (GOOD, GOOD.replace('id = "one"', 'id = "one"\nrequires_verdict = true')):
        (problem,) = check(rule.replace(CASE, action), "p.toml")
        assert problem.line in (7, 8) and "may be one" in problem.message


@pytest.mark.parametrize(
    ("base", "to", "message"),
    [
        (SEARCH, "sender", "grooming.high.child"),
        (GOOD, "children", "search.deterrence"),
        (GOOD, "children", "warning.sender"),
        (GOOD, "recipients", "safeguarding.education.peer"),
        (SEARCH, "sender", "safeguarding.education.peer"),
    ],
)
def test_a_message_goes_to_whom_it_is_written_for(base: str, to: str, message: str) -> None:
    (problem,) = check(base.replace(CASE, f'{{ action = "nudge", to = "{to}", message = "{message}" }}'), "p.toml")
    assert "is written for" in problem.message


def test_a_child_who_reports_may_be_shown_a_childs_message() -> None:
    report = 'always = true\non = { kinds = ["user_report"] }'
    text = nudging(report, "sender").replace('message = "x"', 'message = "help.child"')
    assert check(text, "p.toml") == []


@pytest.mark.parametrize("name", SAFE.__struct_fields__)
@pytest.mark.parametrize(("base", "to"), [(GOOD, "children"), (GOOD, "recipients"), (SEARCH, "sender")])
def test_how_a_message_is_shown_is_loosened_only_where_no_child_can_be_harmed_by_it(base: str, to: str, name: str) -> None:
    safe = getattr(SAFE, name)
    assert check(base.replace(CASE, shown(to, name, safe)), "p.toml") == [], "what is safe may be said"
    found = check(base.replace(CASE, shown(to, name, not safe)), "p.toml")
    if to == "sender" and name in ("outside_conversation", "quick_exit", "choose_adult"):
        assert found == []
    else:
        assert ["cannot be loosened" in p.message for p in found] == [True]


def shown(to: str, name: str, value: bool) -> str:
    return f'{{ action = "nudge", to = "{to}", message = "x", show = {{ {name} = {str(value).lower()} }} }}'


def test_an_answer_to_a_report_is_shown_as_safely_as_any_message_to_a_child() -> None:
    rule = nudging('always = true\non = { kinds = ["user_report"] }', "sender")
    loose = rule.replace('message = "x"', 'message = "x", show = { quick_exit = false }')
    assert ["cannot be loosened" in p.message for p in check(loose, "p.toml")] == [True]
    assert check(rule.replace('message = "x"', 'message = "x", show = { qick_exit = false }'), "p.toml") != []


def test_a_peer_is_taught_only_after_a_verdict() -> None:
    nudge = '{ action = "nudge", to = "peer", message = "safeguarding.education.peer" }'
    (problem,) = check(GOOD.replace(CASE, nudge), "p.toml")
    assert "a person decides first" in problem.message
    judged = GOOD.replace('id = "one"', 'id = "one"\nrequires_verdict = true')
    assert check(judged.replace(CASE, nudge), "p.toml") == []
    assert ["a person decides first" in p.message for p in check(judged + f"on_error = [{nudge}]\n", "p.toml")] == [True]


@pytest.mark.parametrize("action", ["limit_contact", "limit_reach", "add_friction"])
@pytest.mark.parametrize("hours", ["24.5", "8760", "inf", '"forever"', "0", "-1", "nan"])
def test_no_limit_is_for_good(action: str, hours: str) -> None:
    assert check(GOOD.replace(CASE, f'{{ action = "{action}", hours = 24 }}'), "p.toml") == []
    (problem,) = check(GOOD.replace(CASE, f'{{ action = "{action}", hours = {hours} }}'), "p.toml")
    assert problem.line == 7
    (problem,) = check(GOOD.replace(CASE, f'{{ action = "{action}", permanent = true }}'), "p.toml")
    assert "no key 'permanent'" in problem.message


def rules_with(condition: str, count: int = 1) -> str:
    rule = '[[rule]]\nid = "r{}"\ncondition = "{}"\nactions = [{{ action = "allow" }}]\n'
    return 'name = "sample"\n' + "".join(rule.format(n, condition) for n in range(count))


@pytest.mark.parametrize("levels", [2, 4, 6])
def test_macros_within_macros_are_refused_and_never_run(levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("nightlight.policy.check"), "_fails", lambda source: pytest.fail("it was run"))
    names = "abcdef"[:levels]
    bomb = "+".join(names) + ">=0"
    for name in names:
        bomb = f"[1,2,3,4,5,6,7,8,9,0].all({name},{bomb})"
    (problem,) = check(rules_with(bomb), "p.toml")
    assert "within the test of another list" in problem.message


def test_what_all_conditions_of_a_file_take_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    run: list[str] = []
    monkeypatch.setattr(import_module("nightlight.policy.check"), "_fails", lambda source: run.append(source))
    condition = f"[{', '.join(['1'] * 90)}].all(x, {' && '.join(['x > 0'] * 20)})"
    steps = read_expression(condition).steps
    (problem,) = check(rules_with(condition, 400), "p.toml")
    assert "together" in problem.message
    assert len(run) == MAX_STEPS // steps and problem.rule == f"r{len(run)}"
    run.clear()
    assert check(rules_with(condition, 2), "p.toml") == []
    assert len(run) == 2


def test_brackets_without_end_get_an_answer() -> None:
    (problem,) = check("a = " + "[" * 50_000, "p.toml")
    assert "too deep" in problem.message


def test_endpoints_and_messages_that_nobody_configured_are_found() -> None:
    text = changed('{ action = "open_case", queue = "conversations", priority = 2 }', '{ action = "notify", endpoint = "safty" }')
    (problem,) = check(text, "p.toml", endpoints=["safety"])
    assert "did you mean 'safety'?" in problem.message
    assert check(text, "p.toml") == []


def test_everything_wrong_is_told_at_once_and_nothing_is_loaded() -> None:
    text = changed("actor.may_be_adult", "actor.nope").replace('"grooming"', '"nope"').replace('"open_case"', '"nope"')
    with pytest.raises(PolicyError) as refused:
        load_rules(text, "p.toml")
    assert [p.line for p in refused.value.problems] == [5, 6, 7]
    assert all(p.rule == "one" for p in refused.value.problems)


def test_a_version_follows_the_content() -> None:
    assert load_rules(GOOD, "a").version == load_rules(GOOD, "b").version
    assert load_rules(GOOD, "a").version != load_rules(GOOD + "# changed\n", "a").version


@settings(deadline=None)
@given(st.integers(0, len(default_text())), st.sampled_from(["", '"', "[", "}", "x", "3", "\n", "true", "= "]), st.integers(0, 3))
def test_a_slip_anywhere_gets_an_answer(at: int, slip: str, gone: int) -> None:
    text = default_text()
    broken = text[:at] + slip + text[at + gone :]
    last = broken.count("\n") + 1
    for problem in check(broken, "p.toml"):
        assert 1 <= problem.line <= last
