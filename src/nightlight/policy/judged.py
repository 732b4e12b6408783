"""What a rule set judges: an event and what was found out about it, without its content."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from nightlight.core.assessment import Assessment
from nightlight.core.bank import Match
from nightlight.core.case import Verdict
from nightlight.core.event import EventBase, MediaScreened
from nightlight.core.features import Features
from nightlight.core.gate import Permission
from nightlight.core.harm import Level
from nightlight.core.ports import ContactLimit, LimitKind

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
    reach: frozenset[str] | None = None
    """Where a limit on the actor's reach was in force: the children whom it protects, as far as they are named. None: there was none."""
    slowed: bool = False
    """Friction for the actor had begun."""
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


class InForce(NamedTuple):
    """What of an account's limits binds it now."""

    limited: bool
    reach: frozenset[str] | None
    slowed: bool


def in_force(limits: Iterable[ContactLimit], now: datetime) -> InForce:
    """From limits that nobody has lifted."""
    binding = [limit for limit in limits if limit.binds(now)]
    kinds = {limit.kind for limit in binding}
    reach = frozenset(child for limit in binding if limit.kind is LimitKind.REACH for child in limit.protects)
    return InForce(LimitKind.CONTACT in kinds, reach if LimitKind.REACH in kinds else None, LimitKind.FRICTION in kinds)


def unreadable_of(event: EventBase, features: Features) -> bool:
    if features.media is not None and features.media.unreadable is not None:
        return True
    return isinstance(event, MediaScreened) and event.unreadable is not None
