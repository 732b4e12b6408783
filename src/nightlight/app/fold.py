"""Folds events into detectors' states, over a working copy of the memories one batch touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from nightlight.app.passage import Passage
from nightlight.app.senses import Sensed, Senses
from nightlight.core.detect import BaseDetector, Detector, Key, decode_state, encode_state
from nightlight.core.event import UserReport
from nightlight.core.features import Sense
from nightlight.core.ports import PipelineStore, SavedState

log = structlog.get_logger("nightlight.fold")


class Memory:
    """The states a batch touches: read once, folded in order, written once. Nothing is kept from one batch to the next."""

    def __init__(self, store: PipelineStore) -> None:
        self._store = store
        self._saved: dict[tuple[str, Key], SavedState] = {}
        self._known: set[tuple[str, Key]] = set()
        self._live: dict[tuple[str, Key], Any] = {}
        self._changed: dict[tuple[str, Key], SavedState] = {}

    def fetch(self, wanted: Iterable[tuple[str, Key]]) -> None:
        missing = [w for w in dict.fromkeys(wanted) if w not in self._known]
        if missing:
            self._saved.update(self._store.states(missing))
            self._known.update(missing)

    def get(self, detector: Detector, keys: Sequence[Key]) -> dict[Key, Any]:
        name = detector.card.name
        self.fetch((name, key) for key in keys)
        out: dict[Key, Any] = {}
        for key in keys:
            at = (name, key)
            if at not in self._live:
                saved = self._saved.get(at)
                self._live[at] = detector.new(key) if saved is None else decode_state(detector, saved.version, saved.raw, key)
            out[key] = self._live[at]
        return out

    def put(self, detector: Detector, states: Mapping[Key, Any]) -> None:
        """Raises where a state cannot be saved, and then keeps none of them."""
        name, version = detector.card.name, detector.card.state_version
        encoded = {key: SavedState(version, encode_state(state)) for key, state in states.items()}
        for key, saved in encoded.items():
            self._live[name, key] = states[key]
            self._changed[name, key] = saved

    def changes(self) -> Mapping[tuple[str, Key], SavedState]:
        return self._changed


class Folder:
    """Runs every detector that the gate permits over a batch, the costly senses first for the events that want them."""

    def __init__(self, detectors: Mapping[str, Detector], senses: Senses) -> None:
        self._detectors, self._senses = detectors, senses
        self._choosy = {name for name, d in detectors.items() if getattr(type(d), "wants", None) is not BaseDetector.wants}

    def fold(self, batch: Sequence[Passage], memory: Memory) -> None:
        touched = [self._touched(passage) for passage in batch]
        memory.fetch((d.card.name, key) for plan in touched for d, keys in plan for key in keys)
        # Pass two, in one go for the whole batch, on the states as they stand before it...
        before = [self._wanted(p, plan, memory) for p, plan in zip(batch, touched, strict=True)]
        self._second(list(zip(batch, before, strict=True)))
        for passage, plan, had in zip(batch, touched, before, strict=True):
            # ...and once more for what an earlier event of the same batch gave reason to look at.
            if len(batch) > 1 and (late := self._wanted(passage, plan, memory) - had):
                self._second([(passage, late)])
            for detector, keys in plan:
                self._observe(passage, detector, keys, memory)

    def _touched(self, passage: Passage) -> list[tuple[Detector, Sequence[Key]]]:
        out: list[tuple[Detector, Sequence[Key]]] = []
        reported = isinstance(passage.event, UserReport)
        for detector in self._detectors.values():
            if not passage.permission.allows(detector.card.data, reported=reported):
                continue
            try:
                keys = detector.keys(passage.event, passage.features)
            except Exception as error:
                self._failed(passage, detector, error)
                continue
            if keys:
                out.append((detector, keys))
        return out

    def _wanted(self, passage: Passage, plan: Sequence[tuple[Detector, Sequence[Key]]], memory: Memory) -> frozenset[Sense]:
        wanted: set[Sense] = set()
        for detector, keys in plan:
            if detector.card.name not in self._choosy:
                continue
            try:
                wanted |= detector.wants(memory.get(detector, keys), passage.event, passage.features)
            except Exception as error:
                self._failed(passage, detector, error)
        return frozenset(wanted)

    def _second(self, wanted: Sequence[tuple[Passage, frozenset[Sense]]]) -> None:
        asked = [(Sensed(p.event, p.features, p.tail), senses, p) for p, senses in wanted if senses]
        if asked:
            self._senses.second([(sensed, senses) for sensed, senses, _ in asked])
            for sensed, _, passage in asked:
                passage.features = sensed.features
                passage.failures.extend(sensed.failures)

    def _observe(self, passage: Passage, detector: Detector, keys: Sequence[Key], memory: Memory) -> None:
        try:
            seen = detector.observe(memory.get(detector, keys), passage.event, passage.features)
            memory.put(detector, seen.states)
        except Exception as error:
            self._failed(passage, detector, error)
            return
        passage.signals.extend(seen.signals)
        passage.facts.extend(seen.facts)
        if seen.unread is not None:
            passage.unread.append((detector.card.name, seen.unread))

    def _failed(self, passage: Passage, detector: Detector, error: Exception) -> None:
        name = f"detector:{detector.card.name}"
        if name not in passage.failures:
            # The type only: a message may quote what a person wrote.
            log.error("detector failed", detector=detector.card.name, event_id=passage.event.id, error=type(error).__name__)
            passage.failures.append(name)
