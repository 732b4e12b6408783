"""The gates over the store: what is held about the people of a question, read once a call, and the table that answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TypeVar

from msgspec import structs

from nightlight.adapters.store.standing import Held, SqlStanding
from nightlight.adapters.store.trust import PairingLimits
from nightlight.assess import assess
from nightlight.core.clock import Clock
from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.event import Relation
from nightlight.core.gates import (
    MAX_ASKED,
    MAX_OTHERS,
    Answered,
    Asked,
    ContactAsked,
    GiftAsked,
    GroupAsked,
    Known,
    Member,
    PairingOffer,
    RecommendationAsked,
    VisibilityAsked,
)
from nightlight.core.harm import Level
from nightlight.core.ids import Pseudonymiser, fit_for_id
from nightlight.core.ports import LimitKind
from nightlight.protect.gates import Gates, may_pair
from nightlight.protect.gates.table import Pairing

A = TypeVar("A", bound=Asked)
_REMEMBERED = 20_000
"""Pseudonyms kept in memory: some four megabytes."""
_WEAKER = (Relation.STRANGER, Relation.UNKNOWN, Relation.CONTACT)


class GatesOverStore:
    """Fills `core.gates.GateService`. Safe to use from several threads."""

    def __init__(
        self, gates: Gates, standing: SqlStanding, pseudonymiser: Pseudonymiser, clock: Clock, levels: Mapping[Level, float]
    ) -> None:
        self.gates = gates
        self._standing, self._clock, self._levels = standing, clock, levels
        # The same accounts are asked about again and again, and a pseudonym costs as much as four decisions.
        self._pseudonym = lru_cache(_REMEMBERED)(lambda account: pseudonymiser("account", account))

    def contacts(self, asked: Sequence[ContactAsked]) -> Sequence[Answered]:
        return self._answers(asked)

    def gifts(self, asked: Sequence[GiftAsked]) -> Sequence[Answered]:
        return self._answers(asked)

    def groups(self, asked: Sequence[GroupAsked]) -> Sequence[Answered]:
        return self._answers(asked)

    def recommendations(self, asked: Sequence[RecommendationAsked]) -> Sequence[Answered]:
        return self._answers(asked)

    def visibility(self, asked: Sequence[VisibilityAsked]) -> Sequence[Answered]:
        return self._answers(asked)

    def may_pair(self, one: PairingOffer, other: PairingOffer) -> bool:
        """Whether two may become trusted contacts."""
        names = self._names((one.party.account, other.party.account))
        known = self._known(self._standing.held(names.values(), self._clock.now()), names)
        return may_pair(self.gates, one, other, known)

    def _answers(self, asked: Sequence[Asked]) -> Sequence[Answered]:
        _check(asked)
        names = self._names(account for one in asked for account in _accounts(one))
        held = self._standing.held(names.values(), self._clock.now())
        known = self._known(held, names)
        decide = self.gates.decide
        if not held.trusted:
            return [decide(one, known) for one in asked]
        return [decide(_with_trust(one, names, held.trusted), known) for one in asked]

    def _names(self, accounts: Iterable[str]) -> dict[str, str]:
        """Pseudonyms by the service's own ids."""
        return {account: self._pseudonym(account) for account in dict.fromkeys(accounts)}

    def _known(self, held: Held, names: Mapping[str, str]) -> Mapping[str, Known]:
        """In the service's own ids, as far as the call names them."""
        if not held.limits and not held.assessments:
            return {}
        own = {pseudonym: account for account, pseudonym in names.items()}
        now = self._clock.now()
        levels: dict[str, dict[str | None, Level]] = {}
        for found in held.assessments:
            current = assess(found, (), max(now, found.at), levels=self._levels)
            if found.actor is not None:
                about = levels.setdefault(found.actor, {})
                for towards in (None, found.protects):
                    about[towards] = max(about.get(towards, Level.NONE), current.level, key=lambda level: level.rank)
        return {
            own[pseudonym]: Known(
                limited=any(limit.kind is LimitKind.CONTACT for limit in held.limits.get(pseudonym, ())),
                shields=_shields(held, pseudonym, own),
                level=levels.get(pseudonym, {}).get(None, Level.NONE),
                towards={own.get(other, other): level for other, level in levels.get(pseudonym, {}).items() if other is not None},
            )
            for pseudonym in {*held.limits, *levels}
            if pseudonym in own
        }


def pairing_limits(given: Pairing) -> PairingLimits:
    return PairingLimits(
        good_for=given.good_for, tries=given.tries, tries_within=timedelta(minutes=given.tries_minutes), offers=given.offers
    )


def _shields(held: Held, pseudonym: str, own: Mapping[str, str]) -> frozenset[str] | None:
    reach = [limit for limit in held.limits.get(pseudonym, ()) if limit.kind is LimitKind.REACH]
    return frozenset(own.get(child, child) for limit in reach for child in limit.protects) if reach else None


def _check(asked: Sequence[Asked]) -> None:
    if len(asked) > MAX_ASKED:
        raise TooLarge(f"{MAX_ASKED} questions at most", field="asked")
    for number, one in enumerate(asked):
        if one.actor.account == one.target.account:
            raise Invalid("one account, and another", field=f"asked[{number}].target.account")
        # An id with a mark in it that nobody sees would be somebody of whom nothing is known.
        fit_for_id(one.actor.account, f"asked[{number}].actor.account")
        fit_for_id(one.target.account, f"asked[{number}].target.account")
        if isinstance(one, GroupAsked) and one.others:
            if len(one.others) > MAX_OTHERS:
                raise TooLarge(f"{MAX_OTHERS} people at most", field=f"asked[{number}].others")
            for place, other in enumerate(one.others):
                fit_for_id(other.party.account, f"asked[{number}].others[{place}].party.account")


def _accounts(asked: Asked) -> Iterable[str]:
    yield asked.actor.account
    yield asked.target.account
    if isinstance(asked, GroupAsked):
        yield from (other.party.account for other in asked.others or ())


def _with_trust(asked: A, names: Mapping[str, str], trusted: frozenset[tuple[str, str]]) -> A:
    """The question, with `trusted` for those who paired and of whom the service knows less."""

    def raised(relation: Relation, account: str) -> Relation:
        first, second = sorted((names[account], names[asked.target.account]))
        return Relation.TRUSTED if relation in _WEAKER and (first, second) in trusted else relation

    changed: dict[str, object] = {}
    if (relation := raised(asked.relation, asked.actor.account)) is not asked.relation:
        changed["relation"] = relation
    if isinstance(asked, GroupAsked) and asked.others:
        changed["others"] = tuple(Member(party=other.party, relation=raised(other.relation, other.party.account)) for other in asked.others)
    return structs.replace(asked, **changed) if changed else asked
