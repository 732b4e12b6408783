"""The guardian summary: what a guardian may see of a child's account. Counts and settings from two closed lists, and nothing else.

What is not in the lists cannot be in a summary, whatever a service sends: no text, no names, no times of day, nothing that was found,
reported, blocked or warned about. A child who turned to somebody must not be given away by a number, and nobody is to read suspicion into
one.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

LONGEST_DAYS = 31
MOST_TICKET = 32_768
"""Characters of a ticket; a full one has about 4,000."""


class Counted(StrEnum):
    """Of the period, by the service's own numbers."""

    DAYS_ACTIVE = "days_active"
    MINUTES_ACTIVE = "minutes_active"
    MESSAGES_WRITTEN = "messages_written"
    MESSAGES_RECEIVED = "messages_received"
    CONTACTS = "contacts"
    NEW_CONTACTS = "new_contacts"
    GROUPS = "groups"
    POSTS = "posts"
    GIFTS_RECEIVED = "gifts_received"
    PURCHASES = "purchases"


class Setting(StrEnum):
    MESSAGES_FROM = "messages_from"
    GROUP_ADDS_FROM = "group_adds_from"
    FOUND_BY = "found_by"
    PROFILE_SEEN_BY = "profile_seen_by"
    LOCATION_SEEN_BY = "location_seen_by"
    GIFTS_FROM = "gifts_from"
    SUGGESTED_TO = "suggested_to"
    LIVE = "live"
    PURCHASES = "purchases"
    NIGHT_NOTICES = "night_notices"


class Value(StrEnum):
    ON = "on"
    OFF = "off"
    NOBODY = "nobody"
    FRIENDS = "friends"
    FRIENDS_OF_FRIENDS = "friends_of_friends"
    EVERYONE = "everyone"
    WITH_GUARDIAN = "with_guardian"
    """Only with a guardian's agreement."""


Number = Annotated[int, Meta(ge=0, le=10_000_000)]


class Counts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field for each `Counted`; what is left out is not shown."""

    days_active: Number | UnsetType = UNSET
    minutes_active: Number | UnsetType = UNSET
    messages_written: Number | UnsetType = UNSET
    messages_received: Number | UnsetType = UNSET
    contacts: Number | UnsetType = UNSET
    new_contacts: Number | UnsetType = UNSET
    groups: Number | UnsetType = UNSET
    posts: Number | UnsetType = UNSET
    gifts_received: Number | UnsetType = UNSET
    purchases: Number | UnsetType = UNSET


class Chosen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field for each `Setting`; what is left out is not shown."""

    messages_from: Value | UnsetType = UNSET
    group_adds_from: Value | UnsetType = UNSET
    found_by: Value | UnsetType = UNSET
    profile_seen_by: Value | UnsetType = UNSET
    location_seen_by: Value | UnsetType = UNSET
    gifts_from: Value | UnsetType = UNSET
    suggested_to: Value | UnsetType = UNSET
    live: Value | UnsetType = UNSET
    purchases: Value | UnsetType = UNSET
    night_notices: Value | UnsetType = UNSET


class NewSummary(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the service knows. It says neither whose account it is nor how old the child is: a summary is the same for each."""

    since: date
    days: Annotated[int, Meta(ge=1, le=LONGEST_DAYS)] = 7
    """How many days from `since` on, that one included."""
    counts: Counts = Counts()
    settings: Chosen = Chosen()
    language: Literal["en", "es"] = "en"


class SummaryLine(Struct, frozen=True):
    key: str
    label: str
    value: str
    """In words, in the summary's language; a count as digits."""


class Summary(Struct, frozen=True, kw_only=True):
    """The one document that child and guardian see."""

    language: str
    title: str
    intro: str
    since: date
    days: int
    counts_title: str
    counts: tuple[SummaryLine, ...]
    settings_title: str
    settings: tuple[SummaryLine, ...]
    notes: tuple[str, ...]
    """What is in it and what is not; that the child has seen it first."""


class MadeSummary(Struct, frozen=True):
    id: str
    """By which the audit names it; it is stored nowhere else."""
    summary: Summary
    """For the child. The guardian's is got with the ticket that `seen` gives, and is the same."""
    ticket: str
    """Sealed; hand it back when the child has seen the summary. Good for 30 days."""


class Ticket(Struct, frozen=True, forbid_unknown_fields=True):
    ticket: Annotated[str, Meta(min_length=1, max_length=MOST_TICKET)]


class GuardianSummaries(Protocol):
    """Nothing is stored: the summary travels in the sealed ticket. Each step is one audit entry, by the summary's id."""

    def make(self, new: NewSummary, by: str) -> MadeSummary:
        """In words; the request's types have refused what does not fit."""
        ...

    def seen(self, ticket: str, by: str) -> Ticket:
        """The child has seen it: the ticket that opens it for the guardian. Raises Invalid for what is no ticket of `make`, or is old."""
        ...

    def open(self, ticket: str, by: str) -> Summary:
        """For the guardian. Raises Conflict while the child has not seen it, and Invalid for what is no ticket, or is old."""
        ...
