"""Reads the table of retention clocks, and says what it means for one case."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid
from nightlight.core.vault import Clock, ClockStart

EVERYWHERE = "*"
_PLACE = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
Days = Annotated[int, Meta(ge=1, le=36_525)]


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """One clock of the table."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
    kind: Literal["duty", "limit"]
    places: tuple[str, ...]
    start: ClockStart
    days: Days
    law: Annotated[str, Meta(min_length=3, max_length=600)]
    reviewed: date
    confirmed_by: str | None = None


class Default(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"start": "from"}):
    start: ClockStart = ClockStart.OPENED
    days: Days = 180


class ClockTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    regions: dict[str, tuple[str, ...]] = {}
    default: Default = Default()
    clock: tuple[Rule, ...] = ()

    def applying(self, starts: Mapping[ClockStart, datetime], places: Sequence[str]) -> tuple[Clock, ...]:
        """The clocks that run for a case with those places."""
        there = {p for place in places for p in (place, place.partition("-")[0])}
        return tuple(
            Clock(name=r.name, law=r.law, until=starts[r.start] + timedelta(days=r.days), duty=r.kind == "duty")
            for r in self.clock
            if r.start in starts and (EVERYWHERE in r.places or not there.isdisjoint(self._places(r)))
        )

    def keep_until(self, starts: Mapping[ClockStart, datetime], places: Sequence[str]) -> datetime:
        """When the clocks let go of it: the last duty, or else the default, cut short by the first limit."""
        clocks = self.applying(starts, places)
        if duties := [c.until for c in clocks if c.duty]:
            return max(duties)
        usual = starts.get(self.default.start, starts[ClockStart.OPENED]) + timedelta(days=self.default.days)
        return min([usual, *(c.until for c in clocks)])

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Names of the clocks that nobody at the operator stands behind."""
        return tuple(r.name for r in self.clock if not r.confirmed_by)

    def _places(self, rule: Rule) -> set[str]:
        return {p for name in rule.places for p in self.regions.get(name, (name,))}


def load_clocks(text: str, filename: str) -> ClockTable:
    """The table in a TOML text. Raises Invalid naming the file and what is wrong."""
    try:
        table = msgspec.convert(tomllib.loads(text), ClockTable)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{filename}: not TOML: {error}", field="vault.clocks") from None
    except msgspec.ValidationError as error:
        raise Invalid(f"{filename}: {error}", field="vault.clocks") from None
    names = [r.name for r in table.clock]
    if len(set(names)) != len(names):
        raise Invalid(f"{filename}: two clocks have the same name", field="vault.clocks")
    for region, places in table.regions.items():
        if bad := [p for p in places if not _PLACE.match(p)]:
            what = f"{bad[0]!r} in the region {region} is no place: two capital letters (ISO 3166-1)"
            raise Invalid(f"{filename}: {what}", field="vault.clocks")
    for rule in table.clock:
        bad = [p for p in rule.places if p != EVERYWHERE and p not in table.regions and not _PLACE.match(p)]
        if bad or not rule.places:
            what = f"{bad[0]!r} is no place: two capital letters (ISO 3166-1), a region, or *" if bad else "it applies to no place"
            raise Invalid(f"{filename}: clock {rule.name}: {what}", field="vault.clocks")
    return table


def shipped_clocks() -> ClockTable:
    """The table that comes with the software."""
    path = Path(__file__).with_name("clocks.toml")
    return load_clocks(path.read_text("utf-8"), path.name)
