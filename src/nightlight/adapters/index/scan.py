"""The compiled scan over packed PDQ hashes. Imported by the first search: numba takes a third of a second to load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
"""uint64[n, 4]: 256 bits a row."""

BLOCK = 4096
"""Rows looked at by every query before moving on: 128 KiB, so that they stay in the processor's cache."""

Function = Callable[..., Any]


def compiled(function: Function) -> Function:
    """Compile on the first call, without the interpreter lock; keep the machine code where numba may write it, else once a process."""
    try:
        return cast(Function, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder to write to
        return cast(Function, numba.njit(nogil=True)(function))


@compiled
def _ones(word: np.uint64) -> np.uint64:
    """Bits set. Compilers know this form and put the processor's own instruction in its place."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def _within(queries: Words, rows: Words, count: int, groups: NDArray[np.int32], limits: NDArray[np.int32], out: NDArray[np.int64]) -> int:
    """Write (row, distance) of each row of `rows[:count]` within its group's limit of a query; returns how many there are.

    Where they are more than `out` holds, only the first are written: the caller makes room and asks again.
    """
    hits = 0
    for start in range(0, count, BLOCK):
        stop = min(count, start + BLOCK)
        for q in range(len(queries)):
            a, b, c, d = queries[q, 0], queries[q, 1], queries[q, 2], queries[q, 3]
            for i in range(start, stop):
                apart = np.int64(_ones(rows[i, 0] ^ a) + _ones(rows[i, 1] ^ b) + _ones(rows[i, 2] ^ c) + _ones(rows[i, 3] ^ d))
                if apart <= limits[groups[i]]:
                    if hits < len(out):
                        out[hits, 0] = i
                        out[hits, 1] = apart
                    hits += 1
    return hits


def within(queries: Words, rows: Words, count: int, groups: NDArray[np.int32], limits: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Row and distance of every hit among the first `count` rows. `groups`: int32[n], each row's place in `limits`, in bits."""
    out = np.empty((256, 2), np.int64)
    while (hits := int(_within(queries, rows, count, groups, limits, out))) > len(out):
        out = np.empty((2 * hits, 2), np.int64)  # twice: a writer may raise the number meanwhile
    return [(int(row), int(apart)) for row, apart in out[:hits]]


def warm_up() -> None:
    """Compile now rather than with the first search: some seconds the first time on a machine."""
    from nightlight.adapters.index import multi

    one = np.zeros((1, 4), np.uint64)
    within(one, one, 1, np.zeros(1, np.int32), np.zeros(1, np.int32))
    multi.warm_up()
