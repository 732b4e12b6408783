from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.assessment import Assessment
from nightlight.core.bank import BankAction, BankKind, Match
from nightlight.core.case import Finding, Verdict
from nightlight.core.decision import (
    Act,
    Action,
    AddFriction,
    Allow,
    BlockContent,
    Decision,
    HoldContent,
    LimitContact,
    Mode,
    Notify,
    Nudge,
    OpenCase,
    Preserve,
    ReportAccount,
    SanctionAccount,
    To,
)
from nightlight.core.event import AgeBand, ContactRequest, EventBase, MediaScreened, Party, ReportCategory, Session, UserReport
from nightlight.core.features import Features
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.harm import Harm, Level
from nightlight.core.signal import FLOOD, FLOOD_GOES_ON, Evidence, Subject, SubjectKind
from nightlight.policy import Policy, default_rules, instruct
from nightlight.policy.judged import Moved
from nightlight.policy.resolve import addressed
from nightlight.policy.samples import sample_events
from tests.policy.make import ADULT, ALL, CHILD, NOW, UNKNOWN, assessment, match, matched, media, message, policy
from tests.strategies import events

DEFAULT = Policy(default_rules())
A = TypeVar("A", bound=Act)


def decide(
    rules: Policy, event: EventBase, *moved: Moved, features: Features | None = None, limited: bool = False, verdict: Verdict | None = None
) -> Decision:
    return rules.decide(event, features or Features(), ALL, moved, limited=limited, now=NOW, verdict=verdict)


def of(decision: Decision, kind: type[A]) -> list[A]:
    return [a for a in decision.actions if isinstance(a, kind)]


# -- what the default policy does ----------------------------------------------------------------------------------------------


def test_an_event_that_moves_nothing_is_allowed_and_says_which_cells_ruled() -> None:
    decision = decide(DEFAULT, message())
    assert decision.actions == (Allow(),)
    assert (decision.harms, decision.level, decision.reasons) == ((), Level.NONE, ())
    assert decision.gate == ALL.cells
    assert decision.policy == default_rules().version


def test_elevated_grooming_is_a_kind_word_to_the_child_and_nothing_else() -> None:
    decision = decide(DEFAULT, message(), (None, assessment(level=Level.ELEVATED)))
    (nudge,) = of(decision, Nudge)
    assert (nudge.message, nudge.account) == ("grooming.elevated.child", "child")
    assert {type(a) for a in decision.actions} == {Allow, Nudge, AddFriction}
    assert decision.reasons == ("Asked to keep it secret",)


@pytest.mark.parametrize("harm", [Harm.GROOMING, Harm.SEXTORTION, Harm.IMAGERY_SOLICITATION])
def test_high_risk_limits_contact_once_and_opens_a_case_every_time(harm: Harm) -> None:
    first = decide(DEFAULT, message(), (assessment(harm, Level.ELEVATED), assessment(harm, Level.HIGH)))
    (limit,) = of(first, LimitContact)
    assert limit.hours == 24 and limit.account is None
    assert of(first, OpenCase) and of(first, Preserve) and of(first, Notify)
    again = decide(DEFAULT, message(), (assessment(harm, Level.HIGH), assessment(harm, Level.HIGH)))
    assert not of(again, LimitContact) and not of(again, Nudge) and not of(again, Notify)
    assert of(again, OpenCase) and of(again, Preserve)


def test_a_jump_to_high_shows_the_child_the_word_meant_for_high() -> None:
    decision = decide(DEFAULT, message(), (None, assessment(Harm.GROOMING, Level.HIGH)))
    assert [n.message for n in of(decision, Nudge)] == ["grooming.high.child"]


def test_immediate_danger_goes_to_the_front_and_help_outranks_every_other_word() -> None:
    moved = [(None, assessment(Harm.SEXTORTION)), (None, assessment(Harm.IMMEDIATE_DANGER))]
    decision = decide(DEFAULT, message(), *moved)
    case = of(decision, OpenCase)[0]
    assert (case.queue, case.priority) == ("immediate", 0)
    assert [n.message for n in of(decision, Nudge)] == ["help.now"]
    assert decision.harms == (Harm.IMMEDIATE_DANGER, Harm.SEXTORTION)


