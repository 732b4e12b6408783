"""`FlatIndex`: byte hashes in a dictionary, PDQ hashes in one packed array that is scanned whole.

Readers take no lock. All they look at hangs on one immutable `_View`, which a writer replaces in a single assignment; rows beyond a
view's count are the writer's to fill. A row never changes its hash or its item; it can only be struck out, in place. A writer shows the
new rows of an item, then counts up `_strikes`, then strikes the old ones out; a reader that sees the count move looks again. So an item
that is being replaced is found as it was or as it is, and is never missed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from nightlight.adapters.index.shared import Item, check, found, nearest_first, usable
from nightlight.core.bank import Bank, BankItem, Match
from nightlight.core.errors import NotFound
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

FIRST_ROWS = 1024
TRIES = 3
"""Scans that a writer may spoil before a reader makes it wait."""
STRUCK_OUT = 0
"""The group of rows that match nothing; its limit is below every distance."""


class _View(Struct, frozen=True):
    """What a reader sees. Arrays and lists only ever grow beyond what the view counts, or are replaced in a new view."""

    rows: NDArray[np.uint64]
    """uint64[n, 4]"""
    groups: NDArray[np.int32]
    """int32[n]: the place of each row's bank in `limits` and `banks`."""
    items: list[str]
    count: int
    limits: NDArray[np.int32]
    """Bits within which a bank's rows match; -1 where it is disabled."""
    banks: tuple[Bank | None, ...]


class _Held(Struct, frozen=True):
    """What the index keeps of one item."""

    start: int
    """Of its rows in the view, which lie side by side."""
    count: int
    exact: tuple[tuple[FingerprintKind, str], ...]
    enabled: bool


def _view(rows: int) -> _View:
    return _View(
        rows=np.zeros((rows, 4), np.uint64),
        groups=np.zeros(rows, np.int32),
        items=[],
        count=0,
        limits=np.array([-1], np.int32),
        banks=(None,),
    )


def packed(value: str) -> list[int]:
    """64 hexadecimal digits as four 64-bit numbers."""
    return [int(value[at : at + 16], 16) for at in range(0, 64, 16)]


