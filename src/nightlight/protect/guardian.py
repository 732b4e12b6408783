"""Counts and settings as the document that a child sees first and a guardian sees identically. A pure function of what it is given."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import UNSET, Struct

from nightlight.core.guardian import Counted, NewSummary, Setting, Summary, SummaryLine, Value


class GuardianWords(Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    intro: str
    counts_title: str
    settings_title: str
    notes: tuple[str, ...]
    counts: dict[Counted, str]
    settings: dict[Setting, str]
    values: dict[Value, str]


@cache
def guardian_words(language: str) -> GuardianWords:
    text = files("nightlight.protect").joinpath("words", f"guardian.{language}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), GuardianWords)


def summarise(new: NewSummary) -> Summary:
    """Lines in the order of the lists, whatever order they came in; nothing is rounded, compared or judged."""
    words = guardian_words(new.language)
    counted = {key: getattr(new.counts, key.value) for key in Counted}
    chosen = {key: getattr(new.settings, key.value) for key in Setting}
    return Summary(
        language=new.language,
        title=words.title,
        intro=words.intro,
        since=new.since,
        days=new.days,
        counts_title=words.counts_title,
        counts=tuple(SummaryLine(key, words.counts[key], str(value)) for key, value in counted.items() if value is not UNSET),
        settings_title=words.settings_title,
        settings=tuple(SummaryLine(key, words.settings[key], words.values[value]) for key, value in chosen.items() if value is not UNSET),
        notes=words.notes,
    )
