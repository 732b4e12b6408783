"""Hashed features: the words, pairs of words and pieces of words of a text as numbers, without a vocabulary and in any language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

BUCKETS = 1 << 15
PIECES = range(3, 6)
"""Letters of a piece of a word: they carry endings, misspellings and languages for which no encoder is here."""
LONGEST_WORD = 24
"""Letters of a word that are read; hostile text may have longer ones."""
REMEMBERED = 10_000
"""Words whose buckets are kept at hand: about 20 MB at worst. Single words only, in memory only, whoever wrote them."""


def hashed(words: Sequence[str]) -> list[int]:
    """The distinct buckets of folded words, ascending. CRC-32 modulo the number of buckets: the same on every machine."""
    mask = BUCKETS - 1
    found: set[int] = set()
    before = "^"
    for word in words:
        word = word[:LONGEST_WORD]
        found |= _of_word(word)
        found.add(crc32(f"p {before} {word}".encode()) & mask)
        before = word
    found.add(crc32(f"p {before} $".encode()) & mask)
    return sorted(found)


@lru_cache(maxsize=REMEMBERED)
def _of_word(word: str) -> frozenset[int]:
    """The buckets of a word that its neighbours do not change. Chat uses the same few thousand words again and again."""
    padded = f"<{word}>".encode()
    pieces = [padded[start : start + size] for size in PIECES for start in range(len(padded) - size + 1)]
    return frozenset(crc32(piece) & (BUCKETS - 1) for piece in [f"w {word}".encode(), *pieces])
