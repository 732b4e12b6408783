"""Which authority a report goes to: by where the service is established and where its users are, from an allow-list and never beyond it."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable
from datetime import date
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from nightlight.core.casefile import CaseFile, Role
from nightlight.core.errors import Invalid

Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]


class Authority(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]
    name: Annotated[str, Meta(min_length=3, max_length=200)]
    channel: Literal["cybertipline", "manual"]
    basis: Annotated[str, Meta(min_length=3, max_length=600)]
    reviewed: date
    establishment: tuple[Country, ...] = ()
    places: tuple[Country, ...] = ()
    takes_abroad: bool = False
    passes_on: bool = False
    confirmed_by: str | None = None


class Route(Struct, frozen=True, kw_only=True):
    authority: Authority
    why: Literal["establishment", "takes_abroad", "users"]
    duty: bool
    """The law of the establishment asks for it; else it is the service's choice."""


class Routing(Struct, frozen=True, kw_only=True):
    to: tuple[Route, ...]
    """The one by establishment first. Empty: the case fails visibly, because nobody may be told."""
    not_allowed: tuple[Route, ...] = ()
    """Those that the table names and the operator has not allowed: a person must decide, or file by hand."""

    @property
    def owed(self) -> tuple[Route, ...]:
        """Duties that the allow-list keeps from being met."""
        return tuple(one for one in self.not_allowed if one.duty)


def load_authorities(text: str, filename: str) -> tuple[Authority, ...]:
    """Raises Invalid naming the file."""
    try:
        table = msgspec.convert(tomllib.loads(text), _Table)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(f"{filename}: {error}") from None
    ids = [one.id for one in table.authority]
    if len(set(ids)) != len(ids):
        raise Invalid(f"{filename}: an authority stands there twice")
    return table.authority


def shipped_authorities() -> tuple[Authority, ...]:
    return load_authorities(files("nightlight.reporting").joinpath("authorities.toml").read_text("utf-8"), "authorities.toml")


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    authority: tuple[Authority, ...]


def route(establishment: str, places: Iterable[str | None], allowed: Collection[str], table: Iterable[Authority]) -> Routing:
    """Whom to tell. `places`: of the users concerned, with or without subdivision; None is unknown and routes nowhere.

    By establishment; where no authority has the service's country, those that take reports from anywhere; and of the users' places those
    that take them, unless somebody who is told already passes reports on to other countries.
    """
    table = tuple(table)
    countries = {place[:2] for place in places if place}
    found = [Route(authority=one, why="establishment", duty=True) for one in table if establishment[:2] in one.establishment]
    if not any(one.authority.id in allowed and one.authority.channel != "manual" for one in found):
        # Nothing is sent by machine there: whoever takes reports from anywhere gets one as well.
        found += [Route(authority=one, why="takes_abroad", duty=False) for one in table if one.takes_abroad and _new(one, found)]
    passed_on = any(one.authority.passes_on and one.authority.id in allowed for one in found)
    if not passed_on:
        found += [Route(authority=one, why="users", duty=False) for one in table if countries & set(one.places) and _new(one, found)]
    return Routing(
        to=tuple(one for one in found if one.authority.id in allowed),
        not_allowed=tuple(one for one in found if one.authority.id not in allowed),
    )


def route_case(file: CaseFile, allowed: Collection[str], table: Iterable[Authority]) -> Routing:
    """By the places of the reported account and of the children."""
    concerned = (party for party in file.parties if party.role in (Role.SUSPECT, Role.CHILD) and party.place is not None)
    return route(file.service.establishment, [party.place.country for party in concerned if party.place is not None], allowed, table)


def _new(authority: Authority, found: Iterable[Route]) -> bool:
    return all(one.authority.id != authority.id for one in found)
