"""`SqlSelfReports`: reports that young people made themselves. Their fingerprints are items of a quarantine bank like any other.

The code is not stored, only a keyed hash of it, so that neither a copy of the database nor whoever reads it can ask in a child's name.
It is made from the submission itself under a key, which is why repeating a submission gets the same code though nobody kept it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, select

from nightlight.adapters.lifecycle.erasures import Erasures, Line
from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.prepared import AnySelect
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import bank_items, micros, moment, self_reports
from nightlight.core.bank import Bank, BankAction, BankKind
from nightlight.core.clock import Clock
from nightlight.core.errors import Busy, Conflict, Invalid, NotFound
from nightlight.core.fingerprint import Fingerprint
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry
from nightlight.core.self_report import (
    BANK,
    THRESHOLD,
    Picture,
    SelfReport,
    SelfReportState,
    check_pictures,
    code_from,
    read_code,
    sources,
)
from nightlight.core.services import BankService

BY = "self-report"
"""What the audit has in place of who sent one."""
WITHDRAWN_FOR = timedelta(days=7)
"""How long a code still answers "withdrawn"."""
CUT_OFF_AFTER = timedelta(hours=1)
"""A submission whose pictures are not all banked by then was cut off, and its sender never saw a code."""

_ONCE = re.compile(r"[0-9a-f]{32}")
_BATCH = 200
_NOTE = "Reported by young people themselves on /protect-my-picture; held for review only."


class Kept(Struct, frozen=True, kw_only=True):
    """How long and how many."""

    waiting: timedelta = timedelta(days=90)
    """Those that nobody finished."""
    finished: timedelta = timedelta(days=30)
    """Since they were finished and their fingerprints taken out."""
    kept: timedelta = timedelta(days=365)
    """Since they were finished and their fingerprints left in. The code lives as long: who reported can take them out all that time."""
    an_hour: int = 120
    """Reports in any sixty minutes, of everybody together."""


class SqlSelfReports:
    """Fills `core.services.SelfReportService`. Safe to use from several threads."""

    def __init__(self, sql: Sql, audit: AuditLog, keys: Keyring, clock: Clock, banks: BankService, home: Path, kept: Kept) -> None:
        self._sql, self._audit, self._clock, self._banks, self._kept = sql, audit, clock, banks, kept
        self._erasures = Erasures(home)
        self._key = keys.derive("self-reports")
        self._lock = Lock()  # two repetitions of one submission must not both bank its pictures

    # -- for who sent it -----------------------------------------------------------------------------------------------------------

    def submit(self, once: str, pictures: Sequence[Sequence[Fingerprint]]) -> str:
        """See the Protocol. Cut off anywhere, repeating it ends what was begun."""
        if _ONCE.fullmatch(once) is None:
            raise Invalid("32 lower-case hexadecimal digits", field="once")
        found = check_pictures(pictures)
        body = pack((once, tuple(tuple((f.kind.value, f.value) for f in picture) for picture in found)))
        # Under the pictures too: whoever learns `once` alone must not get the code with it.
        code = code_from(self._mac("code", body))
        with self._lock:
            report, ready = self._begin(once, body, code, len(found))
            if not ready:
                self._fill(report, found)
        return code

    def state(self, code: str) -> SelfReportState:
        with self._sql.read() as connection:
            return SelfReportState(self._find(connection, code).state)

    def withdraw(self, code: str) -> SelfReportState:
        with self._lock:
            with self._sql.read() as connection:
                found = self._find(connection, code)
            if found.state != SelfReportState.WITHDRAWN:
                now = self._clock.now()
                # First, so that a backup that is put back at any time cannot bring the fingerprints back for good.
                self._erasures.remember(Line(self._commitment(found.id), now))
                self._take_out(found.id, found.pictures, BY)
                this = self_reports.update().where(self_reports.c.id == found.id)
                gone = {"state": SelfReportState.WITHDRAWN.value, "kept": None, "body_mac": b""}
                with self._sql.write() as connection:
                    connection.execute(this.values(**gone, changed_at=micros(now), expires_at=micros(now + WITHDRAWN_FOR)))
        return SelfReportState.WITHDRAWN

    # -- for reviewers -------------------------------------------------------------------------------------------------------------

    def waiting(self, after: str | None = None, most: int = 100) -> Sequence[SelfReport]:
        open_ = (SelfReportState.RECEIVED.value, SelfReportState.LOOKING.value)
        r = self_reports.c
        page = _columns().where(r.state.in_(open_), r.ready.is_(True), r.id > (after or "")).order_by(r.id).limit(most)
        with self._sql.read() as connection:
            return [_report(row) for row in connection.execute(page).all()]

    def backlog(self) -> tuple[int, datetime | None]:
        """How many wait for a person, and since when the oldest does."""
        open_ = (SelfReportState.RECEIVED.value, SelfReportState.LOOKING.value)
        r = self_reports.c
        with self._sql.read() as connection:
            count, oldest = connection.execute(
                select(func.count(), func.min(r.created_at)).where(r.state.in_(open_), r.ready.is_(True))
            ).one()
        return int(count), None if oldest is None else moment(oldest)

    def look(self, id: str, by: str) -> SelfReport:
        return self._move(id, by, SelfReportState.LOOKING, None, self._kept.waiting)

    def finish(self, id: str, by: str, *, keep: bool) -> SelfReport:
        with self._lock:
            done = self._move(id, by, SelfReportState.FINISHED, keep, self._kept.kept if keep else self._kept.finished)
            if not keep:
                self._take_out(id, done.pictures, by)
        return done

    # -- for the sweep -------------------------------------------------------------------------------------------------------------

    def expire(self, now: datetime) -> int:
        """Delete what is due, what was cut off, and what was withdrawn before a backup brought it back; how many reports."""
        done = 0
        with self._lock:
            for id, pictures in self._brought_back():
                self._take_out(id, pictures, "system")
                self._delete([id])
                done += 1
            while found := self._due(now):
                for id, pictures in found:
                    self._take_out(id, pictures, "system")
                self._delete([id for id, _ in found])
                done += len(found)
            if done:
                entry = AuditEntry(at=now, actor="system", action="retention", target="self_reports", detail={"self_reports": done})
                self._audit.append([entry])
        return done

    def _due(self, now: datetime) -> Sequence[Any]:
        r = self_reports.c
        cut_off = r.ready.is_(False) & (r.created_at <= micros(now - CUT_OFF_AFTER))
        with self._sql.read() as connection:
            return connection.execute(select(r.id, r.pictures).where((r.expires_at <= micros(now)) | cut_off).limit(_BATCH)).all()

    def _brought_back(self) -> list[tuple[str, int]]:
        withdrawn = {line.commitment for line in self._erasures.read()[0]}
        if not withdrawn:
            return []
        r = self_reports.c
        with self._sql.read() as connection:
            rows = connection.execute(select(r.id, r.pictures).where(r.state != SelfReportState.WITHDRAWN.value)).all()
        return [(id, pictures) for id, pictures in rows if self._commitment(id) in withdrawn]

    def _delete(self, ids: Sequence[str]) -> None:
        with self._sql.write() as connection:
            connection.execute(self_reports.delete().where(self_reports.c.id.in_(ids)))

    # -- inside --------------------------------------------------------------------------------------------------------------------

    def _begin(self, once: str, body: bytes, code: str, pictures: int) -> tuple[str, bool]:
        """The report of a submission, and whether its pictures are banked."""
        now = self._clock.now()
        r = self_reports.c
        once_mac, body_mac = self._mac("once", once.encode()), self._mac("body", body)
        # Reports take turns, so that the hour's count is true when two come at once.
        with self._audit.transaction() as ledger:
            connection = ledger.connection
            known = connection.execute(select(r.id, r.ready, r.body_mac).where(r.once_mac == once_mac)).first()
            if known is not None:
                if not hmac.compare_digest(bytes(known.body_mac), body_mac):
                    raise Conflict("this was sent before with other pictures, or taken back", field="once")
                return str(known.id), bool(known.ready)
            lately = select(func.count()).where(r.created_at > micros(now - timedelta(hours=1)))
            if connection.execute(lately).scalar_one() >= self._kept.an_hour:
                raise Busy("as many reports as an hour may bring have come; try again later")
            id = new_id("report")
            macs = {"code_mac": self._code_mac(code), "once_mac": once_mac, "body_mac": body_mac}
            row = {"id": id, "state": SelfReportState.RECEIVED.value, "ready": False, "pictures": pictures, "created_at": micros(now)}
            connection.execute(
                self_reports.insert().values(**row, **macs, changed_at=micros(now), expires_at=micros(now + self._kept.waiting))
            )
        return id, False

    def _fill(self, report: str, pictures: Sequence[Picture]) -> None:
        self._bank()
        there = {source for _, source in self._items(report, len(pictures))}
        for source, picture in zip(sources(report, len(pictures)), pictures, strict=True):
            if source not in there:
                self._banks.add(BANK, picture, BY, source=source)
        with self._sql.write() as connection:
            connection.execute(self_reports.update().where(self_reports.c.id == report).values(ready=True))

    def _bank(self) -> None:
        found = next((bank for bank in self._banks.banks() if bank.name == BANK), None)
        if found is None:
            with suppress(Conflict):  # another process was first
                made = Bank(name=BANK, kind=BankKind.QUARANTINE, threshold=THRESHOLD, action=BankAction.HOLD, note=_NOTE)
                self._banks.create(made, "system")
        elif found.kind is not BankKind.QUARANTINE:
            # Anybody may put anything in here: in a bank that blocks, that would be everybody's switch to silence others.
            raise Conflict(f"the bank {BANK} is none for quarantine", field="bank")

    def _items(self, report: str, pictures: int) -> Sequence[Any]:
        i = bank_items.c
        wanted = select(i.id, i.source).where(i.bank == BANK, i.source.in_(sources(report, pictures)))
        with self._sql.read() as connection:
            return connection.execute(wanted).all()

    def _take_out(self, report: str, pictures: int, by: str) -> None:
        for item, _ in self._items(report, pictures):
            with suppress(NotFound):
                self._banks.remove(BANK, item, by, forget=True)

    def _move(self, id: str, by: str, state: SelfReportState, kept: bool | None, stays: timedelta) -> SelfReport:
        now = self._clock.now()
        r = self_reports.c
        with self._audit.transaction() as ledger:
            found = ledger.connection.execute(_columns().where(r.id == id, r.ready.is_(True))).first()
            if found is None or found.state == SelfReportState.WITHDRAWN:
                raise NotFound("no such report, or it was withdrawn", field="id")
            if found.state == SelfReportState.FINISHED and (kept is None or (kept and not found.kept)):
                raise Conflict("this report is finished", field="id")
            change = {"state": state.value, "kept": kept, "changed_at": micros(now)}
            if state is SelfReportState.FINISHED and found.kept != kept:
                change["expires_at"] = micros(now + stays)
            if found.state != state or found.kept != kept:
                ledger.connection.execute(self_reports.update().where(r.id == id).values(**change))
                detail = {} if kept is None else {"kept": kept}
                action = "self_report.look" if state is SelfReportState.LOOKING else "self_report.finish"
                ledger.append(AuditEntry(at=now, actor=by, action=action, target=id, detail=detail))
            return _report(ledger.connection.execute(_columns().where(r.id == id)).one())

    def _find(self, connection: Connection, code: str) -> Any:
        # Found by its keyed hash: how long that takes says nothing about how near a guess came.
        mac = self._code_mac(read_code(code))
        r = self_reports.c
        found = connection.execute(select(r.id, r.state, r.pictures).where(r.code_mac == mac, r.ready.is_(True))).first()
        if found is None:
            raise NotFound("this code is not known", field="code")
        return found

    def _code_mac(self, code: str) -> bytes:
        return self._mac("look-up", code.encode())

    def _commitment(self, report: str) -> str:
        return self._mac("withdrawn", report.encode()).hex()

    def _mac(self, purpose: str, data: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + data, "sha256")


def _columns() -> AnySelect:
    r = self_reports.c
    return select(r.id, r.state, r.pictures, r.created_at, r.changed_at, r.expires_at, r.kept)


def _report(row: Any) -> SelfReport:
    id, state, pictures, created, changed, expires, kept = row
    return SelfReport(
        id=id,
        state=SelfReportState(state),
        pictures=pictures,
        created_at=moment(created),
        changed_at=moment(changed),
        expires_at=moment(expires),
        kept=None if kept is None else bool(kept),
    )
