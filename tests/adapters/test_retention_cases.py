"""Cases that ended, reports and exposure go in their time, and never what is held, appealed, unfinished or preserved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from nightlight.adapters.lifecycle import Periods
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.case_tables import OF_CASES, case_appeals, case_exposure, case_orders, case_steps, user_reports
from nightlight.adapters.store.engine import DATABASE_FILE
from nightlight.adapters.store.report_tables import report_steps, reports
from nightlight.adapters.store.request_tables import host_notices
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import cases, metadata, micros
from nightlight.core.clock import FixedClock
from nightlight.core.desk import Severity
from nightlight.core.filing import Filing
from nightlight.core.report import Report, ReportState

from .casework import ANA, Casework
from .works import START, Writer

DAY = timedelta(days=1)
Act = Callable[[Database, str], object]


def put_report(database: Database, case: str, state: str = "finished", at: int = 0) -> None:
    made = START if not at else datetime.fromtimestamp(at / 1_000_000, UTC)
    report = Report(id=f"r-{case}", case=case, authority="ncmec", state=ReportState(state), at=made)
    filing = Filing(report=report, place="x", about=None, created_at=made, created_by="ana", updated_at=made)
    row = {c.name: b"" for c in reports.columns} | {"id": f"r-{case}", "case_id": case, "authority": "ncmec", "place": "x", "about": None}
    row["filing"] = pack(filing)
    row |= {"corrects": "", "state": state, "wanted": "nothing", "moving": False, "authority_id": "1", "due_at": None, "run": 0}
    row |= {"lease_by": None, "lease_until": None, "updated_at": at or micros(START)}
    step = {c.name: None for c in report_steps.columns if c.name != "id"} | {"report_id": f"r-{case}", "run": 1, "call": "submit"}
    with database.sql.write() as connection:
        connection.execute(reports.insert().values(**row))
        connection.execute(
            report_steps.insert().values(**step, began_at=0)
            if "began_at" not in step
            else report_steps.insert().values(step | {"began_at": 0})
        )


def ended(database: Database, clock: FixedClock, state: str = "declined") -> str:
    """A case that was judged by people and has ended, whose evidence the clocks have let go of."""
    work = Casework(database, Writer(database), clock)
    case = work.open(f"e{len(database.cases.cases(100))}")
    work.desk.lock(ANA, case.id)
    work.desk.note(ANA, case.id, "asked the lead")
    work.desk.exposed(ANA, case.id, 30.0, Severity.TEXT)
    database.vault.promote()
    with database.sql.write() as connection:
        connection.execute(cases.update().where(cases.c.id == case.id).values(state=state, ended_at=micros(clock.now())))
        for table in OF_CASES:
            if "support" in table.c:
                connection.execute(table.update().values(support="offered"))
    return case.id


def there(database: Database, case: str) -> set[str]:
    """Tables that have a row of the case."""
    found = set()
    with database.sql.read() as connection:
        for table in metadata.sorted_tables:
            column = table.c.id if table is cases else table.c.get("case_id")
            if column is not None and connection.execute(select(column).where(column == case)).first() is not None:
                found.add(str(table.name))
    return found


def to(clock: FixedClock, days: float) -> FixedClock:
    clock.advance(START + timedelta(days=days) - clock.now())
    return clock


def test_an_ended_case_goes_whole_with_its_report_and_nothing_before_its_time(database: Database, clock: FixedClock) -> None:
    case = ended(database, clock)
    put_report(database, case)
    other = Casework(database, Writer(database), clock).open("open-one", actor="osk", target="lume", channel="other").id
    database.lifecycle.retention(to(clock, 399).now())
    assert {"cases", "case_notes", "reports"} <= there(database, case)
    done = database.lifecycle.retention(to(clock, 401).now())
    assert done["cases"] == 1 and done["reports"] == 1 and done["report_steps"] == 1 and done["case_notes"] >= 1
    assert there(database, case) == {"vault_destructions"}, "what stays is the record that it was destroyed"
    assert "cases" in there(database, other)
    told = [e for _, e in database.audit.entries("cases", most=1000) if e.action == "retention.case"]
    assert [e.target for e in told] == [case] and told[0].detail["reports"] == 1
    assert database.audit.verify().ok
    assert "cases" not in database.lifecycle.retention(clock.now())


def test_exposure_goes_by_its_own_time(database: Database, clock: FixedClock) -> None:
    ended(database, clock)
    database.lifecycle.retention(to(clock, 365).now())
    with database.sql.read() as connection:
        assert connection.execute(select(case_exposure.c.day)).all()
    assert database.lifecycle.retention(to(clock, 367).now())["case_exposure"] == 1


def test_a_duty_draws_it_out_and_counts_from_the_report(database: Database, clock: FixedClock) -> None:
    database.vault_places = ("US",)
    case = ended(database, clock, "filed")
    put_report(database, case, at=micros(START + 300 * DAY))
    database.lifecycle.retention(to(clock, 600).now())
    assert "reports" in there(database, case), "18 USC 2258A: a year from the report"
    database.lifecycle.retention(to(clock, 670).now())
    assert there(database, case) <= {"vault_destructions"}


def test_a_limit_cuts_it_short(database: Database, clock: FixedClock) -> None:
    database.vault_places = ("DE",)
    case = ended(database, clock)
    database.lifecycle.retention(to(clock, 366).now())
    assert there(database, case) == {"vault_destructions"}, "Regulation (EU) 2021/1232: twelve months"


def appeal(database: Database, case: str) -> None:
    row = {"id": "a1", "case_id": case, "by": "x", "at": 0, "sealed": b"", "state": "waiting", "answer": b""}
    with database.sql.write() as connection:
        connection.execute(case_appeals.insert().values(**row))


def order(database: Database, case: str) -> None:
    row = {"id": "o1", "case_id": case, "kind": "file", "at": 0, "verdict": "v", "approved_by": b"", "result": ""}
    with database.sql.write() as connection:
        connection.execute(case_orders.insert().values(**row))


def step(database: Database, case: str) -> None:
    row = {
        "id": "s1",
        "case_id": case,
        "verdict": "v",
        "consequence": "ban",
        "needs": 2,
        "needs_lead": False,
        "signed": b"",
        "lead_signed": False,
    }
    with database.sql.write() as connection:
        connection.execute(case_steps.insert().values(**row, state="waiting", asked_at=0, reason=b""))


def told(database: Database, case: str) -> None:
    row = {c.name: b"" for c in user_reports.columns} | {
        "id": "u1",
        "case_id": case,
        "event_id": "e",
        "state": "looking",
        "anonymous": True,
    }
    row |= {"verified": False, "collapsed": None, "reporter_mac": None, "at": 0, "changed_at": 0, "keep_until": micros(START + 5000 * DAY)}
    with database.sql.write() as connection:
        connection.execute(user_reports.insert().values(**row))


def host(database: Database, case: str) -> None:
    row = {"id": "h1", "case_id": case, "state": "sent", "due_at": 0, "ended_at": None, "sealed": b""}
    with database.sql.write() as connection:
        connection.execute(host_notices.insert().values(**row))


def reopen(database: Database, case: str) -> None:
    with database.sql.write() as connection:
        connection.execute(cases.update().where(cases.c.id == case).values(state="open"))


def owe(database: Database, case: str) -> None:
    (table,) = [t for t in OF_CASES if "support" in t.c]
    with database.sql.write() as connection:
        connection.execute(table.update().values(support="owed"))


BINDS: dict[str, Act] = {
    "hold": lambda d, c: d.vault.hold(c, "cli:lea", "a court asks"),
    "extension": lambda d, c: d.vault.extend(c, START + 6000 * DAY, "cli:lea", "a court may ask"),
    "preserved": lambda d, c: d.requests.preserve("cli:lea", case=c, authority="HC", reference="1", days=366),
    "preserved account": lambda d, c: d.requests.preserve("cli:lea", account="vell", authority="HC", reference="1", days=366),
    "emergency": lambda d, c: d.requests.emergency("cli:lea", case=c, authority="HC", reference="1", contact="x", danger="x"),
    "appeal": appeal,
    "order": order,
    "signature": step,
    "user report": told,
    "host": host,
    "open": reopen,
    "support owed": owe,
    "unfinished report": lambda d, c: put_report(d, c, "opened"),
    "failed report": lambda d, c: put_report(d, c, "failed"),
}
SHORT = {"preserved", "preserved account"}
"""Binds a year at most, so it is looked at within that."""


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("bind", BINDS)
def test_what_binds_a_case_keeps_it_whole(database: Database, clock: FixedClock, bind: str) -> None:
    case = ended(database, clock)
    BINDS[bind](database, case)
    before = there(database, case) | {"cases"}
    soon = Periods(cases=DAY, exposure=DAY, requests=DAY)
    database.lifecycle.retention(to(clock, 365 if bind in SHORT else 2000).now(), soon)
    assert {t for t in before if not t.startswith("vault")} - there(database, case) <= {"case_events"}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sets(st.sampled_from(sorted(BINDS)), max_size=2), st.booleans()), min_size=1, max_size=4), st.data())
def test_whatever_binds_which_case_only_free_ones_go(
    migrated_file: Path, cases_of: list[tuple[set[str], bool]], data: st.DataObject
) -> None:
    """One appeal, order, report, ... a case and store: the binds are dealt to at most one case each."""
    with TemporaryDirectory() as folder:
        home, clock = Path(folder), FixedClock(START)
        shutil.copy(migrated_file, home / DATABASE_FILE)
        database = open_database(None, home, KeyFileSealer(home / "keys.json"), clock, migrate=False)
        try:
            work, free, bound, dealt = Casework(database, Writer(database), clock), [], [], set[str]()
            for number, (binds, young) in enumerate(cases_of):
                case = work.open(f"e{number}", actor=f"actor{number}", target=f"child{number}", channel=f"room{number}").id
                database.vault.promote()
                late = START + timedelta(days=350 if young else 0)
                with database.sql.write() as connection:
                    connection.execute(cases.update().where(cases.c.id == case).values(state="declined", ended_at=micros(late)))
                    (table,) = [t for t in OF_CASES if "support" in t.c]
                    connection.execute(table.update().where(table.c.case_id == case).values(support="offered"))
                mine = {b for b in binds if b not in dealt and b not in ("preserved account", "support owed")}
                if len(mine & {"unfinished report", "failed report"}) == 2:
                    mine.discard("failed report")
                dealt |= mine
                for bind in sorted(mine):
                    BINDS[bind](database, case)
                (bound if mine or young else free).append(case)
            database.lifecycle.retention(to(clock, 360).now(), Periods(cases=30 * DAY))
            with database.sql.read() as connection:
                left = set(connection.execute(select(cases.c.id)).scalars())
            assert left == set(bound)
            for case in free:
                assert there(database, case) <= {"vault_destructions"}
            assert database.audit.verify().ok
        finally:
            database.close()
