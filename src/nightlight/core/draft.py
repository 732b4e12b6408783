"""`Draft`: what a report will say, before it is sent, and what it still lacks."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from nightlight.core.document import Fault, Node


class Missing(Struct, frozen=True, kw_only=True):
    """One thing that the report lacks, and how to get it."""

    field: str
    """Stable name, such as `victim.age`."""
    required: bool
    """Without it the report must not be sent."""
    weight: int
    """What having it adds to the score."""
    what: dict[str, str]
    """By language, `en` and `es`: what is missing."""
    how: dict[str, str]
    """By language: how to get it."""


class Completeness(Struct, frozen=True, kw_only=True):
    score: int
    """0 to 100: the part of what would help that is there. Says nothing about guilt or risk."""
    missing: tuple[Missing, ...] = ()
    """What is required first, then by what it adds."""

    @property
    def ready(self) -> bool:
        """True where nothing that is required is missing."""
        return not any(one.required for one in self.missing)


class DraftFile(Struct, frozen=True, kw_only=True):
    """A file that goes with a report: either one that the vault holds, or one that the draft itself made (`content`)."""

    name: str
    details: Node
    """Root `fileDetails`, without `reportId` and `fileId`: the authority gives them, see `reporting.with_ids`."""
    media: str | None = None
    """`MediaFile.id`; its bytes are read from the vault when they are sent."""
    content: bytes | None = None
    """Of an attached transcript, UTF-8 text."""
    sha256: str = ""
    media_type: str = ""


class Draft(Struct, frozen=True, kw_only=True):
    case: str
    authority: str
    made_at: datetime
    document: Node
    """Root `report`."""
    files: tuple[DraftFile, ...] = ()
    completeness: Completeness = Completeness(score=0)
    faults: tuple[Fault, ...] = ()
    """What our validator says of the document and of each file's details."""

    @property
    def ready(self) -> bool:
        """Nothing required is missing and nothing is wrong with it. Whether a person approved it is not known here."""
        return self.completeness.ready and not self.faults
