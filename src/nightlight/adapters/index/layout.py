"""How a hash is cut into chunks, and how far from each chunk of a question one must look so that nothing within reach is missed.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012), with unequal
radii: if two hashes are within `t` bits, and the radii of the chunks satisfy sum(radius + 1) >= t + 1, then some chunk differs in at most
its radius, for otherwise the chunks alone would add up to more than `t`. So looking up every value within its radius, chunk by chunk,
finds every neighbour. A table may leave bits of its chunk out: fewer bits differ by no more.

Only numpy here: the kernels that use these tables are compiled elsewhere.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise
from math import comb

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nightlight.core.fingerprint import PDQ_BITS

BLOCK = 64
"""Buckets that share one 32-bit base; each has a 16-bit distance from it."""
MOST_BITS = 24
"""Of a table: 2^24 buckets of two bytes are 32 MiB."""
FEWEST_BITS = 8
SMALL, LARGE = 600_000, 2_000_000
"""Hashes from which 13, and from which 11 chunks answer sooner than 16 and 13; measured, see docs/benchmarks.md."""
STRIDE = 165
"""Of all odd numbers the one that leaves the least correlation within the chunks of 11, 13 and 16, summed over the hashes of
ThreatExchange's reference haystack and over made ones whose neighbouring bits agree. Among a million of the latter a bucket of 20 bits
is shared 4.7 times as often as if bits were independent when nothing is permuted, 1.3 times with a random permutation, 1.00 with this.
Part of the file format: never to be changed without a new version of it."""


class Layout(Struct, frozen=True):
    """Where each chunk lies in the permuted hash, and how many of its first bits its table is indexed by."""

    low: tuple[int, ...]
    """First bit of each chunk."""
    bits: tuple[int, ...]
    """Indexed bits of each, 1 to 24."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """int64[chunks + 1]: the first bucket of each chunk's table in the array of all buckets, a multiple of `BLOCK`.

        A table has one bucket more than values, which ends the last one.
        """
        return np.cumsum([0, *((1 << bits) + BLOCK for bits in self.bits)]).astype(np.int64)


def layout(rows: int, *, chunks: int | None = None, most_bits: int = MOST_BITS) -> Layout:
    """The layout for that many hashes. `chunks` and `most_bits` are forced by tests.

    A table has about as many buckets as there are hashes: more would be memory without gain.
    """
    if chunks is None:
        chunks = 16 if rows < SMALL else 13 if rows < LARGE else 11
    edges = [PDQ_BITS * place // chunks for place in range(chunks + 1)]
    enough = max(FEWEST_BITS, rows.bit_length() + 1)
    bits = [min(stop - start, most_bits, enough) for start, stop in pairwise(edges)]
    return Layout(tuple(edges[:-1]), tuple(bits))


def radii(bits: tuple[int, ...], threshold: int, rows: int) -> tuple[int, ...]:
    """How many bits of each chunk to vary, the cheapest choice with sum(radius + 1) >= threshold + 1; -1: that chunk is not needed.

    The price of a bucket is one look at the table, and a look at each hash that it holds on average.
    """
    chosen = [-1] * len(bits)
    for _ in range(threshold + 1):
        price = [
            comb(width, radius + 1) * (1 + rows / 2**width) if radius < width else float("inf")
            for width, radius in zip(bits, chosen, strict=True)
        ]
        cheapest = price.index(min(price))
        if price[cheapest] == float("inf"):
            break  # all values of all tables are looked up: nothing can be missed
        chosen[cheapest] += 1
    return tuple(chosen)


@cache
def masks(bits: int, radius: int) -> NDArray[np.uint32]:
    """uint32[sum of C(bits, 0..radius)]: every value with at most `radius` of `bits` bits set, rising.

    Rising, so that what lies in one line of the processor's cache is asked for together.
    """
    found = [sum(1 << bit for bit in chosen) for size in range(radius + 1) for chosen in combinations(range(bits), size)]
    made = np.array(sorted(found), np.uint32)
    made.flags.writeable = False
    return made


@cache
def permutation() -> NDArray[np.uint8]:
    """uint8[256]: where each bit of a hash goes, the first byte's lowest bit first.

    Bits of PDQ hashes are correlated with their neighbours in the 16x16 grid of frequencies, so chunks of neighbours would be far from
    uniform. Multiplying by `STRIDE` keeps any two that are near in the grid out of each other's chunk, in each of the layouts.
    """
    return (np.arange(PDQ_BITS) * STRIDE % PDQ_BITS).astype(np.uint8)


@cache
def spread() -> NDArray[np.uint64]:
    """uint64[32, 256, 4]: what each value of each byte of a hash contributes to the permuted hash; XOR over the bytes is all of it."""
    table = np.zeros((32, 256, 4), np.uint64)
    values = np.arange(256)
    for bit, goes in enumerate(permutation().tolist()):
        byte, place = divmod(bit, 8)
        table[byte, (values >> place) & 1 == 1, goes // 64] |= np.uint64(1 << (goes % 64))
    return table
