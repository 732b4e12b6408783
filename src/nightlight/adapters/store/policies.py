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
from nightlight.core.errors import Conflict, NotFound
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

    def activate(self, text: str, mode: Mode, by: str, *, name: str = "", reason: str = "") -> PolicyVersion:
        """In force from now on; the one before it retires. A text that is in force already stays as it is."""
        with self._audit.transaction() as ledger:
            current = ledger.connection.execute(_current(mode)).first()
            if current is not None and current.text == text and current.name == name:
                return _version(current)
            return self._replace(ledger, text, name, mode, by, "policy.activate", reason)

    def promote(self, by: str, *, expected: str, reason: str = "") -> PolicyVersion:
        """What runs in shadow goes live, and shadow ends, both or neither.

        expected: the hash of what is to run in shadow; raises Conflict where another set does, or none.
        """
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            shadow = _expected(ledger, Mode.SHADOW, expected)
            self._end(ledger, Mode.SHADOW, now)
            ledger.append(_entry(now, by, "policy.retire", shadow.hash, Mode.SHADOW, reason))
            return self._replace(ledger, shadow.text, shadow.name, Mode.LIVE, by, "policy.activate", reason)

    def rollback(self, mode: Mode, by: str, *, expected: str | None = None, reason: str = "") -> PolicyVersion:
        """The text before the current one comes back, as a new version. Raises NotFound where there is none.

        expected: as in `promote`; None: whatever is in force.
        """
        with self._audit.transaction() as ledger:
            if expected is not None:
                _expected(ledger, mode, expected)
            current = ledger.connection.execute(_current(mode)).first()
            if current is None:
                raise NotFound(f"no {mode} policy is in force", field="mode")
            previous = ledger.connection.execute(_before(current, mode)).first()
            if previous is None:
                raise NotFound(f"there is no earlier {mode} policy", field="mode")
            return self._replace(ledger, previous.text, previous.name, mode, by, "policy.rollback", reason)

    def retire(self, mode: Mode, by: str, *, expected: str | None = None, reason: str = "") -> None:
        """Nothing is in force in that mode any more; for ending a shadow run. Raises NotFound; `expected` as in `promote`."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            if expected is not None:
                _expected(ledger, mode, expected)
            current = ledger.connection.execute(_current(mode)).first()
            if current is None:
                raise NotFound(f"no {mode} policy is in force", field="mode")
            self._end(ledger, mode, now)
            ledger.append(_entry(now, by, "policy.retire", current.hash, mode, reason))

    def earlier(self, mode: Mode = Mode.LIVE) -> PolicyVersion | None:
        """What `rollback` would bring back."""
        with self._sql.read() as connection:
            current = connection.execute(_current(mode)).first()
            previous = None if current is None else connection.execute(_before(current, mode)).first()
        return None if previous is None else _version(previous)

    def current(self, mode: Mode = Mode.LIVE) -> PolicyVersion | None:
        with self._sql.read() as connection:
            found = connection.execute(_current(mode)).first()
        return None if found is None else _version(found)

    def versions(self, most: int = 100) -> Sequence[PolicyVersion]:
        """Newest first."""
        with self._sql.read() as connection:
            return [_version(row) for row in connection.execute(_columns().order_by(policies.c.version.desc()).limit(most)).all()]

    def _replace(self, ledger: Ledger, text: str, name: str, mode: Mode, by: str, action: str, reason: str) -> PolicyVersion:
        now = self._clock.now()
        self._end(ledger, mode, now)
        hashed = hashlib.sha256(text.encode()).hexdigest()
        row = {"name": name, "mode": mode.value, "text": text, "hash": hashed, "activated_at": micros(now), "activated_by": by}
        ledger.connection.execute(policies.insert().values(**row, retired_at=None))
        ledger.append(_entry(now, by, action, hashed, mode, reason, name=name))
        return _version(ledger.connection.execute(_current(mode)).one())

    def _end(self, ledger: Ledger, mode: Mode, now: datetime) -> None:
        p = policies.c
        ledger.connection.execute(policies.update().where(p.mode == mode.value, p.retired_at.is_(None)).values(retired_at=micros(now)))


def _entry(at: datetime, by: str, action: str, target: str, mode: Mode, reason: str, **more: str) -> AuditEntry:
    told = {"reason": reason} if reason else {}
    return AuditEntry(at=at, actor=by, action=action, target=target, detail={"mode": mode.value, **more, **told})


def _expected(ledger: Ledger, mode: Mode, hashed: str) -> Any:
    """Raises Conflict where another set is in force than whoever asks was shown."""
    current = ledger.connection.execute(_current(mode).with_for_update()).first()
    if current is None or current.hash != hashed:
        raise Conflict("the rules changed meanwhile: look at them again", field=mode.value)
    return current


def _before(current: Any, mode: Mode) -> AnySelect:
    p = policies.c
    earlier = _columns().where(p.mode == mode.value, p.version < current.version, p.hash != current.hash)
    return earlier.order_by(p.version.desc()).limit(1)


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
