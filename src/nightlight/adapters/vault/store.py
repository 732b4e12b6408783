"""`SqlVault`: the port `Vault` over the database, with its keys outside of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, exists, func, select

from nightlight.adapters.lifecycle.deletion import thorough
from nightlight.adapters.store.cases import unended
from nightlight.adapters.store.ledger import Ledger
from nightlight.adapters.store.tables import cases, micros, moment
from nightlight.adapters.store.vault_tables import vault_cases, vault_destructions, vault_items, vault_parts
from nightlight.adapters.vault import rows
from nightlight.adapters.vault.checking import check
from nightlight.adapters.vault.clocks import ClockTable
from nightlight.adapters.vault.keys import CaseSecrets, locked, unlocked
from nightlight.adapters.vault.rows import CaseRow, Facts, ItemRow, Label, Macs
from nightlight.adapters.vault.sealing import PART, CaseKey, Measured
from nightlight.core.errors import Conflict, Denied, Invalid, NotFound, Tampered
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry
from nightlight.core.vault import (
    MAY_OPEN,
    Clock,
    ClockStart,
    Destruction,
    EvidenceItem,
    Hold,
    Holding,
    ItemKind,
    KeyWrapper,
    NewItem,
    Reader,
    VaultResult,
)

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database

VAULT = "vault"
"""Its partition of the audit chain."""
MOST_REASON = 2000
MOST_HOLDS = 100
FURTHEST = timedelta(days=36_525)
_BATCH = 50
"""Case keys wrapped anew in one transaction: with a key service each takes two calls, while writers wait."""


class SqlVault:
    """Safe to use from several threads and processes."""

    def __init__(
        self, database: Database, secrets: CaseSecrets, wrapper: KeyWrapper, clocks: ClockTable, places: Sequence[str] = ()
    ) -> None:
        self.db, self.secrets, self.wrapper, self.clocks = database, secrets, wrapper, clocks
        self.places = tuple(dict.fromkeys(places))
        """Where the service itself is established: its law always applies."""
        self.macs = Macs(database.sealer.derive("vault-rows"), database.sealer)

    # -- keeping -------------------------------------------------------------------------------------------------------------------

    def keep(self, case: str, item: NewItem, content: bytes | Iterable[bytes], by: str) -> EvidenceItem:
        _texts(item)
        key = self._key(self.ensure(case, by))
        id, parts = new_id("item"), Measured(content)
        at_hand: list[bytes] = []
        try:
            for number, (plain, last) in enumerate(parts):
                sealed = key.seal_part(plain, id, number, last)
                if last and number == 0:
                    at_hand.append(sealed)  # small: it goes with its row
                else:  # one transaction each: the service goes on beside a large one
                    with self.db.sql.write() as connection:
                        connection.execute(vault_parts.insert().values(item_id=id, part=number, case_id=case, sealed=sealed))
        except BaseException:
            with self.db.sql.write() as connection:
                connection.execute(vault_parts.delete().where(vault_parts.c.item_id == id))
            raise
        with self.db.audit.transaction(VAULT) as ledger:
            row = self._open_row(ledger.connection, case)
            commitment = self.macs.commitment(item.kind, parts.sha256)
            if (there := self._same(ledger.connection, case, item, commitment)) is not None:
                with thorough(ledger.connection):
                    ledger.connection.execute(vault_parts.delete().where(vault_parts.c.item_id == id))
                return rows.evidence(there, key)
            label = Label(parts.sha256, item.media_type, item.name, item.verified)
            new = self.item(row, key, item, label, id=id, size=parts.size, parts=parts.parts, by=by)
            for number, sealed in enumerate(at_hand):
                ledger.connection.execute(vault_parts.insert().values(item_id=id, part=number, case_id=case, sealed=sealed))
            rows.put_items(ledger.connection, [new])
            row = rows.put_case(ledger.connection, self.macs, grown(row, [new]))
            self.tell(ledger, by, "vault.keep", row, item=id, kind=item.kind.value, size=new.size)
        return rows.evidence(new, key)

    def ensure(self, case: str, by: str) -> CaseRow:
        """The row of a case that is there, made with a key of its own where there is none. Raises NotFound, or Conflict once it was,
        or is being, destroyed."""
        with self.db.sql.read() as connection:
            row = self._find(connection, case)
        if row is not None:
            return row
        # Before the transaction: a secret without a row is harmless, a row without its secret would be lost evidence.
        secret = self.secrets.make(self.name_of(case))
        with self.db.audit.transaction(VAULT) as ledger:
            row = self._find(ledger.connection, case)
            if row is None:
                id, wrapped = self.wrapper.wrap(locked(secret, os.urandom(32), f"case:{case}"), f"vault:{case}")
                now = self.db.clock.now()
                facts = Facts(starts={ClockStart.OPENED.value: micros(now)}, places=self.places)
                until = micros(self.clocks.keep_until({ClockStart.OPENED: now}, self.places))
                row = CaseRow(case, id, wrapped, micros(now), 0, 0, rows.GENESIS, until, rows.pack_facts(facts), rows.KEPT)
                row = rows.put_case(ledger.connection, self.macs, row, new=True)
                self.tell(ledger, by, "vault.open_case", row)
        return row

    def _find(self, connection: Connection, case: str) -> CaseRow | None:
        row = rows.read_case(connection, self.macs, case)
        if row is None:
            gone = select(vault_destructions.c.at).where(vault_destructions.c.case_id == case)
            if connection.execute(gone).first() is not None:
                raise Conflict("the evidence of this case was destroyed; nothing more is kept for it", field="case")
            if connection.execute(select(cases.c.id).where(cases.c.id == case)).first() is None:
                raise NotFound("there is no such case", field="case")
        elif row.state == rows.DESTROYING:
            raise Conflict("the evidence of this case is being destroyed", field="case")
        return row

    def _open_row(self, connection: Connection, case: str) -> CaseRow:
        row = rows.read_case(connection, self.macs, case, lock=True)
        if row is None:
            raise NotFound("nothing is kept for this case", field="case")
        if row.state == rows.DESTROYING:
            raise Conflict("the evidence of this case is being destroyed", field="case")
        return row

    def _same(self, connection: Connection, case: str, item: NewItem, commitment: bytes) -> ItemRow | None:
        i = vault_items.c
        found = select(*(i[n] for n in rows.ITEM)).where(i.case_id == case, i.kind == item.kind.value)
        found = found.where(i.event_id == item.event if item.kind is ItemKind.EVENT else i.commitment == commitment)
        row = connection.execute(found.order_by(i.number).limit(1)).first()
        return None if row is None else rows.item_of(row)

    def item(
        self,
        row: CaseRow,
        key: CaseKey,
        item: NewItem,
        label: Label,
        *,
        id: str,
        size: int,
        parts: int,
        by: str,
        before: ItemRow | None = None,
    ) -> ItemRow:
        """The next item of a case: after `before`, or after those that the row counts."""
        new = ItemRow(
            case_id=row.id,
            number=(before.number if before is not None else row.items) + 1,
            id=id,
            kind=item.kind.value,
            event_id=item.event,
            commitment=self.macs.commitment(item.kind, label.sha256),
            size=size,
            parts=parts,
            added_at=micros(self.db.clock.now()),
            added_by=by,
            sealed=key.seal_label(rows.label_of(label), id),
        )
        return replace(new, mac=self.macs.item(before.mac if before is not None else row.chain, new))

    # -- looking -------------------------------------------------------------------------------------------------------------------

    def items(self, case: str) -> Sequence[EvidenceItem]:
        with self.db.sql.read() as connection:
            row = rows.read_case(connection, self.macs, case)
            found = self._rows(connection, case)
        if row is None or row.state == rows.DESTROYING:
            return []
        key = self._key(row)
        return [rows.evidence(i, key) for i in found]

    def find(self, case: str, sha256: str) -> EvidenceItem | None:
        try:
            digest = bytes.fromhex(sha256)
        except ValueError:
            raise Invalid("a SHA-256 is 64 hex digits", field="sha256") from None
        i = vault_items.c
        wanted = [self.macs.commitment(kind, digest) for kind in (ItemKind.MEDIA, ItemKind.FILE)]
        found = select(*(i[n] for n in rows.ITEM)).where(i.case_id == case, i.commitment.in_(wanted)).order_by(i.number).limit(1)
        with self.db.sql.read() as connection:
            row = rows.read_case(connection, self.macs, case)
            item = connection.execute(found).first()
        if row is None or item is None or row.state == rows.DESTROYING:
            return None
        return rows.evidence(rows.item_of(item), self._key(row))

    def open(self, case: str, item: str, *, who: Reader, reason: str) -> bytes:
        return b"".join(self.stream(case, item, who=who, reason=reason))

    def stream(self, case: str, item: str, *, who: Reader, reason: str) -> Iterator[bytes]:
        reason = said(reason)
        i = vault_items.c
        with self.db.audit.transaction(VAULT) as ledger:
            row = self._open_row(ledger.connection, case)
            found = ledger.connection.execute(select(*(i[n] for n in rows.ITEM)).where(i.case_id == case, i.id == item)).first()
            if found is None:
                raise NotFound("there is no such item in this case", field="item")
            one = rows.item_of(found)
            allowed = who.role in MAY_OPEN[ItemKind(one.kind)]
            action = "vault.open" if allowed else "vault.refused"
            self._tell_reader(ledger, who, action, case, reason, item=item, kind=one.kind)
        if not allowed:
            raise Denied(f"the role {who.role} may not open {one.kind} evidence", field="role")
        return self._parts(self._key(row), one)

    def read(self, case: str, *, who: Reader, reason: str, events: Sequence[str] | None = None) -> Mapping[str, bytes]:
        reason = said(reason)
        with self.db.audit.transaction(VAULT) as ledger:
            row = self._open_row(ledger.connection, case)
            wanted = None if events is None else frozenset(events)
            found = [r for r in self._rows(ledger.connection, case) if r.kind == ItemKind.EVENT]
            found = [r for r in found if wanted is None or r.event_id in wanted]
            allowed = who.role in MAY_OPEN[ItemKind.EVENT]
            p = vault_parts.c
            sealed: dict[str, dict[int, bytes]] = {}
            if allowed:
                of_events = select(p.item_id, p.part, p.sealed).join_from(vault_parts, vault_items, vault_items.c.id == p.item_id)
                of_events = of_events.where(p.case_id == case, vault_items.c.kind == ItemKind.EVENT.value)
                for id, part, raw in ledger.connection.execute(of_events):
                    sealed.setdefault(id, {})[part] = bytes(raw)
            self._tell_reader(ledger, who, "vault.read" if allowed else "vault.refused", case, reason, events=len(found))
        if not allowed:
            raise Denied(f"the role {who.role} may not open event evidence", field="role")
        key = self._key(row)
        return {
            r.event_id or r.id: b"".join(key.open_part(sealed.get(r.id, {}).get(n, b""), r.id, n, n == r.parts - 1) for n in range(r.parts))
            for r in found
        }

    def _rows(self, connection: Connection, case: str) -> list[ItemRow]:
        i = vault_items.c
        found = connection.execute(select(*(i[n] for n in rows.ITEM)).where(i.case_id == case).order_by(i.number)).all()
        return [rows.item_of(r) for r in found]

    def _parts(self, key: CaseKey, item: ItemRow) -> Iterator[bytes]:
        p = vault_parts.c
        for number in range(item.parts):
            with self.db.sql.read() as connection:
                sealed = connection.execute(select(p.sealed).where(p.item_id == item.id, p.part == number)).scalar_one_or_none()
            if sealed is None:
                raise self._gone(item)
            yield key.open_part(bytes(sealed), item.id, number, number == item.parts - 1)

    def _gone(self, item: ItemRow) -> Exception:
        with self.db.sql.read() as connection:
            there = connection.execute(select(vault_items.c.id).where(vault_items.c.id == item.id)).first()
        if there is None:
            return NotFound("the evidence of this case was destroyed meanwhile", field="item")
        return Tampered("a part of this item is missing")

    # -- clocks and holds ----------------------------------------------------------------------------------------------------------

    def holding(self, case: str) -> Holding:
        with self.db.sql.read() as connection:
            row = rows.read_case(connection, self.macs, case)
        if row is None:
            raise NotFound("nothing is kept for this case", field="case")
        return self.holding_of(row)

    def holdings(self, after: str | None = None, most: int = 100) -> Sequence[Holding]:
        page = rows.chosen().order_by(vault_cases.c.id).limit(most)
        if after is not None:
            page = page.where(vault_cases.c.id > after)
        with self.db.sql.read() as connection:
            return [self.holding_of(rows.case_of(r)) for r in connection.execute(page).all()]

    def holding_of(self, row: CaseRow) -> Holding:
        facts = row.held
        starts = {ClockStart(name): moment(at) for name, at in facts.starts.items()}
        return Holding(
            case=row.id,
            opened_at=moment(row.opened_at),
            items=row.items,
            bytes=row.size,
            keep_until=moment(row.keep_until),
            clocks=self.clocks.applying(starts, facts.places),
            extended_until=None if facts.extended is None else moment(facts.extended),
            holds=facts.holds,
            starts=starts,
            places=facts.places,
            destroying=row.state == rows.DESTROYING,
        )

    def hold(self, case: str, by: str, reason: str) -> Hold:
        new = Hold(id=new_id("hold"), by=by, at=self.db.clock.now(), reason=said(reason))
        self.ensure(case, by)  # a hold may come before the first item does

        def put(facts: Facts) -> Facts:
            if len(facts.holds) >= MOST_HOLDS:
                raise Conflict(f"a case has {MOST_HOLDS} legal holds at most", field="case")
            return replace(facts, holds=(*facts.holds, new))

        self._change(case, by, "vault.hold", put, hold=new.id, reason=new.reason)
        return new

    def release(self, case: str, hold: str, by: str, reason: str) -> Holding:
        def take(facts: Facts) -> Facts:
            left = tuple(h for h in facts.holds if h.id != hold)
            if left == facts.holds:
                raise NotFound("there is no such hold on this case", field="hold")
            return replace(facts, holds=left)

        return self._change(case, by, "vault.release", take, hold=hold, reason=said(reason))

    def extend(self, case: str, until: datetime, by: str, reason: str) -> Holding:
        if until.tzinfo is None:
            raise Invalid("needs a time zone", field="until")
        if until > self.db.clock.now() + FURTHEST:
            raise Invalid("is more than a hundred years away: use a legal hold", field="until")
        at = micros(until)

        def longer(facts: Facts) -> Facts:
            return replace(facts, extended=max(at, facts.extended or at))

        return self._change(case, by, "vault.extend", longer, until=until.isoformat(), reason=said(reason))

    def start(self, case: str, what: ClockStart, at: datetime, by: str, places: Sequence[str] = ()) -> Holding:
        def begin(facts: Facts) -> Facts:
            return started(facts, what, at, places)

        return self._change(case, by, "vault.start", begin, what=what.value, at=at.isoformat())

    def _change(self, case: str, by: str, action: str, change: Callable[[Facts], Facts], **detail: str | int) -> Holding:
        with self.db.audit.transaction(VAULT) as ledger:
            row = self._open_row(ledger.connection, case)
            facts = change(row.held)
            if facts != row.held:
                row = rows.put_case(ledger.connection, self.macs, self.with_facts(row, facts))
                self.tell(ledger, by, action, row, **detail)
        return self.holding_of(row)

    def with_facts(self, row: CaseRow, facts: Facts) -> CaseRow:
        """The row with them, and with the time until which they say it is kept."""
        starts = {ClockStart(name): moment(at) for name, at in facts.starts.items()}
        until = micros(self.clocks.keep_until(starts, facts.places))
        return replace(row, facts=rows.pack_facts(facts), keep_until=max(until, facts.extended or until))

    # -- keys ----------------------------------------------------------------------------------------------------------------------

    def name_of(self, case: str) -> str:
        """Stands for a case where nobody is to learn which: its secret's file, the file of erasures. 64 hex digits."""
        return case_name(self.db, case)

    def _key(self, row: CaseRow) -> CaseKey:
        inner = self.wrapper.unwrap(row.wrapper, row.wrapped, f"vault:{row.id}")
        return CaseKey(row.id, unlocked(self.secrets.get(self.name_of(row.id)), inner, f"case:{row.id}"))

    key_of = _key

    def rotate(self, by: str) -> int:
        c, done = vault_cases.c, 0
        self.wrapper.rotate()
        while True:
            with self.db.audit.transaction(VAULT) as ledger:
                new = self.wrapper.current  # another rotation may have begun meanwhile: both end under the newest
                found = ledger.connection.execute(rows.chosen().where(c.wrapper != new).order_by(c.id).limit(_BATCH)).all()
                for row in map(rows.case_of, found):
                    context = f"vault:{row.id}"
                    id, wrapped = self.wrapper.wrap(self.wrapper.unwrap(row.wrapper, row.wrapped, context), context)
                    ledger.connection.execute(vault_cases.update().where(c.id == row.id).values(wrapper=id, wrapped=wrapped))
                done += len(found)
                if not found:
                    # Inside: nobody can wrap anything under an old key between this look and its end.
                    self.wrapper.forget(new)
                detail: dict[str, str | int | float | bool | None] = {"wrapping_key": new, "cases": len(found)}
                action = "vault.rotate.step" if found else "vault.rotate"
                ledger.append(AuditEntry(at=self.db.clock.now(), actor=by, action=action, target="vault", detail=detail))
            if not found:
                return done

    # -- the end -------------------------------------------------------------------------------------------------------------------

    def destroy(self, case: str, by: str, reason: str) -> Destruction:
        from nightlight.adapters.vault.destroying import destroy

        return destroy(self, case, by, said(reason))

    def destructions(self, after: str | None = None, most: int = 100) -> Sequence[Destruction]:
        d = vault_destructions.c
        page = select(d.body).order_by(d.case_id).limit(most)
        if after is not None:
            page = page.where(d.case_id > after)
        with self.db.sql.read() as connection:
            return [msgspec.msgpack.decode(body, type=Destruction) for (body,) in connection.execute(page)]

    def verify(self, case: str | None = None) -> VaultResult:
        return check(self, case)

    def promote(self, most: int = 1000) -> int:
        """Move into the vault what opened cases say must be there; how many items came. See `promoting`."""
        from nightlight.adapters.vault.promoting import promote

        return promote(self, most)

    def sweep(self) -> Mapping[str, int]:
        """Promote, end what was cut off, start clocks that cases have reached, destroy what is due; how many of each."""
        from nightlight.adapters.vault.sweeping import sweep

        return sweep(self)

    def duty(self, row: CaseRow) -> Clock | None:
        """The duty to keep it that still runs, the last one to end."""
        now = self.db.clock.now()
        running = [c for c in self.holding_of(row).clocks if c.duty and c.until > now]
        return max(running, key=lambda c: c.until, default=None)

    def has_ended(self, connection: Connection, case: str) -> bool:
        """Whether nobody has still to decide it. A case whose row is gone has ended."""
        open_one = select(cases.c.id).where(cases.c.id == case, unended())
        return not connection.execute(select(exists(open_one))).scalar_one()

    def count(self) -> int:
        with self.db.sql.read() as connection:
            return int(connection.execute(select(func.count()).select_from(vault_cases)).scalar_one())

    # -- audit ---------------------------------------------------------------------------------------------------------------------

    def tell(self, ledger: Ledger, by: str, action: str, row: CaseRow, **more: str | int | bool | None) -> None:
        """A change of a case: with the mac of its row, so that the row cannot go back unseen."""
        detail: dict[str, str | int | float | bool | None] = {**more, "items": row.items, "row": row.mac.hex()}
        ledger.append(AuditEntry(at=self.db.clock.now(), actor=by, action=action, target=row.id, detail=detail))

    def _tell_reader(self, ledger: Ledger, who: Reader, action: str, case: str, reason: str, **more: str | int) -> None:
        detail: dict[str, str | int | float | bool | None] = {"role": who.role, "reason": reason, **more}
        ledger.append(AuditEntry(at=self.db.clock.now(), actor=who.name, action=action, target=case, detail=detail))