def test_a_child_who_may_harm_themselves_gets_the_help_although_they_wrote_it() -> None:
    decision = decide(DEFAULT, message(CHILD, ADULT), (None, assessment(Harm.IMMEDIATE_DANGER, actor=None, protects="child")))
    assert [n.account for n in of(decision, Nudge)] == ["child"]


@pytest.mark.parametrize("bank", [BankKind.OWN, BankKind.PARTNER])
def test_the_very_same_bytes_as_known_material_are_blocked(bank: BankKind) -> None:
    moved = (None, assessment(Harm.KNOWN_MATERIAL))
    decision = decide(DEFAULT, media(), moved, features=matched(match(bank=bank), match(FingerprintKind.PDQ, bank, 12)))
    assert decision.actions[0] == BlockContent(rule="known-material-exact")
    assert of(decision, OpenCase) and of(decision, Preserve) and of(decision, Notify)


@pytest.mark.parametrize(
    "matches",
    [
        (match(FingerprintKind.PDQ, BankKind.OWN, 20),),
        (match(bank=BankKind.QUARANTINE),),
        (match(FingerprintKind.PDQ, BankKind.OWN, 0), match(bank=BankKind.QUARANTINE)),
        (match(), match(FingerprintKind.MD5, BankKind.NEGATIVE)),
        (msgspec.structs.replace(match(), action=BankAction.HOLD),),
        (msgspec.structs.replace(match(), paused=True),),
        (msgspec.structs.replace(match(FingerprintKind.PDQ), derived=True),),
    ],
)
def test_a_likeness_a_report_or_a_doubt_is_held_for_a_person(matches: tuple[object, ...]) -> None:
    decision = decide(DEFAULT, media(), (None, assessment(Harm.KNOWN_MATERIAL)), features=matched(*matches))
    assert decision.actions[0] == HoldContent(rule="known-material-held")
    assert of(decision, OpenCase)


@pytest.mark.parametrize(
    "matches",
    [(match(), match(bank=BankKind.NEGATIVE)), (msgspec.structs.replace(match(), action=BankAction.COUNT),)],
)
def test_what_is_silenced_or_only_counted_is_delivered_whatever_its_item_has_gathered(matches: tuple[Match, ...]) -> None:
    assert decide(DEFAULT, media(), (None, assessment(Harm.KNOWN_MATERIAL)), features=matched(*matches)).actions == (Allow(),)


def test_a_bank_to_be_reviewed_opens_a_case_and_holds_nothing() -> None:
    reviewed = msgspec.structs.replace(match(), action=BankAction.REVIEW)
    decision = decide(DEFAULT, media(), (None, assessment(Harm.KNOWN_MATERIAL)), features=matched(reviewed))
    assert decision.actions[0] == Allow() and [c.queue for c in of(decision, OpenCase)] == ["media"]


def _about_the_item(actor: str | None, *evidence: Evidence) -> Assessment:
    found = assessment(Harm.KNOWN_MATERIAL, actor=actor, subject=Subject(SubjectKind.MEDIA, "ours/1"))
    return msgspec.structs.replace(found, contributions=(msgspec.structs.replace(found.contributions[0], evidence=evidence),))


@pytest.mark.parametrize("cue", [FLOOD, FLOOD_GOES_ON, None])
def test_a_flood_is_an_urgent_case_once(cue: str | None) -> None:
    about = _about_the_item(None, Evidence("m1", "a flood", cue=cue), Evidence("earlier", "a flood", cue=FLOOD))
    decision = DEFAULT.decide(media(), Features(), ALL, [(about, about)], limited=False, now=NOW, late=True)
    assert (("media", 0) in [(c.queue, c.priority) for c in of(decision, OpenCase)]) is (cue == FLOOD)
    assert bool(of(decision, Notify)) is (cue == FLOOD)
    assert not of(decision, LimitContact)


