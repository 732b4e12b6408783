"""Whom somebody can call or write to, by country: what an entry says, and how old the word for it is.

A number is told with its source and the day it was written down. Until an operator has tried it, it is unconfirmed, and readiness says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

STALE_AFTER = timedelta(days=365)
"""Numbers change: an entry that nobody looked at for longer is to be looked at again."""


class Need(StrEnum):
    """What somebody turns to them for."""

    EMERGENCY = "emergency"
    """Police, ambulance, fire brigade."""
    CHILD = "child"
    """Somebody to talk to, for children and young people."""
    SELF_HARM = "self_harm"
    """Thoughts of hurting or killing oneself."""
    REPORT = "report"
    """To report a threat or abuse to, outside the service."""
    PICTURE = "picture"
    """To have pictures found and taken down."""
    OWN_THOUGHTS = "own_thoughts"
    """For people who are worried about their own thoughts about children."""


class HelplineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line. At least one of `phone`, `text` and `web`."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    place: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] | None = None
    """ISO 3166-1 alpha-2; None: everywhere."""
    needs: Annotated[tuple[Need, ...], Meta(min_length=1)]
    phone: Annotated[str, Meta(pattern=r"^[0-9*+][0-9 *+/-]{1,24}$")] | None = None
    """As a person there dials it."""
    text: Annotated[str, Meta(pattern=r"^[0-9][0-9 ]{1,24}$")] | None = None
    """A number for text messages."""
    web: Annotated[str, Meta(pattern=r"^https://[^\s\"'<>]+$", max_length=200)] | None = None
    """Where one can chat or write, or at least read more."""
    always: bool = False
    """Day and night, as they say themselves."""
    source: Annotated[str, Meta(pattern=r"^https://[^\s\"'<>]+$", max_length=300)]
    """The page of theirs, or of an authority, by which it is to be checked."""
    written: date
    """When this entry was written down."""
    checked: date | None = None
    """When a person last tried it and compared it with its source; None: nobody has, confirm it before relying on it."""

    @property
    def contact(self) -> str:
        """As one line."""
        return ", ".join(way for way in (self.phone, self.text, self.web) if way is not None)

    def stale(self, today: date) -> bool:
        return today - (self.checked or self.written) > STALE_AFTER


class HelplineBook(Struct, frozen=True):
    """All that is known. Order within a place is that of the data: the first is the first to be shown."""

    entries: tuple[HelplineEntry, ...]

    def lines(self, place: str | None, need: Need) -> Sequence[HelplineEntry]:
        """Those of the country, then those for everywhere. `place` may have a subdivision, as in US-TX."""
        country = None if place is None else place[:2]
        fit = [e for e in self.entries if need in e.needs]
        own = [e for e in fit if e.place is not None and e.place == country]
        return (*own, *(e for e in fit if e.place is None))

    def places(self) -> Sequence[str]:
        return sorted({e.place for e in self.entries if e.place is not None})

    def stale(self, today: date) -> Sequence[HelplineEntry]:
        return [e for e in self.entries if e.stale(today)]

    def unconfirmed(self) -> Sequence[HelplineEntry]:
        return [e for e in self.entries if e.checked is None]

    def with_word(self, checked: Mapping[str, date], without: Sequence[str]) -> HelplineBook:
        """As an operator left it: what they checked and when, less what they want nobody to be shown. Unknown ids are passed over."""
        kept = (e for e in self.entries if e.id not in without)
        return HelplineBook(tuple(replace(e, checked=checked[e.id]) if e.id in checked else e for e in kept))
