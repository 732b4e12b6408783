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


# Retract only before finish; after it, only a recorded correction (NCMEC's order: submit, upload and fileinfo, finish).
NEXT: dict[ReportState, frozenset[ReportState]] = {
    ReportState.DRAFT: frozenset({ReportState.VALIDATED}),
    ReportState.VALIDATED: frozenset({ReportState.DRAFT, ReportState.OPENED}),
    ReportState.OPENED: frozenset({ReportState.UPLOADED, ReportState.FINISHED, ReportState.RETRACTED}),
    ReportState.UPLOADED: frozenset({ReportState.UPLOADED, ReportState.FINISHED, ReportState.RETRACTED}),
    ReportState.FINISHED: frozenset({ReportState.ACKNOWLEDGED, ReportState.CORRECTED}),
    ReportState.ACKNOWLEDGED: frozenset({ReportState.CORRECTED}),
    ReportState.RETRACTED: frozenset({ReportState.DRAFT}),
    ReportState.CORRECTED: frozenset({ReportState.CORRECTED}),
}


class Report(Struct, frozen=True, kw_only=True):
    id: str
    case: str
    authority: str
    state: ReportState
    at: datetime
    authority_id: str | None = None
    """The authority's own id, kept the moment it is given."""

    def move(self, to: ReportState, at: datetime, authority_id: str | None = None) -> Report:
        """The same report one step on. Raises Conflict where the order of an authority forbids the step."""
        if to not in NEXT[self.state]:
            raise Conflict(f"a report that is {self.state} cannot become {to}", field="state")
        return replace(self, state=to, at=at, authority_id=authority_id or self.authority_id)
