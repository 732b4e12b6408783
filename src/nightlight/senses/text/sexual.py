"""Words of a sexual nature, by a published list and an operator's own. None of them is written in this repository.

The list is that of the package glin-profanity (MIT), English and Spanish, read as data: none of its code is imported. It holds vulgar
words of other kinds too, and people swear; so a word found here is a weak cue that is worth nothing alone. Spelling, place and count
are not kept: the cue says where it stands, and no reason, log or message ever quotes it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from nightlight.core.errors import Invalid
from nightlight.core.features import Cue
from nightlight.senses.text.fold import Token, fold, origins, tokens, words
from nightlight.senses.text.language import is_common
from nightlight.senses.text.unmask import Unmasker

NAME = "sexual_language"
REASON = "uses vulgar words or words of a sexual nature"
STRENGTH = 0.5
"""Chosen, not measured: a list cannot tell an insult among friends from what it is meant for."""

_WRITTEN_OUT = re.compile(r"[a-z]{3,}|[a-z]+(?: [a-z]+)+")
"""Entries taken from the package, in folded form: one with signs in it would fall into parts that are ordinary writing."""

LARGEST_FILE, MOST_ENTRIES = 1 << 20, 20_000
"""Bytes and lines of an operator's list."""

_PACKAGE, _LISTS = "glin-profanity", ("english", "spanish")


class WordList:
    """Entries of one word or several, in folded form. Shows none of them in `repr`. Threads may share one."""

    def __init__(self, entries: Iterable[str]) -> None:
        folded = {tuple(words(fold(entry))) for entry in entries} - {()}
        self._size = len(folded)
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for entry in sorted(folded, key=lambda one: (-len(one), one)):
            self._by_first.setdefault(entry[0], []).append(entry)
        self._unmask = Unmasker(word for entry in folded for word in entry)

    def __repr__(self) -> str:
        return f"WordList({self._size} entries)"

    def __len__(self) -> int:
        return self._size

    def find(self, text: str, folded: str, here: Sequence[str], masked: bool = False) -> tuple[int, int] | None:
        """Characters of the first entry in `text`. `folded`, `here`: its folded form and the words of it; `masked`: some are disguised."""
        place = self._first(here)
        if place is not None:
            return _span(text, tokens(folded), place)
        if not masked:
            return None
        undone = self._unmask.join_letters(self._unmask.tokens(folded))
        place = self._first([token.word for token in undone])
        return None if place is None else _span(text, undone, place)

    def _first(self, here: Sequence[str]) -> tuple[int, int] | None:
        """Words `start` to `end` of the earliest entry, the longest there."""
        for start, word in enumerate(here):
            for entry in self._by_first.get(word, ()):
                if tuple(here[start : start + len(entry)]) == entry:
                    return start, start + len(entry)
        return None


def _span(text: str, found: Sequence[Token], place: tuple[int, int]) -> tuple[int, int]:
    places = origins(text)
    return places[found[place[0]].start], places[found[place[1] - 1].end - 1] + 1


def cue_of(lists: Sequence[WordList], text: str, folded: str, here: Sequence[str], masked: bool) -> Cue | None:
    """One cue however many words: where the first stands."""
    spans = [span for one in lists if (span := one.find(text, folded, here, masked)) is not None]
    return Cue(NAME, STRENGTH, min(spans), REASON) if spans else None


@cache
def published() -> WordList:
    """The package's, less entries that are ordinary words of either language. Empty where the package is not installed."""
    entries: list[str] = []
    try:
        package = distribution(_PACKAGE)
    except PackageNotFoundError:
        return WordList(())
    for name in _LISTS:
        path = Path(str(package.locate_file(f"glin_profanity/data/dictionaries/{name}.json")))
        entries.extend(json.loads(path.read_text("utf-8"))["words"])
    return WordList(entry for entry in map(fold, entries) if _WRITTEN_OUT.fullmatch(entry) and not is_common(entry))


def restricted(path: Path, field: str = "text.restricted_words") -> WordList:
    """An operator's own list: UTF-8, one word or phrase a line, `#` before what is none.

    Only its owner may be able to read the file. Raises Invalid naming `field`, and a line by its number, never by what is in it.
    """
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Invalid("others than its owner can read the list: take that away with chmod 600", field=field)
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Invalid(f"the list cannot be read: {type(error).__name__}", field=field) from None
    if len(raw) > LARGEST_FILE:
        raise Invalid(f"the list is larger than {LARGEST_FILE} bytes", field=field)
    entries = []
    for number, line in enumerate(raw.splitlines(), start=1):
        try:
            entry = line.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise Invalid(f"line {number} of the list is not UTF-8", field=field) from None
        if entry and not entry.startswith("#"):
            if not words(fold(entry)):
                raise Invalid(f"line {number} of the list holds no word", field=field)
            entries.append(entry)
    if not entries or len(entries) > MOST_ENTRIES:
        raise Invalid(f"the list must hold 1 to {MOST_ENTRIES} entries", field=field)
    return WordList(entries)
