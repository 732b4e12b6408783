"""Fingerprints, banks and matches. ThreatExchange calls a shareable hash a "signal"; here that word means a detector's finding."""

from __future__ import annotations

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


class FingerprintKind(StrEnum):
    SHA256 = "sha256"
    SHA1 = "sha1"
    MD5 = "md5"
    PDQ = "pdq"

    @property
    def hex_digits(self) -> int:
        return _HEX_DIGITS[self]

    @property
    def is_exact(self) -> bool:
        """True where a match means the very same bytes."""
        return self is not FingerprintKind.PDQ


_HEX_DIGITS = {FingerprintKind.SHA256: 64, FingerprintKind.SHA1: 40, FingerprintKind.MD5: 32, FingerprintKind.PDQ: 64}


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
    value: Annotated[str, Meta(pattern=r"^[0-9a-f]{32,64}$", description="lower-case hexadecimal")]
    quality: Annotated[int, Meta(ge=0, le=100)] | None = None
    """PDQ only: 0 (featureless) to 100."""
    # Unset is not written, so that events and items from before these fields have the same bytes as ever: bodies are compared by them.
    variant: Variant | UnsetType = UNSET
    """PDQ only: the view of the picture that was hashed; unset is the picture as shown."""
    seconds: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    """Of a video's frame: when it is shown."""


class BankKind(StrEnum):
    OWN = "own"
    PARTNER = "partner"
    NEGATIVE = "negative"
    """Known false matches."""
    QUARANTINE = "quarantine"
    """Self-reported, awaiting review."""


class Bank(Struct, frozen=True, kw_only=True):
    """A named list of items. `threshold` applies to likeness kinds, in bits; exact kinds match exactly."""

    name: str
    kind: BankKind = BankKind.OWN
    threshold: Annotated[int, Meta(ge=0, le=PDQ_THRESHOLD)] = PDQ_THRESHOLD
    enabled: bool = True
    note: str = ""
    created_at: datetime | None = None


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


class Match(Struct, frozen=True, kw_only=True):
    """A fingerprint of an event lies within a bank's threshold of a banked one."""

    bank: str
    bank_kind: BankKind
    item: str
    kind: FingerprintKind
    distance: int
    """Bits; 0 for exact kinds."""
    threshold: int
    variant: Variant | None = None
    """Which view of the event's picture matched; None: the picture as shown, or its bytes."""
    seconds: float | None = None
    """When that frame of the event's video is shown."""


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
