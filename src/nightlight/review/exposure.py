"""What a person was exposed to, against what they should be. A budget protects the one who looks; it never judges their work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from nightlight.core.desk import Exposure, Rules, Severity


def minutes(rules: Rules, seconds: Mapping[Severity, float]) -> float:
    """Weighted minutes."""
    return sum(rules.weights.get(severity, 1.0) * given for severity, given in seconds.items()) / 60


def exposure(
    rules: Rules,
    person: str,
    now: datetime,
    *,
    cases: int,
    seconds: Mapping[Severity, float],
    since_break: Mapping[Severity, float],
    break_until: datetime | None,
) -> Exposure:
    """`seconds`: today. `since_break`: since the last break began, or since the day did."""
    resting = break_until is not None and now < break_until
    spent = minutes(rules, seconds)
    return Exposure(
        person=person,
        cases=cases,
        seconds=dict(seconds),
        spent=spent,
        budget=rules.budget,
        over=spent >= rules.budget,
        break_due=not resting and minutes(rules, since_break) >= rules.stretch,
        break_until=break_until if resting else None,
    )
