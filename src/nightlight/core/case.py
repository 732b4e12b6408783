"""`Case`: what a person must look at, and the `Verdict`s they give."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from nightlight.core.harm import Harm, Level
from nightlight.core.signal import Subject


class CaseState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Finding(StrEnum):
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    NEEDS_MORE = "needs_more"


class Verdict(Struct, frozen=True, kw_only=True):
    """A person's judgement. Only this, never a score, can lead to a lasting consequence for anybody."""

    case: str
    reviewer: str
    finding: Finding
    reason: str
    at: datetime


class Case(Struct, frozen=True, kw_only=True):
    """Merged while open: a second decision about the same subject and harm adds to the case that is there."""

    id: str
    queue: str
    priority: int
    subject: Subject
    harm: Harm | None
    """None where a rule failed and nobody knows: a person must look."""
    level: Level
    opened_at: datetime
    updated_at: datetime
    state: CaseState = CaseState.OPEN
    events: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    actor: str | None = None
    protects: str | None = None
