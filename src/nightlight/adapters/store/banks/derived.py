"""Fingerprints of parts of a confirmed picture: which bytes they may be made of, and which are worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nightlight.adapters.store.banks.checks import MOST_FINGERPRINTS
from nightlight.core.bank import BankItem
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

Deriver = Callable[[bytes], Sequence[Fingerprint]]
"""PDQ hashes of a picture's parts, by its bytes."""


def distance(one: str, other: str) -> int:
    """Bits apart, of two PDQ hashes."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def is_the_item(found: Sequence[Fingerprint], item: BankItem, threshold: int) -> bool:
    """Whether bytes with these fingerprints are the item's picture: the very same bytes, or a likeness within the bank's threshold."""
    same = {f.value for f in item.fingerprints if f.kind is FingerprintKind.SHA256}
    if any(f.kind is FingerprintKind.SHA256 and f.value in same for f in found):
        return True
    likeness = [f for f in item.fingerprints if f.has_structure]
    # Only views of the picture itself: a banked picture that is somewhere within another one is not that other picture.
    whole = [f for f in found if f.has_structure and (not f.variant or f.variant.is_view)]
    return any(distance(f.value, known.value) <= threshold for f in whole for known in likeness)


def worth_keeping(parts: Sequence[Fingerprint], item: BankItem) -> tuple[Fingerprint, ...]:
    """Of parts that show something, and something that the item's own hashes do not show already."""
    own = {f.value for f in item.fingerprints}
    kept = {f.value: f for f in parts if f.has_structure and f.quality is not None}
    return tuple(f for value, f in kept.items() if value not in own)[:MOST_FINGERPRINTS]
