"""API keys: `nl_<id>_<random>`, shown once and stored as a keyed hash."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from threading import Lock

from sqlalchemy import bindparam, select

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.prepared import Prepared
from nightlight.adapters.store.tables import api_keys, micros, moment
from nightlight.core.clock import Clock
from nightlight.core.errors import Invalid, NotFound, Unauthenticated
from nightlight.core.ports import AuditEntry
from nightlight.core.services import Caller, KeyInfo, Scope

CACHE_S = 0.5
"""How long a good key is believed without asking the database again: a revocation acts within this everywhere."""
_MOST_CACHED = 10_000
_MOST_NAME = 100
_ID_BYTES = 6
_SECRET_BYTES = 32
_LONGEST = 200


class SqlKeys:
    """Fills `core.services.KeyService`. Safe to use from several threads.

    The stored hash is HMAC-SHA256, not argon2: a slow hash makes guessing dear where people choose passwords, and a secret of 256
    random bits cannot be guessed at any speed. It is checked on every request, so slow would be a gift to whoever floods us.
    """

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Keyring, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sql, self._audit, self._clock, self._monotonic = sql, audit, clock, monotonic
        self._pepper = sealer.derive("api-keys")
        self._lock = Lock()
        self._cache: dict[bytes, tuple[float, Caller]] = {}
        k = api_keys.c
        held = select(k.id, k.name, k.scopes, k.rate_per_minute, k.hash).where(k.id == bindparam("id"), k.revoked_at.is_(None))
        self._find = Prepared(sql, held)

    def create(self, name: str, scopes: Sequence[Scope], by: str, rate_per_minute: int = 6000) -> tuple[Caller, str]:
        """A new key and its secret, which nobody can read again. Raises Invalid."""
        if not 1 <= len(name.strip()) <= _MOST_NAME:
            raise Invalid(f"a key needs a name of 1 to {_MOST_NAME} characters", field="name")
        if not scopes:
            raise Invalid("a key without a scope could do nothing", field="scopes")
        if rate_per_minute < 1:
            raise Invalid("the rate must be at least one request a minute", field="rate_per_minute")
        caller = Caller(id=secrets.token_hex(_ID_BYTES), name=name, scopes=frozenset(scopes), rate_per_minute=rate_per_minute)
        secret = f"nl_{caller.id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
        granted = " ".join(sorted(caller.scopes))
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            row = {"id": caller.id, "name": name, "scopes": granted, "rate_per_minute": rate_per_minute}
            ledger.connection.execute(api_keys.insert().values(**row, hash=self._hash(secret), created_at=micros(now)))
            detail: dict[str, str | int | float | bool | None] = {"name": name, "scopes": granted, "rate_per_minute": rate_per_minute}
            ledger.append(AuditEntry(at=now, actor=by, action="key.create", target=caller.id, detail=detail))
        return caller, secret

    def revoke(self, key_id: str, by: str) -> None:
        """Raises NotFound. Revoking a revoked key changes nothing."""
        now = self._clock.now()
        k = api_keys.c
        with self._audit.transaction() as ledger:
            found = ledger.connection.execute(select(k.id, k.revoked_at).where(k.id == key_id)).first()
            if found is None:
                raise NotFound("no such key", field="key_id")
            if found.revoked_at is None:
                ledger.connection.execute(api_keys.update().where(k.id == key_id).values(revoked_at=micros(now)))
                ledger.append(AuditEntry(at=now, actor=by, action="key.revoke", target=key_id))
        with self._lock:
            self._cache.clear()

    def keys(self) -> Sequence[KeyInfo]:
        k = api_keys.c
        columns = select(k.id, k.name, k.scopes, k.rate_per_minute, k.created_at, k.revoked_at)
        with self._sql.read() as connection:
            found = connection.execute(columns.order_by(k.created_at, k.id)).all()
        return [
            KeyInfo(
                id=id,
                name=name,
                scopes=_scopes(scopes),
                rate_per_minute=rate,
                created_at=moment(created),
                revoked_at=None if revoked is None else moment(revoked),
            )
            for id, name, scopes, rate, created, revoked in found
        ]

    def authenticate(self, secret: str) -> Caller:
        """Raises Unauthenticated, in the same words whatever is wrong."""
        if len(secret) > _LONGEST or not secret.isascii():
            raise _unknown()
        hashed = self._hash(secret)  # the cache never holds a secret either
        now = self._monotonic()
        with self._lock:
            cached = self._cache.get(hashed)
        if cached is not None and now < cached[0]:
            return cached[1]
        caller = self._look_up(secret, hashed)
        with self._lock:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            # Counted from before the look-up: a revocation that came during it is not outlived.
            self._cache[hashed] = (now + CACHE_S, caller)
        return caller

    def _look_up(self, secret: str, hashed: bytes) -> Caller:
        parts = secret.split("_", 2)
        if len(parts) != 3 or parts[0] != "nl" or "\0" in parts[1]:
            raise _unknown()
        with self._sql.read() as connection:
            found = self._find.first(connection, id=parts[1])
        # Compared even where there is no such key, so that the time taken does not tell which ids exist.
        if not hmac.compare_digest(bytes(found.hash) if found is not None else bytes(32), hashed) or found is None:
            raise _unknown()
        return Caller(id=found.id, name=found.name, scopes=frozenset(_scopes(found.scopes)), rate_per_minute=found.rate_per_minute)

    def _hash(self, secret: str) -> bytes:
        return hmac.digest(self._pepper, secret.encode(), "sha256")


def _scopes(stored: str) -> tuple[Scope, ...]:
    return tuple(Scope(s) for s in stored.split())


def _unknown() -> Unauthenticated:
    return Unauthenticated("this API key is unknown or revoked")
