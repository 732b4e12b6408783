"""`vault verify`: whether everything is as it was written, down to the last bit.

A case is read as anybody could have left it: texts that are no texts, numbers that are none. It is looked at beside the service; what
looks wrong is looked at again while nobody writes, before anybody is told.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Table, func, select

from nightlight.adapters.sealer import KeysMissing
from nightlight.adapters.store.ledger import as_stored
from nightlight.adapters.store.tables import audit
from nightlight.adapters.store.vault_tables import vault_cases, vault_destructions, vault_items, vault_parts
from nightlight.adapters.vault import rows
from nightlight.adapters.vault.rows import CaseRow, ItemRow, Label
from nightlight.core.errors import Tampered
from nightlight.core.vault import Destruction, VaultFlaw, VaultResult

if TYPE_CHECKING:
    from nightlight.adapters.vault.store import SqlVault

T = TypeVar("T", CaseRow, ItemRow)
_PAGE = 1000


class Said(Struct, frozen=True):
    """What the audit chain last said of a case."""

    mac: str
    """Of its row, or of the record of its destruction."""
    destroyed: bool


class _Detail(Struct):
    row: str | None = None
    record: str | None = None


class Bad(Exception):
    def __init__(self, what: str, item: str | None = None) -> None:
        super().__init__(what)
        self.what, self.item = what, item


def check(vault: SqlVault, only: str | None) -> VaultResult:
    from nightlight.adapters.vault.store import VAULT

    said = _said(vault)
    with vault.db.sql.read() as connection:
        there = _names(vault, connection, vault_cases, "id")
        gone = _names(vault, connection, vault_destructions, "case_id")
        strays = _names(vault, connection, vault_items, "case_id") - there
    flaws: list[VaultFlaw] = []
    cases = items = 0
    names = {*said, *there, *gone, *strays} if only is None else {only}
    for case in sorted(names, key=str):
        if case is None:
            flaws.append(VaultFlaw(case="", item=None, what="there are rows of a case whose name is not text"))
            continue
        count, flaw = _case(vault, case, said.get(case))
        if flaw is not None:
            with vault.db.audit.transaction(VAULT):  # nobody writes now
                count, flaw = _case(vault, case, _said(vault).get(case))
        flaws += [flaw] if flaw is not None else []
        cases += flaw is None and case in there
        items += count
    return VaultResult(ok=not flaws, cases=cases, items=items, flaws=tuple(flaws))


def _case(vault: SqlVault, case: str, said: Said | None) -> tuple[int, VaultFlaw | None]:
    try:
        with vault.db.sql.read() as connection:
            row = _row_of(vault, connection, case)
            record = _record_of(vault, connection, case)
            if said is None:
                raise Bad("the audit does not know this case")
            if said.destroyed:
                if row is not None or _left(connection, case):
                    raise Bad("there are rows of a case that was destroyed")
                if record is None or not hmac.compare_digest(record, said.mac):
                    raise Bad("the record of its destruction is gone, or not the one that the audit knows")
                return 0, None
            if row is None:
                raise Bad("its row is gone")
            if record is not None:
                raise Bad("there is a record of a destruction that the audit does not know")
            if not hmac.compare_digest(row.mac.hex(), said.mac):
                raise Bad("its row is not the one that the audit last told of")
            return (0 if row.state == rows.DESTROYING else _items(vault, connection, row)), None
    except Bad as bad:
        return 0, VaultFlaw(case=case, item=bad.item, what=bad.what)
    except (Tampered, KeysMissing) as error:
        return 0, VaultFlaw(case=case, item=None, what=error.message)


def _items(vault: SqlVault, connection: Connection, row: CaseRow) -> int:
    key, before, at, size = vault.key_of(row), rows.GENESIS, 0, 0
    for stored in _stored(vault, connection, vault_items, rows.ITEM, vault_items.c.case_id == row.id, order=vault_items.c.number):
        at += 1
        item = _built(ItemRow, stored)
        if item is None or item.number != at:
            raise Bad(f"item {at} is missing, out of place or no item")
        if not hmac.compare_digest(vault.macs.item(before, item), item.mac):
            raise Bad(f"the row of item {at} is not as it was written", item.id)
        before, size = item.mac, size + item.size
        _content(vault, connection, key, item)
    if (at, before, size) != (row.items, row.chain, row.size):
        raise Bad(f"items {at + 1} to {row.items} were cut off" if at < row.items else "there are items that have no place in the chain")
    return at


def _content(vault: SqlVault, connection: Connection, key: Any, item: ItemRow) -> None:
    label = msgspec.msgpack.decode(key.open_label(item.sealed, item.id), type=Label)
    if not hmac.compare_digest(vault.macs.commitment(item.kind, label.sha256), item.commitment):
        raise Bad("its commitment is not to its content", item.id)
    p = vault_parts.c
    digest, size = hashlib.sha256(), 0
    for number in range(item.parts):
        case = as_stored(vault.db.sql, p.case_id)
        found = connection.execute(select(p.sealed, case).where(p.item_id == item.id, p.part == number)).first()
        if found is None or not isinstance(found[0], bytes | memoryview):
            raise Bad(f"part {number + 1} of {item.parts} is missing", item.id)
        if bytes(found[1]) != item.case_id.encode():
            raise Bad(f"part {number + 1} says that it is another case's", item.id)
        try:
            plain = key.open_part(bytes(found[0]), item.id, number, number == item.parts - 1)
        except Tampered:
            raise Bad(f"part {number + 1} of {item.parts} is not as it was written", item.id) from None
        digest.update(plain)
        size += len(plain)
    held = connection.execute(select(func.count()).select_from(vault_parts).where(p.item_id == item.id)).scalar_one()
    if held != item.parts:
        raise Bad("there are parts that it does not have", item.id)
    if digest.digest() != label.sha256 or size != item.size:
        raise Bad("its content is not what its SHA-256 says", item.id)


def _row_of(vault: SqlVault, connection: Connection, case: str) -> CaseRow | None:
    for stored in _stored(vault, connection, vault_cases, rows.CASE, vault_cases.c.id == case):
        row = _built(CaseRow, stored)
        if row is None or not hmac.compare_digest(vault.macs.case(row), row.mac):
            raise Bad("its row is not as it was written")
        return row
    return None


def _record_of(vault: SqlVault, connection: Connection, case: str) -> str | None:
    """The mac of the record of its destruction, checked."""
    columns = ("case_id", "at", "body", "mac")
    for stored in _stored(vault, connection, vault_destructions, columns, vault_destructions.c.case_id == case):
        _, at, body, mac = stored
        kinds_fit = isinstance(at, int) and isinstance(body, bytes) and isinstance(mac, bytes)
        if not kinds_fit or not hmac.compare_digest(vault.macs.destruction(case, at, body), mac):
            raise Bad("the record of its destruction is not as it was written")
        msgspec.msgpack.decode(body, type=Destruction)
        return str(mac.hex())
    return None


def _left(connection: Connection, case: str) -> bool:
    return any(
        connection.execute(select(column).where(column == case).limit(1)).first() is not None
        for column in (vault_items.c.case_id, vault_parts.c.case_id)
    )


def _said(vault: SqlVault) -> Mapping[str, Said]:
    """By case, the last word of the audit chain on it. Whether to believe that chain, `audit verify` says."""
    from nightlight.adapters.vault.store import VAULT

    a, said, after = audit.c, dict[str, Said](), 0
    told = select(a.seq, as_stored(vault.db.sql, a.target), as_stored(vault.db.sql, a.detail)).where(a.partition == VAULT)
    while True:
        with vault.db.sql.read() as connection:
            page = connection.execute(told.where(a.seq > after).order_by(a.seq).limit(_PAGE)).all()
        for seq, target, detail in page:
            after = seq
            try:
                case, read = bytes(target).decode(), msgspec.json.decode(bytes(detail), type=_Detail)
            except (UnicodeDecodeError, msgspec.DecodeError, msgspec.ValidationError, TypeError):
                continue  # `audit verify` names it
            if read.record is not None:
                said[case] = Said(read.record, True)
            elif read.row is not None:
                said[case] = Said(read.row, False)
        if not page:
            return said


def _names(vault: SqlVault, connection: Connection, table: Table, column: str) -> set[str | None]:
    found = connection.execute(select(as_stored(vault.db.sql, table.c[column])).distinct()).scalars()
    return {_text(raw) for raw in found}


def _stored(
    vault: SqlVault, connection: Connection, table: Table, columns: tuple[str, ...], *where: Any, order: Any = None
) -> Iterator[list[Any]]:
    """Rows with texts as whatever is stored; what is no text any more comes as bytes."""
    texts = {n for n in columns if table.c[n].type.python_type is str}
    chosen = [as_stored(vault.db.sql, table.c[n]).label(n) if n in texts else table.c[n] for n in columns]
    statement = select(*chosen).where(*where)
    for found in connection.execute(statement if order is None else statement.order_by(order)).all():
        pairs = zip(columns, found, strict=True)
        yield [_as_text(v) if n in texts and v is not None else bytes(v) if isinstance(v, memoryview) else v for n, v in pairs]


def _as_text(raw: Any) -> Any:
    """What is no text stays bytes, which no column of texts may hold."""
    text = _text(raw)
    return bytes(raw) if text is None else text


def _text(raw: Any) -> str | None:
    try:
        return bytes(raw).decode()
    except (UnicodeDecodeError, TypeError):
        return None


def _built(kind: type[T], values: list[Any]) -> T | None:
    """None where a value is of a type that was never written."""
    hints = {name: str(of) for name, of in kind.__annotations__.items()}
    for name, value in zip(kind.__struct_fields__, values, strict=True):
        fits = value is None if "None" in hints[name] and value is None else type(value).__name__ == hints[name].removesuffix(" | None")
        if not fits:
            return None
    return kind(*values)
