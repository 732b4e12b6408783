"""From what is remembered to a belief: kinds of conduct, what each adds, and how they combine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from .states import BANDS, Reach, Side
from .weights import CLEAR, COUNTS, DAY, MANY_REFUSALS, NO_CLEAR_KIND, ONE_CLEAR_KIND, ONE_KIND, TWO_KINDS, WEEK, steps

GROUP: Mapping[str, str] = {
    "approaches_many": "reach",
    "declined": "reach",
    "declined_by_several": "reach",
    "blocked": "blocked",
    "blocked_by_several": "blocked",
    "asks_again": "again",
    "asks_several_again": "again",
    "gifts": "gifts",
    "gifts_to_several": "gifts",
    "rank": "rank",
    "media": "media",
    "unanswered": "reach",
    "quick": "quick",
}
"""Conduct to its kind: towards one person and towards several is one kind. So are how many were asked, how many said no and how
many did not answer: whoever asks very many people, for whatever reason, has all three."""

ONE_PERSON = 1.4
"""What one person alone may weigh (an adult on a new account, towards a child: 1.32): conduct towards several begins beyond it."""


REFUSED = "was declined, blocked or left without an answer by {} within seven days"
EARLY = "sent gifts before the two had begun to talk"
GIVEN = "sent gifts to somebody it hardly knows"


class Part(Struct, frozen=True):
    """One thing that adds to a belief."""

    cue: str
    value: float
    reason: str


def towards_one(side: Side) -> list[Part]:
    """What one side's conduct towards one person adds, after who does it and to whom."""
    asked = steps(max(0, side.requests - 2), 0.08, 0.14, 0.2)
    found = (
        ("asks_again", steps(side.again, 0.3, 0.55, 0.75), "asked for contact again after it had been declined"),
        ("blocked", 0.25 if side.refused == 3 else 0.0, "was blocked by the person it approached"),
        ("declined", (0.0, 0.04, 0.1, 0.0)[side.refused], "its contact request was declined or left without an answer"),
        ("gifts", side.gift * steps(side.gifts, 0.22, 0.3, 0.36, 0.4) + 0.12 * side.early_gift, EARLY if side.early_gift else GIVEN),
        ("rank", steps(side.ranks, 0.1, 0.16, 0.2), "gave a rank or reward to the person it approaches, or holds one over them"),
        ("media", 0.2 * side.media, "sent pictures or video within a day of approaching somebody it hardly knows"),
        ("unanswered", max(asked, _alone(side)), "went on writing or asking while no answer came"),
        ("quick", steps(side.quick, 0.12, 0.2, 0.26), "tried three or more ways of approach within one hour"),
    )
    weight = side.role * side.toward
    return [Part(cue, value * weight, reason) for cue, value, reason in found if value > 0.0]


def _alone(side: Side) -> float:
    """Four lines without an answer are nothing yet; sixteen are as many as count."""
    return steps(max(0.0, side.alone - 4.0) / 4.0, 0.08, 0.14, 0.2)


class Wide(Struct, frozen=True, kw_only=True):
    """What is known of one account over all its conversations: what the second hop publishes."""

    at: float = 0.0
    people_day: float = 0.0
    """Different people who may be children, approached within a day of `at`."""
    people_week: float = 0.0
    people_refusing: float = 0.0
    people_blocking: float = 0.0
    people_given: float = 0.0
    people_asked_again: float = 0.0
    age_bands: float = 0.0
    refused_share: float = 0.0
    """Of the people approached within a week; for those who look at a case, it has no weight: it could be diluted at will."""
    approaches_day: float = 0.0
    """The same as sums of how much each weighs."""
    approaches_week: float = 0.0
    refusals: float = 0.0
    blocks: float = 0.0
    gifts: float = 0.0
    again: float = 0.0


WIDE = tuple(Wide.__struct_fields__)


def widely(reach: Reach) -> Wide:
    people, day = reach.people, reach.within_a_day()
    bands = 0
    for person in people:
        bands |= person.band
    refusing = _count(p.refusal or p.blocked for p in people)
    return Wide(
        at=max((p.at for p in people), default=0.0),
        people_day=float(len(day)),
        people_week=float(len(people)),
        people_refusing=refusing,
        people_blocking=_count(p.blocked for p in people),
        people_given=_count(p.gift for p in people),
        people_asked_again=_count(p.again for p in people),
        age_bands=float(sum(bool(bands & 1 << bit) for bit in range(1, len(BANDS)))),
        refused_share=refusing / len(people) if people else 0.0,
        approaches_day=sum(p.approach for p in day),
        approaches_week=sum(p.approach for p in people),
        refusals=sum(p.refusal for p in people),
        blocks=sum(p.blocked for p in people),
        gifts=sum(p.gift for p in people),
        again=sum(p.again for p in people),
    )


def _count(weights: Iterable[float]) -> float:
    return float(sum(weight > 0.0 for weight in weights))


def towards_several(wide: Wide, at: float, toward: float = 1.0) -> list[Part]:
    """What an account's conduct over all conversations adds towards somebody; who does it, and to whom it did, is in its numbers.

    Nothing once a week has passed.
    """
    if at - wide.at > WEEK or not wide.people_week:
        return []
    day = max(0.0, wide.approaches_day - 5.0) if at - wide.at <= DAY else 0.0
    fan = (0.02 * day + 0.01 * max(0.0, wide.approaches_week - 10.0)) * (1.0 + 0.1 * max(0.0, wide.age_bands - 1.0))
    found = (
        ("approaches_many", min(0.35, fan), "approached {} who may be children within seven days", wide.people_week),
        ("declined_by_several", min(0.4, 0.03 * max(0.0, wide.refusals - 5.0)), REFUSED, wide.people_refusing),
        ("blocked_by_several", min(0.45, 0.12 * _beyond_one(wide.blocks)), "was blocked by {} who may be children", wide.people_blocking),
        ("gifts_to_several", min(0.4, 0.14 * _beyond_one(wide.gifts)), "sent gifts to {} it hardly knows", wide.people_given),
        ("asks_several_again", min(0.6, 0.3 * _beyond_one(wide.again)), "asked {} again after a refusal", wide.people_asked_again),
    )
    return [Part(cue, value * toward, reason.format(_people(count))) for cue, value, reason, count in found if value > 0.0]


def _beyond_one(weights: float) -> float:
    return max(0.0, weights - ONE_PERSON)


def _people(count: float) -> str:
    return "one person" if count == 1 else f"{count:.0f} people"


def belief(parts: Sequence[Part]) -> float:
    """0 to 1. Kinds of conduct add up; how far depends on how many different ones there are and whether one means something by itself.

    Grows with every argument: another part, or a greater one, never lowers it.
    """
    kinds: dict[str, float] = {}
    for part in parts:
        kind = GROUP[part.cue]
        kinds[kind] = kinds.get(kind, 0.0) + part.value
    counted = [kind for kind, value in kinds.items() if value >= COUNTS]
    clear = any(kind in CLEAR for kind in counted) or any(
        part.cue == "declined_by_several" and part.value >= MANY_REFUSALS for part in parts
    )
    if clear:
        most = (ONE_CLEAR_KIND, ONE_CLEAR_KIND, TWO_KINDS, math.inf)[min(3, len(counted))]
    else:
        most = ONE_KIND if len(counted) < 2 else NO_CLEAR_KIND
    return 1.0 - math.exp(-min(sum(kinds.values()), most))
