"""What a search is answered with, by category: a table that an operator may replace, and a lawyer can read."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nightlight.core.decision import Helpline
from nightlight.core.deterrence import Name, SearchAction
from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand
from nightlight.core.helplines import HelplineBook, Need

FILE = "deterrence.toml"
_STRENGTH = {SearchAction.BLOCK: 2, SearchAction.WARN: 1, SearchAction.NONE: 0}


class Category(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    action: SearchAction
    message: str
    """Key of the message catalogue."""
    young: str = "search.young"
    """What a child reads in its place."""
    about: str
    """What belongs in it, in one sentence, without an example."""


class AnswerTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    category: Annotated[dict[Name, Category], Meta(min_length=1, max_length=50)]
    """In the order of precedence among those of one action."""

    def strongest(self, met: Collection[str]) -> str | None:
        """Of several categories the one to answer with; None where the table has none of them."""
        there = [name for name in self.category if name in met]
        return max(there, key=lambda name: _STRENGTH[self.category[name].action], default=None)

    def message(self, category: str, age: AgeBand) -> str:
        """A child reads words for a child; unknown age, those that suit both."""
        own = self.category[category]
        return own.young if age.is_minor else own.message


def helplines_for(age: AgeBand, place: str | None, own: Sequence[Helpline], book: HelplineBook) -> tuple[Helpline, ...]:
    """The operator's `own` are for young people and come before those of the book; within each, those of the reader's place. Who is not
    known to be a child is shown what is there for people who are worried about themselves, and where the age is unknown both."""
    country = None if place is None else place[:2]
    found: list[Helpline] = []
    if not age.is_minor:
        found += _of(book, Need.OWN_THOUGHTS, place)
    if age is not AgeBand.ADULT:
        fits = [h for h in own if h.place is None or country is None or h.place[:2] == country]
        found += [*sorted(fits, key=lambda h: h.place is None), *_of(book, Need.CHILD, place)]
    return tuple(found)


def _of(book: HelplineBook, need: Need, place: str | None) -> list[Helpline]:
    return [Helpline(name=line.name, contact=line.contact, place=line.place) for line in book.lines(place, need)]


def load_table(text: str, name: str, messages: Collection[str]) -> AnswerTable:
    """Raises Invalid naming `name` and the key. `messages`: the keys that the catalogue has."""
    try:
        table = msgspec.convert(tomllib.loads(text), AnswerTable)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(str(error), field=name) from None
    for category, told in table.category.items():
        for key in (told.message, told.young):
            if key not in messages:
                raise Invalid(f"category.{category}: the catalogue has no message {key!r}", field=name)
    return table


@cache
def shipped_text() -> str:
    return files("nightlight.protect.deterrence").joinpath(FILE).read_text("utf-8")


def shipped_table(messages: Collection[str]) -> AnswerTable:
    return load_table(shipped_text(), FILE, messages)
