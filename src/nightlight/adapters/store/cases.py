"""Cases: opened, or merged into the open one, inside the commit of the batch that asked for them; listed for reviewers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, select

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.prepared import Prepared, among, insert_new, listed, upsert
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import case_events, cases, micros, moment
from nightlight.core.case import Case, CaseState
from nightlight.core.harm import Harm, Level
from nightlight.core.ids import new_id
from nightlight.core.ports import CaseOpening
from nightlight.core.signal import Subject, SubjectKind

MOST_EVENTS = 200
"""Events a case lists: the latest. What a conversation floods a case with must not push the review page over."""
MOST_REASONS = 50

CASE = (
    "id",
    "queue",
    "priority",
    "subject_kind",
    "subject_id",
    "harm",
    "level",
    "opened_at",
    "updated_at",
    "state",
    "events",
    "reasons",
    "actor",
    "protects",
)
_texts = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class CaseWriter:
    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        c = cases.c
        found = select(*(c[n] for n in CASE)).where(among(sql, c.subject_id), c.state == CaseState.OPEN.value)
        self._open = Prepared(sql, found.with_for_update())
        self._put = upsert(sql, cases, CASE)
        self._link = insert_new(sql, case_events, ("event_id", "case_id"))

    def write(self, connection: Connection, openings: Sequence[CaseOpening], now: int) -> None:
        if not openings:
            return
        ids = listed(self._sql, dict.fromkeys(o.subject.id for o in openings))
        open = {(c.subject, c.harm): c for c in map(case_of, self._open.rows(connection, ids=ids))}
        links: dict[tuple[str, str], None] = {}
        changed: dict[str, Case] = {}
        for opening in openings:
            at = opening.subject, opening.harm
            case = merged(open.get(at) or _new(opening, now), opening, now)
            open[at] = changed[case.id] = case
            links[(opening.event, case.id)] = None
        self._put.many(connection, [row_of(changed[id]) for id in sorted(changed)])
        self._link.many(connection, sorted(links))


def merged(case: Case, opening: CaseOpening, now: int) -> Case:
    """The case with one more reason to look. Priority and level only ever become more urgent while it is open."""
    events = tuple(dict.fromkeys((*case.events, opening.event)))[-MOST_EVENTS:]
    reasons = tuple(dict.fromkeys((*case.reasons, *opening.reasons)))[:MOST_REASONS]
    more_urgent = opening.priority < case.priority
    return replace(
        case,
        queue=opening.queue if more_urgent else case.queue,
        priority=min(case.priority, opening.priority),
        level=max(case.level, opening.level, key=lambda level: level.rank),
        updated_at=moment(now),
        events=events,
        reasons=reasons,
        actor=case.actor or opening.actor,
        protects=case.protects or opening.protects,
    )


def _new(opening: CaseOpening, now: int) -> Case:
    return Case(
        id=new_id("case"),
        queue=opening.queue,
        priority=opening.priority,
        subject=opening.subject,
        harm=opening.harm,
        level=opening.level,
        opened_at=moment(now),
        updated_at=moment(now),
    )


def row_of(case: Case) -> tuple[Any, ...]:
    return (
        case.id,
        case.queue,
        case.priority,
        case.subject.kind,
        case.subject.id,
        case.harm or "",
        case.level,
        micros(case.opened_at),
        micros(case.updated_at),
        case.state,
        pack(case.events),
        pack(case.reasons),
        case.actor,
        case.protects,
    )


def case_of(row: Any) -> Case:
    """From the columns of CASE, in that order."""
    id, queue, priority, kind, subject, harm, level, opened_at, updated_at, state, events, reasons, actor, protects = row
    return Case(
        id=id,
        queue=queue,
        priority=priority,
        subject=Subject(SubjectKind(kind), subject),
        harm=Harm(harm) if harm else None,
        level=Level(level),
        opened_at=moment(opened_at),
        updated_at=moment(updated_at),
        state=CaseState(state),
        events=_texts(events),
        reasons=_texts(reasons),
        actor=actor,
        protects=protects,
    )


class SqlCases:
    """Fills `core.services.CaseService`."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        c = cases.c
        columns = [c[n] for n in CASE]
        urgent = select(*columns).where(c.state == CaseState.OPEN.value).order_by(c.priority, c.opened_at, c.id)
        self._urgent = Prepared(sql, urgent.limit(bindparam("most")))
        self._one = Prepared(sql, select(*columns).where(c.id == bindparam("id")))

    def cases(self, most: int = 100) -> Sequence[Case]:
        """Open cases, the most urgent first, and among equals the one that waits longest."""
        with self._sql.read() as connection:
            return [case_of(row) for row in self._urgent.rows(connection, most=most)]

    def case(self, id: str) -> Case | None:
        with self._sql.read() as connection:
            found = self._one.first(connection, id=id)
        return None if found is None else case_of(found)
