"""`SqlReports`: reports on their way to an authority. Every change is kept together with its entry of the audit.

A run takes a report with a number of its own, the fence: what an older run still wants to keep is refused. So a process that slept
through the end of its lease can neither keep an id nor begin another call.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from msgspec.structs import replace
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import IntegrityError

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.lease import holder, is_dead
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.opened import Opened, OpenedFile
from nightlight.adapters.store.report_tables import report_steps, reports
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.clock import Clock
from nightlight.core.draft import Draft
from nightlight.core.errors import Busy, Conflict, NotFound
from nightlight.core.filing import FILED, Answer, Call, FiledFile, Filing, Local, Outcome, Patience, Step, Taken, next_step, settled
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry, Sealer
from nightlight.core.report import Report, ReportState

log = structlog.get_logger("nightlight.reports")

RUNNER = "system"
_r, _s = reports.c, report_steps.c
_stored = msgspec.msgpack.Decoder(Filing).decode
_draft = msgspec.msgpack.Decoder(Draft).decode
Change = Callable[[Filing], Filing]
_SEALED = "sealed:"


class Fenced(Exception):
    """Another run holds the report now, or what was to be done is no longer what is wanted. Nothing was kept."""


class SqlReports:
    """Safe to use from several threads and processes."""

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Sealer, clock: Clock, opened: OpenedFile) -> None:
        self._sql, self._audit, self._sealer, self._clock, self._opened = sql, audit, sealer, clock, opened

    # -- reading -------------------------------------------------------------------------------------------------------------------

    def get(self, id: str) -> Filing:
        """Raises NotFound."""
        with self._sql.read() as connection:
            return self._filing(_found(connection, id).filing)

    def draft(self, id: str) -> Draft:
        """What it says, opened. Raises NotFound."""
        with self._sql.read() as connection:
            row = _found(connection, id)
        if not row.draft:
            raise NotFound("its case was destroyed, and what it said with it")
        return _draft(self._sealer.open(bytes(row.draft), _context(id, "draft")))

    def of_case(self, case: str) -> Sequence[Filing]:
        """Every report of a case, the earliest first."""
        return self._where(_r.case_id == case)

    def about(self, account: str) -> Sequence[Filing]:
        """Reports of a pseudonym that were filed, whatever case they came from."""
        return [f for f in self._where(_r.about == account) if f.report.state in FILED]

    def all(self, states: Sequence[ReportState] | None = None, most: int = 1000, after: str | None = None) -> Sequence[Filing]:
        """In order of their ids, which is that of their age."""
        wanted = [_r.id > after] if after else []
        if states is not None:
            wanted.append(_r.state.in_([s.value for s in states]))
        return self._where(*wanted, most=most)

    def due(self, now: datetime, most: int = 100) -> Sequence[str]:
        """Ids of those for which there is something to do and that nobody holds, the longest due first."""
        found = select(_r.id, _r.lease_by, _r.lease_until).where(_r.moving, func.coalesce(_r.due_at, 0) <= micros(now))
        with self._sql.read() as connection:
            rows = connection.execute(found.order_by(_r.due_at, _r.id).limit(most)).all()
        return [row.id for row in rows if not self._held(row, now)]

    def steps(self, id: str, *, words: bool = False) -> Sequence[Taken]:
        """Every call that was begun, the earliest first. `words`: with what the authority said, which may quote the report."""
        with self._sql.read() as connection:
            rows = connection.execute(select(report_steps).where(_s.report_id == id).order_by(_s.id)).all()
        return [self._taken(row, words) for row in rows]

    def failing(self, most: int) -> Sequence[Filing]:
        """Those that failed, and those that are tried again after a fault."""
        failed = self._where(_r.state == ReportState.FAILED.value, most=most)
        return [*failed, *(f for f in self._where(_r.moving, most=most) if f.trouble)][:most]

    def _where(self, *wanted: Any, most: int = 1000) -> list[Filing]:
        with self._sql.read() as connection:
            return [self._filing(raw) for raw in connection.execute(select(_r.filing).where(*wanted).order_by(_r.id).limit(most)).scalars()]

    # -- people --------------------------------------------------------------------------------------------------------------------

    def create(
        self,
        draft: Draft,
        place: str,
        by: str,
        *,
        about: str | None,
        corrects: str | None = None,
        why: str = "",
        by_hand: Sequence[str] = (),
    ) -> Filing:
        """Keep a draft. Raises Conflict where the case has a report at that authority already, which is not withdrawn."""
        now = self._clock.now()
        report = Report(id=new_id("report"), case=draft.case, authority=draft.authority, state=ReportState.DRAFT, at=now)
        filing = Filing(
            report=report,
            place=place,
            about=about,
            corrects=corrects,
            why=why,
            by_hand=tuple(by_hand),
            files=_files(draft),
            created_at=now,
            created_by=by,
            updated_at=now,
        )
        try:
            with self._audit.transaction() as ledger:
                row = {"id": report.id, "case_id": report.case, "authority": report.authority, "place": place, "about": about}
                sealed = self._sealed(report.id, draft)
                values = row | {"corrects": corrects or "", "run": 0, "draft": sealed} | _columns(self._closed(filing))
                ledger.connection.execute(reports.insert().values(**values))
                detail = {"case": report.case, "authority": report.authority, "corrects": corrects, "files": len(draft.files)}
                ledger.append(_entry(now, by, "report.draft", report.id, detail))
        except IntegrityError:
            raise Conflict("this case has a report at that authority already: edit, submit or correct that one", field="case") from None
        return filing

    def revise(self, id: str, draft: Draft, by: str, *, version: int) -> Filing:
        """Another document in place of the one that was. `version`: of the one that was edited. Raises Conflict where somebody else
        edited it meanwhile, it is on its way or filed, or the authority may still hold it as it was: retract that one first."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            row = _locked(ledger.connection, id)
            old = self._filing(row.filing)
            if old.version != version:
                raise Conflict("somebody else changed it meanwhile: look at it again", field="version")
            if old.in_motion or old.report.state in FILED or old.report.state is ReportState.RETRACTED:
                going = " and on its way" if old.in_motion else ""
                raise Conflict(f"a report that is {old.report.state}{going} cannot be edited", field="state")
            if old.report.authority_id is not None:
                raise Conflict("the authority may still hold it as it was: retract it first", field="state")
            report = old.report if old.report.state is ReportState.DRAFT else old.report.move(ReportState.DRAFT, now)
            new = replace(old, report=report, files=_files(draft), version=version + 1, updated_at=now, trouble="", fault=None)
            self._keep(ledger.connection, new, draft=self._sealed(id, draft))
            ledger.append(_entry(now, by, "report.edit", id, {"version": new.version}))
        return new

    def change(self, id: str, by: str, action: str, change: Change, reason: str | None = None) -> Filing:
        """What a person asks for, such as `core.filing.asked_again`: computed on the row as it is now."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            old = self._filing(_locked(ledger.connection, id).filing)
            new = change(old)
            self._keep(ledger.connection, new)
            ledger.append(_entry(now, by, action, id, _moved(old, new) | {"asked": reason}))
        return new

    def forget(self, connection: Connection, case: str) -> int:
        """In somebody's transaction, when a case is destroyed: its reports' documents go, and what the authority said of them; how many.
        That there were reports, and their ids at the authority, stays."""
        ids = []
        for id, raw in connection.execute(select(_r.id, _r.filing).where(_r.case_id == case)).all():
            ids.append(id)
            bare = pack(replace(_stored(raw), why=""))
            connection.execute(reports.update().where(_r.id == id).values(draft=b"", filing=bare))
        connection.execute(report_steps.update().where(_s.report_id.in_(ids)).values(detail=None))
        return len(ids)

    # -- runs ----------------------------------------------------------------------------------------------------------------------

    def take(self, id: str, lease: timedelta) -> Filing:
        """Begin a run. Raises Busy where another process runs it, NotFound. What an earlier run left open is kept as cut off."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            row = _locked(ledger.connection, id)
            if self._held(row, now):
                raise Busy("another process is sending this report just now")
            taken = self._recalled(ledger, replace(self._filing(row.filing), run=row.run + 1), now)
            self._keep(ledger.connection, taken, lease_by=holder(), lease_until=micros(now + lease), run=taken.run)
            open = _s.report_id == id, _s.ended_at.is_(None)
            for step in ledger.connection.execute(select(_s.id, _s.call, _s.run).where(*open).order_by(_s.id)).all():
                cut = report_steps.update().where(_s.id == step.id).values(ended_at=micros(now), outcome=Outcome.LATER.value)
                ledger.connection.execute(cut)
                ledger.append(_entry(now, RUNNER, "report.cut_off", id, {"call": step.call, "run": step.run}))
        return taken

    def _recalled(self, ledger: Ledger, filing: Filing, now: datetime) -> Filing:
        """With the id of a report that was opened and is known here no more, so that it is asked about before another is opened: the
        database was put back from a backup, or this process died before it could keep the id."""
        report = filing.report
        if report.authority_id is not None or not filing.in_motion or report.state not in (ReportState.DRAFT, ReportState.VALIDATED):
            return filing
        last = self._opened.last(report.case, filing.corrects or "", filing.place)
        if last is None:
            return filing
        known = select(_s.id).where(_s.authority_id == last.id).limit(1)
        if ledger.connection.execute(known).first() is not None:
            return filing
        if report.state is ReportState.DRAFT:
            report = report.move(ReportState.VALIDATED, now)
        ledger.append(_entry(now, RUNNER, "report.recalled", report.id, {"authority_id": last.id}))
        return replace(filing, report=report.move(ReportState.OPENED, now, authority_id=last.id), opened_run=None)

    def begin(self, filing: Filing, step: Step, lease: timedelta) -> int:
        """Keep that a call is about to be made; its number. Raises Fenced."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            row = self._mine(ledger, filing)
            current = self._filing(row.filing)
            if next_step(current, now) != step:  # a person changed what is wanted
                raise Fenced
            id = filing.report.id
            values = {"report_id": id, "run": filing.run, "call": step.call.value, "file": step.file, "began_at": micros(now)}
            made = report_steps.insert().values(**values, authority_id=current.report.authority_id).returning(_s.id)
            number: int = ledger.connection.execute(made).scalar_one()
            ledger.connection.execute(reports.update().where(_r.id == id).values(lease_until=micros(now + lease)))
            detail = {"call": step.call.value, "run": filing.run, "file": step.file, "authority_id": current.report.authority_id}
            ledger.append(_entry(now, RUNNER, "report.call", id, detail))
        return number

    def settle(self, filing: Filing, number: int, step: Step, answer: Answer, patience: Patience) -> Filing:
        """Keep what came of the call. Raises Fenced where another run has taken the report."""
        now = self._clock.now()
        if step.call is Call.SUBMIT and answer.report_id is not None:
            self._remember(filing, answer.report_id, now)
        with self._audit.transaction() as ledger:
            row = self._mine(ledger, filing)
            old = self._filing(row.filing)
            new = settled(old, step, answer, now, patience)
            id = old.report.id
            ended = {"ended_at": micros(now), "outcome": answer.outcome.value, "code": answer.code, "status": answer.status}
            detail = self._sealer.seal(answer.detail.encode(), _context(id, "detail")) if answer.detail else None
            told = {"request_id": answer.request_id, "detail": detail, "authority_id": answer.report_id or old.report.authority_id}
            ledger.connection.execute(report_steps.update().where(_s.id == number).values(**ended, **told))
            self._keep(ledger.connection, new)
            words = {"call": step.call.value, "outcome": answer.outcome.value, "code": answer.code, "request_id": answer.request_id}
            ledger.append(_entry(now, RUNNER, "report.answer", id, words | {"authority_id": told["authority_id"]} | _moved(old, new)))
            self._corrected(ledger, old, new, now)
        return new

    def _remember(self, filing: Filing, id: str, now: datetime) -> None:
        opened = Opened(case=filing.report.case, corrects=filing.corrects or "", place=filing.place, id=id, at=now)
        try:
            self._opened.remember(opened)
        except OSError as error:  # the database keeps it as well, in a moment
            log.error("the list of opened reports cannot be written", error=type(error).__name__)

    def local(self, filing: Filing, wanted: Local | Step, action: str, change: Change) -> Filing:
        """A step of the run that needs no call. Raises Fenced."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            old = self._filing(self._mine(ledger, filing).filing)
            if next_step(old, now) != wanted:
                raise Fenced
            new = change(old)
            self._keep(ledger.connection, new)
            ledger.append(_entry(now, RUNNER, action, old.report.id, _moved(old, new)))
        return new

    def release(self, filing: Filing) -> None:
        """Let go. Another run may have taken it meanwhile, which then keeps it."""
        free = reports.update().where(_r.id == filing.report.id, _r.run == filing.run)
        with self._sql.write() as connection:
            connection.execute(free.values(lease_by=None, lease_until=None))

    def _corrected(self, ledger: Ledger, old: Filing, new: Filing, now: datetime) -> None:
        """The report that a filed correction corrects says so, in the same transaction."""
        if new.corrects is None or new.report.state not in FILED or old.report.state in FILED:
            return
        earlier = self._filing(_locked(ledger.connection, new.corrects).filing)
        moved = replace(earlier, report=earlier.report.move(ReportState.CORRECTED, now), updated_at=now)
        self._keep(ledger.connection, moved)
        ledger.append(_entry(now, RUNNER, "report.corrected", new.corrects, {"by": new.report.id} | _moved(earlier, moved)))

    # -- rows ----------------------------------------------------------------------------------------------------------------------

    def _mine(self, ledger: Ledger, filing: Filing) -> Any:
        row = _locked(ledger.connection, filing.report.id)
        if row.run != filing.run or row.lease_by is None:
            raise Fenced
        return row

    def _held(self, row: Any, now: datetime) -> bool:
        return row.lease_until is not None and row.lease_until > micros(now) and not is_dead(row.lease_by)

    def _keep(self, connection: Connection, filing: Filing, **more: Any) -> None:
        connection.execute(reports.update().where(_r.id == filing.report.id).values(**_columns(self._closed(filing)), **more))

    def _sealed(self, id: str, draft: Draft) -> bytes:
        return self._sealer.seal(pack(draft), _context(id, "draft"))

    def _closed(self, filing: Filing) -> Filing:
        """As it is stored. Why a report is corrected is what the authority reads: sealed, as the document is that says it too."""
        if not filing.why:
            return filing
        sealed = self._sealer.seal(filing.why.encode(), _context(filing.report.id, "why"))
        return replace(filing, why=_SEALED + b64encode(sealed).decode())

    def _filing(self, raw: bytes) -> Filing:
        found = _stored(raw)
        if not found.why.startswith(_SEALED):
            return found
        sealed = b64decode(found.why.removeprefix(_SEALED))
        return replace(found, why=self._sealer.open(sealed, _context(found.report.id, "why")).decode())

    def _taken(self, row: Any, words: bool) -> Taken:
        detail = ""
        if words and row.detail is not None:
            detail = self._sealer.open(bytes(row.detail), _context(row.report_id, "detail")).decode()
        return Taken(
            run=row.run,
            call=Call(row.call),
            file=row.file,
            began_at=moment(row.began_at),
            ended_at=None if row.ended_at is None else moment(row.ended_at),
            outcome=None if row.outcome is None else Outcome(row.outcome),
            code=row.code,
            status=row.status,
            request_id=row.request_id,
            authority_id=row.authority_id,
            detail=detail,
        )


