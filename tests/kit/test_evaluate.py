"""The figures, against ones worked out by hand, against published formulas, and against slow twins."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from statistics import median

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nightlight.core.event import EventBase
from nightlight.kit.corpus import Conversation, Line, to_events
from nightlight.kit.evaluate import Evaluation, Evaluator, evaluate, upper_bound
from nightlight.kit.evaluate.costs import HALF_PENALTY, late_cost, penalty
from nightlight.kit.evaluate.plots import precision_recall
from nightlight.kit.evaluate.traces import LONGEST, Traces
from nightlight.kit.evaluate.weighed import RATES, RESAMPLED, Weighed
from tests.kit import slow_figures as slow


def talk(name: str, source: str, label: int, scores: Sequence[float], **more: str) -> Conversation:
    """A conversation, a message a minute, whose messages carry the scores that `told` reads back."""
    lines = tuple(Line(at=60.0 * n, author="a", text=str(score)) for n, score in enumerate(scores))
    return Conversation(conversation=name, source=source, label=label, messages=lines, **more)


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
    assert list(result.sources) == ["chat", "risk"]
    chat, risk = result.sources["chat"], result.sources["risk"]
    assert (risk.conversations, risk.positives, risk.true_positives, risk.false_positives) == (4, 3, 2, 1)
    assert risk.precision == risk.recall == risk.f1 == risk.f0_5 == pytest.approx(2 / 3)
    assert risk.false_positive_rate == 1.0
    assert risk.false_positive_rate_bound == 1.0
    assert (risk.median_messages_to_alert, risk.p90_messages_to_alert) == (3.0, 4.0)
    assert (risk.median_seconds_to_alert, risk.p90_seconds_to_alert) == (120.0, 180.0)
    assert risk.alarms_per_1000_messages == pytest.approx(1000 * 4 / 11)
    # Of four: two hits a little late, one miss, one false alarm at the share of positives.
    late = (1 - 1 / (1 + math.exp(2 - 5))) + (1 - 1 / (1 + math.exp(4 - 5)))
    assert risk.erde_5 == pytest.approx((late + 1 + 3 / 4) / 4)
    assert (chat.recall, chat.precision, chat.f1, chat.f_latency, chat.speed, chat.erde_5, chat.median_messages_to_alert) == (None,) * 7
    assert chat.false_positive_rate == 0.0
    assert chat.alarms_per_1000_messages == 0.0
    assert result.pooled.conversations == 6
    assert result.pooled.false_positive_rate == pytest.approx(1 / 3)


def test_no_false_alarm_bounds_the_rate_by_the_rule_of_three() -> None:
    result = evaluate([talk(f"n{n}", "chat", 0, [0.0]) for n in range(100)], told, 0.5)
    assert result.pooled.false_positive_rate_bound == 0.03
    assert result.pooled.intervals["false_positive_rate"] == (0.0, 0.0), "which says nothing: the bound does"


def test_all_found_bounds_the_recall_from_below() -> None:
    result = evaluate([talk(f"p{n}", "risk", 1, [1.0]) for n in range(100)], told, 0.5)
    assert result.pooled.recall == 1.0
    assert result.pooled.recall_bound == pytest.approx(0.97)


def test_the_penalty_is_one_half_at_message_90() -> None:
    late = talk("p", "risk", 1, [0.0] * 89 + [1.0])
    assert evaluate([late], told, 0.5).pooled.f_latency == pytest.approx(0.5)
    assert evaluate([talk("p", "risk", 1, [1.0])], told, 0.5).pooled.f_latency == 1.0
    assert pytest.approx(0.01234, abs=5e-6) == HALF_PENALTY


def test_nothing_found_has_no_speed() -> None:
    missed = evaluate([talk("p", "risk", 1, [0.0])], told, 0.5).pooled
    assert (missed.recall, missed.precision, missed.f1, missed.speed, missed.f_latency, missed.erde_50) == (0.0, None, 0.0, 0.0, 0.0, 1.0)


@given(st.integers(1, 500), st.sampled_from([HALF_PENALTY, 0.0078]))
def test_the_penalty_is_the_published_formula(k: int, p: float) -> None:
    assert float(penalty(k, p)) == pytest.approx(slow.published_penalty(k, p), abs=1e-12)


@given(st.integers(1, 500), st.sampled_from([5, 50]))
def test_the_cost_of_lateness_is_the_published_formula(k: int, o: int) -> None:
    assert float(late_cost(k, o)) == pytest.approx(slow.published_cost(k, o), abs=1e-12)


def test_costs_of_very_late_alerts_overflow_nothing() -> None:
    assert float(late_cost(10**9, 5)) == float(penalty(10**9)) == 1.0
    assert float(late_cost(50, 50)) == 0.5


def test_flagging_nobody_costs_the_share_of_positives() -> None:
    """As every table of eRisk has it: a system that stays silent has an ERDE of the base rate, whatever o."""
    silent = evaluate([talk(str(n), "s", int(n < 3), [0.0]) for n in range(20)], told, 0.5).pooled
    assert silent.erde_5 == silent.erde_50 == pytest.approx(3 / 20)


def test_nothing_in_nothing_out() -> None:
    result = evaluate([], told, 0.5)
    assert result.sources == result.languages == {}
    assert result.pooled.conversations == 0
    assert result.pooled.false_positive_rate_bound is None
    assert result.pooled.intervals == {}


def test_it_is_json_and_back() -> None:
    result = evaluate(BY_HAND, told, 0.5, resamples=20)
    assert msgspec.json.decode(msgspec.json.encode(result), type=Evaluation) == result


@pytest.mark.parametrize("scores", [["0.1", "nan"], ["inf", "0"]])
def test_scores_that_are_no_numbers_are_an_error(scores: list[str]) -> None:
    with pytest.raises(ValueError, match="no finite number"):
        evaluate([talk("p", "s", 1, [float(s) for s in scores])], told, 0.5)


def test_a_scorer_that_skips_a_message_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 scores for the 3 messages of 'p1'"):
        evaluate(BY_HAND, lambda events: told(events)[1:], 0.5)


def test_languages_are_those_that_conversations_say() -> None:
    result = evaluate(
        [talk("a", "x", 1, [1.0], language="es"), talk("b", "y", 1, [0.0], language="es"), talk("c", "x", 0, [0.0])], told, 0.5
    )
    assert list(result.languages) == ["es"]
    assert (result.languages["es"].conversations, result.languages["es"].recall) == (2, 0.5)
    assert result.pooled.conversations == 3


def test_reviewer_hours_are_for_false_alarms_at_the_volume() -> None:
    evaluator = Evaluator(0.5, resamples=0, messages_per_day=1_000_000, minutes_per_case=6)
    noisy = [talk(f"n{n}", "chat", 0, [0.9, 0.1, 0.9] if n == 0 else [0.1] * 3) for n in range(100)]
    for one in [*noisy, talk("p", "chat", 1, [1.0, 0.0] * 50)]:
        events: list[EventBase] = list(to_events(one))
        evaluator.add(one, events, told(events))
    found = evaluator.finish().pooled
    # Two alarms in 300 benign messages, of 6 minutes each; the alarms of the positive conversation are no false ones.
    assert found.reviewer_hours_per_day == pytest.approx(1_000_000 * 2 / 300 * 0.1)
    assert found.reviewer_hours_per_day_bound == pytest.approx(1_000_000 * upper_bound(1, 100) * 100 * 2 / 300 * 0.1)
    assert evaluate(noisy, told, 0.5).pooled.reviewer_hours_per_day is None


def test_a_few_benign_conversations_cannot_show_a_low_rate() -> None:
    found = evaluate([talk(str(n), "s", int(n < 5), [0.9 if n < 5 else 0.1]) for n in range(105)], told, 0.5).pooled
    assert found.recall_at_fpr == {"0.01": 1.0, "0.001": 1.0, "0.0001": 1.0}
    assert found.recall_at_fpr_bound["0.0001"] == 0.03


# -- Against the slow twins --------------------------------------------------------------------------------------------------------

GRID = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
ROWS = st.builds(
    lambda label, messages: slow.Row(label, [m[0] for m in messages], [60.0 * n for n in range(len(messages))], [m[1] for m in messages]),
    st.integers(0, 1),
    st.lists(st.tuples(GRID, st.booleans()), min_size=1, max_size=12),
)
SOURCES = st.dictionaries(st.sampled_from(["irc", "game", "\u00e9cole"]), st.lists(ROWS, min_size=1, max_size=12), min_size=1, max_size=3)


def gathered(sources: dict[str, list[slow.Row]], threshold: float, **more: int) -> Evaluator:
    evaluator = Evaluator(threshold, **{"resamples": 0, **more})
    for source, rows in sources.items():
        for n, row in enumerate(rows):
            lines = tuple(Line(at=at, author="a", text="", marked=m) for at, m in zip(row.seconds, row.marked, strict=True))
            one = Conversation(conversation=str(n), source=source, label=row.label, messages=lines)
            evaluator.add(one, to_events(one), row.scores)
    return evaluator


def close(found: float | None, expected: float | None) -> bool:
    return found == expected or (found is not None and expected is not None and math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12))


@given(SOURCES, GRID)
def test_every_figure_against_its_slow_twin(sources: dict[str, list[slow.Row]], threshold: float) -> None:
    result = gathered(sources, threshold).finish()
    for rows, figures in [*((sources[s], f) for s, f in result.sources.items()), ([r for s in sources.values() for r in s], result.pooled)]:
        expected = slow.figures(rows, threshold)
        for name in RESAMPLED:
            assert close(getattr(figures, name), expected.get(name)), name
        assert (figures.conversations, figures.positives) == (len(rows), sum(row.label for row in rows))
        for key, rate in RATES.items():
            assert close(figures.recall_at_fpr[key], slow.recall_at(rows, rate))
    for key, rate in RATES.items():
        assert close(result.recall_at_fpr_of_every_source[key], slow.recall_at_of_every_source(list(sources.values()), rate))


@given(st.lists(ROWS, min_size=1, max_size=60), st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.5, 1.0]))
def test_recall_at_a_rate_against_every_threshold(rows: list[slow.Row], rate: float) -> None:
    once = np.ones(len(rows), dtype=np.int64)
    assert close(Weighed(gathered({"s": rows}, 0.5).columns()["s"]).recall_at(rate, once)[0], slow.recall_at(rows, rate))


@given(st.lists(ROWS, min_size=1, max_size=40))
def test_the_curve_holds_every_threshold(rows: list[slow.Row]) -> None:
    assume(any(row.label for row in rows))
    assert set(precision_recall(gathered({"s": rows}, 0.5).columns()["s"])) == slow.precision_recall(rows)


@given(st.lists(st.tuples(ROWS, st.integers(0, 3)), min_size=1, max_size=30), GRID)
def test_a_weight_is_so_many_copies(weighted: list[tuple[slow.Row, int]], threshold: float) -> None:
    columns = gathered({"s": [row for row, _ in weighted]}, threshold).columns()["s"]
    found = Weighed(columns).all(np.array([weight for _, weight in weighted]))
    copies = [row for row, weight in weighted for _ in range(weight)]
    assume(copies)
    expected = slow.figures(copies, threshold) | {f"recall_at_fpr.{key}": slow.recall_at(copies, rate) for key, rate in RATES.items()}
    for name, value in found.items():
        assert close(value, expected.get(name)), name


@settings(max_examples=15)
@given(SOURCES, st.integers(0, 3))
def test_intervals_against_resampling_by_hand(sources: dict[str, list[slow.Row]], seed: int) -> None:
    resamples = 12
    result = gathered(sources, 0.5, resamples=resamples, seed=seed).finish()
    seen: dict[str, list[float]] = {}
    draws = {name: np.random.default_rng((seed, zlib.crc32(name.encode()))) for name in sources}
    for _ in range(resamples):
        rows = []
        for name in sorted(sources):
            rows += [sources[name][at] for at in draws[name].integers(0, len(sources[name]), len(sources[name]))]
        expected = slow.figures(rows, 0.5) | {f"recall_at_fpr.{key}": slow.recall_at(rows, rate) for key, rate in RATES.items()}
        for figure, value in expected.items():
            if value is not None:
                seen.setdefault(figure, []).append(value)
    assert set(result.pooled.intervals) == set(seen)
    for figure, values in seen.items():
        assert result.pooled.intervals[figure] == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])), rel=1e-9, abs=1e-12)


@pytest.mark.no_cover
def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    held = 0
    for round in range(60):
        rows = [slow.Row(1, [float(random.random() < 0.6)], [0.0], [False]) for _ in range(80)]
        low, high = gathered({"s": rows}, 0.5, resamples=200, seed=round).finish().pooled.intervals["recall"]
        held += low <= 0.6 <= high
    assert 50 <= held <= 60, "of 60, at 95%"


def test_the_same_seed_gives_the_same_intervals_whatever_the_order_of_sources() -> None:
    one = {"a": [slow.Row(n % 2, [n / 9], [0.0], [False]) for n in range(9)], "b": [slow.Row(1, [0.5], [0.0], [False])]}
    first = gathered(one, 0.5, resamples=50, seed=3).finish()
    assert gathered(dict(reversed(one.items())), 0.5, resamples=50, seed=3).finish() == first
    assert gathered(one, 0.5, resamples=50, seed=4).finish() != first


@given(st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=8), min_size=1, max_size=9), st.sampled_from([0.1, 0.5, 0.9]))
def test_quantiles_of_running_risk_against_sorting(runs: list[list[int]], q: float) -> None:
    traces = Traces()
    for run in runs:
        traces.add(True, [value / 100 for value in run])
    for n, found in enumerate(traces.quantile(True, q)):
        there = sorted(run[n] for run in runs if len(run) > n)
        assert found == there[max(1, math.ceil(q * len(there))) - 1] / 100
    assert traces.quantile(False, q) == []
    if len(runs) < 10:
        assert len(traces.quantile(True, q)) == max(map(len, runs))


def test_running_risk_takes_the_same_room_however_long_a_conversation_is() -> None:
    traces = Traces()
    traces.add(False, [0.5] * (LONGEST * 50))
    assert traces.quantile(False, 0.5) == [0.5] * LONGEST
    assert traces.counted(False) == [1] * LONGEST


def test_marked_lines_are_counted_up_to_the_alert() -> None:
    rows = [slow.Row(1, [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 2.0, 3.0], marks) for marks in ([True] * 4, [False, True, False, True])]
    assert gathered({"s": rows}, 0.5).finish().pooled.median_marked_to_alert == median([3, 1])


# -- Bounds ------------------------------------------------------------------------------------------------------------------------


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
