"""A detector is a pure fold over small memories."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import msgspec
from msgspec import structs

from nightlight.core.detect import MAX_STATE_BYTES, Absorption, Detector, Fact, Key, KeyKind, Observation, decode_state, encode_state
from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense
from nightlight.kit.laws.shared import Drawn, canonical, for_all, law, quotes, seeds, sequences
from nightlight.kit.proxy import Proxy
from nightlight.kit.run import run
from nightlight.kit.workbench import (
    Broken,
    Workbench,
    repeated,
    require,
    varied,
)

LONG = 2000
"""Events after which a state must still be small. So many that three bytes kept of each would show."""


class _Unmutated(Proxy):
    """Compares what goes into every call before and after it."""

    def _watch(self, call: str, given: tuple[Any, ...], answer: Callable[[], Drawn]) -> Drawn:
        before = [canonical(_plain(one)) for one in given]
        out = answer()
        for one, was in zip(given, before, strict=True):
            require(canonical(_plain(one)) == was, f"{call} changed its {_kind_of(one)}: build a new one instead")
        return out

    def keys(self, event: EventBase, features: Features) -> Any:
        return self._watch("keys", (event, features), lambda: self.inner.keys(event, features))

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        return self._watch("wants", (states, event, features), lambda: self.inner.wants(states, event, features))

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        return self._watch("observe", (states, event, features), lambda: self.inner.observe(states, event, features))

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        return self._watch("absorb", (state, fact), lambda: self.inner.absorb(state, fact))


def _plain(value: Any) -> Any:
    """The arguments as msgpack can write them: a mapping by keys that are structs becomes a list of pairs."""
    return [(key, state) for key, state in value.items()] if isinstance(value, dict) else value


def _kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "states"
    return "event" if isinstance(value, EventBase) else "features" if isinstance(value, Features) else "state or fact"


@law
def input_is_never_mutated(bench: Workbench) -> None:
    """States, events, features and facts come out of every call as they went in."""
    for example, sensed in sequences(bench):
        try:
            run(_Unmutated(bench.detector), sensed, saved=False)
        except Broken as error:
            raise Broken(str(error), example) from None


class _RoundTripping(Proxy):
    def __init__(self, inner: Detector) -> None:
        super().__init__(inner)
        self.at = ""

    def _check(self, key: Key, state: Any) -> None:
        raw = encode_state(state)
        back = decode_state(self.inner, self.card.state_version, raw, key)
        require(type(back) is type(state), f"the {key.kind} state is a {type(state).__name__} and is read back as {type(back).__name__}")
        require(back == state and canonical(back) == canonical(state), f"the {key.kind} state is read back as another than was saved")

    def new(self, key: Key) -> Any:
        state = self.inner.new(key)
        self._check(key, state)
        return state

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        seen = self.inner.observe(states, event, features)
        for key, state in seen.states.items():
            self._check(key, state)
        return seen

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        absorbed = self.inner.absorb(state, fact)
        self._check(fact.key, absorbed.state)
        return absorbed


@law
def state_round_trips(bench: Workbench) -> None:
    """A state read back from its saved form is the state that was saved, and leads to the same signals."""
    for example, sensed in sequences(bench):
        try:
            live = run(_RoundTripping(bench.detector), sensed, saved=False)
        except Broken as error:
            raise Broken(str(error), example) from None
        require(live.steps == run(bench.detector, sensed).steps, "saving the states between events changes the signals", example)


@law
def state_is_bounded(bench: Workbench) -> None:
    """No saved state is larger than 4096 bytes, even after 2000 events: state is O(1) in the length of a conversation."""

    class Watched(Proxy):
        def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
            seen = self.inner.observe(states, event, features)
            for key, state in seen.states.items():
                self._weigh(key, state)
            return seen

        def absorb(self, state: Any, fact: Fact) -> Absorption:
            absorbed = self.inner.absorb(state, fact)
            self._weigh(fact.key, absorbed.state)
            return absorbed

        def _weigh(self, key: Key, state: Any) -> None:
            size = len(encode_state(state))
            require(size <= MAX_STATE_BYTES, f"a {key.kind} state grew to {size} bytes")

    run(Watched(bench.detector), varied(bench.anything, Random(LONG), LONG))
    for example in bench.hits:
        sensed = bench.sensed(example)
        over_and_over = repeated(sensed, [LONG // len(sensed)] * len(sensed))
        try:
            run(Watched(bench.detector), over_and_over)
        except Broken as error:
            raise Broken(f"{error} when its events were repeated", example.name) from None


@law
def state_keeps_no_content(bench: Workbench) -> None:
    """No saved state and no fact repeats what a person wrote: memories outlive the content's own retention."""
    for example in bench.examples:
        trace = bench.trace(example)
        texts = [step.event.content for step in trace.steps]
        kept = [word for raw in trace.states.values() for word in _words(msgspec.msgpack.decode(raw))]
        kept += [word for step in trace.steps for one in step.derived for word in (one.fact.name, one.fact.other or "")]
        accounts = {p.account for step in trace.steps for p in (step.event.actor, *step.event.targets)}
        for word in kept:
            if word not in accounts:
                require(not quotes(word, texts), "a state or fact holds a piece of an event's text", example.name)


