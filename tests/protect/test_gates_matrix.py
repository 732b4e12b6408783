"""Every gate over every pair of ages, by how these are known, relation and place; the table in the docs is what the code does.

`NIGHTLIGHT_WRITE_DOCS=1 pytest tests/protect/test_gates_matrix.py` writes the table anew.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from nightlight.core.event import AgeBand, Assurance, Party, Relation
from nightlight.core.gates import Gate, Known, Outcome, VisibilityAsked
from nightlight.core.harm import Level
from nightlight.protect.gates import Gates
from nightlight.protect.gates.decide import _GATES
from nightlight.protect.gates.matrix import BEGIN, END, markdown

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "gates.md"
GATES = Gates()
TABLES = tuple(GATES.policy.tables())
PEOPLE = tuple(itertools.product(AgeBand, Assurance))
PAIRS = tuple(itertools.product(PEOPLE, PEOPLE))
WEAK = (Relation.STRANGER, Relation.UNKNOWN, Relation.CONTACT)


def party(account: str, who: tuple[AgeBand, Assurance], place: str | None = None) -> Party:
    return Party(account=account, age_band=who[0], assurance=who[1], place=place)


def test_the_table_in_the_docs_is_what_the_code_does() -> None:
    before, _, rest = DOCS.read_text("utf-8").partition(BEGIN + "\n")
    shown, _, after = rest.partition("\n" + END)
    made = "\n" + markdown(GATES)
    if os.environ.get("NIGHTLIGHT_WRITE_DOCS") == "1":
        DOCS.write_text(before + BEGIN + "\n" + made + "\n" + END + after, "utf-8")
        return
    assert shown == made, "the table changed: NIGHTLIGHT_WRITE_DOCS=1 pytest tests/protect/test_gates_matrix.py, and read what it wrote"


@pytest.mark.parametrize("place", [None, "US", "JP"])
def test_no_adult_and_nobody_unassured_reaches_a_child_by_default(place: str | None) -> None:
    """The promise of the whole part, cell by cell: said here by the parties' own words, not by the table's."""
    seen = 0
    for one, other in PAIRS:
        actor, target = party("a", one, place), party("b", other, place)
        for gate, shown in TABLES:
            reached = target if gate is Gate.VISIBILITY else target if target.may_be_minor else actor
            feared = actor if reached is target else target
            unsafe = feared.may_be_adult  # an adult, or somebody for whose age nobody vouches
            if not (reached.may_be_minor and unsafe):
                continue
            for relation in Relation:
                found = GATES.outcome(gate, shown, actor, target, relation)
                seen += 1
                if relation in (Relation.STRANGER, Relation.UNKNOWN):
                    assert found is Outcome.REFUSE, (gate, shown, one, other, relation)
                if relation is Relation.CONTACT or not feared.assurance.is_assured:
                    assert found is not Outcome.ALLOW, (gate, shown, one, other, relation)
                if gate is Gate.RECOMMENDATIONS:
                    assert found is Outcome.REFUSE, (one, other, relation)
    assert seen > 40_000


def test_two_grown_ups_are_left_alone_and_two_assured_children_are_not_cut_off() -> None:
    grown = (AgeBand.ADULT, Assurance.NONE)
    for gate, shown in TABLES:
        assert GATES.outcome(gate, shown, party("a", grown), party("b", grown), Relation.STRANGER) is Outcome.ALLOW
    child = (AgeBand.A13_15, Assurance.ESTIMATED)
    friends = party("a", child), party("b", child)
    assert GATES.outcome(Gate.CONTACTS, None, *friends, Relation.CONTACT) is Outcome.ALLOW
    assert GATES.outcome(Gate.CONTACTS, None, party("a", child, "US"), party("b", child, "US"), Relation.STRANGER) is Outcome.LIMIT


def test_both_directions_are_one_but_for_what_is_looked_at() -> None:
    for one, other in PAIRS:
        for gate, shown in TABLES:
            if gate is not Gate.VISIBILITY:
                for relation in Relation:
                    there = GATES.outcome(gate, shown, party("a", one), party("b", other), relation)
                    assert there is GATES.outcome(gate, shown, party("b", other), party("a", one), relation)


def test_a_closer_relation_and_a_better_known_age_of_a_child_never_close_anything() -> None:
    order = (Relation.STRANGER, Relation.CONTACT, Relation.TRUSTED, Relation.FAMILY)
    for (one, other), (gate, shown) in itertools.product(PAIRS, TABLES):
        found = [GATES.outcome(gate, shown, party("a", one), party("b", other), r).strictness for r in order]
        assert found == sorted(found, reverse=True), (gate, shown, one, other)
        if one[0].is_minor and not one[1].is_assured:
            known = (one[0], Assurance.VERIFIED)
            for relation, before in zip(order, found, strict=True):
                assert GATES.outcome(gate, shown, party("a", known), party("b", other), relation).strictness <= before


def test_an_unknown_place_is_the_strictest_and_a_place_only_adds() -> None:
    for (one, other), (gate, shown) in itertools.product(PAIRS[::3], TABLES):
        for relation in (Relation.STRANGER, Relation.CONTACT, Relation.FAMILY):
            nowhere = GATES.outcome(gate, shown, party("a", one), party("b", other), relation).strictness
            general = GATES.outcome(gate, shown, party("a", one, "JP"), party("b", other, "JP"), relation).strictness
            for place in ("GB", "DE", "US-CA", "BR", "AU"):
                here = GATES.outcome(gate, shown, party("a", one, place), party("b", other, place), relation).strictness
                mixed = GATES.outcome(gate, shown, party("a", one, place), party("b", other, "JP"), relation).strictness
                assert general <= here == mixed <= nowhere


def test_what_is_known_never_opens_anything_and_has_no_code_of_its_own() -> None:
    known = (
        Known(limited=True),
        Known(level=Level.HIGH),
        Known(level=Level.ELEVATED),
        Known(towards={"b": Level.ELEVATED}),
        Known(shields=frozenset()),
        Known(shields=frozenset({"b"})),
    )
    codes: set[str] = set()
    for one, other in PAIRS[::5]:
        actor, target = party("a", one), party("b", other)
        questions = [kind(actor=actor, target=target, relation=Relation.FAMILY) for kind in _GATES]
        questions += [VisibilityAsked(actor=actor, target=target, relation=Relation.FAMILY, what=s) for _, s in TABLES if s is not None]
        for question in questions:
            plain = GATES.decide(question)
            for what in known:
                found = GATES.decide(question, {"a": what})
                assert found.outcome.strictness >= plain.outcome.strictness
                assert target.may_be_minor or found == plain, "it is about children alone"
                codes.add(found.code)
    assert codes == {"open", "ask_first", "not_available"}
