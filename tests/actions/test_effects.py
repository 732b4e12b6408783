from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.actions import HANDLERS, Effects, plan, simulate
from nightlight.core.decision import (
    ACTION_TYPES,
    SAFE,
    Act,
    Action,
    AddFriction,
    Allow,
    BlockContent,
    Decision,
    Display,
    HoldContent,
    LimitContact,
    LimitReach,
    Mode,
    Notify,
    Nudge,
    OpenCase,
    Preserve,
    ReportAccount,
    SanctionAccount,
    SlowDown,
    To,
)
from nightlight.core.event import EventBase, ReportCategory, UserReport
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import LimitKind
from nightlight.core.signal import Subject, SubjectKind
from tests.policy.make import ADULT, CHILD, NOW, assessment, message
from tests.strategies import events

ONE_OF_EACH: tuple[Action, ...] = (
    Allow(),
    Nudge(rule="r", to=To.CHILDREN, message="help.now"),
    HoldContent(rule="r"),
    BlockContent(rule="r"),
    LimitContact(rule="r", hours=12),
    LimitReach(rule="r", hours=12, protects=("child",)),
    AddFriction(rule="r", hours=12, protects="child"),
    SlowDown(rule="r"),
    OpenCase(rule="r", queue="q", priority=2),
    Notify(rule="r", endpoint="safety"),
    Preserve(rule="r"),
    SanctionAccount(rule="r", permanent=True),
    ReportAccount(rule="r"),
)


def draw(seed: bytes) -> bytes:
    return hashlib.sha256(b"a key" + seed).digest()


def decided(*actions: Action, **more: Any) -> Decision:
    base: dict[str, Any] = {"event_id": "e1", "at": NOW, "harms": (), "level": Level.HIGH, "reasons": ("Asked to keep it secret",)}
    return Decision(**{**base, "actions": actions, "policy": "p@1", **more})


def test_every_action_has_a_performer_a_simulated_twin_and_a_row_in_the_reference() -> None:
    assert set(HANDLERS) == set(ACTION_TYPES) == {type(a) for a in ONE_OF_EACH}
    reference = (Path(__file__).parents[2] / "docs" / "reference" / "policy.md").read_text("utf-8")
    for kind in ACTION_TYPES:
        assert f"| `{kind.__struct_config__.tag}` |" in reference


@pytest.mark.parametrize("action", ONE_OF_EACH, ids=lambda a: str(a.__struct_config__.tag))
def test_a_simulation_says_what_would_happen_and_nothing_does(action: Act) -> None:
    decision = decided(action)
    (line,) = simulate(message(), decision, [assessment()], NOW)
    assert line.startswith("would ") and "dorrow" not in line and "adult" not in line
    shadow = decided(action, mode=Mode.SHADOW)
    assert simulate(message(), shadow, [assessment()], NOW) == (line,)
    assert plan(message(), shadow, [assessment()], NOW) == Effects()


@pytest.mark.parametrize("action", ONE_OF_EACH, ids=lambda a: str(a.__struct_config__.tag))
def test_what_changes_is_what_the_twin_says(action: Act) -> None:
    effects = plan(message(), decided(action), [assessment()], NOW, draw=draw)
    (line,) = simulate(message(), decided(action), [assessment()], NOW)
    assert bool(effects.cases) is ("open a case" in line)
    assert bool(effects.limits) is any(word in line for word in ("would limit", "would keep the sender", "would slow"))
    assert bool(effects.outbox) is any(word in line for word in ("notify", "page", "ask the service", "would show"))
    assert effects.preserve is ("as evidence" in line)


def test_a_limit_lasts_its_hours_and_pages_a_lead_before_it_lapses() -> None:
    effects = plan(message(), decided(LimitContact(rule="r", hours=24)), [assessment()], NOW)
    (limit,) = effects.limits
    assert (limit.account, limit.until, limit.event, limit.rule) == ("adult", NOW + timedelta(hours=24), "e1", "r")
    (page,) = effects.outbox
    assert (page.endpoint, page.not_before, page.cancel_key) == ("lead", NOW + timedelta(hours=22), "limit:adult:e1")
    assert json.loads(page.body)["type"] == "contact_limit.lapsing"


