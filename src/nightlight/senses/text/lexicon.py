"""The cues of `cues.toml` (English) and `cues_es.toml` (Spanish) and how to find them.

`find` uses the automaton, `find_slowly` tries every pattern at every word.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import msgspec
from msgspec import Struct

from nightlight.senses.text.automaton import Automaton
from nightlight.senses.text.phrases import CLOCK, MINOR_AGE, MONEY, NUMBER, SHORT, Phrase, classify, parse, to_regex

_MODIFIER_REACH = 10
"""Words between a modifier ("she said ...") and a cue that it still concerns."""


class CueEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `cues.toml`. A cue may have several, each with phrases of its own strength."""

    name: str
    reason: str
    strength: float
    """0 to 1: how plainly these phrases show what the reason says."""
    phrases: tuple[str, ...]
    softened_by: tuple[str, ...] = ()
    """Modifiers that weaken it: somebody else's words told to a friend, a common joke."""


class ModifierEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """Phrases that are no cue themselves but change what a cue near them is worth."""

    name: str
    factor: float
    before: bool
    """True: it stands before the cue. False: anywhere in the same message."""
    phrases: tuple[str, ...]


class CueFile(Struct, frozen=True, forbid_unknown_fields=True):
    language: str
    words: dict[str, tuple[str, ...]]
    cue: tuple[CueEntry, ...] = ()
    modifier: tuple[ModifierEntry, ...] = ()


class Found(Struct, frozen=True):
    """The best place of one cue: words `start` to `end`, half open."""

    entry: CueEntry
    strength: float
    """The entry's own, less what modifiers took from it."""
    start: int
    end: int


Place = tuple[int, int, int]
"""Phrase number, and the words `start` to `end` where it stands."""


