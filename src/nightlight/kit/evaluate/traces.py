"""How risk runs over the messages of conversations, in a table of fixed size whatever their number and length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LONGEST = 200
"""Messages that are followed; grooming that is not seen by then is not seen early."""
BINS = 100


class Traces:
    def __init__(self) -> None:
        self._seen = np.zeros((2, LONGEST, BINS + 1), dtype=np.int64)

    def add(self, positive: bool, scores: Sequence[float]) -> None:
        bins = np.rint(np.clip(scores[:LONGEST], 0.0, 1.0) * BINS).astype(np.int64)
        self._seen[int(positive), np.arange(len(bins)), bins] += 1

    def quantile(self, positive: bool, q: float) -> list[float]:
        """That quantile of the running scores after message 1, 2, ..., over the conversations that have so many; to 1/100.

        It ends where fewer than a tenth of the conversations go on: the last few would draw a jagged line.
        """
        seen = self._seen[int(positive)]
        totals = seen.sum(axis=1)
        reached = seen.cumsum(axis=1) >= np.maximum(1, np.ceil(q * totals))[:, None]
        return [float(at) / BINS for at in reached.argmax(axis=1)[: int((totals > totals[0] // 10).sum())]]

    def counted(self, positive: bool) -> list[int]:
        """Conversations that have so many messages."""
        return [int(n) for n in self._seen[int(positive)].sum(axis=1)]