def test_a_short_limit_pages_at_once_and_a_named_account_is_the_one_limited() -> None:
    effects = plan(message(), decided(LimitContact(rule="r", hours=1, account="child")), [], NOW, lead="night-shift")
    assert effects.limits[0].account == "child"
    assert (effects.outbox[0].endpoint, effects.outbox[0].not_before) == ("night-shift", NOW)


def test_a_case_is_filed_under_the_most_urgent_risk() -> None:
    moved = [assessment(Harm.GROOMING), assessment(Harm.IMMEDIATE_DANGER, Level.ELEVATED), assessment(Harm.SEXTORTION, Level.LOW)]
    (case,) = plan(message(), decided(OpenCase(rule="r", queue="q", priority=2)), moved, NOW).cases
    assert (case.harm, case.level, case.queue, case.priority) == (Harm.IMMEDIATE_DANGER, Level.ELEVATED, "q", 2)
    assert (case.actor, case.protects, case.event, case.reasons) == ("adult", "child", "e1", ("Asked to keep it secret",))
    (case,) = plan(message(), decided(OpenCase(rule="r")), [assessment(Harm.GROOMING), assessment(Harm.SEXTORTION, Level.LOW)], NOW).cases
    assert case.harm is Harm.GROOMING


def test_a_case_without_any_risk_is_about_the_conversation() -> None:
    (case,) = plan(message(), decided(OpenCase(rule="r")), [assessment(level=Level.NONE)], NOW).cases
    assert (case.subject, case.harm, case.level, case.actor) == (Subject(SubjectKind.CONVERSATION, "room"), None, Level.NONE, "adult")


def test_a_case_names_nobody_where_the_assessment_names_nobody() -> None:
    """A child's own words of self-harm: the child is in danger, and suspected of nothing."""
    own = assessment(Harm.IMMEDIATE_DANGER, actor=None, protects="child")
    for action in (OpenCase(rule="r"), ReportAccount(rule="r")):
        (case,) = plan(message(CHILD, ADULT), decided(action), [own], NOW).cases
        assert (case.actor, case.protects) == (None, "child")


def test_who_reports_somebody_is_not_the_one_the_case_is_about() -> None:
    report = UserReport(id="e1", at=NOW, actor=CHILD, targets=(ADULT,), category=ReportCategory.THREATENED)
    assert [case.actor for case in plan(report, decided(OpenCase(rule="r")), [], NOW).cases] == [None]
    assert [case.actor for case in plan(report, decided(OpenCase(rule="r")), [assessment()], NOW).cases] == ["adult"]


def test_where_nobody_is_named_no_account_is_acted_on() -> None:
    report = UserReport(id="e1", at=NOW, actor=CHILD, targets=(ADULT,), category=ReportCategory.THREATENED)
    decision = decided(SanctionAccount(rule="r"))
    for event, risks in ((message(CHILD, ADULT), [assessment(Harm.IMMEDIATE_DANGER, actor=None, protects="child")]), (report, [])):
        assert plan(event, decision, risks, NOW) == Effects()
        assert simulate(event, decision, risks, NOW) == ("would act on no account, as none is named for what was confirmed",)


def test_messages_are_neutral_and_keys_name_event_endpoint_and_rule() -> None:
    (out,) = plan(message(), decided(Notify(rule="r", endpoint="safety")), [assessment()], NOW).outbox
    assert out.key == "e1/safety/r"
    assert json.loads(out.body) == {
        "type": "decision",
        "event_id": "e1",
        "decision_id": "e1",
        "rule": "r",
        "at": "2026-03-01T12:00:00Z",
        "policy": "p@1",
    }


def test_a_later_decision_about_the_same_event_has_keys_of_its_own() -> None:
    later = decided(Notify(rule="r", endpoint="safety"), event_id="e1#7")
    (out,) = plan(message(), later, [], NOW).outbox
    assert out.key == "e1#7/safety/r"
    assert json.loads(out.body)["event_id"] == "e1"


