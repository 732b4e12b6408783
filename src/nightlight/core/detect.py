"""The contract of a detector: a keyed fold.

`observe` is pure: the same states, event and features give the same answer. So one detector runs unchanged in a unit test,
in the embedded service, in a worker of a cluster and in a sweep over last year's archive.

Two hops, one writer a key. A conversation's keys are written where its messages are processed (`observe`). What concerns an
account or a picture over many conversations is derived as `Fact`s, which are folded where that key lives (`absorb`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from nightlight.core.errors import Invalid
from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense
from nightlight.core.gate import DataKind
from nightlight.core.harm import Harm
from nightlight.core.signal import Signal, Unread

MAX_STATE_BYTES = 4096
"""A saved state may never be larger: state is O(1) in the length of the conversation."""


class KeyKind(StrEnum):
    CONVERSATION = "conversation"
    DIRECTION = "direction"
    """One author within one conversation."""
    PAIR = "pair"
    """One author towards one target within one conversation."""
    ACCOUNT = "account"
    MEDIA = "media"

    @property
    def second_hop(self) -> bool:
        """True where the key spans conversations: only facts may write it."""
        return self in (KeyKind.ACCOUNT, KeyKind.MEDIA)


class Key(Struct, frozen=True, order=True):
    kind: KeyKind
    id: str

    @staticmethod
    def conversation(event: EventBase) -> Key:
        return Key(KeyKind.CONVERSATION, event.conversation)

    @staticmethod
    def direction(event: EventBase) -> Key:
        return Key(KeyKind.DIRECTION, f"{event.conversation}|{event.actor.account}")

    @staticmethod
    def pair(event: EventBase, actor: str, target: str) -> Key:
        return Key(KeyKind.PAIR, f"{event.conversation}|{actor}|{target}")

    @staticmethod
    def account(account: str) -> Key:
        return Key(KeyKind.ACCOUNT, account)

    @staticmethod
    def media(item: str) -> Key:
        return Key(KeyKind.MEDIA, item)


class Fact(Struct, frozen=True, kw_only=True):
    """Something derived from an event that concerns a key of the second hop. Goes to the detector that derived it, and to no other."""

    key: Key
    name: str
    at: datetime
    event: str
    detector: str
    other: str | None = None
    """The other account or item concerned."""
    value: float = 1.0


class Card(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a detector says of itself, read from `card.toml`."""

    name: str
    version: str
    state_version: int
    summary: str
    harms: tuple[Harm, ...]
    data: tuple[DataKind, ...]
    """The kinds of data it processes: the gate rules each."""
    senses: tuple[Sense, ...]
    languages: tuple[str, ...]
    limits: tuple[str, ...]
    """Known limits, in plain words."""
    owner: str


def load_card(folder: Path) -> Card:
    """The card of a detector's folder. Raises Invalid naming the file and the field."""
    path = folder / "card.toml"
    shown = f"{folder.name}/{path.name}"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Invalid(f"{shown}: there is no such file; a detector says what it is in its card") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{shown}: not TOML: {error}") from None
    try:
        return msgspec.convert(table, Card)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$")
        field = at.rstrip("`").lstrip(".") or None
        raise Invalid(f"{shown}: {field + ': ' if field else ''}{message}", field=field) from None


State = TypeVar("State")


class Observation(Struct, frozen=True):
    states: Mapping[Key, Any] = {}
    """The new states: only those that changed, only of keys that `keys` named."""
    signals: tuple[Signal, ...] = ()
    facts: tuple[Fact, ...] = ()
    unread: Unread | None = None
    """Why this event could not be read, where it could not: then no signal says nothing about it."""


class Absorption(Struct, frozen=True):
    state: Any
    summary: Mapping[str, float] = {}
    """Published to later events as `Features.summaries[account].values`, under `<detector>.<name>`; only for account keys."""
    signals: tuple[Signal, ...] = ()


class Detector(Protocol):
    card: Card
    state_type: Any
    """The msgspec type (or union of tagged types) of its saved states."""

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        """The memories it touches: first-hop keys only; empty where the event does not concern it."""
        ...

    def new(self, key: Key) -> Any:
        """An empty state for that key: small, fixed-size, no raw content."""
        ...

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        """The costly senses worth paying for on this event."""
        ...

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        """Fold one event. Must not mutate its arguments."""
        ...

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        """Fold one fact where its key lives. Must not mutate its arguments."""
        ...

    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        """Read a state saved by an older `state_version`: an old memory is never forgotten."""
        ...


class BaseDetector:
    """The parts most detectors share. Subclasses set `card` and `state_type` and write `keys`, `new` and `observe`."""

    card: Card
    state_type: Any

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        return frozenset()

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        raise TypeError(f"{self.card.name} derives no facts, so it was never meant to absorb {fact.name!r}")

    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        raise ValueError(f"{self.card.name} cannot read a state of version {version}; its card says {self.card.state_version}")


def encode_state(state: Any) -> bytes:
    return msgspec.msgpack.encode(state)


def decode_state(detector: Detector, version: int, raw: bytes, key: Key) -> Any:
    """A saved state, upgraded where it is older than the detector."""
    if version == detector.card.state_version:
        return msgspec.msgpack.decode(raw, type=detector.state_type)
    return detector.upgrade(version, raw, key)
