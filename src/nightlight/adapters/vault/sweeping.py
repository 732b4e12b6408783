"""What the vault does by itself, hourly: nothing of it decides about a person."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from nightlight.adapters.lifecycle.deletion import thorough
from nightlight.adapters.lifecycle.erasures import Erasures
from nightlight.adapters.store.cases import unended
from nightlight.adapters.store.report_tables import reports
from nightlight.adapters.store.tables import cases, micros, moment
from nightlight.adapters.store.vault_tables import vault_cases, vault_items, vault_parts
from nightlight.adapters.vault import rows
from nightlight.adapters.vault.destroying import destroy, finish
from nightlight.adapters.vault.promoting import notice, promote
from nightlight.core.case import CaseState
from nightlight.core.errors import Conflict, NotFound
from nightlight.core.ids import age_of
from nightlight.core.report import ReportState
from nightlight.core.vault import ClockStart

if TYPE_CHECKING:
    from nightlight.adapters.vault.store import SqlVault

ABANDONED = timedelta(hours=6)
"""A write that has not ended since then was cut off."""
_MOST = 500
_REPORTED = (ReportState.FINISHED.value, ReportState.ACKNOWLEDGED.value)


def sweep(vault: SqlVault) -> Mapping[str, int]:
    """How many of each: only what was done is named."""
    done: Counter[str] = Counter()
    notice(vault)
    while came := promote(vault, 1000):
        done["promoted"] += came
    done["secrets_again"] = _secrets_again(vault)
    done["finished"] = _finish(vault)
    done["clocks"] = catch_up(vault)
    done["destroyed"] = _due(vault)
    done["abandoned_parts"] = _abandoned(vault)
    return {name: n for name, n in done.items() if n}


def _secrets_again(vault: SqlVault) -> int:
    """Secrets of destroyed cases that a copy of the key folder brought back: they go again."""
    held = set(vault.secrets.names())
    gone = held & {line.commitment for line in Erasures(vault.db.home).read()[0]} if held else set()
    return sum(vault.secrets.destroy(name) for name in sorted(gone))


def _finish(vault: SqlVault) -> int:
    with vault.db.sql.read() as connection:
        found = connection.execute(rows.chosen().where(vault_cases.c.state == rows.DESTROYING)).all()
    for row in found:
        finish(vault, rows.case_of(row))
    return len(found)


def catch_up(vault: SqlVault, case: str | None = None) -> int:
    """What a case has reached starts the clocks that count from it, whoever forgot to say so; how many, of all cases or of one."""
    c, after, done = vault_cases.c, "", 0
    reported = select(func.max(reports.c.updated_at)).where(reports.c.case_id == c.id, reports.c.state.in_(_REPORTED)).scalar_subquery()
    chosen = select(c.id, c.facts, cases.c.state, cases.c.updated_at, cases.c.ended_at, reported)
    chosen = chosen.join_from(vault_cases, cases, cases.c.id == c.id)
    if case is not None:
        chosen = chosen.where(c.id == case)
    while True:
        with vault.db.sql.read() as connection:
            page = connection.execute(chosen.where(c.id > after, c.state == rows.KEPT).order_by(c.id).limit(_MOST)).all()
        for id, packed, state, updated_at, ended_at, finished in page:
            after = id
            starts = rows.facts_of(bytes(packed)).starts
            if finished is not None and starts.get(ClockStart.REPORTED.value, 0) < finished:
                starts = {**starts, ClockStart.REPORTED.value: finished}
                vault.start(id, ClockStart.REPORTED, moment(finished), "system")
                done += 1
            wanted = {
                ClockStart.CONFIRMED: state in (CaseState.CONFIRMED, CaseState.FILED, CaseState.FAILING),
                ClockStart.REPORTED: state == CaseState.FILED,
                ClockStart.ENDED: CaseState(state).has_ended,
            }
            for what, reached in wanted.items():
                if reached and what.value not in starts:
                    vault.start(id, what, moment(ended_at or updated_at), "system")
                    done += 1
        if not page:
            return done


def _due(vault: SqlVault) -> int:
    """Whatever the clocks have let go of. Never under a hold, and never while a person has still to decide."""
    c, after, done = vault_cases.c, "", 0
    open_one = exists(select(cases.c.id).where(cases.c.id == c.id, unended()))
    due = select(c.id, c.facts).where(c.keep_until <= micros(vault.db.clock.now()), c.state == rows.KEPT, ~open_one)
    while True:
        with vault.db.sql.read() as connection:
            page = connection.execute(due.where(c.id > after).order_by(c.id).limit(_MOST)).all()
        for id, packed in page:
            after = id
            if rows.facts_of(bytes(packed)).holds:
                continue
            try:
                destroy(vault, id, "system", "the retention clocks have ended", due=True)
                done += 1
            except (Conflict, NotFound):
                pass  # somebody put a hold on it, or extended it, just now
        if not page:
            return done


def _abandoned(vault: SqlVault) -> int:
    """Parts of writes that were cut off, or of nothing."""
    p, i, limit = vault_parts.c, vault_items.c, time.time() - ABANDONED.total_seconds()
    known = exists(select(i.id).where(i.id == p.item_id))
    with vault.db.sql.read() as connection:
        found = connection.execute(select(p.item_id, p.case_id).where(~known).distinct().limit(_MOST)).all()
        held = select(func.count()).select_from(vault_parts).where(p.item_id == i.id).scalar_subquery()
        # A part that misses its item may be one that somebody renamed: where an item misses a part, nothing is cleared away.
        damaged = set(connection.execute(select(i.case_id).where(i.case_id.in_({case for _, case in found}), held != i.parts)).scalars())
    done = 0
    for id in {id for id, case in found if case not in damaged and 0 < age_of(id) < limit}:
        with vault.db.sql.write() as connection, thorough(connection):
            done += connection.execute(vault_parts.delete().where(p.item_id == id, ~known)).rowcount
    return done
