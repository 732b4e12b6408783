"""`Mirror`: the fingerprint index in memory, kept in step with what is committed, by whichever process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from nightlight.adapters.index.foreign import ForeignIndex
from nightlight.adapters.store.banks.rows import Rows, bank_columns, bank_of, chunks, item_columns
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.tables import bank_changes, bank_items, banks
from nightlight.core.bank import Bank, BankItem, FingerprintIndex, IndexPosition, LastingIndex
from nightlight.core.errors import Invalid, NightlightError

_PAGE = 1000
"""Changes, or items, read at once."""
_REPAIR_AGAIN_S = 60.0


class Mirror:
    """Safe to use from several threads."""

    def __init__(self, sql: Sql, rows: Rows, index: FingerprintIndex) -> None:
        self._sql, self._rows, self.index = sql, rows, index
        self._lasting = index if isinstance(index, LastingIndex) else None
        self._lock = Lock()
        self._repair: Thread | None = None
        self._repair_at = 0.0
        self.banks: Mapping[str, Bank] = {}
        """As the index has them; replaced, never changed."""
        self._seen = self._load()
        self.refresh()

    def refresh(self) -> int:
        """Bring the index up to what is committed; how many changes there were. Cheap when there are none."""
        with self._lock:
            done = 0
            while changes := self._changes():
                self._apply(list(dict.fromkeys((c.bank, c.item) for c in changes)))
                last = next((c for c in reversed(changes) if c.item), None)
                self._seen = _position(changes[-1].seq, last) if last else IndexPosition(changes[-1].seq, self._seen.fence)
                if self._lasting is not None:
                    self._lasting.mark(self._seen)
                done += len(changes)
            if self._lasting is not None and self._lasting.position() is None:
                self._start_repair()
            return done

    def _start_repair(self) -> None:
        # The index found its files damaged. They go on answering, and changes go on, while all items are read again beside them.
        if (self._repair is None or not self._repair.is_alive()) and time.monotonic() >= self._repair_at:
            self._repair_at = time.monotonic() + _REPAIR_AGAIN_S
            self._repair = Thread(target=self._repair_quietly, name="nightlight-index-rebuild", daemon=True)
            self._repair.start()

    def _repair_quietly(self) -> None:
        # Such as a database that is being closed. The index still says that it is damaged, so this is tried again.
        with suppress(SQLAlchemyError, OSError, NightlightError):
            self.rebuild()

    def _changes(self) -> Sequence[Any]:
        c = bank_changes.c
        with self._sql.read() as connection:
            page = select(c.seq, c.bank, c.item).where(c.seq > self._seen.number).order_by(c.seq).limit(_PAGE)
            return connection.execute(page).all()

    def _apply(self, changed: Sequence[tuple[str, str]]) -> None:
        """A page of changes in a few queries, however many items it names. The banks first: items are put into banks that are known."""
        by_bank: dict[str, list[str]] = {}
        for bank, item in changed:
            if item:
                by_bank.setdefault(bank, []).append(item)
        if any(not item for _, item in changed):
            self._put_banks()
        for bank, items in by_bank.items():
            there = self._found(bank, items)
            self._put([there[id] for id in items if id in there])
            for id in items:
                if id not in there:
                    self.index.remove_item(bank, id)

    def _found(self, bank: str, items: Sequence[str]) -> dict[str, BankItem]:
        found: dict[str, BankItem] = {}
        with self._sql.read() as connection:
            for some in chunks(items):
                page = item_columns().where(bank_items.c.bank == bank, bank_items.c.id.in_(some))
                for row in connection.execute(page).all():
                    found[row.id] = self._rows.item(row)
        return found

    def _put(self, items: Sequence[BankItem]) -> None:
        try:
            self.index.put_items(items)
        except Invalid:
            # Of a kind that this index cannot hold, such as a foreign one whose plug-in is gone: the rest still matches.
            for item in items:
                try:
                    self.index.put_item(item)
                except Invalid:
                    self.index.put_item(_own_kinds(item))

    def _put_banks(self) -> None:
        with self._sql.read() as connection:
            known = [bank_of(row) for row in connection.execute(bank_columns().order_by(banks.c.name)).all()]
        # What a match may do is known before the index can find it there.
        self.banks = {bank.name: bank for bank in known}
        for bank in known:
            self.index.put_bank(bank)

    def _load(self) -> IndexPosition:
        self._put_banks()
        if self._lasting is not None:
            kept = self._lasting.position()
            if kept is not None and kept == self._at(kept.number):
                if isinstance(self.index, ForeignIndex):  # it keeps nothing of foreign kinds over a restart
                    for page in self._pages():
                        self.index.load_foreign(page)
                return kept
        return self.rebuild()

    def rebuild(self) -> IndexPosition:
        """Load every item anew, while searches and changes go on."""
        # The position is read before the rows: what is committed in between is applied twice, which changes nothing, never missed.
        with self._lock:
            position = self._at()
            self._put_banks()
        if self._lasting is None:
            for page in self._pages():
                self._put(page)
            return position
        try:
            self._lasting.rebuild((item for page in self._pages() for item in page), position)
        except Invalid:
            self._lasting.rebuild((_own_kinds(item) for page in self._pages() for item in page), position)
        return position

    def _pages(self) -> Iterator[list[BankItem]]:
        i = bank_items.c
        for bank in sorted(self.banks):
            after = ""
            while True:
                page = item_columns().where(i.bank == bank, i.id > after).order_by(i.id).limit(_PAGE)
                with self._sql.read() as connection:
                    found = connection.execute(page).all()
                if not found:
                    break
                after = found[-1].id
                yield [self._rows.item(row) for row in found]

    def _at(self, most: int | None = None) -> IndexPosition:
        """The last change, or the last up to `most`. The fence is the last change of an item: its id is random, so another history has
        another."""
        c = bank_changes.c
        changes = select(c.seq, c.bank, c.item).order_by(c.seq.desc()).limit(1)
        if most is not None:
            changes = changes.where(c.seq <= most)
        with self._sql.read() as connection:
            last = connection.execute(changes).first()
            item = connection.execute(changes.where(c.item != "")).first()
        return _position(int(last.seq) if last else 0, item)


def _own_kinds(item: BankItem) -> BankItem:
    return msgspec.structs.replace(item, fingerprints=tuple(f for f in item.fingerprints if not f.kind.is_foreign))


def _position(number: int, item: Any) -> IndexPosition:
    return IndexPosition(int(number), f"{item.seq} {item.bank}/{item.item}" if item is not None else "")
