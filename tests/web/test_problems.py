"""What becomes a problem, and what an error may say."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from nightlight.core import errors
from nightlight.core.harm import Level
from nightlight.web.problems import STATUS, TITLES, explain, of


def every(cls: type[errors.NightlightError]) -> list[type[errors.NightlightError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in every(sub))]


def test_every_error_of_core_has_a_status_or_says_nothing() -> None:
    silent = {cls for cls in every(errors.NightlightError) if cls.__module__ == "nightlight.core.errors" and of(make(cls)).status == 500}
    assert silent == {errors.NightlightError, errors.Tampered}


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


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    level: Level
    count: Annotated[int, msgspec.Meta(ge=0)] = 0


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: list[Inner]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b'{"inner": [{"level": "WORDS"}]}', "inner[0].level", "not one of the allowed values"),
        (b'{"inner": [{"level": "low", "count": -1}]}', "inner[0].count", "Expected `int` >= 0"),
        (b'{"inner": [{"level": 5}]}', "inner[0].level", "Expected `str`, got `int`"),
        (b'{"inner": [{"levle": "low"}]}', "inner[0].levle", "unknown field levle"),
        (b'{"inner": [{}]}', "inner[0].level", "missing field level"),
        (b'{"inner": [], "WORDS somebody wrote": 1}', None, "unknown field"),
        (b"[]", None, "Expected `object`, got `array`"),
    ],
)
def test_a_field_is_named_and_no_value_repeated(body: bytes, field: str | None, said: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(body, type=Outer)
    error = explain(raised.value)
    assert (error.field, error.message) == (field, said)
    assert "WORDS" not in error.message
