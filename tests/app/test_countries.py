"""The countries of the European Union stand in four places: the software's own list, and one in each file that an operator may copy and
change. Whoever joins or leaves must be written into all of them."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import pytest

from nightlight.protect.defaults.table import FILES
from nightlight.protect.places import EU, NAMED


def raw(room: str, *path: str) -> dict[str, Any]:
    return tomllib.loads(files(f"nightlight.{room}").joinpath(*path).read_text("utf-8"))


LISTS: dict[str, list[str]] = {
    "policy/gate/jurisdictions.toml": raw("policy", "gate", "jurisdictions.toml")["regions"]["EU"],
    "adapters/vault/clocks.toml": raw("adapters", "vault", "clocks.toml")["regions"]["EU"],
    "reporting/authorities.toml": next(
        one["establishment"] for one in raw("reporting", "authorities.toml")["authority"] if one["id"] == "eu-national"
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_the_lists_agree(name: str) -> None:
    assert set(LISTS[name]) == EU and len(LISTS[name]) == len(EU), f"{name} and protect/places.py name other countries"


def test_the_rooms_tables_name_the_same_places() -> None:
    assert set(FILES) == set(NAMED) >= set(raw("protect", "gates", "policy.toml")["place"])
