"""Where lists disagree: which match counts, what may be done, and who is said to be overruled."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nightlight.core.arbitration import allowed, arbitrate
from nightlight.core.bank import BankAction, BankKind, Category, Match
from nightlight.core.fingerprint import FingerprintKind, Variant

STRENGTH = [BankAction.COUNT, BankAction.REVIEW, BankAction.HOLD, BankAction.BLOCK]


def match(bank: str, kind: FingerprintKind = FingerprintKind.SHA256, bank_kind: BankKind = BankKind.OWN, **more: Any) -> Match:
    base: dict[str, Any] = {"item": "a1", "distance": 0 if kind.is_exact else 4, "threshold": 31}
    return Match(bank=bank, bank_kind=bank_kind, kind=kind, **{**base, **more})


OWN = match("own")
LIKE = match("like", FingerprintKind.PDQ)
PARTNER = match("partner", bank_kind=BankKind.PARTNER, action=BankAction.HOLD)
AUTHORITY = match("authority", bank_kind=BankKind.PARTNER, authority=True)
AUTHORITY_LIKE = match("authority", FingerprintKind.PDQ, BankKind.PARTNER, authority=True, distance=30)
REPORTED = match("reported", bank_kind=BankKind.QUARANTINE)
DERIVED = match("own", FingerprintKind.PDQ, item="crop_1", derived=True)
FALSE = match("false", bank_kind=BankKind.NEGATIVE)
FALSE_BY_LEAD = replace(FALSE, overrides_authority=True)
TRIAL = match("trial", action=BankAction.COUNT)


@pytest.mark.parametrize(
    ("matches", "bank", "action", "said"),
    [
        ([OWN], "own", BankAction.BLOCK, []),
        ([LIKE, OWN], "own", BankAction.BLOCK, []),
        # an authority
        ([AUTHORITY, replace(OWN, action=BankAction.REVIEW)], "authority", BankAction.BLOCK, ["bank own would review it", "authority"]),
        ([replace(AUTHORITY, action=BankAction.HOLD), OWN], "authority", BankAction.HOLD, ["bank own would block it", "very bytes"]),
        ([AUTHORITY, FALSE], "authority", BankAction.BLOCK, ["item a1 of bank false", "no lead approved"]),
        ([AUTHORITY_LIKE, FALSE, OWN], "authority", BankAction.BLOCK, ["no lead approved"]),
        ([AUTHORITY_LIKE, OWN], "own", BankAction.BLOCK, []),
        ([AUTHORITY_LIKE, replace(LIKE, distance=1)], "authority", BankAction.BLOCK, []),
        # own and partner
        ([PARTNER, LIKE], "partner", BankAction.HOLD, ["bank like would block it", "the very same bytes go before a likeness"]),
        ([PARTNER, OWN], "own", BankAction.BLOCK, ["bank partner would hold it", "stronger action"]),
        # what is not reviewed, a part, on trial
        ([REPORTED], "reported", BankAction.HOLD, []),
        ([REPORTED, LIKE], "like", BankAction.BLOCK, ["bank reported would hold it", "reviewed list"]),
        ([replace(REPORTED, action=BankAction.REVIEW)], "reported", BankAction.REVIEW, []),
        ([DERIVED], "own", BankAction.HOLD, ["a part of a confirmed picture"]),
        ([DERIVED, replace(LIKE, distance=31)], "like", BankAction.BLOCK, ["bank own would hold it", "whole picture"]),
        ([DERIVED, REPORTED], "own", BankAction.HOLD, ["part"]),
        ([TRIAL], "trial", BankAction.COUNT, []),
        ([TRIAL, REPORTED], "reported", BankAction.HOLD, ["bank trial has it too and only counts"]),
        ([replace(AUTHORITY, action=BankAction.COUNT), LIKE], "like", BankAction.BLOCK, ["only counts"]),
        # floods
        ([replace(OWN, paused=True)], "own", BankAction.HOLD, ["flood"]),
        ([replace(OWN, paused=True), replace(OWN, bank="second")], "second", BankAction.HOLD, ["flood"]),
        ([replace(OWN, paused=True), AUTHORITY], "authority", BankAction.BLOCK, ["bank own would hold it"]),
        ([replace(REPORTED, paused=True), OWN], "own", BankAction.BLOCK, ["bank reported would hold it"]),
        ([replace(LIKE, paused=True), OWN], "own", BankAction.BLOCK, ["bank like would hold it"]),
        # a weaker hash among known false matches is a doubt
        ([OWN, replace(FALSE, kind=FingerprintKind.MD5)], "own", BankAction.HOLD, ["its MD5 is also that of item a1 of bank false"]),
        ([AUTHORITY, replace(FALSE, kind=FingerprintKind.MD5)], "authority", BankAction.BLOCK, []),
    ],
)
def test_the_rules(matches: list[Match], bank: str, action: BankAction, said: list[str]) -> None:
    for order in permutations(matches):
        outcome = arbitrate(order)
        assert outcome is not None and outcome.suppressed_by is None
        assert (outcome.match.bank, outcome.action) == (bank, action)
        words = "; ".join(outcome.notes)
        assert all(part in words for part in said), words
        assert bool(said) == bool(words)


SILENCED = [[OWN, FALSE], [LIKE, PARTNER, FALSE], [REPORTED, FALSE], [AUTHORITY, FALSE_BY_LEAD], [OWN, AUTHORITY, FALSE_BY_LEAD]]


@pytest.mark.parametrize("matches", SILENCED)
def test_a_known_false_match_silences_and_is_named(matches: list[Match]) -> None:
    for order in permutations(matches):
        outcome = arbitrate(order)
        assert outcome is not None and outcome.suppressed_by is not None
        assert (outcome.action, outcome.standing, outcome.spares_account) == (BankAction.COUNT, (), True)
        assert "item a1 of bank false" in outcome.notes[0]
        assert ("a lead approved" in outcome.notes[0]) is (AUTHORITY in matches)


def test_what_lists_say_of_the_picture_is_told_where_they_differ() -> None:
    said = replace(OWN, category=Category.A1, generated=True), replace(PARTNER, category=Category.B2, generated=False)
    outcome = arbitrate(said)
    assert outcome is not None
    assert outcome.notes[-2:] == (
        "lists disagree on its category: A1 (bank own), B2 (bank partner)",
        "lists disagree on whether a generative model made it: yes (bank own), no (bank partner)",
    )
    alike = arbitrate([replace(m, category=Category.A1, generated=None) for m in said])
    assert alike is not None and not any("disagree" in note for note in alike.notes)


def test_only_known_false_matches_are_nothing() -> None:
    assert arbitrate([]) is None
    assert arbitrate([FALSE, FALSE_BY_LEAD]) is None


@pytest.mark.parametrize("weak", [REPORTED, DERIVED, replace(OWN, paused=True), TRIAL, replace(OWN, action=BankAction.REVIEW)])
def test_what_is_weak_spares_accounts_alone_and_takes_no_account_from_what_is_not(weak: Match) -> None:
    alone, beside = arbitrate([weak]), arbitrate([weak, AUTHORITY])
    assert alone is not None and alone.spares_account
    assert beside is not None and not beside.spares_account


any_match = st.builds(
    Match,
    bank=st.sampled_from(["a", "b", "c"]),
    bank_kind=st.sampled_from(BankKind),
    item=st.sampled_from(["1", "2"]),
    kind=st.sampled_from([*FingerprintKind, FingerprintKind("x-ring")]),
    distance=st.integers(0, 31),
    threshold=st.just(31),
    variant=st.none() | st.sampled_from(Variant),
    action=st.sampled_from(BankAction),
    authority=st.booleans(),
    derived=st.booleans(),
    paused=st.booleans(),
    overrides_authority=st.booleans(),
    category=st.none() | st.sampled_from(Category),
    generated=st.none() | st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(any_match, max_size=6, unique_by=lambda m: (m.bank, m.item, m.kind)), st.randoms())
def test_whatever_the_lists_say(matches: list[Match], random: Any) -> None:
    outcome = arbitrate(matches)
    shuffled = list(matches)
    random.shuffle(shuffled)
    assert arbitrate(shuffled) == outcome, "the order of the matches changes nothing"
    if outcome is None:
        assert all(m.bank_kind is BankKind.NEGATIVE for m in matches)
        return
    assert outcome.match in matches and outcome.match.bank_kind is not BankKind.NEGATIVE
    assert STRENGTH.index(outcome.action) <= STRENGTH.index(allowed(outcome.match))
    if outcome.match.derived or outcome.match.paused or outcome.match.bank_kind is BankKind.QUARANTINE:
        assert outcome.action is not BankAction.BLOCK and outcome.spares_account
