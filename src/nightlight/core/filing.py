"""How a report gets to an authority: what is kept of it between two calls, what to do next, and what an answer means.

Two pure functions decide everything: `next_step` from what is kept, `settled` from what is kept and an answer. Whoever runs them keeps
each result before the next call goes out, so that a process may die at any moment. Three rules make that safe; the argument is in
docs/explanation/crash-safe-reports.md:

1. the authority's id of an opened report is kept, under the fence of the run that opened it, before anything can finish it;
2. a run never goes on with a report that an earlier run opened: it retracts that one first, and only when the authority has said that it
   is gone does it open another. If the authority says that it is finished, it was filed;
3. a report whose id was lost with the answer can be finished by nobody, and the authority deletes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.errors import Conflict
from nightlight.core.report import Report, ReportState

OPEN_FOR = timedelta(hours=24)
AFTER_CHANGE = timedelta(hours=1)
"""NCMEC deletes an unfinished report 24 hours after it was opened or an hour after its last change, whichever is later."""

MARGIN = timedelta(minutes=2)
"""Of our clock, and of the call in which it was opened: so long before that it counts as deleted."""

FILED = frozenset({ReportState.FINISHED, ReportState.ACKNOWLEDGED, ReportState.CORRECTED})
ENDED = FILED | {ReportState.FAILED, ReportState.RETRACTED}


class Wanted(StrEnum):
    """What people want of it."""

    NOTHING = "nothing"
    """It waits for a person, or is done."""
    FILE = "file"
    WITHDRAW = "withdraw"


class Call(StrEnum):
    """What is asked of an authority, in its own order."""

    SUBMIT = "submit"
    UPLOAD = "upload"
    FILEINFO = "fileinfo"
    FINISH = "finish"
    RETRACT = "retract"


class Outcome(StrEnum):
    """What an answer, or its absence, means for what to do."""

    DONE = "done"
    LATER = "later"
    """Try again later. Whether the call took effect is not known."""
    DOCUMENT = "document"
    """The document must be mended by a person."""
    FILE = "file"
    """A file cannot be taken as it is."""
    CREDENTIALS = "credentials"
    """User name, password or rights: for the operator."""
    REFUSED = "refused"
    """The request itself is wrong at this address: for the operator."""
    GONE = "gone"
    """There is no such report: it expired, or never was."""
    FILE_GONE = "file_gone"
    RETRACTED = "retracted"
    """It had been retracted before."""
    FINISHED = "finished"
    """It had been finished before: it is filed."""


class Answer(Struct, frozen=True, kw_only=True):
    """What came of one call. Nothing that an authority answers is an exception."""

    outcome: Outcome
    reason: str = ""
    """In our words, without content; empty with DONE."""
    code: int | None = None
    """The authority's response code."""
    status: int | None = None
    """Of HTTP; None: no answer at all."""
    request_id: str | None = None
    """What the authority's support asks for: the header `Request-ID`."""
    report_id: str | None = None
    file_id: str | None = None
    files: tuple[str, ...] = ()
    """With a finished report: the files that belong to it."""
    detail: str = ""
    """The authority's own words, which may quote the document: sealed wherever it is kept."""
    retry_after_s: float | None = None


class FiledFile(Struct, frozen=True, kw_only=True):
    """A file of a report and how far it came at the authority in this attempt."""

    number: int
    """From 0, in the order of the draft."""
    file_id: str | None = None
    described: bool = False


class Filing(Struct, frozen=True, kw_only=True):
    """Everything but the content that is kept of a report on its way."""

    report: Report
    place: str
    """The authority's address that it was opened at. An id means nothing anywhere else."""
    about: str | None = None
    """Pseudonym of the account that it reports."""
    corrects: str | None = None
    """Id of the report that this one corrects, which was filed before."""
    by_hand: tuple[str, ...] = ()
    """Names of other authorities that are to be told, and that no machine tells."""
    why: str = ""
    """Of a correction: what it says of the earlier one."""
    wanted: Wanted = Wanted.NOTHING
    run: int = 0
    """Number of the run that holds, or last held, it: the fence."""
    opened_run: int | None = None
    """The run that got `report.authority_id`."""
    files: tuple[FiledFile, ...] = ()
    opened_at: datetime | None = None
    expires_at: datetime | None = None
    """When the authority deletes it unless it is finished."""
    attempts: int = 0
    """Runs since a person last asked that ended with a fault."""
    due_at: datetime | None = None
    trouble: str = ""
    """What the last fault was, while it is tried again."""
    fault: Outcome | None = None
    """Of what kind the last fault was; with a failed report, who must act."""
    note: str = ""
    """What a person ought to know of a report that is filed."""
    version: int = 1
    """Grows with every change of the document by a person."""
    created_at: datetime
    created_by: str
    updated_at: datetime

    @property
    def in_motion(self) -> bool:
        """Whether a run would do something for it, now or later."""
        return self.wanted is not Wanted.NOTHING and self.report.state not in FILED

    @property
    def failing(self) -> bool:
        """For lists: it failed, or it is being tried again."""
        return self.report.state is ReportState.FAILED or bool(self.trouble)


