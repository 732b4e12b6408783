"""Undoing disguised spelling: "s3cr3t", "seeeecret", "s e c r e t", a Cyrillic letter inside a Latin word, a thing as its emoji.

A disguised word is only ever replaced by a word that is known: one that some phrase uses, else one of those that the learned tiers
know, the most common first. What is no disguise is left as it is. The phrases are always searched for in the plain reading as well:
there, unmasking can add a finding and never removes one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby, product
from math import log2

from nightlight.senses.text.fold import Token

_PICTURES = "*~\u2190-\u2bff\U0001f000-\U0001faff"
"""Signs and emoji put between the letters of a word, in a character class."""

MASKED = re.compile(r"[^\x00-\x7f]|([a-z])\1\1|[a-z][0-9@$!|*~]{1,3}[a-z]|[0-9@$!|][a-z]|[a-z][a-z0-9][0-9$@]|[a-z]{14}")
"""A text without any of these holds no disguise that is known here. Most messages do not."""

THINGS: Mapping[str, tuple[str, str]] = {
    "\U0001f4f7": ("pic", "foto"),
    "\U0001f4f8": ("pic", "foto"),
    "\U0001f4f1": ("phone", "movil"),
    "\U0001f4b0": ("money", "dinero"),
    "\U0001f4b5": ("money", "dinero"),
    "\U0001f3e0": ("home", "casa"),
    "\U0001f3e1": ("home", "casa"),
    "\U0001f381": ("gift", "regalo"),
    "\U0001f3eb": ("school", "colegio"),
    "\U0001f697": ("car", "coche"),
    "\U0001f92b": ("secret", "secreto"),
}
"""Things that people write as the picture of the thing, in English and Spanish: what the emoji shows, and no code."""

SPEAKS = re.compile(rf"[{''.join(THINGS)}]|\b1[04]\b")
"""What is read otherwise in a Spanish text."""

_WIDE_WORD = re.compile(
    rf"[$\u20ac\u00a3@!|]?[^\W_]+(?:[@$!|{_PICTURES}]+[^\W_]+)*[$@!|]{{0,3}}|(?<!\S)[@$!|]{{1,3}}(?!\S)|[{''.join(THINGS)}]"
)
"""A word with symbols between its letters, as in "p@ssw0rd"; or a thing."""

_PICTURE = re.compile(f"[{_PICTURES}]")
_BETWEEN = re.compile(rf"([@!|]|[{_PICTURES}]|(?=[$]))")
_DRAWN = str.maketrans("\u2b55\u274c\u2716\u2757\u2755", "oxxii")
"""Emoji that are drawn like a letter."""

_MOSTLY = 2
"""Words written with digits after which small numbers, and words that nobody knows, are read as disguised too."""

_COMMON = 10.0
"""What a word may cost that a number with what it counts is read as there: one of the few hundred most common."""

_RUN_TOGETHER = range(12, 401)
"""Letters of an unknown word that is read as several words without spaces."""

_FIXED, _OPEN = str.maketrans("03457@$", "oeastas"), {"1": "il", "!": "il", "|": "li"}
"""What stands for a letter; a 1 may be an i or an l."""
_ARTICLES = {"10": "lo", "14": "la"}
_MOST_OPEN = 4
"""Signs of one word that are tried as either letter."""

_STANDS_FOR_LETTER = re.compile(r"[0-9@$!|]")
_COUNTED = re.compile(
    r"[$@]?(?:[0-9]+|[0-9]*(?:1st|2nd|3rd|[04-9]th)|[1-9][0-9]*(?:am|pm|yo|yrs?|mins?|hrs?|[mg]b|fps|gg|[dfghkpsvx]|(?<=[0-9]{2})[a-z]))"
)
"""Numbers with what they count, which are no words."""
_LONG_RUN = re.compile(r"(.)\1\1+")

_LOOKALIKES = str.maketrans(
    # Cyrillic, then Greek, then Latin letters that are not what they seem; after Unicode's confusables.
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u043a\u043c\u0442\u0432\u043d"
    "\u03b1\u03bf\u03b5\u03c1\u03b9\u03bd\u03c5\u03c4\u03ba\u0131\u0261\u0251\u0269\u1d00\u0280",
    "aeopcyxijshdqwkmtbhaoepivutkigaiar",
)
_LATIN = re.compile(r"[a-z]")

_LONGEST_RUN = 4096
"""Single letters looked at as one run; a longer run is cut, so that the work stays linear."""
SHORTEST_RUN = 3
"""Single letters in a row that may be a word; three only where they are a word that is known well."""
_LONGEST_WORD = 20
_UNKNOWN_LETTER = 24.0
"""What a letter in no word costs where letters are read as words; the most common word costs 2, the thousandth 11 (Zipf's law)."""


def squeeze(word: str) -> str:
    """Each run of one letter as a single letter."""
    return "".join(letter for letter, _ in groupby(word))


class Unmasker:
    """Reads disguised words as words of one vocabulary."""

    def __init__(self, vocabulary: Iterable[str], others: Sequence[str] = (), first: Collection[str] = ()) -> None:
        """`others`: further words, the most common first, for which a disguise is read where the vocabulary has none.
        `first`: words of it that a disguised one is before all others, such as those of the commoner language.
        """
        self._known = frozenset(vocabulary)
        ordered = dict.fromkeys([*sorted(self._known, key=lambda w: (w not in first, len(w), w)), *others])
        # A word of the vocabulary is as dear as a common one, wherever it stands in the order.
        common = {word: n for n, word in enumerate(others)}
        self._cost = {word: 1.0 + log2(min(common.get(word, 500), 500) + 2) for word in self._known}
        for word, n in common.items():
            self._cost.setdefault(word, 1.0 + log2(n + 2))
        self._words = self._cost.keys()
        self._squeezed: dict[str, str] = {}
        # Where two words squeeze to one form the first in order wins ("to", not "too"): the answer never varies.
        for word in reversed(ordered):
            self._squeezed[squeeze(word)] = word

    def knows(self, word: str) -> bool:
        return word in self._words

    def tokens(self, folded: str, *, spanish: bool = False) -> list[Token]:
        """The words of a folded text with the disguised ones replaced; places stay those in the folded text.

        `spanish`: things shown as emoji are named in Spanish, and numbers that are words in it are those.
        """
        found, signs = self._read(folded, spanish, False)
        disguised = sum(any(ch.isdigit() for ch in folded[t.start : t.end]) and t.word.isalpha() for t in found)
        if disguised < _MOSTLY:
            return found
        found, signs = self._read(folded, spanish, True)
        return sorted([*(self._small(token, spanish) for token in found), *signs], key=lambda token: token.start)

    def _read(self, folded: str, spanish: bool, boldly: bool) -> tuple[list[Token], list[Token]]:
        """The words, and the signs that stand alone and may be words."""
        found: list[Token] = []
        signs: list[Token] = []
        for match in _WIDE_WORD.finditer(folded):
            word, start = match.group(), match.start()
            if word in THINGS:
                found.append(Token(THINGS[word][spanish], start, match.end()))
                continue
            bare = word.rstrip("!")
            read = bare if bare in self._words else self.word(word)
            if read is None and boldly:
                read = self._guess(word)
            if word[0] in "@$!|" and not any(map(str.isalnum, word)):
                if read is None and len(word) == 1:
                    read = next((letter for letter in _readings(word) if letter in self._words), None)
                if read is not None:
                    signs.append(Token(read, start, match.end()))
            elif read is not None:
                found.append(Token(read, start, start + len(bare if read == bare else word)))
            else:
                position = start
                for part in _BETWEEN.split(word):
                    if part in THINGS:
                        found.append(Token(THINGS[part][spanish], position, position + 1))
                    elif part and part not in "@!|$" and not _PICTURE.match(part):
                        found.extend(self._parts(part, position))
                    position += len(part)
        return found, signs

    def _guess(self, word: str) -> str | None:
        """What a word may be among others that are written with digits: a common word for "1s" or "@7", and letters for any other."""
        if len(word) < 2 or (word.isdigit() and len(word) != 3) or not word.isascii() or not _STANDS_FOR_LETTER.search(word):
            return None
        read = min(_readings(word), key=lambda read: self._cost.get(read, _UNKNOWN_LETTER))
        if _COUNTED.fullmatch(word):
            return read if self._cost.get(read, _UNKNOWN_LETTER) <= _COMMON else None
        return read if read.isalpha() and word.rstrip("!")[-1:].isalnum() else None

    def _small(self, token: Token, spanish: bool) -> Token:
        """Among words written with digits a small number may be a word too: "70" is "to". A plain text keeps its numbers.

        So does any text those that may be a child's age, but for two that in Spanish are the most common words there are.
        """
        number = token.word
        if len(number) > 2 or not number.isdigit():
            return token
        if 6 <= int(number) <= 17 and number != "7":
            return Token(_ARTICLES[number], token.start, token.end) if spanish and number in _ARTICLES else token
        read = next((read for read in _readings(number) if read in self._words), number)
        return Token(read, token.start, token.end)

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
        if word.isascii() and (len(word) == 1 or _COUNTED.fullmatch(word)):
            return None
        if word.isascii() and word.isalpha() and _LONG_RUN.search(word) is None:
            return None  # nothing in it stands for anything else: most words of a text in which one is disguised
        latin = word if word.isascii() else word.translate(_LOOKALIKES)
        mixed = latin if latin != word and latin.isascii() and latin.isalpha() and _LATIN.search(word) else None
        if _PICTURE.search(latin):
            drawn = latin.translate(_DRAWN)
            latin = _PICTURE.sub("", latin)
            for read in (drawn, latin):
                if read in self._words:
                    return read
            if not _PICTURE.search(drawn):
                latin = drawn
        for read in (latin, *_readings(latin)):
            if read in self._words:
                return read
            if _LONG_RUN.search(read):
                undrawn = self._undrawn(read)
                if undrawn is not None:
                    return undrawn
        # Letters of two scripts in one word are a disguise, whatever the word is.
        return mixed

    def _undrawn(self, word: str) -> str | None:
        """Without the letters that were drawn out: the likeliest word with those runs as one letter or two, or else every run as one."""
        runs = len(_LONG_RUN.findall(word))
        found = []
        for sizes in product((1, 2), repeat=min(runs, _MOST_OPEN)):
            left = iter(sizes)
            read = _LONG_RUN.sub(lambda match, left=left: match[1] * next(left, 1), word)  # type: ignore[misc]
            if read in self._words:
                found.append(read)
        return min(found, key=self._cost.__getitem__) if found else self._squeezed.get(squeeze(word))

    def join_letters(self, found: Sequence[Token]) -> list[Token]:
        """Runs of single letters read as words: "s e c r e t". A run that is not all words is left as it is."""
        if sum(len(token.word) == 1 for token in found) < SHORTEST_RUN:
            return list(found)
        joined: list[Token] = []
        i = 0
        while i < len(found):
            end = i
            while end < len(found) and end - i < _LONGEST_RUN and len(found[end].word) == 1 and not found[end].word.isdigit():
                end += 1
            run = found[i:end]
            letters = "".join(t.word for t in run)
            if len(run) > SHORTEST_RUN or (len(run) == SHORTEST_RUN and letters in self._known):
                joined.extend(self._split(letters, run))
                i = end
            else:
                joined.append(found[i])
                i += 1
        return joined

    def _split(self, letters: str, run: Sequence[Token]) -> list[Token]:
        """Cover the letters with the likeliest words, a letter in no word being dear."""
        size = len(letters)
        cost = [0.0] + [4 * _UNKNOWN_LETTER * size] * size
        cut = [0] * (size + 1)
        for start in range(size):
            here = cost[start]
            if here + _UNKNOWN_LETTER < cost[start + 1]:
                cost[start + 1], cut[start + 1] = here + _UNKNOWN_LETTER, start
            for end in range(start + 1, min(size, start + _LONGEST_WORD) + 1):
                dear = self._cost.get(letters[start:end])
                if dear is not None and here + dear < cost[end]:
                    cost[end], cut[end] = here + dear, start
        pieces: list[Token] = []
        end = size
        while end:
            start = cut[end]
            pieces.append(Token(letters[start:end], run[start].start, run[end - 1].end))
            end = start
        return pieces[::-1]


def _readings(word: str) -> Iterable[str]:
    """The word with digits and signs as letters; each sign that may be one of two letters is tried as both."""
    if not _STANDS_FOR_LETTER.search(word):
        return (word,)
    fixed = word.translate(_FIXED)
    places = [n for n, ch in enumerate(fixed) if ch in _OPEN][:_MOST_OPEN]
    out = []
    for letters in product(*(_OPEN[fixed[n]] for n in places)):
        read = list(fixed)
        for n, letter in zip(places, letters, strict=True):
            read[n] = letter
        out.append("".join(read))
    return out


def lookalikes(word: str) -> str:
    """Letters of other scripts as the Latin ones that they look like; emoji that are drawn like a letter likewise."""
    return word.translate(_LOOKALIKES).translate(_DRAWN)
