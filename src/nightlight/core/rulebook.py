"""The rule sets in force as people read and change them in the console, and the service that shows and changes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from nightlight.core.decision import Mode
from nightlight.core.staff import EVERYBODY, Role, Staff

POLICY_READERS = EVERYBODY - {Role.REVIEWER}
"""Who may read the rules: those who set them, those who answer for them."""
POLICY_CHANGERS = frozenset({Role.LEAD, Role.ADMINISTRATOR})


class RuleWords(Struct, frozen=True, kw_only=True):
    """One rule, taken apart for a page."""

    id: str
    description: str
    harms: tuple[str, ...]
    """Empty: every harm."""
    level: str
    kinds: tuple[str, ...]
    """Kinds of event; empty: every kind."""
    facts: tuple[str, ...]
    crossing: bool
    always: bool
    requires_verdict: bool
    condition: str
    """In CEL; `true` where it has none."""
    actions: tuple[tuple[str, str], ...]
    """Its name and its parameters in short: `("open_case", "media 3")`."""
    on_error: tuple[tuple[str, str], ...]


class RuleBook(Struct, frozen=True, kw_only=True):
    """A rule set that is in force, live or in shadow."""

    mode: Mode
    version: str
    """Name and content hash, as decisions carry it."""
    digest: str
    """SHA-256 of the text, 64 hex digits."""
    description: str
    text: str
    rules: tuple[RuleWords, ...]
    since: datetime | None
    """None: the rules that ship, which nobody put in force."""
    by: str


class RuleVersion(Struct, frozen=True, kw_only=True):
    """A rule set that is or was in force."""

    number: int
    version: str
    mode: Mode
    since: datetime
    until: datetime | None
    """None: in force."""
    by: str


class RuleDifference(Struct, frozen=True, kw_only=True):
    """A rule that the two sets do not share word for word."""

    id: str
    live: RuleWords | None
    shadow: RuleWords | None


class PolicyBoard(Struct, frozen=True, kw_only=True):
    live: RuleBook
    shadow: RuleBook | None
    differences: tuple[RuleDifference, ...]
    """In the order of the live rules, then those that only shadow has."""
    versions: Sequence[RuleVersion]
    """The newest first."""
    earlier: RuleVersion | None
    """What going back would bring: the live rules before the present ones."""
    problem: str | None
    """A stored text that this version of Nightlight cannot read, so that what was in force before still is."""


class Tallied(Struct, frozen=True, kw_only=True):
    """How often something was done under each set, and on how many events only under one of them."""

    kind: str
    """`action`, `rule` or `failure`."""
    name: str
    detail: str
    live: int
    shadow: int
    added: int
    """Events on which only shadow did it."""
    removed: int
    """Events on which only the live rules did it."""


class PolicyComparison(Struct, frozen=True, kw_only=True):
    """What the shadow rules would have done differently, by their stored decisions."""

    events: int
    """Events that these two versions both decided."""
    changed: int
    since: datetime | None
    until: datetime | None
    complete: bool
    """False: there are more events than were compared; these are the latest."""
    rows: tuple[Tallied, ...]
    """Only what differs, actions first."""
    examples: tuple[str, ...]
    """Ids of the latest events that differ, at most twenty."""


class PolicyDesk(Protocol):
    """The rules in force. Every change has a reason and is one audit entry, in its transaction."""

    def board(self, who: Staff) -> PolicyBoard:
        """Raises Denied."""
        ...

    def compare(self, who: Staff) -> PolicyComparison | None:
        """None where nothing runs in shadow. Raises Denied."""
        ...

    def try_in_shadow(self, who: Staff, text: str, reason: str) -> RuleBook:
        """Check a rule set and decide by it beside the live one, acting on nothing. Raises Denied, Invalid naming every fault by line."""
        ...

    def go_live(self, who: Staff, digest: str, reason: str) -> RuleBook:
        """What runs in shadow goes live, and shadow ends. Raises Conflict where another set than `digest` runs there by now."""
        ...

    def go_back(self, who: Staff, digest: str, reason: str) -> RuleBook:
        """The live rules before the present ones come back. Raises Conflict where others than `digest` are live by now, NotFound where
        there is nothing to go back to, Invalid where this version's check refuses them."""
        ...

    def end_shadow(self, who: Staff, digest: str, reason: str) -> None:
        """Nothing is decided in shadow any more. Raises as `go_live`."""
        ...
