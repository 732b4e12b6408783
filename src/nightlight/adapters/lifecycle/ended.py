"""Retention of what people wrote about cases that ended, of reports, and of what reviewers were exposed to.

The evidence of a case goes first, with its clocks, by the vault; what people wrote about it stays for an appeal, for the law and for who
asks why. A case goes whole, in one transaction, and never while
  - a person has still something to do: it has not ended, an appeal, a signature, a second review or an order waits, a child of it is owed
    support, a host has still to answer;
  - something of it is still in the vault: its clocks, an extension or a legal hold say so;
  - a report of it is unfinished, or a duty to keep it runs;
  - an authority asked to preserve it;
  - what somebody reported to us, which opened it, is still within its own time: their code must be answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, or_, select

from nightlight.adapters.lifecycle.deletion import BATCH, thorough
from nightlight.adapters.store.case_tables import (
    OF_CASES,
    case_appeals,
    case_breaks,
    case_children,
    case_exposure,
    case_opinions,
    case_orders,
    case_reviews,
    case_steps,
    user_reports,
)
from nightlight.adapters.store.cases import unended
from nightlight.adapters.store.ledger import CASES
from nightlight.adapters.store.preserved import preserved_case
from nightlight.adapters.store.report_tables import report_steps, reports
from nightlight.adapters.store.request_tables import emergencies, host_notices, preservations
from nightlight.adapters.store.tables import cases, micros, moment
from nightlight.adapters.store.vault_tables import vault_cases, vault_destructions, vault_pending
from nightlight.core.case import CaseState, SupportState
from nightlight.core.filing import FILED
from nightlight.core.ports import AuditEntry
from nightlight.core.report import ReportState
from nightlight.core.vault import ClockStart, Destruction

if TYPE_CHECKING:
    from nightlight.adapters.lifecycle.retention import Periods
    from nightlight.adapters.store.database import Database

_PAGE = 200
_DONE = [s.value for s in (*FILED, ReportState.RETRACTED)]
_r = reports.c
_TABLES = (*(t for t in OF_CASES if t is not user_reports), user_reports)


def retain_cases(database: Database, now: datetime, periods: Periods) -> Mapping[str, int]:
    """Rows of each table that went. Each case is a transaction of its own with its entry in the audit chain."""
    total: Counter[str] = Counter()
    for case in _due(database, now, periods):
        total.update(_forget(database, case, now, periods))
    for table, where in _records(now, periods):
        total.update(_old(database, table, where, now))
    return {name: n for name, n in total.items() if n}


def settled(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Of a row of `cases`: nobody has anything left to do about it, and nothing binds it."""

    def waits(table: Any, *where: ColumnElement[bool]) -> ColumnElement[bool]:
        return not_(exists(select(table.c.case_id).where(table.c.case_id == cases.c.id, *where)))

    return (
        not_(unended()),
        cases.c.appeal.is_(None),
        waits(case_appeals, case_appeals.c.state == "waiting"),
        waits(case_steps, case_steps.c.state == "waiting"),
        waits(case_opinions, case_opinions.c.at.is_(None)),
        waits(case_reviews, or_(case_reviews.c.at.is_(None), and_(case_reviews.c.agrees.is_(False), case_reviews.c.settled_at.is_(None)))),
        waits(case_orders, case_orders.c.done_at.is_(None)),
        waits(case_children, case_children.c.support == SupportState.OWED.value),
        waits(user_reports, user_reports.c.keep_until > micros(now)),
        waits(reports, or_(_r.moving, _r.state.not_in(_DONE))),
        waits(host_notices, host_notices.c.ended_at.is_(None)),
        waits(emergencies, emergencies.c.ended_at.is_(None)),
        not_(exists(select(vault_cases.c.id).where(vault_cases.c.id == cases.c.id))),
        not_(exists(select(vault_pending.c.case_id).where(vault_pending.c.case_id == cases.c.id, vault_pending.c.stage == 0))),
        not_(preserved_case()),
    )


def _due(database: Database, now: datetime, periods: Periods) -> Iterator[str]:
    """Looked for outside any transaction."""
    after, shortest = "", _shortest(database, periods)
    ended = func.coalesce(cases.c.ended_at, cases.c.updated_at)
    page = select(cases.c.id).where(*settled(now), or_(ended <= micros(now - periods.cases), cases.c.opened_at <= micros(now - shortest)))
    while True:
        with database.sql.read() as connection:
            ids = connection.execute(page.where(cases.c.id > after).order_by(cases.c.id).limit(_PAGE)).scalars().all()
            ripe = [id for id in ids if let_go(database, connection, id, periods) <= now]
        yield from ripe
        if not ids:
            return
        after = ids[-1]