class Patience(Struct, frozen=True, kw_only=True):
    """How often, and how far apart, what failed is tried again."""

    first: timedelta = timedelta(seconds=30)
    """Doubled with each further fault."""
    most: timedelta = timedelta(hours=1)
    attempts: int = 36
    """Then it fails visibly: after about a day and a quarter."""
    credentials: int = 3
    """The same where the authority does not accept user name, password or rights: it may lock an account out."""

    def delay(self, attempts: int, asked_s: float | None) -> timedelta:
        """Before the next try after that many faults; at least what the authority asked for."""
        doubled = self.first * 2 ** min(max(attempts - 1, 0), 30) if attempts < 40 else self.most
        return max(min(doubled, self.most), timedelta(seconds=asked_s or 0))


class Step(Struct, frozen=True):
    """A call to make; `file` numbers the file that it is about."""

    call: Call
    file: int | None = None


class Local(StrEnum):
    """What needs no call."""

    NOTHING = "nothing"
    WAIT = "wait"
    """Not before `due_at`."""
    CHECK = "check"
    """Check the document by our own rules: nothing goes out unchecked, and the rules may have changed since it was drafted."""
    WITHDRAWN = "withdrawn"
    """Nothing of it is at the authority that anybody could finish."""


def next_step(filing: Filing, now: datetime) -> Step | Local:
    """What to do for it in the present run, from nothing but what is kept."""
    report, state = filing.report, filing.report.state
    if state in FILED or filing.wanted is Wanted.NOTHING:
        return Local.NOTHING
    if filing.due_at is not None and now < filing.due_at:
        return Local.WAIT
    if report.authority_id is None:
        if filing.wanted is Wanted.WITHDRAW:
            return Local.NOTHING if state is ReportState.RETRACTED else Local.WITHDRAWN
        if state in (ReportState.FAILED, ReportState.RETRACTED):
            return Local.NOTHING
        return Local.CHECK if state is ReportState.DRAFT else Step(Call.SUBMIT)
    ours = filing.opened_run == filing.run and state in (ReportState.OPENED, ReportState.UPLOADED)
    expired = filing.expires_at is not None and filing.expires_at - MARGIN <= now
    if filing.wanted is Wanted.WITHDRAW or not ours or expired:
        return Step(Call.RETRACT)
    for file in filing.files:
        if file.file_id is None:
            return Step(Call.UPLOAD, file.number)
        if not file.described:
            return Step(Call.FILEINFO, file.number)
    return Step(Call.FINISH)


def settled(filing: Filing, step: Step, answer: Answer, now: datetime, patience: Patience) -> Filing:
    """What is kept after a call was answered, or was not."""
    given = replace(filing, updated_at=now)
    if step.call is not Call.SUBMIT and answer.report_id not in (None, filing.report.authority_id):
        answer = replace(answer, outcome=Outcome.LATER, reason="the answer names another report")
    if answer.outcome is Outcome.FINISHED and step.call is not Call.SUBMIT:
        lost = step.call in (Call.RETRACT, Call.FINISH)
        note = "its acknowledgement was lost; asked again, the authority said that it is filed" if lost else _TOO_SOON
        return _filed(given, now, note)
    if step.call is Call.RETRACT and answer.outcome in (Outcome.DONE, Outcome.GONE, Outcome.RETRACTED):
        return _closed(given, now)
    if answer.outcome is not Outcome.DONE:
        return _faulty(given, step, answer, now, patience)
    if step.call is Call.SUBMIT:
        files = tuple(replace(f, file_id=None, described=False) for f in given.files)
        report = given.report.move(ReportState.OPENED, now, authority_id=answer.report_id)
        return replace(
            given, report=report, opened_run=given.run, opened_at=now, expires_at=now + OPEN_FOR, files=files, trouble="", fault=None
        )
    if step.call is Call.FINISH:
        return _finished(given, answer, now)
    return _changed(given, step, answer, now)


