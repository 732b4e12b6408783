"""The twin of the pipeline: two passes, two hops, banks that come and go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from nightlight.core.detect import Key, KeyKind, Observation, load_card
from nightlight.core.event import EventBase
from nightlight.core.features import AccountSummary, Features
from nightlight.core.harm import Harm
from nightlight.core.signal import Signal, Subject, SubjectKind
from nightlight.kit.examples import Example, read_examples
from nightlight.kit.run import Costly, Trace, banked, run, sense
from tests.kit.tiny import Count, Doubt, Tiny, TinySenses, write_folder


@pytest.fixture
def examples(tmp_path: Path) -> dict[str, Example]:
    return {example.name: example for example in read_examples(write_folder(tmp_path))}


@pytest.fixture
def tiny(tmp_path: Path, examples: dict[str, Example]) -> Tiny:
    return Tiny(load_card(tmp_path / "tiny"))


def traced(detector: Tiny, example: Example, **how: Any) -> Trace:
    engine = TinySenses()
    with banked(engine, example.banks):
        return run(detector, sense(engine, example.events), **how)


def test_scores_states_and_summaries(tiny: Tiny, examples: dict[str, Example]) -> None:
    trace = traced(tiny, examples["two words"])
    room, vell = Subject(SubjectKind.CONVERSATION, "room"), Subject(SubjectKind.ACCOUNT, "vell")
    assert [step.risks.get((room, Harm.GROOMING)) for step in trace.steps] == [0.5, 0.5, 0.75]
    assert trace.final[vell, Harm.GROOMING] == pytest.approx(1 - 0.8**2)
    assert (trace.peak(), trace.peak(Harm.GROOMING), trace.peak(Harm.SEXTORTION)) == (0.75, 0.75, 0.0)
    assert [len(step.all_signals) for step in trace.steps] == [2, 0, 2]
    assert msgspec.msgpack.decode(trace.states[Key(KeyKind.CONVERSATION, "room")], type=Doubt).left == 0.25
    assert msgspec.msgpack.decode(trace.states[Key.account("vell")], type=Count).facts == 2
    assert trace.summaries == {"vell": AccountSummary(2, {"tiny.facts": 2.0})}


def test_nothing_gives_nothing(tiny: Tiny) -> None:
    trace = run(tiny, ())
    assert (trace.final, trace.peak()) == ({}, 0.0)


def test_a_later_event_reads_the_summaries_of_its_own_parties(tiny: Tiny, examples: dict[str, Example]) -> None:
    read: list[Mapping[str, AccountSummary]] = []

    class Reads(Tiny):
        def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
            read.append(features.summaries)
            return super().observe(states, event, features)

    events = examples["two words"].events
    others = structs.replace(events[2], id="other", actor=events[2].targets[0], targets=())
    run(Reads(tiny.card), sense(TinySenses(), [*events, others]))
    first = {"vell": AccountSummary(1, {"tiny.facts": 1.0})}
    assert read == [{}, first, first, {}], "the harmless line derived no fact, and brin's own event has nothing to do with vell"


def test_costly_senses_are_paid_for_only_where_wanted(tiny: Tiny, examples: dict[str, Example]) -> None:
    class Frugal(Tiny):
        def wants(self, *_: Any) -> frozenset[Any]:
            return frozenset()

    picture = examples["a banked picture"]
    assert traced(tiny, picture).peak() == pytest.approx(1 - 0.7 * 0.4)
    for without in (traced(tiny, picture, costly=Costly.NEVER), traced(Frugal(tiny.card), picture)):
        assert without.peak() == pytest.approx(0.3)


def test_a_bank_is_there_only_while_its_example_runs(examples: dict[str, Example]) -> None:
    engine = TinySenses()
    picture = examples["a banked picture"]
    with pytest.raises(RuntimeError), banked(engine, picture.banks):
        [_, inside] = sense(engine, picture.events)
        raise RuntimeError
    [_, outside] = sense(engine, picture.events)
    assert inside.full.media is not None and len(inside.full.media.matches) == 1
    assert outside.full.media is not None and outside.full.media.matches == ()


def test_abstaining_keeps_the_score(tiny: Tiny, examples: dict[str, Example]) -> None:
    class Unsure(Tiny):
        def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
            return structs.replace(
                super().signal(event, features, state), abstained=event.id == "a3", score=0.0 if event.id == "a3" else 0.6
            )

    trace = traced(Unsure(tiny.card), examples["two words"])
    assert trace.final[Subject(SubjectKind.CONVERSATION, "room"), Harm.GROOMING] == 0.6


@pytest.mark.parametrize(("kind", "final"), [(SubjectKind.MEDIA, 0.5), (SubjectKind.LINK, 0.5), (SubjectKind.PAIR, 0.4)])
def test_a_weaker_sighting_of_one_thing_takes_nothing_back(
    tiny: Tiny, examples: dict[str, Example], kind: SubjectKind, final: float
) -> None:
    class Sights(Tiny):
        def signal(self, event: EventBase, features: Features, state: Doubt) -> Signal:
            scored = structs.replace(super().signal(event, features, state), subject=Subject(kind, "it"))
            return structs.replace(scored, score=0.5 if event.id == "a1" else 0.4)

    assert traced(Sights(tiny.card), examples["two words"]).final[Subject(kind, "it"), Harm.GROOMING] == final
