"""Runs the senses: the cheap ones on every event, the costly ones where a detector wants them. One bad event spoils no other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import structlog
from msgspec import Struct

from nightlight.core.event import Channel, EventBase, Message, Party
from nightlight.core.features import Features, Sense, SenseInput, Sensor

log = structlog.get_logger("nightlight.senses")


class Sensed(Struct):
    """One event's features as they grow. `failures` names the senses that failed on it."""

    event: EventBase
    features: Features
    tail: str = ""
    failures: tuple[str, ...] = ()


class Senses:
    def __init__(self, sensors: Sequence[Sensor]) -> None:
        self._first = [s for s in sensors if not s.costly]
        self._second = {s.sense: s for s in sensors if s.costly}

    @property
    def provided(self) -> frozenset[Sense]:
        return frozenset([s.sense for s in self._first] + list(self._second))

    def warm(self) -> None:
        """Load what the first message would wait for: the models of the text sense, about a second."""
        at = datetime(2025, 1, 1, tzinfo=UTC)
        item = Sensed(Message(id="warm", at=at, actor=Party(account="warm"), channel=Channel(id="warm"), text="how are you"), Features())
        self.first([item])
        self.second([(item, self.provided)])

    def first(self, batch: Sequence[Sensed]) -> None:
        """Every cheap sense on every event it applies to; fills `features` in place."""
        for sensor in self._first:
            self._run(sensor, [item for item in batch if sensor.applies(item.event)])

    def second(self, batch: Sequence[tuple[Sensed, Collection[Sense]]]) -> None:
        """The wanted costly senses. A sense that no sensor here provides is passed over: detectors must do without."""
        for sense, sensor in self._second.items():
            self._run(sensor, [item for item, wanted in batch if sense in wanted and sensor.applies(item.event)])

    def _run(self, sensor: Sensor, items: list[Sensed]) -> None:
        if not items:
            return
        try:
            found = sensor.batch([SenseInput(i.event, i.features, i.tail) for i in items])
        except Exception as error:
            if len(items) > 1:  # find the culprit: all others keep their features
                tails: dict[tuple[str, str], str] = {}
                for item in items:
                    who = (item.event.conversation, item.event.actor.account)
                    item.tail = tails.get(who, item.tail)
                    self._run(sensor, [item])
                    if item.features.text is not None:
                        tails[who] = item.features.text.tail
                return
            log.error("sense failed", sense=sensor.sense, event_id=items[0].event.id, error=type(error).__name__)
            items[0].failures += (f"sense:{sensor.sense}",)
            return
        for item, features in zip(items, found, strict=True):
            item.features = features


def follow_tails(sense: Callable[[Sequence[Sensed]], None], events: Sequence[EventBase]) -> list[Features]:
    """Features of events in order, each seeing the tail its author left before it, as a store would keep them."""
    tails: dict[tuple[str, str], str] = {}
    out: list[Features] = []
    for event in events:
        who = (event.conversation, event.actor.account)
        item = Sensed(event, Features(), tails.get(who, ""))
        sense([item])
        if item.features.text is not None:
            tails[who] = item.features.text.tail
        out.append(item.features)
    return out
