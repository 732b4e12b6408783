"""From the short clock into the vault: what opened a case, and what was said around it.

The store keeps every message sealed for its retention. The transaction that links an event to a case also notes that the vault has
still to take it in (`vault_pending`), and until it has, retention touches nothing of that conversation. Each batch is one transaction:
items, the case's row, the note and the audit entry, or nothing of it. Cut off anywhere, the next call goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import structlog
from sqlalchemy import Connection, exists, or_, select, tuple_

from nightlight.adapters.store.cases import unended
from nightlight.adapters.store.prepared import insert_new
from nightlight.adapters.store.rows import EVENT, stored_event
from nightlight.adapters.store.tables import case_events, cases, events, micros, moment
from nightlight.adapters.store.vault_tables import vault_cases, vault_destructions, vault_items, vault_parts, vault_pending
from nightlight.adapters.vault import rows
from nightlight.adapters.vault.rows import CaseRow, ItemRow, Label
from nightlight.adapters.vault.sealing import CaseKey, Measured
from nightlight.core.errors import NightlightError, NotFound, Tampered
from nightlight.core.event import Event
from nightlight.core.ids import new_id
from nightlight.core.ports import StoredEvent
from nightlight.core.vault import ClockStart, ItemKind, NewItem

if TYPE_CHECKING:
    from nightlight.adapters.vault.store import SqlVault

log = structlog.get_logger("nightlight.vault")

BEFORE = 40
"""Messages of the same conversation that go with an event, from before it."""
AFTER = 20
"""From after it, taken once AFTERWARDS has passed."""
AFTERWARDS = timedelta(days=1)
MOST_CONTEXT = 5000
"""Items of a case beyond which only what opened it is taken, without what was said around it."""
_BATCH = 20
"""Events that opened a case, in one transaction: with what was said around them, some hundreds of rows."""
_event = msgspec.msgpack.Decoder(Event).decode


def promote(vault: SqlVault, most: int) -> int:
    """How many items came. Two processes may call it at once."""
    came = 0
    for case, wanted in _due(vault, most).items():
        for begin in range(0, len(wanted), _BATCH):
            try:
                came += _batch(vault, case, wanted[begin : begin + _BATCH])
            except NightlightError as error:  # a damaged case must not keep all others waiting; readiness shows it
                log.error("vault.not_promoted", case=case, error=type(error).__name__)
                break
    return came


def waiting(vault: SqlVault, before: datetime | None = None) -> int:
    """Events of cases that the vault has not taken in yet; of those, where a time is given, that came before it. Anything but a few that
    came just now is news."""
    p, e = vault_pending.c, events.c
    wanted = select(p.event_id).where(p.stage == 0)
    if before is not None:
        wanted = wanted.join_from(vault_pending, events, e.id == p.event_id).where(e.received_at < micros(before))
    with vault.db.sql.read() as connection:
        return len(connection.execute(wanted.limit(100_000)).all())


def notice(vault: SqlVault) -> int:
    """Events linked to open cases that are neither kept nor noted, whatever lost the note: note them again; how many."""
    link = case_events.c
    kept = exists(select(vault_items.c.id).where(vault_items.c.case_id == link.case_id, vault_items.c.event_id == link.event_id))
    noted = exists(select(vault_pending.c.stage).where(vault_pending.c.case_id == link.case_id, vault_pending.c.event_id == link.event_id))
    there = exists(select(events.c.id).where(events.c.id == link.event_id))
    gone = exists(select(vault_destructions.c.at).where(vault_destructions.c.case_id == link.case_id))
    lost = select(link.case_id, link.event_id).join_from(case_events, cases, cases.c.id == link.case_id)
    lost = lost.where(unended(), ~kept, ~noted, there, ~gone).limit(10_000)
    with vault.db.sql.read() as connection:
        found = connection.execute(lost).all()
    if found:
        put = insert_new(vault.db.sql, vault_pending, ("case_id", "event_id", "stage"))
        with vault.db.sql.write() as connection:
            put.many(connection, [(case, event, 0) for case, event in found])
    return len(found)


def _due(vault: SqlVault, most: int) -> dict[str, list[tuple[str, int]]]:
    p, ripe = vault_pending.c, micros(vault.db.clock.now() - AFTERWARDS)
    later = ~exists(select(events.c.id).where(events.c.id == p.event_id, events.c.received_at > ripe))
    chosen = select(p.case_id, p.event_id, p.stage).where(or_(p.stage == 0, later)).order_by(p.stage, p.case_id, p.event_id)
    with vault.db.sql.read() as connection:
        found = connection.execute(chosen.limit(most)).all()
    by_case: dict[str, list[tuple[str, int]]] = {}
    for case, event, stage in found:
        by_case.setdefault(case, []).append((event, stage))
    return by_case


def _batch(vault: SqlVault, case: str, wanted: Sequence[tuple[str, int]]) -> int:
    from nightlight.adapters.vault.store import VAULT, grown, started

    try:
        key = vault.key_of(vault.ensure(case, "system"))
    except NotFound:
        return _drop(vault, case)
    except NightlightError:
        with vault.db.sql.read() as connection:
            state = connection.execute(select(vault_cases.c.state).where(vault_cases.c.id == case)).scalar_one_or_none()
            gone = connection.execute(select(vault_destructions.c.at).where(vault_destructions.c.case_id == case)).first()
        if gone is not None or state == rows.DESTROYING:  # nothing more comes in
            return _drop(vault, case)
        raise  # such as a key service that does not answer: it is taken in once it does
    with vault.db.audit.transaction(VAULT) as ledger:
        row = rows.read_case(ledger.connection, vault.macs, case, lock=True)
        if row is None or row.state == rows.DESTROYING:
            return 0
        p = vault_pending.c
        still = select(p.event_id, p.stage).where(p.case_id == case, tuple_(p.event_id, p.stage).in_(list(wanted)))
        these = [(str(id), int(stage)) for id, stage in ledger.connection.execute(still)]
        found = _with_context(ledger.connection, these, row.items < MOST_CONTEXT)
        missing = len({id for id, _ in these} - {e.id for e in found} - _kept(ledger.connection, case, [id for id, _ in these]))
        new, places, accounts, bad = _sealed_items(vault, row, key, _fresh(ledger.connection, case, found))
        rows.put_items(ledger.connection, [item for item, _ in new])
        if parts := [part for _, of_item in new for part in of_item]:
            ledger.connection.execute(vault_parts.insert(), parts)
        facts = started(row.held, ClockStart.OPENED, moment(row.opened_at), places, accounts)
        row = rows.put_case(ledger.connection, vault.macs, vault.with_facts(grown(row, [item for item, _ in new]), facts))
        for id, stage in these:
            this = p.case_id == case, p.event_id == id
            ledger.connection.execute(
                vault_pending.update().where(*this).values(stage=1) if stage == 0 else vault_pending.delete().where(*this)
            )
        if these:
            vault.tell(ledger, "system", "vault.promote", row, taken=len(new), missing=missing, unreadable=bad)
    return len(new)


def _drop(vault: SqlVault, case: str) -> int:
    with vault.db.sql.write() as connection:
        connection.execute(vault_pending.delete().where(vault_pending.c.case_id == case))
    return 0


def _with_context(connection: Connection, these: Iterable[tuple[str, int]], context: bool) -> list[StoredEvent]:
    """What opened the case, and what was said before (stage 0) or after it (stage 1), in log order."""
    e = events.c
    columns = [e.seq, *(e[n] for n in EVENT)]
    found: dict[int, StoredEvent] = {}
    for id, stage in these:
        own = connection.execute(select(*columns).where(e.id == id)).first()
        if own is None:
            continue
        seq, *rest = own
        found[seq] = event = stored_event(rest)
        if not context:
            continue
        near = select(*columns).where(e.conversation == event.conversation)
        before = near.where(e.seq < seq).order_by(e.seq.desc()).limit(BEFORE)
        near = before if stage == 0 else near.where(e.seq > seq).order_by(e.seq).limit(AFTER)
        found.update((s, stored_event(r)) for s, *r in connection.execute(near).all())
    return [found[seq] for seq in sorted(found)]


def _kept(connection: Connection, case: str, ids: Sequence[str]) -> set[str]:
    i = vault_items.c
    there: set[str] = set()
    for begin in range(0, len(ids), 500):
        of_case = i.case_id == case, i.kind == ItemKind.EVENT.value, i.event_id.in_(ids[begin : begin + 500])
        there |= {str(id) for id in connection.execute(select(i.event_id).where(*of_case)).scalars()}
    return there


def _fresh(connection: Connection, case: str, found: Sequence[StoredEvent]) -> list[StoredEvent]:
    there = _kept(connection, case, [e.id for e in found])
    return [e for e in found if e.id not in there]


def _sealed_items(
    vault: SqlVault, row: CaseRow, key: CaseKey, found: Sequence[StoredEvent]
) -> tuple[list[tuple[ItemRow, list[dict[str, object]]]], list[str], list[str], int]:
    """Rows of items with those of their parts; places and accounts of everybody in them; how many could not be opened."""
    new: list[tuple[ItemRow, list[dict[str, object]]]] = []
    places: list[str] = []
    accounts: list[str] = []
    bad = 0
    for event in found:
        try:
            plain = vault.db.sealer.open(event.sealed, f"event:{event.id}")
        except Tampered:
            bad += 1
            continue
        id, measured = new_id("item"), Measured(plain)
        parts: list[dict[str, object]] = [
            {"item_id": id, "part": n, "case_id": row.id, "sealed": key.seal_part(part, id, n, last)}
            for n, (part, last) in enumerate(measured)
        ]
        item = NewItem(kind=ItemKind.EVENT, event=event.id)
        label = Label(measured.sha256, None, "", True)
        before = new[-1][0] if new else None
        made = vault.item(row, key, item, label, id=id, size=measured.size, parts=measured.parts, by="system", before=before)
        new.append((made, parts))
        accounts.extend(event.accounts)
        places.extend(_places(plain))
    return new, places, accounts, bad


def _places(plain: bytes) -> list[str]:
    try:
        event = _event(plain)
    except msgspec.MsgspecError:  # of an older version: what was said is kept all the same
        return []
    return [party.place for party in (event.actor, *event.targets) if party.place is not None]


__all__ = ["AFTER", "AFTERWARDS", "BEFORE", "notice", "promote", "waiting"]
