"""Gates: groups, what is known about somebody, trusted pairs, and tables that are refused."""

from __future__ import annotations

from importlib.resources import files

import pytest

from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance, Party, Relation
from nightlight.core.gates import ContactAsked, GiftAsked, GroupAsked, Known, Member, Outcome, PairingOffer, RecommendationAsked
from nightlight.core.harm import Level
from nightlight.protect.gates import Gates, load_policy, may_pair

GATES = Gates()
TEXT = files("nightlight.protect").joinpath("gates", "policy.toml").read_text("utf-8")


def child(account: str, band: AgeBand = AgeBand.A13_15) -> Party:
    return Party(account=account, age_band=band, assurance=Assurance.ESTIMATED, place="US")


def adult(account: str, assurance: Assurance = Assurance.VERIFIED) -> Party:
    return Party(account=account, age_band=AgeBand.ADULT, assurance=assurance, place="US")


def test_a_group_is_as_open_as_the_people_in_it() -> None:
    def ask(*others: Member, known: bool = True) -> Outcome:
        asked = GroupAsked(actor=child("a"), target=child("b"), relation=Relation.CONTACT, others=others if known else None)
        return GATES.decide(asked).outcome

    friend, stranger = Member(party=child("c"), relation=Relation.CONTACT), Member(party=adult("d"), relation=Relation.STRANGER)
    assert ask() is ask(friend) is Outcome.LIMIT
    assert ask(friend, stranger) is Outcome.REFUSE, "an adult whom the child does not know would read along"
    assert ask(known=False) is Outcome.REFUSE, "nobody says who is in it"
    grown = GroupAsked(actor=adult("a"), target=adult("b"), others=(Member(party=child("c"), relation=Relation.STRANGER),))
    assert GATES.decide(grown).outcome is Outcome.REFUSE, "and no adult is added to a child whom they do not know"
    assert GATES.decide(GroupAsked(actor=adult("a"), target=adult("b"), others=())).outcome is Outcome.ALLOW


def test_what_is_known_closes_the_way_in_both_directions_and_reads_like_an_age() -> None:
    family = {"actor": adult("a"), "target": child("b"), "relation": Relation.FAMILY}
    back = {"actor": child("b"), "target": adult("a"), "relation": Relation.FAMILY}
    by_age = GATES.decide(ContactAsked(actor=adult("x"), target=child("y"), relation=Relation.STRANGER))
    assert GATES.decide(ContactAsked(**family)).code == "open"
    for known in (Known(limited=True), Known(level=Level.HIGH), Known(towards={"b": Level.ELEVATED}), Known(shields=frozenset({"b"}))):
        for asked in (ContactAsked(**family), ContactAsked(**back), GiftAsked(**family)):
            assert GATES.decide(asked, {"a": known}) == by_age
    assert GATES.decide(ContactAsked(**family), {"a": Known(level=Level.ELEVATED)}).outcome is Outcome.LIMIT
    assert GATES.decide(ContactAsked(**family), {"a": Known(towards={"c": Level.ELEVATED})}).outcome is Outcome.ALLOW
    assert GATES.decide(ContactAsked(**family), {"a": Known(shields=frozenset({"c"}))}).outcome is Outcome.LIMIT
    assert GATES.decide(ContactAsked(actor=adult("a"), target=adult("b")), {"a": Known(limited=True)}).outcome is Outcome.ALLOW


def test_children_are_suggested_to_children_only_where_no_place_forbids_it() -> None:
    def ask(place: str | None) -> Outcome:
        a, b = (Party(account=x, age_band=AgeBand.A13_15, assurance=Assurance.VERIFIED, place=place) for x in "ab")
        return GATES.decide(RecommendationAsked(actor=a, target=b, relation=Relation.STRANGER)).outcome

    assert ask("US") is Outcome.ALLOW
    assert ask("GB") is ask("FR") is ask("EU") is ask(None) is Outcome.REFUSE


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('adult           = ["refuse", "limit", "allow", "allow"]', 'adult = ["limit", "limit", "allow", "allow"]', "a stranger who"),
        ('adult           = ["refuse", "limit", "allow", "allow"]', 'adult = ["refuse", "allow", "allow", "allow"]', "a connection alone"),
        ('unassured       = ["refuse", "limit", "limit", "limit"]', 'unassured = ["refuse", "limit", "allow", "limit"]', "vouches"),
        ('adult           = ["refuse", "refuse", "refuse", "refuse"]', 'adult = ["refuse", "refuse", "refuse", "allow"]', "suggested"),
        ('peers           = ["limit", "allow", "allow", "allow"]', 'peers = ["limit", "allow"]', "4"),
        ('unassured_adult = ["refuse", "refuse", "limit", "limit"]\n', "", "missing"),
        ("[place.GB.", "[place.XX.", "one of GB"),
        ('version = "2026-11"', 'version = "2026-11"\nmisspelt = 1', "misspelt"),
        ("[contacts]", "[contacts", "policy.toml"),
    ],
)
def test_a_table_that_lets_somebody_reach_a_child_is_refused(before: str, after: str, says: str) -> None:
    assert before in TEXT
    with pytest.raises(Invalid, match=r"policy\.toml") as wrong:
        load_policy(TEXT.replace(before, after, 1), "policy.toml")
    assert says in wrong.value.message


def test_who_may_pair() -> None:
    def may(a: Party, b: Party, known: Known | None = None, *, agreed: bool = False) -> bool:
        one, other = PairingOffer(party=a, guardian_agreed=agreed), PairingOffer(party=b, guardian_agreed=agreed)
        held = {a.account: known} if known is not None else {}
        found = may_pair(GATES, one, other, held)
        assert found is may_pair(GATES, other, one, held), "whoever shows the code and whoever types it"
        return found

    assert may(child("a"), child("b")) and may(child("a", AgeBand.A0_6), child("b", AgeBand.A16_17))
    assert may(adult("a", Assurance.NONE), adult("b", Assurance.NONE))
    assert may(adult("a"), child("b"), agreed=True)
    assert not may(adult("a"), child("b")), "no guardian agreed"
    for weak in (Assurance.NONE, Assurance.SELF_DECLARED, Assurance.INFERRED, Assurance.ESTIMATED):
        assert not may(adult("a", weak), child("b"), agreed=True), weak
    assert not may(Party(account="a", age_band=AgeBand.A13_15, assurance=Assurance.SELF_DECLARED), child("b"), agreed=True)
    assert not may(Party(account="a"), child("b"), agreed=True)
    assert not may(adult("a"), child("b"), Known(limited=True), agreed=True)
    assert not may(child("a"), child("a"))
