"""What a service asks before it connects, gives, invites, suggests or shows, and what it is answered.

An answer says what to do and never why: whoever is refused because of their age and whoever is refused because of what is known about
them read the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from nightlight.core.event import Id, Party, Relation, Wire
from nightlight.core.harm import Level

MAX_ASKED = 100
"""Questions of one call."""
MAX_OTHERS = 50
"""People of a group that one question names. Where there are more, the service names none, and the strictest counts."""


class Gate(StrEnum):
    CONTACTS = "contacts"
    GIFTS = "gifts"
    GROUPS = "groups"
    RECOMMENDATIONS = "recommendations"
    VISIBILITY = "visibility"


class Shown(StrEnum):
    """What of an account another may see."""

    CONNECTIONS = "connections"
    RANK = "rank"
    REWARDS = "rewards"
    LOCATION = "location"
    PROFILE_MEDIA = "profile_media"
    ACTIVITY = "activity"
    """Whether they are there now, and what they are doing."""


class Outcome(StrEnum):
    """The least strict first."""

    ALLOW = "allow"
    LIMIT = "limit"
    """Nothing happens until the other side, or their guardian, has said yes; until then not a word, picture, link or gift passes."""
    REFUSE = "refuse"

    @property
    def strictness(self) -> int:
        return _STRICTNESS[self]

    @property
    def code(self) -> str:
        """What may be shown to anybody. One outcome has one code, whatever led to it."""
        return _CODES[self]


_STRICTNESS = {Outcome.ALLOW: 0, Outcome.LIMIT: 1, Outcome.REFUSE: 2}
_CODES = {Outcome.ALLOW: "open", Outcome.LIMIT: "ask_first", Outcome.REFUSE: "not_available"}


class Asked(Wire, frozen=True, kw_only=True):
    """May `actor` do this towards `target`?"""

    actor: Party
    target: Party
    relation: Relation = Relation.UNKNOWN


class ContactAsked(Asked, frozen=True, kw_only=True):
    """May `actor` reach `target`: a message, a call, a contact request."""


class GiftAsked(Asked, frozen=True, kw_only=True):
    """May `actor` give `target` something: a gift, game money, a reward."""


class Member(Wire, frozen=True, kw_only=True):
    party: Party
    relation: Relation = Relation.UNKNOWN
    """To the target."""


class GroupAsked(Asked, frozen=True, kw_only=True):
    """May `actor` add `target` to a group with these people in it?"""

    others: Annotated[tuple[Member, ...], Meta(max_length=MAX_OTHERS)] | None = None
    """Who is in it but for these two. None: not known, or more than can be named; then one of them counts as a stranger of any age."""


class RecommendationAsked(Asked, frozen=True, kw_only=True):
    """May `target` be suggested to `actor`: in a list of people one may know, a search by name, a match, a lobby."""


class VisibilityAsked(Asked, frozen=True, kw_only=True):
    """May `actor` see this of `target`?"""

    what: Shown


class Answered(Struct, frozen=True, kw_only=True):
    outcome: Outcome
    code: str
    """`open`, `ask_first`, `not_available`: neutral, and the same whatever led to it."""


class Known(Struct, frozen=True, kw_only=True):
    """What is held about an account that asks, for the gates: never part of an answer."""

    limited: bool = False
    """A limit on contact with minors is in force."""
    shields: frozenset[str] | None = None
    """A limit on reach is in force: the children whom it protects. None: there is none."""
    level: Level = Level.NONE
    """The highest level of what is assessed about this account's conduct, faded to now."""
    towards: Mapping[str, Level] = {}
    """The same, by the account that may be harmed."""


class GateService(Protocol):
    """Answers by position, in the service's own account ids. Reads the store once a call, whatever is in it; writes nothing.

    Raises Invalid naming the question where one asks about an account and itself, or where there are more than MAX_ASKED.
    """

    def contacts(self, asked: Sequence[ContactAsked]) -> Sequence[Answered]: ...
    def gifts(self, asked: Sequence[GiftAsked]) -> Sequence[Answered]: ...
    def groups(self, asked: Sequence[GroupAsked]) -> Sequence[Answered]: ...
    def recommendations(self, asked: Sequence[RecommendationAsked]) -> Sequence[Answered]: ...
    def visibility(self, asked: Sequence[VisibilityAsked]) -> Sequence[Answered]: ...


# -- trusted contacts ----------------------------------------------------------------------------------------------------------------


class PairingState(StrEnum):
    PAIRED = "paired"
    WRONG_CODE = "wrong_code"
    """Not known, used, or over: which of them is not told."""
    WAIT = "wait"
    """Too many wrong codes; a new try later."""
    NOT_AVAILABLE = "not_available"
    """These two cannot pair now. Why is not told."""


class PairingOffer(Wire, frozen=True, kw_only=True):
    """Somebody wants to pair with a person beside them."""

    party: Party
    guardian_agreed: bool = False
    """A guardian of this party has agreed to trusted contacts with adults, as far as the service knows."""


class PairingAccept(Wire, frozen=True, kw_only=True):
    """The person beside them typed the code."""

    party: Party
    code: Annotated[str, Meta(min_length=1, max_length=64)]
    """However it was typed."""
    guardian_agreed: bool = False


class Offered(Struct, frozen=True, kw_only=True):
    code: str
    """To be shown large on one screen, and sent nowhere. Told here only."""
    expires_at: datetime


class Paired(Struct, frozen=True, kw_only=True):
    state: PairingState
    other: str | None = None
    """Once paired: the service's own id of the other account."""


class PairingEnd(Wire, frozen=True, kw_only=True):
    account: Id
    """Who ends it: either of the two."""
    other: Id


class Ended(Struct, frozen=True, kw_only=True):
    ended: bool
    """False: they were no trusted contacts. Nobody is told who ended it."""


class TrustedContact(Struct, frozen=True, kw_only=True):
    account: str
    """The service's own id of the other."""
    since: datetime


class TrustService(Protocol):
    """Two people in one place who confirm each other. Accounts are the service's own ids."""

    def offer(self, offer: PairingOffer, by: str) -> Offered:
        """A new code for this account; an earlier one that nobody used is over. Raises Busy where too many were made lately."""
        ...

    def accept(self, accept: PairingAccept, by: str) -> Paired:
        """One code is good for one try that finds it, whatever comes of that."""
        ...

    def end(self, end: PairingEnd, by: str) -> Ended: ...
    def contacts(self, account: str, most: int = 200) -> Sequence[TrustedContact]:
        """The latest first."""
        ...
