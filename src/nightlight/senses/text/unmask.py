"""Undoing disguised spelling: "s3cr3t", "seeeecret", "s e c r e t", a Cyrillic letter inside a Latin word.

A disguised word is only ever replaced by a word that some phrase uses, so ordinary text is left as it is. The plain reading is always
searched as well: unmasking can add a finding and never removes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from nightlight.senses.text.fold import Token

_PICTURES = "*~\u2190-\u2bff\U0001f000-\U0001faff"
"""Signs and emoji put between the letters of a word, in a character class."""

MASKED = re.compile(r"[^\x00-\x7f]|([a-z])\1\1|[a-z][0-9@$!|*~]{1,3}[a-z]|[0-9@$|][a-z]{2}|[a-z]{2}[0-9]|[a-z]{14}")
"""A text without any of these holds no disguise that is known here. Most messages do not."""

_WIDE_WORD = re.compile(rf"[$\u20ac\u00a3]?[^\W_]+(?:[@$!|{_PICTURES}]+[^\W_]+)*")
"""A word with symbols between its letters, as in "p@ssw0rd"."""

_PICTURE = re.compile(f"[{_PICTURES}]")
_BETWEEN = re.compile(rf"([@!|]|[{_PICTURES}]|(?=[$]))")

_MOSTLY = 2
"""Words written with digits after which small numbers are read as words too."""

_RUN_TOGETHER = range(12, 401)
"""Letters of an unknown word that is read as several words without spaces."""

_DIGITS_AND_SYMBOLS = ("013457@$!|", "oieastasil", "olzastasli")
"""What stands for a letter, and two readings of it: a 1 may be an i or an l."""

_STANDS_FOR_LETTER = re.compile(r"[0-9@$!|]")
_LONG_RUN = re.compile(r"(.)\1\1")
_AS_IT_IS: dict[int, int] = {}

_LOOKALIKES = str.maketrans(
    # Cyrillic, then Greek, then Latin letters that are not what they seem; after Unicode's confusables.
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03bf\u03b5\u03c1\u03b9\u03bd\u03c5\u03c4\u03ba\u0131\u0261\u0251\u0269\u1d00\u0280",
    "aeopcyxijshdqwkmtbhaoepivutkigaiar",
)

_LONGEST_RUN = 4096
"""Single letters looked at as one run; a longer run is cut, so that the work stays linear."""


def squeeze(word: str) -> str:
    """Each run of one letter as a single letter."""
    return "".join(letter for letter, _ in groupby(word))


class Unmasker:
    """Reads disguised words as words of one vocabulary."""

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._words = frozenset(vocabulary)
        self._beginnings = frozenset(word[:n] for word in self._words for n in range(1, len(word) + 1))
        self._squeezed: dict[str, str] = {}
        # Where two words squeeze to one form the shorter wins ("to", not "too"): fixed by sorting, so the answer never varies.
        for word in sorted(self._words, key=lambda w: (len(w), w), reverse=True):
            self._squeezed[squeeze(word)] = word
        symbols, *readings = _DIGITS_AND_SYMBOLS
        self._readings = [str.maketrans(symbols, letters) for letters in readings]

    def tokens(self, folded: str) -> list[Token]:
        """The words of a folded text with the disguised ones replaced; places stay those in the folded text."""
        found: list[Token] = []
        for match in _WIDE_WORD.finditer(folded):
            word, start = match.group(), match.start()
            read = self.word(word)
            if read is not None:
                found.append(Token(read, start, match.end()))
            else:
                position = start
                for part in _BETWEEN.split(word):
                    if part and part not in "@!|$" and not _PICTURE.match(part):
                        found.extend(self._parts(part, position))
                    position += len(part)
        disguised = sum(any(ch.isdigit() for ch in folded[t.start : t.end]) and t.word.isalpha() for t in found)
        return [self._small(t) for t in found] if disguised >= _MOSTLY else found

    def _small(self, token: Token) -> Token:
        """Among words written with digits a small number may be a word too: "70" is "to". A plain text keeps its numbers."""
        if len(token.word) > 2 or not token.word.isdigit():
            return token
        read = token.word.translate(self._readings[0])
        return Token(read, token.start, token.end) if read in self._words else token

    def _parts(self, word: str, start: int) -> list[Token]:
        """One word that no sign divides: what it disguises, or the words it was run together from, or itself."""
        read = self.word(word)
        if read is None and len(word) in _RUN_TOGETHER and word.isascii() and word.isalpha():
            letters = [Token(letter, start + n, start + n + 1) for n, letter in enumerate(word)]
            pieces = self._split(word, letters)
            # Ordinary long words also hold short ones: most letters must lie in words of three or more.
            if 3 * sum(len(piece.word) for piece in pieces if len(piece.word) >= 3) >= 2 * len(word) and len(pieces) >= 3:
                return pieces
        return [Token(read or word, start, start + len(word))]

    def word(self, word: str) -> str | None:
        """The word of the vocabulary that it disguises, or is; None where there is none."""
        if word in self._words:
            return word
        if word.isascii() and (len(word) == 1 or word.isdigit()):
            return None
        latin = word if word.isascii() else word.translate(_LOOKALIKES)
        if _PICTURE.search(latin):
            latin = _PICTURE.sub("", latin)
            if latin in self._words:
                return latin
        for table in self._readings if _STANDS_FOR_LETTER.search(latin) else (_AS_IT_IS,):
            read = latin.translate(table)
            if read in self._words:
                return read
            if _LONG_RUN.search(read):
                squeezed = self._squeezed.get(squeeze(read))
                if squeezed is not None:
                    return squeezed
        return None

    def join_letters(self, found: Sequence[Token]) -> list[Token]:
        """Runs of four or more single letters read as words: "s e c r e t". A run that is not all words is left as it is."""
        joined: list[Token] = []
        i = 0
        while i < len(found):
            end = i
            while end < len(found) and end - i < _LONGEST_RUN and len(found[end].word) == 1 and not found[end].word.isdigit():
                end += 1
            run = found[i:end]
            if len(run) >= 4:
                joined.extend(self._split("".join(t.word for t in run), run))
                i = end
            else:
                joined.append(found[i])
                i += 1
        return joined

    def _split(self, letters: str, run: Sequence[Token]) -> list[Token]:
        """Cover the letters with as few pieces as possible, a letter in no word being dear."""
        size = len(letters)
        cost = [4 * size] * (size + 1)
        cost[0] = 0
        cut = [0] * (size + 1)
        for start in range(size):
            here = cost[start]
            if here + 3 < cost[start + 1]:
                cost[start + 1], cut[start + 1] = here + 3, start
            end = start + 1
            while end <= size and (piece := letters[start:end]) in self._beginnings:
                if piece in self._words and here + 1 < cost[end]:
                    cost[end], cut[end] = here + 1, start
                end += 1
        pieces: list[Token] = []
        end = size
        while end:
            start = cut[end]
            pieces.append(Token(letters[start:end], run[start].start, run[end - 1].end))
            end = start
        return pieces[::-1]
