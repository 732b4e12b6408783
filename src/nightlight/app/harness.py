"""The real senses over an in-memory index, for detectors' tests: `check_detector(MyDetector(), senses())`."""

from __future__ import annotations

from collections.abc import Sequence

from nightlight.adapters.index import FlatIndex
from nightlight.app.senses import Sensed, Senses, follow_tails
from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense, Sensor
from nightlight.core.fingerprint import Bank, BankItem, FingerprintIndex
from nightlight.core.services import SenseEngine
from nightlight.senses.media import ExactMatchSensor, LikenessSensor
from nightlight.senses.text import TextSensor


def sensors(index: FingerprintIndex) -> list[Sensor]:
    """Every sense this build has."""
    return [TextSensor(), ExactMatchSensor(index), LikenessSensor(index)]


class _Harness:
    def __init__(self) -> None:
        self._index = FlatIndex()
        self._senses = Senses(sensors(self._index))

    def put_bank(self, bank: Bank, items: Sequence[BankItem]) -> None:
        self._index.put_bank(bank)
        for item in items:
            self._index.put_item(item)

    def features(self, events: Sequence[EventBase], *, costly: bool = True) -> list[Features]:
        def sense(batch: Sequence[Sensed]) -> None:
            self._senses.first(batch)
            if costly:
                self._senses.second([(item, frozenset(Sense)) for item in batch])

        return follow_tails(sense, events)


def senses() -> SenseEngine:
    """A fresh engine with empty banks."""
    return _Harness()
