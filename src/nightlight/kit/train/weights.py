"""Fits what each cue is worth in a conversation: one weight a cue, never below 0, over what a detector's memory holds at the end of it.

A weight multiplies the strength that the memory of one side holds of a cue. The sum becomes a score by 1 - exp(-sum), so a sum has a level;
the weights are scaled until the harmless conversations that reach "high" are as rare as asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Sides(Struct, frozen=True):
    """What each side of each conversation came to."""

    held: Floats
    """Shape (sides, cues): strengths held, times all that multiplies them."""
    risky: NDArray[np.bool_]
    """Shape (sides,): this side is the one that harms."""
    conversation: NDArray[np.int64]
    """Shape (sides,)."""
    harmless: NDArray[np.bool_]
    """Shape (conversations,)."""

    def peaks(self, totals: Floats) -> Floats:
        """Shape (conversations,): the greatest total of any side."""
        out = np.zeros(len(self.harmless))
        np.maximum.at(out, self.conversation, totals)
        return out


def fit(sides: Sides, prior: Floats, used: NDArray[np.bool_], penalty: float) -> Floats:
    """Weights, shape (cues,). `prior`: what they stay near where little speaks against it. `used`: the sides to learn from.

    Sides of risk conversations that are not the risky one are left out: they are children.
    """
    from scipy.optimize import minimize

    keep = used & (sides.risky | sides.harmless[sides.conversation])
    x, y = sides.held[keep], sides.risky[keep]
    weight = np.where(y, 1.0 / max(1, y.sum()), 2.0 / max(1, (~y).sum())) * len(y) / 3

    def loss(w: Floats) -> tuple[float, Floats]:
        z = 4 * (x @ w - 1.0)  # a sum of 1 is as likely as not
        slope = weight * (1 / (1 + np.exp(-z)) - y)
        away = w - prior
        return float((weight * (np.logaddexp(0, z) - y * z)).sum() + penalty * (away @ away)), 4 * x.T @ slope + 2 * penalty * away

    found: Floats = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(prior)).x
    return found


def scaled(weights: Floats, sides: Sides, high: float, false_alarms: float) -> Floats:
    """The same weights, so that this share of harmless conversations reaches the score `high`."""
    peaks = sides.peaks(sides.held @ weights)[sides.harmless]
    return weights * (-math.log(1 - high) / float(np.quantile(peaks, 1 - false_alarms)))


def figures(sides: Sides, totals: Floats) -> Mapping[str, Any]:
    """Area under the curve, and recall at several shares of harmless conversations that alarm."""
    peaks = sides.peaks(totals)
    risk, calm = peaks[~sides.harmless], peaks[sides.harmless]
    area = float((risk[:, None] > calm[None]).mean() + 0.5 * (risk[:, None] == calm[None]).mean())
    return {
        "area": area,
        **{f"recall at {share:.1%}": float((risk > np.quantile(calm, 1 - share)).mean()) for share in (0.02, 0.01, 0.002)},
    }


def cross_fitted(sides: Sides, prior: Floats, parts: Sequence[int], penalty: float) -> Floats:
    """Shape (sides,): the total of each side by weights fitted without its part."""
    part = np.array(parts)
    out = np.zeros(len(part))
    for one in sorted(set(parts)):
        out[part == one] = sides.held[part == one] @ fit(sides, prior, part != one, penalty)
    return out
