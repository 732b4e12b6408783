"""Searching the audit of what people did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Column, select

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.tables import audit, micros, moment
from nightlight.core.errors import Invalid
from nightlight.core.ports import AuditEntry
from nightlight.core.reviewers import LOGS

MOST = 200


class SqlTrail:
    """Fills `core.reviewers.AuditTrail`."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def search(
        self,
        log: str = "cases",
        *,
        actor: str = "",
        action: str = "",
        target: str = "",
        before: int | None = None,
        since: datetime | None = None,
        most: int = 50,
    ) -> Sequence[tuple[int, AuditEntry]]:
        if log not in LOGS:
            raise Invalid(f"one of {', '.join(LOGS)}", field="log")
        a = audit.c
        wanted = select(a.seq, a.at, a.actor, a.action, a.target, a.detail).where(a.partition == log)
        for column, given in ((a.actor, actor), (a.action, action), (a.target, target)):
            if given:
                wanted = wanted.where(_named(column, given))
        if before is not None:
            wanted = wanted.where(a.seq < before)
        if since is not None:
            wanted = wanted.where(a.at >= micros(since))
        with self._sql.read() as connection:
            rows = connection.execute(wanted.order_by(a.seq.desc()).limit(max(1, min(most, MOST)))).all()
        return [
            (seq, AuditEntry(at=moment(at), actor=by, action=done, target=to, detail=msgspec.json.decode(detail)))
            for seq, at, by, done, to, detail in rows
        ]


def _named(column: Column[Any], given: str) -> Any:
    given = given[:200].replace("\0", "")
    return column.startswith(given[:-1], autoescape=True) if given.endswith("*") else column == given