def _words(value: Any) -> Iterator[str]:
    """Every string within plain data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes):
        yield value.decode("utf-8", "replace")
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _words(list(pair))
    elif isinstance(value, list):
        for one in value:
            yield from _words(one)


@law
def same_input_same_answer(bench: Workbench) -> None:
    """The same states, event and features give the same answer: no clock, no chance, no memory outside the states."""
    for example in bench.examples:
        first = run(bench.detector, bench.sensed(example))
        for other in bench.examples:  # whatever the detector may have kept of the others must not show
            if other is not example:
                run(bench.detector, bench.sensed(other))
        require(first == run(bench.detector, bench.sensed(example)), "a second run gave another answer", example.name)


@law
def keys_are_first_hop_and_pure(bench: Workbench) -> None:
    """`keys` names memories of the event's own conversation, each once, and the same ones when asked again."""
    detector = bench.detector
    for example, sensed in sequences(bench):
        for one in sensed:
            keys = list(detector.keys(one.event, one.cheap))
            require(keys == list(detector.keys(one.event, one.cheap)), "keys gave another answer when asked again", example)
            require(len(set(keys)) == len(keys), "keys names a key twice", example)
            conversation = one.event.conversation
            for key in keys:
                require(
                    not key.kind.second_hop,
                    f"keys names a key of kind {key.kind}, which spans conversations: derive a Fact and fold it in absorb",
                    example,
                )
                require(
                    key.id == conversation or key.id.startswith(f"{conversation}|"),
                    f"the {key.kind} key is not of the event's conversation: use Key.conversation, Key.direction or Key.pair",
                    example,
                )


@law
def observe_writes_only_its_keys(bench: Workbench) -> None:
    """`observe` returns states only of keys that `keys` named: every key has one writer."""

    class Watched(Proxy):
        def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
            seen = self.inner.observe(states, event, features)
            for key in seen.states:
                require(key in states, f"observe wrote a {key.kind} key that keys did not name, on a {event.kind} event")
            return seen

    for example, sensed in sequences(bench):
        try:
            run(Watched(bench.detector), sensed)
        except Broken as error:
            raise Broken(str(error), example) from None


@law
def facts_name_second_hop_keys(bench: Workbench) -> None:
    """A fact concerns an account or a picture, names its detector and event, and `absorb` publishes plain finite numbers."""
    name = bench.detector.card.name

    class Watched(Proxy):
        def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
            seen = self.inner.observe(states, event, features)
            for fact in seen.facts:
                require(fact.key.kind.second_hop, f"fact {fact.name!r} has a {fact.key.kind} key: return its new state instead")
                require(fact.detector == name, f"fact {fact.name!r} says it is of detector {fact.detector!r}")
                require(fact.event == event.id, f"fact {fact.name!r} names another event than the one it comes from")
                require(math.isfinite(fact.value), f"fact {fact.name!r} has the value {fact.value}")
            return seen

        def absorb(self, state: Any, fact: Fact) -> Absorption:
            absorbed = self.inner.absorb(state, fact)
            published = absorbed.summary
            require(not published or fact.key.kind is KeyKind.ACCOUNT, f"absorb published a summary of a {fact.key.kind} key")
            for item, value in published.items():
                require("." not in item, f"summary {item!r} is published under {name}.{item}: leave the detector's name out")
                require(math.isfinite(value), f"summary {item!r} is {value}")
            return absorbed

    for example, sensed in sequences(bench):
        try:
            run(Watched(bench.detector), sensed)
        except Broken as error:
            raise Broken(str(error), example) from None


@law
def no_event_makes_it_raise(bench: Workbench) -> None:
    """Events of every kind are folded, among any parties, at any time, and where a sense had failed."""

    def holds(seed: int) -> None:
        random = Random(seed)
        sequence = varied(bench.anything, random, 120)
        blank = tuple(structs.replace(one, cheap=Features(), full=Features()) for one in sequence)
        for sensed in (sequence, blank):
            for one in sensed:
                try:
                    run(bench.detector, (one,))
                except Exception as error:
                    raise Broken(f"raised {type(error).__name__} on a {one.event.kind} event: {error}") from error
            run(bench.detector, sensed)

    for_all(seeds(), holds, tries=3)