HARSH = """
[[rule]]
id = "harsh"
on = { harms = ["known_material"], level = "low" }
actions = [{ action = "limit_contact" }]

[[rule]]
id = "harsh-always"
always = true
on = { kinds = ["media"] }
condition = "match.present"
actions = [{ action = "limit_contact" }]

[[rule]]
id = "harsh-by-fact"
always = true
on = { kinds = ["media"], facts = ["media_matched"] }
actions = [{ action = "limit_contact" }]
"""


@pytest.mark.parametrize(
    ("found", "limits"),
    [
        ((match(),), True),
        ((match(FingerprintKind.PDQ, BankKind.OWN, 20),), True),
        ((match(bank=BankKind.QUARANTINE),), False),
        ((msgspec.structs.replace(match(), paused=True),), False),
        ((msgspec.structs.replace(match(FingerprintKind.PDQ), derived=True),), False),
        ((msgspec.structs.replace(match(), action=BankAction.REVIEW),), False),
        ((msgspec.structs.replace(match(), action=BankAction.COUNT),), False),
        ((match(), match(bank=BankKind.NEGATIVE)), False),
        ((match(bank=BankKind.NEGATIVE),), False),
    ],
)
def test_no_rule_limits_an_account_for_what_may_not_count_against_it(found: tuple[Match, ...], limits: bool) -> None:
    rules = policy(HARSH)
    for actor in ("adult", None):
        about = _about_the_item(actor)
        assert bool(of(decide(rules, media(), (None, about), features=matched(*found)), LimitContact)) is limits
    assert bool(of(decide(rules, media(), features=matched(*found)), LimitContact)) is limits


BLOCKING = HARSH.replace("limit_contact", "block_content")


@pytest.mark.parametrize(
    ("found", "content"),
    [
        ((match(),), BlockContent),
        ((match(FingerprintKind.PDQ, BankKind.OWN, 20),), BlockContent),
        ((match(bank=BankKind.QUARANTINE),), HoldContent),
        ((msgspec.structs.replace(match(), paused=True),), HoldContent),
        ((msgspec.structs.replace(match(FingerprintKind.PDQ), derived=True),), HoldContent),
        ((msgspec.structs.replace(match(), action=BankAction.HOLD),), HoldContent),
        ((msgspec.structs.replace(match(), action=BankAction.REVIEW),), Allow),
        ((msgspec.structs.replace(match(), action=BankAction.COUNT),), Allow),
        ((match(), match(bank=BankKind.NEGATIVE)), Allow),
        ((match(bank=BankKind.NEGATIVE),), Allow),
    ],
)
def test_no_rule_does_more_to_the_content_than_its_match_allows(found: tuple[Match, ...], content: type[Action]) -> None:
    rules = policy(BLOCKING)
    for moved in ([(None, _about_the_item("adult"))], []):
        for fallback in (False, True):
            told = rules if not fallback else policy(BLOCKING.replace("block_content", "hold_content"))
            (done,) = [
                a
                for a in decide(told, media(), *moved, features=matched(*found)).actions
                if isinstance(a, BlockContent | HoldContent | Allow)
            ]
            assert isinstance(done, HoldContent if fallback and content is BlockContent else content)


def test_a_weak_match_takes_nothing_from_what_holds_without_it() -> None:
    rules = policy("""
[[rule]]
id = "not-a-false-one"
on = { harms = ["grooming"], level = "low" }
condition = "!match.negative"
actions = [{ action = "block_content" }, { action = "limit_contact" }]

[[rule]]
id = "elsewhere"
on = { harms = ["grooming"], level = "low" }
condition = "match.present"
actions = [{ action = "block_content" }, { action = "limit_contact" }]
""")
    trial = matched(msgspec.structs.replace(match(), action=BankAction.COUNT))
    decision = decide(rules, media(), (None, assessment(Harm.GROOMING, Level.HIGH)), features=trial)
    assert [a.rule for a in (*of(decision, BlockContent), *of(decision, LimitContact))] == ["not-a-false-one"] * 2


