"""The risk of a case over its lines, as what a template draws: everything in percent, so that text keeps its size on any screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from msgspec import Struct

from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.desk import RiskPoint
from nightlight.core.harm import Harm, Level, Stage

MOST_STEPS = 240
"""Changes of the line that are drawn; the table behind has as many rows."""
TOP, FLOOR = 6.0, 98.0
"""Where a score of 1 and of 0 stand, in percent of the height."""


class Stroke(Struct, frozen=True):
    x1: float
    y1: float
    x2: float
    y2: float


class Dot(Struct, frozen=True, kw_only=True):
    x: float
    y: float
    event: str
    at: datetime
    number: int
    """As in the list of decisive lines, from 1."""


class Guide(Struct, frozen=True):
    level: Level
    y: float
    score: float


class Row(Struct, frozen=True, kw_only=True):
    """One row of the table behind the chart."""

    at: datetime
    harm: Harm
    score: float
    stages: tuple[Stage, ...]
    decisive: int


class Strip(Struct, frozen=True):
    stage: Stage
    xs: tuple[float, ...]


class Chart(Struct, frozen=True, kw_only=True):
    harm: Harm
    strokes: tuple[Stroke, ...]
    dots: tuple[Dot, ...]
    guides: tuple[Guide, ...]
    strips: tuple[Strip, ...]
    rows: tuple[Row, ...]
    first: datetime
    last: datetime
    lines: int
    peak: float


def charts(points: Sequence[RiskPoint], decisive: Sequence[str], levels: Mapping[Level, float] = DEFAULT_LEVELS) -> list[Chart]:
    """One small chart a harm, the gravest peak first. `decisive`: events, in the order of their numbers."""
    harms = dict.fromkeys(p.harm for p in points)
    # One axis for all: what stands above each other happened at the same line.
    points = sorted(points, key=lambda p: p.at)
    axis = {event: n for n, event in enumerate(dict.fromkeys(p.event for p in points))}
    ends = (points[0].at, points[-1].at) if points else None
    drawn = [_chart(harm, [p for p in points if p.harm is harm], decisive, levels, axis, ends) for harm in harms if ends is not None]
    return sorted(drawn, key=lambda c: (-c.peak, c.harm.urgency))


def _chart(
    harm: Harm,
    points: Sequence[RiskPoint],
    decisive: Sequence[str],
    levels: Mapping[Level, float],
    axis: Mapping[str, int],
    ends: tuple[datetime, datetime],
) -> Chart:
    last = max(1, len(axis) - 1)
    xs = [_x(axis[p.event], last) for p in points]
    kept = _changes(points, frozenset(decisive))
    strokes: list[Stroke] = []
    for a, b in pairwise(kept):
        xa, xb, ya, yb = xs[a], xs[b], _y(points[a].score), _y(points[b].score)
        strokes.append(Stroke(xa, ya, xb, ya))  # a step: between two lines nothing was known to change
        if ya != yb:
            strokes.append(Stroke(xb, ya, xb, yb))
    end = _x(last, last)
    if xs[-1] < end:  # nothing of this harm came after: it stands where it stood
        strokes.append(Stroke(xs[-1], _y(points[-1].score), end, _y(points[-1].score)))
    numbers = {event: n for n, event in enumerate(decisive, start=1)}
    dots = [
        Dot(x=xs[n], y=_y(p.score), event=p.event, at=p.at, number=numbers[p.event]) for n, p in enumerate(points) if p.event in numbers
    ]
    seen: dict[Stage, list[float]] = {}
    for n, p in enumerate(points):
        before = set(points[n - 1].stages) if n else set()
        for stage in p.stages:
            if stage not in before or p.event in numbers:
                seen.setdefault(stage, []).append(xs[n])
    return Chart(
        harm=harm,
        strokes=tuple(strokes),
        dots=tuple(dots),
        guides=tuple(
            Guide(level, _y(levels[level]), levels[level]) for level in (Level.LOW, Level.ELEVATED, Level.HIGH) if level in levels
        ),
        strips=tuple(Strip(stage, tuple(xs[:40])) for stage, xs in sorted(seen.items(), key=lambda kv: kv[1][0])),
        rows=tuple(
            Row(at=points[n].at, harm=harm, score=points[n].score, stages=points[n].stages, decisive=numbers.get(points[n].event, 0))
            for n in kept
        ),
        first=ends[0],
        last=ends[1],
        lines=len(axis),
        peak=max(p.score for p in points),
    )


def _changes(points: Sequence[RiskPoint], decisive: frozenset[str]) -> list[int]:
    """The first, the last, the decisive and where it changed; the largest changes where those are too many."""
    sizes = {n: abs(points[n].score - points[n - 1].score) for n in range(1, len(points))}
    must = {0, len(points) - 1, *(n for n, p in enumerate(points) if p.event in decisive)}
    largest = sorted((n for n, size in sizes.items() if size > 0.002), key=lambda n: -sizes[n])[: MOST_STEPS - len(must)]
    return sorted(must.union(largest))


def _x(n: int, last: int) -> float:
    return round(1 + 98 * n / last, 2)


def _y(score: float) -> float:
    return round(FLOOR - (FLOOR - TOP) * max(0.0, min(1.0, score)), 2)
