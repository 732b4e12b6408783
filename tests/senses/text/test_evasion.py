"""What plain authored lines show, they show in every disguise; and the evidence still points into what was written."""

from __future__ import annotations

import pytest

from nightlight.kit import evasion
from nightlight.kit.corpus import Conversation, Line
from nightlight.kit.evasion import REWRITES
from nightlight.senses.text import MeaningSensor, TextSensor
from nightlight.senses.text.known import known_words
from nightlight.senses.text.meaning import default_meaning
from nightlight.senses.text.sensor import default_unmasker

LINES = {
    "how old are you": "age_probe",
    "dont tell your mom about this": "secrecy",
    "send me a pic of you": "picture_ask",
    "are you home alone right now": "supervision_probe",
    "add me on snap instead": "app_migration",
    "i will send it to all your friends": "threat_to_expose",
    "no se lo digas a tus padres": "secrecy",
    "pasame una foto tuya": "picture_ask",
}
SENSOR = TextSensor()


def talk(text: str) -> Conversation:
    return Conversation(conversation=text, source="authored", label=1, messages=(Line(at=0, author="a", text=text),))


def cues(texts: list[str]) -> set[str]:
    """Of one author's messages, one after the other."""
    tail, found = "", set()
    for text in texts:
        read = SENSOR.read(text, tail)
        tail = read.tail
        found |= {cue.name for cue in read.cues if cue.strength >= 0.1}
    return found


def test_the_lines_show_their_cues_plainly() -> None:
    assert {text: name in cues([text]) for text, name in LINES.items()} == dict.fromkeys(LINES, True)


@pytest.mark.parametrize("change", [*REWRITES, "split"])
def test_cues_survive(change: str) -> None:
    lost = {}
    for text, name in LINES.items():
        found = []
        for seed in range(8):
            changed = evasion.split(talk(text), seed) if change == "split" else evasion.rewritten(talk(text), REWRITES[change], seed)
            found.append(name in cues([line.text for line in changed.messages]))
        if sum(found) < 6:  # a short word of digits alone may be read as another: "7311"
            lost[text] = sum(found)
    assert not lost


@pytest.mark.parametrize("change", REWRITES)
def test_evidence_points_into_the_text_as_it_was_written(change: str) -> None:
    before, line = "hello there friend. ", "send me a pic of you"
    for seed in range(5):
        disguised = evasion.rewritten(talk(line), REWRITES[change], seed).messages[0].text
        text = before + disguised + " . thanks and see you around"
        (start, end) = next(cue.span for cue in SENSOR.read(text).cues if cue.name == "picture_ask")
        assert 0 <= start < end <= len(text)
        assert start < len(before) + len(disguised) and end > len(before), "it lies on the disguised words"


def test_the_encoder_reads_what_was_undone() -> None:
    deep = MeaningSensor()
    for text in ("how old are you", "are you home alone right now"):
        hidden = evasion.rewritten(talk(text), REWRITES["homoglyphs"], 1).messages[0].text
        assert hidden != text
        plain, undone = (deep.read(one, SENSOR.read(one)) for one in (text, hidden))
        assert {cue.name for cue in undone.cues} >= {cue.name for cue in plain.cues if cue.strength >= 0.3}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("th3 4nsw3r !s n0", ["the", "answer", "is", "no"]),
        ("7e 10 d1go", ["te", "10", "digo"]),
        ("i am 14", ["i", "am", "14"]),
        ("s3nd 1t at 14", ["send", "it", "at", "14"]),
        ("nice!!", ["nice"]),
        ("0ld 5hoe @ home", ["old", "shoe", "a", "home"]),
        ("the old shoe @ home", ["the", "old", "shoe", "home"]),
        ("the 53rd, 5pm, 5x, 13yo", ["the", "53rd", "5pm", "5x", "13yo"]),
        ("the 1st and 2nd", ["the", "1st", "and", "2nd"]),
        ("b\u2b55\u2b55k", ["book"]),
        ("my \U0001f4f1", ["my", "phone"]),
        ("q\u0443estion", ["qyestion"]),
    ],
)
def test_readings_of_the_whole_vocabulary(written: str, read: list[str]) -> None:
    assert [token.word for token in default_unmasker().tokens(written)] == read


def test_a_spanish_text_has_words_for_numbers() -> None:
    unmask = default_unmasker()
    assert [token.word for token in unmask.tokens("7e 10 d1go 14 v3z", spanish=True)] == ["te", "lo", "digo", "la", "vez"]
    assert [token.word for token in unmask.tokens("tengo 14", spanish=True)] == ["tengo", "14"]


def test_things_are_named_in_the_language_around_them() -> None:
    assert "picture_ask" in cues(["pasame una \U0001f4f8 tuya"])
    assert "picture_ask" in cues(["send me a \U0001f4f8 of you"])


def test_a_line_in_parts_is_no_cue_of_the_first_part_again() -> None:
    first = SENSOR.read("how old are you")
    again = SENSOR.read("ok cool", first.tail)
    assert not [cue for cue in again.cues if cue.name == "age_probe"]


def test_words_are_cut_as_the_whole_text_is() -> None:
    meaning = default_meaning()
    for text in ("send me $50 at 5pm", "", "x" * 150 + " hi", "caf\u00e9 \u4f60\u597d \U0001f600 naive", "word " * 90):
        assert meaning.tokens_of(text.split()) == meaning.tokens(" ".join(text.split()))


def test_known_words_come_with_the_authored_ones_first() -> None:
    words = known_words()
    assert len(words) == len(set(words)) and {"secret", "secreto", "answer"} <= set(words)
    assert words.index("que") < words.index("parliament")
