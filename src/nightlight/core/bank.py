"""Banks of known media, their items, and what is found in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol, runtime_checkable

from msgspec import Meta, Struct

from nightlight.core.fingerprint import PDQ_THRESHOLD, Fingerprint, FingerprintKind, Variant


class BankKind(StrEnum):
    OWN = "own"
    PARTNER = "partner"
    NEGATIVE = "negative"
    """Known false matches."""
    QUARANTINE = "quarantine"
    """Self-reported, awaiting review."""


class BankAction(StrEnum):
    """The most that a match in a bank may do by itself. A policy may do less."""

    BLOCK = "block"
    HOLD = "hold"
    """Hold for review, never block."""
    REVIEW = "review"
    """A person looks; nothing is held."""
    COUNT = "count"
    """Matches are counted and change nothing: to try a list out."""


class Category(StrEnum):
    """The industry's classification of illegal imagery: who is shown (A, B by age) and what (1, 2 by gravity). Lists carry it."""

    A1 = "A1"
    A2 = "A2"
    B1 = "B1"
    B2 = "B2"


class Bank(Struct, frozen=True, kw_only=True):
    """A named list of items. `threshold` applies to PDQ, in bits; exact kinds match exactly."""

    name: str
    kind: BankKind = BankKind.OWN
    threshold: Annotated[int, Meta(ge=0, le=PDQ_THRESHOLD)] = PDQ_THRESHOLD
    enabled: bool = True
    note: str = ""
    created_at: datetime | None = None
    action: BankAction = BankAction.BLOCK
    kinds: tuple[FingerprintKind, ...] = ()
    """The kinds that are matched; empty: all."""
    thresholds: Mapping[str, int] = {}
    """Of foreign kinds, in their own units, where it is not the plug-in's."""
    share: Annotated[float, Meta(ge=0.0, le=1.0)] = 1.0
    """Of the events, those that are matched against this bank; an event is always in it or never."""
    authority: bool = False
    """An authority's list: no entry of a negative bank overrides it unless a lead approved that."""
    expires_after_days: Annotated[int, Meta(ge=1)] | None = None
    """Items leave the bank so long after they were added, unless they say otherwise."""
    version: int = 0
    """Rises with every change of the bank or its items."""

    def takes(self, kind: FingerprintKind) -> bool:
        """Whether it matches fingerprints of that kind."""
        return not self.kinds or kind in self.kinds


class BankItem(Struct, frozen=True, kw_only=True):
    """One picture or video of a bank: it may hold many fingerprints."""

    id: str
    bank: str
    fingerprints: tuple[Fingerprint, ...]
    enabled: bool = True
    labels: tuple[str, ...] = ()
    source: str | None = None
    """The source's own id of it."""
    created_at: datetime | None = None
    category: Category | None = None
    generated: bool | None = None
    """Made by a generative model, as the source says; None: it does not say."""
    provenance: str = ""
    """Where the source has it from, in its words."""
    expires_at: datetime | None = None
    derived_from: str | None = None
    """Of fingerprints of a part of a confirmed picture: the item that is a part of. Held for review, never blocked, never exported."""
    paused_at: datetime | None = None
    """Since when a flood of matches lets it have no consequence for accounts; a person lifts it."""
    proposed_by: str | None = None
    approved_by: str | None = None
    """Of an item of a negative bank, which needs two people: without the second it is not enabled."""
    overrides_authority: bool = False
    """Of an item of a negative bank: a lead approved that it overrides an authority's list."""


class NewItem(Struct, frozen=True, kw_only=True):
    """What a list says of one picture or video; its own id of it is in `source`."""

    fingerprints: tuple[Fingerprint, ...]
    labels: tuple[str, ...] = ()
    source: str | None = None
    category: Category | None = None
    generated: bool | None = None
    provenance: str = ""
    expires_at: datetime | None = None


class Applied(Struct, frozen=True, kw_only=True):
    """How many items one bulk change touched."""

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0


class Standing(Struct, frozen=True, kw_only=True):
    """What became of an item since it was banked."""

    seen: int = 0
    """How often it was met."""
    confirmed: int = 0
    """People whose latest verdict says that it is what the bank says."""
    denied: int = 0


class ItemVerdict(Struct, frozen=True, kw_only=True):
    """One person's word on an item. The latest of a person is the one that counts."""

    id: int
    bank: str
    item: str
    source: str | None
    """The source's own id of the item."""
    confirm: bool
    by: str
    note: str
    at: datetime
    sent_at: datetime | None = None
    """When it was written back to the exchange that the item came from."""


