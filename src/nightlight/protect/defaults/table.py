"""Reads and checks the tables of defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand
from nightlight.core.protections import FeatureName, Grade, Value

FILES: Mapping[str, str] = {"GB": "gb.toml", "EU": "eu.toml", "US": "us.toml", "BR": "br.toml", "AU": "au.toml"}
"""By place."""
BANDS: tuple[AgeBand, ...] = tuple(band for band in AgeBand if band is not AgeBand.UNKNOWN)

T = TypeVar("T")


class Text(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    en: Annotated[str, Meta(min_length=3, max_length=300)]
    es: Annotated[str, Meta(min_length=3, max_length=300)]


class Feature(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: FeatureName
    grade: Grade
    values: Annotated[tuple[Value, ...], Meta(min_length=2, max_length=8)]
    """The most protective first."""
    about: Text
    reason: Text
    default: dict[AgeBand, Value]
    """For every band but unknown."""
    child_may_change: tuple[AgeBand, ...] = ()
    guardian: tuple[AgeBand, ...] = ()
    """Where a guardian must agree to less."""
    source: Annotated[str, Meta(min_length=3, max_length=300)]


class General(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    feature: tuple[Feature, ...]


class PlaceRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    feature: FeatureName
    default: dict[AgeBand, Value] = {}
    fixed: tuple[AgeBand, ...] = ()
    """Where a child may not change it themselves."""
    guardian: tuple[AgeBand, ...] = ()
    source: Annotated[str, Meta(min_length=3, max_length=300)]

    @property
    def bands(self) -> frozenset[AgeBand]:
        return frozenset((*self.default, *self.fixed, *self.guardian))


class PlaceTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    place: str
    self_declared_counts: bool = True
    """False: an age that only the person themselves states is no age here."""
    rule: tuple[PlaceRule, ...]


def load_general(text: str, filename: str) -> General:
    """Raises Invalid naming the file and the feature."""
    table = _read(text, filename, General)
    names = [feature.name for feature in table.feature]
    if len(set(names)) != len(names):
        raise Invalid(f"{filename}: a feature stands there twice")
    for feature in table.feature:
        where = f"{filename}: {feature.name}"
        if set(feature.default) != set(BANDS):
            raise Invalid(f"{where}: default needs every band but unknown")
        _check_values(feature, feature.default, where)
        ranks = [feature.values.index(feature.default[band]) for band in BANDS]
        if ranks != sorted(ranks):
            raise Invalid(f"{where}: a younger child is never less protected than an older one")
    return table


def load_place(text: str, filename: str, general: General) -> PlaceTable:
    """Raises Invalid naming the file and the feature."""
    table = _read(text, filename, PlaceTable)
    features = {feature.name: feature for feature in general.feature}
    for rule in table.rule:
        where = f"{filename}: {rule.feature}"
        if rule.feature not in features:
            raise Invalid(f"{where}: there is no such feature")
        if not rule.bands or AgeBand.UNKNOWN in rule.bands:
            raise Invalid(f"{where}: it rules on no age, or on an unknown one, which follows from the others")
        _check_values(features[rule.feature], rule.default, where)
    return table


def _check_values(feature: Feature, given: Mapping[AgeBand, str], where: str) -> None:
    for band, value in given.items():
        if value not in feature.values:
            raise Invalid(f"{where}: {band}: {value!r} is not one of {', '.join(feature.values)}")


def _read(text: str, filename: str, kind: type[T]) -> T:
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(f"{filename}: {error}") from None


@cache
def shipped() -> tuple[General, Mapping[str, PlaceTable]]:
    """The tables that come with the software."""
    folder = files("nightlight.protect").joinpath("defaults", "data")
    general = load_general(folder.joinpath("general.toml").read_text("utf-8"), "general.toml")
    return general, {place: load_place(folder.joinpath(name).read_text("utf-8"), name, general) for place, name in FILES.items()}
