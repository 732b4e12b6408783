"""What becomes a problem, and what an error may say."""

from __future__ import annotations

from nightlight.core import errors
from nightlight.web.problems import STATUS, TITLES, of


def every(cls: type[errors.NightlightError]) -> list[type[errors.NightlightError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in every(sub))]


def test_every_error_of_core_has_a_status_or_says_nothing() -> None:
    silent = {cls for cls in every(errors.NightlightError) if cls.__module__ == "nightlight.core.errors" and of(make(cls)).status == 500}
    # Unavailable is met before there is a server to ask, and names a host that no caller need know.
    assert silent == {errors.NightlightError, errors.Tampered, errors.Unavailable}


def make(cls: type[errors.NightlightError]) -> errors.NightlightError:
    return cls("in words")


def test_every_status_has_a_title() -> None:
    assert {cls.code for cls in STATUS} <= TITLES.keys()


def test_an_error_nobody_planned_for_says_nothing() -> None:
    for error in (RuntimeError("words"), errors.Tampered("words"), errors.StaleHead("words"), KeyError("words")):
        assert "words" not in str(of(error))
        assert of(error).status == 500


def test_a_new_kind_of_invalid_is_400_without_an_edit() -> None:
    class TooOld(errors.Invalid):
        code = "too_old"

    assert (of(TooOld("no")).status, of(TooOld("no")).code) == (400, "too_old")


def test_a_conflict_claims_nothing_that_may_not_be_so() -> None:
    assert of(errors.Conflict("a report that is finished cannot become draft")).title == "Conflict with what is there"
