"""Cases in people's hands, over both databases: between them these run every kind of statement. The rules are in `test_desk_rules`."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest

from nightlight.adapters.store import Database
from nightlight.core.case import (
    AppealState,
    CaseState,
    Consequence,
    Finding,
    Lane,
    OrderKind,
    StepState,
    SupportState,
)
from nightlight.core.clock import FixedClock
from nightlight.core.desk import Severity
from nightlight.core.errors import Conflict, Denied, Invalid, NotFound
from nightlight.core.event import AgeBand, Assurance
from nightlight.core.harm import Harm, Level
from nightlight.core.staff import Staff

from .casework import ADMIN, ANA, AUDITOR, BAN, BEN, CLEO, LEA, LUIS, NO, YES, Casework
from .works import START, Writer


@pytest.fixture
def work(database: Database, writer: Writer, clock: FixedClock) -> Casework:
    return Casework(database, writer, clock, BAN)


def test_one_case_for_one_account_and_a_record_for_each_child(work: Casework) -> None:
    first = work.open("e1", child_band=AgeBand.A10_12, child_assurance=Assurance.VERIFIED)
    again = work.open("e2", target="osk", channel="other", harm=Harm.SEXTORTION)
    assert again.id == first.id
    assert again.harms == (Harm.SEXTORTION, Harm.GROOMING) and len(again.subjects) == 2 and again.harm is Harm.SEXTORTION
    assert again.lane is Lane.URGENT and again.due_at is not None and first.due_at is not None and again.due_at < first.due_at
    page = work.desk.open(ANA, first.id)
    known, other = page.children
    assert (known.account, known.age_band, known.harms) == (work.writer.name("brin"), AgeBand.A10_12, (Harm.GROOMING,))
    assert (other.account, other.harms) == (work.writer.name("osk"), (Harm.SEXTORTION,))
    assert other.support_due_at < known.support_due_at and {known.support, other.support} == {SupportState.OWED}


def test_a_queue_is_paged_through_in_order_and_each_case_comes_once(work: Casework) -> None:
    opened = [work.open(f"e{n}", actor=f"a{n}", priority=n % 10, level=Level.ELEVATED) for n in range(12)]
    urgent = work.open("now", actor="z", harm=Harm.IMMEDIATE_DANGER)
    found, cursor = [], None
    while True:
        page = work.desk.queue(ANA, cursor=cursor, most=5)
        found += page.cases
        if (cursor := page.next) is None:
            break
    assert [c.id for c in found] == [urgent.id, *(c.id for c in sorted(opened, key=lambda c: (c.due_at, c.id)))]
    assert [c.id for c in work.database.cases.cases()] == [c.id for c in found]
    [count] = {q.waiting for q in work.desk.overview(ANA).queues if q.lane is Lane.STANDARD}
    assert count == 12


def test_queues_are_named_once_and_days_are_counted(work: Casework) -> None:
    assert list(work.desk.queues(ANA)) == [] and [d.opened for d in work.desk.trend(ANA, 2)] == [0, 0]
    for n in range(3):
        work.open(f"e{n}", actor=f"a{n}")
    moved = work.open("e9", actor="z")
    work.desk.move(ANA, moved.id, "a-queue", "of that kind")
    work.clock.advance(timedelta(days=1))
    ended = work.open("e10", actor="y")
    work.judged(ended.id, ANA, NO)
    named = list(work.desk.queues(AUDITOR))
    assert named == sorted({c.queue for c in work.desk.queue(ANA).cases}) and "a-queue" in named and len(named) == 2
    with pytest.raises(Denied):
        work.desk.queues(ADMIN)
    days = work.desk.trend(ANA, 3)
    assert [(d.day, d.opened, d.declined, d.filed) for d in days] == [
        (f"{START - timedelta(days=1):%Y-%m-%d}", 0, 0, 0),
        (f"{START:%Y-%m-%d}", 4, 0, 0),
        (f"{START + timedelta(days=1):%Y-%m-%d}", 1, 1, 0),
    ]


def test_the_next_case_is_the_most_urgent_that_nobody_has(work: Casework) -> None:
    slow, quick = work.open("e1", actor="a", priority=9), work.open("e2", actor="b", harm=Harm.SEXTORTION)
    mine = work.open("e3", actor="c", priority=9)
    work.desk.assign(LEA, mine.id, "ana")
    taken = [work.desk.take(ANA), work.desk.take(ANA), work.desk.take(BEN), work.desk.take(BEN)]
    assert [c.id if c else None for c in taken] == [mine.id, quick.id, slow.id, None]
    assert [c.id for c in work.desk.queue(BEN, mine=True).cases] == [slow.id]
    overview = work.desk.overview(ADMIN)
    assert sum(q.taken for q in overview.queues) == 3 and overview.load == {"ana": 2, "ben": 1}


def test_two_who_take_at_once_never_get_the_same_one(work: Casework) -> None:
    for n in range(6):
        work.open(f"e{n}", actor=f"a{n}")
    got: list[str] = []
    gate = Barrier(4)

    def run(who: Staff) -> None:
        gate.wait(10)
        got.extend(case.id for case in (work.desk.take(who), work.desk.take(who)) if case is not None)

    threads = [Thread(target=run, args=(who,)) for who in (ANA, BEN, CLEO, LEA)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(got) == len(set(got)) == 6
    assert work.database.audit.verify().ok


def test_a_confirmed_case_owes_a_report_and_ends_filed(work: Casework) -> None:
    case = work.open("e1")
    work.desk.lock(ANA, case.id)
    outcome = work.desk.verdict(ANA, case.id, YES)
    assert outcome.case.state is CaseState.CONFIRMED and outcome.case.queue == "reporting"
    [order] = outcome.orders
    assert (order.kind, order.approved_by) == (OrderKind.FILE, ("ana",)), "one trained reviewer may file"
    waits = {s.consequence: s.state for s in outcome.steps}
    assert waits == {Consequence.REPORT: StepState.APPROVED, Consequence.BAN: StepState.WAITING}, "a ban for good takes two"
    assert work.sent() == []
    [step] = work.desk.waiting_steps(BEN)
    assert not work.desk.waiting_steps(ANA)
    with pytest.raises(Conflict, match="nobody signs twice"):
        work.desk.approve(ANA, step.id, yes=True, reason="")
    signed = work.desk.approve(BEN, step.id, yes=True, reason="")
    assert signed.state is StepState.APPROVED and signed.signed == ("ana", "ben")
    [message] = work.sent()
    assert message.endswith("/sanction_account")
    with pytest.raises(Conflict):
        work.desk.approve(LEA, step.id, yes=True, reason="")
    filed = work.desk.filed(order.id, "4564654", "reports")
    assert filed.state is CaseState.FILED and filed.ended_at is not None
    assert work.desk.filed(order.id, "4564654", "reports") == filed
    assert not work.desk.orders()
    assert work.database.audit.verify().ok


def test_each_child_has_a_clock_that_no_verdict_stops(work: Casework) -> None:
    case = work.open("e1")
    work.open("e2", target="osk", channel="other")
    work.judged(case.id, ANA, NO)
    work.clock.advance(timedelta(hours=25))
    assert work.desk.overview(LEA).support_overdue == 2
    child = work.writer.name("brin")
    with pytest.raises(Invalid):
        work.desk.support(ANA, case.id, child, SupportState.OFFERED, "")
    done = work.desk.support(ANA, case.id, child, SupportState.OFFERED, "the service showed where help is")
    assert (done.support, done.supported_by) == (SupportState.OFFERED, "ana")
    assert work.desk.overview(LEA).support_overdue == 1
    with pytest.raises(NotFound):
        work.desk.support(ANA, case.id, "p_nobody", SupportState.OFFERED, "called")


def test_an_appeal_goes_to_another_and_can_retract(work: Casework) -> None:
    case = work.open("e1")
    work.judged(case.id)
    [step] = work.desk.waiting_steps(BEN)
    work.desk.approve(BEN, step.id, yes=True, reason="")
    brought = work.desk.appeal(LEA, case.id, "it was their cousin", account=work.writer.name("vell"))
    with pytest.raises(Conflict):
        work.desk.appeal(LEA, case.id, "again")
    reopened = work.desk.case(ANA, case.id)
    assert reopened.state is CaseState.OPEN and reopened.appeal == brought.id and "reopened" in reopened.flags
    work.desk.lock(ANA, case.id)
    with pytest.raises(Denied):
        work.desk.verdict(ANA, case.id, YES)
    work.desk.release(ANA, case.id)
    work.desk.lock(CLEO, case.id)
    outcome = work.desk.verdict(CLEO, case.id, NO)
    assert outcome.case.state is CaseState.DECLINED
    assert {o.kind for o in outcome.orders} == {OrderKind.RETRACT, OrderKind.WITHDRAW_HASHES}
    assert any("/restore." in key for key in work.sent())
    page = work.desk.open(ANA, case.id)
    assert page.appeals[0].state is AppealState.OVERTURNED and page.appeals[0].answer == NO.reason
    assert not page.limits
    assert next(o for o in page.orders if o.kind is OrderKind.FILE).result == "overturned"


def test_the_sample_is_reviewed_blindly_and_a_lead_settles(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = Casework(database, writer, clock, BAN, sample=1.0)
    case = work.open("e1")
    work.desk.lock(ANA, case.id)
    work.desk.note(ANA, case.id, "clear to me")
    assert work.desk.verdict(ANA, case.id, YES).review_drawn
    assert work.desk.next_review(ANA) is None
    drawn = work.desk.next_review(BEN)
    assert drawn is not None
    review, page = drawn
    assert page.case.state is CaseState.OPEN and page.conversations and page.case.queue == ""
    assert not (page.verdicts or page.notes or page.steps or page.orders or page.appeals or page.may)
    assert not work.desk.open(BEN, case.id).verdicts, "not by another door either, while it is theirs"
    assert work.desk.next_review(CLEO) is None, "somebody has it"
    with pytest.raises(Conflict):
        work.desk.review(CLEO, review.id, Finding.CONFIRMED, "as it looks")
    done = work.desk.review(BEN, review.id, Finding.NOT_CONFIRMED, "they are in a play")
    assert done.agrees is False
    with pytest.raises(Conflict):
        work.desk.review(BEN, review.id, Finding.CONFIRMED, "no, it is")
    [open_one] = work.desk.disagreements(LEA)
    settled = work.desk.settle(LUIS, open_one.id, Finding.NOT_CONFIRMED, "it is a play")
    assert settled.settled is Finding.NOT_CONFIRMED and not work.desk.disagreements(LEA)
    again = work.desk.case(LUIS, case.id)
    assert again.state is CaseState.OPEN and again.assigned_to == "luis"
    with pytest.raises(Conflict):
        work.desk.settle(LEA, open_one.id, Finding.CONFIRMED, "or not")
    agreement = work.desk.agreement(LEA, START)
    assert (agreement.pairs, agreement.observed, agreement.kappa) == (1, 0.0, 0.0)


def test_precision_counts_a_case_once_by_its_latest_verdict(work: Casework) -> None:
    first, second = work.open("e1"), work.open("e2", actor="tull")
    work.judged(first.id, ANA, YES)
    work.judged(second.id, ANA, NO)
    [found] = work.desk.precision(LEA, START)
    assert (found.detector, found.harm, found.confirmed, found.not_confirmed, found.precision) == ("d", Harm.GROOMING, 1, 1, 0.5)
    work.desk.appeal(LEA, first.id, "look again")
    work.judged(first.id, BEN, NO)
    [found] = work.desk.precision(LEA, START)
    assert (found.confirmed, found.not_confirmed) == (0, 2)


def test_a_break_is_due_and_only_urgent_cases_come_until_it_was_taken(work: Casework) -> None:
    quiet = work.open("e1", actor="a")
    work.desk.open(ANA, quiet.id)
    assert not work.desk.exposed(ANA, quiet.id, 600, Severity.TEXT).break_due
    for _ in range(2):
        spent = work.desk.exposed(ANA, quiet.id, 600, Severity.CLEAR)
    assert spent.break_due and not spent.over and spent.cases == 1 and spent.spent == pytest.approx(110)
    assert work.desk.take(ANA) is None
    urgent = work.open("e2", actor="b", harm=Harm.IMMEDIATE_DANGER)
    taken = work.desk.take(ANA)
    assert taken is not None and taken.id == urgent.id
    assert work.desk.take_break(ANA).break_until is not None
    assert work.desk.take(ANA) is None
    work.clock.advance(timedelta(minutes=16))
    taken = work.desk.take(ANA)
    assert taken is not None and taken.id == quiet.id
    assert [x.person for x in work.desk.exposure(LEA)] == ["ana"] and [x.person for x in work.desk.exposure(BEN)] == ["ben"]
    for wrong in (-1.0, 601.0, float("nan"), float("inf")):
        with pytest.raises(Invalid):
            work.desk.exposed(ANA, quiet.id, wrong, Severity.TEXT)


def test_a_page_has_what_a_person_needs_and_its_opening_is_recorded(work: Casework) -> None:
    case = work.open("e1", reasons=("asks to keep a secret",))
    work.open("e2")
    page = work.desk.open(ANA, case.id)
    [conversation] = page.conversations
    assert [line.text for line in conversation.lines] == ["zantle brisp e1", "zantle brisp e2"]
    first = conversation.lines[0]
    assert first.decisive and first.decision == ("open_case",) and first.marks[0].span == (0, 6)
    assert first.marks[0].reason == "asks to keep a secret"
    assert [(w.name, w.part) for w in page.people] == [("vell", "suspected"), ("brin", "child")]
    assert len(page.risk) == 2 and page.assessments[0].harm is Harm.GROOMING and len(page.decisions) == 2
    assert page.limits and "lock" in page.may and "verdict" not in page.may
    work.desk.lock(ANA, case.id)
    assert "verdict" in work.desk.open(ANA, case.id).may and "verdict" not in work.desk.open(BEN, case.id).may
    told = [e.action for e in work.desk.history(AUDITOR, case.id)]
    assert told.count("case.open") == 3 and "case.lock" in told
