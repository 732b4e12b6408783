"""Material for families: what the pages under `/family` show. Text and dates only; nothing about anybody.

It is data, one file a subject and language in `protect/family`, and these types are its schema: a misspelt field, an empty text or a list
that is too long is refused when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Line = Annotated[str, Meta(min_length=2, max_length=240)]
"""One idea, to be read on one screen of a phone."""
Lines = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=10)]
Key = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{1,30}$")]


class Ages(StrEnum):
    """The age bands of children who read, as `AgeBand` has them."""

    A7_9 = "7-9"
    A10_12 = "10-12"
    A13_15 = "13-15"
    A16_17 = "16-17"


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A misspelt field is an error."""


class Instead(Part, frozen=True, kw_only=True):
    """What is better left unsaid, and why or what to say in its place."""

    say: Line
    better: Line


class TalkCard(Part, frozen=True, kw_only=True):
    """How an adult begins to talk with a child of that age."""

    ages: Ages
    about: Line
    start: Lines
    """Sentences to begin with, as one would say them."""
    listen: Lines
    avoid: Annotated[tuple[Instead, ...], Meta(min_length=1, max_length=10)]
    end: Line
    """What to say last."""


class Rule(Part, frozen=True, kw_only=True):
    key: Key
    text: Line
    """In the voice of who promises it: `We...`, `I...`."""


class RuleGroup(Part, frozen=True, kw_only=True):
    key: Key
    title: Line
    rules: Annotated[tuple[Rule, ...], Meta(min_length=1, max_length=10)]


class Agreement(Part, frozen=True, kw_only=True):
    """What a family may choose from; what they write themselves stays on their device."""

    promise: Line
    """Always in it, and cannot be taken out: nobody is punished for telling."""
    group: Annotated[tuple[RuleGroup, ...], Meta(min_length=1, max_length=8)]


class AppFeature(Part, frozen=True, kw_only=True):
    """A kind of feature that many services have. No brand is named."""

    key: Key
    name: Line
    what: Line
    means: Lines
    """What it can mean, for good and for bad."""
    ask: Lines
    """Questions to ask a child, without accusing."""
    switch_on: Lines
    checked: date
    """When somebody last compared it with what services offer."""


class Answer(Part, frozen=True, kw_only=True):
    choice: Line
    feedback: Line
    """Kind whichever choice it is."""


class Situation(Part, frozen=True, kw_only=True):
    """ "What would you do?", to practise with."""

    key: Key
    ages: Annotated[tuple[Ages, ...], Meta(min_length=1)]
    story: Line
    answer: Annotated[tuple[Answer, ...], Meta(min_length=2, max_length=4)]
    remember: Line


class FamilyMaterial(Struct, frozen=True, kw_only=True):
    """All of one language."""

    cards: Mapping[Ages, TalkCard]
    agreement: Agreement
    features: Sequence[AppFeature]
    situations: Sequence[Situation]

    def practice(self, ages: Ages) -> tuple[Situation, ...]:
        """Those for that age, in the order of the file."""
        return tuple(one for one in self.situations if ages in one.ages)

    def stale(self, today: date, days: int = 365) -> tuple[str, ...]:
        """Keys of the features that nobody has looked at for longer than that."""
        return tuple(one.key for one in self.features if (today - one.checked).days > days)
