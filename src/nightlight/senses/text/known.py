"""The words that disguised ones are read as, beside those of the phrases: of the authored lines, and of the encoder's vocabulary."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from nightlight.senses.text.fold import fold, words
from nightlight.senses.text.meaning import MODELS

WORDS = MODELS / "words.txt"
"""One a line, the most common first; written by `nightlight train` from the lines that the heads were fitted on."""
LEAST_LETTERS = 4
"""Of a word of the encoder's vocabulary: it also holds pieces and abbreviations, which nearly any two or three letters are."""

_DRAWN = re.compile(r"(.)\1\1")


def common_words(texts: Iterable[str]) -> list[str]:
    """The distinct words of letters in the texts, the most common first."""
    counts = Counter(word for text in texts for word in words(fold(text)) if word.isalpha() and word.isascii() and not _DRAWN.search(word))
    return sorted(counts, key=lambda word: (-counts[word], word))


@cache
def known_words(folder: Path = MODELS) -> tuple[str, ...]:
    """The most common first; those of the authored lines before the others. Read on first use: most messages need none."""
    own = (folder / WORDS.name).read_text(encoding="utf-8").split() if (folder / WORDS.name).exists() else []
    vocabulary: dict[str, int] = json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]
    others = [word for word in vocabulary if len(word) >= LEAST_LETTERS and word.isascii() and word.isalpha()]
    return tuple(dict.fromkeys([*own, *sorted(others, key=vocabulary.__getitem__)]))
