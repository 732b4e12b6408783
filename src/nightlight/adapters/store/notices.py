"""`SqlNotices`: notices to hosts. A notice, the message that carries it and its entry of the audit are one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import func, select

from nightlight.adapters.store import rows
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import CASES, AuditLog, Ledger
from nightlight.adapters.store.outbox import cancel
from nightlight.adapters.store.prepared import insert_new
from nightlight.adapters.store.request_tables import host_notices
from nightlight.adapters.store.tables import micros, outbox
from nightlight.core.errors import NotFound
from nightlight.core.notices import HostNotice, NoticeState
from nightlight.core.ports import AuditEntry, Outgoing, Sealer

MOST_PAGE = 1000
_n = host_notices.c
_notice = msgspec.msgpack.Decoder(HostNotice).decode
Step = Callable[[HostNotice], tuple[HostNotice, Sequence[Outgoing]]]


class SqlNotices:
    """Safe to use from several threads and processes."""

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Sealer) -> None:
        self._sql, self._audit, self._sealer = sql, audit, sealer
        self._send = insert_new(sql, outbox, rows.OUTGOING)

    def create(self, made: HostNotice, messages: Sequence[Outgoing]) -> HostNotice:
        with self._audit.transaction(CASES) as ledger:
            ledger.connection.execute(host_notices.insert().values(id=made.id, case_id=made.case, **self._row(made)))
            self._leave(ledger, messages, made.at)
            detail: dict[str, Any] = {"notice": made.id, "host": made.host, "items": len(made.items), "by_hand": not messages}
            ledger.append(AuditEntry(at=made.at, actor=made.by, action="notice.send", target=made.case, detail=detail))
        return made

    def change(self, id: str, by: str, action: str, at: datetime, step: Step) -> HostNotice:
        """`step`: what becomes of it, and what leaves because of it; what it raises undoes all. Unchanged: nothing is kept."""
        with self._audit.transaction(CASES) as ledger:
            found = ledger.connection.execute(select(_n.sealed).where(_n.id == id).with_for_update()).scalar_one_or_none()
            if found is None:
                raise NotFound("there is no such notice", field="id")
            before = self._opened(id, found)
            after, messages = step(before)
            if after == before:
                return before
            ledger.connection.execute(host_notices.update().where(_n.id == id).values(**self._row(after)))
            if after.ended_at is not None:
                cancel(ledger.connection, id, at)  # a reminder that has not left would blame a host that answered
            self._leave(ledger, messages, at)
            detail: dict[str, Any] = {"notice": id, "state": after.state.value, "sent": len(after.sendings)}
            ledger.append(AuditEntry(at=at, actor=by, action=action, target=after.case, detail=detail))
        return after

    def read(self, id: str, by: str, at: datetime) -> HostNotice:
        """Opened, which is recorded."""
        with self._audit.transaction(CASES) as ledger:
            found = ledger.connection.execute(select(_n.sealed, _n.case_id).where(_n.id == id)).first()
            if found is None:
                raise NotFound("there is no such notice", field="id")
            ledger.append(AuditEntry(at=at, actor=by, action="notice.read", target=found.case_id, detail={"notice": id}))
        return self._opened(id, found.sealed)

    def due(self, now: datetime, most: int = 200) -> Sequence[str]:
        wanted = select(_n.id).where(_n.ended_at.is_(None), _n.due_at <= micros(now)).order_by(_n.due_at, _n.id)
        with self._sql.read() as connection:
            return connection.execute(wanted.limit(most)).scalars().all()

    def waiting(self, after: str | None, most: int) -> Sequence[HostNotice]:
        return self._where(_n.ended_at.is_(None), *([_n.id > after] if after else []), most=most)

    def count(self, states: Sequence[NoticeState]) -> int:
        wanted = select(func.count()).select_from(host_notices).where(_n.ended_at.is_(None), _n.state.in_([s.value for s in states]))
        with self._sql.read() as connection:
            return int(connection.execute(wanted).scalar_one())

    def of_case(self, case: str) -> Sequence[HostNotice]:
        return self._where(_n.case_id == case, most=MOST_PAGE)

    def _where(self, *wanted: Any, most: int) -> list[HostNotice]:
        page = select(_n.id, _n.sealed).where(*wanted).order_by(_n.id).limit(max(1, min(most, MOST_PAGE)))
        with self._sql.read() as connection:
            found = connection.execute(page).all()
        return [replace(self._opened(row.id, row.sealed), subject="", body="", items=(), outcome="") for row in found]

    def _opened(self, id: str, sealed: Any) -> HostNotice:
        return _notice(self._sealer.open(bytes(sealed), f"notice:{id}"))

    def _leave(self, ledger: Ledger, messages: Sequence[Outgoing], at: datetime) -> None:
        if messages:
            self._send.many(ledger.connection, rows.outgoing(messages, self._sealer, micros(at)))

    def _row(self, one: HostNotice) -> dict[str, Any]:
        return {
            "state": one.state.value,
            "due_at": None if one.due_at is None else micros(one.due_at),
            "ended_at": None if one.ended_at is None else micros(one.ended_at),
            "sealed": self._sealer.seal(rows.pack(one), f"notice:{one.id}"),
        }
