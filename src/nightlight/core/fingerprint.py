"""Fingerprints. ThreatExchange calls a shareable hash a "signal"; here that word means a detector's finding."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

from nightlight.core.errors import Invalid

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

    def fits(self, value: str) -> bool:
        """Whether a value is written as this kind's are; of a foreign kind only its plug-in knows more."""
        fitting = LEAST_DIGITS <= len(value) <= MOST_DIGITS if self.is_foreign else len(value) == self.hex_digits
        return fitting and _HEX.fullmatch(value) is not None

    @property
    def is_exact(self) -> bool:
        """True where a match means the very same bytes."""
        return self in _EXACT


FOREIGN_KIND = r"x-[a-z0-9][a-z0-9-]{0,38}"
"""How a foreign kind is named, as a regular expression."""
LEAST_DIGITS, MOST_DIGITS = 8, 2048
"""Of a foreign kind's value."""
_FOREIGN = re.compile(FOREIGN_KIND)
_HEX = re.compile(r"[0-9a-f]*")
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

    @property
    def has_structure(self) -> bool:
        """True for a PDQ hash that can tell its picture from others. One sent without its quality is taken for one."""
        return self.kind is FingerprintKind.PDQ and (self.quality is None or self.quality >= PDQ_MIN_QUALITY)

    @property
    def is_searchable(self) -> bool:
        """True where a search by likeness makes sense. Of foreign kinds only a plug-in knows, so they are always searched."""
        return self.has_structure or self.kind.is_foreign


def check_written(fingerprints: Iterable[Fingerprint], field: str = "fingerprints") -> None:
    """Raises Invalid naming the fingerprint whose value is not written as its kind's are."""
    for place, found in enumerate(fingerprints):
        if not found.kind.fits(found.value):
            digits = f"{LEAST_DIGITS} to {MOST_DIGITS}" if found.kind.is_foreign else found.kind.hex_digits
            raise Invalid(f"a {found.kind.value} has {digits} lower-case hexadecimal digits", field=f"{field}[{place}].value")


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
