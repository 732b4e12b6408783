"""Risk is never lowered, and never hidden."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st
from msgspec import structs

from nightlight.core.detect import Key, KeyKind
from nightlight.core.event import AgeBand, Assurance, EventBase
from nightlight.core.features import Features, Sense
from nightlight.core.harm import Level
from nightlight.core.signal import Signal
from nightlight.kit.examples import Example, ExampleKind
from nightlight.kit.laws.shared import ROUNDING, for_all, law, moved, scored, seeds
from nightlight.kit.proxy import Proxy
from nightlight.kit.run import Costly, Sensed, Step, Trace, run
from nightlight.kit.workbench import (
    Broken,
    Workbench,
    answered,
    elsewhere,
    level_of,
    padded,
    reaches,
    repeated,
    require,
    spoken_like,
    with_party,
)


@law
def more_risk_never_lowers(bench: Workbench) -> None:
    """At equal evaluation time, one more event of the kind that raised a hit never lowers the score of that harm."""
    risky = [(hit, one) for hit in bench.hits for one in _raising(bench, hit)]
    points = scored(bench)
    if not risky or not points:
        return

    def holds(drawn: tuple[tuple[Example, Sensed], tuple[Example, int], int, int]) -> None:
        (hit, risk), (base, last), where, voice = drawn
        upto = bench.sensed(base)[: last + 1]
        where %= len(upto) + 1
        like = structs.replace(upto[voice % len(upto)].event, at=upto[min(where, last)].event.at)
        more = (*upto[:where], spoken_like(risk, like, "one-more"), *upto[where:])
        after = run(bench.detector, more).final
        for key, score in bench.trace(base).steps[last].risks.items():
            if key[1] is hit.harm and key in moved(bench.trace(base), last):
                require(
                    after.get(key, 0.0) >= score - ROUNDING,
                    f"{key[1]} of the {key[0].kind} fell from {score:.4f} to {after.get(key, 0.0):.4f} when an event of hit "
                    f"{hit.name!r} was added before place {where}",
                    base.name,
                )

    for_all(st.tuples(st.sampled_from(risky), st.sampled_from(points), st.integers(0, 1000), st.integers(0, 1000)), holds, tries=60)


@law
def costly_senses_only_raise(bench: Workbench) -> None:
    """What a costly sense finds may only raise a score, and `wants` asks only for senses on the card."""

    class Watched(Proxy):
        def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
            wanted = self.inner.wants(states, event, features)
            extra = sorted(wanted - set(self.card.senses))
            require(not extra, f"wants asks for {', '.join(extra)}, which the card does not list")
            return wanted

    for example in bench.examples:
        sensed = bench.sensed(example)
        cheap = run(bench.detector, sensed, costly=Costly.NEVER)
        try:
            full = run(Watched(bench.detector), sensed)
        except Broken as error:
            raise Broken(str(error), example.name) from None
        for without, given_it in zip(cheap.steps, full.steps, strict=True):
            for key, score in without.risks.items():
                got = given_it.risks.get(key, 0.0)
                require(got >= score - ROUNDING, f"the costly senses lowered {key[1]} from {score:.4f} to {got:.4f}", example.name)


@law
def refusals_never_lower_the_other_side(bench: Workbench) -> None:
    """What a person says to protect themselves takes nothing from the risk of the other side."""
    points = scored(bench, ExampleKind.HIT)
    if not points:
        return

    def holds(drawn: tuple[Sensed, tuple[Example, int], int]) -> None:
        refusal, (base, last), where = drawn
        upto, step = bench.sensed(base)[: last + 1], bench.trace(base).steps[last]
        for signal in step.all_signals:
            actor, about = signal.actor or step.event.actor.account, (signal.subject, signal.harm)
            theirs = [at for at, one in enumerate(upto) if one.event.actor.account == actor]
            if signal.abstained or not theirs:
                continue
            at = theirs[where % len(theirs)]
            reply = answered(refusal, upto[at].event, "refusal")
            after = run(bench.detector, (*upto[: at + 1], reply, *upto[at + 1 :])).final.get(about, 0.0)
            require(
                after >= step.risks[about] - ROUNDING,
                f"{signal.harm} of the {signal.subject.kind} fell from {step.risks[about]:.4f} to {after:.4f} when the other side refused",
                base.name,
            )

    for_all(st.tuples(st.sampled_from(bench.refusals), st.sampled_from(points), st.integers(0, 1000)), holds, tries=60)


@law
def self_declared_minority_never_lowers(bench: Workbench) -> None:
    """Saying of oneself to be a child never lowers one's risk below that of an account whose age nobody knows."""
    for hit in bench.hits:
        trace = bench.trace(hit)
        for account in sorted({s.actor or step.event.actor.account for step in trace.steps for s in step.all_signals}):
            unknown = run(bench.detector, with_party(bench.sensed(hit), account, AgeBand.UNKNOWN, Assurance.NONE)).peak(hit.harm)
            for band in (b for b in AgeBand if b.is_minor):
                said = run(bench.detector, with_party(bench.sensed(hit), account, band, Assurance.SELF_DECLARED)).peak(hit.harm)
                require(
                    said >= unknown - ROUNDING,
                    f"{hit.harm} is {said:.4f} where the actor declares the age {band}, and {unknown:.4f} where nothing is known",
                    hit.name,
                )


