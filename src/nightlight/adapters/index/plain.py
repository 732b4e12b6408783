"""The slow, obviously correct index: a walk over everything with Python's own integers. The twin that tests compare `FlatIndex` with."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from nightlight.adapters.index.shared import Item, check, found, nearest_first, usable
from nightlight.core.bank import Bank, BankItem, Match
from nightlight.core.errors import NotFound
from nightlight.core.fingerprint import Fingerprint, FingerprintKind


class PlainIndex:
    """Everything under one lock, nothing clever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._banks: dict[str, Bank] = {}
        self._items: dict[Item, BankItem] = {}

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return self._search(usable(fingerprints))

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        return [self.search(fingerprints) for fingerprints in queries]

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return self._search([f for f in usable(fingerprints) if f.kind.is_exact])

    def _search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        matches = []
        with self._lock:
            for item in self._items.values():
                bank = self._banks[item.bank]
                if not (item.enabled and bank.enabled):
                    continue
                for banked in item.fingerprints:
                    for asked in fingerprints:
                        if asked.kind is not banked.kind:
                            continue
                        if asked.kind.is_exact:
                            distance, threshold = (0, 0) if asked.value == banked.value else (1, 0)
                        else:
                            distance, threshold = (int(asked.value, 16) ^ int(banked.value, 16)).bit_count(), bank.threshold
                        if distance <= threshold:
                            matches.append(found(bank, item.id, asked.kind, distance))
        return nearest_first(matches)

    def put_bank(self, bank: Bank) -> None:
        with self._lock:
            self._banks[bank.name] = bank

    def put_item(self, item: BankItem) -> None:
        check(item)
        with self._lock:
            if item.bank not in self._banks:
                raise NotFound(f"there is no bank {item.bank!r}", field="bank")
            self._items[item.bank, item.id] = item

    def put_items(self, items: Iterable[BankItem]) -> int:
        count = 0
        for item in items:
            self.put_item(item)
            count += 1
        return count

    def remove_item(self, bank: str, item: str) -> None:
        with self._lock:
            self._items.pop((bank, item), None)

    def sizes(self) -> Mapping[FingerprintKind, int]:
        with self._lock:
            held = Counter(f.kind for item in self._items.values() for f in usable(item.fingerprints))
        return {kind: held[kind] for kind in FingerprintKind}
