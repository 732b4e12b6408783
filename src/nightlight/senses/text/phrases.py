"""The phrase language of `cues.toml`: small enough to be read by people who do not program, and unable to run away.

    how old are|r you          words in order; `|` separates alternatives
    send [me] a|your {picture} `[...]` may be missing; `{picture}` is one of the list of that name, or a kind of number
    dont <2> tell              up to two other words may stand between

Every phrase has a greatest length in words, so matching it costs a bounded amount at each word. Kinds of number: `{number}`
(up to four digits), `{minor_age}` (6 to 17, as "13" or "13yo"), `{money}` ("$50"), `{clock}` ("5pm"). `{short}` is the end of a
message of one to three words that asks: "age?" says what "age" within a sentence does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

MOST_WORDS = 16
"""The longest a phrase may be, every gap and optional word counted."""

MINOR_AGE, NUMBER, MONEY, CLOCK, SHORT, OTHER = "#minor", "#number", "#money", "#clock", "#short", "#other"
"""Symbols that stand for words outside the vocabulary. A word of a phrase never holds `#`."""

_KINDS: Mapping[str, frozenset[str]] = {
    "number": frozenset({MINOR_AGE, NUMBER}),
    "minor_age": frozenset({MINOR_AGE}),
    "money": frozenset({MONEY}),
    "clock": frozenset({CLOCK}),
    "short": frozenset({SHORT}),
}
_CLASS_PATTERNS: Mapping[str, str] = {
    MINOR_AGE: r"(?:[6-9]|1[0-7])(?:yo|yrs?|f|m)?",
    NUMBER: r"(?!(?:[6-9]|1[0-7]) )[0-9]{1,4}",
    MONEY: r"[$\u20ac\u00a3][0-9]{1,6}|[0-9]{1,5}(?:usd|eur|gbp|k)",
    CLOCK: r"[0-9]{1,2}(?:am|pm)",
    SHORT: SHORT,
}
_CLASSES = tuple((symbol, re.compile(pattern.replace("(?!(?:[6-9]|1[0-7]) )", ""))) for symbol, pattern in _CLASS_PATTERNS.items())
_CLASS_STARTS = frozenset("#0123456789$\u20ac\u00a3")
_PIECE = re.compile(r"<([1-9])>|\[([^\[\]]+)\]|(\S+)")
_PLAIN_WORD = re.compile(r"[^\W\d_][^\W_]*")


class Element(Struct, frozen=True):
    """One step of a phrase. `symbols` None: any word at all."""

    symbols: frozenset[str] | None
    optional: bool = False


class Phrase(Struct, frozen=True):
    cue: int
    """Index of the cue it belongs to."""
    source: str
    elements: tuple[Element, ...]

    @property
    def most_words(self) -> int:
        return len(self.elements)


def classify(word: str) -> str:
    """The symbol of a word outside the vocabulary."""
    if word[0] in _CLASS_STARTS:
        for symbol, pattern in _CLASSES:
            if pattern.fullmatch(word):
                return symbol
    return OTHER


def parse(source: str, lists: Mapping[str, Sequence[str]], cue: int = 0) -> Phrase:
    """Read one phrase. Raises ValueError naming the phrase and what is wrong with it."""
    elements: list[Element] = []
    for match in _PIECE.finditer(source):
        gap, optional, plain = match.groups()
        if gap:
            elements.extend(Element(None, optional=True) for _ in range(int(gap)))
        else:
            elements.append(Element(_alternatives(optional or plain, lists, source), optional=bool(optional)))
    if not elements or elements[0].symbols is None or elements[0].optional or elements[-1].optional:
        raise ValueError(f"phrase {source!r} must begin and end with a word that cannot be missing")
    if len(elements) > MOST_WORDS:
        raise ValueError(f"phrase {source!r} is longer than {MOST_WORDS} words")
    return Phrase(cue, source, tuple(elements))


def _alternatives(piece: str, lists: Mapping[str, Sequence[str]], source: str) -> frozenset[str]:
    symbols: set[str] = set()
    for name in piece.split("|"):
        if name.startswith("{") and name.endswith("}"):
            listed = name[1:-1]
            if listed in _KINDS:
                symbols |= _KINDS[listed]
            elif listed in lists:
                symbols.update(lists[listed])
            else:
                raise ValueError(f"phrase {source!r} names the unknown list {listed!r}")
        elif _PLAIN_WORD.fullmatch(name):
            symbols.add(name)
        else:
            raise ValueError(f"phrase {source!r} has {name!r}, which is not a word in folded form")
    return frozenset(symbols)


def to_regex(phrase: Phrase) -> re.Pattern[str]:
    """The phrase as a regular expression over words that are each followed by one space: the slow twin's form of it."""
    parts = []
    for element in phrase.elements:
        if element.symbols is None:
            body = r"[^ ]+ "
        else:
            choices = sorted(_CLASS_PATTERNS.get(symbol) or re.escape(symbol) for symbol in element.symbols)
            body = f"(?:{'|'.join(choices)}) "
        parts.append(f"(?:{body})?" if element.optional else body)
    return re.compile("".join(parts))
