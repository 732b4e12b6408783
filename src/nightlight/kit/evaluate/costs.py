"""What a late alert costs, as published: the penalty behind F-latency, and the cost behind ERDE.

`messages` counts what was read when the alert came, from 1, by both sides.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

HALF_PENALTY = math.log(3) / 89
"""p of F-latency: the penalty is one half at 90 messages (Vogt, Leser and Akbik, ACL 2021)."""


def penalty(messages: Any, p: float = HALF_PENALTY) -> Any:
    """-1 + 2 / (1 + exp(-p (k - 1))) of a number or an array: 0 at the first message, towards 1 (Sadeque, Xu and Bethard, WSDM 2018)."""
    return np.tanh(p * (np.asarray(messages, dtype=float) - 1) / 2)  # the same, and nothing overflows


def late_cost(messages: Any, o: float) -> Any:
    """1 - 1 / (1 + exp(k - o)) of a number or an array: one half at message `o` (Losada and Crestani, CLEF 2016)."""
    return (1 + np.tanh((np.asarray(messages, dtype=float) - o) / 2)) / 2  # the same, and nothing overflows
