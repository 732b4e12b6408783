"""The figures, against ones worked out by hand and against an independent formula."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.event import EventBase
from nightlight.kit.corpus import Conversation, Line
from nightlight.kit.evaluate import Evaluation, evaluate, upper_bound


def talk(name: str, source: str, label: int, scores: Sequence[float]) -> Conversation:
    """A conversation whose messages carry the scores that `told` reads back."""
    lines = tuple(Line(at=float(n), author="a", text=str(score)) for n, score in enumerate(scores))
    return Conversation(conversation=name, source=source, label=label, messages=lines)


def told(events: list[EventBase]) -> list[float]:
    return [float(event.content) for event in events]


BY_HAND = [
    talk("p1", "risk", 1, [0.1, 0.6, 0.7]),  # found at message 2
    talk("p2", "risk", 1, [0.2, 0.2, 0.2, 0.5]),  # found at message 4: the threshold itself counts
    talk("p3", "risk", 1, [0.1]),  # missed
    talk("n1", "risk", 0, [0.9, 0.1, 0.9]),  # a false alarm, that rises twice
    talk("n2", "chat", 0, [0.0] * 6),
    talk("n3", "chat", 0, [0.4] * 4),
]


def test_figures_by_hand() -> None:
    result = evaluate(BY_HAND, told, 0.5)
    chat, risk = result.sources
    assert (risk.source, risk.conversations, risk.positives, risk.true_positives, risk.false_positives) == ("risk", 4, 3, 2, 1)
    assert risk.precision == risk.recall == risk.f1 == pytest.approx(2 / 3)
    assert risk.false_positive_rate == 1.0
    assert risk.false_positive_rate_bound == 1.0
    assert risk.median_messages_to_alert == 3.0
    assert risk.alarms_per_1000_messages == pytest.approx(1000 * 4 / 11)
    assert (chat.recall, chat.precision, chat.f1, chat.f_latency, chat.median_messages_to_alert) == (None,) * 5
    assert chat.false_positive_rate == 0.0
    assert chat.alarms_per_1000_messages == 0.0
    assert result.overall.conversations == 6
    assert result.overall.false_positive_rate == pytest.approx(1 / 3)


def test_no_false_alarm_bounds_the_rate_by_the_rule_of_three() -> None:
    result = evaluate([talk(f"n{n}", "chat", 0, [0.0]) for n in range(100)], told, 0.5)
    assert result.overall.false_positive_rate_bound == 0.03


def test_the_penalty_is_one_half_at_message_90() -> None:
    late = talk("p", "risk", 1, [0.0] * 89 + [1.0])
    assert evaluate([late], told, 0.5).overall.f_latency == pytest.approx(0.5)
    assert evaluate([talk("p", "risk", 1, [1.0])], told, 0.5).overall.f_latency == 1.0


def test_nothing_in_nothing_out() -> None:
    result = evaluate([], told, 0.5)
    assert result.sources == ()
    assert result.overall.conversations == 0
    assert result.overall.false_positive_rate_bound is None


def test_it_is_json_and_back() -> None:
    result = evaluate(BY_HAND, told, 0.5)
    assert msgspec.json.decode(msgspec.json.encode(result), type=Evaluation) == result


def test_a_scorer_that_skips_a_message_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 scores for the 3 messages of 'p1'"):
        evaluate(BY_HAND, lambda events: told(events)[1:], 0.5)


@pytest.mark.parametrize(
    ("count", "of", "published"), [(1, 10, 0.394), (5, 10, 0.778), (9, 10, 0.995), (1, 100, 0.0466), (10, 1000, 0.0169)]
)
def test_bounds_against_published_clopper_pearson_values(count: int, of: int, published: float) -> None:
    assert upper_bound(count, of) == pytest.approx(published, abs=5e-4)


@given(st.integers(1, 400).flatmap(lambda of: st.tuples(st.integers(1, of), st.just(of))))
def test_at_the_bound_so_few_has_a_chance_of_one_in_twenty(case: tuple[int, int]) -> None:
    count, of = case
    bound = upper_bound(count, of)
    assert count / of <= bound <= 1.0
    if count < of:
        at_most = math.fsum(math.comb(of, k) * bound**k * (1 - bound) ** (of - k) for k in range(count + 1))
        assert at_most == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize(("count", "of"), [(0, 0), (-1, 5), (6, 5)])
def test_bounds_of_nonsense(count: int, of: int) -> None:
    with pytest.raises(ValueError):
        upper_bound(count, of)