_TOO_SOON = "the authority said that it is finished before this service had finished it: compare the two"


def _changed(filing: Filing, step: Step, answer: Answer, now: datetime) -> Filing:
    """A file was uploaded or described."""
    file = filing.files[step.file or 0]
    done = replace(file, file_id=answer.file_id) if step.call is Call.UPLOAD else replace(file, described=True)
    files = tuple(done if f.number == file.number else f for f in filing.files)
    expires = max((filing.opened_at or now) + OPEN_FOR, now + AFTER_CHANGE)
    return replace(filing, report=filing.report.move(ReportState.UPLOADED, now), files=files, expires_at=expires)


def _finished(filing: Filing, answer: Answer, now: datetime) -> Filing:
    """Acknowledged only where what the authority says it holds is what was sent."""
    sent = {f.file_id for f in filing.files}
    if set(answer.files) != sent:
        return _filed(filing, now, f"the authority acknowledged {len(answer.files)} files and {len(sent)} were sent: compare the two")
    filed = _filed(filing, now, "")
    return replace(filed, report=filed.report.move(ReportState.ACKNOWLEDGED, now))


def _filed(filing: Filing, now: datetime, note: str) -> Filing:
    if filing.wanted is Wanted.WITHDRAW:
        note = "it was filed before it could be retracted: a correction can still be sent" + (f"; {note}" if note else "")
    return replace(
        filing,
        report=filing.report.move(ReportState.FINISHED, now),
        wanted=Wanted.NOTHING,
        expires_at=None,
        due_at=None,
        trouble="",
        fault=None,
        note=note,
    )


def _closed(filing: Filing, now: datetime) -> Filing:
    """The authority has no unfinished report of it any more."""
    bare = replace(filing, opened_run=None, opened_at=None, expires_at=None)
    if filing.report.state is ReportState.FAILED and filing.wanted is Wanted.FILE:
        return replace(bare, report=replace(filing.report, authority_id=None), wanted=Wanted.NOTHING)
    report = replace(filing.report.move(ReportState.RETRACTED, now), authority_id=None)
    if filing.wanted is Wanted.WITHDRAW:
        return replace(bare, report=report, wanted=Wanted.NOTHING, due_at=None, trouble="", fault=None)
    return replace(bare, report=report.move(ReportState.DRAFT, now))


_WHO = {
    Outcome.DOCUMENT: "the authority does not accept the document",
    Outcome.FILE: "the authority does not accept a file",
    Outcome.CREDENTIALS: "the authority does not accept the user name, the password or their rights",
    Outcome.REFUSED: "the authority does not accept the request",
}
_HOPELESS = frozenset({Outcome.DOCUMENT, Outcome.FILE, Outcome.REFUSED})


def _faulty(filing: Filing, step: Step, answer: Answer, now: datetime, patience: Patience) -> Filing:
    attempts = filing.attempts + 1
    where = f" (file {step.file + 1})" if step.file is not None else ""
    reason = f"{step.call}{where}: {answer.reason or _WHO.get(answer.outcome, answer.outcome)}"
    # What faulted is never gone on with, not even in this run: it is retracted first.
    filing = replace(filing, attempts=attempts, fault=answer.outcome, opened_run=None)
    if filing.report.state is ReportState.FAILED:  # it was only being cleared away; the authority will do that by itself
        return replace(filing, wanted=Wanted.NOTHING, due_at=None)
    limit = patience.credentials if answer.outcome is Outcome.CREDENTIALS else patience.attempts
    # A retraction that is refused says nothing of the document, and until it is answered nothing else may be tried.
    if attempts >= limit or (answer.outcome in _HOPELESS and step.call is not Call.RETRACT):
        # What is open there is cleared away in the same run, unless that is what failed; else it expires.
        clear = filing.report.authority_id is not None and step.call is not Call.RETRACT
        wanted = filing.wanted if clear else Wanted.NOTHING
        return replace(filing, report=filing.report.fail(reason, now), wanted=wanted, due_at=None, trouble="")
    restart = answer.outcome in (Outcome.GONE, Outcome.FILE_GONE, Outcome.RETRACTED)
    wait = patience.delay(attempts, answer.retry_after_s) if not restart or attempts > 1 else timedelta()
    return replace(filing, due_at=now + wait, trouble=reason)


