"""The figures over a set of conversations. Each has a slow twin in the tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct, structs

from nightlight.kit.evaluate.costs import late_cost, penalty
from nightlight.kit.evaluate.intervals import Interval, upper_bound
from nightlight.kit.evaluate.outcome import Columns

RATES = {"0.01": 0.01, "0.001": 0.001, "0.0001": 0.0001}
"""False-positive rates that recall is given at, by the key they are written under."""

RESAMPLED = (
    *("precision", "recall", "f1", "f0_5", "speed", "f_latency", "erde_5", "erde_50", "false_positive_rate"),
    *("median_messages_to_alert", "p90_messages_to_alert", "median_seconds_to_alert", "p90_seconds_to_alert"),
    *("median_marked_to_alert", "alarms_per_1000_messages"),
)
"""Figures that have an interval; so does each of `recall_at_fpr`, as `recall_at_fpr.0.01`."""


class Figures(Struct, frozen=True, kw_only=True):
    """The figures of some conversations, at the threshold unless said. None where there is nothing to divide by.

    Precision, F-scores and ERDE weigh hits against false alarms: without positives there are none of them.
    """

    conversations: int
    messages: int
    positives: int
    true_positives: int
    false_positives: int
    precision: float | None = None
    recall: float | None = None
    recall_bound: float | None = None
    """At least so much, one-sided, 95% (Clopper and Pearson)."""
    f1: float | None = None
    f0_5: float | None = None
    """F0.5: precision counts for more, as in PAN-2012."""
    speed: float | None = None
    """1 minus the median penalty of right alerts; 0 where no positive was found."""
    f_latency: float | None = None
    """F1 times speed."""
    erde_5: float | None = None
    """Early risk detection error, from 0 (best) to 1: a false alarm costs the share of positives, a miss 1, a hit its lateness."""
    erde_50: float | None = None
    false_positive_rate: float | None = None
    false_positive_rate_bound: float | None = None
    """At most so much, one-sided, 95%: with no alarm in n benign conversations 3/n (the rule of three), else Clopper and Pearson's."""
    median_messages_to_alert: float | None = None
    """Over the conversations rightly alarmed on; 1 is the first message."""
    p90_messages_to_alert: float | None = None
    """The fewest messages by which nine in ten of them had alarmed."""
    median_seconds_to_alert: float | None = None
    p90_seconds_to_alert: float | None = None
    median_marked_to_alert: float | None = None
    """Marked lines read by then, where annotators marked any."""
    alarms_per_1000_messages: float | None = None
    """Times the score rose to the threshold, right or wrong: what people will be asked to look at."""
    recall_at_fpr: dict[str, float | None] = {}
    """The highest recall of any threshold at which no larger a share of these benign conversations alarms, by rate."""
    recall_at_fpr_bound: dict[str, float | None] = {}
    """The share of benign conversations that may alarm there, 95%: few of them cannot show a low rate."""
    reviewer_hours_per_day: float | None = None
    """For false alarms at the volume asked for; None unless one was."""
    reviewer_hours_per_day_bound: float | None = None
    """With the bound on the false-positive rate in place of the rate."""
    intervals: dict[str, Interval] = {}
    """95%, by figure: bootstrap percentiles, conversations drawn again within their source."""


