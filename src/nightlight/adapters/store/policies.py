"""Versions of the rule sets: every text that was ever in force, by whom and when. A version is never changed, only followed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.prepared import AnySelect
from nightlight.adapters.store.tables import micros, moment, policies
from nightlight.core.clock import Clock
from nightlight.core.decision import Mode
from nightlight.core.errors import NotFound
from nightlight.core.ports import AuditEntry


class PolicyVersion(Struct, frozen=True, kw_only=True):
    version: int
    name: str
    mode: Mode
    text: str
    """The TOML as it was handed in."""
    hash: str
    """SHA-256 of the text, 64 hex digits."""
    activated_at: datetime
    activated_by: str
    retired_at: datetime | None
    """None: in force."""


class SqlPolicies:
    """One live and one shadow rule set at most. The texts are checked by whoever calls: here they are only kept."""

    def __init__(self, sql: Sql, audit: AuditLog, clock: Clock) -> None:
        self._sql, self._audit, self._clock = sql, audit, clock

    def activate(self, text: str, mode: Mode, by: str, *, name: str = "") -> PolicyVersion:
        """In force from now on; the one before it retires. A text that is in force already stays as it is."""
        with self._audit.transaction() as ledger:
            current = ledger.connection.execute(_current(mode)).first()
            if current is not None and current.text == text and current.name == name:
                return _version(current)
            return self._replace(ledger, text, name, mode, by, "policy.activate")

    def rollback(self, mode: Mode, by: str) -> PolicyVersion:
        """The text before the current one comes back, as a new version. Raises NotFound where there is none."""
        p = policies.c
        with self._audit.transaction() as ledger:
            current = ledger.connection.execute(_current(mode)).first()
            if current is None:
                raise NotFound(f"no {mode} policy is in force", field="mode")
            earlier = _columns().where(p.mode == mode.value, p.version < current.version, p.hash != current.hash)
            previous = ledger.connection.execute(earlier.order_by(p.version.desc()).limit(1)).first()
            if previous is None:
                raise NotFound(f"there is no earlier {mode} policy", field="mode")
            return self._replace(ledger, previous.text, previous.name, mode, by, "policy.rollback")

    def retire(self, mode: Mode, by: str) -> None:
        """Nothing is in force in that mode any more; for ending a shadow run. Raises NotFound."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            current = ledger.connection.execute(_current(mode)).first()
            if current is None:
                raise NotFound(f"no {mode} policy is in force", field="mode")
            self._end(ledger, mode, now)
            ledger.append(AuditEntry(at=now, actor=by, action="policy.retire", target=current.hash, detail={"mode": mode.value}))

    def current(self, mode: Mode = Mode.LIVE) -> PolicyVersion | None:
        with self._sql.read() as connection:
            found = connection.execute(_current(mode)).first()
        return None if found is None else _version(found)

    def versions(self, most: int = 100) -> Sequence[PolicyVersion]:
        """Newest first."""
        with self._sql.read() as connection:
            return [_version(row) for row in connection.execute(_columns().order_by(policies.c.version.desc()).limit(most)).all()]

    def _replace(self, ledger: Ledger, text: str, name: str, mode: Mode, by: str, action: str) -> PolicyVersion:
        now = self._clock.now()
        self._end(ledger, mode, now)
        hashed = hashlib.sha256(text.encode()).hexdigest()
        row = {"name": name, "mode": mode.value, "text": text, "hash": hashed, "activated_at": micros(now), "activated_by": by}
        ledger.connection.execute(policies.insert().values(**row, retired_at=None))
        ledger.append(AuditEntry(at=now, actor=by, action=action, target=hashed, detail={"mode": mode.value, "name": name}))
        return _version(ledger.connection.execute(_current(mode)).one())

    def _end(self, ledger: Ledger, mode: Mode, now: datetime) -> None:
        p = policies.c
        ledger.connection.execute(policies.update().where(p.mode == mode.value, p.retired_at.is_(None)).values(retired_at=micros(now)))


def _columns() -> AnySelect:
    p = policies.c
    return select(p.version, p.name, p.mode, p.text, p.hash, p.activated_at, p.retired_at, p.activated_by)


def _current(mode: Mode) -> AnySelect:
    return _columns().where(policies.c.mode == mode.value, policies.c.retired_at.is_(None))


def _version(row: Any) -> PolicyVersion:
    version, name, mode, text, hashed, activated_at, retired_at, by = row
    return PolicyVersion(
        version=version,
        name=name,
        mode=Mode(mode),
        text=text,
        hash=hashed,
        activated_at=moment(activated_at),
        activated_by=by,
        retired_at=None if retired_at is None else moment(retired_at),
    )
