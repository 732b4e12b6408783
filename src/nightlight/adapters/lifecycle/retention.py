"""Retention: what is due is deleted, in bounded batches, never what is preserved or under an open case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, exists, or_, select, text, tuple_

from nightlight.adapters.lifecycle.deletion import BATCH, clear_journal, deletable, delete_events, thorough
from nightlight.adapters.lifecycle.ended import retain_cases
from nightlight.adapters.store.cases import unended
from nightlight.adapters.store.outbox import CANCELLED, DELIVERED
from nightlight.adapters.store.prepared import AnySelect
from nightlight.adapters.store.tables import (
    accounts,
    assessments,
    bank_history,
    bank_items,
    bank_verdicts,
    bank_versions,
    cases,
    event_accounts,
    events,
    facts,
    jobs,
    limits,
    micros,
    outbox,
    states,
    summaries,
    tails,
)
from nightlight.adapters.store.trust_tables import trusted_contacts
from nightlight.core.ports import AuditEntry

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database


class Periods(Struct, frozen=True, kw_only=True):
    """How long things are kept that carry no time of their own. (Events do: it was fixed when they came.)"""

    states: timedelta = timedelta(days=180)
    """A detector's memory and an assessment, since they last changed. Grooming runs over months (Whittle 2013), so longer than events."""
    facts: timedelta = timedelta(days=30)
    """Since they were folded."""
    outbox: timedelta = timedelta(days=30)
    """Since delivery. Dead letters stay until somebody replays them."""
    jobs: timedelta = timedelta(days=7)
    """Since they finished."""
    limits: timedelta = timedelta(days=180)
    """Since they ended."""
    bank_history: timedelta = timedelta(days=30)
    """Since a bank's item or settings became others: as long as the bank can go back to them. Verdicts on items that are gone, too."""
    cases: timedelta = timedelta(days=400)
    """What people wrote about a case, and its reports, since it ended: more than the year of 18 USC 2258A. See `ended`."""
    exposure: timedelta = timedelta(days=365)
    """What a reviewer was exposed to, since that day: a year's trend for who looks after them. Nobody measured it."""
    requests: timedelta = timedelta(days=1095)
    """What an authority asked for and was told, since it ended: three years in which somebody may ask about it. Nobody measured it."""


class Step(Struct, frozen=True):
    """Rows are looked for outside any transaction, which stops nobody; only deleting them takes the writer's turn."""

    due: AnySelect
    """The keys of at most BATCH rows."""
    delete: Callable[[Connection, Sequence[Any]], dict[str, int]]
    """Deletes those that are still due; how many rows of which table."""


def retain(database: Database, now: datetime, periods: Periods) -> Mapping[str, int]:
    """Every batch is a transaction of its own with its own row in the audit chain: stopped half-way, nothing is half done."""
    total: Counter[str] = Counter()
    for step in _steps(now, periods):
        while done := _batch(database, now, step):
            total.update(done)
    total.update(retain_cases(database, now, periods))
    if total and clear_journal(database.sql) is False:
        # Not lost, only late: the next sweep empties it, or SQLite when it begins the journal anew.
        detail = {"cleared": False}
        database.audit.append([AuditEntry(at=now, actor="system", action="retention.journal", target="journal", detail=detail)])
    return dict(total)


def _batch(database: Database, now: datetime, step: Step) -> dict[str, int]:
    with database.sql.read() as connection:
        found = connection.execute(step.due).all()
    if not found:
        return {}
    with database.audit.transaction() as ledger, thorough(ledger.connection):
        done = {table: rows for table, rows in step.delete(ledger.connection, found).items() if rows}
        if done:
            ledger.append(AuditEntry(at=now, actor="system", action="retention", target=",".join(sorted(done)), detail=dict(done)))
    return done


def _steps(now: datetime, p: Periods) -> Iterator[Step]:
    def at(period: timedelta) -> int:
        return micros(now - period)

    a, o = assessments.c, outbox.c
    of_open_case = exists(
        select(cases.c.id).where(
            unended(), or_((cases.c.subject_kind == a.subject_kind) & (cases.c.subject_id == a.subject_id), cases.c.actor == a.actor)
        )
    )
    yield _due_events(micros(now))
    yield _rows(tails, tails.c.expires_at <= micros(now))
    yield _rows(facts, facts.c.absorbed_at <= at(p.facts))
    yield _rows(states, states.c.updated_at <= at(p.states))
    yield _rows(summaries, summaries.c.updated_at <= at(p.states))
    yield _rows(assessments, a.at <= at(p.states), ~of_open_case)
    yield _rows(limits, limits.c.until <= at(p.limits))
    yield _rows(outbox, o.state.in_([DELIVERED, CANCELLED]), o.finished_at <= at(p.outbox))
    yield _rows(jobs, jobs.c.finished_at <= at(p.jobs))
    # A version before the rows that it would need: one that is half there could not be told from a whole one.
    yield _rows(bank_versions, bank_versions.c.superseded_at <= at(p.bank_history))
    yield _rows(bank_history, bank_history.c.superseded_at <= at(p.bank_history))
    v, i, h = bank_verdicts.c, bank_items.c, bank_history.c
    there = exists(select(i.id).where(i.bank == v.bank, i.id == v.item)), exists(select(h.id).where(h.bank == v.bank, h.id == v.item))
    yield _rows(bank_verdicts, v.at <= at(p.bank_history), ~or_(*there))
    yield _orphan_accounts()


def _due_events(now: int) -> Step:
    e = events.c
    still = e.expires_at <= now, *deletable()

    def delete(connection: Connection, found: Sequence[Any]) -> dict[str, int]:
        ids = connection.execute(select(e.id).where(e.id.in_([id for (id,) in found]), *still)).scalars().all()
        return delete_events(connection, ids) if ids else {}

    return Step(select(e.id).where(*still).order_by(e.expires_at).limit(BATCH), delete)


def _rows(table: Table, *where: ColumnElement[bool]) -> Step:
    """Rows of one table whose time has passed."""
    keys = list(table.primary_key.columns)

    def delete(connection: Connection, found: Sequence[Any]) -> dict[str, int]:
        these = keys[0].in_([r[0] for r in found]) if len(keys) == 1 else tuple_(*keys).in_([tuple(r) for r in found])
        return {table.name: connection.execute(table.delete().where(these, *where)).rowcount}

    return Step(select(*keys).where(*where).limit(BATCH), delete)


def _orphan_accounts() -> Step:
    """A name that nothing stored refers to any more."""
    a = accounts.c.pseudonym
    unused = ~or_(
        exists(select(event_accounts.c.event_id).where(event_accounts.c.account == a)),
        exists(select(events.c.seq).where(events.c.conversation == a)),
        exists(select(limits.c.account).where(limits.c.account == a)),
        exists(select(trusted_contacts.c.since).where(trusted_contacts.c.first == a)),
        exists(select(trusted_contacts.c.since).where(trusted_contacts.c.second == a)),
    )

    def delete(connection: Connection, found: Sequence[Any]) -> dict[str, int]:
        if connection.dialect.name == "postgresql":
            # A batch that finds the name known does not write it again: deleted at that moment it would be lost. Such batches end first.
            connection.execute(text("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE"))
        these = a.in_([pseudonym for (pseudonym,) in found])
        return {"accounts": connection.execute(accounts.delete().where(these, unused)).rowcount}

    return Step(select(a).where(unused).limit(BATCH), delete)