def test_what_a_picture_gathers_over_all_accounts_limits_none_of_them_later() -> None:
    for actor in ("adult", "another", None):
        moved = (None, _about_the_item(actor, Evidence("m1", "a flood", cue=FLOOD)))
        late = policy(HARSH).decide(media(), Features(), ALL, [moved], limited=False, now=NOW, late=True)
        assert not of(late, LimitContact)


def test_a_person_who_confirmed_it_is_not_held_back() -> None:
    rules = policy("""
[[rule]]
id = "confirmed"
requires_verdict = true
on = { harms = ["known_material"] }
actions = [{ action = "limit_contact" }]
""")
    verdict = Verdict(case="case", reviewer="r", finding=Finding.CONFIRMED, reason="seen", at=NOW)
    held = matched(match(bank=BankKind.QUARANTINE))
    assert of(decide(rules, media(), (None, _about_the_item("adult")), features=held, verdict=verdict), LimitContact)


def test_while_contact_is_limited_only_what_may_reach_a_minor_is_held() -> None:
    for target, kept in ((CHILD, True), (UNKNOWN, True), (ADULT, False)):
        decision = decide(DEFAULT, message(Party(account="x", age_band=AgeBand.ADULT), target), limited=True)
        assert bool(of(decision, HoldContent)) is kept
        assert bool(decision.reasons) is kept
    request = ContactRequest(id="r", at=NOW, actor=ADULT, targets=(CHILD,))
    assert of(decide(DEFAULT, request, limited=True), HoldContent)
    assert not of(decide(DEFAULT, Session(id="s", at=NOW, actor=ADULT), limited=True), HoldContent)


REACHES_OTHERS = {
    "message", "media", "media_screened", "link", "contact_request", "gift", "follow", "reward", "stream_frame", "transcript"
}  # fmt: skip


@pytest.mark.parametrize("event", sample_events()[::2], ids=lambda event: str(event.kind))
def test_while_contact_is_limited_every_kind_that_reaches_others_is_held(event: EventBase) -> None:
    held = of(decide(DEFAULT, event, limited=True), HoldContent)
    assert bool(held) is (event.kind in REACHES_OTHERS)


ALWAYS_LIMITS = policy("""
[[rule]]
id = "every-time"
on = { level = "high" }
actions = [{ action = "limit_contact", hours = 20 }]
[[rule]]
id = "unasked"
always = true
on = { kinds = ["message", "user_report"], facts = ["contact_limited"] }
actions = [{ action = "limit_contact", hours = 24 }]
""")


def test_a_limit_is_never_renewed_by_a_machine_while_it_is_in_force() -> None:
    again = (assessment(), assessment())
    assert not of(decide(ALWAYS_LIMITS, message(), again, limited=True), LimitContact)
    assert [x.hours for x in of(decide(ALWAYS_LIMITS, message(), again), LimitContact)] == [20]
    # Another child in the same conversation is the same matter, and the limit that is in force covers them.
    other = (assessment(protects="child"), assessment(protects="somebody"))
    assert not of(decide(DEFAULT, message(ADULT, UNKNOWN), other, limited=True), LimitContact)
    assert of(decide(DEFAULT, message(ADULT, UNKNOWN), other), LimitContact)


def test_what_crosses_now_gets_a_limit_of_its_own_although_one_is_in_force() -> None:
    for before in (None, assessment(level=Level.ELEVATED)):
        for rules, hours in ((DEFAULT, 24), (ALWAYS_LIMITS, 20)):
            given = of(decide(rules, message(), (before, assessment()), limited=True), LimitContact)
            assert [(x.account, x.hours) for x in given] == [(None, hours)]


