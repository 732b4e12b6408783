"""A detector that stands in front of another and passes every call on; the laws override what they watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nightlight.core.detect import Absorption, Detector, Fact, Key, Observation
from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense


class Proxy:
    def __init__(self, inner: Detector) -> None:
        self.inner = inner
        self.card = inner.card
        self.state_type = inner.state_type

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return self.inner.keys(event, features)

    def new(self, key: Key) -> Any:
        return self.inner.new(key)

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        return self.inner.wants(states, event, features)

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        return self.inner.observe(states, event, features)

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        return self.inner.absorb(state, fact)

    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        return self.inner.upgrade(version, raw, key)
