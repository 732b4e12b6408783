"""What a rule set judges: an event and what was found out about it, without its content."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from nightlight.core.assessment import Assessment
from nightlight.core.bank import Match
from nightlight.core.case import Verdict
from nightlight.core.event import EventBase, MediaScreened
from nightlight.core.features import Features
from nightlight.core.gate import Permission
from nightlight.core.harm import Level

Moved = tuple[Assessment | None, Assessment]
"""An assessment that the event changed: as it was before (None: there was none) and as it is now."""


class Judged(Struct, frozen=True, kw_only=True):
    event: EventBase
    at: datetime
    """When it was judged."""
    permission: Permission = Permission(frozenset(), ())
    moved: tuple[Moved, ...] = ()
    matches: tuple[Match, ...] = ()
    unreadable: bool = False
    """The bytes of its media could not be decoded."""
    limited: bool = False
    """A contact limit on the actor was in force."""
    verdict: Verdict | None = None
    """Set where a person has judged the case: then only the rules that require a verdict are asked."""
    late: bool = False
    """True at the second hop: the event was answered long ago, so rules that need no assessment are not asked again."""


def crosses(moved: Moved, level: Level) -> bool:
    """Whether this event took it from below a level to it or above; where there was none before, it came from below any."""
    previous, current = moved
    return current.level.rank >= level.rank and (previous is None or previous.level.rank < level.rank)


def led_by_another(moved: Moved) -> bool:
    """Whether it is now about the conduct of somebody whom it was not about before."""
    previous, current = moved
    return previous is not None and current.actor is not None and current.actor != previous.actor


def unreadable_of(event: EventBase, features: Features) -> bool:
    if features.media is not None and features.media.unreadable is not None:
        return True
    return isinstance(event, MediaScreened) and event.unreadable is not None
