"""`SqlBanks`: banks and their items in the database, and a fingerprint index in memory kept in step with them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.prepared import AnySelect
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import bank_changes, bank_items, banks, micros, moment
from nightlight.core.clock import Clock
from nightlight.core.errors import Conflict, Invalid, NightlightError, NotFound
from nightlight.core.fingerprint import (
    PDQ_THRESHOLD,
    Bank,
    BankItem,
    BankKind,
    Fingerprint,
    FingerprintIndex,
    FingerprintKind,
    IndexPosition,
    LastingIndex,
    Match,
)
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry, Sealer

Detail = Mapping[str, str | int | float | bool | None]
Hasher = Callable[[bytes], tuple[Fingerprint, ...]]

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_HEX = re.compile(r"[0-9a-f]*")
_PAGE = 1000
_REPAIR_AGAIN_S = 60.0
_MOST_FINGERPRINTS = 64
_MOST_LABELS = 32
_MOST_TEXT = 1000
_fingerprints = msgspec.msgpack.Decoder(tuple[Fingerprint, ...]).decode
_labels = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class SqlBanks:
    """Fills `core.services.BankService`. When it is made, the index is brought up to what is committed: a lasting one by the changes
    since its files were written, any other by loading every item. Call `refresh` about every half second to see what other processes
    changed. Safe to use from several threads."""

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Sealer, clock: Clock, index: FingerprintIndex, hasher: Hasher) -> None:
        self._sql, self._audit, self._sealer, self._clock = sql, audit, sealer, clock
        self._index, self._hasher = index, hasher
        self._lasting = index if isinstance(index, LastingIndex) else None
        self._lock = Lock()
        self._repair: Thread | None = None
        self._repair_at = 0.0
        self._seen = self._load()
        self.refresh()

    # -- reading -------------------------------------------------------------------------------------------------------------------

    def banks(self) -> Sequence[Bank]:
        with self._sql.read() as connection:
            return [_bank(row) for row in connection.execute(_bank_columns().order_by(banks.c.name)).all()]

    def items(self, bank: str, after: str | None = None, most: int = 100) -> Sequence[BankItem]:
        """A page in order of id; pass the last id as `after` to go on. Raises NotFound."""
        page = _item_columns().where(bank_items.c.bank == bank, bank_items.c.id > (after or "")).order_by(bank_items.c.id)
        with self._sql.read() as connection:
            if connection.execute(select(banks.c.name).where(banks.c.name == bank)).first() is None:
                raise _no_bank()
            return [self._item(row) for row in connection.execute(page.limit(most)).all()]

    def match(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Match]:
        check(fingerprints)
        return self._index.search(fingerprints)

    def sizes(self) -> Mapping[FingerprintKind, int]:
        return self._index.sizes()

    # -- changing ------------------------------------------------------------------------------------------------------------------

    def create(self, bank: Bank, by: str) -> Bank:
        """Raises Conflict where the name is taken, Invalid where it is no name."""
        if _NAME.fullmatch(bank.name) is None:
            raise Invalid("a bank's name is 1 to 64 of a-z, 0-9, `_`, `.`, `-`, beginning with a letter or digit", field="name")
        _check_threshold(bank.threshold)
        _check_text(bank.note, "note")
        now = self._clock.now()
        made = msgspec.structs.replace(bank, created_at=moment(micros(now)))
        with self._audit.transaction() as ledger:
            if ledger.connection.execute(select(banks.c.name).where(banks.c.name == bank.name)).first() is not None:
                raise Conflict("there is a bank of this name", field="name")
            row = {"name": bank.name, "kind": bank.kind.value, "threshold": bank.threshold, "enabled": bank.enabled, "note": bank.note}
            ledger.connection.execute(banks.insert().values(**row, created_at=micros(now)))
            detail: Detail = {"kind": bank.kind.value, "threshold": bank.threshold, "enabled": bank.enabled}
            self._tell(ledger, AuditEntry(at=now, actor=by, action="bank.create", target=bank.name, detail=detail), bank.name)
        self.refresh()
        return made

    def change(self, name: str, by: str, *, threshold: int | None = None, enabled: bool | None = None, note: str | None = None) -> Bank:
        """Only what is given changes. Raises NotFound or Invalid."""
        _check_threshold(threshold)
        _check_text(note, "note")
        given = {"threshold": threshold, "enabled": enabled, "note": note}
        change = {k: v for k, v in given.items() if v is not None}
        with self._audit.transaction() as ledger:
            if ledger.connection.execute(select(banks.c.name).where(banks.c.name == name)).first() is None:
                raise _no_bank()
            if change:
                ledger.connection.execute(banks.update().where(banks.c.name == name).values(**change))
                told: Detail = {k: v for k, v in change.items() if k != "note"}
                entry = AuditEntry(at=self._clock.now(), actor=by, action="bank.change", target=name, detail=told)
                self._tell(ledger, entry, name)
            found = ledger.connection.execute(_bank_columns().where(banks.c.name == name)).one()
        self.refresh()
        return _bank(found)

    def add(
        self, bank: str, fingerprints: Sequence[Fingerprint], by: str, *, labels: Sequence[str] = (), source: str | None = None
    ) -> BankItem:
        """One new item. Raises NotFound for the bank, Invalid for the rest."""
        check(fingerprints)
        if not 1 <= len(fingerprints) <= _MOST_FINGERPRINTS:
            raise Invalid(f"an item has 1 to {_MOST_FINGERPRINTS} fingerprints", field="fingerprints")
        if len(labels) > _MOST_LABELS:
            raise Invalid(f"an item has at most {_MOST_LABELS} labels", field="labels")
        for label in labels:
            _check_text(label, "labels")
        _check_text(source, "source")
        now = self._clock.now()
        unique = tuple(dict.fromkeys(fingerprints))
        item = BankItem(
            id=new_id("item"), bank=bank, fingerprints=unique, labels=tuple(labels), source=source, created_at=moment(micros(now))
        )
        with self._audit.transaction() as ledger:
            if ledger.connection.execute(select(banks.c.name).where(banks.c.name == bank)).first() is None:
                raise _no_bank()
            sealed = self._sealer.seal(pack(unique), _context(bank, item.id))
            row = {"bank": bank, "id": item.id, "sealed": sealed, "enabled": True, "labels": pack(item.labels), "source": source}
            ledger.connection.execute(bank_items.insert().values(**row, created_at=micros(now)))
            detail: Detail = {"fingerprints": len(unique), "commitment": self._sealer.mac(pack(unique)).hex()}
            entry = AuditEntry(at=now, actor=by, action="bank.item.add", target=f"{bank}/{item.id}", detail=detail)
            self._tell(ledger, entry, bank, item.id)
        self.refresh()
        return item

    def add_bytes(self, bank: str, data: bytes, by: str, *, labels: Sequence[str] = (), source: str | None = None) -> BankItem:
        """Hash the bytes and bank their fingerprints; the bytes are not kept."""
        return self.add(bank, self._hasher(data), by, labels=labels, source=source)

    def set_item_enabled(self, bank: str, item: str, enabled: bool, by: str) -> BankItem:
        """Raises NotFound."""
        this = (bank_items.c.bank == bank, bank_items.c.id == item)
        with self._audit.transaction() as ledger:
            found = ledger.connection.execute(_item_columns().where(*this)).first()
            if found is None:
                raise _no_item()
            if bool(found.enabled) != enabled:
                ledger.connection.execute(bank_items.update().where(*this).values(enabled=enabled))
                action = "bank.item.enable" if enabled else "bank.item.disable"
                entry = AuditEntry(at=self._clock.now(), actor=by, action=action, target=f"{bank}/{item}")
                self._tell(ledger, entry, bank, item)
        self.refresh()
        return msgspec.structs.replace(self._item(found), enabled=enabled)

    def remove(self, bank: str, item: str, by: str) -> None:
        """Raises NotFound."""
        with self._audit.transaction() as ledger:
            this = bank_items.delete().where(bank_items.c.bank == bank, bank_items.c.id == item)
            if ledger.connection.execute(this).rowcount == 0:
                raise _no_item()
            entry = AuditEntry(at=self._clock.now(), actor=by, action="bank.item.remove", target=f"{bank}/{item}")
            self._tell(ledger, entry, bank, item)
        self.refresh()

    # -- keeping the index in step -------------------------------------------------------------------------------------------------

    def refresh(self) -> int:
        """Bring the index up to what is committed, by whichever process; how many changes there were. Cheap when there are none."""
        with self._lock:
            done = 0
            while changes := self._changes():
                for bank, item in dict.fromkeys((c.bank, c.item) for c in changes):
                    self._apply(bank, item)
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
            self._rebuild()

    def _changes(self) -> Sequence[Any]:
        c = bank_changes.c
        with self._sql.read() as connection:
            page = select(c.seq, c.bank, c.item).where(c.seq > self._seen.number).order_by(c.seq).limit(_PAGE)
            return connection.execute(page).all()

    def _apply(self, bank: str, item: str) -> None:
        with self._sql.read() as connection:
            if not item:
                self._index.put_bank(_bank(connection.execute(_bank_columns().where(banks.c.name == bank)).one()))
                return
            found = connection.execute(_item_columns().where(bank_items.c.bank == bank, bank_items.c.id == item)).first()
        if found is None:
            self._index.remove_item(bank, item)
        else:
            self._index.put_item(self._item(found))

    def _load(self) -> IndexPosition:
        for bank in self.banks():
            self._index.put_bank(bank)
        if self._lasting is not None:
            kept = self._lasting.position()
            if kept is not None and kept == self._at(kept.number):
                return kept
        return self._rebuild()

    def _rebuild(self) -> IndexPosition:
        # The position is read before the rows: what is committed in between is applied twice, which changes nothing, never missed.
        with self._lock:
            position, known = self._at(), self.banks()
            for bank in known:
                self._index.put_bank(bank)
        if self._lasting is None:
            self._index.put_items(self._all(known))
        else:
            self._lasting.rebuild(self._all(known), position)
        return position

    def _all(self, known: Sequence[Bank]) -> Iterator[BankItem]:
        for bank in known:
            after: str | None = None
            while page := self.items(bank.name, after, _PAGE):
                yield from page
                after = page[-1].id

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

    def _tell(self, ledger: Ledger, entry: AuditEntry, bank: str, item: str = "") -> None:
        # The ledger holds the admin partition, so changes are numbered in the order in which they are committed.
        ledger.append(entry)
        ledger.connection.execute(bank_changes.insert().values(bank=bank, item=item))

    def _item(self, row: Any) -> BankItem:
        bank, id, sealed, enabled, labels, source, created_at = row
        return BankItem(
            id=id,
            bank=bank,
            fingerprints=_fingerprints(self._sealer.open(bytes(sealed), _context(bank, id))),
            enabled=bool(enabled),
            labels=_labels(labels),
            source=source,
            created_at=moment(created_at),
        )


def _position(number: int, item: Any) -> IndexPosition:
    return IndexPosition(int(number), f"{item.seq} {item.bank}/{item.item}" if item is not None else "")


def check(fingerprints: Sequence[Fingerprint]) -> None:
    """Raises Invalid naming the fingerprint whose value is not what its kind is written like."""
    for i, f in enumerate(fingerprints):
        if len(f.value) != f.kind.hex_digits or _HEX.fullmatch(f.value) is None:
            raise Invalid(f"a {f.kind.value} fingerprint is {f.kind.hex_digits} lower-case hex digits", field=f"fingerprints[{i}].value")


def _check_threshold(threshold: int | None) -> None:
    if threshold is not None and not 0 <= threshold <= PDQ_THRESHOLD:
        raise Invalid(f"a threshold is 0 to {PDQ_THRESHOLD} bits", field="threshold")


def _check_text(text: str | None, field: str) -> None:
    if text is not None and (len(text) > _MOST_TEXT or "\0" in text):
        raise Invalid(f"at most {_MOST_TEXT} characters, none of them NUL", field=field)


def _context(bank: str, item: str) -> str:
    return f"bank:{bank}:{item}"


def _bank_columns() -> AnySelect:
    b = banks.c
    return select(b.name, b.kind, b.threshold, b.enabled, b.note, b.created_at)


def _item_columns() -> AnySelect:
    i = bank_items.c
    return select(i.bank, i.id, i.sealed, i.enabled, i.labels, i.source, i.created_at)


def _bank(row: Any) -> Bank:
    name, kind, threshold, enabled, note, created_at = row
    return Bank(name=name, kind=BankKind(kind), threshold=threshold, enabled=bool(enabled), note=note, created_at=moment(created_at))


def _no_bank() -> NotFound:
    return NotFound("no such bank", field="bank")


def _no_item() -> NotFound:
    return NotFound("no such item in this bank", field="item")
