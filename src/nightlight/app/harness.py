"""The real senses over an in-memory index, for detectors' tests: `check_detector(MyDetector(), senses())`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nightlight.adapters.index import FlatIndex
from nightlight.app.senses import Sensed, Senses, follow_tails
from nightlight.core.arbitration import told
from nightlight.core.bank import Bank, BankItem, Match, Searcher
from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense, Sensor
from nightlight.core.fingerprint import Fingerprint
from nightlight.core.services import SenseEngine
from nightlight.senses.media import ExactMatchSensor, LikenessSensor
from nightlight.senses.text import MeaningSensor, TextSensor
from nightlight.senses.text.learned import own_heads
from nightlight.senses.text.sexual import published, restricted


def sensors(banks: Searcher, restricted_words: Path | None = None, cues: Path | None = None) -> list[Sensor]:
    """Every sense this build has. `restricted_words`, `cues`: an operator's own. Raises Invalid where one cannot be read."""
    sexual = (published(), restricted(restricted_words)) if restricted_words is not None else None
    heads = own_heads(cues) if cues is not None else None
    return [TextSensor(sexual=sexual, heads=heads), MeaningSensor(heads=heads), ExactMatchSensor(banks), LikenessSensor(banks)]


class _Banks:
    """An index whose matches say what their banks and items say, as the store's do. Fills `core.bank.Searcher`."""

    def __init__(self) -> None:
        self._index = FlatIndex()
        self._banks: dict[str, Bank] = {}
        self._items: dict[tuple[str, str], BankItem] = {}

    def put(self, bank: Bank, items: Sequence[BankItem]) -> None:
        self._index.put_bank(bank)
        self._banks[bank.name] = bank
        for item in items:
            self._index.put_item(item)
            self._items[item.bank, item.id] = item

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return self._told(self._index.search(fingerprints))

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        return [self.search(fingerprints) for fingerprints in queries]

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return self._told(self._index.search_exact(fingerprints))

    def _told(self, matches: Sequence[Match]) -> list[Match]:
        return [self._one(m, self._items[m.bank, m.item]) for m in matches if self._banks[m.bank].takes(m.kind)]

    def _one(self, match: Match, item: BankItem) -> Match:
        return told(
            match,
            self._banks[match.bank],
            derived=item.derived_from is not None,
            paused=item.paused_at is not None,
            overrides_authority=item.overrides_authority,
            category=item.category,
            generated=item.generated,
        )


class _Harness:
    def __init__(self) -> None:
        self._banks = _Banks()
        self._senses = Senses(sensors(self._banks))

    def put_bank(self, bank: Bank, items: Sequence[BankItem]) -> None:
        self._banks.put(bank, items)

    def features(self, events: Sequence[EventBase], *, costly: bool = True) -> list[Features]:
        def sense(batch: Sequence[Sensed]) -> None:
            self._senses.first(batch)
            if costly:
                self._senses.second([(item, frozenset(Sense)) for item in batch])

        return follow_tails(sense, events)


def senses() -> SenseEngine:
    """A fresh engine with empty banks."""
    return _Harness()
