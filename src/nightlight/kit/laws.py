"""The laws of a detector, written once and run on every one. `docs/reference/detector-laws.md` explains each.

A law is a function of a `Workbench` that raises AssertionError where it does not hold. Random ones are seeded: the same detector gets
the same answer every time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import structs

from nightlight.core.detect import MAX_STATE_BYTES, Absorption, Detector, Fact, Key, KeyKind, Observation, decode_state, encode_state
from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance, EventBase
from nightlight.core.features import Features, Sense
from nightlight.core.harm import Level
from nightlight.core.services import SenseEngine
from nightlight.core.signal import Signal, SubjectKind
from nightlight.kit.examples import Example, ExampleKind
from nightlight.kit.golden import read_golden_states
from nightlight.kit.proxy import Proxy
from nightlight.kit.run import Costly, Sensed, Trace, run
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
    varied,
    with_party,
)

Law = Callable[[Workbench], None]
LAWS: dict[str, Law] = {}
"""Every law by its name, in the order they are run."""

LONG = 2000
"""Events after which a state must still be small. So many that three bytes kept of each would show."""
LONGEST_QUOTE = 12
"""Characters of an event's text that a reason may repeat by chance: more is a quote, and reasons are shown where content is not."""
ROUNDING = 1e-9

Drawn = TypeVar("Drawn")


def check(detector: Detector, senses: SenseEngine, *, examples: Path | None = None) -> None:
    """Run every law. Raises AssertionError naming all that failed."""
    try:
        bench = Workbench(detector, senses, examples)
    except Invalid as error:
        raise AssertionError(f"law `folder_is_complete`: {error}") from None
    failures = []
    for law in LAWS.values():
        try:
            law(bench)
        except AssertionError as error:
            failures.append(error)
    if failures:
        raise AssertionError(f"{detector.card.name} breaks {len(failures)} of {len(LAWS)} laws:\n" + "\n".join(map(str, failures)))


def law(rule: Law) -> Law:
    """Register a law, and put its name and first line into whatever it raises."""

    @functools.wraps(rule)
    def named(bench: Workbench) -> None:
        says = (rule.__doc__ or "").strip().splitlines()[0]
        try:
            rule(bench)
        except Broken as error:
            raise AssertionError(f"law `{rule.__name__}`: {error}\n  {says}") from None
        except Exception as error:
            raise AssertionError(f"law `{rule.__name__}`: raised {type(error).__name__}: {error}\n  {says}") from error

    LAWS[rule.__name__] = named
    return named


