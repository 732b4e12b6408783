"""`AuditLog`: the rows of the audit chain, written in the transaction of the change that they tell of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import Connection, LargeBinary, bindparam, cast, func, literal_column, select

from nightlight.adapters.audit import GENESIS, Chain, ChainHead, HeadFiles, Row
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.prepared import Prepared, insert, insert_new
from nightlight.adapters.store.tables import audit, micros, moment, partitions
from nightlight.core.errors import Tampered
from nightlight.core.ports import AuditEntry

ADMIN = "admin"
"""The partition of everything that people change: keys, banks, policies, limits, retention, erasure."""
CASES = "cases"
"""The partition of what people see of cases and do about them; targets are ids of cases."""

_PAGE = 1000
log = structlog.get_logger("nightlight.audit")
_json = msgspec.json.Encoder(order="deterministic").encode


class Flaw(Struct, frozen=True):
    """The first row of a partition that is not as it was written. `seq` None: the partition as a whole."""

    partition: str
    seq: int | None
    what: str


class AuditResult(Struct, frozen=True):
    ok: bool
    rows: int
    """How many rows were found good."""
    flaws: tuple[Flaw, ...]
    """At most one a partition, and one for each head that was set aside."""


class Ledger:
    """One open transaction on one partition. What is appended is written just before the commit."""

    def __init__(self, connection: Connection, head: ChainHead, position: int, epoch: int) -> None:
        self.connection = connection
        self.position = position
        self.epoch = epoch
        self.head = head
        self.entries: list[AuditEntry] = []

    def append(self, *entries: AuditEntry) -> None:
        self.entries.extend(entries)

    def advance(self, by: int) -> None:
        self.position += by


class AuditLog:
    """Safe to use from several threads. Writers of one partition take turns; partitions do not wait for each other."""

    def __init__(self, sql: Sql, chain: Chain, heads: HeadFiles) -> None:
        self._sql = sql
        self._chain = chain
        self.heads = heads
        self._unwritten: dict[str, str] = {}
        p = partitions.c
        locked = select(p.position, p.epoch, p.audit_seq, p.audit_mac).where(p.name == bindparam("name")).with_for_update()
        self._lock = Prepared(sql, locked)
        self._open = insert_new(sql, partitions, ("name", "position", "epoch", "audit_seq", "audit_mac"))
        moved: dict[str, Any] = {c: bindparam(f"new_{c}") for c in ("position", "epoch", "audit_seq", "audit_mac")}
        self._move = Prepared(sql, partitions.update().where(p.name == bindparam("at")).values(moved))
        self._insert = insert(sql, audit, ("partition", "seq", "at", "actor", "action", "target", "detail", "mac"))

    @property
    def head_problem(self) -> str | None:
        """Why a head could not be written after its rows were committed; None once it was written again. The rows stand all the same,
        but until then nobody could tell if the last of them were cut off."""
        return next(iter(tuple(self._unwritten.values())), None)

    @contextmanager
    def transaction(self, partition: str = ADMIN) -> Iterator[Ledger]:
        """One write transaction that holds the partition; whatever raises inside undoes all of it.

        No other process can hold the partition meanwhile: compare positions inside.
        """
        with self.heads.turn(partition):
            with self._sql.write() as connection:
                ledger = self._begin(connection, partition)
                before = ledger.head, ledger.position, ledger.epoch
                yield ledger
                after = self._finish(ledger)
                if (after, ledger.position, ledger.epoch) != before:
                    self._move.run(
                        connection,
                        at=partition,
                        new_position=ledger.position,
                        new_epoch=ledger.epoch,
                        new_audit_seq=after.seq,
                        new_audit_mac=after.mac,
                    )
            if after.seq > ledger.head.seq:
                self._advance(ledger.head, after)

    def _advance(self, before: ChainHead, after: ChainHead) -> None:
        """Nothing that fails here may reach the caller: it would be told that nothing was kept, after the commit."""
        partition = before.partition
        try:
            self.heads.advance(before, after)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno is not None else type(error).__name__
            self._unwritten[partition] = f"the head of audit partition {partition} cannot be written: {reason}"
            log.error("audit.head_not_written", partition=partition, reason=reason)
        else:
            self._unwritten.pop(partition, None)

    def append(self, entries: Sequence[AuditEntry], partition: str = ADMIN) -> None:
        """Entries that tell of no change in the database."""
        with self.transaction(partition) as ledger:
            ledger.append(*entries)

    def _begin(self, connection: Connection, partition: str) -> Ledger:
        found = self._lock.first(connection, name=partition)
        if found is None:
            self._open.many(connection, [(partition, 0, 0, 0, GENESIS)])
            found = self._lock.first(connection, name=partition)
            if found is None:
                raise RuntimeError("a partition that was just made is not there")
        position, epoch, seq, mac = found
        return Ledger(connection, ChainHead(partition, seq, bytes(mac)), position, epoch)

    def _finish(self, ledger: Ledger) -> ChainHead:
        partition, seq, mac = ledger.head.partition, ledger.head.seq, ledger.head.mac
        if not ledger.entries:
            return ledger.head
        if seq == 0:
            self.heads.begin(partition)
        rows = []
        for e in ledger.entries:
            seq += 1
            detail = _json(e.detail).decode()
            row = Row(partition, seq, micros(e.at), e.actor, e.action, e.target, detail)
            mac = self._chain.link(mac, row)
            rows.append((partition, seq, row.at, e.actor, e.action, e.target, detail, mac))
        self._insert.many(ledger.connection, rows)
        return ChainHead(partition, seq, mac)

    # -- reading -------------------------------------------------------------------------------------------------------------------

    def entries(self, partition: str = ADMIN, *, after: int = 0, most: int = 100) -> list[tuple[int, AuditEntry]]:
        """Rows in order, with their numbers. Shows what is there; `verify` says whether to believe it."""
        a = audit.c
        page = select(a.seq, a.at, a.actor, a.action, a.target, a.detail).where(a.partition == partition, a.seq > after)
        with self._sql.read() as connection:
            rows = connection.execute(page.order_by(a.seq).limit(most)).all()
        return [
            (seq, AuditEntry(at=moment(at), actor=actor, action=action, target=target, detail=msgspec.json.decode(detail)))
            for seq, at, actor, action, target, detail in rows
        ]

    def verify(self, watch: Callable[[Row, bytes], None] | None = None) -> AuditResult:
        """Walk every chain against its head. Constant memory; may run beside writers. `watch` is handed each good row and its mac."""
        flaws = [
            Flaw(partition, None, f"a head did not fit the rows when writing went on and was set aside as {name}")
            for partition, names in self.heads.contested().items()
            for name in names
        ]
        rows = 0
        names, unreadable = self._partitions()
        if unreadable:
            flaws.append(Flaw("", None, "there are rows of a partition whose name is not text"))
        for partition in names:
            good, flaw = self._verify(partition, watch)
            rows += good
            flaws += [flaw] if flaw else []
        return AuditResult(not flaws, rows, tuple(flaws))

    def _partitions(self) -> tuple[list[str], int]:
        """Every name that rows, partitions or heads have, and how many names are no text any more."""
        with self._sql.read() as connection:
            known = connection.execute(select(as_stored(self._sql, partitions.c.name))).scalars().all()
            told = connection.execute(select(as_stored(self._sql, audit.c.partition)).distinct()).scalars().all()
        names, unreadable = set(self.heads.partitions()), 0
        for name in {bytes(n) for n in (*known, *told)}:
            try:
                names.add(name.decode())
            except UnicodeDecodeError:
                unreadable += 1
        return sorted(names), unreadable

    def _verify(self, partition: str, watch: Callable[[Row, bytes], None] | None) -> tuple[int, Flaw | None]:
        try:
            head = self.heads.settled(partition)  # before the rows: a writer may add rows meanwhile, never take any
        except Tampered as error:
            return 0, Flaw(partition, None, error.message)
        at, mac, met = 0, GENESIS, head is not None and head.seq == 0 and head.mac == GENESIS
        while page := self._page(partition, at):
            for stored in page:
                at += 1
                row = _row(partition, stored)
                if row is None or row.seq != at:
                    return at - 1, Flaw(partition, at, f"row {at} is missing or out of place")
                mac = self._chain.link(mac, row)
                if bytes(stored.mac) != mac:
                    return at - 1, Flaw(partition, at, f"row {at} is not as it was written")
                if watch is not None:
                    watch(row, mac)
                if head is not None and at == head.seq:
                    met = head.mac == mac
                    if not met:
                        return at - 1, Flaw(partition, at, f"row {at} is not the one that the head was signed for")
        if head is None and at > 0:
            return at, Flaw(partition, None, "the signed head is missing")
        if head is not None and not met:
            return at, Flaw(partition, at + 1, f"rows {at + 1} to {head.seq} were cut off")
        return at, self._against_table(partition, at, mac)

    def _against_table(self, partition: str, at: int, mac: bytes) -> Flaw | None:
        """Whether the rows agree with what the partition says of itself; rows may have been added since they were read."""
        p = partitions.c
        with self._sql.read() as connection:
            said = connection.execute(select(p.audit_seq, p.audit_mac).where(p.name == partition)).first()
            held = connection.execute(select(func.count()).select_from(audit).where(audit.c.partition == partition)).scalar_one()
        if said is None:
            return Flaw(partition, at, "rows of a partition that was never opened") if at else None
        if said.audit_seq < at or (said.audit_seq == at and bytes(said.audit_mac) != mac):
            return Flaw(partition, at, "the partition does not end where its rows do")
        if said.audit_seq > at and held <= at:
            return Flaw(partition, at + 1, f"rows {at + 1} to {said.audit_seq} were cut off")
        if held > said.audit_seq:
            return self._recheck(partition, held)
        return None

    def _recheck(self, partition: str, held: int) -> Flaw | None:
        """More rows than the partition says: a writer came in between, or rows have no place in the chain."""
        p = partitions.c
        with self._sql.read() as connection:
            said = connection.execute(select(p.audit_seq).where(p.name == partition)).scalar_one()
        return None if said >= held else Flaw(partition, None, "there are rows that have no place in the chain")

    def _page(self, partition: str, after: int) -> Sequence[Any]:
        a = audit.c
        types = (
            func.typeof(a.at).op("||")(func.typeof(a.actor)).op("||")(func.typeof(a.action)).op("||")(func.typeof(a.target))
            if self._sql.is_sqlite
            else literal_column("'integertexttexttext'")
        )
        columns = [as_stored(self._sql, c).label(c.name) for c in (a.actor, a.action, a.target, a.detail)]
        page = select(a.seq, a.at, *columns, a.mac, types.label("types")).where(
            a.partition == bindparam("partition"), a.seq > bindparam("after")
        )
        with self._sql.read() as connection:
            return connection.execute(page.order_by(a.seq).limit(_PAGE), {"partition": partition, "after": after}).all()


def as_stored(sql: Sql, column: Any) -> Any:
    """A text as the bytes that are stored: bytes that are no longer text must be found, not break the reading."""
    return cast(column, LargeBinary) if sql.is_sqlite else func.convert_to(column, "UTF8", type_=LargeBinary)


def _row(partition: str, stored: Any) -> Row | None:
    """None where a value is of a type that was never written."""
    if (
        type(stored.seq) is not int
        or type(stored.at) is not int
        or stored.types != "integertexttexttext"
        or not isinstance(stored.mac, bytes)
    ):
        return None
    try:
        texts = [bytes(t).decode() for t in (stored.actor, stored.action, stored.target, stored.detail)]
    except (UnicodeDecodeError, TypeError):
        return None
    return Row(partition, stored.seq, stored.at, *texts)