def share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def weighed(c: Columns) -> dict[str, float | None]:
    """The figures that have intervals, by name."""
    found = c.positive & (c.alert > 0)
    hits, wrong = int(found.sum()), int((~c.positive & (c.alert > 0)).sum())
    positives = int(c.positive.sum())
    out: dict[str, float | None] = dict.fromkeys(RESAMPLED)
    out["false_positive_rate"] = share(wrong, len(c) - positives)
    out["alarms_per_1000_messages"] = share(1000 * int(c.alarms.sum()), int(c.messages.sum()))
    if positives:
        f1 = hits / (hits + 0.5 * (wrong + positives - hits))
        speed = 1 - float(np.median(penalty(c.alert[found]))) if hits else 0.0
        out |= {"precision": share(hits, hits + wrong), "recall": hits / positives, "f1": f1, "speed": speed, "f_latency": f1 * speed}
        out["f0_5"] = 1.25 * hits / (1.25 * hits + 0.25 * (positives - hits) + wrong)
        for o in (5, 50):
            cost = float(late_cost(c.alert[found], o).sum()) + (positives - hits) + wrong * positives / len(c)
            out[f"erde_{o}"] = cost / len(c)
    if hits:
        for name, column in (("messages", c.alert), ("seconds", c.seconds)):
            out[f"median_{name}_to_alert"] = float(np.median(column[found]))
            out[f"p90_{name}_to_alert"] = nine_in_ten(column[found])
        if c.marked[c.positive].any():
            out["median_marked_to_alert"] = float(np.median(c.marked[found]))
    return out


def nine_in_ten(values: npt.NDArray[Any]) -> float:
    """The smallest value that nine in ten do not exceed."""
    at = math.ceil(9 * len(values) / 10) - 1
    return float(np.partition(values, at)[at])


def threshold_at(c: Columns, rate: float) -> float:
    """The score that a conversation must exceed to alarm, so that at most `rate` of the benign ones do; as low as it can be."""
    benign = c.peak[~c.positive]
    allowed = math.floor(rate * len(benign) + 1e-9)
    if allowed >= len(benign):
        return -math.inf
    first_not_allowed = len(benign) - 1 - allowed
    return float(np.partition(benign, first_not_allowed)[first_not_allowed])


def recall_at(c: Columns, rate: float) -> tuple[float | None, int]:
    """The highest recall of a threshold at which at most `rate` of the benign conversations alarm; and how many of them do there.

    The recall is None where there is no positive or no benign conversation.
    """
    if int(c.positive.sum()) in (0, len(c)):
        return None, 0
    alarmed = c.peak > threshold_at(c, rate)
    return float(alarmed[c.positive].mean()), int(alarmed[~c.positive].sum())


def hours(c: Columns, bound: float, messages_per_day: float, minutes_per_case: float) -> tuple[float | None, float | None]:
    """Reviewer hours a day that false alarms cost at a volume, and with the bound on the false-positive rate.

    Only benign conversations count: among a service's messages there is next to nothing else.
    """
    benign = ~c.positive
    messages = int(c.messages[benign].sum())
    if not messages:
        return None, None
    alarms, flagged = int(c.alarms[benign].sum()), int((c.alarms[benign] > 0).sum())
    a_message = messages_per_day * minutes_per_case / 60 / messages
    at_most = bound * int(benign.sum()) * (alarms / flagged if flagged else 1.0)
    return alarms * a_message, at_most * a_message


def figures(c: Columns, *, messages_per_day: float | None = None, minutes_per_case: float = 10.0) -> Figures:
    positives, hits = int(c.positive.sum()), int((c.positive & (c.alert > 0)).sum())
    benign, wrong = len(c) - positives, int((~c.positive & (c.alert > 0)).sum())
    bound = upper_bound(wrong, benign) if benign else None
    at = {key: recall_at(c, rate) for key, rate in RATES.items()}
    cost = (None, None) if messages_per_day is None or bound is None else hours(c, bound, messages_per_day, minutes_per_case)
    return structs.replace(
        Figures(
            conversations=len(c),
            messages=int(c.messages.sum()),
            positives=positives,
            true_positives=hits,
            false_positives=wrong,
            recall_bound=1 - upper_bound(positives - hits, positives) if positives else None,
            false_positive_rate_bound=bound,
            recall_at_fpr={key: recall for key, (recall, _) in at.items()},
            recall_at_fpr_bound={key: None if recall is None else upper_bound(n, benign) for key, (recall, n) in at.items()},
            reviewer_hours_per_day=cost[0],
            reviewer_hours_per_day_bound=cost[1],
        ),
        **weighed(c),
    )
