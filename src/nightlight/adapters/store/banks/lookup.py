"""What the index found, as the senses need it: with what each match may do by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.prepared import Prepared, among, listed
from nightlight.adapters.store.tables import bank_items, micros
from nightlight.core.arbitration import told
from nightlight.core.bank import Bank, Category, Match
from nightlight.core.clock import Clock

DERIVED = "crop_"
"""How the ids of items begin whose fingerprints are of a part of a confirmed picture."""


def ended(created_at: int, expires_at: int | None, bank: Bank, now: datetime) -> bool:
    """Whether an item's time has come: its own, or else the bank's. Stored times, in microseconds."""
    if expires_at is not None:
        return expires_at <= micros(now)
    return bank.expires_after_days is not None and created_at <= micros(now - timedelta(days=bank.expires_after_days))


class Annotator:
    """Safe to use from several threads. Asks the database only where something matched: most pictures match nothing."""

    def __init__(self, sql: Sql, clock: Clock) -> None:
        self._sql, self._clock = sql, clock
        i = bank_items.c
        columns = (i.bank, i.id, i.enabled, i.category, i.generated, i.paused_at, i.overrides_authority, i.created_at, i.expires_at)
        self._told = Prepared(sql, select(*columns).where(i.bank == bindparam("bank"), among(sql, i.id)))

    def annotate(self, found: Iterable[Match], banks: Mapping[str, Bank]) -> list[Match]:
        """In the order given. Without those of kinds that their bank does not match, and of items that are gone or have ended by now."""
        return self.annotate_many([list(found)], banks)[0]

    def annotate_many(self, found: Sequence[Sequence[Match]], banks: Mapping[str, Bank]) -> list[list[Match]]:
        wanted = [[m for m in matches if m.bank in banks and banks[m.bank].takes(m.kind)] for matches in found]
        items: dict[str, dict[str, None]] = {}
        for matches in wanted:
            for match in matches:
                items.setdefault(match.bank, {})[match.item] = None
        if not items:
            return [[] for _ in found]
        rows = self._read(items, banks)
        return [[_annotated(m, banks[m.bank], rows[m.bank, m.item]) for m in matches if (m.bank, m.item) in rows] for matches in wanted]

    def _read(self, items: Mapping[str, Iterable[str]], banks: Mapping[str, Bank]) -> dict[tuple[str, str], Any]:
        found: dict[tuple[str, str], Any] = {}
        now = self._clock.now()
        with self._sql.read() as connection:
            for bank, ids in items.items():
                for row in self._told.rows(connection, bank=bank, ids=listed(self._sql, ids)):
                    # Else another process switched it off a moment ago, or its time has come and the next sweep removes it.
                    if row.enabled and not ended(row.created_at, row.expires_at, banks[bank], now):
                        found[bank, row.id] = row
        return found


def _annotated(match: Match, bank: Bank, row: Any) -> Match:
    return told(
        match,
        bank,
        derived=match.item.startswith(DERIVED),
        paused=row.paused_at is not None,
        overrides_authority=bool(row.overrides_authority),
        category=None if row.category is None else Category(row.category),
        generated=None if row.generated is None else bool(row.generated),
    )
