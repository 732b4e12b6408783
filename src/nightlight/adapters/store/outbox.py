"""The outbox: effects wait here until somebody has received them, always under the same key and with the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.prepared import Prepared
from nightlight.adapters.store.tables import micros, moment, outbox
from nightlight.core.clock import Clock
from nightlight.core.errors import Conflict, NotFound, Tampered
from nightlight.core.ports import AuditEntry, Delivery, Sealer
from nightlight.core.services import DeadLetter

WAITING, DELIVERED, DEAD, CANCELLED = "waiting", "delivered", "dead", "cancelled"
_MOST_ERROR = 500


class SqlOutbox:
    """Fills `core.ports.OutboxStore` for the dispatcher and `core.services.OutboxService` for people."""

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Sealer, clock: Clock) -> None:
        self._sql, self._audit, self._sealer, self._clock = sql, audit, sealer, clock
        o = outbox.c
        ready = select(o.key, o.endpoint, o.sealed, o.attempts, o.created_at).where(o.state == WAITING, o.not_before <= bindparam("now"))
        self._due = Prepared(sql, ready.order_by(o.not_before, o.key).limit(bindparam("most")))
        one = outbox.update().where(o.key == bindparam("which"), o.state == WAITING)
        self._delivered = Prepared(sql, one.values(state=DELIVERED, attempts=o.attempts + 1, finished_at=bindparam("now"), error=""))
        self._again = Prepared(sql, one.values(attempts=o.attempts + 1, not_before=bindparam("then"), error=bindparam("why")))
        self._give_up = Prepared(sql, one.values(state=DEAD, attempts=o.attempts + 1, finished_at=bindparam("now"), error=bindparam("why")))

    def due(self, now: datetime, most: int) -> Sequence[Delivery]:
        """Those that have waited longest first. One whose body does not authenticate becomes a dead letter: it stops no other."""
        with self._sql.read() as connection:
            found = self._due.rows(connection, now=micros(now), most=most)
        out = []
        for key, endpoint, sealed, attempts, created_at in found:
            try:
                body = self._sealer.open(bytes(sealed), f"outbox:{key}")
            except Tampered:
                self.failed(key, "the message does not authenticate: somebody or something changed it", None)
                continue
            out.append(Delivery(key=key, endpoint=endpoint, body=body, attempts=attempts, created_at=moment(created_at)))
        return out

    def delivered(self, key: str, at: datetime) -> None:
        with self._sql.write() as connection:
            self._delivered.run(connection, which=key, now=micros(at))

    def failed(self, key: str, error: str, retry_at: datetime | None) -> None:
        with self._sql.write() as connection:
            if retry_at is None:
                self._give_up.run(connection, which=key, now=micros(self._clock.now()), why=error[:_MOST_ERROR])
            else:
                self._again.run(connection, which=key, then=micros(retry_at), why=error[:_MOST_ERROR])

    def dead_letters(self) -> Sequence[DeadLetter]:
        """The latest thousand, newest first."""
        o = outbox.c
        wanted = select(o.key, o.endpoint, o.attempts, o.error, o.created_at).where(o.state == DEAD)
        with self._sql.read() as connection:
            found = connection.execute(wanted.order_by(o.finished_at.desc(), o.key).limit(1000)).all()
        return [
            DeadLetter(key=key, endpoint=endpoint, attempts=attempts, error=error, created_at=moment(at))
            for key, endpoint, attempts, error, at in found
        ]

    def replay(self, key: str, by: str) -> None:
        """A dead letter waits again, due at once, its attempts counted from nought. Raises NotFound, or Conflict where it is not dead."""
        now = self._clock.now()
        o = outbox.c
        with self._audit.transaction() as ledger:
            state = ledger.connection.execute(select(o.state).where(o.key == key)).scalar_one_or_none()
            if state is None:
                raise NotFound("no such message", field="key")
            if state != DEAD:
                raise Conflict(f"only a dead letter can be replayed; this message is {state}", field="key")
            ledger.connection.execute(
                outbox.update().where(o.key == key).values(state=WAITING, attempts=0, not_before=micros(now), finished_at=None)
            )
            ledger.append(AuditEntry(at=now, actor=by, action="outbox.replay", target=key))


def cancel(connection: Connection, cancel_key: str, now: datetime) -> int:
    """Within a transaction: drop the waiting messages under that key; how many there were."""
    o = outbox.c
    done = outbox.update().where(o.cancel_key == cancel_key, o.state == WAITING).values(state=CANCELLED, finished_at=micros(now))
    return connection.execute(done).rowcount
