"""Which rules count at a place: those of its country however it is written, and all of them where nobody knows it."""

from __future__ import annotations

import pytest

from nightlight.core.event import AgeBand, Assurance, Party, Relation
from nightlight.core.gates import ContactAsked, Outcome
from nightlight.protect.gates import Gates
from nightlight.protect.places import EU, NAMED, falls_under


@pytest.mark.parametrize(
    ("place", "under"),
    [
        ("GB", ("GB",)),
        ("GB-SCT", ("GB",)),
        ("UK", ("GB",)),
        ("UK-ENG", ("GB",)),
        ("EL", ("EU",)),
        ("GR", ("EU",)),
        ("EU", ("EU",)),
        ("FR-75", ("EU",)),
        ("US-CA", ("US",)),
        ("JP", ()),
        ("XK", ()),
        ("QA", ()),
        ("ZA", ()),
        *((nowhere, NAMED) for nowhere in (None, "XX", "ZZ", "AA", "QM", "QZ", "XA", "XX-1")),
    ],
)
def test_a_place_falls_under(place: str | None, under: tuple[str, ...]) -> None:
    assert falls_under(place) == under
    assert len(EU) == 27


def test_a_service_that_writes_uk_or_no_country_gets_no_weaker_gate() -> None:
    def asked(place: str | None) -> Outcome:
        one, other = (Party(account=name, age_band=AgeBand.A13_15, assurance=Assurance.ESTIMATED, place=place) for name in ("a", "b"))
        return Gates().decide(ContactAsked(actor=one, target=other, relation=Relation.STRANGER)).outcome

    assert asked("XX") is asked("ZZ") is asked(None) is Outcome.REFUSE
    assert asked("UK") is asked("GB") and asked("JP") is Outcome.LIMIT
