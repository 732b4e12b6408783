"""`Signal`: one finding of one detector, with its evidence. No finding without a reason."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from nightlight.core.fingerprint import Match
from nightlight.core.harm import Harm, Stage


class SubjectKind(StrEnum):
    CONVERSATION = "conversation"
    ACCOUNT = "account"
    PAIR = "pair"
    MEDIA = "media"
    LINK = "link"
    STREAM = "stream"
    NETWORK = "network"


class Subject(Struct, frozen=True):
    """What a signal or an assessment is about."""

    kind: SubjectKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Evidence(Struct, frozen=True):
    """Where to look and why. Points at content by event and span; never carries the content itself."""

    event: str
    reason: str
    """In plain words, blaming no child."""
    span: tuple[int, int] | None = None
    """Characters of the event's text, half open."""
    cue: str | None = None
    match: Match | None = None


class Signal(Struct, frozen=True, kw_only=True):
    subject: Subject
    harm: Harm
    score: float
    """0 to 1: the detector's running belief about the subject after this event, not an increment. Uncalibrated."""
    evidence: tuple[Evidence, ...]
    at: datetime
    detector: str
    version: str
    stages: tuple[Stage, ...] = ()
    actor: str | None = None
    """The account whose conduct it is about."""
    protects: str | None = None
    """The account that may be harmed."""
    abstained: bool = False
    """The detector saw something but declines to score it, such as an unsupported language."""
