"""No finding without a reason."""

from __future__ import annotations

from msgspec import structs

from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense
from nightlight.core.signal import Signal, SubjectKind
from nightlight.kit.laws.shared import LONGEST_QUOTE, law, quotes, sequences
from nightlight.kit.run import run
from nightlight.kit.workbench import (
    Workbench,
    require,
)


@law
def signals_carry_evidence(bench: Workbench) -> None:
    """Every signal has a score within 0 and 1, evidence that can be looked up, and a reason in plain words that quotes nobody."""
    for example, sensed in sequences(bench):
        seen: dict[str, str] = {}
        for step in run(bench.detector, sensed).steps:
            seen[step.event.id] = step.event.content
            for signal in step.all_signals:
                _check_signal(bench, signal, step.event, example)
                for evidence in signal.evidence:
                    require(evidence.event in seen, "evidence names an event that was never seen", example)
                    require(bool(evidence.reason.strip()), "evidence has an empty reason", example)
                    require(
                        not quotes(evidence.reason, list(seen.values())),
                        f"a reason repeats more than {LONGEST_QUOTE} characters of what somebody wrote",
                        example,
                    )
                    if evidence.span is not None:
                        first, end = evidence.span
                        inside = 0 <= first <= end <= len(seen[evidence.event])
                        require(inside, f"the span {first}:{end} lies outside the text of its event", example)


def _check_signal(bench: Workbench, signal: Signal, event: EventBase, example: str) -> None:
    card = bench.detector.card
    require(bool(signal.evidence), "a signal has no evidence", example)
    require(0.0 <= signal.score <= 1.0, f"a signal's score is {signal.score}", example)
    require(
        (signal.detector, signal.version) == (card.name, card.version),
        f"a signal says it is of {signal.detector} {signal.version}; the card says {card.name} {card.version}",
        example,
    )
    require(signal.harm in card.harms, f"a signal of {signal.harm}, which the card does not list", example)
    require(signal.at.tzinfo is not None, "a signal's time has no zone", example)
    if signal.subject.kind is SubjectKind.CONVERSATION:
        require(signal.subject.id == event.conversation, "a signal is about another conversation than the event's", example)


@law
def senses_are_declared(bench: Workbench) -> None:
    """What a sense that the card does not list has found makes no difference: an operator may leave that sense out."""
    listed = bench.detector.card.senses
    text, media = Sense.TEXT in listed, bool({Sense.MATCH_EXACT, Sense.MATCH_LIKENESS} & set(listed))

    def left(features: Features) -> Features:
        return structs.replace(features, text=features.text if text else None, media=features.media if media else None)

    for example in bench.examples:
        fewer = tuple(structs.replace(one, cheap=left(one.cheap), full=left(one.full)) for one in bench.sensed(example))
        same = [s.all_signals for s in run(bench.detector, fewer).steps] == [s.all_signals for s in bench.trace(example).steps]
        require(same, "the signals change when senses that the card does not list are left out", example.name)
