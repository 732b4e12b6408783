"""What each kind of conduct is worth. Chosen so that scores fall on the levels' scale, checked on the folder's examples and on invented
populations (`benchmarks/contact.py`); not measured on real accounts.

Which conduct counts is from the sources: fan-out of contact requests to minors, many of them declined (Thorn/NCMEC 2024, WeProtect
2023); blocked by minors, new account, no mutual contacts (Meta 2022, 2024); gifts and game currency (Whittle 2013, WeProtect 2023);
asymmetry and velocity (WeProtect 2023: 45 minutes on average, Crisp 2023: 19 seconds at the fastest); age gap (Roblox, WeProtect 2023).
The time of day has no supporting source and has no weight.
"""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.event import AgeBand, ChannelKind, Party, Relation
from nightlight.core.harm import Stage

LEAST = 0.25
"""Below the first level a finding is not worth a signal."""
ONE_KIND = 0.22
"""The most that one kind of conduct which means little by itself may sum to, such as fan-out: popular people, coaches and teachers
reach many children."""
NO_CLEAR_KIND = 0.68
"""The most for any number of such kinds: just below "elevated"."""
ONE_CLEAR_KIND = 0.68
"""The most for one kind that means something by itself: just below "elevated" too."""
TWO_KINDS = 1.3
"""The most for a clear kind and one other: below "high". High takes three, one of them clear."""
COUNTS = 0.1
"""What a kind of conduct must add, after who and towards whom, to count as one of the kinds that combine."""
CLEAR = frozenset({"again", "gifts", "blocked"})
"""Kinds that mean something by themselves: nobody who is merely popular does these for being popular."""
MANY_REFUSALS = 0.3
"""Refusals that add so much (fifteen people within a week) are clear as well."""

CLOSENESS: Mapping[Relation, float] = {
    Relation.STRANGER: 1.0,
    Relation.UNKNOWN: 0.7,
    Relation.CONTACT: 0.35,
    Relation.TRUSTED: 0.08,
    Relation.FAMILY: 0.04,
}
"""How much an approach counts by what the service knows of the two. A refusal counts in full from anybody."""

OPENNESS: Mapping[ChannelKind, float] = {
    ChannelKind.DIRECT: 1.0,
    ChannelKind.EMAIL: 1.0,
    ChannelKind.SMS: 1.0,
    ChannelKind.GAME: 0.4,
    ChannelKind.GROUP: 0.3,
    ChannelKind.COMMENT: 0.15,
    ChannelKind.STREAM: 0.15,
}
"""How much of an approach a message, gift, reward or picture is there: where others look on, less. Requests and follows go to a person."""

STAGES: Mapping[str, Stage] = {
    "asks_again": Stage.TESTING,
    "asks_several_again": Stage.TESTING,
    "gifts": Stage.TRUST,
    "gifts_to_several": Stage.TRUST,
    "rank": Stage.TRUST,
}
"""Where conduct shows a theme; all else is contact."""

DAY = 86_400.0
HOUR = 3600.0
WEEK = 7 * DAY
MONTH = 30 * DAY
PAUSE = 90 * DAY
"""After so long without a word or a deed between two people, a new approach is judged as a new one. Chosen."""

NEW_ACCOUNT = ((7.0, 1.2), (30.0, 1.1))
"""Days since the account was made, and what that multiplies. It weighs on conduct, and is none by itself: every account was new once."""


def speaker(actor: Party, target: Party) -> float:
    """How much conduct weighs by who does it. What an account says of its own age never makes it weigh less than an unknown age does."""
    if actor.age_band is AgeBand.ADULT:
        role = 1.1
    elif actor.may_be_adult:
        role = 0.8
    else:
        # Assured to be a child: little among peers, more where the other is much younger.
        bands = list(AgeBand)
        much_younger = target.age_band.is_minor and bands.index(actor.age_band) - bands.index(target.age_band) >= 2
        role = 0.6 if much_younger else 0.3
    days = actor.account_age_days
    fresh = next((times for below, times in NEW_ACCOUNT if days is not None and days < below), 1.0)
    return role * fresh


def addressed(target: Party) -> float:
    """How much it weighs by whom it is done to."""
    if not target.may_be_minor:
        # Children say they are older than they are; nobody else's word has to be doubted.
        return 0.05 if target.assurance.is_assured else 0.25
    if target.age_band is AgeBand.UNKNOWN:
        return 0.5
    return 0.8 if target.age_band is AgeBand.A16_17 else 1.0


def steps(count: float, *values: float) -> float:
    """`values[n - 1]` at a count of n, straight between whole counts, the last one from there on; 0 at a count of 0. Never falls."""
    ladder = (0.0, *values)
    if count >= len(values):
        return ladder[-1]
    below = int(count)
    return ladder[below] + (count - below) * (ladder[below + 1] - ladder[below])