def for_all(strategy: st.SearchStrategy[Drawn], holds: Callable[[Drawn], None], *, tries: int = 40) -> None:
    """Run `holds` on drawn values, seeded. A failure is not shrunk: most of what is drawn is a seed, and a small seed is no simpler."""

    @settings(
        max_examples=tries,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(drawn: Drawn) -> None:
        holds(drawn)

    one()


def _seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def _canonical(value: Any) -> bytes:
    """Equal bytes for equal data, whatever the order of its sets and mappings."""
    return msgspec.msgpack.encode(msgspec.to_builtins(value, str_keys=True, order="deterministic"))


# What the folder must hold


@law
def card_is_complete(bench: Workbench) -> None:
    """The card says what the detector is called, what it looks for and on what, what it cannot do, and who answers for it."""
    card = bench.detector.card
    # `_template` is the one folder whose name cannot be its detector's: the underscore keeps it from being discovered.
    name = bench.folder.name.lstrip("_")
    require(card.name == name, f"card.toml: name is {card.name!r} in a folder called {name!r}")
    for field in ("version", "summary", "owner"):
        require(bool(getattr(card, field).strip()), f"card.toml: {field} is empty")
    for field in ("harms", "data", "languages", "limits"):
        require(bool(getattr(card, field)), f"card.toml: {field} is empty")
    require(all(limit.strip() for limit in card.limits), "card.toml: limits holds an empty line")
    require(card.state_version >= 1, f"card.toml: state_version is {card.state_version}; it starts at 1")


@law
def folder_is_complete(bench: Workbench) -> None:
    """The folder holds a README, a test, and a hit for each harm beside a near miss and a benign example."""
    readme = bench.folder / "README.md"
    require(readme.is_file() and bool(readme.read_text("utf-8").strip()), "README.md is missing or empty")
    require(any(bench.folder.glob("test_*.py")), "there is no test_*.py")
    for kind in ExampleKind:
        require(bool(bench.of_kind(kind)), f"examples.jsonl has no {kind} example")
    for harm in bench.detector.card.harms:
        require(any(e.harm is harm for e in bench.hits), f"examples.jsonl has no hit for {harm}, which the card claims")


@law
def examples_get_what_they_say(bench: Workbench) -> None:
    """Each hit reaches its level; each near miss and benign example stays at or below its own."""
    for example in bench.examples:
        peak = bench.trace(example).peak(example.harm)
        got = level_of(peak)
        if example.at_least is not None:
            require(
                got.rank >= example.at_least.rank,
                f"{example.harm} reached {got} (score {peak:.3f}), not {example.at_least}: {example.why}",
                example.name,
            )
        if example.at_most is not None:
            require(got.rank <= example.at_most.rank, f"reached {got} (score {peak:.3f}): {example.why}", example.name)


# A pure fold over small memories


class _Unmutated(Proxy):
    """Compares what goes into every call before and after it."""

    def _watch(self, call: str, given: tuple[Any, ...], answer: Callable[[], Drawn]) -> Drawn:
        before = [_canonical(_plain(one)) for one in given]
        out = answer()
        for one, was in zip(given, before, strict=True):
            require(_canonical(_plain(one)) == was, f"{call} changed its {_kind_of(one)}: build a new one instead")
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
    for example, sensed in _sequences(bench):
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
        require(back == state and _canonical(back) == _canonical(state), f"the {key.kind} state is read back as another than was saved")

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
    for example, sensed in _sequences(bench):
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
                require(not _quotes(word, texts), "a state or fact holds a piece of an event's text", example.name)


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


def _quotes(words: str, texts: list[str]) -> bool:
    """True where more than `LONGEST_QUOTE` characters in a row of any text stand in `words`."""
    said, size = words.casefold(), LONGEST_QUOTE + 1
    folded = (text.casefold() for text in texts)
    return any(text[at : at + size] in said for text in folded for at in range(len(text) - size + 1))


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
    for example, sensed in _sequences(bench):
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

    for example, sensed in _sequences(bench):
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

    for example, sensed in _sequences(bench):
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

    for_all(_seeds(), holds, tries=3)


# Risk is never lowered, and never hidden


@law
def more_risk_never_lowers(bench: Workbench) -> None:
    """At equal evaluation time, one more event of the kind that raised a hit never lowers the score of that harm."""
    risky = [(hit, one) for hit in bench.hits for one in _raising(bench, hit)]
    points = _scored(bench)
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
            if key[1] is hit.harm and key in _moved(bench.trace(base), last):
                require(
                    after.get(key, 0.0) >= score - ROUNDING,
                    f"{key[1]} of the {key[0].kind} fell from {score:.4f} to {after.get(key, 0.0):.4f} when an event of hit "
                    f"{hit.name!r} was added before place {where}",
                    base.name,
                )

    for_all(st.tuples(st.sampled_from(risky), st.sampled_from(points), st.integers(0, 1000), st.integers(0, 1000)), holds, tries=120)


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
    points = _scored(bench, ExampleKind.HIT)
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

    for_all(st.tuples(st.sampled_from(bench.hits), _seeds()), holds)
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
        for_all(st.tuples(st.just(hit), _seeds()), holds, tries=10)


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

    for_all(st.tuples(st.sampled_from(bench.examples), st.sampled_from(bench.examples), _seeds()), holds)


def _own(step: Any) -> tuple[Signal, ...]:
    """A step's signals without those about a picture: one picture shown in two conversations rightly links them."""
    derived = (one for one in step.derived if one.fact.key.kind is KeyKind.ACCOUNT)
    return tuple(step.signals) + tuple(signal for one in derived for signal in one.signals)


# No finding without a reason


@law
def signals_carry_evidence(bench: Workbench) -> None:
    """Every signal has a score within 0 and 1, evidence that can be looked up, and a reason in plain words that quotes nobody."""
    for example, sensed in _sequences(bench):
        seen: dict[str, str] = {}
        for step in run(bench.detector, sensed).steps:
            seen[step.event.id] = step.event.content
            for signal in step.all_signals:
                _check_signal(bench, signal, step.event, example)
                for evidence in signal.evidence:
                    require(evidence.event in seen, "evidence names an event that was never seen", example)
                    require(bool(evidence.reason.strip()), "evidence has an empty reason", example)
                    require(
                        not _quotes(evidence.reason, list(seen.values())),
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


# Old memories are never forgotten


@law
def old_states_are_read(bench: Workbench) -> None:
    """States saved by every older version, kept in golden_states.jsonl, are read by `upgrade` and hold what they held."""
    detector, current = bench.detector, bench.detector.card.state_version
    kept = read_golden_states(bench.folder)
    for version in range(1, current):
        require(
            any(golden.version == version for golden in kept),
            f"golden_states.jsonl has no state of version {version}; the card's state_version is {current}",
        )
    for golden in kept:
        require(golden.version <= current, f"golden_states.jsonl has a state of version {golden.version}, after the card's {current}")
        what = f"a {golden.key_kind} state of version {golden.version}"
        try:
            state = decode_state(detector, golden.version, golden.raw, golden.key)
        except Exception as error:
            raise Broken(f"{what} cannot be read: {type(error).__name__}: {error}") from error
        raw = encode_state(state)
        require(len(raw) <= MAX_STATE_BYTES, f"{what} becomes {len(raw)} bytes")
        back = decode_state(detector, current, raw, golden.key)
        require(_canonical(back) == _canonical(state), f"{what} does not survive being saved anew")
        require(_canonical(state) != _canonical(detector.new(golden.key)), f"{what} becomes an empty one: what it held is forgotten")


# What the laws share


def _sequences(bench: Workbench) -> Iterator[tuple[str, tuple[Sensed, ...]]]:
    """Every example, and one long varied conversation."""
    for example in bench.examples:
        yield example.name, bench.sensed(example)
    yield "(varied events)", varied(bench.anything, Random(7), 150)


def _raising(bench: Workbench, hit: Example) -> list[Sensed]:
    """The events of a hit that raised the score of its harm."""
    out, before = [], 0.0
    for one, step in zip(bench.sensed(hit), bench.trace(hit).steps, strict=True):
        score = max((s for (_, harm), s in step.risks.items() if harm is hit.harm), default=0.0)
        if score > before:
            out.append(one)
        before = score
    return out


def _moved(trace: Trace, at: int) -> set[Any]:
    """What the step at that place gave a score to."""
    return {(s.subject, s.harm) for s in trace.steps[at].all_signals if not s.abstained}


def _scored(bench: Workbench, *kinds: ExampleKind) -> list[tuple[Example, int]]:
    """Every place of every example of those kinds (all, by default) at which a score was given."""
    return [
        (example, at)
        for example in bench.of_kind(*(kinds or tuple(ExampleKind)))
        for at in range(len(example.events))
        if _moved(bench.trace(example), at)
    ]