def test_a_childs_answer_prolongs_no_limit_of_the_other() -> None:
    answer = message(CHILD, ADULT)
    assert not of(decide(ALWAYS_LIMITS, answer, (assessment(), assessment())), LimitContact)
    given = of(decide(ALWAYS_LIMITS, answer, (None, assessment())), LimitContact)
    assert [x.account for x in given] == ["adult"]


def test_a_persons_verdict_may_limit_somebody_who_is_limited() -> None:
    rules = policy('[[rule]]\nid = "v"\nrequires_verdict = true\nactions = [{ action = "limit_contact", hours = 5 }]\n')
    verdict = Verdict(case="c", reviewer="r", finding=Finding.CONFIRMED, reason="plim", at=NOW)
    assert of(decide(rules, message(), (assessment(), assessment()), limited=True, verdict=verdict), LimitContact)


def test_whoever_reports_is_not_limited_for_it() -> None:
    report = UserReport(id="r", at=NOW, actor=CHILD, targets=(ADULT,), category=ReportCategory.THREATENED)
    for moved in ([], [(None, assessment(actor=None, protects=None))]):
        assert not of(decide(ALWAYS_LIMITS, report, *moved, limited=False), LimitContact)
    unasked = policy('[[rule]]\nid = "u"\nalways = true\non = { kinds = ["user_report"] }\nactions = [{ action = "limit_contact" }]\n')
    assert not of(decide(unasked, report), LimitContact)
    assert [x.account for x in of(decide(ALWAYS_LIMITS, report, (None, assessment())), LimitContact)] == ["adult"]


@pytest.mark.parametrize("category", list(ReportCategory))
def test_every_report_gets_a_person_and_an_answer(category: ReportCategory) -> None:
    decision = decide(DEFAULT, UserReport(id="r", at=NOW, actor=CHILD, targets=(ADULT,), category=category))
    assert len(of(decision, OpenCase)) == 1
    assert [n.to for n in of(decision, Nudge)] == [To.SENDER]
    urgent = category in (ReportCategory.IN_DANGER, ReportCategory.SELF_HARM)
    assert (of(decision, OpenCase)[0].queue == "immediate") is urgent


def test_media_that_cannot_be_read_is_delivered_and_looked_at_later() -> None:
    event = MediaScreened(id="m", at=NOW, actor=ADULT, targets=(CHILD,), unreadable="truncated")
    decision = decide(DEFAULT, event)
    assert of(decision, Allow) and [c.queue for c in of(decision, OpenCase)] == ["unreadable"]
    assert not of(decide(DEFAULT, MediaScreened(id="m", at=NOW, actor=ADULT, targets=(CHILD,))), OpenCase)


@pytest.mark.parametrize("harm", list(Harm))
def test_every_harm_at_high_risk_gets_a_person(harm: Harm) -> None:
    assert of(decide(DEFAULT, message(), (None, assessment(harm))), OpenCase)


@settings(deadline=None)
@given(events(), st.lists(st.tuples(st.sampled_from(Harm), st.sampled_from(Level), st.sampled_from(Level)), max_size=4), st.booleans())
def test_the_default_policy_never_fails_and_never_falls_on_a_person(
    event: EventBase, risks: list[tuple[Harm, Level, Level]], limited: bool
) -> None:
    moved = [(assessment(h, before, actor=None, protects=None), assessment(h, now, actor=None, protects=None)) for h, before, now in risks]
    decision = decide(DEFAULT, event, *moved, limited=limited)
    assert decision.failures == ()
    assert not of(decision, SanctionAccount) and not of(decision, ReportAccount)
    assert sum(isinstance(a, Allow | HoldContent | BlockContent) for a in decision.actions) == 1
    if of(decision, HoldContent):
        assert of(decision, OpenCase)
    assert len(decision.reasons) <= 8
    assert decision == decide(DEFAULT, event, *moved, limited=limited)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(decision), type=Decision) == decision


# -- whom it concerns ----------------------------------------------------------------------------------------------------------


