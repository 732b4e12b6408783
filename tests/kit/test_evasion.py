"""Each disguise changes text as it says, is the same on every run, and leaves who writes what and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import pytest

from nightlight.kit import evasion
from nightlight.kit.corpus import Conversation, Line, Role
from nightlight.kit.evasion import REWRITES, compared

TALK = Conversation(
    conversation="c1",
    source="invented",
    label=1,
    messages=(
        Line(at=0, author="a", text="please send me a picture of your house", role=Role.ADULT),
        Line(at=5, author="b", text="why is that so important", role=Role.MINOR),
        Line(at=9, author="a", text="it is our little secret"),
    ),
)
SHOWS: dict[str, Callable[[str], bool]] = {
    "leetspeak": lambda text: any(ch in "4@31!05$7" for ch in text),
    "letter spacing": lambda text: any(len(a) == len(b) == 1 for a, b in zip(text.split(" "), text.split(" ")[1:], strict=False)),
    "homoglyphs": lambda text: any("\u0400" <= ch <= "\u04ff" for ch in text),
    "zero-width characters": lambda text: any(ch in evasion.UNSEEN for ch in text),
    "repeated letters": lambda text: any(ch * 3 in text for ch in text),
    "emoji": lambda text: any(ord(ch) > 0x2000 for ch in text),
}


def texts(talk: Conversation) -> list[str]:
    return [line.text for line in talk.messages]


@pytest.mark.parametrize("name", REWRITES)
def test_a_rewrite_shows_and_touches_nothing_but_the_text(name: str) -> None:
    changed = evasion.rewritten(TALK, REWRITES[name], seed=1)
    assert changed == evasion.rewritten(TALK, REWRITES[name], seed=1)
    assert changed != evasion.rewritten(TALK, REWRITES[name], seed=2)
    assert SHOWS[name](" / ".join(texts(changed))) and not SHOWS[name](" / ".join(texts(TALK)))
    for before, after in zip(TALK.messages, changed.messages, strict=True):
        assert (before.at, before.author, before.role) == (after.at, after.author, after.role)


@pytest.mark.parametrize(("name", "undo"), [("zero-width characters", evasion.UNSEEN), ("letter spacing", " ")])
def test_what_was_put_in_can_be_taken_out(name: str, undo: str) -> None:
    def bare(text: str) -> str:
        return "".join(ch for ch in text if ch not in undo)

    assert [bare(text) for text in texts(evasion.rewritten(TALK, REWRITES[name], 3))] == [bare(text) for text in texts(TALK)]


def test_a_text_that_would_become_too_long_stays() -> None:
    long = Conversation(conversation="c", source="s", label=0, messages=(Line(at=0, author="a", text="ab " * 3333),))
    changed = evasion.rewritten(long, lambda text, chance: text * 9, 0)
    assert changed == long


def test_splitting_loses_no_letter_and_keeps_the_order() -> None:
    changed = evasion.split(TALK, 1)
    assert len(changed.messages) > len(TALK.messages)
    assert "".join(texts(changed)).replace(" ", "") == "".join(texts(TALK)).replace(" ", "")
    assert [line.at for line in changed.messages] == sorted(line.at for line in changed.messages)
    words = {word for text in texts(TALK) for word in text.split()}
    cut = [evasion.split(TALK, seed) for seed in range(9)]
    assert any(word not in words for talk in cut for text in texts(talk) for word in text.split()), "some words are cut too"


def test_padding_is_ten_harmless_lines_for_each_by_those_who_take_part() -> None:
    changed = evasion.padded(TALK, 1, ["gg", "nice one"])
    assert len(changed.messages) == 11 * len(TALK.messages)
    assert [line for line in changed.messages if line.text not in ("gg", "nice one")] == list(TALK.messages)
    assert {line.author for line in changed.messages if line.text == "gg"} == {"a", "b"}


def test_repeating_keeps_every_line_and_its_place() -> None:
    changed = evasion.duplicated(TALK, 1)
    assert list(dict.fromkeys(changed.messages)) == list(TALK.messages)
    assert all(2 <= changed.messages.count(line) <= 3 for line in TALK.messages)


def test_switching_replaces_later_lines_that_show_a_cue_by_lines_of_the_same_cue() -> None:
    def cues_of(text: str) -> Sequence[str]:
        return ["picture_ask"] if "picture" in text else ["unheard_of", "secrecy"] if "secret" in text else []

    lines = {"secrecy": ["no se lo digas a nadie"], "picture_ask": ["una foto"]}
    changed = evasion.switched(TALK, 1, cues_of, lines)
    assert texts(changed) == [*texts(TALK)[:2], "no se lo digas a nadie"]
    assert evasion.switched(TALK, 1, cues_of, {}) == TALK


def test_a_comparison_counts_each_side() -> None:
    row = compared("x", [(True, True), (True, True), (False, False)], [(True, True), (True, False), (False, True)])
    assert (row.risk, row.benign, row.recall_plain, row.recall, row.drop_points) == (2, 1, 1.0, 0.5, 50.0)
    assert (row.alarms_plain, row.alarms) == (0, 1)
    none = compared("x", [], [])
    assert none.recall is None and none.drop_points is None


def test_chance_is_each_conversations_own() -> None:
    """So that leaving one out of a file changes no other."""
    other = Conversation(conversation="c2", source="invented", label=1, messages=TALK.messages)
    assert evasion.rewritten(TALK, REWRITES["leetspeak"], 1).messages != evasion.rewritten(other, REWRITES["leetspeak"], 1).messages
    assert evasion.leetspeak("no", Random(1)) == evasion.leetspeak("no", Random(1))
