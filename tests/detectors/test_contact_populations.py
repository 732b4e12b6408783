"""The invented populations of `benchmarks/contact.py`, few of each: enough to see that the detector still tells them apart."""

from __future__ import annotations

from random import Random

import pytest
from benchmarks.contact import BENIGN, approacher, lines, measured

from nightlight.core.event import ContactRequest, Gift, Message


@pytest.mark.no_cover
@pytest.mark.parametrize("name", BENIGN)
def test_no_benign_kind_of_account_becomes_a_case(name: str) -> None:
    row = measured(name, BENIGN[name], 12, seed=3)
    low, elevated, high = row.reached
    assert high == 0
    assert elevated <= 2
    assert low >= elevated
    assert row.events > 12 * 20, "a life in which something happens"


@pytest.mark.no_cover
def test_most_who_go_from_child_to_child_are_seen() -> None:
    row = measured("approacher", approacher, 40, seed=3)
    assert row.reached[1] >= 34
    assert row.reached[2] >= 12


def test_the_same_seed_gives_the_same_lives_and_another_gives_others() -> None:
    one, same, other = (BENIGN["guild leader"](Random(seed)).events for seed in (1, 1, 2))
    assert one == same != other
    assert {ContactRequest, Gift, Message} <= {type(event) for event in one}


def test_the_table_gives_rates_with_their_bound() -> None:
    *_, row = lines([measured("parent", BENIGN["parent"], 3, seed=1)])
    assert row.startswith("| parent | ")
    assert "0.0 (1000.0)" in row
