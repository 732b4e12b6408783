"""The learned tiers: cues in words that no phrase has, and what bounds them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.errors import Invalid
from nightlight.core.event import Channel, Message, Party
from nightlight.core.features import Cue, Features, Sense, SenseInput, TextFeatures
from nightlight.senses.text import MeaningSensor, TextSensor
from nightlight.senses.text.fold import fold, tokens, words
from nightlight.senses.text.heads import DEEP_MOST, LIGHT_MOST, default_heads
from nightlight.senses.text.language import guess, is_supported
from nightlight.senses.text.learned import MOST_CUES, REASONS, SEGMENT, own_heads, segments
from nightlight.senses.text.lexicon import CueFile, Lexicon
from nightlight.senses.text.meaning import MODELS
from nightlight.senses.text.sensor import default_lexicon

PHRASES = TextSensor(default_lexicon())
TEXT = TextSensor()
ENCODER = MeaningSensor()
RISKY = "the two of us dont need anybody else knowing what we talk about"
CALM = "the new map is really big and the bridge needs more stone"


def found(text: str) -> dict[str, float]:
    return {cue.name: cue.strength for cue in ENCODER.read(text, TEXT.read(text)).cues}


def test_the_card_is_of_the_file_and_every_cue_has_a_reason() -> None:
    card = json.loads((MODELS / "cues.json").read_text("utf-8"))
    heads = default_heads()
    assert heads is not None
    assert card["sha256"] == sha256((MODELS / "cues.npz").read_bytes()).hexdigest()
    assert set(card["cues"]) == set(heads.names) == set(REASONS)
    assert (MODELS / "cues.npz").stat().st_size < 3_000_000


def test_words_that_no_phrase_has_are_seen() -> None:
    assert PHRASES.read(RISKY).cues == ()
    assert found(RISKY)
    assert not found(CALM)


def test_spanish_is_seen_by_the_cheap_tier() -> None:
    alone = TextSensor(Lexicon(CueFile(language="mul", words={})), default_heads())
    read = alone.read("no se lo cuentes a tu madre, vale?")
    assert read.language == "es"
    assert {cue.name for cue in read.cues} & {"secrecy", "isolation"}


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300))
def test_the_encoder_only_adds_and_strengthens(text: str) -> None:
    before = TEXT.read(text)
    after = {cue.name: cue.strength for cue in ENCODER.read(text, before).cues}
    assert all(after[cue.name] >= cue.strength for cue in before.cues)
    for cue in before.cues:
        assert 0 <= cue.span[0] <= cue.span[1] <= len(text)


def test_the_encoder_keeps_what_other_features_there_are_and_needs_the_first_pass() -> None:
    event = Message(
        id="e", at=datetime(2025, 6, 1, tzinfo=UTC), actor=Party(account="a"), channel=Channel(id="c"), text="send me your address"
    )
    assert (ENCODER.sense, ENCODER.costly) == (Sense.MEANING, True)
    given_text = TextFeatures(cues=(Cue("secrecy", 0.9, (0, 4), "asks"),), tail="kept")
    with_it, without = ENCODER.batch([SenseInput(event, Features(text=given_text)), SenseInput(event, Features())])
    assert without == Features()
    assert with_it.text is not None
    assert with_it.text.tail == "kept"
    assert "secrecy" in {cue.name for cue in with_it.text.cues}


def test_one_line_of_risk_in_a_long_text_is_found_where_it_stands() -> None:
    line = "i will give you robux if you send me a photo of you. "
    long = (CALM + ". ") * 12 + line + (CALM + ". ") * 12
    cue = max(ENCODER.read(long, TEXT.read(long)).cues, key=lambda cue: cue.strength)
    assert long[slice(*cue.span)].strip(" .") in line or line.strip(" .") in long[slice(*cue.span)]


@given(st.text(alphabet="ab .!?\n", max_size=600))
def test_segments_cover_every_word_once_and_none_is_long(text: str) -> None:
    folded = fold(text)
    cut = segments(tokens(folded), folded)
    assert [i for start, end in cut for i in range(start, end)] == list(range(len(words(folded))))
    assert all(0 < end - start <= SEGMENT for start, end in cut)


def test_words_told_of_weigh_less() -> None:
    line = "i will show the screenshots to your whole class"
    told = found("he said " + line)
    assert max(told.get("threat_to_expose", 0.0), 0.0) < found(line)["threat_to_expose"]


def test_a_learned_cue_is_never_as_sure_as_a_phrase() -> None:
    heads = default_heads()
    assert heads is not None
    most = np.full(len(heads.names), 1e6, np.float32)
    assert heads.light(most).max() == pytest.approx(LIGHT_MOST)
    assert heads.deep(most).max() == pytest.approx(DEEP_MOST)
    assert LIGHT_MOST < DEEP_MOST < 1.0
    phrases = {cue.name for cue in PHRASES.read("dont tell your mom").cues}
    assert len({cue.name for cue in TEXT.read("dont tell your mom").cues} - phrases) <= MOST_CUES


def test_a_disguised_line_is_read_undone() -> None:
    plain, disguised = found("dont tell your parents we talk"), found("d0nt t3ll your p4rents we talk")
    assert set(plain) & set(disguised)


@pytest.mark.parametrize(
    ("text", "language", "supported"),
    [
        ("what do you want to do in the game", "en", True),
        ("cuantos años tienes y donde vives", "es", True),
        ("ich bin nicht mit dir auf der schule", "de", False),
        ("где ты живёшь сейчас", "und-Cyrl", False),
        ("كم عمرك الآن يا صديقي", "und-Arab", False),
        ("ok", "und", True),
        ("", "und", True),
    ],
)
def test_what_no_tier_was_made_for_is_said_to_be_so(text: str, language: str, supported: bool) -> None:
    assert guess(fold(text), words(fold(text))) == language
    assert is_supported(language) is supported


def test_cues_of_ones_own_are_used_where_they_were_made_for_this_encoder(tmp_path: Path) -> None:
    with np.load(MODELS / "cues.npz") as parts:
        mine = dict(parts)
    path = tmp_path / "cues.npz"
    mine["light_bias"] = mine["light_bias"] + np.where(mine["names"] == "secrecy", 20.0, -20.0)
    np.savez(path, **mine)
    assert [cue.name for cue in TextSensor(heads=own_heads(path)).read("any line").cues] == ["secrecy"]
    np.savez(path, **{**mine, "encoder": np.array("0" * 64)})
    with pytest.raises(Invalid, match="another encoder"):
        own_heads(path)
    np.savez(path, **{**mine, "names": np.where(mine["names"] == "secrecy", "unheard_of", mine["names"])})
    with pytest.raises(Invalid, match="unheard_of"):
        own_heads(path)
    for bad in (b"", b"PK\x03\x04 cut short", b"no archive"):
        path.write_bytes(bad)
        with pytest.raises(Invalid, match="no learned cues"):
            own_heads(path)
    with pytest.raises(Invalid, match="no learned cues"):
        own_heads(tmp_path / "missing.npz")
