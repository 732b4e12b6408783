"""How well scores find risk in labelled conversations: a source at a time, since negatives of another source teach the source.

A conversation alarms where its running score reaches the threshold. Speed is that of Vogt, Leser and Akbik (ACL 2021): a penalty that
grows with the messages read before the alarm and is one half at 90.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import median

from msgspec import Struct

from nightlight.core.event import EventBase
from nightlight.kit.corpus import Conversation, to_events

Scorer = Callable[[list[EventBase]], list[float]]
"""The events of one conversation, in order, to the running score after each."""

HALF_PENALTY = math.log(3) / 89
"""p of penalty(k) = -1 + 2 / (1 + exp(-p (k - 1))), so that penalty(90) is one half."""
CONFIDENCE = 0.95


class SourceScore(Struct, frozen=True, kw_only=True):
    """The figures of one source. None where there is nothing to divide by."""

    source: str
    conversations: int
    messages: int
    positives: int
    true_positives: int
    false_positives: int
    precision: float | None
    recall: float | None
    f1: float | None
    false_positive_rate: float | None
    false_positive_rate_bound: float | None
    """One-sided, 95%: with no alarm in n benign conversations, 3/n (the rule of three); else Clopper and Pearson's."""
    median_messages_to_alert: float | None
    """Over the conversations rightly alarmed on; 1 is the first message."""
    f_latency: float | None
    """F1 times speed."""
    alarms_per_1000_messages: float | None
    """Times the score rose to the threshold, right or wrong: what people will be asked to look at."""


class Evaluation(Struct, frozen=True, kw_only=True):
    threshold: float
    sources: tuple[SourceScore, ...]
    """By name."""
    overall: SourceScore
    """All sources together, as `all`. Compare sources first: a mixture hides the worst."""


class _Outcome(Struct, frozen=True):
    positive: bool
    messages: int
    alert: int | None
    """Messages read when the score first reached the threshold."""
    alarms: int


def evaluate(conversations: Iterable[Conversation], score: Scorer, threshold: float) -> Evaluation:
    """Score every conversation and sum up by source. Raises ValueError where `score` does not give one number an event."""
    outcomes: dict[str, list[_Outcome]] = {}
    for conversation in conversations:
        events: list[EventBase] = list(to_events(conversation))
        outcomes.setdefault(conversation.source, []).append(_outcome(conversation, score(events), threshold))
    everything = [one for several in outcomes.values() for one in several]
    return Evaluation(
        threshold=threshold,
        sources=tuple(_sum_up(source, outcomes[source]) for source in sorted(outcomes)),
        overall=_sum_up("all", everything),
    )


def _outcome(conversation: Conversation, scores: list[float], threshold: float) -> _Outcome:
    if len(scores) != len(conversation.messages):
        raise ValueError(f"{len(scores)} scores for the {len(conversation.messages)} messages of {conversation.conversation!r}")
    above = [score >= threshold for score in scores]
    rises = [nth for nth, now in enumerate(above, start=1) if now and (nth == 1 or not above[nth - 2])]
    return _Outcome(conversation.positive, len(scores), rises[0] if rises else None, len(rises))


def _sum_up(source: str, outcomes: list[_Outcome]) -> SourceScore:
    right = [one.alert for one in outcomes if one.positive and one.alert is not None]
    wrong = sum(1 for one in outcomes if not one.positive and one.alert is not None)
    positives = sum(1 for one in outcomes if one.positive)
    benign = len(outcomes) - positives
    messages = sum(one.messages for one in outcomes)
    # Precision and F1 compare hits with false alarms: a source without positives has neither.
    f1 = _share(2 * len(right), positives + len(right) + wrong) if positives else None
    speed = 1 - median(_penalty(k) for k in right) if right else 0.0
    return SourceScore(
        source=source,
        conversations=len(outcomes),
        messages=messages,
        positives=positives,
        true_positives=len(right),
        false_positives=wrong,
        precision=_share(len(right), len(right) + wrong) if positives else None,
        recall=_share(len(right), positives),
        f1=f1,
        false_positive_rate=_share(wrong, benign),
        false_positive_rate_bound=upper_bound(wrong, benign) if benign else None,
        median_messages_to_alert=float(median(right)) if right else None,
        f_latency=None if f1 is None else f1 * speed,
        alarms_per_1000_messages=_share(1000 * sum(one.alarms for one in outcomes), messages),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _penalty(messages: int) -> float:
    return -1 + 2 / (1 + math.exp(-HALF_PENALTY * (messages - 1)))


def upper_bound(count: int, of: int) -> float:
    """The rate that `count` in `of` does not exceed with 95% confidence, one-sided. Raises ValueError unless 0 <= count <= of, of > 0."""
    if not 0 <= count <= of or of == 0:
        raise ValueError(f"{count} of {of}")
    if count == 0:
        return min(1.0, 3 / of)
    if count == of:
        return 1.0
    low, high = count / of, 1.0
    for _ in range(60):  # the chance of so few falls as the rate rises: halve the interval until a double cannot tell
        middle = (low + high) / 2
        if _chance_of_at_most(count, of, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _chance_of_at_most(count: int, of: int, rate: float) -> float:
    """Of a binomial: computed with logarithms, as the powers would underflow."""
    if rate >= 1.0:
        return 0.0
    total = math.lgamma(of + 1)
    return math.fsum(
        math.exp(total - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * math.log(rate) + (of - k) * math.log1p(-rate))
        for k in range(count + 1)
    )
