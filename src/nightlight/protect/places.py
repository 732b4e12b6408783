"""Places that the tables of this room name, and which of them a party's place falls under."""

from __future__ import annotations

import re
from collections.abc import Mapping

EU = frozenset(
    ("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE").split()  # noqa: SIM905 - shorter to read
)
"""As the files for operators list them, each in its `[regions]`; a test holds the lists together."""
NAMED = ("GB", "EU", "US", "BR", "AU")
"""Those with rules of their own. Everywhere else the general ones count."""
_ALSO: Mapping[str, str] = {"UK": "GB", "EL": "GR"}
"""Reserved in ISO 3166-1, and often written for the other."""
_NOWHERE = re.compile(r"AA|Q[M-Z]|X[A-JL-Z]|ZZ")
"""Codes that ISO 3166-1 leaves to whoever needs one: services write them for "not known". XK is in use for Kosovo."""


def falls_under(place: str | None) -> tuple[str, ...]:
    """The named places whose rules count at `place` (ISO 3166-1, a subdivision allowed, or `EU`). None, or a code that stands for no
    country: not known, so all of them."""
    country = None if place is None else _ALSO.get(place[:2], place[:2])
    if country is None or _NOWHERE.fullmatch(country):
        return NAMED
    if country in EU:
        return ("EU",)
    return (country,) if country in NAMED else ()
