"""Taking a name out of packed values, whatever detector or room packed them.

A memory, a decision or an assessment may name an account anywhere inside. Who packed it is not asked: msgpack says by itself
where its texts are, so a detector that somebody adds tomorrow is struck as well.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.msgpack import Ext
from sqlalchemy import ColumnElement, LargeBinary, func, literal

from nightlight.adapters.store.engine import Sql

ERASED = "erased"
"""Stands where the account stood."""


def holds(sql: Sql, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether the bytes of `name` are anywhere in a binary column. No index helps: it reads the table."""
    needle = literal(name.encode(), LargeBinary)
    return func.instr(column, needle) > 0 if sql.is_sqlite else func.position(needle.op("IN")(column)) > 0


def struck(raw: bytes, name: str) -> bytes | None:
    """The packed value with ERASED where `name` stood; an entry of a map whose key it was is dropped.

    None where the value cannot be read, so that nobody can say what it holds: the row must go.
    """
    try:
        clean = msgspec.msgpack.encode(_strike(msgspec.msgpack.decode(raw), name))
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, ValueError, OverflowError, RecursionError):
        return None
    return None if name.encode() in clean else clean


def _strike(value: Any, name: str) -> Any:
    if isinstance(value, str):
        return value.replace(name, ERASED)
    if isinstance(value, bytes):
        return value.replace(name.encode(), ERASED.encode())
    if isinstance(value, dict):
        return {_strike(k, name): _strike(v, name) for k, v in value.items() if k not in (name, name.encode())}
    if isinstance(value, list):
        return [_strike(v, name) for v in value]
    if isinstance(value, tuple):
        return tuple(_strike(v, name) for v in value)
    if isinstance(value, Ext):
        return Ext(value.code, bytes(value.data).replace(name.encode(), ERASED.encode()))
    return value
