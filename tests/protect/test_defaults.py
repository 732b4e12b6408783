"""Defaults by age: the tables are whole, the strictest wins, and a service's settings are compared with them."""

from __future__ import annotations

import re
from importlib.resources import files

import msgspec
import pytest

from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand, Assurance
from nightlight.core.protections import DeviationKind, Grade, ServiceSettings, Setting
from nightlight.protect.defaults import FILES, LANGUAGES, Protections, load_general, load_place
from nightlight.protect.defaults.table import BANDS, shipped
from nightlight.protect.places import NAMED
from tests.protect.test_catalogue import BLAMING

ALL = Protections()
DATA = files("nightlight.protect").joinpath("defaults", "data")
GENERAL = DATA.joinpath("general.toml").read_text("utf-8")
MINORS = tuple(band for band in BANDS if band.is_minor)


def as_asked(place: str | None = None) -> list[Setting]:
    """Settings of a service that does exactly what is asked at a place."""
    return [
        Setting(
            feature=p.feature,
            age_band=p.age_band,
            default=p.default,
            child_may_change=p.child_may_change,
            guardian_must_agree=p.guardian_must_agree,
        )
        for p in ALL.protections(place=place)
    ]


def test_every_place_has_its_file_and_every_feature_its_words_and_source() -> None:
    assert set(FILES) == set(NAMED)
    general, places = shipped()
    assert len(general.feature) >= 20
    for language in LANGUAGES:
        for one in ALL.protections(language=language):
            assert one.reason.endswith(".") and one.reason.count(".") == 1, one.reason
            assert not BLAMING.search(one.reason) and len(one.reason.split()) <= 26
            assert one.sources and all(source.name for source in one.sources)
    assert all(table.rule for table in places.values())


def test_the_strictest_of_all_places_counts_where_none_is_known() -> None:
    for feature in ALL.features.values():
        for band in BANDS:
            unknown = ALL.at(feature.name, band, NAMED)
            for place in NAMED:
                here = ALL.at(feature.name, band, (place,))
                assert feature.values.index(unknown.default) <= feature.values.index(here.default)
                assert here.child_may_change or not unknown.child_may_change
                assert unknown.guardian_must_agree or not here.guardian_must_agree


def test_an_unknown_age_is_the_youngest_and_an_adult_by_their_own_word_is_unknown() -> None:
    for feature in ALL.features.values():
        unknown = ALL.at(feature.name, AgeBand.UNKNOWN, ("GB",))
        for band in MINORS:
            child = ALL.at(feature.name, band, ("GB",))
            assert feature.values.index(unknown.default) <= feature.values.index(child.default)
            assert child.child_may_change or not unknown.child_may_change
    [own] = {p.age_band for p in ALL.protections(age_band=AgeBand.ADULT, assurance=Assurance.SELF_DECLARED, place="GB")}
    assert own is AgeBand.UNKNOWN
    [known] = {p.age_band for p in ALL.protections(age_band=AgeBand.ADULT, assurance=Assurance.ESTIMATED, place="GB")}
    assert known is AgeBand.ADULT
    by_place = {
        place: ALL.protections(age_band=AgeBand.A16_17, assurance=Assurance.SELF_DECLARED, place=place)[0].age_band
        for place in ("GB", "BR", None)
    }
    assert by_place == {"GB": AgeBand.A16_17, "BR": AgeBand.UNKNOWN, None: AgeBand.UNKNOWN}


@pytest.mark.parametrize("place", [None, "GB", "DE", "US", "BR", "AU", "JP"])
def test_a_service_that_does_what_is_asked_has_no_deviation(place: str | None) -> None:
    settings = ServiceSettings(places=(place,) if place is not None else (), settings=tuple(as_asked(place)))
    assert ALL.check(settings) == []


