"""People who come from an identity provider: known by issuer and subject, made at their first arrival, let in once per answer."""

from __future__ import annotations

import hmac
from datetime import timedelta

from sqlalchemy import BigInteger as Big
from sqlalchemy import Column, LargeBinary, Table, delete, insert, select, update

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.reviewer_sessions import SessionStore, Staying
from nightlight.adapters.store.reviewer_tables import reviewers, sessions
from nightlight.adapters.store.reviewers import ID, MOST_NAME
from nightlight.adapters.store.tables import metadata, micros
from nightlight.core.clock import Clock
from nightlight.core.errors import Unauthenticated
from nightlight.core.ports import AuditEntry
from nightlight.core.provider import Claimed

arrivals = Table(
    "reviewer_arrivals",
    metadata,
    # Keyed hash of a state that somebody came back with: it lets nobody in again.
    Column("state_mac", LargeBinary, primary_key=True, nullable=False),
    Column("until", Big, nullable=False),
)
BY = "provider"
REFUSED = "the identity provider's answer does not let you in"


class SqlArrivals:
    def __init__(self, sql: Sql, audit: AuditLog, sealer: Keyring, clock: Clock, staying: Staying) -> None:
        self._audit, self._clock = audit, clock
        self._key = sealer.derive("reviewer-subjects")
        self._held = SessionStore(sql, audit, sealer, clock, staying)

    def use(self, state: str, keep: timedelta) -> None:
        """Once, ever: whoever brings the same answer again, in whichever process, is refused. Raises Unauthenticated."""
        now, a = self._clock.now(), arrivals.c
        mac = hmac.digest(self._key, b"state\0" + state.encode(), "sha256")
        with self._audit.transaction() as ledger:
            ledger.connection.execute(delete(arrivals).where(a.until < micros(now)))
            used = ledger.connection.execute(select(a.until).where(a.state_mac == mac)).first() is not None
            if used:
                ledger.append(_refused("state used before", self._clock))
            else:
                ledger.connection.execute(insert(arrivals).values(state_mac=mac, until=micros(now + keep)))
        if used:
            raise Unauthenticated(REFUSED)

    def refuse(self, why: str) -> None:
        """why: a word of ours, never of what was sent."""
        self._audit.append([_refused(why, self._clock)])

    def let_in(self, who: Claimed, browser: str) -> str:
        """The secret of a session. Raises Unauthenticated for who was disabled here, or whose sign-in name is another person's."""
        refusal = ""
        with self._audit.transaction() as ledger:
            mac = hmac.digest(self._key, f"{who.issuer}\0{who.subject}".encode(), "sha256")
            found = ledger.connection.execute(select(reviewers).where(reviewers.c.subject_mac == mac).with_for_update()).first()
            id = found.id if found is not None else who.id
            if found is None and (refusal := self._cannot_be_made(ledger, who)) == "":
                self._make(ledger, who, mac)
            elif found is not None and found.disabled:
                refusal = "disabled"
            elif found is not None and found.role != who.role:
                self._change_role(ledger, id, who)
            if not refusal:
                secret, session = self._held.begin(ledger.connection, id, browser)
                detail = {"second": "provider"}
                ledger.append(AuditEntry(at=self._clock.now(), actor=f"{who.role}:{id}", action="sign_in", target=session, detail=detail))
                return secret
            ledger.append(_refused(refusal, self._clock, id if found is not None else "unknown"))
        raise Unauthenticated(REFUSED)

    def _cannot_be_made(self, ledger: Ledger, who: Claimed) -> str:
        if not ID.fullmatch(who.id):
            return "sign-in name"
        # Somebody who chose that name at the provider must not become whoever has it here.
        taken = ledger.connection.execute(select(reviewers.c.id).where(reviewers.c.id == who.id)).first()
        return "" if taken is None else "sign-in name taken"

    def _make(self, ledger: Ledger, who: Claimed, mac: bytes) -> None:
        now = self._clock.now()
        name = "".join(c for c in " ".join(who.name.split()) if c.isprintable())[:MOST_NAME] or who.id
        row = {"id": who.id, "name": name, "role": who.role.value, "totp_step": 0, "disabled": False, "created_at": micros(now)}
        ledger.connection.execute(insert(reviewers).values(**row, subject_mac=mac))
        ledger.append(AuditEntry(at=now, actor=BY, action="person.add", target=who.id, detail={"role": who.role.value}))

    def _change_role(self, ledger: Ledger, id: str, who: Claimed) -> None:
        """What the provider says holds; sessions of the role before end."""
        ledger.connection.execute(update(reviewers).where(reviewers.c.id == id).values(role=who.role.value))
        ledger.connection.execute(delete(sessions).where(sessions.c.reviewer == id))
        detail = {"role": who.role.value}
        ledger.append(AuditEntry(at=self._clock.now(), actor=BY, action="person.role", target=id, detail=detail))


def _refused(why: str, clock: Clock, target: str = "unknown") -> AuditEntry:
    return AuditEntry(at=clock.now(), actor="console", action="sign_in.refused", target=target, detail={"provider": why})
