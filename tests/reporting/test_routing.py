"""Reports go by establishment and by the users' places, and never beyond the allow-list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nightlight.core.casefile import Place
from nightlight.core.errors import Invalid
from nightlight.reporting.routing import load_authorities, route, route_case, shipped_authorities
from tests.reporting.cases import CHILD, SERVICE, SUSPECT, sextortion

TABLE = shipped_authorities()
EVERYBODY = {one.id for one in TABLE}


def to(establishment: str, *places: str | None, allowed: set[str] = EVERYBODY) -> list[tuple[str, str, bool]]:
    return [(one.authority.id, one.why, one.duty) for one in route(establishment, places, allowed, TABLE).to]


def test_a_us_service_tells_ncmec_which_passes_it_on() -> None:
    assert to("US", "GB", "AU") == [("ncmec", "establishment", True)]
    assert to("US-CA", None) == [("ncmec", "establishment", True)]


def test_elsewhere_the_countrys_own_comes_first_and_ncmec_takes_it_too() -> None:
    assert to("GB", "GB") == [("nca", "establishment", True), ("ncmec", "takes_abroad", False)]
    assert to("ES") == [("eu-national", "establishment", True), ("ncmec", "takes_abroad", False)]
    assert to("BR", "BR") == [("ncmec", "takes_abroad", False)]


def test_users_places_count_where_nobody_passes_reports_on() -> None:
    allowed = {"nca", "esafety", "c3p"}
    assert to("BR", "GB-SCT", "AU", "FR", None, allowed=allowed) == [("nca", "users", False), ("esafety", "users", False)]
    assert to("GB", "GB", "CA", allowed=allowed) == [("nca", "establishment", True), ("c3p", "users", False)]


def test_what_the_operator_has_not_allowed_is_told_and_gets_nothing() -> None:
    routing = route("US", ("US",), set(), TABLE)
    assert routing.to == ()
    assert [one.authority.id for one in routing.owed] == ["ncmec"]
    assert route("GB", (), {"ncmec"}, TABLE).owed[0].authority.id == "nca"


@given(
    establishment=st.sampled_from(("US", "GB", "CA", "AU", "ES", "BR", "ZZ", "")),
    places=st.lists(st.sampled_from(("US", "GB", "CA", "AU", "ES", None))),
    allowed=st.sets(st.sampled_from(sorted(EVERYBODY))),
)
def test_nothing_goes_beyond_the_list_or_twice(establishment: str, places: list[str | None], allowed: set[str]) -> None:
    routing = route(establishment, places, allowed, TABLE)
    told = [one.authority.id for one in routing.to]
    assert set(told) <= allowed
    assert len(set(told)) == len(told)
    assert not set(told) & {one.authority.id for one in routing.not_allowed}


def test_of_a_case_only_the_places_of_those_concerned_count() -> None:
    file = replace(
        sextortion(),
        service=replace(SERVICE, establishment="BR"),
        parties=(replace(SUSPECT, place=Place(country="AU")), replace(CHILD, place=None)),
    )
    routing = route_case(file, {"esafety", "nca"}, TABLE)
    assert [one.authority.id for one in routing.to] == ["esafety"]


def test_the_table_that_ships_is_whole_and_signed_by_nobody() -> None:
    assert {"ncmec", "nca"} <= EVERYBODY
    assert [one.id for one in TABLE if one.channel == "cybertipline"] == ["ncmec"]
    assert all(one.confirmed_by is None and one.basis and (one.establishment or one.places) for one in TABLE)


@pytest.mark.parametrize(
    "text",
    [
        "authority = 5",
        "not toml [",
        '[[authority]]\nid = "x"',
        '[[authority]]\nid="a"\nname="abc"\nchannel="fax"\nbasis="abc"\nreviewed=2026-01-01',
        '[[authority]]\nid="a"\nname="abc"\nchannel="manual"\nbasis="abc"\nreviewed=2026-01-01\nplaces=["Spain"]',
        2 * '[[authority]]\nid="a"\nname="abc"\nchannel="manual"\nbasis="abc"\nreviewed=2026-01-01\n',
    ],
)
def test_a_wrong_table_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid, match=r"mine\.toml"):
        load_authorities(text, "mine.toml")
