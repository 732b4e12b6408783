"""Disguised words are read as words of the vocabulary, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.senses.text.fold import Token, fold, tokens
from nightlight.senses.text.unmask import MASKED, Unmasker, squeeze

VOCABULARY = ("secret", "send", "meet", "pic", "tell", "a", "me", "your", "snap", "to", "too", "as")
UNMASK = Unmasker(VOCABULARY)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("s3cr3t", "secret"),
        ("$ecret", "secret"),
        ("p1c", "pic"),
        ("te11", "tell"),
        ("p!c", "pic"),
        ("sn@p", "snap"),
        ("seeeecret", "secret"),
        ("meeeet", "meet"),
        ("telllll", "tell"),
        ("s\u0435nd", "send"),
        ("\u0455\u0435nd", "send"),
        ("5\u0435nnnd", "send"),
        ("tooo", "to"),
    ],
)
def test_a_disguised_word_is_read(written: str, read: str) -> None:
    assert [t.word for t in UNMASK.tokens(fold(written))] == [read]
    assert MASKED.search(fold(written)) is not None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("s\U0001f600e\U0001f600nd m\U0001f600e", ["send", "me"]),
        ("send\U0001f600hi", ["send", "hi"]),
        ("s*end", ["send"]),
        ("sendmeasecret", ["send", "me", "a", "secret"]),
        ("s3nd 70 m3", ["send", "to", "me"]),
        ("send 70", ["send", "70"]),
        ("s3nd m3 4s w31rd05", ["send", "me", "as", "weirdos"]),
        ("send me 4s w31rd05 3m", ["send", "me", "4s", "w31rd05", "3m"]),
        ("s3nd m3 7@me", ["send", "me", "tame"]),
        ("s3nd m3 5gb 2024", ["send", "me", "5gb", "2024"]),
        ("incomprehensibly", ["incomprehensibly"]),
    ],
)
def test_signs_between_letters_missing_spaces_and_numbers_for_words(written: str, read: list[str]) -> None:
    assert [t.word for t in UNMASK.tokens(fold(written))] == read


def test_words_run_together_know_their_place() -> None:
    assert UNMASK.tokens("ok sendmeasecret")[1:] == [
        Token("send", 3, 7),
        Token("me", 7, 9),
        Token("a", 9, 10),
        Token("secret", 10, 16),
    ]


@pytest.mark.parametrize("word", ["met", "hello", "heyyy", "mp3", "1984", "13yo", "plim", "\u043f\u0440\u0438\u0432\u0435\u0442"])
def test_other_words_stay_as_they_are(word: str) -> None:
    assert [t.word for t in UNMASK.tokens(word)] == [word]


@pytest.mark.parametrize(
    ("letters", "read"),
    [
        ("s e c r e t", ["secret"]),
        ("s.e.n.d m-e a p_i_c", ["send", "me", "a", "pic"]),
        ("s e n d m e", ["send", "me"]),
        ("a b c", ["a", "b", "c"]),
        ("x q s e n d", ["x", "q", "send"]),
    ],
)
def test_letters_that_stand_apart_are_joined(letters: str, read: list[str]) -> None:
    assert [t.word for t in UNMASK.join_letters(tokens(letters))] == read


def test_joined_letters_know_their_place() -> None:
    text = "so s e n d it"
    joined = UNMASK.join_letters(tokens(text))
    assert joined[1] == Token("send", 3, 10)


@given(st.text(alphabet="sendmetoo1534@$! .\u0435", max_size=60))
def test_words_lie_in_order_within_the_text(text: str) -> None:
    found = UNMASK.join_letters(UNMASK.tokens(text))
    places = [place for token in found for place in (token.start, token.end)]
    assert places == sorted(places)
    assert all(0 <= token.start < token.end <= len(text) for token in found)


@given(st.lists(st.sampled_from(VOCABULARY), max_size=8))
def test_plain_words_are_read_as_themselves(words: list[str]) -> None:
    assert [t.word for t in UNMASK.tokens(" ".join(words))] == words


def test_squeeze() -> None:
    assert squeeze("meeeettt") == "met"
    assert squeeze("") == ""
