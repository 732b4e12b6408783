"""How hard the pages for young people and families are to read, by the one measure: `protect.reading`, as the messages are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nightlight.core.family import Ages
from nightlight.core.moment import Audience
from nightlight.protect.family import family_material
from nightlight.protect.interventions import ANY, GOALS, Row
from nightlight.protect.reading import measure
from nightlight.web.family.steps import Step
from nightlight.web.family.words import LANGUAGES, Reader, catalogue, words_of

PRACTICE: Mapping[Ages, Audience] = {
    Ages.A7_9: Audience.CHILD,
    Ages.A10_12: Audience.MIDDLE,
    Ages.A13_15: Audience.TEEN,
    Ages.A16_17: Audience.TEEN,
}
GUIDES: Mapping[str, Audience] = {"uneasy": Audience.MIDDLE, "worried": Audience.ADULT, "thoughts": Audience.ADULT}
"""For whom each short guide is written."""
_READ = r"(?:h|lead|ask|stop|words|\d+)"
"""What of a step is read as a text, buttons and labels aside."""


def pages() -> Iterator[Row]:
    """One row a step of `/with-you`, a situation to practise and a guide of the hub, and one for the family agreement; by language and
    reader. Titles count as sentences."""
    for language in LANGUAGES:
        yield from _help(language)
        yield from _practice(language)
        yield from _guides(language)
        agreement = family_material()[language].agreement
        rules = [text for group in agreement.group for text in (group.title, *(rule.text for rule in group.rules))]
        yield _row("family.agreement", language, ANY, Audience.MIDDLE, (agreement.promise, *rules))


def _help(language: str) -> Iterator[Row]:
    for reader in Reader:
        words = catalogue("help", language)[reader.value]
        for step in Step:
            parts = [words[key] for key in words if re.fullmatch(rf"{step.value}_{_READ}", key) or key == f"name_{step.value}"]
            yield _row(f"help.{step.value}", language, reader.value, Audience(reader.value), parts)


def _practice(language: str) -> Iterator[Row]:
    for ages, audience in PRACTICE.items():
        for one in family_material()[language].practice(ages):
            said = [text for answer in one.answer for text in (answer.choice, answer.feedback)]
            yield _row(f"practice.{one.key}", language, ages.value, audience, (one.story, *said, one.remember))


def _guides(language: str) -> Iterator[Row]:
    words: Mapping[str, Any] = words_of("guides", language)
    for name, audience in GUIDES.items():
        guide = words[name]
        parts = (guide["heading"], guide["lead"], *guide["steps"], *guide["signs"], guide["after"])
        yield _row(f"family.{name}", language, audience.value, audience, parts)


def _row(key: str, language: str, reader: str, audience: Audience, parts: Iterable[str]) -> Row:
    # What stands alone is a sentence of its own, whether or not a stop stands after it.
    text = " ".join(part if re.search(r"[.?!]\W*$", part) else f"{part}." for part in parts)
    plain = text.replace("{service}", "app").replace("{until}", "")
    return Row(key=key, language=language, reader=reader, reading=measure(plain, language), goal=GOALS[audience])
