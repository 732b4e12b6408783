"""What a person tells us about somebody: anonymously or as an account, in a child's own categories, with what they want us to see.

A report alone, unverified or anonymous, sanctions nobody: it puts a case before a person. What it points at is kept for a short clock
from the moment it comes, and longer once a person has confirmed it. The reported account never learns of it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from nightlight.core.event import Id, Party, ReportCategory, Text

MOST_ITEMS = 50


class Standing(StrEnum):
    """How far an item of a report can be relied on."""

    SERVER_HELD = "server_held"
    """It names an event that we hold ourselves, of the account that is reported."""
    VERIFIED = "verified"
    """The service vouches for it: it took it from its own records."""
    UNVERIFIED = "unverified"
    """Anybody could have made it: a screenshot, words from memory."""


class Item(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that the reporter wants us to see. Exactly one of the first two."""

    event: Id | None = None
    """An event that the service sent us before."""
    text: Text | None = None
    """What was said or seen, in the reporter's words or copied."""
    vouched: bool = False
    """The service itself took it from its records; ignored in what an anonymous reporter sends."""


class UserReportIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the service hands it on. Without `reporter` it is anonymous."""

    id: Id
    """Of the submission: sent again with the same body it gets the same code and changes nothing."""
    category: ReportCategory
    about: Annotated[tuple[Party, ...], Meta(min_length=1, max_length=10)]
    """Who is reported, with what the service knows of their age."""
    reporter: Party | None = None
    conversation: Id | None = None
    text: Text = ""
    items: Annotated[tuple[Item, ...], Meta(max_length=MOST_ITEMS)] = ()


class UserReportState(StrEnum):
    RECEIVED = "received"
    LOOKING = "looking"
    """A person has it."""
    ANSWERED = "answered"
    """A person has decided. What they decided about the other is not told."""


class Told(Struct, frozen=True, kw_only=True):
    """What whoever reported may know."""

    state: UserReportState
    message: str
    """Key of the message catalogue."""
    at: datetime


class Received(Struct, frozen=True, kw_only=True):
    code: str
    """To ask with later. Told here only."""
    message: str
    """Key of the message catalogue: thanks, and whom to turn to."""
    items: tuple[Standing, ...]
    """By position."""


class ReportedItem(Struct, frozen=True, kw_only=True):
    standing: Standing
    event: str | None
    text: str | None


class UserReported(Struct, frozen=True, kw_only=True):
    """One report as a reviewer sees it."""

    id: str
    case: str
    category: ReportCategory
    about: tuple[str, ...]
    """Pseudonyms."""
    reporter: str | None
    """A pseudonym. None: anonymous."""
    text: str
    items: tuple[ReportedItem, ...]
    at: datetime
    keep_until: datetime
    """Until when what it points at is kept; later once confirmed."""
    others: int = 0
    """Reports that collapsed into this one."""


class UserReportService(Protocol):
    def submit(self, report: UserReportIn) -> Received:
        """Raises Invalid naming the field, Conflict where the id was used for another body, Busy where this hour's anonymous reports
        are used up."""
        ...

    def told(self, code: str) -> Told:
        """Raises Invalid for what can be no code, NotFound for one that is not known."""
        ...
