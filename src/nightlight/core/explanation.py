"""`Explanation`: why an assessment stands where it does, for a person: the lines that count, the stages over time, and one paragraph.

Made from an assessment alone, so whoever shows it needs no detector and no content. `Redacted` is the same for those who need not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.assessment import Assessment
from nightlight.core.explanation_words import LANGUAGES, paragraph
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import NOT_READ, StageSeen, Unread

MOST_LINES = 16


class CountedLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that counts: where to look, and why. Never the text itself."""

    event: str
    cue: str | None
    reason: str
    span: tuple[int, int] | None = None
    """Characters of the event's text, half open."""
    at: datetime | None = None
    detector: str = ""


class Explanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    harm: Harm
    level: Level
    score: float
    calibrated: bool
    lines: tuple[CountedLine, ...] = ()
    """The latest that count, at most 16, in the order in which they were found."""
    stages: tuple[StageSeen, ...] = ()
    """In the order in which each was first seen."""
    summary: Mapping[str, str] = {}
    """Language to one paragraph, which names and quotes nobody."""
    unread: tuple[Unread, ...] = ()
    """Why some lines could not be read: what they hold is in no score."""
    abstained: bool = False
    """Nothing could be judged: the score is no finding that all is well."""
    actor: str | None = None
    protects: str | None = None


class Redacted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stages and counts only: no line, no span, no event and no account."""

    harm: Harm
    level: Level
    stages: Mapping[str, int] = {}
    """Stage to how many events showed it."""
    lines: int = 0
    summary: Mapping[str, str] = {}
    unread: tuple[Unread, ...] = ()
    abstained: bool = False


def explain_assessment(assessment: Assessment) -> Explanation:
    """What stands behind an assessment. Pure; asks for no content."""
    stages = _merged([seen for contribution in assessment.contributions for seen in contribution.timeline])
    lines = [
        CountedLine(
            event=evidence.event,
            cue=evidence.cue,
            reason=evidence.reason,
            span=evidence.span,
            at=evidence.at,
            detector=contribution.detector,
        )
        for contribution in assessment.contributions
        for evidence in contribution.evidence
        if evidence.cue != NOT_READ and contribution.score > 0.0
    ]
    unread = tuple(dict.fromkeys(why for contribution in assessment.contributions for why in contribution.unread))
    return Explanation(
        harm=assessment.harm,
        level=assessment.level,
        score=assessment.score,
        calibrated=assessment.calibrated,
        lines=tuple(lines[-MOST_LINES:]),
        stages=stages,
        summary={
            language: paragraph(
                language,
                assessment.harm,
                assessment.level,
                [seen.stage for seen in stages],
                lines=len(lines),
                seconds=_spread(stages),
                unread=unread,
                abstained=assessment.abstained,
            )
            for language in LANGUAGES
        },
        unread=unread,
        abstained=assessment.abstained,
        actor=assessment.actor,
        protects=assessment.protects,
    )


def explained(moved: Sequence[Assessment]) -> tuple[Explanation, ...]:
    """Of those assessments the ones that a person may be asked about: elevated, or abstained from; where a detector told stages or
    that it could not read."""
    return tuple(
        explain_assessment(one)
        for one in moved
        if (one.abstained or one.level.rank >= Level.ELEVATED.rank) and any(c.timeline or c.unread for c in one.contributions)
    )


def redacted(explanation: Explanation) -> Redacted:
    return Redacted(
        harm=explanation.harm,
        level=explanation.level,
        stages={seen.stage.value: seen.count for seen in explanation.stages},
        lines=len(explanation.lines),
        summary=explanation.summary,
        unread=explanation.unread,
        abstained=explanation.abstained,
    )


def named(explanation: Explanation, names: Mapping[str, str]) -> Explanation:
    """With the service's own ids in the place of pseudonyms, where they are known."""
    actor, protects = (names.get(who, who) if who is not None else None for who in (explanation.actor, explanation.protects))
    return replace(explanation, actor=actor, protects=protects)


def _merged(seen: Sequence[StageSeen]) -> tuple[StageSeen, ...]:
    """One entry a stage, over all detectors."""
    found: dict[Stage, StageSeen] = {}
    for one in seen:
        known = found.get(one.stage)
        if known is not None:
            first, last = min(known, one, key=lambda s: s.first), max(known, one, key=lambda s: s.last)
            one = StageSeen(
                stage=one.stage,
                first=first.first,
                last=last.last,
                first_event=first.first_event,
                last_event=last.last_event,
                # Two detectors may have counted the same event.
                count=max(known.count, one.count),
            )
        found[one.stage] = one
    order = list(Stage)
    return tuple(sorted(found.values(), key=lambda s: (s.first, order.index(s.stage))))


def _spread(stages: Sequence[StageSeen]) -> float:
    """Seconds from the first to the last time that any theme was shown."""
    if not stages:
        return 0.0
    return (max(s.last for s in stages) - min(s.first for s in stages)).total_seconds()