def _shortest(database: Database, periods: Periods) -> timedelta:
    """No limit of the table ends sooner, whatever it counts from: nothing younger need be looked at."""
    limits = [timedelta(days=r.days) for r in database.vault.clocks.clock if r.kind == "limit"]
    return min([periods.cases, *limits])


def let_go(database: Database, connection: Connection, case: str, periods: Periods) -> datetime:
    """When the clocks let go of what is written about an ended case: the usual period from its end, cut short by the first limit, drawn
    out by the last duty."""
    c = cases.c
    row = connection.execute(select(c.opened_at, c.updated_at, c.ended_at, c.state).where(c.id == case)).one()
    ended = moment(row.ended_at if row.ended_at is not None else row.updated_at)
    starts = {ClockStart.OPENED: moment(row.opened_at), ClockStart.ENDED: ended}
    reported = connection.execute(
        select(func.max(_r.updated_at)).where(_r.case_id == case, _r.state.in_([s.value for s in FILED]))
    ).scalar()
    if reported is not None:
        starts[ClockStart.REPORTED] = moment(reported)
    elif row.state == CaseState.FILED:
        starts[ClockStart.REPORTED] = ended
    if reported is not None or row.state == CaseState.FILED:
        starts[ClockStart.CONFIRMED] = ended
    clocks = list(database.vault.clocks.applying(starts, database.vault.places))
    # The vault knew where the parties were: its record has the clocks that bound the case.
    gone = connection.execute(select(vault_destructions.c.body).where(vault_destructions.c.case_id == case)).scalar_one_or_none()
    if gone is not None:
        clocks += msgspec.msgpack.decode(gone, type=Destruction).clocks
    usual = min([ended + periods.cases, *(k.until for k in clocks if not k.duty)])
    return max([usual, *(k.until for k in clocks if k.duty)])


def _forget(database: Database, case: str, now: datetime, periods: Periods) -> dict[str, int]:
    """Whether it may go is asked again, inside: an appeal may have come just now."""
    with database.audit.transaction(CASES) as ledger, thorough(ledger.connection):
        connection = ledger.connection
        still = connection.execute(select(cases.c.id).where(cases.c.id == case, *settled(now)).with_for_update()).first()
        if still is None or let_go(database, connection, case, periods) > now:
            return {}
        done: Counter[str] = Counter()
        of_case = select(_r.id).where(_r.case_id == case)
        done["report_steps"] += connection.execute(report_steps.delete().where(report_steps.c.report_id.in_(of_case))).rowcount
        for table in (reports, host_notices, vault_pending, *_TABLES):
            done[str(table.name)] += connection.execute(table.delete().where(table.c.case_id == case)).rowcount
        done["cases"] += connection.execute(cases.delete().where(cases.c.id == case)).rowcount
        gone = {name: n for name, n in done.items() if n}
        ledger.append(AuditEntry(at=now, actor="system", action="retention.case", target=case, detail=dict(gone)))
    return gone


def _records(now: datetime, periods: Periods) -> Iterator[tuple[Any, Sequence[ColumnElement[bool]]]]:
    """Tables whose rows have a time of their own."""
    first = (now - periods.exposure).date().isoformat()
    yield case_exposure, [case_exposure.c.day < first]
    yield case_breaks, [case_breaks.c.until <= micros(now - periods.exposure)]
    asked = micros(now - periods.requests)
    yield preservations, [preservations.c.ended_at <= asked, preservations.c.state != "active"]
    yield emergencies, [emergencies.c.ended_at <= asked]


def _old(database: Database, table: Any, where: Sequence[ColumnElement[bool]], now: datetime) -> dict[str, int]:
    keys, name, total = list(table.primary_key.columns), str(table.name), 0
    while True:
        with database.sql.read() as connection:
            found = connection.execute(select(*keys).where(*where).limit(BATCH)).all()
        if not found:
            return {name: total}
        with database.audit.transaction() as ledger, thorough(ledger.connection):
            these = or_(*(and_(*(k == v for k, v in zip(keys, row, strict=True))) for row in found))
            done = ledger.connection.execute(table.delete().where(these, *where)).rowcount
            if done:
                ledger.append(AuditEntry(at=now, actor="system", action="retention", target=name, detail={name: done}))
        total += done
