"""Reads and checks the table of gates."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance, Party, Relation
from nightlight.core.gates import Gate, Outcome, Shown
from nightlight.protect.places import NAMED

FILE = "policy.toml"


class PairKind(StrEnum):
    """How two people stand to each other by age, and by how that is known."""

    ADULTS = "adults"
    PEERS = "peers"
    APART = "apart"
    UNASSURED = "unassured"
    ADULT = "adult"
    UNASSURED_ADULT = "unassured_adult"


GUARDED = (PairKind.UNASSURED, PairKind.ADULT, PairKind.UNASSURED_ADULT)
"""Where one may be a minor and the other is, or may be, an adult."""

COLUMNS: Mapping[Relation, int] = {
    Relation.STRANGER: 0,
    Relation.UNKNOWN: 0,
    Relation.CONTACT: 1,
    Relation.TRUSTED: 2,
    Relation.FAMILY: 3,
}
"""Of a row."""

MINORS: tuple[AgeBand, ...] = tuple(band for band in AgeBand if band.is_minor)
_ORDER = {band: number for number, band in enumerate(MINORS)}

Row = Annotated[tuple[Outcome, ...], Meta(min_length=4, max_length=4)]
Rows = dict[PairKind, Row]


class Youngest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bands: tuple[AgeBand, ...]


class AtPlace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    contacts: Rows = {}
    gifts: Rows = {}
    groups: Rows = {}
    recommendations: Rows = {}
    visibility: dict[Shown, Rows] = {}


class PairingRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two who stand to each other like this may become trusted contacts."""

    pair: PairKind
    assurance: tuple[Assurance, ...] = ()
    """How an adult's age must be known, where the other may be a minor. Empty: any way."""
    guardian_bands: tuple[AgeBand, ...] = ()
    """A guardian of a minor in one of these must have agreed."""


class Pairing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    minutes: Annotated[int, Meta(ge=1, le=60)]
    tries: Annotated[int, Meta(ge=1, le=20)]
    tries_minutes: Annotated[int, Meta(ge=1, le=1440)]
    offers: Annotated[int, Meta(ge=1, le=1000)]
    rule: tuple[PairingRule, ...]

    @property
    def good_for(self) -> timedelta:
        return timedelta(minutes=self.minutes)


class GatePolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    contacts: Rows
    gifts: Rows
    groups: Rows
    recommendations: Rows
    visibility: dict[Shown, Rows]
    youngest: Youngest
    pairing: Pairing
    place: dict[str, AtPlace] = {}

    def tables(self) -> Iterator[tuple[Gate, Shown | None]]:
        yield from ((gate, None) for gate in Gate if gate is not Gate.VISIBILITY)
        yield from ((Gate.VISIBILITY, shown) for shown in Shown)

    def rows(self, gate: Gate, shown: Shown | None, place: str | None = None) -> Rows:
        """As written: of everywhere, or of one place alone (empty where it has none)."""
        at: GatePolicy | AtPlace = self if place is None else self.place.get(place, AtPlace())
        if gate is Gate.VISIBILITY:
            return at.visibility.get(shown, {}) if shown is not None else {}
        rows: Rows = getattr(at, gate.value)
        return rows


def kind_of(a: Party, b: Party) -> PairKind:
    """How two parties stand to each other; the same in both directions."""
    if not a.may_be_minor and not b.may_be_minor:
        return PairKind.ADULTS
    for one in (a, b):
        if one.age_band is AgeBand.ADULT:
            return PairKind.ADULT if one.assurance.is_assured else PairKind.UNASSURED_ADULT
    if a.may_be_adult or b.may_be_adult:
        return PairKind.UNASSURED
    return PairKind.PEERS if abs(_ORDER[a.age_band] - _ORDER[b.age_band]) <= 1 else PairKind.APART


def load_policy(text: str, filename: str) -> GatePolicy:
    """The table in a TOML text. Raises Invalid naming the file, and what in it.

    However it was changed, a table by which an adult, or somebody whose age nobody vouches for, reaches a child whom they do not know,
    or more than asks one whom they are merely connected to, is refused.
    """
    try:
        policy = msgspec.convert(tomllib.loads(text), GatePolicy)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(f"{filename}: {error}") from None
    for name in policy.place:
        if name not in NAMED:
            raise Invalid(f"{filename}: place.{name}: one of {', '.join(NAMED)}")
    for gate, shown in policy.tables():
        _check(policy.rows(gate, shown), f"{filename}: {_called(gate, shown)}", gate)
    return policy


def _check(rows: Rows, where: str, gate: Gate) -> None:
    for kind in PairKind:
        if kind not in rows and not (kind is PairKind.ADULTS and gate is Gate.VISIBILITY):
            raise Invalid(f"{where}: {kind} is missing")
    for kind in GUARDED:
        stranger, contact = rows[kind][0], rows[kind][1]
        if stranger is not Outcome.REFUSE:
            raise Invalid(f"{where}.{kind}: a stranger who is or may be an adult is refused")
        if contact is Outcome.ALLOW:
            raise Invalid(f"{where}.{kind}: a connection alone opens nothing to somebody who is or may be an adult")
        if gate is Gate.RECOMMENDATIONS and any(outcome is not Outcome.REFUSE for outcome in rows[kind]):
            raise Invalid(f"{where}.{kind}: adults are never suggested to children, nor children to adults")
    for kind in (PairKind.UNASSURED, PairKind.UNASSURED_ADULT):
        if Outcome.ALLOW in rows[kind]:
            raise Invalid(f"{where}.{kind}: without anybody who vouches for an age nothing is open")


def _called(gate: Gate, shown: Shown | None) -> str:
    return gate.value if shown is None else f"{gate.value}.{shown.value}"


@cache
def shipped_policy() -> GatePolicy:
    """The table that comes with the software."""
    return load_policy(files("nightlight.protect").joinpath("gates", FILE).read_text("utf-8"), FILE)
