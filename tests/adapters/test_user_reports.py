"""What people tell about others: kept sealed, answered by a code, and never more than a reason to look."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from nightlight.adapters.store import Database
from nightlight.adapters.store.tables import events
from nightlight.adapters.store.user_reports import BRIGADE, MOST_COLLAPSED, SqlUserReports
from nightlight.core.case import CaseState, Consequence, Lane
from nightlight.core.clock import FixedClock
from nightlight.core.decision import ReportAccount, SanctionAccount
from nightlight.core.desk import USER_REPORTS
from nightlight.core.errors import Busy, Conflict, Invalid, NotFound
from nightlight.core.event import AgeBand, Party, ReportCategory
from nightlight.core.harm import Harm
from nightlight.core.user_report import Item, Standing, UserReportIn, UserReportState
from nightlight.review import weigh

from .casework import ANA, NO, YES, Casework, Policy
from .works import Writer

SANCTION = Policy(SanctionAccount(), ReportAccount())
REPORT = UserReportIn(
    id="r1",
    category=ReportCategory.THREATENED,
    about=(Party(account="vell"),),
    reporter=Party(account="brin", age_band=AgeBand.A13_15),
    conversation="room",
    text="zantle: keep this a secret or else",
)
ANONYMOUS = replace(REPORT, id="r2", reporter=None, category=ReportCategory.UNCOMFORTABLE)


@pytest.fixture
def work(database: Database, writer: Writer, clock: FixedClock) -> Casework:
    return Casework(database, writer, clock, SANCTION)


@pytest.fixture
def reports(database: Database) -> SqlUserReports:
    return database.user_reports(weigh, timedelta(days=30), 5)


def test_a_report_opens_a_case_and_its_code_is_answered(work: Casework, reports: SqlUserReports) -> None:
    received = reports.submit(REPORT)
    assert received.message == "help.reported"
    assert reports.told(received.code.lower().replace("-", " ")).state is UserReportState.RECEIVED
    [case] = work.database.cases.cases()
    assert (case.queue, case.lane, case.harm, case.actor) == (USER_REPORTS, Lane.URGENT, Harm.SEXTORTION, work.writer.name("vell"))
    assert set(case.flags) == {"user_report", "unverified"}
    page = work.desk.open(ANA, case.id)
    [told] = page.reports
    assert told.text == REPORT.text and told.reporter == work.writer.name("brin")
    assert [c.account for c in page.children] == [work.writer.name("brin")]
    assert page.conversations[0].lines[0].kind == "user_report"
    taken = work.desk.take(ANA)
    assert taken is not None and reports.told(received.code).state is UserReportState.LOOKING
    work.desk.verdict(ANA, case.id, NO)
    answer = reports.told(received.code)
    assert (answer.state, answer.message) == (UserReportState.ANSWERED, "report.answered")


def test_sent_again_it_is_the_same_and_with_other_words_it_is_refused(work: Casework, reports: SqlUserReports) -> None:
    first = reports.submit(REPORT)
    assert reports.submit(REPORT) == first
    with pytest.raises(Conflict) as wrong:
        reports.submit(replace(REPORT, text="other words"))
    assert wrong.value.field == "id"
    [case] = work.database.cases.cases()
    assert len(work.desk.open(ANA, case.id).reports) == 1
    with pytest.raises(NotFound):
        reports.told("2222-2222-2222-2222-2222")
    with pytest.raises(Invalid):
        reports.told("2222-2222-2222-2222-2223")


def test_items_are_what_they_are_and_not_what_somebody_says(work: Casework, reports: SqlUserReports) -> None:
    work.open("e1")
    work.open("e2", actor="osk")
    items = (
        Item(event="e1"),
        Item(event="e2"),
        Item(event="none"),
        Item(text="copied", vouched=True),
        Item(text="from memory"),
    )
    named = (Standing.SERVER_HELD, Standing.UNVERIFIED, Standing.UNVERIFIED)
    assert reports.submit(replace(REPORT, items=items)).items == (*named, Standing.VERIFIED, Standing.UNVERIFIED)
    found = reports.submit(replace(ANONYMOUS, items=items))
    assert found.items == (*named, Standing.UNVERIFIED, Standing.UNVERIFIED), "an anonymous report vouches for nothing"


def test_what_it_points_at_is_kept_from_that_moment_and_longer_once_confirmed(work: Casework, reports: SqlUserReports) -> None:
    work.open("e1")
    first = work.database.pipeline.event("e1")
    work.clock.advance(timedelta(days=20))
    reports.submit(replace(REPORT, items=(Item(event="e1"),)))
    kept = work.database.pipeline.event("e1")
    assert first is not None and kept is not None and kept.expires_at == work.clock.now() + timedelta(days=30) > first.expires_at
    [case] = work.database.cases.cases()
    work.judged(case.id)
    confirmed = work.database.pipeline.event("e1")
    assert confirmed is not None and confirmed.expires_at >= work.clock.now() + timedelta(days=365)


@pytest.mark.parametrize("report", [REPORT, ANONYMOUS, replace(REPORT, items=(Item(text="I saw it"),))])
def test_a_report_alone_brings_no_sanction_even_where_a_person_confirms_it(
    work: Casework, reports: SqlUserReports, report: UserReportIn
) -> None:
    reports.submit(report)
    [case] = work.database.cases.cases()
    work.desk.lock(ANA, case.id)
    outcome = work.desk.verdict(ANA, case.id, YES)
    assert outcome.withheld == (Consequence.SUSPENSION,) and work.sent() == []
    assert {s.consequence for s in outcome.steps} == {Consequence.REPORT}


def test_what_we_hold_ourselves_does_bring_one(work: Casework, reports: SqlUserReports) -> None:
    work.open("e1")
    reports.submit(replace(ANONYMOUS, items=(Item(event="e1"),)))
    [case] = work.database.cases.cases()
    work.desk.lock(ANA, case.id)
    assert not work.desk.verdict(ANA, case.id, YES).withheld
    assert len(work.sent()) == 1


def test_a_brigade_is_one_report_and_every_one_of_it_gets_an_answer(work: Casework, database: Database) -> None:
    reports = database.user_reports(weigh, timedelta(days=30), 1000)
    codes = [reports.submit(replace(ANONYMOUS, id=f"b{n}", text=f"words {n}")).code for n in range(MOST_COLLAPSED + 6)]
    assert len(set(codes)) == len(codes)
    [case] = work.database.cases.cases()
    assert case.priority == 6 and "brigade" in case.flags and len(case.events) == 1
    page = work.desk.open(ANA, case.id)
    assert page.reports[0].others == len(codes) - 1 >= BRIGADE
    assert len(page.reports) == MOST_COLLAPSED + 1
    work.judged(case.id, ANA, NO)
    assert {reports.told(code).state for code in codes} == {UserReportState.ANSWERED}
    again = reports.submit(replace(ANONYMOUS, id="later"))
    assert reports.told(again.code).state is UserReportState.RECEIVED, "after the verdict it is a new one"
    assert len(work.database.cases.cases()) == 1


def test_anonymous_reports_have_an_hours_measure_and_danger_is_never_a_sanction(work: Casework, reports: SqlUserReports) -> None:
    for n in range(5):
        reports.submit(replace(ANONYMOUS, id=f"a{n}"))
    with pytest.raises(Busy):
        reports.submit(replace(ANONYMOUS, id="one more"))
    reports.submit(REPORT)
    work.clock.advance(timedelta(minutes=61))
    reports.submit(replace(ANONYMOUS, id="one more"))


def test_who_is_worried_about_accuses_nobody(work: Casework, reports: SqlUserReports) -> None:
    worried = replace(REPORT, category=ReportCategory.SELF_HARM, about=(Party(account="osk", age_band=AgeBand.A13_15),))
    assert reports.submit(worried).message == "help.now"
    [case] = work.database.cases.cases()
    assert case.actor is None and case.lane is Lane.URGENT and case.harm is Harm.IMMEDIATE_DANGER
    assert [c.account for c in work.desk.open(ANA, case.id).children] == [work.writer.name("osk")]
    work.desk.lock(ANA, case.id)
    assert work.desk.verdict(ANA, case.id, YES).case.state is CaseState.CONFIRMED
    assert work.sent() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"about": (Party(account="x"), Party(account="x"))}, "about"),
        ({"about": (Party(account="brin"),)}, "about"),
        ({"items": (Item(),)}, "items[0]"),
        ({"items": (Item(text="a"), Item(event="e", text="a"))}, "items[1]"),
    ],
)
def test_a_malformed_report_is_named(reports: SqlUserReports, wrong: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as found:
        reports.submit(replace(REPORT, **wrong))
    assert found.value.field == field


def test_nothing_of_it_lies_in_clear_and_it_goes_when_its_time_is_over(work: Casework, reports: SqlUserReports) -> None:
    received = reports.submit(replace(REPORT, items=(Item(text="quonderly brasp"),)))
    if work.database.sql.is_sqlite:
        held = b"".join(p.read_bytes() for p in work.database.home.rglob("*") if p.is_file())
        assert not any(word in held for word in (b"quonderly", b"or else", received.code.encode()))
    [case] = work.database.cases.cases()
    work.clock.advance(timedelta(days=31))
    assert reports.expire(work.clock.now()) == 0, "a person has still to answer it"
    work.judged(case.id, ANA, NO)
    asked = work.database.requests.preserve("cli:lea", case=case.id, authority="HC", reference="1")
    assert reports.expire(work.clock.now()) == 0, "an authority asked to preserve it"
    work.database.requests.release(asked.id, "cli:lea", "withdrawn")
    assert reports.expire(work.clock.now()) == 1
    with pytest.raises(NotFound):
        reports.told(received.code)


def test_who_reported_may_be_erased_once_it_is_answered(work: Casework, reports: SqlUserReports) -> None:
    received = reports.submit(REPORT)
    assert not work.database.lifecycle.erase("brin", "cli").complete
    [case] = work.database.cases.cases()
    work.judged(case.id, ANA, NO)
    assert work.database.lifecycle.erase("brin", "cli").complete
    with pytest.raises(NotFound):
        reports.told(received.code)


def test_a_report_is_an_event_like_any_other_to_whoever_reads_the_log(work: Casework, reports: SqlUserReports) -> None:
    reports.submit(ANONYMOUS)
    [(_, stored)] = work.database.pipeline.events()
    assert stored.kind == "user_report" and stored.actor == "anonymous"
    assert stored.conversation == work.writer.conversation("room")
    with work.database.sql.read() as connection:
        assert connection.execute(events.select()).all()