def _files(draft: Draft) -> tuple[FiledFile, ...]:
    return tuple(FiledFile(number=n) for n in range(len(draft.files)))


def _columns(filing: Filing) -> dict[str, Any]:
    """What a row has in columns of its own, to be found by; the whole is in `filing`."""
    return {
        "state": filing.report.state.value,
        "wanted": filing.wanted.value,
        "moving": filing.in_motion,
        "authority_id": filing.report.authority_id,
        "due_at": None if filing.due_at is None else micros(filing.due_at),
        "filing": pack(filing),
        "updated_at": micros(filing.updated_at),
    }


def _moved(old: Filing, new: Filing) -> dict[str, str | int | float | bool | None]:
    out: dict[str, str | int | float | bool | None] = {"from": old.report.state.value, "to": new.report.state.value}
    if new.report.reason or new.trouble:
        out["reason"] = new.report.reason or new.trouble
    return out


def _entry(now: datetime, by: str, action: str, target: str, detail: Any) -> AuditEntry:
    return AuditEntry(at=now, actor=by, action=action, target=target, detail={k: v for k, v in detail.items() if v is not None})


def _found(connection: Connection, id: str) -> Any:
    row = connection.execute(select(reports).where(_r.id == id)).first()
    if row is None:
        raise NotFound("there is no such report")
    return row


def _locked(connection: Connection, id: str) -> Any:
    row = connection.execute(select(reports).where(_r.id == id).with_for_update()).first()
    if row is None:
        raise NotFound("there is no such report")
    return row


def _context(id: str, what: str) -> str:
    return f"report:{id}:{what}"
