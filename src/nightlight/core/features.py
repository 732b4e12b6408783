"""What a sense computes from an event's content, once, for every detector. In memory only: never stored, never logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from nightlight.core.bank import Match
from nightlight.core.event import EventBase
from nightlight.core.fingerprint import Fingerprint


class Sense(StrEnum):
    TEXT = "text"
    """Normalised text and its cues: first pass."""
    MEANING = "meaning"
    """The encoder's reading of a text, for cues in words that no phrase has: second pass, only where a detector wants it."""
    MATCH_EXACT = "match_exact"
    """Look-up of byte hashes in the banks: first pass."""
    MATCH_LIKENESS = "match_likeness"
    """Search of perceptual hashes in the banks: second pass, only where a detector wants it."""


class PaymentMeans(StrEnum):
    """How somebody wants to be paid. What is kept of it: never a name, a number or an address."""

    GIFT_CARD = "gift_card"
    PAYMENT_APP = "payment_app"
    PAYMENT_HANDLE = "payment_handle"
    """A name to pay to, written as `$name`."""
    BANK_TRANSFER = "bank_transfer"
    BITCOIN = "bitcoin"
    ETHEREUM = "ethereum"
    CRYPTOCURRENCY = "cryptocurrency"
    """Another one, or by name only."""


class Cue(Struct, frozen=True):
    """Something a text shows. `span`: characters of the event's own text, half open; (0, 0) where it began in an earlier message."""

    name: str
    strength: float
    """0 to 1."""
    span: tuple[int, int]
    reason: str
    """In plain words, about what the writer does; never quotes the text, never blames a child."""
    means: tuple[PaymentMeans, ...] = ()
    """Of a demand for money: how it is to be paid, each once, in the order of the text. The span reaches over the places."""
    likeness: bool = False
    """Whether it was learned: a likeness to known lines. Among many lines some are like those by chance."""


class TextFeatures(Struct, frozen=True):
    cues: tuple[Cue, ...] = ()
    language: str = "und"
    """BCP 47; `und` where it cannot be told."""
    words: int = 0
    questions: int = 0
    hint: float = 0.0
    """0 to 1: how near the text comes to a cue by its cheap features. For a detector to ask the encoder by; never evidence of itself."""
    tail: str = ""
    """The author's last characters after this event, at most 64, to see a word split over messages. Sealed when kept."""


class MediaFeatures(Struct, frozen=True):
    fingerprints: tuple[Fingerprint, ...] = ()
    matches: tuple[Match, ...] = ()
    unreadable: str | None = None
    likeness_searched: bool = False

    @property
    def quality(self) -> int | None:
        """The best PDQ quality among the fingerprints, 0 to 100."""
        found = [f.quality for f in self.fingerprints if f.quality is not None]
        return max(found) if found else None


class AccountSummary(Struct, frozen=True):
    """What the second hop last committed about an account. `version` is recorded with every decision that read it."""

    version: int = 0
    values: Mapping[str, float] = {}
    """`detector.name` to number, such as `grooming.minors_approached`."""


class Features(Struct, frozen=True):
    text: TextFeatures | None = None
    media: MediaFeatures | None = None
    summaries: Mapping[str, AccountSummary] = {}
    """By account; an account that no fact was ever derived about is absent."""

    def summary(self, account: str, name: str) -> float:
        """A number of an account's summary, 0.0 where there is none."""
        known = self.summaries.get(account)
        return known.values.get(name, 0.0) if known is not None else 0.0


class SenseInput(Struct, frozen=True):
    event: EventBase
    features: Features
    """What earlier senses found."""
    tail: str = ""
    """The author's last characters in this conversation, at most 64."""


class Sensor(Protocol):
    """Shared, batched work on content. Pure but for the index it may read; called with many events at once."""

    sense: Sense
    costly: bool
    """True: only for events whose detectors `wants` it, in the second pass."""

    def applies(self, event: EventBase) -> bool: ...

    def batch(self, inputs: Sequence[SenseInput]) -> list[Features]:
        """One `Features` an input, in order: the input's own with this sense's part filled in.

        The tails given are those before the batch; a sensor that uses them follows an author within the batch itself.
        """
        ...