def test_a_childs_answer_that_moves_the_risk_warns_the_child_and_limits_the_other() -> None:
    decision = decide(DEFAULT, message(CHILD, ADULT), (None, assessment(actor="adult", protects="child")))
    assert [n.account for n in of(decision, Nudge)] == ["child"]
    assert [x.account for x in of(decision, LimitContact)] == ["adult"]


def test_where_nobody_says_whom_to_protect_the_one_it_is_about_hears_nothing() -> None:
    suspect = Party(account="adult")  # of unknown age: "may be a minor"
    risk = assessment(actor="adult", protects=None)
    assert [n.account for n in of(decide(DEFAULT, message(CHILD, suspect), (None, risk)), Nudge)] == ["child"]
    assert not of(decide(DEFAULT, message(Party(account="x", age_band=AgeBand.ADULT), suspect), (None, risk)), Nudge)


def test_a_warning_for_somebody_who_is_not_here_is_shown_to_nobody() -> None:
    assert not of(decide(DEFAULT, message(ADULT, UNKNOWN), (None, assessment(protects="child"))), Nudge)


def test_whoever_comes_to_lead_is_limited_although_the_level_was_reached_before() -> None:
    other = Party(account="other", age_band=AgeBand.ADULT)
    moved = (assessment(actor="adult"), assessment(actor="other"))
    for limited in (False, True):  # a limit that is in force was set for something else
        decision = decide(DEFAULT, message(other, CHILD), moved, limited=limited)
        assert len(of(decision, LimitContact)) == len(of(decision, Notify)) == 1
        assert [n.account for n in of(decision, Nudge)] == ["child"]
    found = decide(DEFAULT, message(other, CHILD), (assessment(actor=None), assessment(actor="other")))
    assert of(found, LimitContact)


def test_whoever_comes_to_need_protection_is_warned_although_the_level_was_reached_before() -> None:
    moved = (assessment(protects="child"), assessment(protects="somebody"))
    assert [n.account for n in of(decide(DEFAULT, message(ADULT, UNKNOWN), moved), Nudge)] == ["somebody"]
    danger = [assessment(Harm.IMMEDIATE_DANGER, protects=child) for child in ("child", "somebody")]
    assert of(decide(DEFAULT, message(ADULT, UNKNOWN), (danger[0], danger[1])), Notify)


def test_where_nobody_new_is_named_nothing_begins() -> None:
    for now in (assessment(), assessment(actor=None, protects=None)):
        decision = decide(DEFAULT, message(), (assessment(), now))
        assert not of(decision, LimitContact) and not of(decision, Nudge) and not of(decision, Notify)


ANY_NUDGE = [Nudge(to=To.CHILDREN, message="m"), Nudge(to=To.RECIPIENTS, message="m")]


@pytest.mark.parametrize("nudge", ANY_NUDGE, ids=lambda n: str(n.to))
def test_a_report_reaches_none_of_those_who_were_reported(nudge: Nudge) -> None:
    for suspect in (ADULT, UNKNOWN):
        report = UserReport(id="r", at=NOW, actor=CHILD, targets=(suspect,), category=ReportCategory.OTHER)
        for about in (
            None,
            assessment(actor=None, protects=None),
            assessment(actor="child", protects=None),
            assessment(actor=None, protects="adult"),
        ):
            assert addressed(nudge, report, about) is None
        told = addressed(nudge, report, assessment(actor=suspect.account, protects="child"))
        assert told is not None and told.account == "child"
    sender = Nudge(to=To.SENDER, message="m")
    assert addressed(sender, report, None) == sender


def test_a_child_who_was_reported_to_need_help_gets_it() -> None:
    report = UserReport(id="r", at=NOW, actor=UNKNOWN, targets=(CHILD,), category=ReportCategory.SELF_HARM)
    told = addressed(ANY_NUDGE[0], report, assessment(Harm.IMMEDIATE_DANGER, actor=None, protects="child"))
    assert told is not None and told.account == "child"