def test_each_kind_of_deviation_is_found_graded_and_sourced() -> None:
    def changed(feature: str, band: AgeBand, **change: object) -> list[tuple[DeviationKind, Grade]]:
        settings = [msgspec.structs.replace(s, **change) if (s.feature, s.age_band) == (feature, band) else s for s in as_asked("GB")]
        found = ALL.check(ServiceSettings(places=("GB",), settings=tuple(settings)))
        assert all(d.sources and d.reason and (d.feature, d.age_band) == (feature, band) for d in found)
        return [(d.kind, d.grade) for d in found]

    assert changed("messages_from_strangers", AgeBand.A13_15, default="on") == [(DeviationKind.DEFAULT, Grade.SERIOUS)]
    assert changed("visible_connections", AgeBand.A10_12, child_may_change=True) == [(DeviationKind.CHANGE, Grade.SERIOUS)]
    assert changed("location_sharing", AgeBand.A10_12, child_may_change=True, guardian_must_agree=False) == [
        (DeviationKind.CHANGE, Grade.SERIOUS),
        (DeviationKind.GUARDIAN, Grade.MODERATE),
    ]
    assert changed("night_notifications", AgeBand.A7_9, default="on") == [(DeviationKind.DEFAULT, Grade.MINOR)]
    assert changed("livestreaming", AgeBand.A16_17, default="off") == [], "stricter is no deviation"
    missing = ALL.check(ServiceSettings(places=("GB",), settings=tuple(s for s in as_asked("GB") if s.feature != "comments")))
    assert {d.kind for d in missing} == {DeviationKind.MISSING} and {d.feature for d in missing} == {"comments"}
    assert len(missing) == len(MINORS) + 1, "for every child and for whoever is not known"
    gone = ServiceSettings(not_offered=("comments",), settings=tuple(s for s in as_asked("GB") if s.feature != "comments"))
    assert all(d.feature != "comments" for d in ALL.check(gone))


def test_the_gravest_stand_first_and_several_places_are_the_strictest() -> None:
    found = ALL.check(ServiceSettings(settings=()))
    order = [list(Grade).index(d.grade) for d in found]
    assert order == sorted(order) and len(set(order)) == 3
    as_us = tuple(as_asked("US"))
    assert ALL.check(ServiceSettings(places=("US",), settings=as_us)) == []
    assert any(d.grade is Grade.SERIOUS for d in ALL.check(ServiceSettings(places=("US", "GB"), settings=as_us)))


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (ServiceSettings(settings=(Setting(feature="telepathy", age_band=AgeBand.A7_9, default="on", child_may_change=False),)), "feature"),
        (
            ServiceSettings(settings=(Setting(feature="comments", age_band=AgeBand.A7_9, default="maybe", child_may_change=False),)),
            "default",
        ),
        (ServiceSettings(settings=(), not_offered=("telepathy",)), "not_offered[0]"),
        (ServiceSettings(settings=tuple(as_asked("GB")[:1] * 2)), "settings[1]"),
        (ServiceSettings(settings=tuple(as_asked("GB")[:1]), not_offered=("messages_from_strangers",)), "feature"),
    ],
)
def test_settings_that_cannot_be_read_are_refused_by_their_place(settings: ServiceSettings, field: str) -> None:
    with pytest.raises(Invalid) as wrong:
        ALL.check(settings)
    assert wrong.value.field is not None and wrong.value.field.endswith(field)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('"18+" = "on" }', "}", "every band"),
        (
            'default = { "0-6" = "off", "7-9" = "off", "10-12" = "off"',
            'default = { "0-6" = "on", "7-9" = "off", "10-12" = "off"',
            "younger",
        ),
        ('values = ["off", "requests_only", "on"]', 'values = ["off", "on_request", "no"]', "not one of"),
        ('name = "calls_from_strangers"', 'name = "messages_from_strangers"', "twice"),
        ('grade = "serious"', 'grade = "awful"', "awful"),
        ("[[feature]]", "[[feature]", "general.toml"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(before: str, after: str, says: str) -> None:
    text = re.sub(r", }", " }", GENERAL.replace(before, after, 1))
    with pytest.raises(Invalid, match=r"general\.toml") as wrong:
        load_general(text, "general.toml")
    assert says in wrong.value.message
    with pytest.raises(Invalid, match="no such feature"):
        gb = DATA.joinpath("gb.toml").read_text("utf-8").replace("group_adds", "telepathy")
        load_place(gb, "gb.toml", load_general(GENERAL, "general.toml"))
