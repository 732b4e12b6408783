"""How hard a text is to read, by published formulas.

English: the Flesch-Kincaid grade level, `0.39 * words a sentence + 11.8 * syllables a word - 15.59` (Kincaid, Fishburne, Rogers and
Chissom 1975). Spanish: Fernandez Huerta's ease (1959) as corrected by Law (2011), `206.84 - 60 * syllables a word - 1.02 * words a
sentence`, read with the author's own table of school years.

Both were made for passages of a hundred words and more. On a message of forty they tell a long sentence and long words from short ones,
and no more: they know nothing of whether a child understands it. Only children can say that.

Syllables: Spanish spelling says them exactly. English spelling does not; `syllables_en` counts groups of vowels with the usual silent
endings, and the words that it would get wrong stand in a table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from msgspec import Struct

_WORD = re.compile(r"[^\W\d_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}-][^\W\d_]+)*")
_END = re.compile(r"[.?!\N{HORIZONTAL ELLIPSIS}]+(?:\s|$)")


class Reading(Struct, frozen=True, kw_only=True):
    """What was measured of one text."""

    words: int
    sentences: int
    syllables: int
    score: float
    """English: a United States school grade, lower is easier. Spanish: an ease of 0 to 100 and beyond, higher is easier."""
    age: int
    """Years at which pupils of that grade usually are; the youngest of the school year."""


def measure(text: str, language: str) -> Reading:
    """Raises KeyError for a language without a formula, ValueError for a text without a word."""
    syllables_of, score_of, age_of = _LANGUAGES[language]
    sentences = [words for part in _END.split(text) if (words := _WORD.findall(part))]
    if not sentences:
        raise ValueError("there is no word in this text")
    words = [word for sentence in sentences for word in sentence]
    syllables = sum(syllables_of(word) for word in words)
    score = score_of(len(words) / len(sentences), syllables / len(words))
    return Reading(words=len(words), sentences=len(sentences), syllables=syllables, score=round(score, 1), age=age_of(score))


# -- English -------------------------------------------------------------------------------------------------------------------------

_IRREGULAR = {
    "area": 3, "being": 2, "betrayal": 3, "elsewhere": 2, "business": 2, "create": 2, "didn't": 2, "doesn't": 2, "every": 2,
    "everything": 3, "everyone": 3, "everybody": 4, "family": 3, "idea": 3, "isn't": 2, "wasn't": 2, "hasn't": 2, "haven't": 2,
    "couldn't": 2, "wouldn't": 2, "shouldn't": 2, "moment": 2, "people": 2, "poem": 2, "quiet": 2, "science": 2, "somebody": 3,
    "someone": 2, "something": 2, "sometimes": 2, "somewhere": 2, "themselves": 2, "video": 3, "videos": 3, "whatever": 3,
    "whoever": 3, "however": 3, "anyone": 3, "real": 1, "really": 2, "ruin": 2, "safety": 2, "careful": 2, "lonely": 2, "likely":
    2, "rarely": 2, "hidden": 2, "often": 2, "others": 2, "friends": 1, "whole": 1, "homework": 2, "sender": 2, "police": 2,
    "usually": 4, "trustworthy": 3, "more": 1, "secret": 2, "asked": 1, "used": 1, "saved": 1,
}  # fmt: skip


def syllables_en(word: str) -> int:
    """Of an English word, at least 1. A word with a hyphen is the sum of its parts."""
    lower = word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    if "-" in lower:
        return sum(syllables_en(part) for part in lower.split("-") if part)
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    stem = re.sub(r"'(s|t|re|ve|ll|d|m)$", "", lower)
    count = len(re.findall(r"[aeiouy]+", stem))
    if re.search(r"[^aeiouyl]e$", stem) or re.search(r"[aeiouy]le$", stem):
        count -= 1  # a silent e: "like", "whole"; but "little"
    elif re.search(r"[^aeioutd]ed$", stem) or re.search(r"([^aeioucgsxz]|[^csz]h)es$", stem):
        count -= 1  # "asked" but "wanted"; "makes" but "changes"
    return max(1, count)


# -- Spanish -------------------------------------------------------------------------------------------------------------------------

_STRONG, _WEAK, _ACCENTED_WEAK = "aeo\u00e1\u00e9\u00f3", "iu\u00fc", "\u00ed\u00fa"


def syllables_es(word: str) -> int:
    """Of a Spanish word, at least 1: each vowel but the weak ones that join a diphthong. Two strong ones, or a weak one with an accent
    beside a strong one, stand apart."""
    lower = unicodedata.normalize("NFC", word.lower())
    lower = re.sub(r"([qg])u(?=[ei\u00e9\u00ed])", r"\1", lower)  # the silent u of "que" and "guitarra"
    lower = re.sub(r"y(?![aeiou\u00e1\u00e9\u00ed\u00f3\u00fa])", "i", lower)
    count, before = 0, ""
    for sign in lower:
        if sign in _STRONG:
            count += not (before in _WEAK and before)
        elif sign in _WEAK:
            count += not (before and before in _STRONG + _WEAK)
        elif sign in _ACCENTED_WEAK:
            count += not (before and before in _WEAK)
        before = sign if sign in _STRONG + _WEAK + _ACCENTED_WEAK else ""
    return max(1, count)


# -- Scores --------------------------------------------------------------------------------------------------------------------------


def flesch_kincaid(words_a_sentence: float, syllables_a_word: float) -> float:
    return 0.39 * words_a_sentence + 11.8 * syllables_a_word - 15.59


def fernandez_huerta(words_a_sentence: float, syllables_a_word: float) -> float:
    return 206.84 - 60 * syllables_a_word - 1.02 * words_a_sentence


def _age_en(grade: float) -> int:
    return max(6, int(-(-grade // 1)) + 5)  # the first grade begins at six


_YEARS_ES = ((90, 9), (80, 10), (70, 11), (60, 12), (50, 14), (30, 17))
"""Lowest ease, and the age at which pupils are in that school year: fourth, fifth, sixth, seventh and eighth, ..., beyond school."""


def _age_es(ease: float) -> int:
    return next((age for least, age in _YEARS_ES if ease >= least), 18)


_LANGUAGES: Mapping[str, tuple[Callable[[str], int], Callable[[float, float], float], Callable[[float], int]]] = {
    "en": (syllables_en, flesch_kincaid, _age_en),
    "es": (syllables_es, fernandez_huerta, _age_es),
}