@pytest.mark.parametrize("nudge", ANY_NUDGE, ids=lambda n: str(n.to))
@pytest.mark.parametrize("actor", ["adult", None])
def test_what_an_adult_wrote_warns_the_child_and_never_the_adult(nudge: Nudge, actor: str | None) -> None:
    found = addressed(nudge, message(), assessment(actor=actor, protects="adult"))
    decision = Decision(event_id="e1", at=NOW, actions=(found,) if found else (), harms=(), level=Level.HIGH, reasons=(), policy="p")
    sender, _ = instruct(message(), decision)
    assert sender.messages == ()


def test_whom_an_assessment_protects_is_never_limited() -> None:
    decision = decide(DEFAULT, message(CHILD, ADULT), (None, assessment(actor=None, protects="child")))
    assert not of(decision, LimitContact)


# -- many rules at once --------------------------------------------------------------------------------------------------------

MANY = """
[[rule]]
id = "a"
actions = [
  { action = "hold_content" },
  { action = "open_case", queue = "q", priority = 5 },
  { action = "limit_contact", hours = 2 },
  { action = "notify", endpoint = "x" },
  { action = "preserve" },
]
[[rule]]
id = "b"
actions = [
  { action = "allow" },
  { action = "open_case", queue = "q", priority = 1 },
  { action = "limit_contact", hours = 20 },
  { action = "notify", endpoint = "x" },
  { action = "preserve" },
]
[[rule]]
id = "c"
on = { level = "high" }
actions = [{ action = "block_content" }, { action = "open_case", queue = "other" }]
"""


def test_block_outranks_hold_outranks_allow_and_nothing_is_done_twice() -> None:
    rules = policy(MANY)
    high = decide(rules, message(), (None, assessment()))
    assert high.actions == (
        BlockContent(rule="c"),
        LimitContact(rule="b", hours=20),
        OpenCase(rule="b", queue="q", priority=1, account="adult"),
        OpenCase(rule="c", queue="other", priority=5, account="adult"),
        Notify(rule="a", endpoint="x"),
        Preserve(rule="a"),
    )
    assert decide(rules, message(), (None, assessment(level=Level.LOW))).actions[0] == HoldContent(rule="a")


@settings(deadline=None)
@given(st.permutations(MANY.split("[[rule]]")[1:]))
def test_the_order_of_rules_changes_nothing_that_is_done(parts: list[str]) -> None:
    def kinds(rules: Policy) -> list[Action]:
        return [msgspec.structs.replace(a, rule="") for a in decide(rules, message(), (None, assessment())).actions]

    assert kinds(policy("[[rule]]" + "[[rule]]".join(parts))) == kinds(policy(MANY))


def test_what_is_held_always_has_somebody_to_look_at_it() -> None:
    rules = policy('[[rule]]\nid = "h"\nactions = [{ action = "hold_content" }]\n')
    assert of(decide(rules, message(), (None, assessment())), OpenCase) == [OpenCase(rule="h", queue="held", priority=6)]


def test_rules_are_asked_by_harm_level_kind_crossing_and_fact() -> None:
    rules = policy(
        """
[[rule]]
id = "r"
on = { harms = ["grooming"], level = "elevated", kinds = ["message"], crossing = true }
actions = [{ action = "preserve" }]
[[rule]]
id = "f"
on = { facts = ["contact_limited", "media_matched"] }
actions = [{ action = "notify", endpoint = "x" }]
"""
    )
    low, high = assessment(level=Level.LOW), assessment(level=Level.HIGH)
    assert of(decide(rules, message(), (low, high)), Preserve)
    assert not of(decide(rules, message(), (high, high)), Preserve)
    assert not of(decide(rules, message(), (None, low)), Preserve)
    assert not of(decide(rules, media(), (low, high)), Preserve)
    assert not of(decide(rules, message(), (None, assessment(Harm.SEXTORTION))), Preserve)
    assert not of(decide(rules, media(), (low, high), limited=True), Notify)
    assert of(decide(rules, media(), (low, high), limited=True, features=matched(match())), Notify)


