"""Cohen's kappa over pairs of findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from nightlight.core.case import Finding
from nightlight.core.desk import Agreement


def agreement(pairs: Iterable[tuple[Finding, Finding]]) -> Agreement:
    """First verdicts against blind second ones. Kappa: Cohen, A coefficient of agreement for nominal scales (1960)."""
    found = list(pairs)
    total = len(found)
    if not total:
        return Agreement(pairs=0, observed=0.0, expected=0.0, kappa=None)
    first, second = Counter(a for a, _ in found), Counter(b for _, b in found)
    observed = sum(a is b for a, b in found) / total
    expected = sum(first[x] * second[x] for x in Finding) / total**2
    # Whole numbers decide: where both always said the same one thing, chance explains everything and kappa is 0/0.
    by_chance_alone = any(first[x] == second[x] == total for x in Finding)
    kappa = None if by_chance_alone else (observed - expected) / (1 - expected)
    return Agreement(pairs=total, observed=observed, expected=expected, kappa=kappa)
