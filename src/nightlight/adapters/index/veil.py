"""A keyed disguise of what an index's files hold: distances stay as they are, so searches stay exact; the values do not.

A likeness hash has its bits reordered and some of them inverted, in a way that only the key tells: any two remain as far apart as they
were. A byte hash is replaced by a keyed MAC of its own length. Questions are disguised alike, so nothing is ever taken back.

Whoever has the files but not the key cannot look a known picture up in them or take a likeness from a hash. What the disguise does not
hide, because a search needs it: how far the hashes in the files are from one another. It gives way to somebody who knows some dozen of
the hashes that are in the files and which rows these are: that tells how the bits were reordered. It is no encryption of the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nightlight.adapters.index.layout import spread
from nightlight.core.fingerprint import PDQ_BITS, FingerprintKind

SIDE = 16
"""PDQ's bits are a grid of 16x16 frequencies."""
CHUNKS = (11, 13, 16)
"""Of the layouts; see `layout.layout`."""


class Veil:
    """`key` None: values are kept as they are, which is for measurements and tests."""

    def __init__(self, key: bytes | None = None) -> None:
        self.table: NDArray[np.uint64] = spread() if key is None else _table(key)
        """uint64[32, 256, 4], as `layout.spread` gives it: what each value of each byte contributes to the hash as it is kept."""
        self._mac = None if key is None else hashlib.blake2b(key, digest_size=32, person=b"nl-index-mac").digest()
        self.check = "" if key is None else _check(self.table, key)
        """Tells which key a file was written with, and no more of it."""

    def hidden(self, kind: FingerprintKind, values: Sequence[bytes]) -> NDArray[np.uint8]:
        """uint8[n, width]: byte hashes as they are kept."""
        width = kind.hex_digits // 2
        if self._mac is not None:
            prefix = kind.value.encode()
            values = [hashlib.blake2b(value, digest_size=width, key=self._mac, person=prefix).digest() for value in values]
        return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), width)


def _check(table: NDArray[np.uint64], key: bytes) -> str:
    # Over the table too: should a later version make another one of the same key, files of this one are not misread.
    return hashlib.blake2b(table.tobytes(), digest_size=16, key=key, person=b"nl-index-check").hexdigest()


@lru_cache(maxsize=8)
def _table(key: bytes) -> NDArray[np.uint64]:
    order = _order(key)
    table = np.zeros((32, 256, 4), np.uint64)
    values = np.arange(256)
    for bit, goes in enumerate(order.tolist()):
        byte, place = divmod(bit, 8)
        table[byte, (values >> place) & 1 == 1, goes // 64] |= np.uint64(1 << (goes % 64))
    table[0] ^= np.frombuffer(_stream(key, b"mask", PDQ_BITS // 8), "<u8")  # each hash has one first byte: so all of it is inverted
    return table


def _stream(key: bytes, purpose: bytes, length: int) -> bytes:
    return hashlib.shake_256(b"nightlight index " + purpose + b"\0" + key).digest(length)


def _order(key: bytes) -> NDArray[np.int64]:
    """int64[256]: where each bit goes. Drawn by the key, then mended until no two neighbours of the grid share a chunk in any layout.

    Neighbours are correlated, and a table over correlated bits is lopsided: with any order a search looks at a quarter more than it
    need (measured on hashes whose neighbours agree), with this at a fiftieth more.
    """
    draws = np.frombuffer(_stream(key, b"order", 8 * PDQ_BITS), ">u8")
    order = np.argsort(draws, kind="stable")
    picks = np.frombuffer(_stream(key, b"mending", 2 * 4096), ">u2").astype(np.int64)
    left, right = _neighbours()
    chunk_of = np.stack([np.searchsorted([PDQ_BITS * c // n for c in range(1, n)], np.arange(PDQ_BITS), "right") for n in CHUNKS])

    def shared(order: NDArray[np.int64]) -> NDArray[np.int64]:
        chunks = chunk_of[:, order]
        return np.flatnonzero((chunks[:, left] == chunks[:, right]).any(axis=0))

    wrong = shared(order)
    for pick in picks.tolist():
        if not len(wrong):
            break
        bit, other = left[wrong[pick % len(wrong)]], pick // PDQ_BITS
        tried = order.copy()
        tried[[bit, other]] = order[[other, bit]]
        found = shared(tried)
        if len(found) <= len(wrong):
            order, wrong = tried, found
    return order


def _neighbours() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each two bits that lie side by side, straight or across, in the grid."""
    grid = np.arange(PDQ_BITS).reshape(SIDE, SIDE)
    pairs = [(grid[:, :-1], grid[:, 1:]), (grid[:-1], grid[1:]), (grid[:-1, :-1], grid[1:, 1:]), (grid[:-1, 1:], grid[1:, :-1])]
    return np.concatenate([a.ravel() for a, _ in pairs]), np.concatenate([b.ravel() for _, b in pairs])


PLAIN = Veil()

__all__ = ["PLAIN", "Veil"]
