"""The phrase language, and what it refuses."""

from __future__ import annotations

import pytest

from nightlight.senses.text.phrases import CLOCK, MINOR_AGE, MONEY, MOST_WORDS, NUMBER, OTHER, classify, parse, to_regex

LISTS = {"fruit": ("plum", "pear")}


def matches(phrase: str, words: str) -> bool:
    return to_regex(parse(phrase, LISTS)).fullmatch(words + " ") is not None


@pytest.mark.parametrize(
    ("phrase", "words", "expected"),
    [
        ("eat the plum", "eat the plum", True),
        ("eat the plum", "eat the plums", False),
        ("eat a|the plum", "eat a plum", True),
        ("eat [a|the] plum", "eat plum", True),
        ("eat [a|the] plum", "eat a the plum", False),
        ("eat {fruit}|bread", "eat pear", True),
        ("eat {fruit}|bread", "eat bread", True),
        ("eat <2> plum", "eat plum", True),
        ("eat <2> plum", "eat up every plum", True),
        ("eat <2> plum", "eat up every last plum", False),
        ("im {minor_age}", "im 13", True),
        ("im {minor_age}", "im 13yo", True),
        ("im {minor_age}", "im 18", False),
        ("im {minor_age}", "im 5", False),
        ("im {number}", "im 13", True),
        ("im {number}", "im 40", True),
        ("pay {money}", "pay $50", True),
        ("pay {money}", "pay 50", False),
        ("at {clock}", "at 5pm", True),
    ],
)
def test_a_phrase_means_what_it_says(phrase: str, words: str, expected: bool) -> None:
    assert matches(phrase, words) is expected


@pytest.mark.parametrize(
    ("phrase", "wrong"),
    [
        ("", "must begin"),
        ("[a] plum", "must begin"),
        ("<2> plum", "must begin"),
        ("eat [plum]", "must begin and end"),
        ("eat <1>", "must begin and end"),
        ("eat {nuts}", "unknown list 'nuts'"),
        ("eat pl-um", "not a word in folded form"),
        ("eat 42", "not a word in folded form"),
        ("eat a||b", "not a word in folded form"),
        ("eat <9> <9> plum", f"longer than {MOST_WORDS} words"),
    ],
)
def test_a_bad_phrase_is_named(phrase: str, wrong: str) -> None:
    with pytest.raises(ValueError, match="phrase") as error:
        parse(phrase, LISTS)
    assert wrong in str(error.value)
    assert repr(phrase) in str(error.value)


@pytest.mark.parametrize(
    ("word", "symbol"),
    [
        ("13", MINOR_AGE),
        ("18", NUMBER),
        ("2024", NUMBER),
        ("20245", OTHER),
        ("$5", MONEY),
        ("50usd", MONEY),
        ("5pm", CLOCK),
        ("plum", OTHER),
    ],
)
def test_words_outside_the_vocabulary_have_a_kind(word: str, symbol: str) -> None:
    assert classify(word) == symbol
