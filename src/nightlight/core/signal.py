"""`Signal`: one finding of one detector, with its evidence. No finding without a reason."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from nightlight.core.bank import Match
from nightlight.core.harm import Harm, Stage

NOT_READ = "not_read"
"""Cue of evidence that says of a line only that it could not be read."""

FLOOD, FLOOD_GOES_ON = "flood", "flood_goes_on"
"""Cues of evidence that one banked item is matched by very many accounts at once: when it is first seen, and while it goes on."""
PAUSED = "paused"
"""Name of a fact for a banked item: a flood paused it, so a match that says that it is not paused comes after a person resumed it."""
WITHDRAWN = "withdrawn"
"""Name of a fact for an account: what was derived about it from the item `other` no longer counts."""


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
    at: datetime | None = None
    """When the event happened, where the detector says so."""


class Unread(StrEnum):
    """Why a detector could not read what somebody wrote."""

    LANGUAGE = "language"
    """It is in a language that the detector does not read."""
    NO_TEXT = "no_text"
    """There was text, and the text sense gave nothing of it."""


class StageSeen(Struct, frozen=True, kw_only=True):
    """When one side showed a theme, and where to look."""

    stage: Stage
    first: datetime
    last: datetime
    first_event: str
    """An event's id, or `#` and a hash of it where it is long; empty where it was not kept."""
    last_event: str
    count: int
    """Events that showed it."""


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
    timeline: tuple[StageSeen, ...] = ()
    """Of the stages, in the same order, where the detector keeps it: all that it knows by now, not what this event added."""
    unread: tuple[Unread, ...] = ()
    """Why lines of the same side could not be read, if any could not: what they hold is in no score."""
    actor: str | None = None
    """The account whose conduct it is about."""
    protects: str | None = None
    """The account that may be harmed."""
    abstained: bool = False
    """The detector saw something but declines to score it, such as an unsupported language."""
    corrects: bool = False
    """The detector takes back what it said of the subject before: this score replaces its last one, even where it is lower."""
