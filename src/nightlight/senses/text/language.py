"""A guess at the language of a message: enough to say which tiers can be relied on, and no more.

Each word speaks for the languages among whose commonest it is, the less the more share it, and a usual ending speaks a little
(`languages.toml`). English and Spanish are believed on little; another language only where it is plain, since to be called that means
that nothing was read. Languages that the file does not have come out as `und`, or as the nearest that it has.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

SUPPORTED = frozenset({"en", "es"})
"""English by phrases, learned cues and the encoder; Spanish by phrases and learned cues. Others are said to be unsupported."""

_LEAST_WORDS = 3
_READ = 200
"""Words looked at: more of them tell no more."""
_ENDING = 0.3
"""What a usual ending says beside a whole word; chosen on the authored lines of training."""
_SHARE = 0.15
_PLAIN_SHARE, _PLAIN_LEAST, _PLAIN_LEAD = 0.3, 1.5, 1.4
"""Of the words, what must speak for a supported language; for another: that, at least so many, and so much more than for these two."""

_SCRIPTS: Sequence[tuple[int, int, str]] = (
    (0x0370, 0x03FF, "und-Grek"),
    (0x0400, 0x052F, "und-Cyrl"),
    (0x0590, 0x05FF, "und-Hebr"),
    (0x0600, 0x06FF, "und-Arab"),
    (0x0900, 0x097F, "und-Deva"),
    (0x0E00, 0x0E7F, "und-Thai"),
    (0x3040, 0x30FF, "und-Jpan"),
    (0x4E00, 0x9FFF, "und-Hani"),
    (0xAC00, 0xD7AF, "und-Kore"),
)


class _Table:
    def __init__(self, source: Mapping[str, Mapping[str, str]]) -> None:
        self.languages = tuple(source["words"])
        self.words = _weighed({name: listed.split() for name, listed in source["words"].items()}, 1.0)
        self.endings = _weighed({name: listed.split() for name, listed in source["endings"].items()}, _ENDING)
        self.longest = max(map(len, self.endings))

    def says(self, word: str) -> Mapping[str, float]:
        known = self.words.get(word)
        if known is not None:
            return known
        for size in range(min(self.longest, len(word) - 2), 1, -1):
            known = self.endings.get(word[-size:])
            if known is not None:
                return known
        return {}


def _weighed(listed: Mapping[str, Sequence[str]], whole: float) -> dict[str, dict[str, float]]:
    """By word, what it says for each language: all of it for one alone, a part for each of several."""
    holders: dict[str, list[str]] = {}
    for name, words in listed.items():
        for word in words:
            holders.setdefault(word, []).append(name)
    return {word: dict.fromkeys(names, whole / len(names)) for word, names in holders.items()}


@cache
def _table() -> _Table:
    return _Table(tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8")))


def guess(folded: str, words: Sequence[str]) -> str:
    """BCP 47: a language, `und-` with a script where most letters are of one that no tier reads, `und` where it cannot be told."""
    if not folded.isascii():
        script = _script(folded)
        if script is not None:
            return script
    if len(words) < _LEAST_WORDS:
        return "und"
    table, seen = _table(), words[:_READ]
    points = dict.fromkeys(table.languages, 0.0)
    for word in seen:
        for name, weight in table.says(word).items():
            points[name] += weight
    own = max(sorted(SUPPORTED), key=points.__getitem__)
    other = max((name for name in table.languages if name not in SUPPORTED), key=points.__getitem__)
    if points[other] >= max(_PLAIN_SHARE * len(seen), _PLAIN_LEAST, _PLAIN_LEAD * points[own]):
        return other
    return own if points[own] >= _SHARE * len(seen) and points[own] > points[other] else "und"


def is_common(word: str) -> bool:
    """True for one of the commonest words of a supported language, in folded form."""
    return not SUPPORTED.isdisjoint(_table().words.get(word, ()))


def is_supported(language: str) -> bool:
    """False only where the language could be told and is none that a tier here was made for."""
    return language == "und" or language in SUPPORTED


def _script(folded: str) -> str | None:
    letters = [ord(ch) for ch in folded[:200] if ch.isalpha()]
    if not letters:
        return None
    for first, last, name in _SCRIPTS:
        if 2 * sum(first <= code <= last for code in letters) > len(letters):
            return name
    return None
