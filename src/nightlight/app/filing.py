"""`Filer`: sends what is to be sent. It decides nothing: `core.filing` says what comes next and what an answer means, and the store keeps
both before anything else happens, so that this process may die between any two lines."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from msgspec import Struct

from nightlight.adapters.authorities.cybertipline import seconds_for
from nightlight.adapters.store.reports import Fenced, SqlReports
from nightlight.core.document import Fault, Node
from nightlight.core.draft import Draft, DraftFile
from nightlight.core.errors import Busy, NightlightError, NotFound
from nightlight.core.filing import (
    FILED,
    Answer,
    Authority,
    Call,
    Filing,
    Local,
    Outcome,
    Patience,
    Step,
    checked,
    next_step,
    stopped,
    withdrawn,
)

log = structlog.get_logger("nightlight.reports")

SPARE = timedelta(minutes=1)
"""A lease outlasts the longest call by so much. Nothing rests on it but that two runs do not get in each other's way."""


class Form(Struct, frozen=True):
    """An authority's format, as `reporting` knows it."""

    faults: Callable[[Draft, datetime], Sequence[Fault]]
    """What the authority would refuse of the document and of each file's details. Never raises."""
    write: Callable[[Node], bytes]
    with_ids: Callable[[Node, str, str], Node]


class Evidence(Protocol):
    def read(self, case: str, file: DraftFile) -> bytes:
        """The bytes that go with a report, however they are kept. Raises NotFound, Tampered."""
        ...


class Attached:
    """Only what the draft holds itself, such as a transcript."""

    def read(self, case: str, file: DraftFile) -> bytes:
        if file.content is None:
            raise NotFound("its bytes are not kept by this service")
        return file.content


