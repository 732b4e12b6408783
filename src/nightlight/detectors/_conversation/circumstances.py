"""What is known beside the lines: who turns to whom, how new the account is, what it did elsewhere. Each multiplies what the lines come to.

None is anything by itself: without a line that counts there is nothing to multiply. Each only raises, so that leaving one out hides little.
What an account did elsewhere is read from what the second hop last committed, by name; where that detector does not run it is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from nightlight.core.event import AgeBand, Party
from nightlight.core.features import Features

WEEK = 7 * 86_400.0
MOST = 1.5
"""The most that all circumstances together multiply. Chosen: they shift a level by one at most."""
NEW_ACCOUNT = ((7.0, 1.1), (30.0, 1.05))
"""Days since the account was made, and what that multiplies: offenders come back under new accounts (Meta 2022). Chosen."""
REFUSALS_SAY = 2
"""People who declined or blocked from whom on it says something: anybody is declined once."""


class Circumstance(Struct, frozen=True):
    name: str
    factor: float
    reason: str
    """In plain words; told once a conversation and side."""


def circumstances(features: Features, actor: Party, people: Sequence[Party], at: float, fan_out: float) -> list[Circumstance]:
    """Those that hold for that side now. `fan_out`: what each person approached elsewhere adds, of five at most."""
    return [*_ages(actor, people), *_account(actor), *_elsewhere(features, actor.account, at, fan_out)]


def multiplied(holding: Sequence[Circumstance]) -> float:
    return min(MOST, math.prod(one.factor for one in holding))


def _ages(actor: Party, people: Sequence[Party]) -> list[Circumstance]:
    """Who turns to whom. It weighs in the role already; here it is only said, so that whoever looks knows on what it rests."""
    if not any(person.may_be_minor for person in people):
        return []
    if actor.age_band is AgeBand.ADULT:
        return [Circumstance("adult_to_child", 1.0, "is an adult and turns to somebody who may be a child")]
    if not actor.may_be_adult:
        return [Circumstance("peers", 1.0, "is assured to be a child too")]
    return []


def _account(actor: Party) -> list[Circumstance]:
    days = actor.account_age_days
    factor = next((times for below, times in NEW_ACCOUNT if days is not None and days < below), 1.0)
    return [Circumstance("new_account", factor, "acts from a new account")] if factor > 1.0 else []


def _elsewhere(features: Features, account: str, at: float, fan_out: float) -> list[Circumstance]:
    found = []
    # Approaching several children is itself a sign (Thorn/NCMEC 2024).
    others = min(5.0, max(0.0, features.summary(account, "grooming.minors_approached") - 1.0))
    if others:
        found.append(Circumstance("several_approached", 1.0 + fan_out * others, "approached others who may be children in this way"))
    if at - features.summary(account, "contact.at") > WEEK:
        return found
    # Many declined (Thorn/NCMEC 2024, WeProtect 2023), blocked by minors (Meta 2022), gifts before words (Whittle 2013).
    refusing = features.summary(account, "contact.people_refusing")
    if refusing >= REFUSALS_SAY:
        reason = "was declined or blocked by several who may be children"
        found.append(Circumstance("declined", 1.0 + 0.03 * min(5.0, refusing), reason))
    given = features.summary(account, "contact.people_given")
    if given:
        found.append(Circumstance("gifts", 1.0 + 0.03 * min(5.0, given), "gave gifts to people who may be children and are no relations"))
    return found
