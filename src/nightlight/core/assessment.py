"""`Assessment`: the fused risk of one subject for one harm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import Evidence, StageSeen, Subject, Unread


class Contribution(Struct, frozen=True, kw_only=True):
    """What one detector adds to an assessment."""

    detector: str
    version: str
    score: float
    """0 to 1, as of `at`; fades from then on."""
    at: datetime
    evidence: tuple[Evidence, ...] = ()
    """The latest lines that count, at most eight."""
    actor: str | None = None
    """Whom the detector's latest finding is about..."""
    protects: str | None = None
    """...and whom that may harm: the two always come from one signal."""
    timeline: tuple[StageSeen, ...] = ()
    """The latest that the detector told."""
    unread: tuple[Unread, ...] = ()
    """Why some lines could not be read: once said, it stays."""


class Assessment(Struct, frozen=True, kw_only=True):
    subject: Subject
    harm: Harm
    score: float
    """0 to 1 at `at`."""
    calibrated: bool
    """False until an operator has calibrated on real outcomes; shown as "score, uncalibrated"."""
    level: Level
    at: datetime
    contributions: tuple[Contribution, ...]
    stages: tuple[Stage, ...] = ()
    crossed: Mapping[Level, datetime] = {}
    """When it first reached each level."""
    actor: str | None = None
    """With `protects`, those of the contribution that counts most now: never one from here and the other from there."""
    protects: str | None = None
    abstained: bool = False
    version: int = 1
    """Counts the changes of this assessment."""


DEFAULT_LEVELS: Mapping[Level, float] = {Level.LOW: 0.25, Level.ELEVATED: 0.5, Level.HIGH: 0.75}
"""Scores at which each level begins until an operator sets them from their capacity. Detectors place their scores on this scale:
0.25 worth counting, 0.5 worth a kind word to the child, 0.75 worth a reviewer's minutes."""