class Filer:
    """Runs reports, each by at most one runner at a time. Safe to use from several threads and processes."""

    def __init__(
        self,
        store: SqlReports,
        authorities: Callable[[str], Authority | None],
        forms: Mapping[str, Form],
        evidence: Evidence,
        now: Callable[[], datetime],
        patience: Patience | None = None,
        finished: Callable[[Filing], object] | None = None,
    ) -> None:
        """authorities: by name, None where there is no access to one; may raise Invalid. finished: told of a report that the authority
        has, at least once; what it raises is logged."""
        self._store, self._authorities, self._forms, self._evidence, self._now = store, authorities, forms, evidence, now
        self._patience, self._finished = patience or Patience(), finished
        self._stopping = threading.Event()

    def run_due(self) -> int:
        """One run of each report that is due; how many. A report whose run raises is left for the next round, and so are no others."""
        ran = 0
        for id in self._store.due(self._now()):
            if self._stopping.is_set():
                break
            try:
                self.run(id)
                ran += 1
            except Busy:
                continue
            except Exception as error:  # the others must not wait behind it
                log.error("report could not be run", report=id, error=type(error).__name__)
        return ran

    def stop(self) -> None:
        """End after the call at hand."""
        self._stopping.set()

    def run(self, id: str) -> Filing:
        """Go on with a report until it is filed, failed, withdrawn, or must wait. Raises Busy where another process runs it, NotFound."""
        filing = self._store.take(id, self._lease(0))
        try:
            while not self._stopping.is_set():
                step = next_step(filing, self._now())
                if step is Local.NOTHING or step is Local.WAIT:
                    break
                try:
                    filing = self._local(filing, step) if isinstance(step, Local) else self._call(filing, step)
                except Fenced:
                    current = self._store.get(id)
                    if current.run != filing.run:
                        return current
                    filing = current  # a person wants something else of it now
        finally:
            self._store.release(filing)
        state = filing.report.state
        if state in FILED and self._finished is not None:
            try:
                self._finished(filing)
            except NightlightError as error:
                log.error("that a report is finished was not noted", report=id, error=error.code)
        log.info("report run", report=id, state=state.value, filed=state in FILED, fault=filing.fault and filing.fault.value)
        return filing

    # -- one step ------------------------------------------------------------------------------------------------------------------

    def _local(self, filing: Filing, step: Local) -> Filing:
        if step is Local.WITHDRAWN:
            return self._store.local(filing, step, "report.withdrawn", lambda f: withdrawn(f, self._now()))
        form, draft, now = self._form(filing), self._store.draft(filing.report.id), self._now()
        faults = ["nothing here knows this authority's format"] if form is None else [str(f) for f in form.faults(draft, now)]
        return self._store.local(filing, step, "report.check", lambda f: checked(f, faults, now))

    def _call(self, filing: Filing, step: Step) -> Filing:
        authority, wrong = None, None
        try:
            authority = self._authorities(filing.report.authority)
        except NightlightError as error:  # such as a password that is not there
            wrong = f"{error.field}: {error.message}" if error.field else error.message
        if wrong is None and authority is None:
            wrong = f"no access to {filing.report.authority} is configured"
        elif authority is not None and authority.place != filing.place:
            # An id means nothing at another host, whose "no such report" would be taken for leave to file it a second time.
            wrong = f"it belongs to {filing.place}, and this service speaks to {authority.place} now: set that back, or draft it anew"
        if authority is None or wrong is not None:
            return self._stop(filing, step, wrong or "")
        try:
            make, size = self._made(filing, step, authority)
        except NightlightError as error:
            where = f"file {step.file + 1}: " if step.file is not None else ""
            return self._stop(filing, step, f"{where}{error.message}", clear=True)
        number = self._store.begin(filing, step, self._lease(size))
        try:
            answer = make()
        except Exception as error:  # whether it arrived is not known, which is what LATER says
            log.error("an authority's client failed", call=step.call.value, error=type(error).__name__)
            answer = Answer(outcome=Outcome.LATER, reason=f"the call failed ({type(error).__name__})")
        try:
            return self._store.settle(filing, number, step, answer, self._patience)
        except BaseException:
            self._let_go(authority, step, answer)
            raise

    def _stop(self, filing: Filing, step: Step, reason: str, *, clear: bool = False) -> Filing:
        return self._store.local(filing, step, "report.stopped", lambda f: stopped(f, reason, self._now(), clear=clear))

    def _let_go(self, authority: Authority, step: Step, answer: Answer) -> None:
        """A report was opened and its id could not be kept: nobody can finish it, and it need not lie there until it expires."""
        if step.call is Call.SUBMIT and answer.report_id is not None:
            log.warning("an id could not be kept; retracting it", outcome=authority.retract(answer.report_id).outcome.value)

    def _made(self, filing: Filing, step: Step, authority: Authority) -> tuple[Callable[[], Answer], int]:
        """The call, ready to be made, and the bytes that it carries. Nothing of it has left."""
        id, report = filing.report.id, filing.report.authority_id or ""
        if step.call is Call.FINISH:
            return lambda: authority.finish(report), 0
        if step.call is Call.RETRACT:
            return lambda: authority.retract(report), 0
        form, draft = self._form(filing), self._store.draft(id)
        if form is None:
            raise NotFound("nothing here knows this authority's format")
        if step.call is Call.SUBMIT:
            document = form.write(draft.document)
            return lambda: authority.submit(document), len(document)
        number = step.file or 0
        file = draft.files[number]
        if step.call is Call.FILEINFO:
            details = form.write(form.with_ids(file.details, report, filing.files[number].file_id or ""))
            return lambda: authority.fileinfo(details), len(details)
        data = self._evidence.read(filing.report.case, file)
        if file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256.lower():
            raise NotFound("its bytes are not those that were drafted (another SHA-256)")
        return lambda: authority.upload(report, file.name, data), len(data)

    def _form(self, filing: Filing) -> Form | None:
        return self._forms.get(filing.report.authority)

    def _lease(self, size: int) -> timedelta:
        return timedelta(seconds=seconds_for(size)) + SPARE
