"""`assess(previous, signals, now)`: the fused risk of one subject for one harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from nightlight.core.assessment import DEFAULT_LEVELS, Assessment, Contribution
from nightlight.core.harm import Level, Stage
from nightlight.core.signal import Evidence, Signal

HALF_LIFE = timedelta(days=30)
"""After so long without new evidence a contribution counts half. Chosen, not measured: extortion and grooming run over days to
months (Whittle 2013), so a pause of a few days must change little."""

MAX_EVIDENCE = 8
"""Lines kept a contribution: what a reviewer reads first. The signals themselves keep all."""


def faded(score: float, since: datetime, now: datetime, half_life: timedelta = HALF_LIFE) -> float:
    """A score as it counts later on. A clock that ran backwards counts as no time at all."""
    age = max(0.0, (now - since).total_seconds())
    kept: float = 0.5 ** (age / half_life.total_seconds())
    return score * kept


def level_of(score: float, levels: Mapping[Level, float]) -> Level:
    """The highest level whose threshold the score has reached."""
    reached = [level for level, threshold in levels.items() if score >= threshold]
    return max(reached, key=lambda level: level.rank, default=Level.NONE)


def assess(
    previous: Assessment | None,
    signals: Sequence[Signal],
    now: datetime,
    *,
    levels: Mapping[Level, float] = DEFAULT_LEVELS,
    half_life: timedelta = HALF_LIFE,
) -> Assessment:
    """Fuse signals of one subject and harm with what was known.

    Each detector contributes the larger of its faded old score and its new one, so evidence never lowers risk; detectors combine
    as independent witnesses do: 1 - (1-a)(1-b)... . A signal that abstained keeps its evidence and adds no score; one that corrects
    replaces what its detector said before.

    Raises ValueError where there is neither a previous assessment nor a signal, or where subjects or harms differ.
    """
    if previous is None and not signals:
        raise ValueError("nothing to assess")
    subject, harm = (previous.subject, previous.harm) if previous is not None else (signals[0].subject, signals[0].harm)
    if any(s.subject != subject or s.harm != harm for s in signals):
        raise ValueError(f"signals of other subjects or harms than {subject}, {harm}")

    contributions = {c.detector: c for c in previous.contributions} if previous is not None else {}
    stages: dict[Stage, None] = dict.fromkeys(previous.stages if previous is not None else ())
    for signal in signals:
        contributions[signal.detector] = _stronger(contributions.get(signal.detector), signal, now, half_life)
        stages.update(dict.fromkeys(signal.stages))

    miss = 1.0
    for c in contributions.values():
        miss *= 1.0 - faded(c.score, c.at, now, half_life)
    score = 1.0 - miss
    level = level_of(score, levels)
    # Who leads is who the strongest finding is about now: the first to be seen in a conversation may be the one who needs help.
    lead = max(contributions.values(), key=lambda c: (c.actor is not None, faded(c.score, c.at, now, half_life)))
    crossed = dict(previous.crossed) if previous is not None else {}
    for reached in Level:
        if reached is not Level.NONE and reached.rank <= level.rank:
            crossed.setdefault(reached, now)
    return Assessment(
        subject=subject,
        harm=harm,
        score=score,
        calibrated=False,
        level=level,
        at=now,
        contributions=tuple(contributions.values()),
        stages=tuple(stages),
        crossed=crossed,
        actor=lead.actor,
        protects=lead.protects,
        abstained=score == 0.0 and any(s.abstained for s in signals),
        version=previous.version + 1 if previous is not None else 1,
    )


def _stronger(old: Contribution | None, signal: Signal, now: datetime, half_life: timedelta) -> Contribution:
    score = 0.0 if signal.abstained else min(1.0, max(0.0, signal.score))
    evidence: tuple[Evidence, ...] = signal.evidence
    at = now
    who = signal.actor, signal.protects
    if old is not None:
        evidence = tuple(dict.fromkeys((*old.evidence, *evidence)))
        at = max(now, old.at)  # a finding with an older clock must not make the stronger score fade from further back
        if not signal.corrects and faded(old.score, old.at, now, half_life) >= score:
            score, at = old.score, old.at
        if signal.abstained or who == (None, None):
            who = old.actor, old.protects
    return Contribution(
        detector=signal.detector,
        version=signal.version,
        score=score,
        at=at,
        evidence=evidence[-MAX_EVIDENCE:],
        actor=who[0],
        protects=who[1],
        timeline=signal.timeline or (old.timeline if old is not None else ()),
        unread=tuple(dict.fromkeys((*(old.unread if old is not None else ()), *signal.unread))),
    )