def test_an_account_is_sanctioned_by_the_service_and_reported_by_people() -> None:
    effects = plan(message(), decided(SanctionAccount(rule="r"), ReportAccount(rule="r")), [assessment()], NOW)
    (out,) = effects.outbox
    assert out.endpoint == "enforcement"
    assert json.loads(out.body)["permanent"] is False
    assert [case.queue for case in effects.cases] == ["reporting"]


@settings(deadline=None)
@given(events(), st.lists(st.sampled_from(ONE_OF_EACH), max_size=6), st.lists(st.sampled_from(Harm), max_size=3))
def test_planned_twice_it_is_the_same_and_never_content(event: EventBase, actions: list[Action], harms: list[Harm]) -> None:
    decision = decided(*actions, event_id=event.id)
    risks = [assessment(harm) for harm in harms]
    effects = plan(event, decision, risks, NOW, draw=draw)
    assert effects == plan(event, decision, risks, NOW, draw=draw)
    assert len({out.key for out in effects.outbox}) == len(effects.outbox)
    for out in effects.outbox:
        told = json.loads(out.body)
        assert set(told) <= {"type", "event_id", "decision_id", "rule", "at", "policy", "account", "until", "permanent", "message", "show"}


def test_a_nudge_leaves_once_for_each_whom_it_is_for_with_how_it_is_shown() -> None:
    event = message(ADULT, CHILD, msgspec.structs.replace(CHILD, account="friend"))
    first, second = Nudge(rule="a", to=To.CHILDREN, message="urgent"), Nudge(rule="b", to=To.RECIPIENTS, message="kind")
    effects = plan(event, decided(first, second), [assessment()], NOW, names={"child": "ada"})
    bodies = [json.loads(out.body) for out in effects.outbox]
    assert {out.endpoint for out in effects.outbox} == {"messages"}
    assert [(b["account"], b["message"]) for b in bodies] == [("ada", "urgent"), ("friend", "urgent")]
    assert all(msgspec.convert(b["show"], Display) == SAFE for b in bodies)
    assert effects == plan(event, decided(first, second), [assessment()], NOW, names={"child": "ada"})


def test_a_limit_on_reach_is_reviewed_by_the_same_people_as_one_on_contact() -> None:
    acts = LimitContact(rule="r", hours=24), LimitReach(rule="r", hours=5, protects=("child",))
    effects = plan(message(), decided(*acts), [assessment()], NOW)
    assert [(x.kind, x.until - NOW, x.protects) for x in effects.limits] == [
        (LimitKind.CONTACT, timedelta(hours=24), ()),
        (LimitKind.REACH, timedelta(hours=5), ("child",)),
    ]
    pages = {json.loads(out.body)["type"]: out for out in effects.outbox}
    assert set(pages) == {"contact_limit.lapsing", "reach_limit.lapsing"}
    assert pages["reach_limit.lapsing"].not_before == NOW + timedelta(hours=3)
    assert {(out.endpoint, out.cancel_key) for out in effects.outbox} == {("lead", "limit:adult:e1")}


def test_friction_is_never_drawn_without_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        plan(message(), decided(AddFriction(rule="r")), [assessment()], NOW)


def test_two_peoples_conduct_on_one_event_is_two_cases() -> None:
    """Somebody endangered by one and endangering another is in both, and neither takes anything from the other."""
    about = [
        assessment(Harm.SEXTORTION, actor="adult", protects="young", subject=Subject(SubjectKind.PAIR, "room|adult|young")),
        assessment(Harm.GROOMING, actor="young", protects="child", subject=Subject(SubjectKind.PAIR, "room|young|child")),
    ]
    acts = OpenCase(rule="a", queue="conversations", account="adult"), OpenCase(rule="b", queue="safeguarding", account="young")
    cases = plan(message(), decided(*acts), about, NOW).cases
    assert [(c.queue, c.subject.id, c.harm, c.actor, c.protects) for c in cases] == [
        ("conversations", "room|adult|young", Harm.SEXTORTION, "adult", "young"),
        ("safeguarding", "room|young|child", Harm.GROOMING, "young", "child"),
    ]
