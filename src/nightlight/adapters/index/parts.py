"""What a search of a `MultiIndex` sees at one moment, and how it is searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nightlight.adapters.index.flat import FlatIndex
from nightlight.adapters.index.segment import Segment
from nightlight.adapters.index.shared import Item, found, nearest_first
from nightlight.core.bank import Bank, BankItem, Match
from nightlight.core.fingerprint import Fingerprint, FingerprintKind


class Parts(Struct, frozen=True):
    segments: tuple[Segment, ...]
    banks: tuple[tuple[Bank | None, ...], ...]
    """Of each segment, by its own numbers."""
    limits: tuple[tuple[NDArray[np.int32], int], ...]
    """Bits within which each of those banks matches, -1 for none; and the most of them."""
    scanned: FlatIndex

    def search(self, asked: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        """The matches of each question, the segments first: an item that is being replaced is found there or in the scanned part."""
        matches: list[list[Match]] = [[] for _ in asked]
        likeness = [(place, f) for place, prints in enumerate(asked) for f in prints if f.kind is FingerprintKind.PDQ]
        if likeness and self.segments:
            values = np.frombuffer(bytes.fromhex("".join([f.value for _, f in likeness])), np.uint8).reshape(-1, 32)
            for segment, banks, limits in zip(self.segments, self.banks, self.limits, strict=True):
                for query, item, distance in segment.near(values, *limits).tolist():
                    bank = banks[segment.group(item)]
                    if bank is not None:
                        matches[likeness[query][0]].append(found(bank, segment.name(item), FingerprintKind.PDQ, distance))
        for place, prints in enumerate(asked):
            matches[place] += self._same([f for f in prints if f.kind.is_exact])
            if not self.scanned.is_empty:
                matches[place] += self.scanned.search(prints)
        return [nearest_first(one) for one in matches]

    def search_exact(self, asked: Sequence[Fingerprint]) -> list[Match]:
        return nearest_first([*self._same(asked), *self.scanned.search_exact(asked)])

    def _same(self, fingerprints: Sequence[Fingerprint]) -> Iterator[Match]:
        for segment, banks in zip(self.segments, self.banks, strict=True):
            for fingerprint in fingerprints:
                for item in segment.same(fingerprint):
                    bank = next(iter(banks[segment.group(item) :]), None)  # a damaged file may name any
                    if bank is not None and bank.enabled:
                        yield found(bank, segment.name(item), fingerprint.kind, 0)


def parts_of(known: Mapping[str, Bank], segments: tuple[Segment, ...], scanned: FlatIndex) -> Parts:
    """What a search sees of these segments while the banks are as they are known."""
    banks = tuple(tuple(known.get(name) for name in segment.banks) for segment in segments)
    bits = [[b.threshold if b is not None and b.enabled else -1 for b in those] for those in banks]
    limits = tuple((np.array(those, np.int32), max(those, default=-1)) for those in bits)
    return Parts(segments=segments, banks=banks, limits=limits, scanned=scanned)


def apply(segments: Sequence[Segment], scanned: FlatIndex, banks: Sequence[Bank], items: Mapping[Item, BankItem | None]) -> None:
    """Have the scanned part hold the banks and the items, None where it is gone; the segments hold none of those items."""
    for bank in banks:
        scanned.put_bank(bank)
    for (bank_name, id), item in items.items():
        if item is None:
            scanned.remove_item(bank_name, id)
        else:
            scanned.put_item(item)
    for segment in segments:
        segment.strike(list(items))
