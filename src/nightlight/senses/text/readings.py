"""`TermForms`: a search or a restricted term in the forms in which the two are compared, without a vocabulary to compare them with.

The unmasker reads a disguise as a word that it knows. Restricted terms are kept only as keyed hashes, so here nothing knows them: both
sides are brought to skeletons, in which what is told apart by a disguise alone is alike. Skeletons also make some honest words alike
("ball", "bail"), so only words that look disguised are compared by them. Fills `core.deterrence.TermReader`.
"""

from __future__ import annotations

import re
from itertools import groupby

from nightlight.core.deterrence import Reading, Readings
from nightlight.senses.text.fold import fold, words
from nightlight.senses.text.sensor import default_unmasker
from nightlight.senses.text.unmask import MASKED, SPEAKS, lookalikes

LONGEST_RUN = 40
"""Letters of a run of single letters that are read as one piece. Within it every part of at least `SHORTEST_PIECE` is tried."""
SHORTEST_PIECE = 5
"""Letters of a piece that may be a term run together or spaced out: shorter ones are too often ordinary writing."""
LONGEST_PIECE = 32

_SIGNS = "*~\u2190-\u2bff\U0001f000-\U0001faff"
_WIDE = re.compile(rf"[@$!|]?[^\W_]+(?:[@$!|{_SIGNS}]+[^\W_]+)*")
"""A word with signs between its letters, as in the unmasker."""
_OTHER = re.compile(r"[\W_]+")
_AROUND = "!?.,;:'\"()[]{}#"
_LETTERS = str.maketrans("03457@$1!|l", "oeastasiiii")
"""Signs that stand for letters. A 1 may be an i or an l, so these two are one."""
_LONG_RUN = re.compile(r"(.)\1\1")
_PLAIN = re.compile(r"[a-z]+")


def skeleton(word: str) -> str:
    """Of a folded word. A number stays as it is: read as letters, every year would be some word."""
    if word.isdigit():
        return word
    bare = _OTHER.sub("", lookalikes(word).translate(_LETTERS))
    return "".join(letter for letter, _ in groupby(bare))


class TermForms:
    """Pure and without memory of what it read: one instance serves all threads."""

    def term(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See the Protocol. A term is taken as it is written: nothing in it is a disguise."""
        found = words(fold(text))
        return tuple(found), tuple(skeleton(word) for word in found)

    def query(self, text: str) -> Readings:
        folded = fold(text)
        plain = tuple(words(folded))
        masked = MASKED.search(folded) is not None
        readings = dict.fromkeys([plain, *(_undone(folded) if masked or _spelt(plain) else ())])
        wide = [match.group() for match in _WIDE.finditer(folded)] if masked else list(plain)
        # A word that ends in "!" is shouted, and is no disguise.
        disguised = tuple(masked and _is_disguised(word) for word in wide)
        loose = Reading(tuple(skeleton(word) for word in wide), disguised)
        joined = tuple(dict.fromkeys(word for word in plain if SHORTEST_PIECE <= len(word) <= LONGEST_PIECE))
        return Readings(tuple(readings), loose, joined, tuple(dict.fromkeys(_pieces(folded, plain))))


def _is_disguised(word: str) -> bool:
    return not word.isdigit() and (_PLAIN.fullmatch(word) is None or _LONG_RUN.search(word) is not None)


def _spelt(plain: tuple[str, ...]) -> bool:
    run = 0
    for word in plain:
        run = run + 1 if len(word) == 1 else 0
        if run == 3:
            return True
    return False


def _undone(folded: str) -> list[tuple[str, ...]]:
    """As the text sense reads it: disguised words as those it knows."""
    unmask = default_unmasker()
    languages = (False, True) if SPEAKS.search(folded) else (False,)
    return [tuple(token.word for token in unmask.join_letters(unmask.tokens(folded, spanish=spanish))) for spanish in languages]


def _pieces(folded: str, plain: tuple[str, ...]) -> list[str]:
    """Skeletons of what may be a term: words cut by signs or disguised, and letters one by one."""
    found = []
    for chunk in folded.split():
        inner = chunk.strip(_AROUND)
        if _is_disguised(inner) and SHORTEST_PIECE <= len(inner) <= 2 * LONGEST_PIECE:
            found.append(skeleton(inner))
    letters: list[str] = []
    for word in (*plain, ""):
        if len(word) == 1 and len(letters) < LONGEST_RUN:
            letters.append(word)
            continue
        run = "".join(letters)
        for start in range(len(run)):
            for end in range(start + SHORTEST_PIECE, min(len(run), start + LONGEST_PIECE) + 1):
                found.append(skeleton(run[start:end]))  # noqa: PERF401 - two loops read better so
        letters = [word] if len(word) == 1 else []
    return found
