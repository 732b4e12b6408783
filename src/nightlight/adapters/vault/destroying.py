"""Destroying the evidence of a case, so that no backup brings it back. Each step may be cut off; the next call goes on.

1. The row says that somebody decided it (one transaction, with the audit). A hold forbids that, and from here on nothing is opened.
2. The file of erasures, outside the database, has the case and the events that go with it: a backup that is put back is told.
3. The case's secret is destroyed: what is left under its key, here or in any backup of the database, opens for nobody.
4. Parts, items, the copies of its events outside the vault and the row go; the record of what and when comes; in batches, the last of
   them with the audit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, or_, select

from nightlight.adapters.lifecycle.deletion import BATCH, clear_journal, delete_events, thorough, under_open_case
from nightlight.adapters.lifecycle.erasures import Erasures, Line
from nightlight.adapters.store.preserved import preserved_event, refuse_preserved
from nightlight.adapters.store.tables import case_events, events, moment
from nightlight.adapters.store.vault_tables import vault_cases, vault_destructions, vault_items, vault_parts, vault_pending
from nightlight.adapters.vault import rows
from nightlight.adapters.vault.rows import CaseRow, Intent
from nightlight.core.errors import Conflict, NotFound
from nightlight.core.vault import ClockStart, DestroyedItem, Destruction, ItemKind

if TYPE_CHECKING:
    from nightlight.adapters.vault.store import SqlVault

_PARTS = 32
"""Parts deleted in one transaction: 32 MiB."""


def destroy(vault: SqlVault, case: str, by: str, reason: str, *, due: bool = False, restored: bool = False) -> Destruction:
    """Raises NotFound, or Conflict under a hold, while a duty to keep it runs, or while a person has still to decide the case.

    `due`: by the clocks, which must then have ended. `restored`: it was destroyed before, and a backup that knows nothing of it was put
    back; then holds and clocks of that time bind nobody."""
    from nightlight.adapters.vault.store import VAULT
    from nightlight.adapters.vault.sweeping import catch_up

    if not restored:
        catch_up(vault, case)
    with vault.db.audit.transaction(VAULT) as ledger:
        row = rows.read_case(ledger.connection, vault.macs, case, lock=True)
        if row is None:
            return _done_before(ledger.connection, case)
        facts = row.held
        if facts.destroy is None:
            if facts.holds and not restored:
                raise Conflict("there is a legal hold on this case; release it first", field="case")
            if not restored:
                refuse_preserved(ledger.connection, case)
            if due and row.keep_until > rows.micros(vault.db.clock.now()):
                raise Conflict("somebody has it kept longer now", field="case")
            if not restored and (duty := vault.duty(row)) is not None:
                raise Conflict(f"it must be kept until {duty.until.date()}: {duty.law}", field="case")
            if not restored and not vault.has_ended(ledger.connection, case):
                raise Conflict("this case has not ended: a person has still to decide it", field="case")
            facts = msgspec.structs.replace(facts, destroy=Intent(by, rows.micros(vault.db.clock.now()), reason))
            row = msgspec.structs.replace(row, facts=rows.pack_facts(facts), state=rows.DESTROYING)
            row = rows.put_case(ledger.connection, vault.macs, row)
            vault.tell(ledger, by, "vault.destroy.begin", row, reason=reason, restored=restored)
    return finish(vault, row)


def finish(vault: SqlVault, row: CaseRow) -> Destruction:
    """On from wherever it was cut off."""
    from nightlight.adapters.vault.store import VAULT, case_name, event_name

    db, case, intent = vault.db, row.id, row.held.destroy
    if intent is None:
        raise ValueError("nobody decided to destroy this case")
    with db.sql.read() as connection:
        going = list(_events_of(connection, case))
    now = db.clock.now()
    Erasures(db.home).remember(Line(case_name(db, case), now), *(Line(event_name(db, id), now) for id in going))
    vault.secrets.destroy(vault.name_of(case))
    while _delete_parts(vault, case):
        pass
    for begin in range(0, len(going), BATCH):
        _delete_events(vault, case, frozenset(going[begin : begin + BATCH]))
    with db.audit.transaction(VAULT) as ledger, thorough(ledger.connection):
        last = rows.read_case(ledger.connection, vault.macs, case, lock=True)
        if last is None:
            return _done_before(ledger.connection, case)  # another process ended it
        record = _record(vault, ledger.connection, last, intent)
        for table, column in (
            (vault_items, vault_items.c.case_id),
            (vault_pending, vault_pending.c.case_id),
            (vault_parts, vault_parts.c.case_id),
            (vault_cases, vault_cases.c.id),
            (vault_destructions, vault_destructions.c.case_id),
        ):
            ledger.connection.execute(table.delete().where(column == case))
        body, at = msgspec.msgpack.encode(record), rows.micros(record.at)
        mac = vault.macs.destruction(case, at, body)
        ledger.connection.execute(vault_destructions.insert().values(case_id=case, at=at, body=body, mac=mac))
        db.reports.forget(ledger.connection, case)
        ledger.append(
            rows.entry(
                record.at,
                intent.by,
                "vault.destroy",
                case,
                {"reason": intent.reason, "items": len(record.items), "events": record.events, "record": mac.hex()},
            )
        )
    clear_journal(db.sql)
    return record


def destroy_again(vault: SqlVault, lines: Sequence[Line], by: str) -> int:
    """After a restore: the cases and the copies of their events that were destroyed since the backup was made; how many cases.

    What was in the vault opens for nobody anyway. The copies outside it are sealed under keys that are still there.
    """
    from nightlight.adapters.vault.store import VAULT, case_name, event_name

    db, gone = vault.db, {line.commitment: line.at for line in lines}
    with db.sql.read() as connection:
        there = [str(id) for id in connection.execute(select(vault_cases.c.id)).scalars() if case_name(db, id) in gone]
        # An id that came after the destruction is somebody else's event.
        held = connection.execute(select(events.c.id, events.c.received_at)).all()
    back = [id for id, at in held if (when := gone.get(event_name(db, id))) is not None and moment(at) <= when]
    for begin in range(0, len(back), BATCH):
        with db.audit.transaction(VAULT) as ledger, thorough(ledger.connection):
            done = delete_events(ledger.connection, back[begin : begin + BATCH])
            ledger.append(rows.entry(db.clock.now(), by, "vault.destroy.again", "events", {"events": done["events"]}))
    for case in there:
        destroy(vault, case, by, "destroyed before; a backup brought its rows back", restored=True)
    return len(there)


def _done_before(connection: Connection, case: str) -> Destruction:
    found = connection.execute(select(vault_destructions.c.body).where(vault_destructions.c.case_id == case)).scalar_one_or_none()
    if found is None:
        raise NotFound("nothing is kept for this case", field="case")
    return msgspec.msgpack.decode(found, type=Destruction)


def _events_of(connection: Connection, case: str) -> Iterator[str]:
    """Events of the case and those kept with it that no other case needs: they go as well, or the store would still have the content."""
    i, link = vault_items.c, case_events.c
    other = vault_items.alias()
    kept_elsewhere = select(other.c.id).where(other.c.event_id == events.c.id, other.c.case_id != case)
    pending = select(vault_pending.c.event_id).where(vault_pending.c.event_id == events.c.id, vault_pending.c.case_id != case)
    of_case = or_(
        events.c.id.in_(select(i.event_id).where(i.case_id == case, i.kind == ItemKind.EVENT.value)),
        events.c.id.in_(select(link.event_id).where(link.case_id == case)),
    )
    yield from connection.execute(
        select(events.c.id)
        .where(of_case, ~kept_elsewhere.exists(), ~pending.exists(), ~under_open_case(), ~preserved_event())
        .order_by(events.c.seq)
    ).scalars()


def _delete_events(vault: SqlVault, case: str, wanted: frozenset[str]) -> None:
    """Those of them that still no other case needs. The row counts along, so that the record is right however often it was cut off."""
    from nightlight.adapters.vault.store import VAULT

    with vault.db.audit.transaction(VAULT) as ledger, thorough(ledger.connection):
        row = rows.read_case(ledger.connection, vault.macs, case, lock=True)
        these = [id for id in _events_of(ledger.connection, case) if id in wanted]
        if row is None or not these:
            return
        done = delete_events(ledger.connection, these)["events"]
        facts = row.held
        if facts.destroy is not None:
            counted = msgspec.structs.replace(facts.destroy, events=facts.destroy.events + done)
            facts = msgspec.structs.replace(facts, destroy=counted)
            row = rows.put_case(ledger.connection, vault.macs, msgspec.structs.replace(row, facts=rows.pack_facts(facts)))
            vault.tell(ledger, counted.by, "vault.destroy.events", row, events=done)


def _delete_parts(vault: SqlVault, case: str) -> bool:
    p = vault_parts.c
    with vault.db.sql.write() as connection, thorough(connection):
        keys = connection.execute(select(p.item_id, p.part).where(p.case_id == case).limit(_PARTS)).all()
        for item, part in keys:
            connection.execute(vault_parts.delete().where(p.item_id == item, p.part == part))
    return bool(keys)


def _record(vault: SqlVault, connection: Connection, row: CaseRow, intent: Intent) -> Destruction:
    i = vault_items.c
    found: Sequence[rows.ItemRow] = [
        rows.item_of(r) for r in connection.execute(select(*(i[n] for n in rows.ITEM)).where(i.case_id == row.id).order_by(i.number)).all()
    ]
    facts = row.held
    starts = {ClockStart(name): moment(at) for name, at in facts.starts.items()}
    return Destruction(
        case=row.id,
        at=vault.db.clock.now(),
        by=intent.by,
        reason=intent.reason,
        opened_at=moment(row.opened_at),
        items=tuple(DestroyedItem(id=r.id, kind=ItemKind(r.kind), size=r.size, mac=r.commitment.hex()) for r in found),
        clocks=vault.clocks.applying(starts, facts.places),
        events=facts.destroy.events if facts.destroy is not None else 0,
    )
