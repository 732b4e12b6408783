"""Statistics of trials: two shares compared while the counts still come in, with plain formulas and no table.

A fixed-sample test that is looked at again and again finds a difference sooner or later where there is none. The rule here is the
mixture sequential probability ratio test for the difference of two shares (Johari, Koomen, Pekelis, Walsh, "Always Valid Inference:
Continuous Monitoring of A/B Tests", Operations Research 70(3), 2022; the mixture is Robbins', Annals of Mathematical Statistics 41,
1970): with d the difference seen, V its estimated variance, and a normal prior of variance t2 on the difference,

    L = sqrt(V / (V + t2)) * exp(t2 * d^2 / (2 V (V + t2)))

is, in the limit of many outcomes, a martingale of mean 1 where there is no difference, so the chance that it ever reaches 1/alpha is at
most alpha (Ville 1939): looking as often as one likes costs nothing. All differences at which L stays below 1/alpha are the always-valid
interval. It stands on a normal approximation, so nothing is judged before `LEAST` outcomes a variant, of which `LEAST_EACH` of either
sort; what is left of the error rate then is measured by a simulation in the tests.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

from nightlight.core.errors import Invalid

LEAST, LEAST_EACH = 50, 10
"""Outcomes of each variant, and of either sort over both, before anything is judged."""
MORE = 2.0
"""Outcomes at which a trial ends without a finding, as a multiple of those a single look at the end would need. At twice as many the
rule finds the difference it was planned for about as often as that single look (measured in the tests)."""
_Z = NormalDist()


class Interval(NamedTuple):
    low: float
    high: float


class Judgement(NamedTuple):
    """The second of two variants against the first."""

    difference: float
    """Of the shares, second less first."""
    looked_once: Interval
    """Newcombe's, at 1 - alpha: true of one look, at the planned size; too narrow for the first of many looks that pleases."""
    always_valid: Interval
    """At 1 - alpha whenever it is looked at, and however often."""
    p: float
    """Always valid: 1/L, at most 1."""
    judged: bool
    """False: too few outcomes; the always-valid interval is then the whole line."""

    @property
    def differs(self) -> bool:
        return self.judged and not self.always_valid.low <= 0.0 <= self.always_valid.high


def wilson(hits: int, n: int, alpha: float = 0.05) -> Interval:
    """Wilson's score interval of one share (JASA 22, 1927). With no outcome: 0 to 1."""
    if n <= 0:
        return Interval(0.0, 1.0)
    z = _Z.inv_cdf(1 - alpha / 2)
    p, z2 = hits / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends rounding may leave the share just outside.
    return Interval(min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half)))


def newcombe(first: tuple[int, int], second: tuple[int, int], alpha: float = 0.05) -> Interval:
    """Interval of the difference of two shares, second less first, each (hits, n).

    The hybrid score interval, method 10 of Newcombe, Statistics in Medicine 17, 1998.
    """
    (a, n), (b, m) = first, second
    if n <= 0 or m <= 0:
        return Interval(-1.0, 1.0)
    p, q = a / n, b / m
    p_low, p_high = wilson(a, n, alpha)
    q_low, q_high = wilson(b, m, alpha)
    return Interval(q - p - math.hypot(q - q_low, p_high - p), q - p + math.hypot(q_high - q, p - p_low))


def per_arm(baseline: float, effect: float, alpha: float, power: float) -> int:
    """Outcomes of each of two variants that one look at the end needs (Fleiss, Levin, Paik, "Statistical Methods for Rates and
    Proportions", 3rd ed. 2003, eq. 4.14, without the correction for continuity).

    `effect` may be negative. Raises Invalid where a share would leave 0..1.
    """
    p, q = baseline, baseline + effect
    if not (0 < p < 1 and 0 < q < 1) or effect == 0:
        raise Invalid("baseline and baseline + effect lie between 0 and 1, and the effect is not 0", field="effect")
    if not (0 < alpha < 0.5 and 0.5 <= power < 1):
        raise Invalid("alpha lies between 0 and 0.5, power from 0.5 to 1", field="alpha")
    middle = (p + q) / 2
    spread = _Z.inv_cdf(1 - alpha / 2) * math.sqrt(2 * middle * (1 - middle))
    spread += _Z.inv_cdf(power) * math.sqrt(p * (1 - p) + q * (1 - q))
    return math.ceil((spread / effect) ** 2)


def judge(first: tuple[int, int], second: tuple[int, int], *, effect: float, alpha: float) -> Judgement:
    """Two variants' (hits, outcomes) now. `effect`: the difference planned for, whose size is the spread of the prior."""
    (a, n), (b, m) = first, second
    once = newcombe(first, second, alpha)
    d = (b / m if m else 0.0) - (a / n if n else 0.0)
    hits = a + b
    if min(n, m) < LEAST or min(hits, n + m - hits) < LEAST_EACH:
        return Judgement(d, once, Interval(-1.0, 1.0), 1.0, False)
    v, t2 = variance(a, n) + variance(b, m), effect * effect
    half = math.sqrt(2 * v * (v + t2) / t2 * (math.log(1 / alpha) + 0.5 * math.log((v + t2) / v)))
    log_l = 0.5 * math.log(v / (v + t2)) + t2 * d * d / (2 * v * (v + t2))
    return Judgement(d, once, Interval(max(-1.0, d - half), min(1.0, d + half)), min(1.0, math.exp(-max(0.0, log_l))), True)


def variance(hits: int, n: int) -> float:
    """Of a share, with one hit and one miss added (Agresti and Caffo, American Statistician 54, 2000): none that is seen is never 0."""
    p = (hits + 1) / (n + 2)
    return p * (1 - p) / n