class FlatIndex:
    """Exact search by scanning. A put is visible when it returns; memory is 36 bytes a PDQ hash, and some hundred an item."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._view = _view(FIRST_ROWS)
        self._groups: dict[str, int] = {}
        self._held: dict[Item, _Held] = {}
        self._exact: dict[tuple[FingerprintKind, str], tuple[Item, ...]] = {}
        self._sizes = dict.fromkeys(FingerprintKind, 0)
        self._struck = 0
        self._strikes = 0

    # Reading

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        asked = usable(fingerprints)
        return nearest_first([*self._same(asked), *self._alike([f for f in asked if f.kind is FingerprintKind.PDQ])])

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        return [self.search(fingerprints) for fingerprints in queries]

    @property
    def is_empty(self) -> bool:
        """True where nothing was put yet."""
        return not self._view.count and not self._exact

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return nearest_first(self._same(usable(fingerprints)))

    def _same(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        matches = []
        for fingerprint in fingerprints:
            for name, item in self._exact.get((fingerprint.kind, fingerprint.value), ()):
                # The view is read after the item: by then it has the item's bank.
                bank = self._view.banks[self._groups[name]]
                if bank is not None and bank.enabled:
                    matches.append(found(bank, item, fingerprint.kind, 0))
        return matches

    def _alike(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        if not fingerprints or not self._view.count:
            return []
        queries = np.array([packed(f.value) for f in fingerprints], np.uint64)
        for _ in range(TRIES):
            before = self._strikes
            matches = self._scan(queries)
            if self._strikes == before:
                return matches
        with self._lock:
            return self._scan(queries)

    def _scan(self, queries: NDArray[np.uint64]) -> list[Match]:
        from nightlight.adapters.index.scan import within

        view, matches = self._view, []
        for row, distance in within(queries, view.rows, view.count, view.groups, view.limits):
            bank = view.banks[int(view.groups[row])]
            if bank is not None:  # else struck out since
                matches.append(found(bank, view.items[row], FingerprintKind.PDQ, distance))
        return matches

    def sizes(self) -> Mapping[FingerprintKind, int]:
        with self._lock:
            return dict(self._sizes)

    # Writing

    def put_bank(self, bank: Bank) -> None:
        with self._lock:
            view = self._view
            group = self._groups.get(bank.name, len(view.banks))
            banks = (*view.banks[:group], bank, *view.banks[group + 1 :])
            limits = np.array([b.threshold if b is not None and b.enabled else -1 for b in banks], np.int32)
            self._view = replace(view, limits=limits, banks=banks)
            self._groups[bank.name] = group

    def put_item(self, item: BankItem) -> None:
        check(item)
        with self._lock:
            group = self._groups.get(item.bank)
            if group is None:
                raise NotFound(f"there is no bank {item.bank!r}", field="bank")
            key = item.bank, item.id
            distinct = usable(item.fingerprints)
            exact = tuple((f.kind, f.value) for f in distinct if f.kind.is_exact)
            likeness = [packed(f.value) for f in distinct if not f.kind.is_exact]
            old = self._held.get(key)
            start = self._append(likeness, item.id, group, item.enabled)
            if item.enabled:
                for value in exact:
                    known = self._exact.get(value, ())
                    if key not in known:
                        self._exact[value] = (*known, key)
            if old is not None:
                self._forget(key, old, kept=frozenset(exact) if item.enabled else frozenset())
            self._held[key] = _Held(start, len(likeness), exact, item.enabled)
            for fingerprint in distinct:
                self._sizes[fingerprint.kind] += 1
            self._compact()

    def put_items(self, items: Iterable[BankItem]) -> int:
        count = 0
        for item in items:
            self.put_item(item)
            count += 1
        return count

    def remove_item(self, bank: str, item: str) -> None:
        with self._lock:
            old = self._held.pop((bank, item), None)
            if old is not None:
                self._forget((bank, item), old, kept=frozenset())
                self._compact()

    def _append(self, hashes: list[list[int]], item: str, group: int, enabled: bool) -> int:
        """Rows for one item, then the view that shows them. Returns the first one's place."""
        view = self._view
        start, stop = view.count, view.count + len(hashes)
        if not hashes:
            return start
        if stop > len(view.rows):  # doubling, so that n puts copy 2n rows at most
            room = max(stop, 2 * len(view.rows))
            view = _moved(view, np.arange(view.count), room)
        view.rows[start:stop] = np.array(hashes, np.uint64)
        view.groups[start:stop] = group if enabled else STRUCK_OUT
        view.items.extend([item] * len(hashes))
        self._view = replace(view, count=stop)
        return start

    def _forget(self, key: Item, old: _Held, kept: frozenset[tuple[FingerprintKind, str]]) -> None:
        """Strike an item's rows out, and its byte hashes but those in `kept`."""
        self._strikes += 1
        self._view.groups[old.start : old.start + old.count] = STRUCK_OUT
        self._struck += old.count
        for value in old.exact:
            self._sizes[value[0]] -= 1
            if value not in kept:
                left = tuple(k for k in self._exact.get(value, ()) if k != key)
                if left:
                    self._exact[value] = left
                else:
                    self._exact.pop(value, None)
        self._sizes[FingerprintKind.PDQ] -= old.count

    def _compact(self) -> None:
        """Once most rows are struck out, a new view without them. Readers of the old one are not disturbed."""
        if self._struck < FIRST_ROWS or 2 * self._struck < self._view.count:
            return
        view = self._view
        order: list[int] = []
        held = {}
        for key, item in self._held.items():
            held[key] = _Held(len(order), item.count, item.exact, item.enabled)
            order.extend(range(item.start, item.start + item.count))
        self._view = _moved(view, np.array(order, np.int64), max(FIRST_ROWS, 2 * len(order)))
        self._held, self._struck = held, 0


def _moved(view: _View, order: NDArray[np.int64], room: int) -> _View:
    """A copy of some of a view's rows, in that order, with room for more."""
    new = _view(room)
    new.rows[: len(order)] = view.rows[order]
    new.groups[: len(order)] = view.groups[order]
    new.items.extend(view.items[i] for i in order)
    return replace(new, count=len(order), limits=view.limits, banks=view.banks)
