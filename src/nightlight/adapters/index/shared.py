"""What every index does alike: refuse what could never match, and order what was found."""

from __future__ import annotations

from collections.abc import Iterable

from nightlight.core.bank import Bank, BankItem, Match
from nightlight.core.fingerprint import Fingerprint, FingerprintKind, check_written

Item = tuple[str, str]
"""A bank's name and an item's id."""


def check(item: BankItem) -> None:
    """Raises Invalid where a fingerprint is not lower-case hexadecimal of its kind's length: it would sit in a bank and match nothing.

    Foreign kinds are held beside the index, see `foreign`.
    """
    check_written(item.fingerprints)


def usable(fingerprints: Iterable[Fingerprint]) -> list[Fingerprint]:
    """The fingerprints of the right length, each once, in order. Others can match nothing."""
    return list({(f.kind, f.value): f for f in fingerprints if len(f.value) == f.kind.hex_digits}.values())


def found(bank: Bank, item: str, kind: FingerprintKind, distance: int) -> Match:
    threshold = 0 if kind.is_exact else bank.threshold
    return Match(bank=bank.name, bank_kind=bank.kind, item=item, kind=kind, distance=distance, threshold=threshold)


def nearest_first(matches: Iterable[Match]) -> list[Match]:
    """One match an item and kind, its nearest; the nearest first, the very same bytes before likeness."""
    best: dict[tuple[str, str, FingerprintKind], Match] = {}
    for match in matches:
        key = match.bank, match.item, match.kind
        if key not in best or match.distance < best[key].distance:
            best[key] = match
    return sorted(best.values(), key=lambda m: (m.distance, not m.kind.is_exact, m.bank, m.item, m.kind))
