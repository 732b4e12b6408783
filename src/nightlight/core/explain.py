"""msgspec's complaints in our words: the path of the field, what is allowed there, and never the value that was sent.

One explainer for every body, so that a slip in a bank reads as a slip in an event does.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct, inspect

from nightlight.core.errors import Invalid, TooLarge

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_INDEX = re.compile(r"\[\d+\]")
_NAMED = re.compile(r"^Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_PATTERN = re.compile(r"^Expected `str` matching regex (?P<quote>['\"])(?P<pattern>.*)(?P=quote)$", re.DOTALL)
_UPPER_BOUND = re.compile(r"^Expected `(?P<type>\w+)` of length <= (?P<most>\d+)$")
_BYTE = re.compile(r"\(byte \d+\)$")


def explain(error: Exception, *kinds: Any) -> Invalid:
    """The error to raise instead of `error`, which msgspec raised while decoding one of `kinds`.

    kinds: the types that were expected; from them come the values allowed and the names meant. TooLarge where only a length is passed.
    Raise it `from None`: a UnicodeDecodeError carries the payload itself and would drag it into a traceback.
    """
    if isinstance(error, msgspec.ValidationError):
        return _explain_validation(str(error), _schema(kinds))
    if isinstance(error, UnicodeDecodeError):
        return Invalid("the body is not valid UTF-8")
    if isinstance(error, RecursionError):
        return Invalid("the body is nested too deep: none has more than five levels")
    where = _BYTE.search(str(error))
    return Invalid("the body is not well-formed JSON" + (f" {where.group()}" if where else ": it ends too early"))


def plain_name(name: str) -> str | None:
    """A name the caller gave, where it may be repeated: it helps to find a slip of the pen. None where it looks like anything else."""
    return name if _PLAIN_NAME.fullmatch(name) else None


class _Schema(Struct, frozen=True):
    allowed: dict[str, tuple[str, ...]] = {}
    """Path, its indices left out (`targets[].age_band`), to the values that its enumeration allows."""
    names: dict[str, None] = {}
    """Every field's name, at any depth, in order."""


def _explain_validation(complaint: str, schema: _Schema) -> Invalid:
    match = _AT.match(complaint)
    what = match["what"] if match else complaint
    path = (match["path"] if match else None) or ""

    named = _NAMED.match(what)
    if named:
        return _explain_name(path, named["name"], schema, missing=named["how"] == "missing required")
    if what.startswith(("Invalid enum value", "Invalid value")):
        # Both quote what was sent, so they are replaced and not passed on.
        allowed = schema.allowed.get(_INDEX.sub("[]", path), ())
        return Invalid(f"must be one of: {', '.join(allowed)}" if allowed else "this value is not allowed", field=path or None)
    too_long = _UPPER_BOUND.match(what)
    if too_long:
        unit = "characters" if too_long["type"] == "str" else "items"
        return TooLarge(f"at most {too_long['most']} {unit}", field=path or None)
    pattern = _PATTERN.match(what)
    if pattern:
        return Invalid(f"must match the pattern {pattern['pattern']}", field=path or None)
    return Invalid(what[:1].lower() + what[1:], field=path or None)


def _explain_name(path: str, name: str, schema: _Schema, *, missing: bool) -> Invalid:
    if missing:
        return Invalid("this field is required", field=_join(path, name))
    if plain_name(name) is None:
        return Invalid("holds a field that is not in the schema", field=path or None)
    close = get_close_matches(name, schema.names, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return Invalid(f"this field is not in the schema{hint}", field=_join(path, name))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@cache
def _schema(kinds: tuple[Any, ...]) -> _Schema:
    schema = _Schema({}, {})
    for kind in inspect.multi_type_info(kinds):
        _collect(kind, "", schema)
    return schema


def _collect(node: inspect.Type, path: str, schema: _Schema) -> None:
    if isinstance(node, inspect.Metadata):
        _collect(node.type, path, schema)
    elif isinstance(node, inspect.UnionType):
        for part in node.types:
            _collect(part, path, schema)
    elif isinstance(node, inspect.VarTupleType | inspect.ListType):
        _collect(node.item_type, f"{path}[]", schema)
    elif isinstance(node, inspect.EnumType):
        members: list[Enum] = list(node.cls)
        schema.allowed[path] = tuple(str(m.value) for m in members)
    elif isinstance(node, inspect.StructType):
        if node.tag_field is not None:
            tagged = _join(path, node.tag_field)
            schema.allowed[tagged] = tuple(dict.fromkeys((*schema.allowed.get(tagged, ()), str(node.tag))))
            schema.names[node.tag_field] = None
        for field in node.fields:
            schema.names[field.encode_name] = None
            _collect(field.type, _join(path, field.encode_name), schema)
