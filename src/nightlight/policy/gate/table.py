"""Reads and checks a jurisdiction table."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid
from nightlight.core.event import ChannelKind
from nightlight.core.gate import DataKind, Ruling
from nightlight.policy.toml_lines import Lines

PURPOSE = "child_safety"
"""The one purpose this software processes for. A cell of any other purpose never rules here."""
EVERYWHERE = "*"
SERVICE = "service"
"""The channel of what a person does towards the service itself: searches, prompts, profiles, sessions."""
DEMO_PLACE = "XN"
"""The invented place of the demo's invented game. ISO 3166-1 leaves XA to XZ to users: no real place will ever have it."""

CHANNELS: tuple[str, ...] = (*(kind.value for kind in ChannelKind), SERVICE)
_PLACE = re.compile(r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")


class Cell(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ruling of the table. Where several cells fit, the strictest counts; where none fits, nobody has decided."""

    data: tuple[DataKind, ...]
    places: tuple[str, ...]
    """Places, names of `[regions]`, or `*` for every known place."""
    ruling: Ruling
    basis: Annotated[str, Meta(min_length=3, max_length=600)]
    """The law, in short."""
    reviewed: date
    channels: tuple[str, ...] = CHANNELS
    encrypted: bool | None = None
    """None: whether encrypted or not."""
    purpose: str = PURPOSE
    confirmed_by: str | None = None
    """Who at the operator stands behind the cell. The cells that ship have nobody: they are a start, not advice."""


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: str
    home: str | None = None
    """Place of the parties whose place the service does not give. None: their place is unknown."""
    regions: dict[str, tuple[str, ...]] = {}
    cell: tuple[Cell, ...] = ()


def load_table(text: str, filename: str) -> Table:
    """The table in a TOML text. Raises Invalid naming the file and the line."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{filename}: not TOML: {error}") from None
    lines = Lines(text)
    try:
        table = msgspec.convert(raw, Table)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `")
        raise Invalid(f"{filename}:{lines.of_error(at)}: {message}") from None
    named: list[tuple[tuple[str | int, ...], str]] = [(("regions", name), name) for name in table.regions]
    named += [(("regions", name, i), place) for name, places in table.regions.items() for i, place in enumerate(places)]
    named += [(("home",), table.home)] if table.home is not None else []
    for path, name in named:
        if not _PLACE.match(name):
            raise Invalid(f"{filename}:{lines.of(*path)}: {name!r} is no place: two capital letters (ISO 3166-1)")
    for number, cell in enumerate(table.cell):
        for field, given, allowed in (
            ("places", cell.places, None),
            ("channels", cell.channels, CHANNELS),
            ("data", cell.data, None),
        ):
            if not given:
                raise Invalid(f"{filename}:{lines.of('cell', number, field)}: {field} is empty, so the cell rules on nothing")
            for item, value in enumerate(given):
                if allowed is not None and value not in allowed:
                    at_line = lines.of("cell", number, field, item)
                    raise Invalid(f"{filename}:{at_line}: {value!r} is not one of {', '.join(allowed)}")
        for item, place in enumerate(cell.places):
            if place != EVERYWHERE and not _PLACE.match(place):
                at_line = lines.of("cell", number, "places", item)
                raise Invalid(f"{filename}:{at_line}: {place!r} is no place: two capital letters (ISO 3166-1), a region, or *")
    return table


def shipped_table() -> Table:
    """The table that comes with the software."""
    path = Path(__file__).with_name("jurisdictions.toml")
    return load_table(path.read_text("utf-8"), path.name)
