"""Helplines that ship, by country: data with a source and a date, none of them confirmed by us."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from nightlight.core.helplines import HelplineBook, HelplineEntry


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    helpline: tuple[HelplineEntry, ...]


@cache
def helplines() -> HelplineBook:
    """Those of `helplines.toml`. Raises msgspec.ValidationError naming the entry where one lacks its source or date."""
    return read_helplines(files("nightlight.protect").joinpath("helplines.toml").read_text("utf-8"))


def read_helplines(text: str) -> HelplineBook:
    found = msgspec.convert(tomllib.loads(text), _File).helpline
    ids = [entry.id for entry in found]
    if len(set(ids)) < len(ids):
        raise msgspec.ValidationError("two helplines have the same id")
    for entry in found:
        if entry.phone is None and entry.text is None and entry.web is None:
            raise msgspec.ValidationError(f"{entry.id}: a number or an address is needed")
    return HelplineBook(found)
