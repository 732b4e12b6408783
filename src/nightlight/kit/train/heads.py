"""One linear head a cue, by penalised logistic regression, calibrated on rows of groups that it was not fitted on.

A row may show several cues. Where its author looked for one cue only, what it says about the others weighs less (`Row.rest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nightlight.kit.train.lines import Row

POSITIVE = 4.0
"""How much a row weighs in the head of a cue that it shows: such rows are few."""

Floats = NDArray[np.float32]


class Fitted(Struct, frozen=True):
    weights: Floats
    """Shape (features, cues)."""
    bias: Floats
    unseen: Floats
    """Shape (rows, cues): each row's logits by the heads that were fitted without its group."""


class Scale(Struct, frozen=True):
    """What turns logits into those of a probability: `slope * logit + shift`, a column a cue."""

    slope: Floats
    """Shape (tiers, cues)."""
    shift: Floats


def truths(rows: Sequence[Row], cues: Sequence[str]) -> tuple[Floats, Floats]:
    """Shapes (rows, cues): whether each row shows each cue, and how surely that is known, 0 to 1."""
    truth = np.array([[cue in row.cues for cue in cues] for row in rows], np.float32)
    sure = np.where(truth > 0, 1.0, np.array([row.rest for row in rows])[:, None]).astype(np.float32)
    return truth, sure


def fit(matrix: Any, truth: Floats, sure: Floats, part: Sequence[int], penalty: float) -> Fitted:
    """`matrix`: rows by features, a NumPy array or SciPy CSR. Deterministic on one machine."""
    weight = np.where(truth > 0, POSITIVE, 1.0).astype(np.float32) * sure
    parts = np.array(part)
    unseen = np.zeros_like(truth)
    for one in sorted(set(part)):
        held = parts == one
        w, b = _solve(matrix[~held], truth[~held], weight[~held], penalty)
        unseen[held] = np.asarray(matrix[held] @ w) + b
    weights, bias = _solve(matrix, truth, weight, penalty)
    return Fitted(weights, bias, unseen)


def calibrate(tiers: Sequence[Floats], truth: Floats, sure: Floats, penalty: float = 1.0) -> Scale:
    """Fit each cue's probability to the unseen logits of one or more tiers together (Platt, 1999), slopes never below 0."""
    from scipy.optimize import minimize

    slopes, shifts = [], []
    for k in range(truth.shape[1]):
        x = np.stack([tier[:, k] for tier in tiers], 1).astype(np.float64)
        y, w = truth[:, k], sure[:, k]

        def loss(flat: NDArray[np.float64], x: Any = x, y: Any = y, w: Any = w) -> tuple[float, NDArray[np.float64]]:
            z = x @ flat[:-1] + flat[-1]
            away = flat[:-1] - 1 / x.shape[1]
            slope = w * (1 / (1 + np.exp(-z)) - y)
            total = float((w * (np.logaddexp(0, z) - y * z)).sum() + penalty * (away @ away))
            return total, np.append(x.T @ slope + 2 * penalty * away, slope.sum())

        start = np.append(np.full(x.shape[1], 1 / x.shape[1]), 0.0)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * x.shape[1] + [(None, None)]).x
        slopes.append(found[:-1])
        shifts.append(found[-1])
    return Scale(np.array(slopes, np.float32).T, np.array(shifts, np.float32))


def _solve(matrix: Any, truth: Floats, weight: Floats, penalty: float, steps: int = 30) -> tuple[Floats, Floats]:
    """All heads at once: the sum of their losses has its least where each has its own."""
    from scipy.optimize import minimize

    (_, features), cues = matrix.shape, truth.shape[1]
    back = matrix.T.tocsr() if hasattr(matrix, "tocsr") else matrix.T

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w, b = flat[:-cues].reshape(features, cues).astype(np.float32), flat[-cues:].astype(np.float32)
        z = np.asarray(matrix @ w) + b
        slope = weight * (1 / (1 + np.exp(-z)) - truth)
        total = float((weight * (np.logaddexp(0, z) - truth * z)).sum()) + 0.5 * penalty * float((w * w).sum())
        return total, np.concatenate([(np.asarray(back @ slope) + penalty * w).ravel(), slope.sum(0)]).astype(np.float64)

    start = np.zeros((features + 1) * cues)
    start[-cues:] = -4.0
    found: NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 6}).x
    return found[:-cues].reshape(features, cues).astype(np.float32), found[-cues:].astype(np.float32)
