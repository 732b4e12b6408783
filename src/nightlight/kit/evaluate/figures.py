"""The figures over a set of conversations. Each has a slow twin in the tests."""

from __future__ import annotations

import numpy as np
from msgspec import Struct, structs

from nightlight.kit.evaluate.intervals import Interval, upper_bound
from nightlight.kit.evaluate.outcome import Columns
from nightlight.kit.evaluate.weighed import RATES, Weighed


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


def figures(c: Columns, weighed: Weighed, *, messages_per_day: float | None = None, minutes_per_case: float = 10.0) -> Figures:
    positives, hits = int(c.positive.sum()), int((c.positive & (c.alert > 0)).sum())
    benign, wrong = len(c) - positives, int((~c.positive & (c.alert > 0)).sum())
    bound = upper_bound(wrong, benign) if benign else None
    once = np.ones(len(c), dtype=np.int64)
    at = {key: weighed.recall_at(rate, once) for key, rate in RATES.items()}
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
        **weighed.figures(once),
    )
