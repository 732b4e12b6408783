"""The figures that have intervals, over conversations that count several times or not at all.

A resample is a weight a conversation. What does not depend on the weights, such as the order by score, is computed once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nightlight.kit.evaluate.costs import late_cost, penalty
from nightlight.kit.evaluate.outcome import Columns

RATES = {"0.01": 0.01, "0.001": 0.001, "0.0001": 0.0001}
"""False-positive rates that recall is given at, by the key they are written under."""

RESAMPLED = (
    *("precision", "recall", "f1", "f0_5", "speed", "f_latency", "erde_5", "erde_50", "false_positive_rate"),
    *("median_messages_to_alert", "p90_messages_to_alert", "median_seconds_to_alert", "p90_seconds_to_alert"),
    *("median_marked_to_alert", "alarms_per_1000_messages"),
)
"""The figures; beside them each of `recall_at_fpr` has an interval, as `recall_at_fpr.0.01`."""

Weights = npt.NDArray[np.int64]
"""How often each conversation counts, in the order of the columns."""


class Weighed:
    def __init__(self, columns: Columns) -> None:
        self._order = np.argsort(-columns.peak, kind="stable")
        self._c = c = columns.rows(self._order)
        self._positive = np.flatnonzero(c.positive)
        self._found = np.flatnonzero(c.positive & (c.alert > 0))
        self._wrong = np.flatnonzero(~c.positive & (c.alert > 0))
        self._alarmed = np.flatnonzero(c.alarms)
        new = np.append(True, np.diff(c.peak) != 0)[: len(c)]
        self._first_of_peak = np.maximum.accumulate(np.where(new, np.arange(len(c)), 0))
        self._costs = {o: late_cost(c.alert[self._found], o) for o in (5, 50)}
        self._by_alert = _Sorted(c.alert[self._found])
        self._by_seconds = _Sorted(c.seconds[self._found])
        self._by_marked = _Sorted(c.marked[self._found])

    def figures(self, weights: Weights) -> dict[str, float | None]:
        """Every one of `RESAMPLED`; None where there is nothing to divide by."""
        return self._figures(weights[self._order])

    def _figures(self, w: Weights) -> dict[str, float | None]:
        found = w[self._found]
        hits, wrong, positives, total = int(found.sum()), int(w[self._wrong].sum()), int(w[self._positive].sum()), int(w.sum())
        out: dict[str, float | None] = dict.fromkeys(RESAMPLED)
        out["false_positive_rate"] = _share(wrong, total - positives)
        alarms = int(w[self._alarmed] @ self._c.alarms[self._alarmed])
        out["alarms_per_1000_messages"] = _share(1000 * alarms, int(w @ self._c.messages))
        if positives:
            f1 = hits / (hits + 0.5 * (wrong + positives - hits))
            # The penalty grows with the messages: its median lies between those of the two middle alerts.
            speed = 1 - float(np.mean(penalty(self._by_alert.middle(found)))) if hits else 0.0
            out |= {"precision": _share(hits, hits + wrong), "recall": hits / positives, "f1": f1, "speed": speed, "f_latency": f1 * speed}
            out["f0_5"] = 1.25 * hits / (1.25 * hits + 0.25 * (positives - hits) + wrong)
            for o, costs in self._costs.items():
                out[f"erde_{o}"] = (float(found @ costs) + (positives - hits) + wrong * positives / total) / total
        if hits:
            for name, by in (("messages", self._by_alert), ("seconds", self._by_seconds)):
                out[f"median_{name}_to_alert"] = float(np.mean(by.middle(found)))
                out[f"p90_{name}_to_alert"] = by.at(found, math.ceil(9 * hits / 10))
            if self._by_marked.at(found, hits):
                out["median_marked_to_alert"] = float(np.mean(self._by_marked.middle(found)))
        return out

    def all(self, weights: Weights) -> dict[str, float | None]:
        """With recall at each of `RATES`."""
        w = weights[self._order]
        benign = self._benign(w)
        return self._figures(w) | {f"recall_at_fpr.{key}": self._recall_at(rate, w, benign)[0] for key, rate in RATES.items()}

    def recall_at(self, rate: float, weights: Weights) -> tuple[float | None, int]:
        """The highest recall of a threshold at which at most `rate` of the benign alarm; and how many of them do there.

        The recall is None where there is no positive or no benign conversation.
        """
        w = weights[self._order]
        return self._recall_at(rate, w, self._benign(w))

    def _recall_at(self, rate: float, w: Weights, benign: Weights) -> tuple[float | None, int]:
        positives = int(w[self._positive].sum())
        if not positives or not benign[-1]:
            return None, 0
        alarming = self._alarming(rate, benign)
        hits = int(w[self._positive[: np.searchsorted(self._positive, alarming)]].sum())
        return hits / positives, int(benign[alarming - 1]) if alarming else 0

    def threshold_at(self, rate: float) -> float:
        """The score that a conversation must exceed to alarm, so that at most `rate` of the benign ones do; as low as it can be."""
        alarming = self._alarming(rate, self._benign(np.ones(len(self._c), dtype=np.int64)))
        return -math.inf if alarming == len(self._c) else float(self._c.peak[alarming])

    def _benign(self, w: Weights) -> Weights:
        """Benign conversations down to each row, the highest scores first."""
        return (w * ~self._c.positive).cumsum()

    def _alarming(self, rate: float, benign: Weights) -> int:
        """How many rows, the highest scores first, may alarm. Those of one score alarm together."""
        allowed = math.floor(rate * int(benign[-1]) + 1e-9)
        too_many = int(np.searchsorted(benign, allowed, side="right"))
        return len(self._c) if too_many == len(self._c) else int(self._first_of_peak[too_many])


class _Sorted:
    """Values in order, to be asked for the one at a rank where each counts so often."""

    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._order = np.argsort(values, kind="stable")
        self._values = values[self._order]

    def at(self, weights: Weights, rank: int) -> float:
        """From 1, the lowest, to the sum of the weights."""
        return float(self._values[np.searchsorted(weights[self._order].cumsum(), rank)])

    def middle(self, weights: Weights) -> npt.NDArray[np.float64]:
        """The two values between which the median lies; the same twice where it is one of them."""
        ranks = weights[self._order].cumsum()
        half = int(ranks[-1])
        return self._values[np.searchsorted(ranks, [(half + 1) // 2, half // 2 + 1])].astype(np.float64)


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
