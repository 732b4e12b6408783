"""What authorities ask a service for: to preserve what it has, and, where somebody is in danger, to disclose it at once.

Neither is answered by a machine. A preservation request (in the United States 18 USC 2703(f)) keeps what is there until it ends, so that
nothing is lost while a court order is on its way; nothing is handed over. An emergency disclosure (18 USC 2702(b)(8) and (c)(4)) hands
something over without one because a life is in danger: one person writes the request down, another decides, and what was told, and to
whom, is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

PRESERVE_DAYS = 90
"""18 USC 2703(f)(2): records are retained for 90 days, and for 90 more upon a renewed request."""
MOST_PRESERVE_DAYS = 366
ANSWER_WITHIN = timedelta(hours=1)
"""An emergency that nobody has decided by then is late. No law names an hour; nobody measured it."""


class PreservationState(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    """Its time passed and nobody renewed it. Until a sweep has written that down, it holds."""
    RELEASED = "released"
    """A person ended it, with a reason."""


class Renewal(Struct, frozen=True, kw_only=True):
    """The authority asked again."""

    at: datetime
    by: str
    reference: str
    until: datetime


class Preservation(Struct, frozen=True, kw_only=True):
    """While it is active nothing that it covers is deleted, by no clock, no erasure and no person."""

    id: str
    authority: str
    """Who asks, as they sign."""
    reference: str
    """Their own number for it."""
    law: str
    at: datetime
    by: str
    """Who of the service wrote it down."""
    until: datetime
    state: PreservationState = PreservationState.ACTIVE
    case: str | None = None
    account: str | None = None
    """Pseudonym: its events, its identity and every case about it, those too that are opened later."""
    note: str = ""
    renewals: tuple[Renewal, ...] = ()
    ended_at: datetime | None = None
    ended_by: str = ""
    why: str = ""
    """It was released."""


class PreservationDesk(Protocol):
    """Raises NotFound, Invalid naming the field, Conflict where the state forbids it. Each change is one audit entry with it."""

    def preserve(
        self,
        by: str,
        *,
        authority: str,
        reference: str,
        case: str | None = None,
        account: str | None = None,
        days: int = PRESERVE_DAYS,
        law: str = "",
        note: str = "",
    ) -> Preservation:
        """`case` or `account` (the service's own id), one of the two. `days`: 1 to 366, from now. The same request of the same authority
        about the same thing, told twice, is one. Raises Conflict where the case's evidence was destroyed before."""
        ...

    def renew(self, id: str, by: str, *, reference: str, days: int = PRESERVE_DAYS) -> Preservation:
        """Asked again: holds at least so long from now, and never shorter than before. Also after it expired."""
        ...

    def release(self, id: str, by: str, why: str) -> Preservation: ...

    def preservation(self, id: str) -> Preservation: ...

    def preservations(self, state: PreservationState | None = None, *, after: str | None = None, most: int = 100) -> Sequence[Preservation]:
        """The earliest first; pass the last id as `after` to go on."""
        ...

    def preserved(self, case: str) -> Sequence[Preservation]:
        """The active ones that a case is under, by itself or by the account that it is about."""
        ...

    def expire(self, now: datetime) -> int:
        """Write down that their time has passed; how many."""
        ...


class EmergencyState(StrEnum):
    WAITING = "waiting"
    """Somebody must decide."""
    APPROVED = "approved"
    """Two people agree; it is still to be told."""
    REFUSED = "refused"
    DISCLOSED = "disclosed"


class Disclosed(StrEnum):
    """What was told, by kind: the records that the law tells apart, and nothing of what they say."""

    IDENTITY = "identity"
    CONTACT = "contact"
    IP_ADDRESSES = "ip_addresses"
    LOCATION = "location"
    DEVICES = "devices"
    CONTENT = "content"
    OTHER = "other"


class Disclosure(Struct, frozen=True, kw_only=True):
    at: datetime
    by: str
    to: str
    """The person who was told, and how they were known to be who they said."""
    kinds: tuple[Disclosed, ...]
    what: str
    """In words. Sealed."""


class Emergency(Struct, frozen=True, kw_only=True):
    id: str
    authority: str
    reference: str
    contact: str
    """Who asks, and where they are called back: at a number found elsewhere than in the request."""
    danger: str
    """To whom, and why it cannot wait. Sealed."""
    at: datetime
    by: str
    due_at: datetime
    state: EmergencyState = EmergencyState.WAITING
    case: str | None = None
    account: str | None = None
    """Pseudonym."""
    decided_at: datetime | None = None
    decided_by: str = ""
    why: str = ""
    disclosures: tuple[Disclosure, ...] = ()


class EmergencyDesk(Protocol):
    """Raises NotFound, Invalid naming the field, Conflict where the state forbids it. Each change is one audit entry with it, in which
    none of the words are."""

    def emergency(
        self,
        by: str,
        *,
        authority: str,
        reference: str,
        contact: str,
        danger: str,
        case: str | None = None,
        account: str | None = None,
    ) -> Emergency:
        """Write the request down. `account` is the service's own id. At once the case or account is preserved as well, for 90 days."""
        ...

    def decide(self, id: str, by: str, *, approve: bool, why: str) -> Emergency:
        """By another person than the one who wrote it down: Denied otherwise."""
        ...

    def disclosed(self, id: str, by: str, *, to: str, kinds: Sequence[Disclosed], what: str) -> Emergency:
        """It was told. Raises Conflict where it is not approved. May be recorded again where more was told."""
        ...

    def get_emergency(self, id: str, by: str) -> Emergency:
        """Opened, which is recorded."""
        ...

    def emergencies(
        self, by: str, state: EmergencyState | None = None, *, after: str | None = None, most: int = 100
    ) -> Sequence[Emergency]:
        """The earliest first, opened: one audit entry says which."""
        ...

    def undecided(self) -> Sequence[datetime]:
        """When each that waits for a decision is due, the earliest first. Opens nothing."""
        ...


class RequestDesk(PreservationDesk, EmergencyDesk, Protocol):
    """Both."""


def same_person(one: str, other: str) -> bool:
    """`cli:ana` and `reviewer:ana` are one person: two doors do not make two people."""
    return one.rpartition(":")[2] == other.rpartition(":")[2]
