"""What a trial shows so far, and what its rule says to do."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from nightlight.core.deterrence import Outcome, Trial, TrialPlan
from nightlight.core.errors import Invalid
from nightlight.protect.deterrence.sequential import LEAST, MORE, Interval, judge, newcombe, per_arm, wilson

MOST_VARIANTS = 6


class Advice(StrEnum):
    GO_ON = "go_on"
    STOP_DIFFERENT = "stop_different"
    """A difference was found."""
    STOP_NONE_FOUND = "stop_none_found"
    """As many outcomes as were planned, and none was found: it is smaller than the one planned for, or not there."""


class VariantReport(Struct, frozen=True, kw_only=True):
    message: str
    shown: int
    told: int
    """Displays whose outcome was told."""
    outcomes: dict[Outcome, int]
    share: float | None
    """Of those told, with the outcome that is compared; None where none was."""
    interval: tuple[float, float]
    """Wilson's, at 1 - alpha."""


class Comparison(Struct, frozen=True, kw_only=True):
    message: str
    against: str
    difference: float | None
    """Of the shares; None before both have an outcome."""
    looked_once: tuple[float, float]
    always_valid: tuple[float, float]
    p: float
    differs: bool


class TrialReport(Struct, frozen=True, kw_only=True):
    name: str
    state: str
    category: str
    outcome: Outcome
    alpha: float
    """Of the whole trial; shared among the comparisons (Bonferroni)."""
    power: float
    baseline: float
    effect: float
    needed: int
    """Outcomes of each variant that one look at the end would need."""
    most: int
    """Outcomes of each variant at which the trial ends without a finding."""
    variants: tuple[VariantReport, ...]
    comparisons: tuple[Comparison, ...]
    advice: Advice
    warnings: tuple[str, ...]


def check_plan(plan: TrialPlan) -> int:
    """The outcomes of each variant that a single look needs. Raises Invalid naming the field."""
    if not 2 <= len(plan.variants) <= MOST_VARIANTS or len(set(plan.variants)) != len(plan.variants):
        raise Invalid(f"2 to {MOST_VARIANTS} different messages", field="variants")
    if not 0.001 <= plan.alpha <= 0.2:
        raise Invalid("from 0.001 to 0.2", field="alpha")
    if not 0.5 <= plan.power <= 0.99:
        raise Invalid("from 0.5 to 0.99", field="power")
    if abs(plan.effect) < 0.005:
        raise Invalid("at least 0.005: smaller ones would take more searches than there are", field="effect")
    return max(LEAST, per_arm(plan.baseline, plan.effect, own_alpha(plan), plan.power))


def own_alpha(plan: TrialPlan) -> float:
    """Of one comparison."""
    return plan.alpha / (len(plan.variants) - 1)


def report_on(trial: Trial) -> TrialReport:
    """Pure: the same counts, the same report."""
    plan = trial.plan
    alpha, needed = own_alpha(plan), check_plan(plan)
    most = int(needed * MORE)
    hits = [told.get(plan.outcome, 0) for told in trial.outcomes]
    told = [sum(of.values()) for of in trial.outcomes]
    variants = tuple(
        VariantReport(
            message=key,
            shown=trial.shown[n],
            told=told[n],
            outcomes={outcome: trial.outcomes[n].get(outcome, 0) for outcome in Outcome},
            share=hits[n] / told[n] if told[n] else None,
            interval=_pair(wilson(hits[n], told[n], plan.alpha)),
        )
        for n, key in enumerate(plan.variants)
    )
    comparisons = []
    for n in range(1, len(plan.variants)):
        found = judge((hits[0], told[0]), (hits[n], told[n]), effect=plan.effect, alpha=alpha)
        comparisons.append(
            Comparison(
                message=plan.variants[n],
                against=plan.variants[0],
                difference=found.difference if told[0] and told[n] else None,
                looked_once=_pair(found.looked_once),
                always_valid=_pair(found.always_valid),
                p=found.p,
                differs=found.differs,
            )
        )
    advice = Advice.STOP_NONE_FOUND if min(told) >= most else Advice.GO_ON
    if any(c.differs for c in comparisons):
        advice = Advice.STOP_DIFFERENT
    return TrialReport(
        name=plan.name,
        state=trial.state,
        category=plan.category,
        outcome=plan.outcome,
        alpha=plan.alpha,
        power=plan.power,
        baseline=plan.baseline,
        effect=plan.effect,
        needed=needed,
        most=most,
        variants=variants,
        comparisons=tuple(comparisons),
        advice=advice,
        warnings=_warnings(trial, told),
    )


def _pair(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _warnings(trial: Trial, told: list[int]) -> tuple[str, ...]:
    """What may make the comparison untrue, whatever its numbers."""
    out = []
    for n in range(1, len(told)):
        low, high = newcombe((told[0], trial.shown[0]), (told[n], trial.shown[n]), 0.01)
        if trial.shown[0] and trial.shown[n] and not low <= 0 <= high:
            name = trial.plan.variants[n]
            out.append(f"outcomes of {name} are told more or less often than those of the first: what is untold may be the difference")
    shown, variants = sum(trial.shown), len(trial.shown)
    for n, count in enumerate(trial.shown):
        low, high = wilson(count, shown, 0.001)
        if shown and not low <= 1 / variants <= high:
            out.append(f"{trial.plan.variants[n]} was not shown to its share: something other than chance assigned it")
    return tuple(out)
