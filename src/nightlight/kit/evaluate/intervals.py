"""How sure the figures are: exact bounds on a rate, and bootstrap intervals over conversations."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
Interval = tuple[float, float]
Figures = Callable[[npt.NDArray[np.int64]], Mapping[str, float | None]]
"""How often each conversation counts, to the figures by name."""


def bootstrap(sizes: Mapping[str, int], figures: Figures, resamples: int, seed: int) -> dict[str, Interval]:
    """95% percentile intervals by figure, of the parts together; each resample draws as many conversations from each part as it has.

    `sizes`: conversations of each part, whose rows stand in this order. Conversations, not messages, are drawn: the messages of one are
    no independent witnesses. A resample in which a figure has nothing to divide by is left out of that figure's interval. A part is
    drawn in the same way whatever stands beside it.
    """
    seen: dict[str, list[float]] = {}
    draws = [(size, np.random.default_rng((seed, zlib.crc32(name.encode())))) for name, size in sizes.items()]
    for _ in range(resamples if any(sizes.values()) else 0):
        weights = np.concatenate([np.bincount(rng.integers(0, size, size), minlength=size) for size, rng in draws])
        for figure, value in figures(weights).items():
            if value is not None:
                seen.setdefault(figure, []).append(value)
    tail = 100 * (1 - CONFIDENCE) / 2
    return {figure: _ends(values, tail) for figure, values in seen.items()}


def _ends(values: list[float], tail: float) -> Interval:
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def upper_bound(count: int, of: int) -> float:
    """The rate that `count` in `of` does not exceed with 95% confidence, one-sided. Raises ValueError unless 0 <= count <= of, of > 0."""
    if not 0 <= count <= of or of == 0:
        raise ValueError(f"{count} of {of}")
    if count == 0:
        return min(1.0, 3 / of)
    if count == of:
        return 1.0
    ks = np.arange(count + 1, dtype=float)
    ways = np.concatenate(([0.0], np.cumsum(np.log((of - ks[:-1]) / ks[1:]))))  # logarithms of `of` choose k: the powers would underflow
    low, high = count / of, 1.0
    for _ in range(60):  # the chance of so few falls as the rate rises: halve the interval until a double cannot tell
        middle = (low + high) / 2
        if middle < 1.0 and float(np.exp(ways + ks * math.log(middle) + (of - ks) * math.log1p(-middle)).sum()) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high