class BankVersion(Struct, frozen=True, kw_only=True):
    """One change of a bank or of its items. The bank can go back to how it was then."""

    bank: str
    version: int
    at: datetime
    by: str
    what: str
    """In the words of the audit log, such as `bank.item.add`."""
    added: int = 0
    changed: int = 0
    removed: int = 0


class Match(Struct, frozen=True, kw_only=True):
    """A fingerprint of an event lies within a bank's threshold of a banked one."""

    bank: str
    bank_kind: BankKind
    item: str
    kind: FingerprintKind
    distance: int
    """Bits, or a foreign kind's own units; 0 for exact kinds."""
    threshold: int
    variant: Variant | None = None
    """Which view of the event's picture matched; None: the picture as shown, or its bytes."""
    seconds: float | None = None
    """When that frame of the event's video is shown."""
    action: BankAction = BankAction.BLOCK
    """The most that this match may do by itself: the bank's, or less for the item."""
    authority: bool = False
    share: float = 1.0
    """Of the bank; who searches for an event leaves out what the event is not in."""
    derived: bool = False
    """Of a part of a confirmed picture that was banked with it."""
    paused: bool = False
    """The item is matched by a flood: held for review, no consequence for any account until a person has looked."""
    overrides_authority: bool = False
    category: Category | None = None
    generated: bool | None = None


class Searcher(Protocol):
    """What senses need of the banks. Safe to use from many threads."""

    def search(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Match]:
        """All matches of any of the fingerprints in enabled items of enabled banks, nearest first."""
        ...

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> Sequence[Sequence[Match]]:
        """What `search` gives for each of the questions, in their order."""
        ...

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Match]:
        """The matches of exact kinds only: a dictionary look-up, cheap enough for every event."""
        ...


class FingerprintIndex(Protocol):
    """Exact search: every banked fingerprint within its bank's threshold is returned, none beyond it.

    Implementations are safe to query from many threads while another adds. One test suite runs over all of them.
    """

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        """All matches of any of the fingerprints in enabled items of enabled banks, nearest first."""
        ...

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        """What `search` gives for each of the questions, in their order."""
        ...

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        """The matches of exact kinds only: a dictionary look-up, cheap enough for every event."""
        ...

    def put_bank(self, bank: Bank) -> None:
        """Add a bank or change its threshold, kind or whether it is enabled."""
        ...

    def put_item(self, item: BankItem) -> None:
        """Add an item or replace the one with its id; visible to searches when this returns."""
        ...

    def put_items(self, items: Iterable[BankItem]) -> int:
        """Put many, the last of one id winning, and say how many they were. All are visible when this returns."""
        ...

    def remove_item(self, bank: str, item: str) -> None: ...

    def sizes(self) -> Mapping[FingerprintKind, int]:
        """How many fingerprints of each kind are held."""
        ...


class IndexStatus(Struct, frozen=True, kw_only=True):
    """How an index stands: numbers, and words without content."""

    fingerprints: Mapping[FingerprintKind, int]
    """Held, by kind, those of disabled items and banks too."""
    segments: tuple[int, ...]
    """PDQ hashes in each file, the oldest first."""
    scanned: int
    """Items that changed since the last merge: these are scanned."""
    struck: int
    """Items that were removed or replaced, and whose bytes are still in a file until the next merge of everything."""
    file_bytes: int
    veiled: bool
    """Whether the files hold fingerprints in a keyed disguise."""
    merging: bool
    verified: bool
    """Whether every byte of the files was compared with its checksum since they were opened."""
    trouble: str | None
    """What is wrong with a file or went wrong in the last merge."""
    mended: str | None
    """What was wrong before everything was loaded anew."""


class IndexPosition(Struct, frozen=True):
    """How much of a store's changes an index holds."""

    number: int
    """Of the last change; rises."""
    fence: str
    """Tells one history from another that has the same numbers, such as a database put back from a backup."""


@runtime_checkable
class LastingIndex(Protocol):
    """An index that keeps what it holds over a restart. It also fills `FingerprintIndex`."""

    def position(self) -> IndexPosition | None:
        """Up to where it holds all changes; None where everything must be loaded anew: it is empty, or what it kept is damaged."""
        ...

    def mark(self, position: IndexPosition) -> None:
        """All changes up to there have been put."""
        ...

    def rebuild(self, items: Iterable[BankItem], position: IndexPosition) -> int:
        """Replace everything by these items, the banks as of `position`. Searches go on meanwhile; what is put meanwhile is kept."""
        ...
