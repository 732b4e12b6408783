"""The text sense as detectors meet it."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.event import MAX_TEXT, Channel, EventBase, Follow, Message, Party, Search
from nightlight.core.features import Features, MediaFeatures, Sense, SenseInput, TextFeatures
from nightlight.senses.text import TextSensor
from nightlight.senses.text.sensor import TAIL, default_lexicon

SENSOR = TextSensor(default_lexicon())
START = datetime(2025, 6, 1, tzinfo=UTC)


def said(text: str, by: str = "vell", room: str = "room", id: str = "e") -> Message:
    return Message(id=id, at=START, actor=Party(account=by), channel=Channel(id=room), text=text)


def names(text: str, tail: str = "") -> set[str]:
    return {cue.name for cue in SENSOR.read(text, tail).cues}


def test_it_is_a_cheap_sense_of_whatever_has_words() -> None:
    assert SENSOR.sense is Sense.TEXT
    assert SENSOR.costly is False
    assert SENSOR.applies(said("hi"))
    assert not SENSOR.applies(said(""))
    assert SENSOR.applies(Search(id="s", at=START, actor=Party(account="a"), text="castles"))
    assert not SENSOR.applies(Follow(id="f", at=START, actor=Party(account="a")))


@pytest.mark.parametrize(
    ("text", "cue"),
    [
        ("how old r u??", "age_probe"),
        ("r u 13", "age_probe"),
        ("what school do you go to", "location_probe"),
        ("Are your parents home right now?", "supervision_probe"),
        ("do u have a bf", "relationship_probe"),
        ("ur so mature for ur age", "flattery"),
        ("you can trust me", "false_trust"),
        ("don\u2019t tell your mom", "secrecy"),
        ("this is our little secret", "secrecy"),
        ("your friends don't understand you", "isolation"),
        ("you're my favorite person", "exclusivity"),
        ("if you really loved me", "compliance_test"),
        ("send me a pic of you", "picture_ask"),
        ("add me on snap", "app_migration"),
        ("turn on your cam", "video_call_ask"),
        ("i'll buy you 1000 robux", "gift_offer"),
        ("lets meet up tomorrow", "meeting_plan"),
        ("I will send this to all your friends", "threat_to_expose"),
        ("im gonna post your pics to your followers", "threat_to_expose"),
        ("send me a $100 steam gift card", "payment_demand"),
        ("if you dont pay me", "payment_demand"),
        ("i will ruin your life", "ruin_framing"),
        ("you have 10 minutes or i send it", "countdown"),
        ("i don't want to", "refusal"),
        ("help me he is threatening me", "asks_for_help"),
        ("im really scared", "scared"),
        ("i want to die", "self_harm"),
        ("i will kill your family", "threat_to_life"),
        ("i'm 12", "self_declared_age"),
        ("my dad hits me", "danger_disclosed"),
    ],
)
def test_each_cue_is_found_in_plain_words(text: str, cue: str) -> None:
    assert cue in names(text)


@pytest.mark.parametrize(
    "text",
    [
        "how old is this kernel?",
        "kill the boss",
        "i'm dead lol",
        "this level is killing me",
        "send me the log",
        "send me 20 wood",
        "show me the map",
        "add me to the party",
        "join my discord server for updates",
        "you have 10 seconds to hide",
        "gg ez",
        "trade you a sword for a shield",
        "where do you live in the game",
        "meet at the castle gate",
        "i'll get you next time",
        "we are going to ruin their base",
        "delete the old save file",
        "dont tell the other team our plan",
        "the secret door is behind the waterfall",
        "my age of empires save is gone",
        "pick up the pic axe",
        "what time does the event start",
        "you can trust the wiki on this",
        "im 13 levels above you",
        "call me when the raid starts",
        "nobody can beat this boss",
    ],
)
def test_ordinary_talk_of_gamers_shows_no_strong_cue(text: str) -> None:
    strong = {c.name for c in SENSOR.read(text).cues if c.strength >= 0.5} - {"refusal", "self_declared_age", "location_probe"}
    assert strong == set()


@pytest.mark.parametrize(
    ("text", "cue"),
    [("age?", "age_probe"), ("alone rn ?", "supervision_probe"), ("got snap?", "app_migration"), ("snapchat?", "app_migration")],
)
def test_a_word_that_is_a_whole_question_is_read_as_one(text: str, cue: str) -> None:
    assert cue in names(text)
    assert cue not in names(text.replace("?", ""))


@pytest.mark.parametrize(
    "text",
    [
        "dontshowyourparents",
        "s\U0001f600end me a p\U0001f60aic of you",
        "d0n7 73ll y0ur m0m",
        "d*nt tell your mom, send a s*lfie to me, keep it between us",
    ],
)
def test_disguises_over_whole_messages(text: str) -> None:
    assert names(text) & {"secrecy", "picture_ask"}


@pytest.mark.parametrize(
    ("plain", "softened"),
    [
        ("i want to die", "i want to die this boss is so hard"),
        ("i will hurt your family", "the villain says i will hurt your family"),
        ("dont tell your mom", "dont tell your mom about the surprise party"),
        ("send me a pic", "send me a pic of the menu"),
    ],
)
def test_what_a_line_says_beside_it_softens_and_never_silences(plain: str, softened: str) -> None:
    [strong] = [c.strength for c in SENSOR.read(plain).cues]
    assert 0.0 < max(c.strength for c in SENSOR.read(softened).cues) < strong


def test_the_span_is_of_the_original_text() -> None:
    text = "\u200b\u201cWell\u201d, don\u2019t tell your \uff4d\uff4f\uff4d!"
    [cue] = SENSOR.read(text).cues
    assert text[slice(*cue.span)] == "don\u2019t tell your \uff4d\uff4f\uff4d"


def test_the_span_of_a_disguised_phrase_is_of_the_original_text() -> None:
    text = "ok \u2013 s3nd me a p!c of y0u now"
    [cue] = SENSOR.read(text).cues
    assert text[slice(*cue.span)] == "s3nd me a p!c of y0u"


@pytest.mark.parametrize(
    ("parts", "cue"),
    [
        (("can you send me a p", "ic of you"), "picture_ask"),
        (("dont tell", "your mom"), "secrecy"),
        (("how", "old", "are", "you"), "age_probe"),
        (tuple("sendmeapicofyou"), "picture_ask"),
        (("s3nd m3 a", "p1c"), "picture_ask"),
    ],
)
def test_words_over_several_messages_are_seen(parts: tuple[str, ...], cue: str) -> None:
    *before, last = SENSOR.batch([SenseInput(said(part), Features()) for part in parts])
    assert last.text is not None
    found = [c for c in last.text.cues if c.name == cue]
    assert [c.span for c in found] == [(0, 0)]
    assert not any(c.name == cue for f in before[:2] if f.text for c in f.text.cues)


def test_what_an_earlier_message_showed_is_not_shown_again() -> None:
    first = SENSOR.read("how old are you")
    assert {c.name for c in first.cues} == {"age_probe"}
    assert SENSOR.read("nice", first.tail).cues == ()


def test_a_batch_follows_each_author_of_each_conversation_apart() -> None:
    events = [said("dont tell", by="a"), said("your mom", by="b"), said("your mom", by="a", room="other"), said("your mom", by="a")]
    found = SENSOR.batch([SenseInput(event, Features()) for event in events])
    assert [{c.name for c in f.text.cues} for f in found if f.text] == [set(), set(), set(), {"secrecy"}]


def test_the_tail_before_the_batch_counts_for_the_first_of_an_author() -> None:
    [first, second] = SENSOR.batch([SenseInput(said("your mom"), Features(), "dont tell"), SenseInput(said("x"), Features(), "dont tell")])
    assert first.text is not None
    assert second.text is not None
    assert {c.name for c in first.text.cues} == {"secrecy"}
    assert second.text.tail == "dont tell your mom x"


def test_what_other_senses_found_is_kept() -> None:
    media = MediaFeatures(unreadable="truncated")
    [found] = SENSOR.batch([SenseInput(said("hi"), Features(media=media))])
    assert found.media == media
    assert found.text == TextFeatures(words=1, tail="hi")


@given(st.text(max_size=300), st.text(max_size=64))
def test_whatever_is_written(text: str, tail: str) -> None:
    got = SENSOR.read(text, tail)
    assert len(got.tail) <= TAIL
    assert SENSOR.read(text, tail) == got
    for cue in got.cues:
        assert 0 <= cue.span[0] <= cue.span[1] <= len(text)
        assert 0.0 < cue.strength <= 1.0


@given(st.lists(st.text(max_size=40), max_size=6))
def test_one_batch_or_many_is_the_same(texts: list[str]) -> None:
    together = SENSOR.batch([SenseInput(said(text), Features()) for text in texts])
    apart, tail = [], ""
    for text in texts:
        [one] = SENSOR.batch([SenseInput(said(text), Features(), tail)])
        apart.append(one)
        tail = one.text.tail if one.text else ""
    assert together == apart


def test_reasons_never_quote_the_text() -> None:
    event: EventBase = said("zantle send me a pic of you zantle")
    [found] = SENSOR.batch([SenseInput(event, Features())])
    assert found.text is not None
    assert found.text.cues
    assert all("zantle" not in cue.reason for cue in found.text.cues)


def test_words_questions_and_language() -> None:
    english = SENSOR.read("where is the castle that you made for me?")
    assert (english.words, english.questions, english.language) == (9, 1, "en")
    other = SENSOR.read("wo ist denn die burg \uff1f")
    assert (other.words, other.questions, other.language) == (5, 1, "de")


_VOCABULARY = sorted(default_lexicon().vocabulary)
_CHANCE = random.Random(5)
HOSTILE = {
    "empty": "",
    "NUL": "\0" * MAX_TEXT,
    "one letter": "a" * MAX_TEXT,
    "letters apart": "a " * (MAX_TEXT // 2),
    "digits": "1" * MAX_TEXT,
    "letters and digits": "a1" * (MAX_TEXT // 2),
    "letters and signs": "a@" * (MAX_TEXT // 2),
    "amounts": "$1" * (MAX_TEXT // 2),
    "known words": " ".join(_CHANCE.choice(_VOCABULARY) for _ in range(6000))[:MAX_TEXT],
    "phrases cut short": "i will send " * (MAX_TEXT // 12),
    "gaps": ("i will send this " + "all all ") * (MAX_TEXT // 25),
    "quoted threats": "he said i will send it to all your friends " * (MAX_TEXT // 43),
    "emoji": "\U0001f600" * MAX_TEXT,
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d" * (MAX_TEXT // 4),
    "right to left": "\u202e\u05e9\u05dc\u05d5\u05dd " * (MAX_TEXT // 6),
    "accents": "e" + "\u0301" * (MAX_TEXT - 1),
    "ligatures": "\ufdfa" * MAX_TEXT,
    "lookalikes": "\u0455\u0435nd m\u0435 \u0430 \u0440ic " * (MAX_TEXT // 14),
    "a very long word": "s" + "e" * MAX_TEXT + "nd",
    "every plane": "".join(
        chr(_CHANCE.choice((_CHANCE.randrange(0x20, 0xD800), _CHANCE.randrange(0xE000, 0x110000)))) for _ in range(MAX_TEXT)
    ),
    "a megabyte": "how old " * 131_072,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_read_to_its_end(text: str) -> None:
    """What is asked for at the very end is still found: nothing gives up on the way. The suite's time limit stands behind it."""
    got = SENSOR.read(text + "\n are your parents home?")
    assert "supervision_probe" in {cue.name for cue in got.cues}
    assert len(got.tail) <= TAIL
