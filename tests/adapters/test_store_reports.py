"""The reports' store: one row a report, one run at a time, nothing kept by a run that lost it, nothing in clear."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update

from nightlight.adapters.store import Database
from nightlight.adapters.store.lease import holder, is_dead
from nightlight.adapters.store.opened import Opened, OpenedFile
from nightlight.adapters.store.report_tables import report_steps, reports
from nightlight.adapters.store.reports import Fenced
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Busy, Conflict, NotFound, Tampered
from nightlight.core.filing import Answer, Call, Filing, Local, Outcome, Patience, Step, asked_again, asked_back, checked
from nightlight.core.report import ReportState
from tests.filing import draft

PLACE = "http://127.0.0.1:1/ispws"
MINUTE = timedelta(minutes=1)
OPENED = Answer(outcome=Outcome.DONE, report_id="77", detail="the authority quotes: keep this secret")


def submitted(database: Database, case: str = "case_1") -> Filing:
    made = database.reports.create(draft(case), PLACE, "reviewer:ana", about="p_1")
    return database.reports.change(made.report.id, "reviewer:ana", "report.submit", lambda f: asked_again(f, database.clock.now()))


def taken(database: Database, case: str = "case_1") -> Filing:
    """Held by a run, and checked."""
    held = database.reports.take(submitted(database, case).report.id, MINUTE)
    return database.reports.local(held, Local.CHECK, "report.check", lambda f: checked(f, [], database.clock.now()))


def test_a_step_is_kept_before_and_after_its_call(database: Database) -> None:
    held = taken(database)
    number = database.reports.begin(held, Step(Call.SUBMIT), MINUTE)
    (before,) = database.reports.steps(held.report.id)
    assert (before.call, before.ended_at, before.outcome) == (Call.SUBMIT, None, None)
    after = database.reports.settle(held, number, Step(Call.SUBMIT), OPENED, Patience())
    assert after == database.reports.get(held.report.id)
    assert (after.report.state, after.report.authority_id) == (ReportState.OPENED, "77")
    (kept,) = database.reports.steps(held.report.id, words=True)
    assert (kept.outcome, kept.authority_id, kept.detail) == (Outcome.DONE, "77", OPENED.detail)
    assert database.reports.steps(held.report.id)[0].detail == ""
    actions = [e.action for _, e in database.audit.entries()]
    assert actions == ["report.draft", "report.submit", "report.check", "report.call", "report.answer"]
    assert "keep this secret" not in repr(database.audit.entries())


def test_one_run_at_a_time_until_its_lease_ends(database: Database, clock: FixedClock) -> None:
    held = taken(database)
    with pytest.raises(Busy):
        database.reports.take(held.report.id, MINUTE)
    assert database.reports.due(clock.now()) == []
    clock.advance(MINUTE)
    assert database.reports.due(clock.now()) == [held.report.id]
    later = database.reports.take(held.report.id, MINUTE)
    assert later.run == held.run + 1


def test_a_run_that_lost_its_report_keeps_nothing(database: Database, clock: FixedClock) -> None:
    held = taken(database)
    number = database.reports.begin(held, Step(Call.SUBMIT), MINUTE)
    clock.advance(2 * MINUTE)
    later = database.reports.take(held.report.id, MINUTE)
    before = database.reports.get(held.report.id)
    for attempt in (
        lambda: database.reports.settle(held, number, Step(Call.SUBMIT), OPENED, Patience()),
        lambda: database.reports.begin(held, Step(Call.SUBMIT), MINUTE),
        lambda: database.reports.local(held, Local.CHECK, "report.check", lambda f: f),
    ):
        with pytest.raises(Fenced):
            attempt()
    assert database.reports.get(held.report.id) == before
    database.reports.release(held)
    with pytest.raises(Busy):
        database.reports.take(later.report.id, MINUTE)
    (cut,) = database.reports.steps(held.report.id)
    assert (cut.outcome, cut.ended_at) == (Outcome.LATER, clock.now())
    assert "report.cut_off" in [e.action for _, e in database.audit.entries()]


def test_what_a_person_changed_is_not_done_any_more(database: Database) -> None:
    held = taken(database)
    database.reports.change(held.report.id, "reviewer:ana", "report.retract", lambda f: asked_back(f, database.clock.now()))
    with pytest.raises(Fenced):
        database.reports.begin(held, Step(Call.SUBMIT), MINUTE)
    assert database.reports.steps(held.report.id) == []


def test_many_runners_and_one_gets_it(database: Database) -> None:
    id = submitted(database).report.id

    def take(_: int) -> bool:
        try:
            database.reports.take(id, MINUTE)
        except Busy:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(take, range(6))) == [False] * 5 + [True]


def test_two_reports_of_one_case_cannot_be(database: Database) -> None:
    first = database.reports.create(draft(), PLACE, "reviewer:ana", about=None)

    def make(_: int) -> bool:
        try:
            database.reports.create(draft(), PLACE, "reviewer:bo", about=None)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(make, range(4)))
    assert [f.report.id for f in database.reports.of_case("case_1")] == [first.report.id]
    database.reports.create(draft(), f"{PLACE}/elsewhere", "reviewer:ana", about=None)
    database.reports.create(draft("case_2"), PLACE, "reviewer:ana", about=None)
    assert len(database.reports.all()) == 3


def test_the_document_is_sealed_to_its_report(database: Database, home: Path) -> None:
    one, two = submitted(database), submitted(database, "case_2")
    assert database.reports.draft(one.report.id) == draft()
    with database.sql.read() as connection:
        rows = connection.execute(select(reports)).all()
    assert all(b"Marlow" not in bytes(value) for row in rows for value in row if isinstance(value, bytes | memoryview))
    with database.sql.write() as connection:
        other = connection.execute(select(reports.c.draft).where(reports.c.id == two.report.id)).scalar_one()
        connection.execute(update(reports).where(reports.c.id == one.report.id).values(draft=other))
    with pytest.raises(Tampered):
        database.reports.draft(one.report.id)


def test_an_edit_takes_the_version_that_was_shown(database: Database) -> None:
    made = database.reports.create(draft(), PLACE, "reviewer:ana", about=None)
    more = database.reports.revise(made.report.id, draft(files=3), "reviewer:ana", version=1)
    assert (more.version, len(more.files)) == (2, 3)
    with pytest.raises(Conflict, match="meanwhile"):
        database.reports.revise(made.report.id, draft(), "reviewer:bo", version=1)
    with pytest.raises(NotFound):
        database.reports.revise("report_nowhere", draft(), "reviewer:bo", version=1)
    held = taken(database, "case_2")
    with pytest.raises(Conflict, match="cannot be edited"):
        database.reports.revise(held.report.id, draft("case_2"), "reviewer:ana", version=1)


def test_an_id_that_the_database_has_forgotten_is_asked_about_first(database: Database, home: Path) -> None:
    id = submitted(database).report.id
    file = OpenedFile(home)
    line = Opened(case="case_1", corrects="", place=PLACE, id="41", at=database.clock.now())
    for opened in (line, replace(line, id="42"), replace(line, id="43", place="elsewhere"), replace(line, id="44", case="case_12")):
        file.remember(opened)
    with file.path.open("ab") as torn:
        torn.write(b'{"case":"case_1","corr')
    file.remember(replace(line, id="45", corrects="report_0"))
    held = database.reports.take(id, MINUTE)
    assert (held.report.state, held.report.authority_id, held.opened_run) == (ReportState.OPENED, "42", None)
    number = database.reports.begin(held, Step(Call.RETRACT), MINUTE)
    gone = database.reports.settle(held, number, Step(Call.RETRACT), Answer(outcome=Outcome.GONE), Patience())
    database.reports.release(gone)
    assert database.reports.take(id, MINUTE).report.authority_id is None, "it is known now"


def test_a_dead_holder_holds_nothing(database: Database) -> None:
    held = taken(database)
    with subprocess.Popen(["true"]) as process:
        pass
    machine = holder().partition("/")[0]
    other = f"{machine}/{process.pid}/1"
    assert is_dead(other)
    assert not is_dead(holder())
    assert is_dead(holder().rpartition("/")[0] + "/1"), "another process has got its number since"
    assert not is_dead("elsewhere/1/2")
    assert not is_dead(None)
    with database.sql.write() as connection:
        connection.execute(update(reports).values(lease_by=other))
    assert database.reports.due(database.clock.now()) == [held.report.id]
    assert database.reports.take(held.report.id, MINUTE).run == held.run + 1


def test_a_correction_marks_what_it_corrects_in_the_same_transaction(database: Database) -> None:
    def file(filing: Filing) -> Filing:
        held = database.reports.take(filing.report.id, MINUTE)
        held = database.reports.local(held, Local.CHECK, "report.check", lambda f: checked(f, [], database.clock.now()))
        for call, answer in (
            (Step(Call.SUBMIT), OPENED),
            (Step(Call.UPLOAD, 0), Answer(outcome=Outcome.DONE, file_id="f")),
            (Step(Call.FILEINFO, 0), Answer(outcome=Outcome.DONE)),
            (Step(Call.FINISH), Answer(outcome=Outcome.DONE, report_id="77", files=("f",))),
        ):
            held = database.reports.settle(held, database.reports.begin(held, call, MINUTE), call, answer, Patience())
        database.reports.release(held)
        return held

    first = file(submitted(database))
    made = database.reports.create(draft(), PLACE, "reviewer:ana", about=None, corrects=first.report.id, why="the time")
    file(database.reports.change(made.report.id, "reviewer:ana", "report.submit", lambda f: asked_again(f, database.clock.now())))
    assert database.reports.get(first.report.id).report.state is ReportState.CORRECTED
    assert [f.report.id for f in database.reports.about("p_1")] == [first.report.id]
    with database.sql.read() as connection:
        assert len(connection.execute(select(report_steps)).all()) == 8
    assert database.audit.verify().ok


def test_a_destroyed_case_takes_what_its_reports_said_with_it(database: Database) -> None:
    held = taken(database)
    number = database.reports.begin(held, Step(Call.SUBMIT), MINUTE)
    database.reports.settle(held, number, Step(Call.SUBMIT), OPENED, Patience())
    other = submitted(database, "case_2")
    with database.sql.write() as connection:
        assert database.reports.forget(connection, "case_1") == 1
    with pytest.raises(NotFound, match="destroyed"):
        database.reports.draft(held.report.id)
    assert database.reports.get(held.report.id).report.authority_id == "77"
    assert database.reports.steps(held.report.id, words=True)[0].detail == ""
    assert database.reports.draft(other.report.id).case == "case_2"
