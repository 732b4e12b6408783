"""Going back to how a bank was: its settings and its items, as a version of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, and_, delete, exists, func, insert, literal, select, update

from nightlight.adapters.store.banks.rows import Rows, no_bank, with_settings
from nightlight.adapters.store.banks.writing import ITEM, Change
from nightlight.adapters.store.tables import bank_changes, bank_history, bank_items, bank_versions, banks, moment
from nightlight.core.bank import BankKind, BankVersion
from nightlight.core.errors import NotFound


def listed(connection: Connection, bank: str, most: int) -> list[BankVersion]:
    """The newest first. Raises NotFound for the bank."""
    if connection.execute(select(banks.c.name).where(banks.c.name == bank)).first() is None:
        raise no_bank()
    v = bank_versions.c
    page = select(bank_versions).where(v.bank == bank).order_by(v.version.desc()).limit(most)
    return [
        BankVersion(
            bank=row.bank,
            version=int(row.version),
            at=moment(row.at),
            by=row.by,
            what=row.what,
            added=int(row.added),
            changed=int(row.changed),
            removed=int(row.removed),
        )
        for row in connection.execute(page).all()
    ]


def roll_back(change: Change, rows: Rows, version: int) -> None:
    """Raises NotFound where that version is none, or is no longer kept.

    Set by set in the database: a list of millions goes back without passing through here. Three things are never undone by it. A pause
    stays (lifting it needs a person's word on the item). An authority's list stays one. And in a negative bank, what is not approved now
    comes back as a proposal of whoever goes back: else one person could bring back what two had agreed to take out.
    """
    connection, bank = change.connection, change.bank
    if not 0 <= version <= bank.version:  # also what no database could hold
        raise _no_version()
    found = connection.execute(
        select(bank_versions.c.settings).where(bank_versions.c.bank == bank.name, bank_versions.c.version == version)
    ).scalar_one_or_none()
    if found is None:
        raise _no_version()
    if version == bank.version:
        return
    i, h = bank_items.c, bank_history.c
    newer = i.bank == bank.name, i.version > version
    then = h.bank == bank.name, h.version <= version, h.until > version
    both = exists(select(i.id).where(i.bank == h.bank, i.id == h.id))
    paused = _pauses(change, version)
    approved = _approved(change, version, rows) if bank.kind is BankKind.NEGATIVE else {}
    gone = _count(connection, select(func.count()).select_from(bank_items).where(*newer))
    back = _count(connection, select(func.count()).select_from(bank_history).where(*then))
    change.changed = _count(connection, select(func.count()).select_from(bank_history).where(and_(*then), both))
    change.added, change.removed = back - change.changed, gone - change.changed

    told = insert(bank_changes)
    connection.execute(told.from_select(["bank", "item"], select(i.bank, i.id).where(*newer)))
    change.supersede_where(newer[1])
    connection.execute(delete(bank_items).where(*newer))
    was = [h[name] if name != "version" else literal(change.version) for name in ITEM]
    connection.execute(insert(bank_items).from_select(list(ITEM), select(*was).where(*then)))
    restored = i.bank == bank.name, i.version == change.version
    connection.execute(told.from_select(["bank", "item"], select(i.bank, i.id).where(*restored)))
    for id, at in paused.items():
        connection.execute(update(bank_items).where(*restored, i.id == id).values(paused_at=at))
    if bank.kind is BankKind.NEGATIVE:
        _propose(change, approved, rows)
    then_set = with_settings(bank, found)
    # Only a lead says that a list is no authority's any more.
    change.set_bank(replace(then_set, authority=then_set.authority or bank.authority))
    detail = {"to": version, "added": change.added, "changed": change.changed, "removed": change.removed}
    change.record("bank.rollback", bank.name, detail)


def _no_version() -> NotFound:
    return NotFound("no such version of this bank, or one that is no longer kept", field="version")


def _count(connection: Connection, statement: Any) -> int:
    return int(connection.execute(statement).scalar_one())


def _pauses(change: Change, version: int) -> dict[str, int | None]:
    """When each item that was ever paused since, is paused: as it stands now, or as it stood when it was removed."""
    i, h = bank_items.c, bank_history.c
    since = h.bank == change.bank.name, h.until > version
    ever = select(h.id).where(*since, h.paused_at.is_not(None))
    were = select(h.id, h.paused_at).where(*since, h.id.in_(ever)).order_by(h.until)
    latest: dict[str, int | None] = {row.id: row.paused_at for row in change.connection.execute(were)}
    if latest:
        for id in change.connection.execute(select(i.id).where(i.bank == change.bank.name, i.id.in_(ever))).scalars():
            latest[id] = None
    now = select(i.id, i.paused_at).where(i.bank == change.bank.name, i.paused_at.is_not(None))
    latest |= {row.id: row.paused_at for row in change.connection.execute(now)}
    return latest


def _approved(change: Change, version: int, rows: Rows) -> Mapping[str, Any]:
    i = bank_items.c
    now = select(bank_items).where(i.bank == change.bank.name, i.approved_by.is_not(None), i.version > version)
    return {row.id: row for row in change.connection.execute(now).all()}


def _propose(change: Change, approved: Mapping[str, Any], rows: Rows) -> None:
    i = bank_items.c
    restored = select(bank_items).where(i.bank == change.bank.name, i.version == change.version)
    for row in change.connection.execute(restored).all():
        if row.approved_by is None and not row.enabled and not row.overrides_authority:
            continue
        now = approved.get(row.id)
        if now is not None and rows.item(now).fingerprints == rows.item(row).fingerprints:
            values = {"approved_by": now.approved_by, "overrides_authority": bool(row.overrides_authority and now.overrides_authority)}
        else:
            values = {"approved_by": None, "overrides_authority": False, "enabled": False, "proposed_by": change.by}
        change.connection.execute(update(bank_items).where(i.bank == change.bank.name, i.id == row.id).values(**values))
