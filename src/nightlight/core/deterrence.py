"""What a search is answered with, and trials of what it is answered with. Nothing here keeps a word that anybody typed.

The types that carry a query or a term show nothing of it when they are printed, so that no log and no dump of an error does either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct

from nightlight.core.decision import Helpline
from nightlight.core.errors import NightlightError
from nightlight.core.event import AgeBand

MAX_QUERY = 500
"""Characters of one search."""
MOST_SEARCHES = 100
"""Searches of one request."""
MOST_WORDS = 8
"""Words of the longest term."""
SMALL = 5
"""Counts below this are not shown: one search on one day may be one person's."""

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
"""Of a list, a trial or a category. Names stand in the audit and the database: they must hold no term."""
Place = Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]


class Unprinted:
    """Prints as its type's name alone, in `repr`, in rich and in structlog's renderers alike."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __rich_repr__(self) -> Any:
        return iter(())


class Hidden(Unprinted):
    """Holds something that must not be printed."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class SearchIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One search, before results are shown. Of the account that searches nothing is taken."""

    query: Annotated[str, Meta(max_length=MAX_QUERY)]
    """As it was typed."""
    age_band: AgeBand = AgeBand.UNKNOWN
    """Of who searches, where the service knows: a child reads other words, and is in no trial."""
    place: Place | None = None
    """Whose help to show, ISO 3166; None: that of every place."""
    assignment: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """For trials: an id that the service makes up for one visit. The same id reads the same variant; it is never stored. None: chance."""

    __repr__ = Unprinted.__repr__
    __str__ = Unprinted.__repr__
    __rich_repr__ = Unprinted.__rich_repr__


class SearchAction(StrEnum):
    NONE = "none"
    """Show the results."""
    WARN = "warn"
    """Show the message above the results, or before them."""
    BLOCK = "block"
    """Show the message in place of the results."""


class Display(Struct, frozen=True, kw_only=True):
    """This message is part of a trial: what came of it may be told once."""

    trial: str
    token: str
    """Chance, and nothing else; forgotten with the outcome, or after a day."""


class SearchAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which term was met, or of which list, is not told."""

    action: SearchAction
    message: str | None = None
    """A key of the message catalogue."""
    helplines: tuple[Helpline, ...] = ()
    """Those of the reader's place first."""
    display: Display | None = None


class Outcome(StrEnum):
    """What somebody did after the message, as the service sees it."""

    LEFT = "left"
    """Did not search for the like again in that visit."""
    SEARCHED_AGAIN = "searched_again"
    OPENED_HELP = "opened_help"
    """Touched a help resource, whatever came after."""


class Reading(Struct, frozen=True):
    """The words of a text in one form, and which of them were disguised."""

    words: tuple[str, ...]
    disguised: tuple[bool, ...]

    __repr__ = Unprinted.__repr__
    __rich_repr__ = Unprinted.__rich_repr__


class Readings(Struct, frozen=True):
    """A text as the look-up reads it."""

    plain: tuple[tuple[str, ...], ...]
    """As written, and as the text sense undoes it: exact words."""
    loose: Reading
    """Every word as its skeleton, in which a disguise and what it stands for are alike."""
    joined: tuple[str, ...]
    """Long words, undisguised, that may be a term without its spaces."""
    run_together: tuple[str, ...]
    """Pieces with signs in them, or letters one by one, that may be a term: their skeletons."""

    __repr__ = Unprinted.__repr__
    __rich_repr__ = Unprinted.__rich_repr__


class TermReader(Protocol):
    """Makes writing comparable; the text sense fills it."""

    def term(self, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words of a term as they are and as skeletons; both empty where there is no word."""
        ...

    def query(self, text: str) -> Readings: ...


class ListVersion(Struct, frozen=True, kw_only=True):
    version: int
    terms: int
    longest: int
    """Words of its longest term."""
    expires_at: datetime | None
    at: datetime
    by: str


class TermList(Struct, frozen=True, kw_only=True):
    """What is known of a list of restricted terms: everything but the terms."""

    name: str
    version: int
    """In force now."""
    terms: int
    categories: tuple[str, ...]
    expires_at: datetime | None
    versions: tuple[ListVersion, ...]
    """That it can be rolled back to, the newest first."""


class SearchCount(Struct, frozen=True, kw_only=True):
    day: str
    list: str
    category: str
    action: SearchAction
    count: int | None
    """None: fewer than `SMALL`."""


class TrialState(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


class TrialPlan(Struct, frozen=True, kw_only=True):
    """Fixed when a trial is made: a rule that is chosen after looking keeps no error rate."""

    name: str
    category: str
    variants: tuple[str, ...]
    """Message keys; the first is what the others are compared with."""
    outcome: Outcome
    """Which one is compared."""
    baseline: float
    """Share expected with the first variant."""
    effect: float
    """Smallest difference worth finding, as a share."""
    alpha: float
    power: float


class Trial(Struct, frozen=True, kw_only=True):
    plan: TrialPlan
    state: TrialState
    created_at: datetime
    created_by: str
    stopped_at: datetime | None
    stopped_by: str | None
    shown: tuple[int, ...]
    """By variant."""
    outcomes: tuple[dict[Outcome, int], ...]
    """By variant."""


class DeterrenceService(Protocol):
    """Searches and outcomes, as the HTTP API asks. Safe to use from several threads."""

    def screen(self, searches: Sequence[SearchIn]) -> list[SearchAnswer | NightlightError]:
        """By position. Nothing of a query is kept, whatever it held."""
        ...

    def outcome(self, trial: str, token: str, outcome: Outcome) -> None:
        """Count what came of one display. Raises NotFound for a token that is not known, was used, or is older than a day."""
        ...
