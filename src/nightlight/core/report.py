"""`Report`: what goes to an authority or a host, and the only ways it may move from one state to the next."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.errors import Conflict


class ReportState(StrEnum):
    DRAFT = "draft"
    VALIDATED = "validated"
    OPENED = "opened"
    UPLOADED = "uploaded"
    FINISHED = "finished"
    ACKNOWLEDGED = "acknowledged"
    RETRACTED = "retracted"
    CORRECTED = "corrected"
    FAILED = "failed"
    """It cannot go on without a person; `Report.reason` says why."""


# Retract only before finish; after it, only a recorded correction (NCMEC's order: submit, upload and fileinfo, finish).
NEXT: dict[ReportState, frozenset[ReportState]] = {
    ReportState.DRAFT: frozenset({ReportState.VALIDATED, ReportState.RETRACTED, ReportState.FAILED}),
    ReportState.VALIDATED: frozenset({ReportState.DRAFT, ReportState.OPENED, ReportState.RETRACTED, ReportState.FAILED}),
    ReportState.OPENED: frozenset({ReportState.UPLOADED, ReportState.FINISHED, ReportState.RETRACTED, ReportState.FAILED}),
    ReportState.UPLOADED: frozenset({ReportState.UPLOADED, ReportState.FINISHED, ReportState.RETRACTED, ReportState.FAILED}),
    ReportState.FINISHED: frozenset({ReportState.ACKNOWLEDGED, ReportState.CORRECTED}),
    ReportState.ACKNOWLEDGED: frozenset({ReportState.CORRECTED}),
    ReportState.RETRACTED: frozenset({ReportState.DRAFT}),
    ReportState.CORRECTED: frozenset({ReportState.CORRECTED}),
    # Tried again by a person. OPENED where the authority may still hold it under an id, which is then asked about first: it may have
    # been finished all the while.
    ReportState.FAILED: frozenset({ReportState.DRAFT, ReportState.OPENED, ReportState.FINISHED, ReportState.RETRACTED}),
}


class Report(Struct, frozen=True, kw_only=True):
    id: str
    case: str
    authority: str
    state: ReportState
    at: datetime
    authority_id: str | None = None
    """The authority's own id, kept the moment it is given."""
    reason: str = ""
    """Why it failed, in plain words without content."""

    def move(self, to: ReportState, at: datetime, authority_id: str | None = None) -> Report:
        """The same report one step on. Raises Conflict where the order of an authority forbids the step."""
        if to not in NEXT[self.state]:
            raise Conflict(f"a report that is {self.state} cannot become {to}", field="state")
        return replace(self, state=to, at=at, authority_id=authority_id or self.authority_id, reason="")

    def fail(self, reason: str, at: datetime) -> Report:
        """The same report, visibly failed. Raises Conflict where it is filed, and ValueError without a reason."""
        if not reason:
            raise ValueError("a report fails for a reason")
        return replace(self.move(ReportState.FAILED, at), reason=reason)
