"""What the tests of banks share: an index that is a dictionary, and fingerprints of nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nightlight.core.bank import Bank, BankItem, Match
from nightlight.core.fingerprint import Fingerprint, FingerprintKind


class DictIndex:
    """Exact kinds only, found by looking at everything. Counts how often it is told of items."""

    def __init__(self) -> None:
        self.banks: dict[str, Bank] = {}
        self.items: dict[tuple[str, str], BankItem] = {}

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return [
            Match(bank=item.bank, bank_kind=bank.kind, item=item.id, kind=f.kind, distance=0, threshold=bank.threshold)
            for item in self.items.values()
            if item.enabled and (bank := self.banks[item.bank]).enabled
            for f in item.fingerprints
            if f in fingerprints
        ]

    search_exact = search

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        return [self.search(fingerprints) for fingerprints in queries]

    def put_items(self, items: Iterable[BankItem]) -> int:
        before = len(self.items)
        self.items.update({(item.bank, item.id): item for item in items})
        return len(self.items) - before

    def put_bank(self, bank: Bank) -> None:
        self.banks[bank.name] = bank

    def put_item(self, item: BankItem) -> None:
        self.items[item.bank, item.id] = item

    def remove_item(self, bank: str, item: str) -> None:
        self.items.pop((bank, item), None)

    def sizes(self) -> Mapping[FingerprintKind, int]:
        return Counter(f.kind for item in self.items.values() for f in item.fingerprints)


def sha(number: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.SHA256, f"{number:064x}")


def md5(number: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.MD5, f"{number:032x}")


def pdq(number: int, quality: int = 100) -> Fingerprint:
    return Fingerprint(FingerprintKind.PDQ, f"{number:064x}", quality)


def hasher(data: bytes) -> tuple[Fingerprint, ...]:
    """Of a "picture" whose bytes are a number."""
    number = int(data or b"0")
    return sha(number), md5(number), pdq(number << 64)
