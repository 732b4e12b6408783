"""Fingerprints, banks and matches. ThreatExchange calls a shareable hash a "signal"; here that word means a detector's finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta, Struct

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


class Fingerprint(Struct, frozen=True, forbid_unknown_fields=True):
    kind: FingerprintKind
    value: Annotated[str, Meta(pattern=r"^[0-9a-f]{32,64}$", description="lower-case hexadecimal")]
    quality: Annotated[int, Meta(ge=0, le=100)] | None = None
    """PDQ only: 0 (featureless) to 100."""


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


class FingerprintIndex(Protocol):
    """Exact search: every banked fingerprint within its bank's threshold is returned, none beyond it.

    Implementations are safe to query from many threads while another adds. One test suite runs over all of them.
    """

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        """All matches of any of the fingerprints in enabled items of enabled banks, nearest first."""
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

    def remove_item(self, bank: str, item: str) -> None: ...

    def sizes(self) -> Mapping[FingerprintKind, int]:
        """How many fingerprints of each kind are held."""
        ...
