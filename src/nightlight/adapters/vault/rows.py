"""Rows of the vault as they are authenticated, and how they are read and written.

Items of a case are a chain, as the rows of the audit are: each mac covers the one before it. The row of the case has the last of them
and a mac of its own, which every audit entry that tells of a change repeats: the tail of a case, or all of it, cannot be cut off
without the audit chain saying so.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, select

from nightlight.adapters.store.tables import micros, moment
from nightlight.adapters.store.vault_tables import vault_cases, vault_items
from nightlight.adapters.vault.sealing import CaseKey
from nightlight.core.errors import Tampered
from nightlight.core.ports import AuditEntry, Sealer
from nightlight.core.vault import EvidenceItem, Hold, ItemKind

GENESIS = bytes(32)
"""The mac before the first item."""
KEPT = "kept"
DESTROYING = "destroying"
ITEM = ("case_id", "number", "id", "kind", "event_id", "commitment", "size", "parts", "added_at", "added_by", "sealed", "mac")
CASE = ("id", "wrapper", "wrapped", "opened_at", "items", "bytes", "chain", "keep_until", "facts", "state", "mac")
_encode = msgspec.msgpack.Encoder().encode


class Intent(Struct, frozen=True):
    """That somebody decided to destroy the case."""

    by: str
    at: int
    reason: str
    events: int = 0
    """Copies outside the vault that are gone already."""


class Facts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a case's row holds packed. Times in microseconds since 1970."""

    starts: dict[str, int]
    places: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    """Pseudonyms of everybody whom the evidence concerns."""
    extended: int | None = None
    holds: tuple[Hold, ...] = ()
    destroy: Intent | None = None


class CaseRow(Struct, frozen=True):
    id: str
    wrapper: str
    wrapped: bytes
    opened_at: int
    items: int
    size: int
    chain: bytes
    keep_until: int
    facts: bytes
    state: str
    mac: bytes = b""

    @property
    def held(self) -> Facts:
        return msgspec.msgpack.decode(self.facts, type=Facts)


class ItemRow(Struct, frozen=True):
    case_id: str
    number: int
    id: str
    kind: str
    event_id: str | None
    commitment: bytes
    size: int
    parts: int
    added_at: int
    added_by: str
    sealed: bytes
    mac: bytes = b""


class Label(Struct, frozen=True):
    """Of an item, sealed with it."""

    sha256: bytes
    media_type: str | None
    name: str
    verified: bool


class Macs:
    """Keyed macs of the rows. Their key is none of the vault's: whoever may only check needs to open nothing."""

    def __init__(self, key: bytes, commitments: Sealer) -> None:
        self._key, self._sealer = key, commitments

    def item(self, before: bytes, row: ItemRow) -> bytes:
        fields = msgspec.structs.astuple(row)[:-1]
        return hmac.digest(self._key, before + _encode(("item", *fields)), "sha256")

    def case(self, row: CaseRow) -> bytes:
        # Not the wrapped key: it authenticates by itself, and rotation must not have to touch anything else.
        fields = (row.id, row.opened_at, row.items, row.size, row.chain, row.keep_until, row.facts, row.state)
        return hmac.digest(self._key, _encode(("case", *fields)), "sha256")

    def destruction(self, case: str, at: int, body: bytes) -> bytes:
        return hmac.digest(self._key, _encode(("destruction", case, at, body)), "sha256")

    def commitment(self, kind: str, sha256: bytes) -> bytes:
        """What a deletion record keeps of content."""
        return self._sealer.mac(b"vault-content\0" + kind.encode() + b"\0" + sha256)


def chosen(case: str | None = None) -> Select[Any]:
    found = select(*(vault_cases.c[n] for n in CASE))
    return found if case is None else found.where(vault_cases.c.id == case)


def case_of(row: Any) -> CaseRow:
    id, wrapper, wrapped, opened_at, items, size, chain, keep_until, facts, state, mac = row
    return CaseRow(id, wrapper, bytes(wrapped), opened_at, items, size, bytes(chain), keep_until, bytes(facts), state, bytes(mac))


def item_of(row: Any) -> ItemRow:
    case, number, id, kind, event, commitment, size, parts, at, by, sealed, mac = row
    return ItemRow(case, number, id, kind, event, bytes(commitment), size, parts, at, by, bytes(sealed), bytes(mac))


def read_case(connection: Connection, macs: Macs, case: str, *, lock: bool = False) -> CaseRow | None:
    """The row, authenticated. Raises Tampered."""
    statement = chosen(case)
    found = connection.execute(statement.with_for_update() if lock else statement).first()
    if found is None:
        return None
    row = case_of(found)
    if not hmac.compare_digest(macs.case(row), row.mac):
        raise Tampered(f"the vault's row of case {case} is not as it was written")
    return row


def put_case(connection: Connection, macs: Macs, row: CaseRow, *, new: bool = False) -> CaseRow:
    row = msgspec.structs.replace(row, mac=macs.case(row))
    values = dict(zip(CASE, msgspec.structs.astuple(row), strict=True))
    there = vault_cases.update().where(vault_cases.c.id == row.id)
    connection.execute(vault_cases.insert().values(values) if new else there.values(values))
    return row


def put_items(connection: Connection, rows: Sequence[ItemRow]) -> None:
    if rows:
        connection.execute(vault_items.insert(), [dict(zip(ITEM, msgspec.structs.astuple(r), strict=True)) for r in rows])


def evidence(row: ItemRow, key: CaseKey) -> EvidenceItem:
    label = msgspec.msgpack.decode(key.open_label(row.sealed, row.id), type=Label)
    return EvidenceItem(
        case=row.case_id,
        id=row.id,
        number=row.number,
        kind=ItemKind(row.kind),
        sha256=label.sha256.hex(),
        size=row.size,
        added_at=moment(row.added_at),
        added_by=row.added_by,
        event=row.event_id,
        media_type=label.media_type,
        name=label.name,
        verified=label.verified,
    )


def entry(at: datetime, by: str, action: str, target: str, detail: Mapping[str, str | int | float | bool | None]) -> AuditEntry:
    return AuditEntry(at=at, actor=by, action=action, target=target, detail=detail)


def pack_facts(facts: Facts) -> bytes:
    return _encode(facts)


def facts_of(packed: bytes) -> Facts:
    return msgspec.msgpack.decode(packed, type=Facts)


def label_of(label: Label) -> bytes:
    return _encode(label)


__all__ = [
    "CASE",
    "DESTROYING",
    "GENESIS",
    "ITEM",
    "KEPT",
    "CaseRow",
    "Facts",
    "Intent",
    "ItemRow",
    "Label",
    "Macs",
    "case_of",
    "chosen",
    "entry",
    "evidence",
    "facts_of",
    "item_of",
    "label_of",
    "micros",
    "pack_facts",
    "put_case",
    "put_items",
    "read_case",
]
