"""Who speaks to whom, and how much a line weighs by it."""

from __future__ import annotations

from nightlight.core.detect import Key, KeyKind
from nightlight.core.event import AgeBand, EventBase, Party, Relation, UserReport

from .states import Talk, short
from .weights import INNOCENT

MOST_TARGETS = 8
"""People one report is taken to be about, and people that one line is taken to protect."""

ROOM = 8
"""People addressed from whom on a line is said to a room. Chosen."""


def direction(event: EventBase, account: str) -> Key:
    """The memory of that account's side of the event's conversation."""
    return Key(KeyKind.DIRECTION, f"{event.conversation}|{account}")


def protected(event: EventBase, talk: Talk) -> tuple[str | None, ...]:
    """Whom a line may harm: those addressed who may be children, the likeliest first; where there is none, the one it weighs most on."""
    ranked = sorted(event.targets, key=lambda target: -role(event.actor, target, talk))
    children = [target.account for target in ranked if target.may_be_minor][:MOST_TARGETS]
    return tuple(children) or ((ranked[0].account,) if ranked else (None,))


def reported(event: UserReport) -> list[Party]:
    """The people a report is about, each once; more than a few is no report about anybody."""
    return list({target.account: target for target in event.targets}.values())[:MOST_TARGETS]


def role(actor: Party, target: Party, talk: Talk) -> float:
    """How much a line weighs by who says it to whom. What an account says of its own age never makes it weigh less."""
    told_young = short(target.account) in talk.minors
    if not target.may_be_minor and target.assurance.is_assured:
        towards = 0.15
    elif not target.may_be_minor and not told_young:
        # Children say they are older than they are.
        towards = 0.6
    else:
        towards = 1.0
    if actor.age_band is AgeBand.ADULT:
        return 1.25 * towards
    if actor.may_be_adult:
        return towards
    # Assured to be a child: a mild lowering among peers, none where the other is much younger.
    bands = list(AgeBand)
    much_younger = target.age_band.is_minor and bands.index(actor.age_band) - bands.index(target.age_band) >= 2
    return (1.0 if much_younger else 0.75) * towards


def closeness(relation: Relation, cue: str, people: int = 1) -> float:
    """Family asks where a child is and picks them up, and what is asked of a whole room (`people` addressed) is asked of nobody.

    Secrecy, isolation and coercion weigh the same from anybody, before anybody.
    """
    if cue not in INNOCENT:
        return 1.0
    return {Relation.FAMILY: 0.5, Relation.TRUSTED: 0.7}.get(relation, 1.0) * (0.5 if people > ROOM else 1.0)
