"""Cases in people's hands: what the rules come to. The same over any database, so asked of the embedded one alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from nightlight.adapters.store import Database
from nightlight.core.case import (
    AppealState,
    CaseState,
    Finding,
    Lane,
    NoteKind,
    OrderKind,
    Peers,
    StepState,
    SupportState,
    View,
)
from nightlight.core.clock import FixedClock
from nightlight.core.decision import Notify, SanctionAccount
from nightlight.core.desk import SAFEGUARDING, Judgement, LimitChange
from nightlight.core.errors import Conflict, Denied, Invalid, NightlightError, NotFound
from nightlight.core.harm import Harm

from .casework import ADMIN, ANA, AUDITOR, BAN, BEN, CLEO, EVERYBODY, LEA, MORE, NO, YES, Casework, Policy
from .works import START, Writer


@pytest.fixture
def store_url() -> None:
    """The embedded database: a fresh one elsewhere costs a second each."""


@pytest.fixture
def work(database: Database, writer: Writer, clock: FixedClock) -> Casework:
    return Casework(database, writer, clock, BAN)


def test_another_account_is_another_case_and_a_judged_one_is_added_to_no_more(work: Casework) -> None:
    first = work.open("e1")
    assert work.open("e2", actor="tull").id != first.id
    work.judged(first.id)
    third = work.open("e3")
    assert third.id != first.id
    assert [c.id for c in work.desk.open(ANA, third.id).prior] == [first.id]


def test_whoever_is_in_danger_by_themselves_is_no_suspect(work: Casework) -> None:
    suspected = work.open("e1", actor="vell")
    name = work.writer.name("vell")
    own = work.open("e2", actor="vell", harm=Harm.IMMEDIATE_DANGER, protects=name)
    assert own.id != suspected.id and own.lane is Lane.URGENT


def test_peers_who_are_minors_wait_in_a_queue_of_their_own(work: Casework) -> None:
    case = work.open("e1", peers=Peers.ASSURED)
    assert case.queue == SAFEGUARDING
    assert work.open("e2", priority=0, queue="held").queue == SAFEGUARDING, "nothing takes it out again by itself"


@pytest.mark.parametrize("cursor", ["", "x", "W10", "WzEsMiwzXQ", "é", "A" * 600, "WyJhIiwiYiIsImMiXQ"])
def test_a_cursor_that_is_none_is_named(work: Casework, cursor: str) -> None:
    with pytest.raises(Invalid) as wrong:
        work.desk.queue(ANA, cursor=cursor)
    assert wrong.value.field == "cursor"


def test_a_lock_expires_and_binds_nobody_then(work: Casework) -> None:
    case = work.open("e1")
    work.desk.lock(ANA, case.id)
    with pytest.raises(Conflict, match="ana has this case"):
        work.desk.lock(BEN, case.id)
    with pytest.raises(Conflict, match="ana has"):
        work.desk.verdict(BEN, case.id, YES)
    work.clock.advance(timedelta(minutes=20))
    held = work.desk.lock(ANA, case.id)
    work.clock.advance(timedelta(minutes=29))
    assert held.held_by(work.clock.now()) == "ana" and work.desk.take(BEN) is None
    work.clock.advance(timedelta(minutes=2))
    assert sum(q.waiting for q in work.desk.overview(ANA).queues) == 1
    taken = work.desk.take(BEN)
    assert taken is not None and taken.id == case.id
    with pytest.raises(Conflict, match="ben has this case"):
        work.desk.verdict(ANA, case.id, YES)


def test_what_is_handed_over_is_read_by_the_next(work: Casework) -> None:
    case = work.open("e1")
    work.desk.lock(ANA, case.id)
    work.desk.release(ANA, case.id, "I read up to the second day")
    [note] = work.desk.open(BEN, case.id).notes
    assert (note.by, note.kind, note.text) == ("ana", NoteKind.HAND_OVER, "I read up to the second day")
    with pytest.raises(Conflict):
        work.desk.release(ANA, case.id)
    work.desk.lock(BEN, case.id)
    with pytest.raises(Conflict):
        work.desk.release(ANA, case.id)
    work.desk.release(LEA, case.id)


def test_leads_assign_and_reviewers_take_for_themselves(work: Casework) -> None:
    case = work.open("e1")
    with pytest.raises(Denied):
        work.desk.assign(ANA, case.id, "ben")
    work.desk.assign(ANA, case.id, "ana")
    with pytest.raises(Denied):
        work.desk.assign(BEN, case.id, "ben")
    with pytest.raises(Denied):
        work.desk.lock(BEN, case.id)
    assert work.desk.take(BEN) is None
    work.desk.lock(LEA, case.id)


def test_a_case_keeps_its_clock_in_another_queue(work: Casework) -> None:
    case = work.open("e1")
    moved = work.desk.move(ANA, case.id, "spanish", "they write Spanish")
    assert (moved.queue, moved.due_at, moved.lane) == ("spanish", case.due_at, case.lane)
    for wrong in ("", "No Spaces", "x" * 41, "a/b"):
        with pytest.raises(Invalid):
            work.desk.move(ANA, case.id, wrong, "why not")


def test_who_may_not_is_refused_and_changes_nothing(work: Casework) -> None:
    case = work.open("e1")
    calls = {
        "take": lambda who: work.desk.take(who),
        "lock": lambda who: work.desk.lock(who, case.id),
        "note": lambda who: work.desk.note(who, case.id, "hm"),
        "appeal": lambda who: work.desk.appeal(who, case.id, "not so"),
        "verdict": lambda who: work.desk.verdict(who, case.id, YES),
        "decline": lambda who: work.desk.decline(who, case.id, "because"),
        "support": lambda who: work.desk.support(who, case.id, "x", SupportState.OFFERED, "called"),
        "steps": lambda who: work.desk.waiting_steps(who),
        "review": lambda who: work.desk.next_review(who),
    }
    for name, call in calls.items():
        for who in (AUDITOR, ADMIN):
            with pytest.raises(Denied):
                call(who)
                pytest.fail(f"{who.role} may {name}")
    for call in (work.desk.open, work.desk.case, work.desk.history):
        with pytest.raises(Denied):
            call(ADMIN, case.id)
        call(AUDITOR, case.id)
    for who in (ANA, AUDITOR, ADMIN):
        with pytest.raises(Denied):
            work.desk.disagreements(who)
    assert work.desk.case(ANA, case.id) == replace(case, updated_at=case.updated_at)


def test_what_is_not_there_is_not_found(work: Casework) -> None:
    for call in (work.desk.open, work.desk.case, work.desk.lock, work.desk.release):
        with pytest.raises(NotFound):
            call(ANA, "case_none")
    for wrong in ("", "x" * 300, "a\nb", 7, None):
        with pytest.raises(Invalid):
            work.desk.open(ANA, wrong)  # type: ignore[arg-type]


def test_a_refused_ban_is_not_done_and_says_why(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [step] = work.desk.waiting_steps(BEN)
    with pytest.raises(Invalid):
        work.desk.approve(BEN, step.id, yes=False, reason=" ")
    refused = work.desk.approve(BEN, step.id, yes=False, reason="a suspension is enough")
    assert (refused.state, refused.reason) == (StepState.REFUSED, "a suspension is enough")
    assert work.sent() == []


def test_a_case_that_is_not_confirmed_ends_with_its_reason_and_lifts_the_limit(work: Casework) -> None:
    case = work.open("e1")
    assert work.desk.open(ANA, case.id).limits
    done = work.judged(case.id, ANA, NO)
    assert (done.state, done.why) == (CaseState.DECLINED, NO.reason) and done.ended_at is not None
    page = work.desk.open(ANA, case.id)
    assert not page.limits and not page.orders and page.verdicts[0].reason == NO.reason
    assert work.sent() == []
    with pytest.raises(Conflict):
        work.desk.lock(ANA, case.id)


def test_a_confirmed_case_extends_the_limit_and_a_person_may_say_otherwise(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [limit] = work.desk.open(ANA, case.id).limits
    assert limit.reviewed and limit.until == work.clock.now() + timedelta(days=7)
    other = work.open("e2", actor="tull")
    until = work.clock.now() + timedelta(days=30)
    work.judged(other.id, ANA, replace(YES, limit=LimitChange(extend_to=until)))
    assert [x.until for x in work.desk.open(ANA, other.id).limits] == [until]


def test_a_case_not_confirmed_does_not_lift_what_another_confirmed(work: Casework) -> None:
    first = work.open("e1")
    work.judged(first.id)
    second = work.open("e2")
    work.judged(second.id, ANA, NO)
    assert work.desk.open(ANA, second.id).limits


@pytest.mark.parametrize(
    "change", [LimitChange(), LimitChange(lift=True, extend_to=START + timedelta(days=3)), LimitChange(extend_to=START - timedelta(days=1))]
)
def test_a_limit_is_lifted_or_extended_and_nothing_else(work: Casework, change: LimitChange) -> None:
    case = work.open("e1")
    work.desk.lock(ANA, case.id)
    with pytest.raises(Invalid):
        work.desk.verdict(ANA, case.id, replace(YES, limit=change))
    assert work.desk.case(ANA, case.id).state is CaseState.OPEN


def test_no_verdict_without_words(work: Casework) -> None:
    case = work.open("e1")
    work.desk.lock(ANA, case.id)
    for wrong in ("", "  ", "ok", "x" * 30_000):
        with pytest.raises(Invalid) as found:
            work.desk.verdict(ANA, case.id, replace(NO, reason=wrong))
        assert found.value.field == "reason"


def test_needing_more_puts_it_back(work: Casework) -> None:
    case = work.open("e1")
    back = work.judged(case.id, ANA, MORE)
    assert back.state is CaseState.OPEN and back.locked_by is None
    assert work.open("e2").id == case.id, "it still takes in what concerns it"
    again = work.desk.take(BEN)
    assert again is not None and again.id == case.id


def test_between_minors_nothing_happens_without_a_lead(work: Casework) -> None:
    case = work.open("e1", peers=Peers.ASSURED)
    work.desk.lock(ANA, case.id)
    outcome = work.desk.verdict(ANA, case.id, YES)
    assert {s.state for s in outcome.steps} == {StepState.WAITING} and all(s.needs_lead for s in outcome.steps)
    assert not outcome.orders
    assert not work.desk.waiting_steps(BEN), "only a lead's is missing"
    for step in outcome.steps:
        with pytest.raises(Conflict):
            work.desk.approve(BEN, step.id, yes=True, reason="")
        assert work.desk.approve(LEA, step.id, yes=True, reason="").state is StepState.APPROVED
    assert [o.kind for o in work.desk.orders()] == [OrderKind.FILE]


def test_between_minors_a_report_that_the_law_asks_for_waits_for_nobody(work: Casework) -> None:
    case = work.open("e1", peers=Peers.ASSURED)
    work.desk.lock(ANA, case.id)
    outcome = work.desk.verdict(ANA, case.id, replace(YES, mandatory=True))
    assert [o.kind for o in outcome.orders] == [OrderKind.FILE]
    with pytest.raises(Conflict, match="the law asks"):
        work.desk.decline(LEA, case.id, "rather not")


def test_education_first_between_minors_where_no_rule_asks_for_more(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = Casework(database, writer, clock, Policy(Notify(endpoint="school")))
    case = work.open("e1", peers=Peers.ASSURED)
    work.desk.lock(ANA, case.id)
    outcome = work.desk.verdict(ANA, case.id, YES)
    assert not outcome.steps and not outcome.orders and outcome.actions == ("notify",)
    assert outcome.case.state is CaseState.CONFIRMED, "it is not over until somebody says why there is no report"
    asked = work.desk.decline(ANA, case.id, "education did it; both families know")
    assert asked.state is StepState.WAITING and work.desk.case(ANA, case.id).state is CaseState.CONFIRMED
    work.desk.approve(LEA, asked.id, yes=True, reason="")
    done = work.desk.case(ANA, case.id)
    assert (done.state, done.why) == (CaseState.DECLINED, "education did it; both families know")


def test_a_report_may_be_asked_for_after_all(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = Casework(database, writer, clock, Policy())
    case = work.open("e1", peers=Peers.ASSURED)
    work.judged(case.id)
    asked = work.desk.report(ANA, case.id, "it went on")
    with pytest.raises(Conflict):
        work.desk.report(BEN, case.id, "it went on")
    work.desk.approve(LEA, asked.id, yes=True, reason="")
    assert [o.kind for o in work.desk.orders(case.id)] == [OrderKind.FILE]


def test_nobody_judges_over_an_opinion_that_was_asked_for(work: Casework) -> None:
    case = work.open("e1")
    work.desk.lock(ANA, case.id)
    asked = work.desk.ask_opinion(ANA, case.id, "is this a game of theirs?")
    with pytest.raises(Conflict):
        work.desk.verdict(ANA, case.id, YES)
    with pytest.raises(Denied):
        work.desk.give_opinion(ANA, asked.id, Finding.CONFIRMED, "it is not")
    [waiting] = work.desk.waiting_opinions(BEN)
    assert waiting.question == "is this a game of theirs?" and not work.desk.waiting_opinions(ANA)
    given = work.desk.give_opinion(BEN, asked.id, Finding.CONFIRMED, "it is not")
    with pytest.raises(Conflict):
        work.desk.give_opinion(CLEO, asked.id, Finding.CONFIRMED, "it is not")
    assert work.desk.open(ANA, case.id).opinions == (given,)
    work.desk.verdict(ANA, case.id, YES)


def test_a_view_counts_only_where_it_was_whole_and_clear(work: Casework) -> None:
    case = work.open("e1")
    view = View(
        case=case.id, by="ana", at=START, sha256="a" * 64, whole=True, blurred=True, greyscale=True, seconds=3.0, reason="to judge it"
    )
    with pytest.raises(Conflict):
        work.desk.viewed(ANA, view)
    work.desk.lock(ANA, case.id)
    for wrong in (replace(view, by="ben"), replace(view, sha256="A" * 64), replace(view, seconds=float("nan")), replace(view, reason="")):
        with pytest.raises(Invalid):
            work.desk.viewed(ANA, wrong)
    work.desk.viewed(ANA, view)
    work.desk.viewed(ANA, replace(view, blurred=False, greyscale=False))
    assert [v.counts_as_viewed for v in work.desk.open(ANA, case.id).views] == [False, True]


def test_an_appeal_after_the_report_corrects_it(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [order] = work.desk.orders(case.id)
    work.desk.filed(order.id, "77", "reports")
    work.desk.appeal(LEA, case.id, "it was not like that")
    work.desk.lock(BEN, case.id)
    outcome = work.desk.verdict(BEN, case.id, NO)
    assert {o.kind for o in outcome.orders} == {OrderKind.CORRECT, OrderKind.WITHDRAW_HASHES}
    for order in outcome.orders:
        work.desk.done(order.id, "told them")
    assert not work.desk.orders() and work.desk.case(ANA, case.id).state is CaseState.DECLINED


def test_a_report_that_left_while_it_was_overturned_is_corrected(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [order] = work.desk.orders(case.id)
    work.desk.appeal(LEA, case.id, "it was not like that")
    work.desk.lock(BEN, case.id)
    work.desk.verdict(BEN, case.id, NO)
    assert work.desk.filed(order.id, "78", "reports").state is CaseState.DECLINED
    assert {o.kind for o in work.desk.orders()} == {OrderKind.CORRECT, OrderKind.WITHDRAW_HASHES}


def test_an_appeal_that_is_upheld_changes_nothing_twice(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [order] = work.desk.orders(case.id)
    work.desk.filed(order.id, "77", "reports")
    work.desk.appeal(LEA, case.id, "it was not like that")
    work.desk.lock(BEN, case.id)
    outcome = work.desk.verdict(BEN, case.id, YES)
    assert outcome.case.state is CaseState.FILED and not outcome.orders and not outcome.steps
    assert work.desk.open(ANA, case.id).appeals[0].state is AppealState.UPHELD
    [step] = work.desk.waiting_steps(BEN)
    work.desk.approve(BEN, step.id, yes=True, reason="")
    assert len(work.sent()) == 1


def test_an_appeal_against_a_decline_brings_the_consequences(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id, ANA, NO)
    work.desk.appeal(LEA, case.id, "the child says otherwise")
    work.desk.lock(BEN, case.id)
    outcome = work.desk.verdict(BEN, case.id, YES)
    assert outcome.case.state is CaseState.CONFIRMED and [o.kind for o in outcome.orders] == [OrderKind.FILE]
    assert work.desk.open(ANA, case.id).appeals[0].state is AppealState.OVERTURNED


def test_a_reopened_case_and_a_new_one_do_not_collide(work: Casework) -> None:
    first = work.open("e1")
    work.judged(first.id, ANA, NO)
    second = work.open("e2")
    work.desk.appeal(LEA, first.id, "look again")
    assert work.open("e3").id == second.id
    assert {c.id for c in work.desk.queue(BEN).cases} == {first.id, second.id}


def test_a_report_that_does_not_get_through_stays_in_sight(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [order] = work.desk.orders(case.id)
    failing = work.desk.failing(order.id, "the authority answered 500 for a day")
    assert (failing.state, failing.why) == (CaseState.FAILING, "the authority answered 500 for a day")
    assert [c.id for c in work.desk.queue(LEA, state=CaseState.FAILING).cases] == [case.id]
    assert work.desk.orders() == [order], "the order stands"
    assert work.desk.retrying(order.id, "lead:lea").state is CaseState.CONFIRMED
    work.desk.failing(order.id, "again")
    assert work.desk.filed(order.id, "9", "reports").state is CaseState.FILED
    with pytest.raises(Conflict):
        work.desk.failing(order.id, "too late")


def test_a_correction_that_fails_shows_though_the_case_had_ended(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [order] = work.desk.orders(case.id)
    work.desk.filed(order.id, "77", "reports")
    work.desk.appeal(LEA, case.id, "it was not like that")
    work.desk.lock(BEN, case.id)
    orders = work.desk.verdict(BEN, case.id, NO).orders
    correct = next(o for o in orders if o.kind is OrderKind.CORRECT)
    assert work.desk.failing(correct.id, "no answer").state is CaseState.FAILING
    for o in orders:
        work.desk.done(o.id, "ok")
    assert work.desk.case(ANA, case.id).state is CaseState.DECLINED


def test_another_conversation_shows_its_risk_alone_until_a_reason_is_given(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id, ANA, NO)
    other = work.open("e2", target="osk", channel="other")
    page = work.desk.open(ANA, other.id)
    [elsewhere] = page.elsewhere
    conversation = work.writer.conversation("room")
    assert elsewhere.subject.id.startswith(conversation) and not elsewhere.read
    assert "e1" not in {line.event for c in page.conversations for line in c.lines}
    with pytest.raises(Invalid):
        work.desk.read(ANA, other.id, conversation, " ")
    with pytest.raises(NotFound):
        work.desk.read(ANA, other.id, work.writer.conversation("nobody"), "to compare")
    read = work.desk.read(ANA, other.id, conversation, "to compare the words")
    assert [line.event for line in read.lines] == ["e1"]
    assert work.desk.open(ANA, other.id).elsewhere[0].read


def test_what_is_offered_is_not_refused(work: Casework) -> None:
    """`may` names calls; each that it names goes through, and a verdict that it does not name is refused."""
    case = work.open("e1")
    for who in (ANA, LEA):
        may = work.desk.open(who, case.id).may
        assert "assign" in may and "appeal" not in may and "decline" not in may
    work.judged(case.id)
    may = work.desk.open(BEN, case.id).may
    assert {"appeal", "decline", "approve"} <= set(may) and "verdict" not in may
    assert work.desk.open(AUDITOR, case.id).may == ("history", "read")


def test_no_word_of_a_person_lies_in_clear(work: Casework) -> None:
    case = work.open("e1")
    secret = "quonderly brasp"
    work.desk.lock(ANA, case.id)
    work.desk.note(ANA, case.id, secret)
    asked = work.desk.ask_opinion(ANA, case.id, secret)
    work.desk.give_opinion(BEN, asked.id, Finding.CONFIRMED, secret)
    work.desk.support(ANA, case.id, work.writer.name("brin"), SupportState.OFFERED, secret)
    work.desk.viewed(
        ANA, View(case=case.id, by="ana", at=START, sha256="a" * 64, whole=True, blurred=False, greyscale=False, seconds=1.0, reason=secret)
    )
    work.desk.verdict(ANA, case.id, replace(NO, reason=secret))
    work.desk.appeal(LEA, case.id, secret)
    if work.database.sql.is_sqlite:
        files = [p for p in work.database.home.rglob("*") if p.is_file()]
        assert files and not any(secret.encode() in p.read_bytes() for p in files)
    assert all(secret not in str(e) for e in work.desk.history(AUDITOR, case.id))


def test_an_erased_person_stays_while_the_case_is_under_way(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    kept = {k.id: k.why for k in work.database.lifecycle.erase("brin", "cli").kept}
    assert kept[case.id] == "open: a person has still to decide"
    [order] = work.desk.orders(case.id)
    work.desk.filed(order.id, "1", "reports")
    kept = {k.id: k.why for k in work.database.lifecycle.erase("vell", "cli").kept}
    assert kept[case.id] == "reported: kept as the law asks"


def test_everyone_is_told_the_same_of_a_wrong_call(work: Casework) -> None:
    for who in EVERYBODY:
        with pytest.raises(NightlightError):
            work.desk.verdict(who, "case_none", Judgement(finding=Finding.CONFIRMED, reason="it is so"))


def test_a_suspension_alone_takes_one(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = Casework(database, writer, clock, Policy(SanctionAccount()))
    case = work.open("e1")
    work.judged(case.id)
    assert len(work.sent()) == 1