def case_name(database: Database, case: str) -> str:
    return database.sealer.mac(f"vault-case:{case}".encode()).hex()


def event_name(database: Database, event: str) -> str:
    """Stands for an event that was destroyed with its case."""
    return database.sealer.mac(f"vault-event:{event}".encode()).hex()


def grown(row: CaseRow, new: Sequence[ItemRow]) -> CaseRow:
    """The case's row after those items."""
    return replace(row, items=new[-1].number, size=row.size + sum(i.size for i in new), chain=new[-1].mac) if new else row


def started(facts: Facts, what: ClockStart, at: datetime, places: Sequence[str] = (), accounts: Iterable[str] = ()) -> Facts:
    starts = dict(facts.starts)
    given = micros(at)
    starts[what.value] = max(given, starts.get(what.value, given)) if what is ClockStart.REPORTED else starts.get(what.value, given)
    return replace(
        facts,
        starts=starts,
        places=tuple(dict.fromkeys((*facts.places, *places))),
        accounts=tuple(dict.fromkeys((*facts.accounts, *accounts))),
    )


def said(reason: str) -> str:
    """A reason that somebody gave. Raises Invalid."""
    reason = reason.strip()
    if not reason:
        raise Invalid("say why", field="reason")
    if len(reason) > MOST_REASON:
        raise Invalid(f"a reason has {MOST_REASON} characters at most", field="reason")
    return reason


def _texts(item: NewItem) -> None:
    for field in ("event", "media_type", "name"):
        value = getattr(item, field)
        if value is not None and (len(value) > 500 or "\x00" in value):
            raise Invalid("has 500 characters at most and no NUL", field=field)
    if item.kind is ItemKind.EVENT and item.event is None:
        raise Invalid("an event is kept by its id", field="event")


__all__ = ["PART", "VAULT", "SqlVault", "case_name", "event_name", "grown", "said", "started"]
