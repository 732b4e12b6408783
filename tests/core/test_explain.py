"""What becomes of msgspec's complaints: the field named, the allowed told, and no value repeated."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pytest

from nightlight.core.errors import TooLarge
from nightlight.core.explain import explain, plain_name
from nightlight.core.harm import Level


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    level: Level
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    code: Annotated[str, msgspec.Meta(pattern="^[a-z']{2}$", max_length=3)] = "aa"


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: Annotated[list[Inner], msgspec.Meta(max_length=2)]


class Red(msgspec.Struct, tag_field="kind", tag="red"):
    pass


class Blue(msgspec.Struct, tag_field="kind", tag="blue"):
    pass


def refused(body: bytes, *kinds: type) -> Exception:
    wanted = kinds[0] if len(kinds) == 1 else Red | Blue
    with pytest.raises((ValueError, RecursionError)) as raised:
        msgspec.json.decode(body, type=wanted)
    return explain(raised.value, *kinds)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b'{"inner": [{"level": "WORDS"}]}', "inner[0].level", "must be one of: none, low, elevated, high"),
        (b'{"inner": [{"level": "low", "count": -1}]}', "inner[0].count", "expected `int` >= 0"),
        (b'{"inner": [{"level": "low", "code": "WOR"}]}', "inner[0].code", "must match the pattern ^[a-z']{2}$"),
        (b'{"inner": [{"level": 5}]}', "inner[0].level", "expected `str`, got `int`"),
        (b'{"inner": [{"levle": "low"}]}', "inner[0].levle", "this field is not in the schema; did you mean `level`?"),
        (b'{"inner": [], "q": 1}', "q", "this field is not in the schema"),
        (b'{"inner": [{}]}', "inner[0].level", "this field is required"),
        (b'{"inner": [], "WORDS somebody wrote": 1}', None, "holds a field that is not in the schema"),
        (b"[]", None, "expected `object`, got `array`"),
        (b'{"inner": WORDS}', None, "the body is not well-formed JSON (byte 10)"),
        (b"", None, "the body is not well-formed JSON: it ends too early"),
        (b'{"inner": [{"level": "low", "code": "\xff"}]}', None, "the body is not valid UTF-8"),
    ],
)
def test_a_field_is_named_and_no_value_repeated(body: bytes, field: str | None, said: str) -> None:
    error = refused(body, Outer)
    assert (getattr(error, "field", "?"), str(error)) == (field, said)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b'{"inner": [{"level": "low", "code": "aaaa"}]}', "inner[0].code", "at most 3 characters"),
        (b'{"inner": [{"level": "low"}, {"level": "low"}, {"level": "low"}]}', "inner", "at most 2 items"),
    ],
)
def test_only_a_length_that_is_passed_is_too_large(body: bytes, field: str, said: str) -> None:
    error = refused(body, Outer)
    assert isinstance(error, TooLarge)
    assert (error.field, error.message) == (field, said)


def test_the_kinds_of_a_union_are_listed() -> None:
    error = refused(b'{"kind": "WORDS"}', Red, Blue)
    assert str(error) == "must be one of: red, blue"


def test_nesting_without_end_is_said_to_be_that() -> None:
    assert "nested too deep" in str(explain(RecursionError(), Outer))


@pytest.mark.parametrize(("name", "plain"), [("dry_run", True), ("x", True), ("a b", False), ("", False), ("a" * 41, False), ("1", False)])
def test_a_name_is_repeated_only_where_it_looks_like_one(name: str, plain: bool) -> None:
    assert plain_name(name) == (name if plain else None)
