"""The slow, obviously correct twin of the pipeline, for one detector.

One event at a time, no batches, no threads, no database: states live in a dict, and pass through their saved form at every step, so
whatever does not survive saving shows at once. Facts are folded at the second hop as soon as they are derived.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from msgspec import Struct, structs

from nightlight.core.detect import Detector, Fact, Key, KeyKind, decode_state, encode_state
from nightlight.core.event import EventBase
from nightlight.core.features import AccountSummary, Features
from nightlight.core.harm import Harm
from nightlight.core.services import SenseEngine
from nightlight.core.signal import Signal, Subject, SubjectKind
from nightlight.kit.examples import BankFixture

Risk = tuple[Subject, Harm]


class Sensed(Struct, frozen=True):
    """An event and what the senses found in it: without the costly senses, and with all of them."""

    event: EventBase
    cheap: Features = Features()
    full: Features = Features()


class Costly(Enum):
    """When the costly senses are paid for."""

    NEVER = "never"
    AS_WANTED = "as wanted"
    """Where the detector's `wants` names any, as the pipeline does."""


class Derived(Struct, frozen=True):
    """A fact, and the signals that came of folding it."""

    fact: Fact
    signals: tuple[Signal, ...]


class Step(Struct, frozen=True):
    """What one event led to."""

    event: EventBase
    signals: tuple[Signal, ...]
    """Of `observe`."""
    derived: tuple[Derived, ...]
    """Of `absorb`, at the second hop."""
    risks: Mapping[Risk, float]
    """The running score of every subject and harm after this event: the latest signal that did not abstain.

    Of a picture or a link it is the highest: each sighting is judged by itself, and a weaker one takes nothing back.
    """

    @property
    def all_signals(self) -> tuple[Signal, ...]:
        return self.signals + tuple(signal for one in self.derived for signal in one.signals)


class Trace(Struct, frozen=True):
    steps: tuple[Step, ...]
    states: Mapping[Key, bytes]
    """As saved, after the last event."""
    summaries: Mapping[str, AccountSummary]

    @property
    def final(self) -> Mapping[Risk, float]:
        """The running scores after the last event."""
        return self.steps[-1].risks if self.steps else {}

    def peak(self, harm: Harm | None = None) -> float:
        """The highest running score ever reached, of any subject; 0.0 where there was no signal. None: of any harm."""
        return max((score for step in self.steps for (_, h), score in step.risks.items() if harm in (None, h)), default=0.0)


def sense(senses: SenseEngine, events: Sequence[EventBase]) -> tuple[Sensed, ...]:
    """The events with their features, the authors' tails followed through the sequence."""
    cheap, full = senses.features(events, costly=False), senses.features(events, costly=True)
    return tuple(Sensed(*one) for one in zip(events, cheap, full, strict=True))


@contextmanager
def banked(senses: SenseEngine, fixtures: Sequence[BankFixture]) -> Iterator[None]:
    """The banks exist within the block, and are switched off after it: a look-up afterwards finds nothing of them."""
    for fixture in fixtures:
        senses.put_bank(fixture.bank, fixture.items)
    try:
        yield
    finally:
        for fixture in fixtures:
            senses.put_bank(structs.replace(fixture.bank, enabled=False), [structs.replace(i, enabled=False) for i in fixture.items])


def run(detector: Detector, sensed: Sequence[Sensed], *, costly: Costly = Costly.AS_WANTED, saved: bool = True) -> Trace:
    """Fold the events in order, as the pipeline would.

    `saved` False keeps the states as live objects instead of passing them through their saved form.
    """
    memory = _Memory(detector, saved)
    summaries: dict[str, AccountSummary] = {}
    risks: dict[Risk, float] = {}
    steps = []
    for one in sensed:
        event, cheap, full = one.event, _with(one.cheap, one.event, summaries), _with(one.full, one.event, summaries)
        keys = detector.keys(event, cheap)
        if not keys:
            steps.append(Step(event, (), (), dict(risks)))
            continue
        wanted = detector.wants(memory.read(keys), event, cheap) if costly is Costly.AS_WANTED else frozenset()
        seen = detector.observe(memory.read(keys), event, full if wanted else cheap)
        for key, state in seen.states.items():
            memory.write(key, state)
        derived = tuple(_absorb(detector, fact, memory, summaries) for fact in seen.facts)
        step = Step(event, seen.signals, derived, {})
        for signal in step.all_signals:
            _hold(risks, signal)
        steps.append(structs.replace(step, risks=dict(risks)))
    return Trace(tuple(steps), memory.saved_states(), summaries)


def _hold(risks: dict[Risk, float], signal: Signal) -> None:
    if signal.abstained:
        return
    about = (signal.subject, signal.harm)
    sighted = signal.subject.kind in (SubjectKind.MEDIA, SubjectKind.LINK)
    risks[about] = max(risks.get(about, 0.0), signal.score) if sighted else signal.score


class _Memory:
    def __init__(self, detector: Detector, saved: bool) -> None:
        self._detector, self._saved = detector, saved
        self._held: dict[Key, Any] = {}

    def read(self, keys: Sequence[Key]) -> dict[Key, Any]:
        return {key: self._one(key) for key in keys}

    def _one(self, key: Key) -> Any:
        if key not in self._held:
            return self._detector.new(key)
        if self._saved:
            return decode_state(self._detector, self._detector.card.state_version, self._held[key], key)
        return self._held[key]

    def write(self, key: Key, state: Any) -> None:
        self._held[key] = encode_state(state) if self._saved else state

    def saved_states(self) -> dict[Key, bytes]:
        return {key: held if self._saved else encode_state(held) for key, held in self._held.items()}


def _absorb(detector: Detector, fact: Fact, memory: _Memory, summaries: dict[str, AccountSummary]) -> Derived:
    absorbed = detector.absorb(memory.read([fact.key])[fact.key], fact)
    memory.write(fact.key, absorbed.state)
    if absorbed.summary and fact.key.kind is KeyKind.ACCOUNT:
        old = summaries.get(fact.key.id, AccountSummary())
        values = {**old.values, **{f"{detector.card.name}.{name}": value for name, value in absorbed.summary.items()}}
        if values != old.values:
            summaries[fact.key.id] = AccountSummary(old.version + 1, values)
    return Derived(fact, absorbed.signals)


def _with(features: Features, event: EventBase, summaries: Mapping[str, AccountSummary]) -> Features:
    """The features as the detector sees them now: with them comes what the second hop has committed about the event's parties."""
    parties = {p.account: summaries[p.account] for p in (event.actor, *event.targets) if p.account in summaries}
    return structs.replace(features, summaries=parties)
