import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.assess.capacity import Capacity, Outcome, plan_levels
from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.errors import Invalid
from nightlight.core.harm import Level

AMPLE = Capacity(reviewer_minutes_per_day=10_000, minutes_per_case=10, nudges_per_1000_children_per_week=1e6)


def test_ample_capacity_keeps_the_defaults_and_loses_nothing() -> None:
    history = [Outcome(score=s / 100, harmful=s > 80) for s in range(100)]
    plan = plan_levels(history, days=1, children=100, capacity=AMPLE)
    assert plan.levels == dict(DEFAULT_LEVELS)
    assert plan.recall_lost == 0.0
    assert plan.cases_per_day == 25


def test_scarce_reviewers_raise_the_bar_and_the_loss_is_said() -> None:
    history = [Outcome(score=s / 100, harmful=s >= 80) for s in range(100)]
    scarce = Capacity(reviewer_minutes_per_day=100, minutes_per_case=10, nudges_per_1000_children_per_week=1e6)
    plan = plan_levels(history, days=1, children=100, capacity=scarce)
    assert plan.cases_per_day == 10
    assert plan.levels[Level.HIGH] == 0.9
    assert plan.recall_lost == pytest.approx(0.5)


def test_without_verdicts_it_does_not_pretend_to_know_the_loss() -> None:
    assert plan_levels([Outcome(score=0.9)], days=1, children=10, capacity=AMPLE).recall_lost is None


@given(st.lists(st.sampled_from([0.1, 0.5, 0.75, 0.76, 0.9, 1.0]), min_size=1, max_size=60), st.integers(0, 40))
def test_the_load_never_exceeds_the_capacity(scores: list[float], cases: int) -> None:
    capacity = Capacity(reviewer_minutes_per_day=cases * 5, minutes_per_case=5, nudges_per_1000_children_per_week=100)
    plan = plan_levels([Outcome(score=s) for s in scores], days=1, children=7000, capacity=capacity)
    assert plan.cases_per_day <= cases
    assert plan.nudges_per_1000_children_per_week <= 100
    assert plan.levels[Level.LOW] <= plan.levels[Level.ELEVATED] <= plan.levels[Level.HIGH]


@pytest.mark.parametrize(("days", "children"), [(0, 1), (1, 0)])
def test_refuses_numbers_that_mean_nothing(days: float, children: int) -> None:
    with pytest.raises(Invalid):
        plan_levels([Outcome(score=1)], days=days, children=children, capacity=AMPLE)
    with pytest.raises(Invalid):
        plan_levels([], days=1, children=1, capacity=AMPLE)
