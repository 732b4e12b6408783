"""Warnings at the moment of decision: what a person reads when a picture is about to leave, when somebody asks for a secret, when money
is demanded.

`words/moments.toml` says of each situation which choices are offered and how its words may be shown; `words/moments.<language>.toml` has
the words, for each reader. `words/moments.schema.json` is the schema of the latter, made from the types here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nightlight.core.catalogue import Choice, ChoiceKind, Words
from nightlight.core.decision import SAFE, Display
from nightlight.core.errors import Invalid
from nightlight.core.moment import Audience, Moment, Moments, Situation, Unmet
from nightlight.protect.catalogue import LANGUAGES, catalogue
from nightlight.protect.reading import Reading, measure

GOALS: Mapping[Audience, int] = {Audience.CHILD: 9, Audience.MIDDLE: 11, Audience.TEEN: 14, Audience.ADULT: 14}
"""Years of age at which the words for a reader are to be readable, by the formulas of `reading`."""

ANY = "any"
"""Messages that follow from a decision have one text for every reader, so it is to be one for eleven years."""

_Line = Annotated[str, Meta(min_length=1, max_length=60)]
_Body = Annotated[str, Meta(min_length=1, max_length=330)]


class _Text(Struct, frozen=True, forbid_unknown_fields=True):
    title: _Line
    body: _Body


class _Spoken(Struct, frozen=True, forbid_unknown_fields=True):
    labels: dict[ChoiceKind, _Line]
    reader: dict[Audience, _Text]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The words of one language."""

    leave: _Line
    moment: dict[Situation, _Spoken]


class _Placed(Struct, frozen=True, forbid_unknown_fields=True):
    choices: tuple[ChoiceKind, ...]
    waits: Unmet
    show: Display = SAFE


class _Places(Struct, frozen=True, forbid_unknown_fields=True):
    moment: dict[Situation, _Placed]


@cache
def moments() -> Moments:
    """Every moment in every language. Raises Invalid naming what is missing or left over."""
    places = msgspec.convert(tomllib.loads(_text("moments.toml")), _Places)
    return {language: read(_text(f"moments.{language}.toml"), places.moment, language) for language in LANGUAGES}


def read(text: str, places: Mapping[Situation, _Placed], language: str) -> Mapping[Situation, Moment]:
    """The words of a language, whole. Raises Invalid naming the language, the situation and the reader."""
    try:
        found = msgspec.convert(tomllib.loads(text), _File)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise Invalid(str(error), field=f"moments.{language}") from None
    out = {}
    for situation in Situation:
        where = f"moments.{language}.{situation.value}"
        if situation not in found.moment or situation not in places:
            raise Invalid("this situation is missing", field=where)
        spoken, placed = found.moment[situation], places[situation]
        if missing := [reader.value for reader in Audience if reader not in spoken.reader]:
            raise Invalid(f"there are no words for {', '.join(missing)}", field=where)
        if set(spoken.labels) != set(placed.choices):
            raise Invalid(f"the labels are to be those of {', '.join(placed.choices)}", field=where)
        choices = tuple(Choice(kind, spoken.labels[kind]) for kind in placed.choices)
        out[situation] = Moment(
            choices=placed.choices,
            waits=placed.waits,
            show=placed.show,
            words={
                reader: Words(title=(t := spoken.reader[reader]).title, body=t.body, choices=choices, leave=found.leave)
                for reader in Audience
            },
        )
    return out


def schema() -> dict[str, Any]:
    """JSON Schema of `moments.<language>.toml`, for editors and translators."""
    whole = msgspec.json.schema(_File)
    definitions = whole["$defs"]
    # Every situation and every reader must be there, which the types alone do not say.
    definitions["_File"]["properties"]["moment"] |= {"required": [s.value for s in Situation]}
    definitions["_Spoken"]["properties"]["reader"] |= {"required": [r.value for r in Audience]}
    return whole


class Row(Struct, frozen=True, kw_only=True):
    """How one text reads."""

    key: str
    language: str
    reader: str
    reading: Reading
    goal: int

    @property
    def within(self) -> bool:
        return self.reading.age <= self.goal


def readings() -> Iterator[Row]:
    """One row a moment, language and reader, then one a message of the catalogue: title and body read as one text."""
    for language, by_situation in moments().items():
        for situation, moment in by_situation.items():
            for reader, words in moment.words.items():
                found = measure(_as_text(words), language)
                yield Row(key=situation.key, language=language, reader=reader.value, reading=found, goal=GOALS[reader])
    for language, messages in catalogue().items():
        for key, words in messages.items():
            yield Row(key=key, language=language, reader=ANY, reading=measure(_as_text(words), language), goal=GOALS[Audience.MIDDLE])


def _as_text(words: Words) -> str:
    # A title is a sentence of its own, whether or not a stop stands after it.
    title = words.title if words.title.endswith((".", "?", "!")) else words.title + "."
    return f"{title} {words.body}"


def _text(name: str) -> str:
    return files("nightlight.protect").joinpath("words", name).read_text("utf-8")