def test_at_the_second_hop_rules_without_an_assessment_are_not_asked_again() -> None:
    report = UserReport(id="r", at=NOW, actor=CHILD, targets=(ADULT,), category=ReportCategory.OTHER)
    for moved in ([], [(None, assessment())]):
        late = DEFAULT.decide(report, Features(), ALL, moved, limited=False, now=NOW, late=True)
        assert not [c for c in of(late, OpenCase) if c.queue == "reports"]


# -- verdicts, failures, modes -------------------------------------------------------------------------------------------------

CONSEQUENCE = """
[[rule]]
id = "ban"
requires_verdict = true
actions = [{ action = "sanction_account", permanent = true }, { action = "report_account" }, { action = "preserve" }]
[[rule]]
id = "always-there"
actions = [{ action = "notify", endpoint = "x" }]
"""


@pytest.mark.parametrize("finding", list(Finding))
def test_only_a_confirmed_verdict_falls_on_a_person(finding: Finding) -> None:
    rules = policy(CONSEQUENCE)
    assert not of(decide(rules, message(), (None, assessment())), SanctionAccount)
    verdict = Verdict(case="c", reviewer="r", finding=finding, reason="plim", at=NOW)
    decision = decide(rules, message(), (None, assessment()), verdict=verdict)
    confirmed = finding is Finding.CONFIRMED
    assert bool(of(decision, SanctionAccount)) is bool(of(decision, ReportAccount)) is confirmed
    assert of(decision, Preserve) and not of(decision, Notify)


def test_a_rule_that_fails_takes_its_fallback_is_named_and_stops_no_other() -> None:
    rules = policy(
        """
[[rule]]
id = "overflows"
condition = "targets.count < 2 || targets.count * 9223372036854775807 > 0"
actions = [{ action = "preserve" }]
[[rule]]
id = "works"
actions = [{ action = "notify", endpoint = "x" }]
"""
    )
    two = message(ADULT, CHILD, UNKNOWN)
    decision = decide(rules, two, (None, assessment()))
    assert decision.failures == ("rule:overflows",)
    assert of(decision, OpenCase) == [OpenCase(rule="overflows", queue="default", priority=3, account="adult")]
    assert of(decision, Notify) and not of(decision, Preserve)
    assert "The rule overflows failed, so a person must look" in decision.reasons


def test_the_mode_is_that_of_the_policy() -> None:
    assert decide(Policy(default_rules(), Mode.SHADOW), message()).mode is Mode.SHADOW


def test_reasons_are_at_most_eight_the_most_urgent_first_and_this_events_own_first() -> None:
    old = tuple((f"old{i}", f"Earlier {i}") for i in range(9))
    moved = [
        (None, assessment(Harm.GROOMING, reasons=(*old, ("e1", "Now")))),
        (None, assessment(Harm.IMMEDIATE_DANGER, Level.LOW, reasons=(("e1", "Danger"),))),
        (None, assessment(Harm.SEARCH_INTENT, Level.NONE, reasons=(("e1", "Nothing"),))),
    ]
    decision = decide(DEFAULT, message(), *moved)
    assert decision.reasons[:3] == ("Danger", "Now", "Earlier 8")
    assert len(decision.reasons) == 8
    assert "Nothing" not in decision.reasons
    assert decision.harms == (Harm.IMMEDIATE_DANGER, Harm.GROOMING)
    assert (decision.level, decision.score, decision.calibrated) == (Level.HIGH, 0.75, False)


def test_threads_may_share_a_policy() -> None:
    def one(i: int) -> Decision:
        return decide(DEFAULT, media(), (None, assessment(Harm.KNOWN_MATERIAL)), features=matched(match()), limited=bool(i % 2))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(200)))
    assert answers == [one(i) for i in range(200)]