@law
def duplicates_never_hide(bench: Workbench) -> None:
    """A hit whose events come again under other ids still reaches its level."""

    def holds(drawn: tuple[Example, int]) -> None:
        hit, seed = drawn
        sensed = bench.sensed(hit)
        random = Random(seed)
        times = [1] * len(sensed) if seed == 0 else [random.randint(0, 2) for _ in sensed]
        _still_reaches(hit, run(bench.detector, repeated(sensed, times)), "when its events were repeated under other ids")

    for_all(st.tuples(st.sampled_from(bench.hits), seeds()), holds)
    for hit in bench.hits:
        holds((hit, 0))


@law
def benign_padding_never_hides(bench: Workbench) -> None:
    """A hit with three harmless events before each of its own, by either side, still reaches its level."""

    def holds(drawn: tuple[Example, int]) -> None:
        hit, seed = drawn
        longer = padded(bench.sensed(hit), bench.harmless, Random(seed))
        _still_reaches(hit, run(bench.detector, longer), "when it was padded with harmless events, three to one")

    for hit in bench.hits:
        for_all(st.tuples(st.just(hit), seeds()), holds, tries=10)


def _still_reaches(hit: Example, trace: Trace, when: str) -> None:
    level, peak = hit.at_least or Level.LOW, trace.peak(hit.harm)
    require(
        peak >= reaches(level) - ROUNDING, f"{hit.harm} reached only {level_of(peak)} (score {peak:.3f}), not {level}, {when}", hit.name
    )


@law
def interleaving_changes_neither(bench: Workbench) -> None:
    """Two conversations among different people, folded turn by turn, get the signals that each gets alone."""

    def holds(drawn: tuple[Example, Example, int]) -> None:
        first, second, seed = drawn
        here, there = elsewhere(bench.sensed(first), "~here"), elsewhere(bench.sensed(second), "~there")
        random = Random(seed)
        turns = [0] * len(here) + [1] * len(there)
        random.shuffle(turns)
        sides = (iter(here), iter(there))
        both = run(bench.detector, tuple(next(sides[turn]) for turn in turns))
        for side, (sensed, example) in enumerate(((here, first), (there, second))):
            alone = run(bench.detector, sensed).steps
            mixed = tuple(step for turn, step in zip(turns, both.steps, strict=True) if turn == side)
            require(
                [_own(step) for step in alone] == [_own(step) for step in mixed],
                f"its signals changed when {(second if side == 0 else first).name!r} was folded between its events",
                example.name,
            )

    for_all(st.tuples(st.sampled_from(bench.examples), st.sampled_from(bench.examples), seeds()), holds)


def _own(step: Step) -> tuple[Signal, ...]:
    """A step's signals without those about a picture: one picture shown in two conversations rightly links them."""
    derived = (one for one in step.derived if one.fact.key.kind is KeyKind.ACCOUNT)
    return step.signals + tuple(signal for one in derived for signal in one.signals)


def _raising(bench: Workbench, hit: Example) -> list[Sensed]:
    """The events of a hit that raised the score of its harm."""
    out, before = [], 0.0
    for one, step in zip(bench.sensed(hit), bench.trace(hit).steps, strict=True):
        score = max((s for (_, harm), s in step.risks.items() if harm is hit.harm), default=0.0)
        if score > before:
            out.append(one)
        before = score
    return out
