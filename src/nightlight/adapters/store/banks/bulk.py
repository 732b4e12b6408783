"""A list's many changes at once: what they come to is worked out before the one transaction that makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from nightlight.adapters.store.banks import checks
from nightlight.adapters.store.banks.rows import Rows, chunks, item_columns
from nightlight.adapters.store.tables import bank_items, micros, moment
from nightlight.core.bank import Bank, BankItem, BankKind, NewItem
from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.ids import new_id

MOST_ROWS = 5000
"""A call: a fraction of a second of the one writer's time."""


class Plan(Struct, frozen=True):
    """Good for the bank at that version only."""

    version: int
    new: Sequence[Mapping[str, Any]]
    changed: Sequence[Mapping[str, Any]]
    withdrawn: Sequence[str]
    extra: Sequence[str]
    """Second items of a source's id that has one now."""
    unfit: Sequence[str]
    """Items whose fingerprints are others now: parts that were derived from them are no parts of them."""
    unchanged: int

    @property
    def is_empty(self) -> bool:
        return not (self.new or self.changed or self.withdrawn or self.extra)


def checked(put: Sequence[NewItem], withdraw: Sequence[str], kind: BankKind, now: datetime) -> list[NewItem]:
    """Raises Invalid or TooLarge naming the row."""
    if isinstance(withdraw, str):
        raise Invalid("a list of the source's ids", field="withdraw")
    if len(put) + len(withdraw) > MOST_ROWS:
        raise TooLarge(f"at most {MOST_ROWS} rows at once", field="put")
    out: list[NewItem] = []
    seen: set[str] = set()
    for i, new in enumerate(put):
        if not new.source:
            raise Invalid("rows are known by their source's own id", field=f"put[{i}].source")
        if new.source in seen:
            raise Invalid("this source's id comes twice", field=f"put[{i}].source")
        seen.add(new.source)
        try:
            out.append(checks.item(new, kind, now))
        except Invalid as error:
            raise Invalid(error.message, field=f"put[{i}].{error.field}") from None
    for i, source in enumerate(withdraw):
        checks.text(source, f"withdraw[{i}]")
        if source in seen:
            raise Invalid("put and withdrawn at once", field=f"withdraw[{i}]")
    return out


def plan(
    connection: Connection,
    rows: Rows,
    bank: Bank,
    put: Sequence[NewItem],
    given: Sequence[NewItem],
    withdraw: Sequence[str],
    by: str,
    now: datetime,
) -> Plan:
    """`put` as `checked` returns it; `given` as it came."""
    there = _there(connection, rows, bank.name, [new.source or "" for new in put] + list(withdraw))
    made, changed, extra, unfit, unchanged = [], [], [], [], 0
    for new, asked in zip(put, given, strict=True):
        known = there.get(new.source or "", [])
        extra += [item.id for item in known[1:]]
        item = _item(new, bank, known[0] if known else None, by, now)
        if not known:
            made.append(rows.values(item))
        elif _same(new, asked, known[0]):
            unchanged += 1
        else:
            changed.append(rows.values(item))
            if item.fingerprints != known[0].fingerprints:
                unfit.append(item.id)
    withdrawn = [item.id for source in dict.fromkeys(withdraw) for item in there.get(source, ())]
    return Plan(bank.version, made, changed, withdrawn, extra, unfit, unchanged)


def _there(connection: Connection, rows: Rows, bank: str, sources: Sequence[str]) -> dict[str, list[BankItem]]:
    found: dict[str, list[BankItem]] = {}
    i = bank_items.c
    for some in chunks(sources):
        wanted = item_columns().where(i.bank == bank, i.source.in_(some), i.derived_from.is_(None)).order_by(i.id)
        for row in connection.execute(wanted).all():
            found.setdefault(row.source, []).append(rows.item(row))
    return found


def _same(new: NewItem, asked: NewItem, old: BankItem) -> bool:
    names = ["fingerprints", "labels", "category", "generated", "provenance"]
    if asked.expires_at is not None or old.proposed_by is None:  # else its end was set by the bank's rule, and stays
        names.append("expires_at")
    return all(getattr(new, name) == getattr(old, name) for name in names)


def _item(new: NewItem, bank: Bank, old: BankItem | None, by: str, now: datetime) -> BankItem:
    """A person's switching off or pausing of an item outlives the list's new words about it."""
    item = made(new, bank, old.id if old else new_id("item"), by, now)
    if old is None:
        return item
    enabled = item.enabled and old.enabled
    return replace(item, created_at=old.created_at, enabled=enabled, paused_at=old.paused_at)


def made(new: NewItem, bank: Bank, id: str, by: str, now: datetime) -> BankItem:
    """The item that a checked row becomes: in a negative bank a proposal, however it came."""
    proposal = bank.kind is BankKind.NEGATIVE
    return BankItem(
        id=id,
        bank=bank.name,
        fingerprints=new.fingerprints,
        enabled=not proposal,
        labels=new.labels,
        source=new.source,
        created_at=moment(micros(now)),
        category=new.category,
        generated=new.generated,
        provenance=new.provenance,
        expires_at=None if new.expires_at is None else moment(micros(new.expires_at)),
        proposed_by=by if proposal else None,
    )