def asked_again(filing: Filing, now: datetime) -> Filing:
    """A person submits it, for the first time or after it failed. Raises Conflict where it is filed or withdrawn."""
    report = filing.report
    if report.state in FILED:
        raise Conflict("it is filed already: send a correction", field="state")
    if report.state is ReportState.RETRACTED:
        raise Conflict("it was withdrawn: draft it anew", field="state")
    if report.state is ReportState.FAILED:
        report = report.move(ReportState.OPENED if report.authority_id is not None else ReportState.DRAFT, now)
    return replace(filing, report=report, wanted=Wanted.FILE, attempts=0, due_at=now, trouble="", fault=None, updated_at=now)


def asked_back(filing: Filing, now: datetime) -> Filing:
    """A person withdraws it. Raises Conflict where it is filed: only a correction can follow that."""
    report = filing.report
    if report.state in FILED:
        raise Conflict("it is filed already and cannot be retracted: send a correction", field="state")
    if report.state is ReportState.RETRACTED:
        raise Conflict("it is withdrawn already", field="state")
    if report.state is ReportState.FAILED and report.authority_id is not None:
        report = report.move(ReportState.OPENED, now)
    return replace(filing, report=report, wanted=Wanted.WITHDRAW, attempts=0, due_at=now, trouble="", fault=None, updated_at=now)


def checked(filing: Filing, faults: Sequence[str], now: datetime) -> Filing:
    """After our own check of a draft: validated, or failed for its first faults."""
    if not faults:
        return replace(filing, report=filing.report.move(ReportState.VALIDATED, now), updated_at=now)
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    failed = filing.report.fail(f"the document breaks the authority's rules: {'; '.join(faults[:3])}{more}", now)
    return replace(filing, report=failed, wanted=Wanted.NOTHING, due_at=None, fault=Outcome.DOCUMENT, updated_at=now)


def stopped(filing: Filing, reason: str, now: datetime, *, clear: bool = False) -> Filing:
    """It cannot even be asked: failed. `clear`: what the authority holds of it is still retracted; else that is left to a person, or to
    expire."""
    failed = filing.report if filing.report.state is ReportState.FAILED else filing.report.fail(reason, now)
    wanted = filing.wanted if clear and filing.report.authority_id is not None else Wanted.NOTHING
    kept = replace(filing, report=failed, wanted=wanted, opened_run=None, due_at=None, trouble="", updated_at=now)
    return replace(kept, fault=Outcome.REFUSED)


def withdrawn(filing: Filing, now: datetime) -> Filing:
    """Nothing was at the authority to be retracted."""
    report = filing.report.move(ReportState.RETRACTED, now)
    return replace(filing, report=report, wanted=Wanted.NOTHING, due_at=None, trouble="", fault=None, updated_at=now)


class Taken(Struct, frozen=True, kw_only=True):
    """One step, as it was kept before and after its call."""

    run: int
    call: Call
    file: int | None
    began_at: datetime
    ended_at: datetime | None
    """None: under way, or cut off before the answer was kept."""
    outcome: Outcome | None
    code: int | None
    status: int | None
    request_id: str | None
    authority_id: str | None
    detail: str = ""
    """The authority's own words, where it was asked for: they may quote the document."""


class Authority(Protocol):
    """An authority's door. Every method returns, whatever happens on the way; nothing is tried twice in it."""

    place: str

    def submit(self, document: bytes) -> Answer: ...
    def upload(self, report_id: str, name: str, data: bytes) -> Answer: ...
    def fileinfo(self, document: bytes) -> Answer: ...
    def finish(self, report_id: str) -> Answer: ...
    def retract(self, report_id: str) -> Answer: ...
    def status(self) -> Answer:
        """Whether it is there and takes the credentials; changes nothing."""
        ...

    def schema(self) -> bytes:
        """The authority's own schema (XSD). Raises Unavailable or Denied."""
        ...
