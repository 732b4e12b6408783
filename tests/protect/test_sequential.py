"""The statistics of trials: against published values, against slow twins, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.errors import Invalid
from nightlight.protect.deterrence.sequential import LEAST, MORE, judge, newcombe, per_arm, variance, wilson


def test_intervals_are_those_of_the_papers() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), 857-872 and 873-890: table I there, method 3, and table II, method 10.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert newcombe((48, 80), (56, 70)) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe((3, 10), (9, 10)) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert newcombe((0, 10), (10, 10)) == pytest.approx((0.6075, 1.0), abs=5e-5)
    assert wilson(0, 0) == (0, 1) and newcombe((0, 0), (1, 2)) == (-1, 1)


def test_the_sample_is_that_of_the_handbook() -> None:
    # Fleiss, Levin, Paik (2003), table A.4, gives 0.60 against 0.70 at 5% and 80% as 376 with the correction, which adds 20: 356 without.
    assert per_arm(0.6, 0.1, 0.05, 0.8) == 356
    assert per_arm(0.27, 0.13, 0.05, 0.8) == 206
    assert per_arm(0.4, -0.13, 0.05, 0.8) == 206
    for bad in ((0.27, 0.0), (0.9, 0.2), (0.1, -0.1)):
        with pytest.raises(Invalid):
            per_arm(*bad, 0.05, 0.8)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(LEAST, 400), st.integers(LEAST, 400), st.sampled_from([0.03, 0.1, 0.2]))
def test_the_rule_is_the_mixture_that_it_says(a: int, b: int, n: int, m: int, effect: float) -> None:
    """The slow twin: the likelihood ratio of every difference against none, averaged over the prior by adding up."""
    a, b = min(a, n), min(b, m)
    found = judge((a, n), (b, m), effect=effect, alpha=0.05)
    if not found.judged:
        assert min(a + b, n + m - a - b) < 10 and found.p == 1 and not found.differs
        return
    v, d = variance(a, n) + variance(b, m), b / m - a / n

    def mixture(null: float) -> float:
        grid = np.linspace(-8 * effect, 8 * effect, 40_001)
        prior = np.exp(-(grid**2) / (2 * effect**2)) / (effect * math.sqrt(2 * math.pi))
        ratio = np.exp((grid * (d - null) - grid**2 / 2) / v)
        return float(np.sum(prior * ratio) * (grid[1] - grid[0]))

    if abs(d) < 4 * effect:  # beyond, the grid ends before the integrand does
        assert found.p == pytest.approx(min(1.0, 1 / mixture(0.0)), rel=1e-3, abs=1e-12)
    low, high = found.always_valid
    for end in (low, high):
        if abs(end) < 1 and abs(d - end) < 4 * effect:
            assert mixture(end) == pytest.approx(20, rel=1e-2), "at its ends the interval's ratio is 1/alpha"
    assert found.differs == (found.p < 0.05) or math.isclose(found.p, 0.05, rel_tol=1e-6)
    once = newcombe((a, n), (b, m))
    assert high - low >= 0.9 * (once.high - once.low) or high == 1 or low == -1, "the price of looking often"


def test_too_few_outcomes_are_not_judged() -> None:
    assert not judge((0, LEAST - 1), (LEAST - 1, LEAST - 1), effect=0.1, alpha=0.05).judged
    assert not judge((0, 500), (9, 500), effect=0.1, alpha=0.05).judged
    assert judge((5, 0 + LEAST), (20, LEAST), effect=0.1, alpha=0.05).judged
    assert not judge((0, 0), (0, 0), effect=0.1, alpha=0.05).differs


def simulate(p: float, q: float, trials: int, batch: int, effect: float = 0.13, seed: int = 7) -> tuple[float, float, float]:
    """Shares of trials that found a difference by the rule, by looking at Newcombe's after every batch, and mean outcomes a variant."""
    rng = np.random.default_rng(seed)
    most = int(per_arm(0.27, effect, 0.05, 0.8) * MORE)
    looks = most // batch
    a = rng.binomial(batch, p, (trials, looks)).cumsum(1)
    b = rng.binomial(batch, q, (trials, looks)).cumsum(1)
    found = naive = 0
    outcomes = 0
    for t in range(trials):
        peeked = stopped = False
        for look in range(looks):
            n = (look + 1) * batch
            seen = judge((int(a[t, look]), n), (int(b[t, look]), n), effect=effect, alpha=0.05)
            peeked = peeked or (seen.judged and not seen.looked_once.low <= 0 <= seen.looked_once.high)
            if seen.differs:
                stopped = True
                break
        outcomes += n
        found += stopped
        naive += peeked
    return found / trials, naive / trials, outcomes / trials


def test_a_true_effect_is_found_and_a_false_one_rarely() -> None:
    """Leaving 27% against 40%, as in Prichard and others (2022); looked at after every 20 outcomes of a variant."""
    power, _, needed = simulate(0.27, 0.40, 600, 20)
    assert power >= 0.80
    assert needed < 330, "and it stops before the end more often than not"
    false, naive, _ = simulate(0.27, 0.27, 1000, 20)
    assert false <= 0.05
    assert naive > 0.10, "looking at an ordinary interval as often finds what is not there"


@pytest.mark.long
@pytest.mark.parametrize("share", [0.05, 0.27, 0.4, 0.9])
@pytest.mark.parametrize("batch", [1, 20])
def test_the_error_rate_holds_at_every_share_and_every_look(share: float, batch: int) -> None:
    false, _, _ = simulate(share, share, 4000, batch)
    assert false <= 0.05
