"""Statements compiled once per database, run with plain tuples: the expression language costs nothing on the hot path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, Executable, Select, Table, Text, any_, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.compiler import SQLCompiler

from nightlight.adapters.store.engine import Sql

Values = tuple[Any, ...]
# What a statement selects is read back by the one function beside it; naming each column's type twice would help nobody.
AnySelect = Select[*tuple[Any, ...]]


class Prepared:
    """One statement. Values go to the driver and come back as they are, so columns hold only what both drivers agree on."""

    def __init__(self, sql: Sql, statement: Executable) -> None:
        compiled = cast(SQLCompiler, statement.compile(dialect=sql.engine.dialect))  # type: ignore[attr-defined]
        self.text = compiled.string
        self.names: tuple[str, ...] = tuple(compiled.positiontup or ())
        self._fixed = compiled.params

    def many(self, connection: Connection, rows: Sequence[Values]) -> None:
        """Run it once a row; each row has its values in the order of `names`."""
        if rows:
            connection.exec_driver_sql(self.text, list(rows))

    def rows(self, connection: Connection, **values: Any) -> Sequence[Any]:
        return connection.exec_driver_sql(self.text, self._bind(values)).all()

    def first(self, connection: Connection, **values: Any) -> Any:
        return connection.exec_driver_sql(self.text, self._bind(values)).first()

    def run(self, connection: Connection, **values: Any) -> int:
        """How many rows it changed."""
        return connection.exec_driver_sql(self.text, self._bind(values)).rowcount

    def _bind(self, values: dict[str, Any]) -> Values:
        return tuple(values[name] if name in values else self._fixed[name] for name in self.names)


def insert(sql: Sql, table: Table, columns: Iterable[str]) -> Prepared:
    return Prepared(sql, table.insert().values({c: bindparam(c) for c in columns}))


def insert_new(sql: Sql, table: Table, columns: Iterable[str]) -> Prepared:
    """Insert, and leave alone what is there already."""
    values: dict[str, Any] = {c: bindparam(c) for c in columns}
    keys = list(table.primary_key.columns)
    if sql.is_sqlite:
        return Prepared(sql, sqlite.insert(table).values(values).on_conflict_do_nothing(index_elements=keys))
    return Prepared(sql, postgresql.insert(table).values(values).on_conflict_do_nothing(index_elements=keys))


def upsert(sql: Sql, table: Table, columns: Sequence[str]) -> Prepared:
    """Insert, or replace every column that is no key."""
    values: dict[str, Any] = {c: bindparam(c) for c in columns}
    keys = [c.name for c in table.primary_key.columns]
    changed = [c for c in columns if c not in keys]
    if sql.is_sqlite:
        lite = sqlite.insert(table).values(values)
        return Prepared(sql, lite.on_conflict_do_update(index_elements=keys, set_={c: lite.excluded[c] for c in changed}))
    full = postgresql.insert(table).values(values)
    return Prepared(sql, full.on_conflict_do_update(index_elements=keys, set_={c: full.excluded[c] for c in changed}))


def among(sql: Sql, column: Column[str], name: str = "ids") -> ColumnElement[bool]:
    """`column` is one of the texts bound to `name` as `listed(...)`: one parameter, so one statement whatever their number."""
    if sql.is_sqlite:
        return column.in_(select(func.json_each(bindparam(name)).table_valued("value").c.value))
    return column == any_(bindparam(name, type_=ARRAY(Text)))


def listed(sql: Sql, values: Iterable[str]) -> Any:
    return msgspec.json.encode(list(values)).decode() if sql.is_sqlite else list(values)
