"""Token buckets, on a clock of their own."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.web.rates import Buckets


class Time:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_burst_passes_then_the_rate_holds() -> None:
    time = Time()
    buckets = Buckets(now=time)
    assert [buckets.spend("a", 60).allowed for _ in range(11)] == [True] * 10 + [False]
    assert buckets.spend("a", 60).wait_s == 1
    time.at += 1
    assert [buckets.spend("a", 60).allowed for _ in range(2)] == [True, False]
    time.at += 3600
    assert buckets.spend("a", 60).remaining == 9  # a long rest fills the bucket and no more
    assert buckets.spend("b", 60).remaining == 9


def test_waiting_as_long_as_told_is_enough() -> None:
    time = Time()
    buckets = Buckets(now=time)
    while (spent := buckets.spend("a", 7)).allowed:
        pass
    time.at += spent.wait_s
    assert buckets.spend("a", 7).allowed


@settings(derandomize=True)
@given(st.integers(1, 600), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_never_more_than_the_burst_and_the_rate(per_minute: int, gaps: list[float]) -> None:
    time = Time()
    buckets = Buckets(now=time)
    allowed = 0
    for gap in gaps:
        time.at += gap
        allowed += buckets.spend("a", per_minute).allowed
    assert allowed <= max(1, per_minute * Buckets.SHARE) + sum(gaps) * per_minute / 60 + 1e-6


def test_memory_is_bounded_and_the_longest_unused_is_forgotten() -> None:
    buckets = Buckets(most=3, now=Time())
    for name in ("a", "b", "c", "a", "d"):
        buckets.spend(name, 60)
    assert len(buckets) == 3
    assert buckets.spend("a", 60).remaining == 7  # kept: it was used since
    assert buckets.spend("b", 60).remaining == 9  # forgotten
