"""Conversation cards, the family agreement, kinds of features and practice: `<subject>.<language>.toml`, read into `core.family` types.

Nothing here is code but the reading. Every language has the same entries in the same order; a test holds them equal, short and kind.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from nightlight.core.family import Ages, Agreement, AppFeature, FamilyMaterial, Situation, TalkCard
from nightlight.protect.catalogue import LANGUAGES

T = TypeVar("T")
SUBJECTS = ("cards", "agreement", "features", "practice")


class _Cards(Struct, frozen=True, forbid_unknown_fields=True):
    card: tuple[TalkCard, ...]


class _Features(Struct, frozen=True, forbid_unknown_fields=True):
    feature: tuple[AppFeature, ...]


class _Practice(Struct, frozen=True, forbid_unknown_fields=True):
    situation: tuple[Situation, ...]


@cache
def family_material() -> Mapping[str, FamilyMaterial]:
    """By language. Raises msgspec.ValidationError naming the place where a file does not fit its schema."""
    return {language: read_material(lambda subject, tag=language: text_of(subject, tag)) for language in LANGUAGES}


def text_of(subject: str, language: str) -> str:
    return files("nightlight.protect.family").joinpath(f"{subject}.{language}.toml").read_text("utf-8")


def read_material(text: Any) -> FamilyMaterial:
    """The material of one language; `text(subject)` is the TOML of each of `SUBJECTS`.

    Raises msgspec.ValidationError where a file does not fit, an age has no card or no practice, or a key stands twice.
    """
    cards = _parse(text("cards"), _Cards).card
    features = _parse(text("features"), _Features).feature
    situations = _parse(text("practice"), _Practice).situation
    agreement = _parse(text("agreement"), Agreement)
    found = FamilyMaterial(cards={card.ages: card for card in cards}, agreement=agreement, features=features, situations=situations)
    if list(found.cards) != list(Ages) or len(cards) != len(Ages):
        raise msgspec.ValidationError("cards: one for each age, the youngest first")
    for age in Ages:
        if not found.practice(age):
            raise msgspec.ValidationError(f"practice: nothing for {age}")
    _once("features", [one.key for one in features])
    _once("practice", [one.key for one in situations])
    _once("agreement", [rule.key for group in agreement.group for rule in group.rules])
    _once("agreement", [group.key for group in agreement.group])
    return found


def _parse(text: str, kind: type[T]) -> T:
    return msgspec.convert(tomllib.loads(text), kind)


def _once(subject: str, keys: list[str]) -> None:
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise msgspec.ValidationError(f"{subject}: twice: {', '.join(twice)}")
