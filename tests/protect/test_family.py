"""The material for families: the same in each language, short enough to be read, blameless, and none of it forgotten for years."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import msgspec
import pytest

from nightlight.core.family import Ages
from nightlight.protect import LANGUAGES
from nightlight.protect.family import SUBJECTS, family_material, read_material, text_of

BLAMING = re.compile(
    r"complied|willing|consented|relationship|self.generated|you sent|you should have|naked|nude|porn|shame"
    r"|enviaste|deber[ií]as haber|no debiste|desnud|verg[uü]enza|autogenerad|consinti",
    re.IGNORECASE,
)
LONGEST = {Ages.A7_9: 15, Ages.A10_12: 21, Ages.A13_15: 23, Ages.A16_17: 23}
MEAN = {Ages.A7_9: 8.0, Ages.A10_12: 9.0, Ages.A13_15: 9.5, Ages.A16_17: 10.0}
"""Words a sentence of what children read. Set from what was written, so that it does not grow; not tested with children."""


def leaves(raw: Any, at: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(raw, Mapping):
        for key, inner in raw.items():
            yield from leaves(inner, f"{at}.{key}")
    elif isinstance(raw, list):
        for place, inner in enumerate(raw):
            yield from leaves(inner, f"{at}[{place}]")
    else:
        yield at, str(raw)


def texts(subject: str, language: str) -> dict[str, str]:
    return dict(leaves(tomllib.loads(text_of(subject, language))))


def sentences(text: str) -> list[int]:
    return [len(found) for part in re.split(r"[.!?:;]+(?:\s|$)", text) if (found := re.findall(r"[\w'-]+", part))]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_each_language_has_the_same_entries(subject: str) -> None:
    en, es = (texts(subject, language) for language in LANGUAGES)
    assert list(en) == list(es)
    fixed = {key for key in en if re.search(r"\.(key|ages|checked)(\[\d\])?$", key)}
    assert all(en[key] == es[key] for key in fixed)
    assert all(en[key] != es[key] for key in set(en) - fixed)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_blames(subject: str, language: str) -> None:
    for key, text in texts(subject, language).items():
        assert not BLAMING.search(text), key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("ages", list(Ages))
def test_what_children_read_is_short(language: str, ages: Ages) -> None:
    found = family_material()[language].practice(ages)
    assert len(found) >= 3
    counts = [
        n
        for one in found
        for text in (one.story, one.remember, *(t for a in one.answer for t in (a.choice, a.feedback)))
        for n in sentences(text)
    ]
    assert max(counts) <= LONGEST[ages]
    assert sum(counts) / len(counts) <= MEAN[ages]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_promise_is_always_there(language: str) -> None:
    promise = family_material()[language].agreement.promise
    assert {"en": "not be punished for telling", "es": "No se te castigará por contarlo"}[language] in promise


def test_what_nobody_has_looked_at_for_a_year_is_named() -> None:
    material = family_material()["en"]
    assert material.stale(date(2027, 11, 23)) == ()
    assert len(material.stale(date(2027, 11, 24))) == len(material.features)


def test_a_file_that_does_not_fit_is_refused() -> None:
    for subject, before, after in (
        ("cards", 'ages = "7-9"', 'ages = "7-8"'),
        ("cards", 'ages = "7-9"', 'ages = "10-12"'),
        ("features", 'name = "Location and maps"', 'title = "Location and maps"'),
        ("features", 'key = "groups"', 'key = "messages"'),
        ("features", "checked = 2026-11-23", 'checked = "lately"'),
        ("practice", 'key = "meet"', 'key = "coins"'),
        ("practice", '["7-9"]', '["16-17"]'),
        ("practice", '["7-9", "10-12"]', "[]"),
        ("agreement", "promise =", "promises ="),
    ):
        text = text_of(subject, "en")
        assert before in text
        changed = text.replace(before, after) if before == '["7-9"]' else text.replace(before, after, 1)
        if before == '["7-9"]':
            changed = changed.replace('["7-9", "10-12"]', '["10-12"]')
        with pytest.raises(msgspec.ValidationError):
            read_material(lambda name, subject=subject, changed=changed: changed if name == subject else text_of(name, "en"))
