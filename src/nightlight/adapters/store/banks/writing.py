"""`Change`: one change of a bank and of its items, which is one transaction, one version and one entry of the audit log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import ColumnElement, delete, insert, literal, select, update

from nightlight.adapters.store.banks.rows import bank_columns, bank_of, bank_values, chunks, no_bank, settings_of
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.tables import bank_changes, bank_history, bank_items, bank_verdicts, bank_versions, banks, micros
from nightlight.core.bank import Bank
from nightlight.core.ports import AuditEntry

Detail = Mapping[str, str | int | float | bool | None]

ITEM = tuple(column.name for column in bank_items.columns)


class Change:
    """Made by `changing`. Rows that it replaces or removes become history, unless they are to be forgotten."""

    def __init__(self, ledger: Ledger, bank: Bank, now: datetime, by: str) -> None:
        self.connection = ledger.connection
        self.bank = bank
        """As it is before the change."""
        self.version = bank.version + 1
        self.now, self.by = now, by
        self.added = self.changed = self.removed = 0
        self._ledger = ledger
        self._after = bank
        self._told: list[str] = []
        self._entries: list[AuditEntry] = []
        self._at = micros(now)
        last = self.connection.execute(
            select(bank_versions.c.at).where(bank_versions.c.bank == bank.name, bank_versions.c.version == bank.version)
        ).scalar_one_or_none()
        if last is not None:  # history is purged by age, so time must not run backwards in it, whatever the clock does
            self._at = max(self._at, last)

    # -- items ---------------------------------------------------------------------------------------------------------------------

    def insert(self, values: Sequence[Mapping[str, Any]]) -> None:
        """New items: `Rows.values` of each."""
        if values:
            self.connection.execute(insert(bank_items), [{**row, "version": self.version} for row in values])
            self.added += len(values)
            self.tell([row["id"] for row in values])

    def replace(self, values: Sequence[Mapping[str, Any]]) -> None:
        """Items that are there, in new words."""
        ids = [row["id"] for row in values]
        self._supersede(ids)
        self._delete(ids)
        if values:
            self.connection.execute(insert(bank_items), [{**row, "version": self.version} for row in values])
            self.changed += len(values)
            self.tell(ids)

    def update(self, ids: Sequence[str], **values: Any) -> None:
        """Some columns of items that are there."""
        self._supersede(ids)
        for some in chunks(ids):
            self.connection.execute(update(bank_items).where(*self._these(some)).values(version=self.version, **values))
        self.changed += len(ids)
        self.tell(ids)

    def remove(self, ids: Sequence[str], *, forget: bool = False) -> None:
        if not forget:
            self._supersede(ids)
        self._delete(ids)
        if forget:
            for some in chunks(ids):
                for column in (bank_history.c.id, bank_history.c.derived_from, bank_verdicts.c.item):
                    table = bank_verdicts if column is bank_verdicts.c.item else bank_history
                    self.connection.execute(delete(table).where(table.c.bank == self.bank.name, column.in_(some)))
        self.removed += len(ids)
        self.tell(ids)

    def parts_of(self, ids: Sequence[str]) -> list[str]:
        """Items that hold fingerprints of parts of those items."""
        i = bank_items.c
        found: list[str] = []
        for some in chunks(ids):
            found += self.connection.execute(select(i.id).where(i.bank == self.bank.name, i.derived_from.in_(some))).scalars()
        return found

    def supersede_where(self, *where: ColumnElement[bool]) -> None:
        """Rows of this bank become history, however many."""
        source = select(*(bank_items.c[name] for name in ITEM), literal(self.version), literal(self._at))
        columns = [*ITEM, "until", "superseded_at"]
        self.connection.execute(insert(bank_history).from_select(columns, source.where(bank_items.c.bank == self.bank.name, *where)))

    def tell(self, ids: Sequence[str]) -> None:
        """Whoever mirrors the bank must look at those items again."""
        self._told += ids

    def _supersede(self, ids: Sequence[str]) -> None:
        for some in chunks(ids):
            self.supersede_where(bank_items.c.id.in_(some))

    def _delete(self, ids: Sequence[str]) -> None:
        for some in chunks(ids):
            self.connection.execute(delete(bank_items).where(*self._these(some)))

    def _these(self, ids: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
        return bank_items.c.bank == self.bank.name, bank_items.c.id.in_(ids)

    # -- the bank itself -----------------------------------------------------------------------------------------------------------

    def set_bank(self, bank: Bank) -> None:
        """The bank's settings from now on."""
        if bank_values(bank) != bank_values(self.bank):
            self.connection.execute(update(banks).where(banks.c.name == bank.name).values(**bank_values(bank)))
            self._told.append("")
        self._after = bank

    def record(self, action: str, target: str, detail: Detail | None = None) -> None:
        """What the audit log and the version say of it. A change that records nothing made none."""
        told = {**(detail or {}), "version": self.version}
        self._entries.append(AuditEntry(at=self.now, actor=self.by, action=action, target=target, detail=told))

    def after(self) -> Bank:
        return replace(self._after, version=self.version) if self._entries else self._after

    def finish(self) -> None:
        if not self._entries:
            return
        v, name = bank_versions.c, self.bank.name
        self.connection.execute(update(banks).where(banks.c.name == name).values(version=self.version))
        self.connection.execute(update(bank_versions).where(v.bank == name, v.version == self.bank.version).values(superseded_at=self._at))
        counts = {"added": self.added, "changed": self.changed, "removed": self.removed}
        row = {"bank": name, "version": self.version, "at": self._at, "by": self.by, "what": self._entries[0].action, **counts}
        self.connection.execute(insert(bank_versions).values(**row, settings=settings_of(self._after)))
        # The ledger holds the admin partition, so changes are numbered in the order in which they are committed.
        if self._told:
            self.connection.execute(insert(bank_changes), [{"bank": name, "item": item} for item in dict.fromkeys(self._told)])
        self._ledger.append(*self._entries)


@contextmanager
def changing(audit: AuditLog, name: str, now: datetime, by: str) -> Iterator[Change]:
    """Raises NotFound where there is no such bank. Nothing is changed where the block raises."""
    with audit.transaction() as ledger:
        found = ledger.connection.execute(bank_columns().where(banks.c.name == name)).first()
        if found is None:
            raise no_bank()
        change = Change(ledger, bank_of(found), now, by)
        yield change
        change.finish()
