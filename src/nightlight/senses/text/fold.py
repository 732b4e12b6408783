"""Folding: many ways to write one letter become one, and every folded character knows where it came from.

Folding works one code point at a time (compatibility form, case, accents, characters that cannot be seen), so that the way back to
the original text needs no bookkeeping on the fast path: `origins` recomputes it only where a cue was found.
"""

from __future__ import annotations

import re
import unicodedata

from msgspec import Struct

_MOST_CACHED = 20_000
"""Entries of the fold table; hostile text may use every code point there is, and memory must not grow with it."""

_LONGEST_FOLD = 4
"""Some single characters stand for whole phrases (U+FDFA: 18 characters). They stay as they are: folding must not inflate a text."""

_APOSTROPHES = frozenset("'`\u00b4\u02bc\u2018\u2019\u201b\uff07")
"""Dropped, so that "don't", "dont" and the typographic form are one word."""

_WORD = re.compile(r"[$\u20ac\u00a3]?[^\W_]+")
"""A word or a number; a currency sign stays with its amount."""


class _FoldTable(dict[int, str]):
    """Code point to its folded characters, filled as code points are met."""

    def __missing__(self, code: int) -> str:
        folded = _fold_one(chr(code))
        if len(self) < _MOST_CACHED:
            self[code] = folded
        return folded


def _is_mark(ch: str) -> bool:
    """Accents and variation selectors laid over a letter. Vowel signs of other scripts carry meaning and stay."""
    code = ord(ch)
    return 0x0300 <= code <= 0x036F or 0x20D0 <= code <= 0x20FF or 0xFE00 <= code <= 0xFE0F


def _fold_one(ch: str) -> str:
    code = ord(ch)
    if ch in _APOSTROPHES or _is_mark(ch) or unicodedata.category(ch) == "Cf":
        return ""
    # Letters drawn as emoji, which Unicode does not decompose.
    for first in (0x1F1E6, 0x1F150, 0x1F170):
        if first <= code < first + 26:
            return chr(ord("a") + code - first)
    if not unicodedata.decomposition(ch):
        return ch.casefold()
    plain = unicodedata.normalize("NFKC", ch).casefold()
    if len(plain) > _LONGEST_FOLD:
        return ch
    out = []
    for part in plain:
        base = unicodedata.normalize("NFD", part)[0]
        letter = base if base.isascii() else part
        if not _is_mark(letter) and letter not in _APOSTROPHES:
            out.append(letter)
    return "".join(out)


_TABLE = _FoldTable()
for _code in range(128):
    _TABLE[_code] = _fold_one(chr(_code))


def fold(text: str) -> str:
    """The text in comparable form. Linear; `fold(a + b) == fold(a) + fold(b)`."""
    return text.translate(_TABLE)


def origins(text: str) -> list[int]:
    """For each character of `fold(text)`, the index in `text` of the character it came from."""
    return [i for i, ch in enumerate(text) for _ in _TABLE[ord(ch)]]


class Token(Struct, frozen=True):
    """One word of the folded text: characters `start` to `end`, half open, of the folded text."""

    word: str
    start: int
    end: int


def words(folded: str) -> list[str]:
    """The words of a folded text, in order."""
    return _WORD.findall(folded)


def tokens(folded: str) -> list[Token]:
    """The same words with their places."""
    return [Token(m.group(), m.start(), m.end()) for m in _WORD.finditer(folded)]
