"""How soon a person must look: which lane, which queue, and by when.

A queue is ordered by lane, then by when each case is due (earliest deadline first). As the deadline is set when a case opens, a case
that waits comes nearer to the front by itself, and nothing has to be computed again while it waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from msgspec.structs import replace

from nightlight.core.case import Lane, Peers
from nightlight.core.desk import SAFEGUARDING
from nightlight.core.event import AgeBand, ReportCategory
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.ports import CaseOpening

URGENT_WITHIN = timedelta(minutes=15)
"""A child in danger now, who may harm themselves, or who is being extorted: the service level of that lane."""
DANGER_WITHIN = timedelta(minutes=5)
"""A threat to life outranks all else in that lane."""

# The hours and factors are starting points, set by how fast each harm is known to move (sextortion: hours from the first threat; known
# material: already reported, so nobody new is in reach). They are not measurements.
HOURS: Mapping[Harm | None, float] = {
    Harm.IMMEDIATE_DANGER: 1,
    Harm.LIVESTREAMED_ABUSE: 1,
    Harm.SEXTORTION: 2,
    Harm.GROOMING: 4,
    Harm.IMAGERY_SOLICITATION: 4,
    Harm.NEW_MATERIAL: 4,
    Harm.ABUSE_NETWORK: 8,
    Harm.KNOWN_MATERIAL: 12,
    Harm.GENERATED_MATERIAL: 12,
    Harm.LINK_EXCHANGE: 12,
    Harm.SHARED_ACCESS: 24,
    Harm.GENERATIVE_MISUSE: 24,
    Harm.LAWFUL_IMAGE_MISUSE: 24,
    Harm.SEARCH_INTENT: 48,
    None: 4,
}
"""Within which a case at level high, about a child of 16 or 17 and with the middle priority, is due. None: a part failed and nobody
knows, so it is treated as one of the graver."""

LEVEL: Mapping[Level, float] = {Level.HIGH: 1, Level.ELEVATED: 2, Level.LOW: 4, Level.NONE: 4}
AGE: Mapping[AgeBand, float] = {
    AgeBand.A0_6: 0.5,
    AgeBand.A7_9: 0.5,
    AgeBand.A10_12: 0.5,
    AgeBand.A13_15: 0.75,
    AgeBand.A16_17: 1,
    # An unknown age is treated as a child's.
    AgeBand.UNKNOWN: 0.75,
    AgeBand.ADULT: 1,
}
MIDDLE = 5
"""The priority that a rule gives where it says nothing; each step below it takes a sixth of the time away, each above adds one."""

URGENT_REPORTS = frozenset({ReportCategory.SELF_HARM, ReportCategory.IN_DANGER, ReportCategory.THREATENED})
"""What somebody tells us that cannot wait, whoever they are: help needs no proof, a sanction does."""


def is_urgent(opening: CaseOpening) -> bool:
    """Imminent danger and self-harm; abuse that is being streamed; sextortion that is under way, which is to say that threats are made."""
    if opening.told in URGENT_REPORTS:
        return True
    if opening.harm in (Harm.IMMEDIATE_DANGER, Harm.LIVESTREAMED_ABUSE):
        return opening.level.rank >= Level.ELEVATED.rank
    threatens = opening.level is Level.HIGH or (opening.level is Level.ELEVATED and Stage.COERCION in opening.stages)
    return opening.harm is Harm.SEXTORTION and threatens


def within(opening: CaseOpening) -> timedelta:
    """How long a person has, from the moment it opens."""
    if is_urgent(opening):
        return DANGER_WITHIN if opening.harm is Harm.IMMEDIATE_DANGER else URGENT_WITHIN
    priority = (opening.priority + 1) / (MIDDLE + 1)
    return timedelta(hours=HOURS[opening.harm] * LEVEL[opening.level] * AGE[opening.child_band] * priority)


def weigh(opening: CaseOpening) -> CaseOpening:
    """The opening with its lane, its deadline and, between peers who are minors, the safeguarding queue."""
    return replace(
        opening,
        lane=Lane.URGENT if is_urgent(opening) else Lane.STANDARD,
        within=within(opening),
        queue=SAFEGUARDING if opening.peers is Peers.ASSURED else opening.queue,
    )
