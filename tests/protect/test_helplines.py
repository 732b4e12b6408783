"""Helplines are data with a source and a date. Those that nobody looked at for a year are listed here, and in readiness."""

from __future__ import annotations

import tomllib
import warnings
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.helplines import STALE_AFTER, HelplineBook, HelplineEntry, Need
from nightlight.protect.helplines import helplines, read_helplines

DAY = date(2026, 11, 23)
RAW = files("nightlight.protect").joinpath("helplines.toml").read_text("utf-8")


def entry(**changed: object) -> dict[str, object]:
    return {"id": "xx-line", "name": "A line", "place": "GB", "needs": ["child"], "phone": "116 111", "source": "https://a.example/"} | {
        "written": DAY,
        **changed,
    }


def read(**changed: object) -> HelplineEntry:
    return msgspec.convert({k: v for k, v in entry(**changed).items() if v is not None}, HelplineEntry)


def test_every_entry_has_its_source_and_its_date() -> None:
    for found in tomllib.loads(RAW)["helpline"]:
        assert found["source"].startswith("https://") and isinstance(found["written"], date), found["id"]
        assert found["written"] <= datetime.now(UTC).date() + timedelta(days=1)


def test_those_older_than_a_year_are_listed() -> None:
    """A warning and no failure: a checkout of last year is no worse today than it was, but whoever runs this should look them up."""
    old = [e.id for e in helplines().stale(datetime.now(UTC).date())]
    if old:
        warnings.warn(f"helplines to be looked up again: {', '.join(old)}", stacklevel=1)
    book = HelplineBook((read(), read(id="b", checked=DAY - STALE_AFTER), read(id="c", checked=DAY - STALE_AFTER - timedelta(days=1))))
    assert [e.id for e in book.stale(DAY)] == ["c"]


def test_none_that_ships_claims_to_be_confirmed() -> None:
    assert len(helplines().unconfirmed()) == len(helplines().entries)
    assert "CONFIRM BEFORE RELYING" in RAW


@pytest.mark.parametrize("missing", ["source", "written", "needs", "id", "name"])
def test_one_that_lacks_something_is_refused(missing: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**{missing: None})


@pytest.mark.parametrize("wrong", [{"place": "gb"}, {"phone": "call us"}, {"web": "http://a.example/"}, {"needs": []}, {"hours": "always"}])
def test_one_that_is_written_wrongly_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**wrong)


def test_a_file_with_the_same_line_twice_or_without_a_way_to_reach_it_is_refused() -> None:
    one = '[[helpline]]\nid = "a"\nname = "A"\nneeds = ["child"]\nsource = "https://a.example/"\nwritten = 2026-11-23\n'
    assert read_helplines(one + 'phone = "116 111"\n').entries[0].phone == "116 111"
    for text in (one, (one + 'phone = "1"\n') * 2):
        with pytest.raises(msgspec.ValidationError):
            read_helplines(text)


def test_each_country_has_an_emergency_number_and_each_need_somebody_anywhere() -> None:
    book = helplines()
    for place in book.places():
        emergency = book.lines(place, Need.EMERGENCY)
        assert [e.place for e in emergency] == [place] and emergency[0].phone, place
    for need in set(Need) - {Need.EMERGENCY}:
        for place in (None, "ZZ", *book.places()):
            assert book.lines(place, need), (place, need)
    for place in ("GB", "US", "CA", "AU", "IE", "ES", "DE", "FR"):
        assert book.lines(place, Need.CHILD)[0].place == place and book.lines(place, Need.SELF_HARM)[0].place == place


def test_numbers_that_the_whole_world_knows() -> None:
    known = {e.id: e.phone for e in helplines().entries}
    assert known["gb-childline"] == "0800 1111" and known["us-988"] == "988" and known["au-kids-helpline"] == "1800 55 1800"
    assert known["us-ncmec"] == "1-800-843-5678" and known["ca-kids-help-phone"] == "1-800-668-6868" and known["es-116111"] == "116 111"


@given(st.sampled_from([None, "GB", "US-TX", "ES", "ZZ"]), st.sampled_from(list(Need)))
def test_lines_are_of_that_country_or_of_everywhere_and_the_country_comes_first(place: str | None, need: Need) -> None:
    found = [e.place for e in helplines().lines(place, need)]
    assert set(found) <= {place[:2] if place else None, None}
    assert found == sorted(found, key=lambda p: p is None)


def test_an_operators_word_counts() -> None:
    book = helplines().with_word({"gb-childline": DAY, "not-there": DAY}, ["gb-samaritans"])
    assert book.lines("GB", Need.CHILD)[0].checked == DAY
    assert "gb-samaritans" not in {e.id for e in book.entries} and len(book.entries) == len(helplines().entries) - 1
    assert len(book.unconfirmed()) == len(book.entries) - 1
