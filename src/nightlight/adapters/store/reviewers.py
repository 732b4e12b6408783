"""Reviewers' accounts: made, enrolled, signed in and taken back. Sessions are in `reviewer_sessions`."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pyotp
from sqlalchemy import Connection, delete, func, insert, select, update

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.reviewer_secrets import RECOVERY_CODES, Passwords, check_password, new_code, read_code, totp_step
from nightlight.adapters.store.reviewer_sessions import SessionStore, Staying
from nightlight.adapters.store.reviewer_tables import recovery_codes, reviewers, sessions
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.clock import Clock
from nightlight.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from nightlight.core.ports import AuditEntry
from nightlight.core.reviewers import Enrolment, Person, Session, SignedIn
from nightlight.core.staff import Role

ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?")
MOST_NAME = 100
ENROL_FOR = timedelta(days=7)
ISSUER = "Nightlight"
_REFUSED = "the sign-in name, the password or the code is not right"
_NO_CODE = "this code is unknown, used or too old: ask for a new one"


class SqlReviewers:
    """Fills `core.reviewers.ReviewerService`. Safe to use from several threads."""

    def __init__(
        self,
        sql: Sql,
        audit: AuditLog,
        sealer: Keyring,
        clock: Clock,
        *,
        staying: Staying | None = None,
        passwords: Passwords | None = None,
    ) -> None:
        self._sql, self._audit, self._sealer, self._clock = sql, audit, sealer, clock
        self._pepper = sealer.derive("reviewer-codes")
        self._given = passwords
        self._held = SessionStore(sql, audit, sealer, clock, staying or Staying())

    # -- people --------------------------------------------------------------------------------------------------------------------

    def add(self, id: str, name: str, role: Role, by: str) -> tuple[Person, str]:
        id, name = id.strip().casefold(), " ".join(name.split())
        if not ID.fullmatch(id):
            raise Invalid("1 to 40 of a-z, 0-9, dot, hyphen and underscore, with a letter or digit at both ends", field="id")
        if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
            raise Invalid(f"1 to {MOST_NAME} characters", field="name")
        code, now = new_code(), self._clock.now()
        with self._audit.transaction() as ledger:
            if self._find(ledger.connection, id) is not None:
                raise Conflict("somebody has this name, or had it: the audit must not mistake one for the other", field="id")
            row = {
                "id": id,
                "name": name,
                "role": Role(role).value,
                "totp_step": 0,
                "disabled": False,
                "created_at": micros(now),
                **self._enrolling(code),
            }
            ledger.connection.execute(insert(reviewers).values(row))
            ledger.append(AuditEntry(at=now, actor=by, action="person.add", target=id, detail={"role": row["role"]}))
            return self._one(ledger.connection, id), code

    def reset(self, id: str, by: str) -> tuple[Person, str]:
        code, now = new_code(), self._clock.now()
        with self._audit.transaction() as ledger:
            found = self._known(ledger.connection, id)
            if found.subject_mac is not None:
                raise Conflict("they sign in at the identity provider: what they sign in with is reset there", field="id")
            cleared = {"password": None, "totp_key": None, **self._enrolling(code)}
            ledger.connection.execute(update(reviewers).where(reviewers.c.id == found.id).values(cleared))
            ledger.connection.execute(delete(recovery_codes).where(recovery_codes.c.reviewer == found.id))
            ledger.connection.execute(delete(sessions).where(sessions.c.reviewer == found.id))
            ledger.append(AuditEntry(at=now, actor=by, action="person.reset", target=found.id))
            return self._one(ledger.connection, found.id), code

    def set_role(self, id: str, role: Role, by: str) -> Person:
        return self._change(id, by, "person.role", {"role": Role(role).value})

    def set_disabled(self, id: str, disabled: bool, by: str) -> Person:
        return self._change(id, by, "person.disable" if disabled else "person.enable", {"disabled": disabled})

    def _change(self, id: str, by: str, action: str, values: dict[str, Any]) -> Person:
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            found = self._known(ledger.connection, id)
            if all(getattr(found, name) == value for name, value in values.items()):
                return self._one(ledger.connection, found.id)
            stays = values.get("role", found.role) == Role.ADMINISTRATOR and not values.get("disabled", found.disabled)
            if found.role == Role.ADMINISTRATOR and not stays and self._administrators(ledger.connection) == {found.id}:
                raise Conflict("this is the last administrator who can sign in: make another first", field="id")
            ledger.connection.execute(update(reviewers).where(reviewers.c.id == found.id).values(values))
            ledger.connection.execute(delete(sessions).where(sessions.c.reviewer == found.id))
            ledger.append(AuditEntry(at=now, actor=by, action=action, target=found.id, detail=values))
            return self._one(ledger.connection, found.id)

    def people(self) -> Sequence[Person]:
        with self._sql.read() as connection:
            return self._people(connection)

    def describe(self, ids: Sequence[str]) -> dict[str, Person]:
        with self._sql.read() as connection:
            return {one.id: one for one in self._people(connection, reviewers.c.id.in_(list(ids)[:1000]))}

    # -- enrolment -----------------------------------------------------------------------------------------------------------------

    def enrolment(self, code: str) -> Enrolment:
        with self._sql.read() as connection:
            found = self._enrolled_by(connection, code)
            person = self._one(connection, found.id)
        key = self._sealer.open(bytes(found.totp_key), _context(found.id)).decode() if found.totp_key else self._first_key(code)
        return Enrolment(person=person, key=key, uri=pyotp.TOTP(key).provisioning_uri(name=person.id, issuer_name=ISSUER))

    def enrol(self, code: str, password: str, totp: str) -> tuple[Person, tuple[str, ...]]:
        shown = self.enrolment(code)
        check_password(password, id=shown.person.id, name=shown.person.name)
        now = self._clock.now()
        step = totp_step(shown.key, _digits(totp), now, 0)
        if step is None:
            raise Invalid("this is not the code that the authenticator shows now", field="code")
        hashed = self._passwords.hash(password)
        codes = tuple(new_code(groups=2) for _ in range(RECOVERY_CODES))
        with self._audit.transaction() as ledger:
            found = self._enrolled_by(ledger.connection, code)  # asked again: of two that used the code at once one comes in
            values = {
                "password": hashed,
                "totp_key": self._sealer.seal(shown.key.encode(), _context(found.id)),
                "totp_step": step,
                "enrol_mac": None,
                "enrol_until": None,
            }
            ledger.connection.execute(update(reviewers).where(reviewers.c.id == found.id).values(values))
            rows = [{"reviewer": found.id, "code_mac": self._mac(found.id, one)} for one in codes]
            ledger.connection.execute(delete(recovery_codes).where(recovery_codes.c.reviewer == found.id))
            ledger.connection.execute(insert(recovery_codes), rows)
            ledger.append(AuditEntry(at=now, actor=f"{found.role}:{found.id}", action="person.enrol", target=found.id))
            return self._one(ledger.connection, found.id), codes

    def _first_key(self, code: str) -> str:
        """Of the code itself: the page may be shown again, and nothing is kept before somebody proves that they have it."""
        derived = hmac.digest(self._sealer.derive("reviewer-authenticators"), read_code(code).encode(), "sha256")
        return base64.b32encode(derived[:20]).decode()  # RFC 4226, section 4: 160 bits

    def _enrolled_by(self, connection: Connection, code: str) -> Any:
        r = reviewers.c
        wanted = (r.enrol_mac == self._mac("enrol", code)) & (r.enrol_until > micros(self._clock.now())) & r.disabled.is_(False)
        found = connection.execute(select(reviewers).where(wanted)).first()
        if found is None:
            raise Unauthenticated(_NO_CODE)
        return found

    def _enrolling(self, code: str) -> dict[str, Any]:
        return {"enrol_mac": self._mac("enrol", code), "enrol_until": micros(self._clock.now() + ENROL_FOR)}

    # -- sign-in -------------------------------------------------------------------------------------------------------------------

    def sign_in(self, id: str, password: str, code: str, browser: str = "") -> str:
        with self._sql.read() as connection:
            found = self._find(connection, id)
        able = found if found is not None and found.password is not None and not found.disabled else None
        fits = self._passwords.fits(able.password if able else None, password)
        # Compared for nobody too, against a key that nobody has: what is missing shows neither in words nor in time.
        whose = able.id if able else "nobody"
        key = self._sealer.open(bytes(able.totp_key), _context(whose)).decode() if able else self._first_key(whose)
        now = self._clock.now()
        step = totp_step(key, _digits(code), now, able.totp_step if able else 0)
        recovery = self._mac(whose, code)
        if able and fits:
            with self._audit.transaction() as ledger:
                if self._second_factor(ledger.connection, whose, step, recovery):
                    how = "totp" if step is not None else "recovery"
                    secret, session = self._held.begin(ledger.connection, whose, browser)
                    actor = f"{able.role}:{whose}"
                    ledger.append(AuditEntry(at=now, actor=actor, action="sign_in", target=session, detail={"second": how}))
                    return secret
        # What was typed stands nowhere: people type passwords into the wrong field.
        target = found.id if found is not None else "unknown"
        self._audit.append([AuditEntry(at=now, actor="console", action="sign_in.refused", target=target)])
        raise Unauthenticated(_REFUSED)

    def _second_factor(self, connection: Connection, id: str, step: int | None, recovery: bytes) -> bool:
        """Uses up the code, in the transaction: of two that come with the same one, one is refused."""
        r, c = reviewers.c, recovery_codes.c
        holds = (r.id == id) & r.disabled.is_(False) & r.password.is_not(None)
        if connection.execute(select(r.id).where(holds)).first() is None:
            return False
        if step is not None:
            used = connection.execute(update(reviewers).where(r.id == id, r.totp_step < step).values(totp_step=step))
        else:
            used = connection.execute(delete(recovery_codes).where(c.reviewer == id, c.code_mac == recovery))
        return used.rowcount == 1

    # -- sessions ------------------------------------------------------------------------------------------------------------------

    def session(self, secret: str) -> SignedIn | None:
        held = self._held.find(secret)
        if held is None:
            return None
        session, csrf, row = held
        return SignedIn(person=_person(row, 0), session=session, csrf=csrf)

    def sign_out(self, secret: str) -> None:
        self._held.end(secret)

    def sessions(self, person: str | None = None) -> Sequence[Session]:
        return self._held.list(person)

    def revoke(self, session: str, by: str) -> None:
        self._held.revoke(session, by)

    # -- rows ----------------------------------------------------------------------------------------------------------------------

    @property
    def _passwords(self) -> Passwords:
        # Made when it is first needed: its dummy hash takes as long as a sign-in, and most commands sign nobody in.
        if self._given is None:
            self._given = Passwords()
        return self._given

    def _mac(self, whose: str, code: str) -> bytes:
        return hmac.digest(self._pepper, f"{whose}\0{read_code(code)}".encode(), "sha256")

    def _find(self, connection: Connection, id: str) -> Any:
        id = id.strip().casefold()
        if not ID.fullmatch(id):
            return None
        return connection.execute(select(reviewers).where(reviewers.c.id == id)).first()

    def _known(self, connection: Connection, id: str) -> Any:
        found = self._find(connection, id)
        if found is None:
            raise NotFound("nobody has this sign-in name", field="id")
        return found

    def _administrators(self, connection: Connection) -> set[str]:
        r = reviewers.c
        able = (r.role == Role.ADMINISTRATOR.value) & r.disabled.is_(False) & (r.password.is_not(None) | r.subject_mac.is_not(None))
        return set(connection.execute(select(r.id).where(able)).scalars())

    def _one(self, connection: Connection, id: str) -> Person:
        return self._people(connection, reviewers.c.id == id)[0]

    def _people(self, connection: Connection, where: Any = None) -> list[Person]:
        counted = select(recovery_codes.c.reviewer, func.count()).group_by(recovery_codes.c.reviewer)
        left: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
        wanted = select(reviewers).order_by(reviewers.c.id)
        rows = connection.execute(wanted if where is None else wanted.where(where)).all()
        return [_person(row, left.get(row.id, 0)) for row in rows]


def _person(row: Any, codes: int) -> Person:
    return Person(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        created_at=moment(row.created_at),
        enrolled=row.password is not None or row.subject_mac is not None,
        disabled=row.disabled,
        recovery_codes=codes,
    )


def _context(id: str) -> str:
    return f"reviewer:{id}"


def _digits(code: str) -> str:
    """As authenticators show it: `123 456`."""
    return "".join(code[:20].split())
