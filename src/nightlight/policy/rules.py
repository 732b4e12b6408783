"""Rule sets: data that says which actions follow from what an event moved."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from nightlight.core.decision import Action, Notify, OpenCase
from nightlight.core.harm import Harm, Level

RuleId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
ON_ERROR: tuple[Action, ...] = (OpenCase(queue="default", priority=3),)
"""What a rule that fails does unless it says otherwise: nobody knows what it would have said, so a person looks."""


class Trigger(StrEnum):
    """Facts that let an `always` rule be asked without paying for its condition on every event."""

    CONTACT_LIMITED = "contact_limited"
    """A contact limit on the actor is in force."""
    REACH_LIMITED = "reach_limited"
    """A limit on the actor's reach is in force."""
    SLOWED = "slowed"
    """Friction for the actor has begun and has not ended."""
    MEDIA_UNREADABLE = "media_unreadable"
    """The bytes of the event's media could not be decoded."""
    MEDIA_MATCHED = "media_matched"
    """The event's media is in an enabled bank, one that does more than count, and no known false match."""


class On(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a rule is asked at all. This is an index, so what it excludes costs nothing."""

    harms: tuple[Harm, ...] = ()
    """Empty: every harm."""
    level: Level = Level.LOW
    """At this level or above."""
    kinds: tuple[str, ...] = ()
    """Kinds of event; empty: every kind."""
    crossing: bool = False
    """Only on the event that takes the assessment from below `level` to it or above, or makes it about, or protect, another account."""
    facts: tuple[Trigger, ...] = ()
    """Only where all of these hold."""


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: RuleId
    actions: tuple[Action, ...]
    description: str = ""
    """In plain words: shown as the reason where the rule needs no assessment."""
    on: On = On()
    condition: str = "true"
    always: bool = False
    """Asked on every event of its kinds, whether or not an assessment moved."""
    requires_verdict: bool = False
    """Asked only once a person has judged the case, and never before."""
    on_error: tuple[Action, ...] = ON_ERROR


class RuleSet(Struct, frozen=True, kw_only=True):
    name: str
    rules: tuple[Rule, ...]
    digest: str
    """SHA-256 of the file, in hexadecimal: what `sha256sum` prints for it."""
    description: str = ""

    @property
    def version(self) -> str:
        """Name and content hash, as decisions carry it."""
        return f"{self.name}@{self.digest[:16]}"

    @property
    def endpoints(self) -> frozenset[str]:
        """Names of the endpoints that some rule notifies; each should be configured."""
        return frozenset(a.endpoint for r in self.rules for a in (*r.actions, *r.on_error) if isinstance(a, Notify))
