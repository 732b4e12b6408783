"""Answers questions by the table. Every combination of ages and places is worked out once; a question is then two look-ups."""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.event import AgeBand, Assurance, Party, Relation
from nightlight.core.gates import (
    Answered,
    Asked,
    ContactAsked,
    Gate,
    GiftAsked,
    GroupAsked,
    Known,
    Outcome,
    RecommendationAsked,
    Shown,
    VisibilityAsked,
)
from nightlight.core.harm import Level
from nightlight.protect.gates.table import COLUMNS, GatePolicy, PairKind, kind_of, shipped_policy
from nightlight.protect.places import falls_under

_MOST = 4096
"""Combinations of places remembered: what a service sends never makes them grow for ever."""

ANSWERS: Mapping[Outcome, Answered] = {outcome: Answered(outcome=outcome, code=outcome.code) for outcome in Outcome}
NOTHING = Known()
SOMEBODY = Party(account="somebody")
"""Whom a service does not name: of unknown age and place."""

_ALLOW, _LIMIT, _REFUSE = 0, 1, 2
_OUTCOMES = tuple(ANSWERS[outcome] for outcome in Outcome)
_TABLES: Mapping[tuple[Gate, Shown | None], int] = {
    **{(gate, None): number for number, gate in enumerate(g for g in Gate if g is not Gate.VISIBILITY)},
    **{(Gate.VISIBILITY, shown): number for number, shown in enumerate(Shown, 4)},
}
_GATES = {
    ContactAsked: _TABLES[Gate.CONTACTS, None],
    GiftAsked: _TABLES[Gate.GIFTS, None],
    GroupAsked: _TABLES[Gate.GROUPS, None],
    RecommendationAsked: _TABLES[Gate.RECOMMENDATIONS, None],
}
_SHOWN = {shown: _TABLES[Gate.VISIBILITY, shown] for shown in Shown}
_VISIBILITY_FROM = 4
_SPREADS = frozenset((_TABLES[Gate.RECOMMENDATIONS, None], *_SHOWN.values()))
"""Through which others are found."""

_SIDES = {(band, assurance): 2 * number + assurance.is_assured for number, band in enumerate(AgeBand) for assurance in Assurance}
"""A person as the table sees them. An unknown age is one whatever the service says of how it is known."""
_MANY = 2 * len(AgeBand)
_Grid = tuple[tuple[tuple[int, ...], ...], ...]
"""By table; by `side of the actor * _MANY + side of the target`; by column of the relation."""


class Gates:
    """Safe to use from several threads. Nothing here knows the time or a store."""

    def __init__(self, policy: GatePolicy | None = None) -> None:
        self.policy = policy or shipped_policy()
        self._grids: dict[tuple[str | None, str | None], _Grid] = {}
        self._by_names: dict[frozenset[str], _Grid] = {}

    def decide(self, asked: Asked, known: Mapping[str, Known] | None = None) -> Answered:
        """The answer to one question. `known` by account; who is not in it is not known for anything.

        Whatever is known is looked at whether or not it can still change the answer, so that both ways take the same steps.
        """
        known = known if known is not None else {}
        if isinstance(asked, GroupAsked):
            return self._group(asked, known)
        if isinstance(asked, VisibilityAsked):
            return _OUTCOMES[self._pair(_SHOWN[asked.what], asked.actor, asked.target, asked.relation, known)]
        return _OUTCOMES[self._pair(_GATES[type(asked)], asked.actor, asked.target, asked.relation, known)]

    def outcome(self, gate: Gate, shown: Shown | None, actor: Party, target: Party, relation: Relation) -> Outcome:
        """By the table alone."""
        return _OUTCOMES[self._pair(_TABLES[gate, shown], actor, target, relation, {})].outcome

    def _group(self, asked: GroupAsked, known: Mapping[str, Known]) -> Answered:
        table = _TABLES[Gate.GROUPS, None]
        found = self._pair(table, asked.actor, asked.target, asked.relation, known)
        # In a group everybody can write to everybody: who is in it counts as who may reach the newcomer, and the other way round.
        reach = _TABLES[Gate.CONTACTS, None]
        if asked.others is None:
            return _OUTCOMES[max(found, self._pair(reach, SOMEBODY, asked.target, Relation.STRANGER, known))]
        for other in asked.others:
            found = max(found, self._pair(reach, other.party, asked.target, other.relation, known))
        return _OUTCOMES[found]

    def _pair(self, table: int, actor: Party, target: Party, relation: Relation, known: Mapping[str, Known]) -> int:
        grid = self._grids.get((actor.place, target.place)) or self._look_up(actor.place, target.place)
        sides = _SIDES[actor.age_band, actor.assurance] * _MANY + _SIDES[target.age_band, target.assurance]
        found = grid[table][sides][COLUMNS[relation]]
        there = _risk(table, known.get(actor.account, NOTHING), target, found)
        back = _risk(table, known.get(target.account, NOTHING), actor, found) if table < _VISIBILITY_FROM else found
        return max(there, back)

    # -- working out ---------------------------------------------------------------------------------------------------------------

    def _look_up(self, actor: str | None, target: str | None) -> _Grid:
        names = frozenset((*falls_under(actor), *falls_under(target)))
        grid = self._by_names.get(names)
        if grid is None:
            grid = self._by_names[names] = self._made(names)
        if len(self._grids) >= _MOST:
            self._grids = {}
        self._grids[actor, target] = grid
        return grid

    def _made(self, places: frozenset[str]) -> _Grid:
        sides = [Party(account="", age_band=band, assurance=a) for band in AgeBand for a in (Assurance.NONE, Assurance.VERIFIED)]
        return tuple(
            tuple(tuple(self._cell(gate, shown, a, b, column, places) for column in range(4)) for a in sides for b in sides)
            for gate, shown in _TABLES
        )

    def _cell(self, gate: Gate, shown: Shown | None, actor: Party, target: Party, column: int, places: frozenset[str]) -> int:
        if gate is Gate.VISIBILITY and not target.may_be_minor:
            return _ALLOW
        kind = kind_of(actor, target)
        found = self.policy.rows(gate, shown)[kind][column].strictness
        for place in places:
            row = self.policy.rows(gate, shown, place).get(kind)
            found = max(found, row[column].strictness if row is not None else _ALLOW)
        youngest = (*self.policy.youngest.bands, AgeBand.UNKNOWN)
        if column == 0 and kind is not PairKind.ADULTS and (actor.age_band in youngest or target.age_band in youngest):
            found = _REFUSE
        return found


def _risk(table: int, about: Known, other: Party, found: int) -> int:
    """What is known about one makes stricter what they may do where the other may be a minor. It never makes anything less strict."""
    towards = about.towards.get(other.account, Level.NONE).rank
    reach = about.shields is not None and (table in _SPREADS or not about.shields or other.account in about.shields)
    refused = about.limited or reach or about.level.rank >= _HIGH or towards >= _ELEVATED
    limited = about.shields is not None or about.level.rank >= _ELEVATED
    worst = _REFUSE if refused else max(found, _LIMIT) if limited else found
    return max(found, worst) if other.may_be_minor else found


_HIGH, _ELEVATED = Level.HIGH.rank, Level.ELEVATED.rank
