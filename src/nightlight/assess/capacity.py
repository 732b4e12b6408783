"""Levels follow from what an operator can do: reviewer minutes a day, nudges a thousand children a week. What that loses is shown."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.errors import Invalid
from nightlight.core.harm import Level


class Capacity(Struct, frozen=True, kw_only=True):
    reviewer_minutes_per_day: float
    minutes_per_case: float
    nudges_per_1000_children_per_week: float


class Outcome(Struct, frozen=True, kw_only=True):
    """One conversation of an operator's own history: the highest score it reached, and what a person found, where one looked."""

    score: float
    harmful: bool | None = None


class Plan(Struct, frozen=True, kw_only=True):
    levels: dict[Level, float]
    cases_per_day: float
    nudges_per_1000_children_per_week: float
    recall_lost: float | None
    """Share of the conversations known to be harmful that stay below `high` under this plan, beyond those that stay below it under
    the default levels; None where the history holds no verdict."""


def plan_levels(history: Sequence[Outcome], days: float, children: int, capacity: Capacity) -> Plan:
    """The lowest levels whose load fits the capacity, never below the defaults. A threshold is never placed inside a tie.

    Raises Invalid for an empty history or numbers that are not positive.
    """
    if not history:
        raise Invalid("no conversations to plan from", field="history")
    for name, value in (("days", days), ("children", children), ("minutes_per_case", capacity.minutes_per_case)):
        if value <= 0:
            raise Invalid("must be more than 0", field=name)
    scores = sorted((o.score for o in history), reverse=True)
    affordable_cases = int(capacity.reviewer_minutes_per_day / capacity.minutes_per_case * days)
    affordable_nudges = int(capacity.nudges_per_1000_children_per_week * children / 1000 * days / 7)
    high = _threshold(scores, affordable_cases, DEFAULT_LEVELS[Level.HIGH])
    elevated = min(high, _threshold(scores, affordable_nudges, DEFAULT_LEVELS[Level.ELEVATED]))
    harmful = [o.score for o in history if o.harmful]
    lost = None
    if harmful:
        lost = sum(DEFAULT_LEVELS[Level.HIGH] <= s < high for s in harmful) / len(harmful)
    return Plan(
        levels={Level.LOW: min(DEFAULT_LEVELS[Level.LOW], elevated), Level.ELEVATED: elevated, Level.HIGH: high},
        cases_per_day=sum(s >= high for s in scores) / days,
        nudges_per_1000_children_per_week=sum(s >= elevated for s in scores) / children * 1000 / days * 7,
        recall_lost=lost,
    )


def _threshold(scores: Sequence[float], affordable: int, least: float) -> float:
    """The lowest threshold, at least `least`, that at most `affordable` of the descending scores reach."""
    over = [s for s in scores if s >= least]
    if len(over) <= affordable:
        return least
    # The first score that no longer fits: the threshold lies just above it, so that ties fall out together.
    first_out = over[affordable]
    kept = [s for s in over if s > first_out]
    return min(kept) if kept else min(1.0, first_out) + 1e-9
