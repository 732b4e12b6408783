"""The words at moments of decision: whole in every language and for every reader, readable, kind, and blaming nobody."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import msgspec
import pytest

from nightlight.core.catalogue import ChoiceKind
from nightlight.core.decision import SAFE
from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand
from nightlight.core.moment import READERS, Audience, Situation, Unmet
from nightlight.protect import LANGUAGES, catalogue, moments
from nightlight.protect.interventions import GOALS, _Places, read, readings, schema
from tests.protect.test_catalogue import BLAMING, EXTORTION, texts

WORDS = files("nightlight.protect").joinpath("words")
EVERY = [(language, situation, reader) for language in LANGUAGES for situation in Situation for reader in Audience]
ENGLISH = WORDS.joinpath("moments.en.toml").read_text("utf-8")
PLACES = msgspec.convert(tomllib.loads(WORDS.joinpath("moments.toml").read_text("utf-8")), _Places).moment


def test_every_message_is_there_in_every_variant_and_no_two_are_alike() -> None:
    assert len(EVERY) == 9 * 4 * 2
    bodies = {moments()[language][situation].words[reader].body for language, situation, reader in EVERY}
    assert len(bodies) == len(EVERY)
    for language in LANGUAGES:
        for situation, moment in moments()[language].items():
            assert moment.choices == moments()["en"][situation].choices
            for words in moment.words.values():
                assert tuple(c.kind for c in words.choices) == moment.choices
                assert all(text.strip() == text and text for text in texts(words))


@pytest.mark.parametrize(
    ("was", "becomes", "named"),
    [
        (r'reader\."7-10" = \{ title = "It isn.*?\n', "", "threat"),
        (r'\[moment\.threat\](.|\n)*', "", "threat"),
        (r'labels = \{ stop = "Don.t share it", ', "labels = { ", "sharing_location"),
        (r'stop = "Don.t share it"', 'stop = "Don\'t", later = "Later"', "sharing_location"),
        (r'leave = "Leave now"', 'leave = ""', "moments.en"),
        (r'reader\.adult = \{ title = "This is a new contact"', 'reader.elder = { title = "x"', "moments.en"),
        (r'title = "Stop for a moment"', 'titel = "Stop for a moment"', "moments.en"),
        (r"\[moment\.threat\]", "[moment.threats]", "moments.en"),
    ],
)  # fmt: skip
def test_a_missing_or_misspelt_part_is_found_and_named(was: str, becomes: str, named: str) -> None:
    assert read(ENGLISH, PLACES, "en")
    changed, count = re.subn(was, lambda _: becomes, ENGLISH, count=1)
    assert count == 1
    with pytest.raises(Invalid) as caught:
        read(changed, PLACES, "en")
    assert named in str(caught.value.field)


@pytest.mark.parametrize("row", list(readings()), ids=lambda row: f"{row.key}-{row.language}-{row.reader}")
def test_each_is_as_easy_as_its_reader_needs(row: object) -> None:
    assert row.within, row  # type: ignore[attr-defined]  # parametrized by what `readings` gives


def test_the_goals_are_those_that_are_documented() -> None:
    assert (GOALS[Audience.CHILD], GOALS[Audience.MIDDLE]) == (9, 11)
    rows = list(readings())
    assert len(rows) == len(EVERY) + sum(len(messages) for messages in catalogue().values())
    assert {row.goal for row in rows if row.reader == "any"} == {11}


@pytest.mark.parametrize(("language", "situation", "reader"), EVERY)
def test_no_word_blames_frightens_or_sends_to_a_parent(language: str, situation: Situation, reader: Audience) -> None:
    words = moments()[language][situation].words[reader]
    for text in texts(words):
        assert not BLAMING.search(text), text
        assert not re.search(r"\d|https?:|www\.|@", text), "a number or an address is the operator's"
        assert not re.search(r"(?i)\b(your parents|tus padres|mum|mom|dad|mam\u00e1|pap\u00e1)\b", text), "a parent may be the one"
        assert not re.search(r"(?i)\byou sent\b|enviaste|illegal|ilegal|police|polic\u00eda|naked|nude|desnud", text)
    assert len(words.title) <= 50 and len(words.body) <= 330 and all(len(c.label) <= 45 for c in words.choices)


def test_a_child_is_never_left_alone_with_it() -> None:
    trust = {"en": "you trust", "es": "confía"}
    for language in LANGUAGES:
        for situation in Situation:
            moment = moments()[language][situation]
            assert ChoiceKind.ADULT in moment.choices
            body = moment.words[Audience.CHILD].body
            assert trust[language] in body or "confi" in body, (language, situation)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("situation", [Situation.THREAT, Situation.PAYMENT_DEMAND])
@pytest.mark.parametrize("reader", list(Audience))
def test_who_is_extorted_reads_the_four_things(language: str, situation: Situation, reader: Audience) -> None:
    words = moments()[language][situation].words[reader]
    said = f"{words.title} {words.body}".lower()
    for part in EXTORTION[language][:3]:
        assert part.lower() in said
    assert ("talk to some" if language == "en" else "habla") in said
    assert {ChoiceKind.HELPLINE, ChoiceKind.KEEP} <= set(moments()[language][situation].choices)


def test_an_act_waits_where_something_would_leave_or_be_uncovered_and_each_has_a_safe_way() -> None:
    acts = {Situation.SENDING_PICTURE, Situation.PICTURE_RECEIVED, Situation.SHARING_LOCATION}
    for situation, moment in moments()["en"].items():
        assert moment.waits is (Unmet.ACT if situation in acts else Unmet.MESSAGE)
        assert moment.show == SAFE
        if situation in acts:
            assert moment.choices[0] is ChoiceKind.STOP and moment.choices[-1] is ChoiceKind.GO_ON
        else:
            assert moment.choices[-1] is ChoiceKind.LATER and ChoiceKind.GO_ON not in moment.choices
    assert len(moments()["en"][Situation.SENDING_PICTURE].choices) == 3


def test_every_age_band_has_words_that_its_youngest_can_read() -> None:
    assert set(READERS) == set(AgeBand)
    for band, reader in READERS.items():
        if band.is_minor and band is not AgeBand.A0_6:
            # A band goes to the reader whose youngest is no older than its own.
            assert int(reader.value.split("-")[0]) <= int(band.value.split("-")[0])
    assert READERS[AgeBand.UNKNOWN] not in (Audience.ADULT, Audience.TEEN)


def test_the_schema_that_ships_is_that_of_the_code_and_fits_the_files() -> None:
    assert msgspec.json.decode(WORDS.joinpath("moments.schema.json").read_bytes()) == schema()
    required = schema()["$defs"]["_File"]["properties"]["moment"]["required"]
    for language in LANGUAGES:
        raw = tomllib.loads(WORDS.joinpath(f"moments.{language}.toml").read_text("utf-8"))
        assert set(raw["moment"]) == set(required)
