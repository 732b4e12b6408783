"""Limits on contact and reach in the hands of people: a machine sets one for a day at most, a person lifts or extends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import structs
from sqlalchemy import select

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.outbox import cancel
from nightlight.adapters.store.prepared import AnySelect
from nightlight.adapters.store.rows import LIMIT, limit_of
from nightlight.adapters.store.tables import limits, micros
from nightlight.core.clock import Clock
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.ports import AuditEntry, ContactLimit, Sealer


def cancel_key(account: str, event: str) -> str:
    """The `cancel_key` of the page that a lead gets before a limit lapses unreviewed: reviewing the limit drops it."""
    return f"limit:{account}:{event}"


class SqlLimits:
    """Accounts are pseudonyms here."""

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Sealer, clock: Clock) -> None:
        self._sql, self._audit, self._sealer, self._clock = sql, audit, sealer, clock

    def in_force(self, most: int = 100) -> Sequence[ContactLimit]:
        """Limits in force now, the one that lapses next first."""
        with self._sql.read() as connection:
            return [limit_of(row) for row in connection.execute(_in_force(self._clock.now()).limit(most)).all()]

    def lift(self, account: str, by: str, reason: str) -> Sequence[ContactLimit]:
        """End every limit on the account now. Raises NotFound where none is in force."""
        with self._audit.transaction() as ledger:
            found = self._find(ledger, account)
            self._review(ledger, found, "limit.lift", by, reason, {"lifted_by": by})
        return [structs.replace(limit_of(row), lifted_by=by, reviewed=True) for row in found]

    def judged(self, ledger: Ledger, account: str, until: datetime | None, by: str, case: str) -> int:
        """Within the transaction of a verdict: lift every limit in force (`until` None), or move each end to `until`. How many."""
        found = ledger.connection.execute(_in_force(self._clock.now()).where(limits.c.account == account)).all()
        if until is None:
            self._review(ledger, found, "limit.lift", by, f"case {case}", {"lifted_by": by})
        else:
            self._review(ledger, found, "limit.extend", by, f"case {case}", {"until": micros(until)})
        return len(found)

    def extend(self, account: str, until: datetime, by: str, reason: str) -> Sequence[ContactLimit]:
        """Move the end of every limit on the account to `until`. Raises NotFound, or Invalid for a time that has passed."""
        if until <= self._clock.now():
            raise Invalid("a limit can only be extended into the future", field="until")
        with self._audit.transaction() as ledger:
            found = self._find(ledger, account)
            self._review(ledger, found, "limit.extend", by, reason, {"until": micros(until)})
        return [structs.replace(limit_of(row), until=until, reviewed=True) for row in found]

    def _find(self, ledger: Ledger, account: str) -> Sequence[Any]:
        found = ledger.connection.execute(_in_force(self._clock.now()).where(limits.c.account == account)).all()
        if not found:
            raise NotFound("no limit is in force on this account", field="account")
        return found

    def _review(
        self,
        ledger: Ledger,
        found: Sequence[Any],
        action: str,
        by: str,
        reason: str,
        change: dict[str, str | int],
    ) -> None:
        now = self._clock.now()
        for limit in map(limit_of, found):
            account, event = limit.account, limit.event
            this = limits.update().where(limits.c.account == account, limits.c.event_id == event, limits.c.kind == limit.kind.value)
            ledger.connection.execute(this.values(reviewed=True, **change))
            cancel(ledger.connection, cancel_key(account, event), now)
            # The chain cannot be struck when the person is erased, so it never names them: a commitment stands for them.
            target = self._sealer.mac(f"account:{account}".encode()).hex()
            ledger.append(
                AuditEntry(
                    at=now,
                    actor=by,
                    action=action,
                    target=target,
                    detail={"event": event, "kind": limit.kind.value, "reason": reason, **change},
                )
            )


def _in_force(now: datetime) -> AnySelect:
    c = limits.c
    columns = select(*(c[n] for n in LIMIT))
    return columns.where(c.until > micros(now), c.lifted_by.is_(None)).order_by(c.until, c.account)
