"""Deleting events with all that hangs on them: the one place that knows what that is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import msgspec
from sqlalchemy import ColumnElement, Connection, exists, or_, select, tuple_

from nightlight.adapters.store.cases import unended
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.help_tables import kept_for_help
from nightlight.adapters.store.preserved import preserved_event
from nightlight.adapters.store.tables import case_events, cases, decisions, event_accounts, events, facts, jobs, signals
from nightlight.adapters.store.vault_tables import vault_pending

BATCH = 500
"""Events a transaction: a few milliseconds of the one writer's time, so that live traffic hardly notices."""


@contextmanager
def thorough(connection: Connection) -> Iterator[None]:
    """What is deleted inside is overwritten in the database file, not only unlinked. (PostgreSQL does so when it vacuums.)"""
    if connection.dialect.name != "sqlite":
        yield
        return
    connection.exec_driver_sql("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA secure_delete=FAST")


_TRIES = 8
_WAIT_MS = 250
_PAUSE_S = 0.05


def clear_journal(sql: Sql) -> bool | None:
    """Bring SQLite's journal into the database file and empty it: pages as they were before a deletion stay readable in it otherwise.

    False where others read or wrote all the while, so that it could not be done; try again later. None on PostgreSQL, whose journal
    is the server's own matter.
    """
    if not sql.is_sqlite:
        return None
    with sql.read() as connection, closing(connection.connection.cursor()) as cursor:
        usual = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout={_WAIT_MS}")  # writers wait while it waits for readers: often and short, not once and long
        try:
            for attempt in range(_TRIES):
                if attempt:
                    time.sleep(_PAUSE_S)
                if cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0:
                    return True
        finally:
            cursor.execute(f"PRAGMA busy_timeout={int(usual)}")
    return False


def under_open_case() -> ColumnElement[bool]:
    """Of a row of `events`: a person has still to look at it, or somebody asked for help there and may tell us yet. Whoever is refused an
    erasure for it must not learn which of the two."""
    open_one = select(case_events.c.event_id).join_from(case_events, cases, case_events.c.case_id == cases.c.id)
    return or_(exists(open_one.where(case_events.c.event_id == events.c.id, unended())), kept_for_help())


def awaited() -> ColumnElement[bool]:
    """Of a row of `events`: the vault has still to take it in, or what was said around it, for a case that has not ended."""
    near = events.alias("near")
    waiting = select(vault_pending.c.event_id).join_from(vault_pending, near, near.c.id == vault_pending.c.event_id)
    waiting = waiting.join(cases, cases.c.id == vault_pending.c.case_id)
    return exists(waiting.where(near.c.conversation == events.c.conversation, vault_pending.c.stage == 0, unended()))


def deletable() -> tuple[ColumnElement[bool], ...]:
    return events.c.preserved.is_(False), ~under_open_case(), ~awaited(), ~preserved_event()


def delete_events(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Within a transaction; how many rows of each table. At most BATCH ids at a time."""
    pending = facts.c.event_id.in_(ids)
    done = {
        "decisions": connection.execute(decisions.delete().where(_decisions_of(ids))).rowcount,
        "signals": connection.execute(signals.delete().where(signals.c.event_id.in_(ids))).rowcount,
        # A fact that nobody has folded yet still counts for the account that it concerns.
        "facts": connection.execute(facts.delete().where(pending, facts.c.absorbed_at.is_not(None))).rowcount,
        "jobs": connection.execute(jobs.delete().where(jobs.c.id.in_(ids))).rowcount,
    }
    parties = connection.execute(select(events.c.id, events.c.accounts).where(events.c.id.in_(ids))).all()
    pairs = [(account, id) for id, packed in parties for account in msgspec.msgpack.decode(packed, type=tuple[str, ...])]
    for begin in range(0, len(pairs), BATCH):
        these = tuple_(event_accounts.c.account, event_accounts.c.event_id).in_(pairs[begin : begin + BATCH])
        connection.execute(event_accounts.delete().where(these))
    connection.execute(vault_pending.delete().where(vault_pending.c.event_id.in_(ids)))
    connection.execute(case_events.delete().where(case_events.c.event_id.in_(ids)))
    done["events"] = connection.execute(events.delete().where(events.c.id.in_(ids))).rowcount
    return done


def _decisions_of(ids: Sequence[str]) -> ColumnElement[bool]:
    """Its own, and those of the second hop."""
    return or_(decisions.c.event_id.in_(ids), decisions.c.late_of.in_(ids))