class Lexicon:
    """Every phrase of some cue files, one a language. Building it takes tens of milliseconds: build one and share it."""

    def __init__(self, *sources: CueFile) -> None:
        """A modifier of one name weakens cues of every file: people who switch languages quote in both."""
        self.cues = tuple(entry for source in sources for entry in source.cue)
        self._modifiers = _merged(sources)
        number = {modifier.name: len(self.cues) + n for n, modifier in enumerate(self._modifiers)}
        for entry in self.cues:
            if not set(entry.softened_by) <= number.keys():
                raise ValueError(f"cue {entry.name!r} names an unknown modifier: {sorted(set(entry.softened_by) - number.keys())}")
        found, owner, first = list[Phrase](), 0, 0
        for source in sources:
            owners = [(cue, entry.phrases) for cue, entry in enumerate(source.cue, owner)]
            owners += [(number[modifier.name], modifier.phrases) for modifier in source.modifier]
            owner += len(source.cue)
            found.extend(parse(text, source.words, cue) for cue, phrases in owners for text in phrases)
            first = first or len(found)
        self.phrases: tuple[Phrase, ...] = tuple(found)
        self._patterns: list[re.Pattern[str] | None] = [None] * len(self.phrases)
        self._automaton = Automaton(self.phrases)
        kinds = {MINOR_AGE, NUMBER, MONEY, CLOCK, SHORT}
        self.vocabulary: frozenset[str] = _words_of(self.phrases) - kinds
        self.first_words: frozenset[str] = _words_of(self.phrases[:first]) - kinds
        """Those of the first file: where a disguised word may be read as one of these or another, it is one of these."""
        self._symbol = {word: word for word in self.vocabulary}

    @staticmethod
    def load(*paths: Path) -> Lexicon:
        """Raises ValueError (msgspec.ValidationError is one) where a file is not what it should be."""
        return Lexicon(*(msgspec.convert(tomllib.loads(path.read_text("utf-8")), CueFile) for path in paths))

    def find(self, words: Sequence[str], boundary: int = 0) -> list[Found]:
        """The best place of every cue with a phrase that ends at or after the word `boundary`, by cue name.

        Words before `boundary` are of earlier messages. Linear in the words.
        """
        ends: list[tuple[int, tuple[int, ...]]] = []
        symbol_of = self._symbol.get
        step = self._automaton.step
        node = self._automaton.start
        for i, word in enumerate(words):
            symbol = symbol_of(word) or classify(word)
            node = node.steps.get(symbol) or step(node, symbol)
            if node.accepts and i >= boundary:
                ends.append((i + 1, node.accepts))
        if not ends:
            return []
        return self._best(ends, words, boundary)

    def factors(self, words: Sequence[str]) -> dict[str, float]:
        """By modifier that stands anywhere in the words, what it leaves of a cue: for cues that no phrase here found."""
        node, out = self._automaton.start, {}
        for word in words:
            symbol = self._symbol.get(word) or classify(word)
            node = node.steps.get(symbol) or self._automaton.step(node, symbol)
            for number in node.accepts:
                owner = self.phrases[number].cue - len(self.cues)
                if owner >= 0:
                    out[self._modifiers[owner].name] = self._modifiers[owner].factor
        return out

    def find_slowly(self, words: Sequence[str], boundary: int = 0) -> list[Found]:
        """The same answer with no automaton: every phrase's expression between every two words. Quadratic; for tests."""
        ends = []
        for end in range(boundary + 1, len(words) + 1):
            here = tuple(
                number
                for number in range(len(self.phrases))
                if any(self._pattern(number).fullmatch(_spaced(words[start:end])) for start in range(end))
            )
            ends.append((end, here))
        return self._best(ends, words, boundary)

    def _best(self, ends: Sequence[tuple[int, tuple[int, ...]]], words: Sequence[str], boundary: int) -> list[Found]:
        """One place a cue: the strongest, then one within this message, then the earliest."""
        before: dict[str, list[int]] = {}
        anywhere: set[str] = set()
        for end, numbers in ends:
            for number in numbers:
                owner = self.phrases[number].cue - len(self.cues)
                if owner >= 0:
                    modifier = self._modifiers[owner]
                    if modifier.before:
                        before.setdefault(modifier.name, []).append(end)
                    else:
                        anywhere.add(modifier.name)
        best: dict[str, tuple[tuple[float, bool, int, int], Found]] = {}
        settled: set[int] = set()
        for end, numbers in ends:
            for number in numbers:
                owner = self.phrases[number].cue
                if owner >= len(self.cues) or owner in settled:
                    continue
                entry = self.cues[owner]
                start = self._start(number, words, end, boundary)
                strength = entry.strength
                for modifier in self._modifiers:
                    if modifier.name in entry.softened_by and (modifier.name in anywhere or _reaches(before.get(modifier.name, ()), start)):
                        strength *= modifier.factor
                within = start >= boundary
                rank = (strength, within, -end, -start)
                if entry.name not in best or rank > best[entry.name][0]:
                    best[entry.name] = (rank, Found(entry, strength, start, end))
            # A later place of a cue that is already whole and at full strength cannot be better: keeps a flood of one phrase cheap.
            settled.update(i for i in {self.phrases[n].cue for n in numbers} if i < len(self.cues) and self._is_settled(i, best))
        return [best[name][1] for name in sorted(best)]

    def _is_settled(self, owner: int, best: dict[str, tuple[tuple[float, bool, int, int], Found]]) -> bool:
        entry = self.cues[owner]
        known = best.get(entry.name)
        return known is not None and known[0][1] and known[0][0] >= entry.strength

    def _start(self, number: int, words: Sequence[str], end: int, boundary: int) -> int:
        """Where the phrase that ends there begins: the earliest place within this message, else the earliest of all."""
        pattern = self._pattern(number)
        first = max(0, end - self.phrases[number].most_words)
        for start in chain(range(max(first, boundary), end), range(first, min(boundary, end))):
            if pattern.fullmatch(_spaced(words[start:end])):
                return start
        raise AssertionError("the automaton and the expression of a phrase disagree")

    def _pattern(self, number: int) -> re.Pattern[str]:
        pattern = self._patterns[number]
        if pattern is None:
            pattern = self._patterns[number] = to_regex(self.phrases[number])
        return pattern


def _merged(sources: Sequence[CueFile]) -> tuple[ModifierEntry, ...]:
    """One modifier a name, with the phrases of every file."""
    out: dict[str, ModifierEntry] = {}
    for modifier in (modifier for source in sources for modifier in source.modifier):
        known = out.setdefault(modifier.name, modifier)
        if (known.factor, known.before) != (modifier.factor, modifier.before):
            raise ValueError(f"modifier {modifier.name!r} means different things in two files")
    return tuple(out.values())


def _words_of(phrases: Sequence[Phrase]) -> frozenset[str]:
    return frozenset(symbol for phrase in phrases for element in phrase.elements for symbol in element.symbols or ())


def _spaced(words: Sequence[str]) -> str:
    return " ".join(words) + " "


def _reaches(ends: Sequence[int], start: int) -> bool:
    """True where one of the ascending ends lies at most `_MODIFIER_REACH` words before `start`."""
    i = bisect_right(ends, start)
    return i > 0 and start - ends[i - 1] <= _MODIFIER_REACH
