"""Places that the tables of this room name, and which of them a party's place falls under."""

from __future__ import annotations

EU = frozenset(
    ("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE").split()  # noqa: SIM905 - shorter to read
)
NAMED = ("GB", "EU", "US", "BR", "AU")
"""Those with rules of their own. Everywhere else the general ones count."""


def falls_under(place: str | None) -> tuple[str, ...]:
    """The named places whose rules count at `place` (ISO 3166-1, a subdivision allowed, or `EU`). None: not known, so all of them."""
    if place is None:
        return NAMED
    country = place[:2]
    if country in EU:
        return ("EU",)
    return (country,) if country in NAMED else ()
