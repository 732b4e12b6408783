"""Folding makes writing comparable, and knows the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.senses.text import fold as module
from nightlight.senses.text.fold import fold, origins, tokens, words


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Hello There", "hello there"),
        ("don't", "dont"),
        ("don\u2019t", "dont"),
        ("\uff48\uff45\uff4c\uff4c\uff4f", "hello"),
        ("caf\u00e9", "cafe"),
        ("cafe\u0301", "cafe"),
        ("se\u200bcr\u00adet", "secret"),
        ("\u202esecret", "secret"),
        ("\U0001d5ec\U0001d5ee", "ya"),
        ("\U0001f170\U0001f171", "ab"),
        ("\ufb01ne", "fine"),
        ("stra\u00dfe", "strasse"),
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940"),
        ("\ufdfa", "\ufdfa"),
    ],
)
def test_what_looks_alike_becomes_one(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(st.text(), st.text())
def test_folding_is_one_character_at_a_time(first: str, second: str) -> None:
    assert fold(first + second) == fold(first) + fold(second)


@given(st.text())
def test_every_folded_character_came_from_the_one_that_is_named(text: str) -> None:
    folded, back = fold(text), origins(text)
    assert len(back) == len(folded)
    assert back == sorted(back)
    assert all(folded[i] in fold(text[origin]) for i, origin in enumerate(back))


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_tokens_are_the_words_with_their_places(text: str) -> None:
    folded = fold(text)
    found = tokens(folded)
    assert [t.word for t in found] == words(folded)
    assert all(folded[t.start : t.end] == t.word for t in found)


def test_a_currency_sign_stays_with_its_amount() -> None:
    assert words("pay $50, or \u20ac40.") == ["pay", "$50", "or", "\u20ac40"]


def test_the_table_stops_growing() -> None:
    """Hostile text may hold every code point there is."""
    fold("".join(chr(code) for code in range(0xE000, 0xE000 + 3 * module._MOST_CACHED)))
    assert len(module._TABLE) <= module._MOST_CACHED
    assert fold("\U0010fffdABC") == "\U0010fffdabc"
