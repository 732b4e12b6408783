"""msgspec's complaints in our words: the path of the field, what is allowed there, and never the value that was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from enum import Enum
from functools import cache

import msgspec
from msgspec import inspect

from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.event import EVENT_TYPES, KINDS

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_INDEX = re.compile(r"\[\d+\]")
_NAMED = re.compile(r"^Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_UPPER_BOUND = re.compile(r"^Expected `(?P<type>\w+)` of length <= (?P<most>\d+)$")
_BYTE = re.compile(r"\(byte \d+\)$")


def explain(error: Exception) -> Invalid:
    """The error to raise instead of `error`, which msgspec raised while decoding an event.

    Raise it `from None`: a UnicodeDecodeError carries the payload itself and would drag it into a traceback.
    """
    if isinstance(error, msgspec.ValidationError):
        return _explain_validation(str(error))
    if isinstance(error, UnicodeDecodeError):
        return Invalid("the body is not valid UTF-8")
    if isinstance(error, RecursionError):
        return Invalid("the body is nested too deep: an event has at most five levels")
    where = _BYTE.search(str(error))
    return Invalid("the body is not well-formed JSON" + (f" {where.group()}" if where else ": it ends too early"))


def _explain_validation(complaint: str) -> Invalid:
    match = _AT.match(complaint)
    what = match["what"] if match else complaint
    path = (match["path"] if match else None) or ""

    named = _NAMED.match(what)
    if named:
        return _explain_name(path, named["name"], missing=named["how"] == "missing required")
    if what.startswith(("Invalid enum value", "Invalid value")):
        # Both quote what was sent, so they are replaced and not passed on.
        allowed = _allowed().get(_INDEX.sub("[]", path), ())
        return Invalid(f"must be one of: {', '.join(allowed)}" if allowed else "this value is not allowed", field=path or None)
    too_long = _UPPER_BOUND.match(what)
    if too_long:
        unit = "characters" if too_long["type"] == "str" else "items"
        return TooLarge(f"at most {too_long['most']} {unit}", field=path or None)
    return Invalid(what[:1].lower() + what[1:], field=path or None)


def _explain_name(path: str, name: str, *, missing: bool) -> Invalid:
    if missing:
        return Invalid("this field is required", field=_join(path, name))
    # A name is the caller's own and helps to find a slip of the pen; one that looks like anything else is not repeated.
    if not _PLAIN_NAME.fullmatch(name):
        return Invalid("holds a field that is not in the schema", field=path or None)
    close = get_close_matches(name, _field_names(), n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return Invalid(f"this field is not in the schema{hint}", field=_join(path, name))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def _allowed() -> Mapping[str, tuple[str, ...]]:
    """Path, its indices left out (`targets[].age_band`), to the values that its enumeration allows."""
    found: dict[str, tuple[str, ...]] = {}
    for kind in inspect.multi_type_info(EVENT_TYPES):
        _collect(kind, "", found, set())
    found["kind"] = KINDS
    return found


@cache
def _field_names() -> tuple[str, ...]:
    names: set[str] = set()
    for kind in inspect.multi_type_info(EVENT_TYPES):
        _collect(kind, "", {}, names)
    return tuple(sorted(names))


def _collect(node: inspect.Type, path: str, enums: dict[str, tuple[str, ...]], names: set[str]) -> None:
    if isinstance(node, inspect.Metadata):
        _collect(node.type, path, enums, names)
    elif isinstance(node, inspect.UnionType):
        for part in node.types:
            _collect(part, path, enums, names)
    elif isinstance(node, inspect.VarTupleType | inspect.ListType):
        _collect(node.item_type, f"{path}[]", enums, names)
    elif isinstance(node, inspect.EnumType):
        members: list[Enum] = list(node.cls)
        enums[path] = tuple(str(m.value) for m in members)
    elif isinstance(node, inspect.StructType):
        for field in node.fields:
            names.add(field.encode_name)
            _collect(field.type, _join(path, field.encode_name), enums, names)
