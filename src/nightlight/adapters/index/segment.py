"""One immutable part of the index: a mapped file, and in memory a byte an item that says whether it still holds."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nightlight.adapters.index.columns import EXACT, GONE, LIVE, Array, Columns
from nightlight.adapters.index.file import Damaged, Mapped
from nightlight.adapters.index.layout import BLOCK, masks, radii
from nightlight.adapters.index.shared import Item
from nightlight.adapters.index.veil import PLAIN, Veil
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

HOT = ("words", "near", "base", "ids", "extra")
"""Arrays that every question reads; the rest only where something is found or changed."""
RELEASE_AFTER = 256
"""Changes after which the pages that they touched are let go of."""
FIRST_HITS = 256


class Segment:
    """Safe to search from many threads while one strikes items out. Nothing else ever changes."""

    def __init__(self, path: Path, veil: Veil = PLAIN) -> None:
        """Raises Damaged where it is not whole, or was written with another key."""
        self.file, self._veil = Mapped(path), veil
        arrays, about = self.file.arrays, self.file.about
        if about.get("veil", "") != veil.check:
            raise Damaged(f"{path.name}: written with another key")
        try:
            self.rows, self.items = int(about["rows"]), int(about["items"])
            self.banks: tuple[str, ...] = tuple(about["banks"])
            self._bits = tuple(int(b) for b in about["bits"])
            self._low = tuple(int(b) for b in about["low"])
            self.held = {kind: int(about["held"].get(kind.value, 0)) for kind in FingerprintKind}
            self._columns = Columns(
                banks=self.banks,
                group=arrays["group"],
                state=arrays["state"],
                names=arrays["names"],
                name_at=arrays["name_at"],
                words=arrays["words"],
                owner=arrays["owner"],
                values={kind: arrays[f"{kind}.values"] for kind in EXACT},
                value_owner={kind: arrays[f"{kind}.owner"] for kind in EXACT},
            )
            if arrays["words"].shape != (self.rows, 4) or arrays["group"].shape != (self.items,):
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Damaged(f"{path.name}: arrays are missing") from None
        self._group_of = {bank: group for group, bank in enumerate(self.banks)}
        self._words = arrays["words"].reshape(-1)
        self._tables = arrays["near"], arrays["extra"], arrays["base"], arrays["ids"]
        self._starts = np.cumsum([0, *((1 << bits) + BLOCK for bits in self._bits)])
        self.published = path.suffix == ".nli"
        """Whether other processes find the file, and files may stand on it."""
        self.verified, self.damaged = False, False
        self.state: NDArray[np.uint8] = np.frombuffer(self.file.raw("state", 0, self.items), np.uint8).copy()
        self._found = 0
        self._shapes: dict[int, tuple[Array, Array, Array]] = {}

    @property
    def columns(self) -> Columns:
        return self._columns

    def verify(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Compare every byte with its checksum, and have the pages that every search reads mapped. Raises Damaged."""
        if self.verified:
            return
        try:
            self.file.verify(stop)
        except Damaged:
            self.damaged = True
            raise
        self.file.populate(HOT, stop)
        self.verified = not stop()

    def release(self) -> None:
        """Let go of the mapped pages that searches do not need."""
        self.file.release(name for name in self.file.arrays if name not in HOT)

    # Searching

    def _shape(self, threshold: int) -> tuple[Array, Array, Array]:
        """What `near_rows` wants to know of the chunks, to find all within that many bits."""
        if known := self._shapes.get(threshold):
            return known
        chosen = radii(self._bits, threshold, self.rows)
        flips = [masks(bits, radius) if radius >= 0 else np.zeros(0, np.uint32) for bits, radius in zip(self._bits, chosen, strict=True)]
        shape = np.array([*zip(self._starts[:-1], self._low, self._bits, chosen, strict=True)], np.int64).reshape(-1, 4)
        made = shape, np.concatenate(flips), np.cumsum([0, *map(len, flips)]).astype(np.int64)
        self._shapes[threshold] = made
        return made

    def near(self, queries: NDArray[np.uint8], limits: NDArray[np.int32], most: int) -> NDArray[np.int64]:
        """int64[hits, 3]: question, item and distance of each hash within its item's limit. queries: uint8[q, 32].

        limits: int32[banks], in bits, at most 31; -1 where a bank matches nothing. most: the largest of them.
        """
        from nightlight.adapters.index.kernels import near_rows

        if most < 0 or not self.rows:
            return np.zeros((0, 3), np.int64)
        shape, flips, flip_starts = self._shape(most)
        c, tables = self._columns, self._tables
        out = np.empty((max(FIRST_HITS, 4 * len(queries)), 3), np.int64)
        while True:
            hits = int(
                near_rows(
                    queries, self._veil.table, self._words, *tables, shape, flips, flip_starts, c.owner, self.state, c.group, limits, out
                )
            )
            if hits <= len(out):
                return out[:hits]
            out = np.empty((2 * hits, 3), np.int64)

    def same(self, fingerprint: Fingerprint) -> list[int]:
        """Items that hold those very bytes and match."""
        from nightlight.adapters.index.kernels import find_digest

        kind, a = fingerprint.kind, self.file.arrays
        owner = self._columns.value_owner[kind]
        if not len(owner):
            return []
        (value,) = self._veil.hidden(kind, [bytes.fromhex(fingerprint.value)])
        near, extra, base, ids = (a[f"{kind}.{part}"] for part in ("near", "extra", "base", "ids"))
        out = np.empty(16, np.int64)
        while (hits := int(find_digest(value, self._columns.values[kind], near, extra, base, ids, _width(near), out))) > len(out):
            out = np.empty(2 * hits, np.int64)
        found = (int(owner[place]) for place in out[:hits])
        return [item for item in found if item < self.items and self.state[item] == LIVE]

    def name(self, item: int) -> str:
        start, stop = struct.unpack("<qq", self.file.raw("name_at", 8 * item, 16))
        return self.file.raw("names", start, stop - start).decode(errors="replace")

    def group(self, item: int) -> int:
        return int(self._columns.group[item])

    # Striking out

    def find(self, keys: Sequence[Item]) -> NDArray[np.int64]:
        """int64[k]: the number of each item, whatever its state; -1 where it is not here."""
        names = [id.encode() for _, id in keys]
        groups = np.array([self._group_of.get(bank, len(self.banks)) for bank, _ in keys], np.uint32)
        at = np.cumsum([0, *map(len, names)]).astype(np.int64)
        return self._find(np.frombuffer(b"".join(names), np.uint8), at, groups)

    def _find(self, names: Array, at: Array, groups: Array) -> NDArray[np.int64]:
        from nightlight.adapters.index.kernels import find_names

        a, c = self.file.arrays, self._columns
        out = np.empty(len(groups), np.int64)
        near, extra, base, ids = (a[f"name.{part}"] for part in ("near", "extra", "base", "ids"))
        find_names(names, at, groups, c.names, c.name_at, c.group, near, extra, base, ids, _width(near), out)
        self._found += len(groups)
        if self._found >= RELEASE_AFTER:
            self._found = 0
            self.release()
        return out

    def strike(self, keys: Sequence[Item]) -> None:
        """Those items hold no longer, where they are here."""
        self._strike(self.find(keys))

    def strike_all_of(self, newer: Segment, part: slice = slice(None)) -> None:
        """What a newer segment names, as held or as gone, holds no longer in this one. `part`: of the newer one's items."""
        groups = np.array([self._group_of.get(bank, len(self.banks)) for bank in newer.banks] or [0], np.uint32)
        c = newer.columns
        start, stop, _ = part.indices(newer.items)
        self._strike(self._find(c.names, c.name_at[start : stop + 1], groups[c.group[start:stop]]))

    def _strike(self, items: NDArray[np.int64]) -> None:
        items = np.unique(items[items >= 0])
        items = items[self.state[items] != GONE].astype(np.uint32)
        self.state[items] = GONE
        c = self._columns
        for kind in FingerprintKind:
            owner = c.owner if kind is FingerprintKind.PDQ else c.value_owner[kind]
            self.held[kind] -= int((np.searchsorted(owner, items, "right") - np.searchsorted(owner, items, "left")).sum())


def _width(near: Array) -> int:
    """Bits that a bucket table is indexed by."""
    return (len(near) - BLOCK).bit_length() - 1
