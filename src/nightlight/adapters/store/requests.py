"""`SqlRequests`: what authorities ask for, and what people did about it. Each change is kept together with its entry of the audit."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, Table, or_, select

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store.desk.base import words as desk_words
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import CASES, AuditLog, Ledger
from nightlight.adapters.store.request_tables import emergencies, preservations
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import cases, micros, moment
from nightlight.adapters.store.vault_tables import vault_destructions
from nightlight.core.clock import Clock
from nightlight.core.errors import Conflict, Denied, Invalid, NotFound
from nightlight.core.ids import Pseudonymiser, new_id
from nightlight.core.ports import AuditEntry
from nightlight.core.requests import (
    ANSWER_WITHIN,
    MOST_PRESERVE_DAYS,
    PRESERVE_DAYS,
    Disclosed,
    Disclosure,
    Emergency,
    EmergencyState,
    Preservation,
    PreservationState,
    Renewal,
    same_person,
)

MOST_WORDS = 4000
MOST_LINE = 200
MOST_PAGE = 1000
MOST_RENEWALS = 100
MOST_DISCLOSURES = 100
_p, _e = preservations.c, emergencies.c
_preservation = msgspec.msgpack.Decoder(Preservation).decode
_emergency = msgspec.msgpack.Decoder(Emergency).decode


class SqlRequests:
    """Fills `core.requests.RequestDesk`. Safe to use from several threads and processes."""

    def __init__(self, sql: Sql, audit: AuditLog, keys: Keyring, clock: Clock, pseudonymiser: Pseudonymiser) -> None:
        self._sql, self._audit, self._sealer, self._clock, self._pseudonym = sql, audit, keys, clock, pseudonymiser
        self._key = keys.derive("requests")

    # -- preservation --------------------------------------------------------------------------------------------------------------

    def preserve(
        self,
        by: str,
        *,
        authority: str,
        reference: str,
        case: str | None = None,
        account: str | None = None,
        days: int = PRESERVE_DAYS,
        law: str = "",
        note: str = "",
    ) -> Preservation:
        now = self._clock.now()
        asked = Preservation(
            id=new_id("preservation"),
            authority=line(authority, "authority"),
            reference=line(reference, "reference"),
            law=line(law, "law", least=0),
            at=now,
            by=by,
            until=now + _days(days),
            case=case,
            account=self._account(case, account),
            note=words(note, "note", least=0),
        )
        with self._audit.transaction(CASES) as ledger:
            return self._preserve(ledger, asked)

    def _preserve(self, ledger: Ledger, asked: Preservation) -> Preservation:
        _must_be_there(ledger.connection, asked.case, destroyed=True)
        once = self._once(asked)
        known = ledger.connection.execute(
            select(_p.id, _p.sealed).where(_p.once_mac == once, _p.state == PreservationState.ACTIVE.value)
        ).first()
        if known is not None:  # told twice
            return _preservation(self._sealer.open(bytes(known.sealed), f"preservation:{known.id}"))
        row = {"id": asked.id, "case_id": asked.case, "account": asked.account, "once_mac": once}
        ledger.connection.execute(preservations.insert().values(**row, **self._preserved_row(asked)))
        detail = {"preservation": asked.id, "until": asked.until.isoformat(), "reference": asked.reference, "authority": asked.authority}
        ledger.append(_entry(asked.at, asked.by, "preservation.begin", asked.case or asked.account or asked.id, detail))
        return asked

    def renew(self, id: str, by: str, *, reference: str, days: int = PRESERVE_DAYS) -> Preservation:
        reference, longer = line(reference, "reference"), _days(days)

        def again(found: Preservation, now: datetime) -> Preservation:
            if found.state is PreservationState.RELEASED:
                raise Conflict("it was released: a new request is a new one", field="id")
            if len(found.renewals) >= MOST_RENEWALS:
                raise Conflict(f"renewed {MOST_RENEWALS} times: use a legal hold", field="id")
            until = max(found.until, now + longer)
            renewal = Renewal(at=now, by=by, reference=reference, until=until)
            return replace(
                found,
                state=PreservationState.ACTIVE,
                until=until,
                renewals=(*found.renewals, renewal),
                ended_at=None,
                ended_by="",
            )

        return self._change(id, by, "preservation.renew", again, reference=reference)

    def release(self, id: str, by: str, why: str) -> Preservation:
        why = words(why, "why")

        def end(found: Preservation, now: datetime) -> Preservation:
            if found.state is not PreservationState.ACTIVE:
                raise Conflict(f"it is {found.state} already", field="id")
            return replace(found, state=PreservationState.RELEASED, ended_at=now, ended_by=by, why=why)

        return self._change(id, by, "preservation.release", end)

    def preservation(self, id: str) -> Preservation:
        with self._sql.read() as connection:
            return _preservation(self._opened(connection, preservations, id, "preservation"))

    def preservations(self, state: PreservationState | None = None, *, after: str | None = None, most: int = 100) -> Sequence[Preservation]:
        return [_preservation(raw) for raw in self._page(preservations, "preservation", state, after, most)]

    def preserved(self, case: str) -> Sequence[Preservation]:
        actor = select(cases.c.actor).where(cases.c.id == case)
        held = select(_p.id, _p.sealed).where(_p.state == PreservationState.ACTIVE.value, or_(_p.case_id == case, _p.account.in_(actor)))
        with self._sql.read() as connection:
            found = connection.execute(held.order_by(_p.id)).all()
        return [_preservation(self._sealer.open(bytes(row.sealed), f"preservation:{row.id}")) for row in found]

    def expire(self, now: datetime) -> int:
        due = select(_p.id).where(_p.state == PreservationState.ACTIVE.value, _p.until <= micros(now)).order_by(_p.until).limit(500)
        done = 0
        while True:
            with self._sql.read() as connection:
                ids = connection.execute(due).scalars().all()
            for id in ids:
                done += self._end(id, now)
            if not ids:
                return done

    def _end(self, id: str, now: datetime) -> bool:
        def end(found: Preservation, _: datetime) -> Preservation:
            if found.state is not PreservationState.ACTIVE or found.until > now:
                return found  # renewed, or ended, just now
            return replace(found, state=PreservationState.EXPIRED, ended_at=now, ended_by="system")

        return self._change(id, "system", "preservation.expire", end).state is PreservationState.EXPIRED

    def _change(self, id: str, by: str, action: str, change: Callable[[Preservation, datetime], Preservation], **more: str) -> Preservation:
        now = self._clock.now()
        with self._audit.transaction(CASES) as ledger:
            found = _preservation(self._opened(ledger.connection, preservations, id, "preservation", lock=True))
            changed = change(found, now)
            if changed == found:
                return found
            if changed.state is PreservationState.ACTIVE and found.state is not PreservationState.ACTIVE:
                _must_be_there(ledger.connection, changed.case, destroyed=True)
                twin = select(_p.id).where(_p.once_mac == self._once(changed), _p.state == PreservationState.ACTIVE.value)
                if ledger.connection.execute(twin).first() is not None:
                    raise Conflict("the same request is active under another id", field="id")
            ledger.connection.execute(preservations.update().where(_p.id == id).values(**self._preserved_row(changed)))
            detail = {"preservation": id, "state": changed.state.value, "until": changed.until.isoformat(), **more}
            ledger.append(_entry(now, by, action, changed.case or changed.account or id, detail))
        return changed

    def _preserved_row(self, one: Preservation) -> dict[str, Any]:
        ended = None if one.ended_at is None else micros(one.ended_at)
        sealed = self._sealer.seal(pack(one), f"preservation:{one.id}")
        return {"state": one.state.value, "until": micros(one.until), "ended_at": ended, "sealed": sealed}

    def _once(self, asked: Preservation) -> bytes:
        told = msgspec.json.encode([asked.authority, asked.reference, asked.case, asked.account])
        return hmac.digest(self._key, b"preservation\0" + told, "sha256")

    # -- emergencies ---------------------------------------------------------------------------------------------------------------

    def emergency(
        self,
        by: str,
        *,
        authority: str,
        reference: str,
        contact: str,
        danger: str,
        case: str | None = None,
        account: str | None = None,
    ) -> Emergency:
        now = self._clock.now()
        made = Emergency(
            id=new_id("emergency"),
            authority=line(authority, "authority"),
            reference=line(reference, "reference"),
            contact=line(contact, "contact"),
            danger=words(danger, "danger"),
            at=now,
            by=by,
            due_at=now + ANSWER_WITHIN,
            case=case,
            account=self._account(case, account),
        )
        keep = Preservation(
            id=new_id("preservation"),
            authority=made.authority,
            reference=made.reference,
            law="emergency request",
            at=now,
            by=by,
            until=now + _days(PRESERVE_DAYS),
            case=made.case,
            account=made.account,
        )
        with self._audit.transaction(CASES) as ledger:
            _must_be_there(ledger.connection, case, destroyed=False)
            row = {"id": made.id, "case_id": made.case, "account": made.account}
            ledger.connection.execute(emergencies.insert().values(**row, **self._emergency_row(made)))
            detail = {"emergency": made.id, "authority": made.authority, "reference": made.reference}
            ledger.append(_entry(now, by, "emergency.ask", made.case or made.account or made.id, detail))
            if case is None or not _destroyed(ledger.connection, case):  # what is gone cannot be kept, and somebody is in danger
                self._preserve(ledger, keep)
        return made

    def decide(self, id: str, by: str, *, approve: bool, why: str) -> Emergency:
        why = words(why, "why")
        if not isinstance(approve, bool):
            raise Invalid("yes or no", field="approve")

        def judge(found: Emergency, now: datetime) -> Emergency:
            if found.state is not EmergencyState.WAITING:
                raise Conflict(f"it is {found.state} already", field="id")
            if same_person(found.by, by):
                raise Denied("who wrote the request down does not decide it: it takes another person", field="by")
            state = EmergencyState.APPROVED if approve else EmergencyState.REFUSED
            return replace(found, state=state, decided_at=now, decided_by=by, why=why)

        return self._move(id, by, "emergency.decide", judge, approve=approve)

    def disclosed(self, id: str, by: str, *, to: str, kinds: Sequence[Disclosed], what: str) -> Emergency:
        to, what = line(to, "to"), words(what, "what")
        try:
            told = tuple(dict.fromkeys(Disclosed(kind) for kind in kinds))
        except ValueError:
            raise Invalid(f"one of: {', '.join(Disclosed)}", field="kinds") from None
        if not told:
            raise Invalid("say which kinds of records were told", field="kinds")

        def tell(found: Emergency, now: datetime) -> Emergency:
            if found.state not in (EmergencyState.APPROVED, EmergencyState.DISCLOSED):
                raise Conflict(f"nothing may be told: it is {found.state}", field="id")
            if len(found.disclosures) >= MOST_DISCLOSURES:
                raise Conflict(f"it has {MOST_DISCLOSURES} disclosures already", field="id")
            disclosure = Disclosure(at=now, by=by, to=to, kinds=told, what=what)
            return replace(found, state=EmergencyState.DISCLOSED, disclosures=(*found.disclosures, disclosure))

        return self._move(id, by, "emergency.disclose", tell, kinds=",".join(told))

    def get_emergency(self, id: str, by: str) -> Emergency:
        with self._audit.transaction(CASES) as ledger:
            found = _emergency(self._opened(ledger.connection, emergencies, id, "emergency"))
            ledger.append(_entry(self._clock.now(), by, "emergency.read", found.case or found.account or id, {"emergency": id}))
        return found

    def emergencies(
        self, by: str, state: EmergencyState | None = None, *, after: str | None = None, most: int = 100
    ) -> Sequence[Emergency]:
        found = [_emergency(raw) for raw in self._page(emergencies, "emergency", state, after, most)]
        if found:
            with self._audit.transaction(CASES) as ledger:
                detail = {"first": found[0].id, "last": found[-1].id, "count": len(found)}
                ledger.append(_entry(self._clock.now(), by, "emergency.list", found[0].id, detail))
        return found

    def undecided(self) -> Sequence[datetime]:
        waiting = select(_e.due_at).where(_e.ended_at.is_(None), _e.state == EmergencyState.WAITING.value).order_by(_e.due_at)
        with self._sql.read() as connection:
            return [moment(due) for due in connection.execute(waiting.limit(MOST_PAGE)).scalars()]

    def _move(self, id: str, by: str, action: str, change: Callable[[Emergency, datetime], Emergency], **more: str | bool) -> Emergency:
        now = self._clock.now()
        with self._audit.transaction(CASES) as ledger:
            found = _emergency(self._opened(ledger.connection, emergencies, id, "emergency", lock=True))
            changed = change(found, now)
            ledger.connection.execute(emergencies.update().where(_e.id == id).values(**self._emergency_row(changed)))
            detail = {"emergency": id, "state": changed.state.value, **more}
            ledger.append(_entry(now, by, action, changed.case or changed.account or id, detail))
        return changed

    def _emergency_row(self, one: Emergency) -> dict[str, Any]:
        ended = None
        if one.state is EmergencyState.REFUSED and one.decided_at is not None:
            ended = micros(one.decided_at)
        elif one.disclosures:
            ended = micros(one.disclosures[-1].at)
        sealed = self._sealer.seal(pack(one), f"emergency:{one.id}")
        return {"state": one.state.value, "due_at": micros(one.due_at), "ended_at": ended, "sealed": sealed}

    # -- both ----------------------------------------------------------------------------------------------------------------------

    def _account(self, case: str | None, account: str | None) -> str | None:
        """The pseudonym. Raises Invalid unless one of the two is given."""
        if (case is None) == (account is None):
            raise Invalid("a case or an account, one of the two", field="case")
        if account is None:
            return None
        return self._pseudonym("account", line(account, "account"))

    def _opened(self, connection: Connection, table: Table, id: str, what: str, *, lock: bool = False) -> bytes:
        wanted = select(table.c.sealed).where(table.c.id == line(id, "id"))
        found = connection.execute(wanted.with_for_update() if lock else wanted).scalar_one_or_none()
        if found is None:
            raise NotFound(f"there is no such {what}", field="id")
        return self._sealer.open(bytes(found), f"{what}:{id}")

    def _page(self, table: Table, what: str, state: Any, after: str | None, most: int) -> list[bytes]:
        wanted = select(table.c.id, table.c.sealed).order_by(table.c.id).limit(max(1, min(most, MOST_PAGE)))
        if state is not None:
            wanted = wanted.where(table.c.state == state.value)
        if after is not None:
            wanted = wanted.where(table.c.id > after)
        with self._sql.read() as connection:
            return [self._sealer.open(bytes(row.sealed), f"{what}:{row.id}") for row in connection.execute(wanted).all()]


def _must_be_there(connection: Connection, case: str | None, *, destroyed: bool) -> None:
    """`destroyed`: that its evidence is gone is said as well."""
    if case is None:
        return
    if connection.execute(select(cases.c.id).where(cases.c.id == line(case, "case"))).first() is None:
        raise NotFound("there is no such case", field="case")
    if destroyed and _destroyed(connection, case):
        raise Conflict("the evidence of this case was destroyed before: nothing is left to preserve", field="case")


def _destroyed(connection: Connection, case: str) -> bool:
    gone = select(vault_destructions.c.at).where(vault_destructions.c.case_id == case)
    return connection.execute(gone).first() is not None


def _days(days: int) -> timedelta:
    if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MOST_PRESERVE_DAYS:
        raise Invalid(f"1 to {MOST_PRESERVE_DAYS} days", field="days")
    return timedelta(days=days)


def line(text: str, field: str, *, least: int = 1) -> str:
    """One printable line. Raises Invalid naming the field."""
    cleaned = text.strip() if isinstance(text, str) else ""
    if len(cleaned) < least or len(cleaned) > MOST_LINE or (cleaned and not cleaned.isprintable()):
        raise Invalid(f"one line of {least} to {MOST_LINE} characters", field=field)
    return cleaned


def words(text: str, field: str, *, least: int = 1) -> str:
    return desk_words(text, field, least=least, most=MOST_WORDS)


def _entry(at: datetime, by: str, action: str, target: str, detail: dict[str, Any]) -> AuditEntry:
    return AuditEntry(at=at, actor=by, action=action, target=target, detail=detail)
