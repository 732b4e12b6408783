"""Sessions of reviewers: kept here, so that one can be ended from elsewhere. The browser holds a random secret and nothing else."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.reviewer_tables import reviewers, sessions
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.clock import Clock
from nightlight.core.errors import NotFound
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry
from nightlight.core.reviewers import Session

SEEN_EVERY = timedelta(minutes=1)
"""How often it is written down that a session is in use: not at every click, which would be a write each."""
MOST_BROWSER = 80


class Staying(Struct, frozen=True, kw_only=True):
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=10)
    """A shift. OWASP's session management cheat sheet: both limits, held by the server."""


class SessionStore:
    def __init__(self, sql: Sql, audit: AuditLog, sealer: Keyring, clock: Clock, staying: Staying) -> None:
        self._sql, self._audit, self._clock, self._staying = sql, audit, clock, staying
        self._key = sealer.derive("reviewer-sessions")

    def begin(self, connection: Connection, reviewer: str, browser: str) -> tuple[str, str]:
        """The secret and the id of a new one, in the caller's transaction. Those of everybody that are over go with it."""
        secret, id, now = secrets.token_urlsafe(32), new_id("session"), self._clock.now()
        connection.execute(delete(sessions).where(~self._holds(now)))
        row = {"id": id, "secret_mac": self._mac(secret), "reviewer": reviewer, "created_at": micros(now), "seen_at": micros(now)}
        connection.execute(insert(sessions).values(**row, browser=_plain(browser)))
        return secret, id

    def find(self, secret: str) -> tuple[str, str, Any] | None:
        """Id, CSRF token and the reviewer's row."""
        if not 20 <= len(secret) <= 200 or not secret.isascii():
            return None
        now, s, r = self._clock.now(), sessions.c, reviewers.c
        wanted = select(s.id.label("session"), s.seen_at, *reviewers.c).join_from(sessions, reviewers, s.reviewer == r.id)
        able = r.disabled.is_(False) & (r.password.is_not(None) | r.subject_mac.is_not(None))
        with self._sql.read() as connection:
            row = connection.execute(wanted.where(s.secret_mac == self._mac(secret), self._holds(now), able)).first()
        if row is None:
            return None
        if micros(now) - row.seen_at >= SEEN_EVERY // timedelta(microseconds=1):
            with self._sql.write() as connection:
                connection.execute(update(sessions).where(s.id == row.session).values(seen_at=micros(now)))
        return row.session, self.csrf(secret), row

    def csrf(self, secret: str) -> str:
        """Follows from the secret, so that nothing more is kept, and tells nothing of it."""
        return hmac.digest(self._key, b"csrf\0" + secret.encode(), "sha256").hex()

    def end(self, secret: str) -> None:
        now, s = self._clock.now(), sessions.c
        with self._audit.transaction() as ledger:
            row = ledger.connection.execute(
                select(s.id, s.reviewer, reviewers.c.role)
                .join_from(sessions, reviewers, s.reviewer == reviewers.c.id)
                .where(s.secret_mac == self._mac(secret))
            ).first()
            if row is None:
                return
            ledger.connection.execute(delete(sessions).where(s.id == row.id))
            ledger.append(AuditEntry(at=now, actor=f"{row.role}:{row.reviewer}", action="sign_out", target=row.id))

    def revoke(self, id: str, by: str) -> None:
        now, s = self._clock.now(), sessions.c
        with self._audit.transaction() as ledger:
            row = ledger.connection.execute(select(s.reviewer).where(s.id == id)).first()
            if row is None:
                raise NotFound("there is no such session", field="session")
            ledger.connection.execute(delete(sessions).where(s.id == id))
            ledger.append(AuditEntry(at=now, actor=by, action="session.revoke", target=id, detail={"person": row.reviewer}))

    def list(self, reviewer: str | None) -> Sequence[Session]:
        s = sessions.c
        wanted = select(sessions).where(self._holds(self._clock.now())).order_by(s.seen_at.desc(), s.id).limit(1000)
        with self._sql.read() as connection:
            rows = connection.execute(wanted if reviewer is None else wanted.where(s.reviewer == reviewer)).all()
        return [
            Session(
                id=row.id,
                person=row.reviewer,
                created_at=moment(row.created_at),
                seen_at=moment(row.seen_at),
                ends_at=moment(row.created_at) + self._staying.longest,
                browser=row.browser,
            )
            for row in rows
        ]

    def _holds(self, now: datetime) -> Any:
        s = sessions.c
        return (s.seen_at > micros(now - self._staying.idle)) & (s.created_at > micros(now - self._staying.longest))

    def _mac(self, secret: str) -> bytes:
        return hmac.digest(self._key, b"secret\0" + secret.encode(), "sha256")


def _plain(browser: str) -> str:
    return "".join(c for c in browser if c.isprintable())[:MOST_BROWSER]
