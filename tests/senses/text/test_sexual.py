"""Words of a sexual nature, with invented words in their place. No word of the published list stands here or is ever printed."""

from __future__ import annotations

import random
from importlib.metadata import distribution
from pathlib import Path

import pytest

from nightlight.core.errors import Invalid
from nightlight.senses.text import TextSensor
from nightlight.senses.text.fold import fold, words
from nightlight.senses.text.sensor import default_lexicon
from nightlight.senses.text.sexual import NAME, STRENGTH, WordList, published, restricted

INVENTED = WordList(["zantle", "vorp quine", "Ñibble"])
SENSOR = TextSensor(default_lexicon(), sexual=[INVENTED])


def spans(text: str) -> list[tuple[int, int]]:
    return [cue.span for cue in SENSOR.read(text).cues if cue.name == NAME]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("# ours\nzantle\n\n  vorp quine \n", "utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a zantle here", "zantle"),
        ("ZANTLE!", "ZANTLE"),
        ("so vorp quine then", "vorp quine"),
        ("z4ntle", "z4ntle"),
        ("a zaaantle", "zaaantle"),
        ("z a n t l e", "z a n t l e"),
        ("ñibble", "ñibble"),
        ("vorp, then zantle and zantle", "zantle"),
    ],
)
def test_one_cue_points_at_the_first(text: str, found: str) -> None:
    [span] = spans(text)
    assert text[slice(*span)] == found


@pytest.mark.parametrize("text", ["zantles", "vorp then quine", "vorp", "an ordinary line", ""])
def test_only_whole_words_in_their_order(text: str) -> None:
    assert spans(text) == []


def test_the_reason_quotes_nothing_and_the_cue_is_weak() -> None:
    [cue] = [cue for cue in SENSOR.read("a zantle here").cues if cue.name == NAME]
    assert cue.strength == STRENGTH
    assert "of a sexual nature" in cue.reason
    assert "zantle" not in cue.reason
    assert repr(INVENTED) == "WordList(3 entries)"


def test_the_published_list_is_read_and_used() -> None:
    found = published()
    assert len(found) > 300
    entry = random.Random(7).choice(sorted(one for one in found._by_first if len(one) >= 5 and (one,) in found._by_first[one]))
    cues = TextSensor().read(f"a {entry} here").cues
    assert [cue.span for cue in cues if cue.name == NAME] == [(2, 2 + len(entry))]


def test_its_licence_is_the_one_we_count_on() -> None:
    assert distribution("glin-profanity").metadata["License-Expression"] == "MIT"


def test_it_holds_no_ordinary_word() -> None:
    for line in ("how are you today, my friend", "hola, que haces esta tarde con tu amigo", "the dog and the bike are at school"):
        assert published().find(line, fold(line), words(fold(line))) is None


def test_an_operators_own_list(listed: Path) -> None:
    assert len(restricted(listed)) == 2
    assert restricted(listed).find("vorp quine", "vorp quine", ["vorp", "quine"]) == (0, 10)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"zantle\n\xff\xfe\n", "line 2 of the list is not UTF-8"),
        (b"zantle\n!!!\n", "line 2 of the list holds no word"),
        (b"# nothing\n", "must hold 1 to"),
        (b"zantle\n" * 20_001, "must hold 1 to"),
        (b"x" * ((1 << 20) + 1), "larger than"),
    ],
)
def test_a_bad_list_is_refused_by_line_and_never_quoted(listed: Path, raw: bytes, says: str) -> None:
    listed.write_bytes(raw)
    with pytest.raises(Invalid, match=says) as error:
        restricted(listed)
    assert "zantle" not in str(error.value)
    assert error.value.field == "text.restricted_words"


def test_a_list_that_others_can_read_is_refused(listed: Path) -> None:
    listed.chmod(0o640)
    with pytest.raises(Invalid, match="others than its owner"):
        restricted(listed)


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read: FileNotFoundError"):
        restricted(tmp_path / "absent")
