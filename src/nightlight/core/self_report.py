"""What a young person asks of the page `/protect-my-picture`, and the code that they follow it up with.

Only fingerprints arrive here. Nothing says who sent them: not an account, not an address, not an age.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from nightlight.core.errors import Invalid
from nightlight.core.fingerprint import PDQ_BITS, PDQ_MIN_QUALITY, Fingerprint, FingerprintKind

BANK = "self-reports"
"""The quarantine bank that holds them."""
THRESHOLD = 10
"""Bits within which a self-reported picture matches. Tight: anybody may report any picture, so only what is almost surely the very same
one is held. A browser's hash is Nightlight's own or within 6 bits of it (docs/explanation/self-reports.md, and tests hold it there)."""
MOST_PICTURES = 10
"""Of one report."""
FEWEST_BITS, MOST_BITS = 96, 160
"""A PDQ hash sets a bit for each frequency above the median, so about 128 of 256. What lies outside is of no picture with structure."""


class SelfReportState(StrEnum):
    RECEIVED = "received"
    LOOKING = "looking"
    """A person has taken it up."""
    FINISHED = "finished"
    """A person has looked. Whether anything was found is never told."""
    WITHDRAWN = "withdrawn"
    """Taken back by who sent it; the fingerprints are gone."""


class SelfReport(Struct, frozen=True, kw_only=True):
    """What a reviewer sees of one: nothing of who sent it, and no fingerprint."""

    id: str
    state: SelfReportState
    pictures: int
    """Items of the bank `self-reports` whose source is the id, `#` and a number from 0."""
    created_at: datetime
    changed_at: datetime
    expires_at: datetime
    """When it and its fingerprints are deleted."""
    kept: bool | None = None
    """Once finished: whether its fingerprints stay in the bank."""

    @property
    def sources(self) -> tuple[str, ...]:
        return sources(self.id, self.pictures)


def sources(report: str, pictures: int) -> tuple[str, ...]:
    """What the bank's items of a report have as their source."""
    return tuple(f"{report}#{number}" for number in range(pictures))


Picture = tuple[Fingerprint, ...]


def check_pictures(pictures: Sequence[Sequence[Fingerprint]]) -> tuple[Picture, ...]:
    """Each picture's fingerprints, in one order whatever order they came in; the same picture twice is one.

    Raises Invalid naming the field: a picture has one SHA-256 and, where it has structure, one PDQ hash.
    """
    if not 1 <= len(pictures) <= MOST_PICTURES:
        raise Invalid(f"1 to {MOST_PICTURES} pictures at a time", field="pictures")
    out = {}
    for number, given in enumerate(pictures):
        where = f"pictures[{number}]"
        kinds = [f.kind for f in given]
        if sorted(kinds) not in ([FingerprintKind.SHA256], [FingerprintKind.PDQ, FingerprintKind.SHA256]):
            raise Invalid("a picture has one sha256 and at most one pdq", field=where)
        for found in given:
            if not found.kind.fits(found.value):
                raise Invalid(f"{found.kind.hex_digits} lower-case hexadecimal digits", field=f"{where}.{found.kind}")
            if found.kind is FingerprintKind.PDQ:
                _check_structure(found, where)
        ordered = sorted((Fingerprint(f.kind, f.value, f.quality) for f in given), key=lambda f: f.kind.value)
        out[tuple((f.kind, f.value) for f in ordered)] = tuple(ordered)
    return tuple(out[key] for key in sorted(out))


def _check_structure(found: Fingerprint, where: str) -> None:
    # A hash of nothing in particular would hold whatever has as little in it.
    if found.quality is None or found.quality < PDQ_MIN_QUALITY:
        raise Invalid(f"a picture of quality below {PDQ_MIN_QUALITY} is sent without pdq", field=f"{where}.quality")
    if not FEWEST_BITS <= int(found.value, 16).bit_count() <= MOST_BITS:
        raise Invalid(f"no picture has such a hash of {PDQ_BITS} bits", field=f"{where}.pdq")


# -- the code ----------------------------------------------------------------------------------------------------------------------

ALPHABET = "23456789CDFHJKMNPQRTWXY"
"""23 signs, a prime number. No vowels, so that no word comes about; none of B, G, I, L, O, S, U, V, Z, 0, 1, which look like another."""
RANDOM_SIGNS = 19
"""Times log2(23): 85.9 bits."""
GROUP = 4
_PLACE = {sign: place for place, sign in enumerate(ALPHABET)}
_MEANT = str.maketrans(
    {"B": "8", "G": "6", "S": "5", "Z": "2"} | dict.fromkeys(" \t\n\r\u00a0\u202f-\u2010\u2011\u2012\u2013\u2014\u2212.", "")
)
_LONGEST = 64


def code_from(random: bytes) -> str:
    """The code that 32 random bytes make. The bias of taking a 256-bit number modulo 23^19 is below 2^-170."""
    number = int.from_bytes(random)
    return code_of(number // len(ALPHABET) ** place % len(ALPHABET) for place in range(RANDOM_SIGNS))


def code_of(numbers: Iterable[int]) -> str:
    """Nineteen numbers below 23 as a code: twenty signs in groups of four, the last one for checking.

    The weighted sum of all places is a multiple of 23. As 23 is prime and no weight a multiple of it, every single wrong sign and every
    two that changed places are noticed.
    """
    values = list(numbers)
    base = len(ALPHABET)
    last = len(values) + 1
    total = sum(weight * value for weight, value in enumerate(values, 1))
    values.append(-total * pow(last, -1, base) % base)
    return grouped("".join(ALPHABET[value] for value in values))


def grouped(signs: str) -> str:
    return "-".join(signs[at : at + GROUP] for at in range(0, len(signs), GROUP))


def read_code(text: str, random_signs: int = RANDOM_SIGNS) -> str:
    """The code as it was given out, however it was typed: small letters, spaces, and signs taken for one they look like.

    Raises Invalid for what can be no code, so that a slip of the finger is told from a code that is not known.
    """
    signs = text[:_LONGEST].upper().translate(_MEANT)
    values = [_PLACE.get(sign) for sign in signs]
    total = sum(weight * value for weight, value in enumerate(values, 1) if value is not None)
    if len(text) > _LONGEST or len(values) != random_signs + 1 or None in values or total % len(ALPHABET):
        raise Invalid("this code has a typing mistake in it", field="code")
    return grouped(signs)
