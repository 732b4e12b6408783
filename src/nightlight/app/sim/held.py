"""What the stand-in for the CyberTipline holds, and its rules of sequence: no HTTP here."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from xml.sax.saxutils import escape

from msgspec import Struct, field

from nightlight.adapters.authorities.codes import parsed
from nightlight.core.document import Fault
from nightlight.core.filing import AFTER_CHANGE, OPEN_FOR

Check = Callable[[bytes, datetime], Sequence[Fault]]
_SHOWN = 5
"""Faults that an answer names."""


class HeldState(StrEnum):
    OPEN = "open"
    FINISHED = "finished"
    RETRACTED = "retracted"
    EXPIRED = "expired"


class HeldFile(Struct):
    id: str
    name: str
    size: int
    md5: str
    details: bytes | None = None


class HeldReport(Struct):
    id: str
    document: bytes
    opened_at: datetime
    changed_at: datetime
    state: HeldState = HeldState.OPEN
    files: dict[str, HeldFile] = field(default_factory=dict)


class Reply(Struct, frozen=True, kw_only=True):
    code: int
    words: str
    status: int = 200
    report: str | None = None
    file: str | None = None
    md5: str | None = None
    done: tuple[str, ...] | None = None
    """With a finished report: its files."""

    def xml(self) -> bytes:
        root = "reportResponse" if self.done is None else "reportDoneResponse"
        parts = [f"<responseCode>{self.code}</responseCode>"]
        if self.done is None:
            parts.append(f"<responseDescription>{escape(self.words)}</responseDescription>")
        parts += [
            f"<{n}>{escape(v)}</{n}>" for n, v in (("reportId", self.report), ("fileId", self.file), ("hash", self.md5)) if v is not None
        ]
        if self.done is not None:
            parts.append(f"<files>{''.join(f'<fileId>{escape(f)}</fileId>' for f in self.done)}</files>")
        return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?><{root}>{"".join(parts)}</{root}>'.encode()


class Held:
    """One authority's memory. Not safe for several threads: the server holds a lock."""

    def __init__(self, check: Check, now: Callable[[], datetime], first: int = 1_000_001) -> None:
        self._check, self._now = check, now
        self.reports: dict[str, HeldReport] = {}
        self._numbers = itertools.count(first)

    def expire(self) -> None:
        """What was left unfinished too long is deleted, as the authority does."""
        now = self._now()
        for report in self.reports.values():
            if report.state is HeldState.OPEN and now >= max(report.opened_at + OPEN_FOR, report.changed_at + AFTER_CHANGE):
                report.state = HeldState.EXPIRED

    def submit(self, body: bytes) -> Reply:
        if (refused := self._refused(body, "report")) is not None:
            return refused
        now, id = self._now(), str(next(self._numbers))
        self.reports[id] = HeldReport(id, body, now, now)
        return Reply(code=0, words="Success", report=id)

    def upload(self, id: str, name: str, data: bytes) -> Reply:
        report = self._open(id)
        if isinstance(report, Reply):
            return report
        if not data:
            return Reply(code=4200, words="The file is empty", report=id, status=400)
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        file = HeldFile(hashlib.sha256(f"{id}/{len(report.files)}".encode()).hexdigest()[:32], name, len(data), md5)
        report.files[file.id] = file
        report.changed_at = self._now()
        return Reply(code=0, words="Success", report=id, file=file.id, md5=md5)

    def fileinfo(self, body: bytes) -> Reply:
        if (refused := self._refused(body, "fileDetails")) is not None:
            return refused
        root = parsed(body)
        id, file = ((root.findtext(n) or "").strip() if root is not None else "" for n in ("reportId", "fileId"))
        report = self._open(id)
        if isinstance(report, Reply):
            return report
        if file not in report.files:
            return Reply(code=5002, words="The report has no such file", report=id)
        report.files[file].details = body
        report.changed_at = self._now()
        return Reply(code=0, words="Success", report=id, file=file)

    def finish(self, id: str) -> Reply:
        report = self._open(id)
        if isinstance(report, Reply):
            return report
        bare = sum(f.details is None for f in report.files.values())
        if bare:  # stricter than what is known of the authority: a file that nobody described is a mistake of the client
            return Reply(code=4000, words=f"{bare} files were uploaded and not described", report=id, status=400)
        report.state, report.changed_at = HeldState.FINISHED, self._now()
        return Reply(code=0, words="Success", report=id, done=tuple(report.files))

    def retract(self, id: str) -> Reply:
        report = self._open(id)
        if isinstance(report, Reply):
            return report
        report.state, report.changed_at = HeldState.RETRACTED, self._now()
        return Reply(code=0, words="Success", report=id)

    def _open(self, id: str) -> HeldReport | Reply:
        report = self.reports.get(id)
        if report is None or report.state is HeldState.EXPIRED:
            return Reply(code=5001, words="There is no such report")
        if report.state is HeldState.RETRACTED:
            return Reply(code=5101, words="The report was retracted", report=id)
        if report.state is HeldState.FINISHED:
            return Reply(code=5102, words="The report was finished", report=id)
        return report

    def _refused(self, body: bytes, root: str) -> Reply | None:
        found = parsed(body)
        if found is None:
            return Reply(code=4110, words="The document is not well-formed XML", status=400)
        if found.tag != root:
            return Reply(code=4100, words=f"The document's root must be {root}", status=400)
        faults = self._check(body, self._now())
        if faults:
            more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
            return Reply(code=4100, words="; ".join(map(str, faults[:_SHOWN])) + more, status=400)
        return None
