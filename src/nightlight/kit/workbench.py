"""What the laws work on: a detector, its folder, its examples with their features, and ways to vary a sequence of events.

The laws are about the detector alone, so a varied sequence keeps the features that the senses found in the unvaried one: a message
moved into another conversation shows the same cues there. That words split over messages are still found is the text sense's own law.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from random import Random

from msgspec import structs

from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.detect import Detector
from nightlight.core.event import AgeBand, Assurance, Channel, ChannelKind, EventBase, Party, Relation
from nightlight.core.harm import Level
from nightlight.core.services import SenseEngine
from nightlight.kit.examples import Example, ExampleKind, read_examples
from nightlight.kit.run import Sensed, Trace, banked, run, sense
from nightlight.kit.samples import HARMLESS, REFUSALS, START, chat, one_of_every_kind

STRANGER = Party(account="somebody-else", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)


class Broken(AssertionError):
    """A law does not hold. `example` is where; the message says what to look at."""

    def __init__(self, what: str, example: str | None = None) -> None:
        super().__init__(f"{what} (example {example!r})" if example else what)


def require(holds: bool, what: str, example: str | None = None) -> None:
    if not holds:
        raise Broken(what, example)


def folder_of(detector: Detector) -> Path:
    return Path(inspect.getfile(type(detector))).parent


class Workbench:
    """Everything is computed once. Raises Invalid where the examples cannot be read."""

    def __init__(self, detector: Detector, senses: SenseEngine, path: Path | None = None) -> None:
        self.detector = detector
        self.path = path or folder_of(detector) / "examples.jsonl"
        self.folder = self.path.parent
        self.examples = read_examples(self.path)
        self._senses = senses
        self._sensed: dict[str, tuple[Sensed, ...]] = {}
        self._traces: dict[str, Trace] = {}

    def of_kind(self, *kinds: ExampleKind) -> tuple[Example, ...]:
        return tuple(e for e in self.examples if e.kind in kinds)

    @property
    def hits(self) -> tuple[Example, ...]:
        return self.of_kind(ExampleKind.HIT)

    def sensed(self, example: Example) -> tuple[Sensed, ...]:
        if example.name not in self._sensed:
            with banked(self._senses, example.banks):
                self._sensed[example.name] = sense(self._senses, example.events)
        return self._sensed[example.name]

    def trace(self, example: Example) -> Trace:
        if example.name not in self._traces:
            self._traces[example.name] = run(self.detector, self.sensed(example))
        return self._traces[example.name]

    @cached_property
    def harmless(self) -> tuple[Sensed, ...]:
        """Ordinary chat, and the events of the benign examples."""
        own = tuple(one for example in self.of_kind(ExampleKind.BENIGN) for one in self.sensed(example))
        return self._each(chat(HARMLESS)) + own

    @cached_property
    def refusals(self) -> tuple[Sensed, ...]:
        return self._each(chat(REFUSALS))

    @cached_property
    def anything(self) -> tuple[Sensed, ...]:
        """Events of every kind, and those of all examples."""
        return self._each(one_of_every_kind()) + tuple(one for example in self.examples for one in self.sensed(example))

    def _each(self, events: Sequence[EventBase]) -> tuple[Sensed, ...]:
        return tuple(one for event in events for one in sense(self._senses, [event]))


def reaches(level: Level) -> float:
    """The lowest score of a level."""
    return DEFAULT_LEVELS.get(level, 0.0)


def level_of(score: float) -> Level:
    return max((level for level, at in DEFAULT_LEVELS.items() if score >= at), key=lambda level: level.rank, default=Level.NONE)


def spoken_like(one: Sensed, like: EventBase, id: str) -> Sensed:
    """The same deed by the actor of `like`, to the same people, there and then."""
    event = structs.replace(
        one.event, id=id, at=like.at, actor=like.actor, targets=like.targets, relation=like.relation, channel=like.channel
    )
    return structs.replace(one, event=event)


def answered(one: Sensed, to: EventBase, id: str) -> Sensed:
    """The same deed by somebody whom `to` addressed, towards its actor, at the same time."""
    other = to.targets[0] if to.targets else STRANGER
    event = structs.replace(
        one.event, id=id, at=to.at, actor=other, targets=(to.actor, *to.targets[1:]), relation=to.relation, channel=to.channel
    )
    return structs.replace(one, event=event)


def with_party(sensed: Sequence[Sensed], account: str, age_band: AgeBand, assurance: Assurance) -> tuple[Sensed, ...]:
    """The same sequence, with what is known of one account's age replaced."""

    def changed(party: Party) -> Party:
        return structs.replace(party, age_band=age_band, assurance=assurance) if party.account == account else party

    return tuple(
        structs.replace(
            one, event=structs.replace(one.event, actor=changed(one.event.actor), targets=tuple(map(changed, one.event.targets)))
        )
        for one in sensed
    )


def elsewhere(sensed: Sequence[Sensed], tag: str) -> tuple[Sensed, ...]:
    """The same sequence among other accounts in other conversations under other event ids."""

    def other(party: Party) -> Party:
        return structs.replace(party, account=party.account + tag)

    def moved(event: EventBase) -> EventBase:
        channel = event.channel and structs.replace(event.channel, id=event.channel.id + tag)
        return structs.replace(
            event, id=event.id + tag, actor=other(event.actor), targets=tuple(map(other, event.targets)), channel=channel
        )

    return tuple(structs.replace(one, event=moved(one.event)) for one in sensed)


def repeated(sensed: Sequence[Sensed], times: Sequence[int]) -> tuple[Sensed, ...]:
    """Event n is followed by `times[n]` copies of itself under other ids."""
    return tuple(
        structs.replace(one, event=structs.replace(one.event, id=f"{one.event.id}+{copy}" if copy else one.event.id))
        for one, copies in zip(sensed, times, strict=True)
        for copy in range(copies + 1)
    )


def padded(sensed: Sequence[Sensed], pool: Sequence[Sensed], random: Random, ratio: int = 3) -> tuple[Sensed, ...]:
    """`ratio` events of the pool before each event, by its actor or by who answers, at its time: padding costs the clock nothing."""
    out: list[Sensed] = []
    for nth, one in enumerate(sensed):
        for pad in range(ratio):
            by = random.choice((spoken_like, answered))
            out.append(by(random.choice(pool), one.event, f"pad-{nth}-{pad}"))
        out.append(one)
    return tuple(out)


def varied(pool: Sequence[Sensed], random: Random, length: int) -> tuple[Sensed, ...]:
    """A long conversation of events of the pool, mostly in one channel, among 300 accounts of all ages; the clock may step back."""
    cast = [
        Party(account=f"cast-{n}", age_band=random.choice(tuple(AgeBand)), assurance=random.choice(tuple(Assurance))) for n in range(300)
    ]
    main = Channel(id="varied", kind=ChannelKind.GROUP)
    at, out = START, []
    for nth in range(length):
        one = random.choice(pool)
        # Half of it between the same two: the memory of one pair must stay small too.
        actor, *targets = cast[:2] if random.random() < 0.5 else random.sample(cast, random.randint(1, 5))
        at += timedelta(seconds=random.choice((-60, 0, 1, 30, 3600, 86_400)))
        event = structs.replace(
            one.event,
            id=f"varied-{nth}",
            at=at,
            actor=actor,
            targets=tuple(targets),
            relation=random.choice(tuple(Relation)),
            channel=main if random.random() < 0.95 else None,
        )
        out.append(structs.replace(one, event=event))
    return tuple(out)
