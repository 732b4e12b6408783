"""Fingerprints, banks and matches. ThreatExchange calls a shareable hash a "signal"; here that word means a detector's finding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol, runtime_checkable

from msgspec import UNSET, Meta, Struct, UnsetType

PDQ_BITS = 256
PDQ_THRESHOLD = 31
"""Bits apart at which two PDQ hashes are the same picture: Meta's published recommendation, and HMA's default."""
PDQ_MIN_QUALITY = 50
"""Below this quality a picture is too featureless to match by likeness: exact bytes only (Meta's recommendation)."""


MAX_FINGERPRINTS = 512
"""Of one event, item or look-up: what is taken of a file is no more, views of a picture and frames of a video together."""


class FingerprintKind(StrEnum):
    """The kinds that Nightlight computes itself; and any name that begins with `x-`, for one that it does not.

    Foreign kinds (`x-photodna` and the like) are opaque: a plug-in compares them, see `ForeignKind`. Without it they are kept and match
    nothing.
    """

    SHA256 = "sha256"
    SHA1 = "sha1"
    MD5 = "md5"
    PDQ = "pdq"

    @classmethod
    def _missing_(cls, value: object) -> FingerprintKind | None:
        if not isinstance(value, str) or _FOREIGN.fullmatch(value) is None:
            return None
        # Not kept among the members: whoever sends events could make as many as they like.
        kind = str.__new__(cls, value)
        kind._name_ = kind._value_ = value
        return kind

    @property
    def is_foreign(self) -> bool:
        return self not in _HEX_DIGITS

    @property
    def hex_digits(self) -> int:
        """How many hexadecimal digits a value has; 0 where only a plug-in knows."""
        return _HEX_DIGITS.get(self, 0)

    @property
    def is_exact(self) -> bool:
        """True where a match means the very same bytes."""
        return self in _EXACT


_FOREIGN = re.compile(r"x-[a-z0-9][a-z0-9-]{0,38}")
_HEX_DIGITS = {FingerprintKind.SHA256: 64, FingerprintKind.SHA1: 40, FingerprintKind.MD5: 32, FingerprintKind.PDQ: 64}
_EXACT = frozenset((FingerprintKind.SHA256, FingerprintKind.SHA1, FingerprintKind.MD5))


class Variant(StrEnum):
    """Which view of a picture a perceptual hash was taken of, where that is not simply the picture as shown.

    The first six are what some viewer or hasher makes of the same file, so a bank may hold them. The others are made for a lookup:
    somebody may have changed a banked picture in that way.
    """

    SQUASHED = "squashed"
    """Sampled at 512x512 before hashing, as Meta's C++ hasher does; lists in the wild carry both."""
    ON_BLACK = "on_black"
    """What is transparent shown on black instead of white."""
    OPAQUE = "opaque"
    """The colours that are stored, as if nothing were transparent: hashers that know no transparency list this."""
    AS_STORED = "as_stored"
    """Not turned as its metadata asks."""
    FRAME = "frame"
    """A further frame of an animation, or a frame of a video."""
    TRIMMED = "trimmed"
    """Without the even border around it."""
    MIRRORED = "mirrored"
    UPSIDE_DOWN = "upside_down"
    """Mirrored from top to bottom."""
    TURNED_90 = "turned_90"
    """A quarter turn clockwise."""
    TURNED_180 = "turned_180"
    TURNED_270 = "turned_270"
    TRANSPOSED = "transposed"
    """Mirrored about the diagonal from the upper left."""
    TRANSVERSED = "transversed"
    """Mirrored about the other diagonal."""
    LEVELLED = "levelled"
    """Turned by a few degrees, either way."""
    WIDENED = "widened"
    """With a margin that repeats its edge, in place of what may have been cropped."""
    QUADRANT = "quadrant"
    """A quarter of the picture, as in a collage of four."""
    INNER = "inner"
    """A rectangle that was found within the picture."""

    @property
    def is_view(self) -> bool:
        """True for what a viewer or hasher makes of the file itself."""
        return self in _VIEWS

    @property
    def is_part(self) -> bool:
        """True where it was taken of a part of the picture."""
        return self in (Variant.QUADRANT, Variant.INNER)


_VIEWS = frozenset((Variant.SQUASHED, Variant.ON_BLACK, Variant.OPAQUE, Variant.AS_STORED, Variant.FRAME, Variant.TRIMMED))


class Fingerprint(Struct, frozen=True, forbid_unknown_fields=True):
    kind: FingerprintKind
    value: Annotated[str, Meta(pattern=r"^[0-9a-f]{8,2048}$", description="lower-case hexadecimal")]
    quality: Annotated[int, Meta(ge=0, le=100)] | None = None
    """PDQ only: 0 (featureless) to 100."""
    # Unset is not written, so that events and items from before these fields have the same bytes as ever: bodies are compared by them.
    variant: Variant | UnsetType = UNSET
    """PDQ only: the view of the picture that was hashed; unset is the picture as shown."""
    seconds: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    """Of a video's frame: when it is shown."""


class ForeignKind(Protocol):
    """The port of a kind that Nightlight does not compute: an operator installs the plug-in, with whatever licence it needs.

    Found by the entry point `nightlight.fingerprints`, which names a function without arguments that returns one. Values come with
    events, with look-ups and from lists; Nightlight never computes them.
    """

    kind: FingerprintKind
    """`x-` and a name."""
    threshold: int
    """Farthest distance that is a match, in the kind's own units, where a bank says nothing else."""

    def check(self, value: str) -> None:
        """Raises Invalid where the lower-case hexadecimal value is none of this kind."""
        ...

    def searcher(self) -> ForeignSearcher:
        """An empty one. It is used from many threads; one writes at a time."""
        ...


class ForeignSearcher(Protocol):
    """Holds the values of one foreign kind, each under a number that the caller chose."""

    def put(self, number: int, value: str) -> None: ...
    def remove(self, number: int) -> None: ...
    def search(self, value: str, most: int) -> Iterable[tuple[int, int]]:
        """Number and distance of everything at most that far away, in any order."""
        ...


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
