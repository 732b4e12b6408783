"""Cases: opened, or merged into the open one, inside the commit of the batch that asked for them; listed for reviewers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, bindparam, literal_column, select

from nightlight.adapters.store.case_tables import case_children
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.prepared import Prepared, among, insert_new, listed, upsert
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import case_events, cases, micros, moment
from nightlight.adapters.store.vault_tables import vault_pending
from nightlight.core.case import Case, CaseState, Child, Lane, Peers, SupportState
from nightlight.core.desk import SAFEGUARDING
from nightlight.core.event import AgeBand, Assurance
from nightlight.core.harm import Harm, Level
from nightlight.core.ids import new_id
from nightlight.core.ports import CaseOpening, Sealer
from nightlight.core.signal import Subject, SubjectKind

MOST_EVENTS = 200
"""Events a case lists: the latest. What a conversation floods a case with must not push the review page over."""
MOST_REASONS = 50

MOST_SUBJECTS = 200
MOST_FLAGS = 20
SUPPORT_WITHIN = timedelta(hours=24)
"""Within which help must have been offered to a child, from when they are first named; sooner where their case is due sooner."""

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
    "subjects",
    "harms",
    "lane",
    "due_at",
    "waiting_since",
    "locked_by",
    "locked_until",
    "assigned_to",
    "peers",
    "opinion",
    "appeal",
    "ended_at",
    "why",
    "flags",
    "merges_by",
)
CHILD = (
    "case_id",
    "account",
    "age_band",
    "assurance",
    "harms",
    "first_at",
    "last_at",
    "support",
    "support_due_at",
    "supported_at",
    "supported_by",
)
LANES = {Lane.URGENT: 0, Lane.STANDARD: 1}
_LANE = {rank: lane for lane, rank in LANES.items()}
_PEERS = {peers: rank for rank, peers in enumerate((Peers.NO, Peers.STATED, Peers.ASSURED))}
_texts = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_subjects = msgspec.msgpack.Decoder(tuple[tuple[SubjectKind, str], ...]).decode
_harms = msgspec.msgpack.Decoder(tuple[Harm, ...]).decode


def unended() -> ColumnElement[bool]:
    """Of a row of `cases`: a person, or a report, has still something to do."""
    return cases.c.state.not_in([state.value for state in CaseState if state.has_ended])


class CaseWriter:
    def __init__(self, sql: Sql, sealer: Sealer) -> None:
        self._sql, self._sealer = sql, sealer
        c, k = cases.c, case_children.c
        found = select(*(c[n] for n in CASE)).where(among(sql, c.merges_by))
        self._open = Prepared(sql, found.with_for_update())
        self._put = upsert(sql, cases, CASE)
        self._link = insert_new(sql, case_events, ("event_id", "case_id"))
        self._pending = insert_new(sql, vault_pending, ("case_id", "event_id", "stage"))
        self._known = Prepared(sql, select(*(k[n] for n in CHILD)).where(among(sql, k.case_id), among(sql, k.account, "accounts")))
        self._child = upsert(sql, case_children, CHILD)

    def write(self, connection: Connection, openings: Sequence[CaseOpening], now: int) -> dict[str, str]:
        """The case that each opening's event is in now, by event and what it merged by."""
        if not openings:
            return {}
        keys = listed(self._sql, dict.fromkeys(o.merges_by for o in openings))
        open = {row[-1]: case_of(row, self._sealer) for row in self._open.rows(connection, ids=keys)}
        links: dict[tuple[str, str], None] = {}
        changed: dict[str, tuple[str, Case]] = {}
        for opening in openings:
            key = opening.merges_by
            case = merged(open.get(key) or _new(opening, now), opening, now)
            open[key] = case
            changed[case.id] = key, case
            links[(opening.event, case.id)] = None
        self._put.many(connection, [row_of(changed[id][1], self._sealer, changed[id][0]) for id in sorted(changed)])
        self._link.many(connection, sorted(links))
        # Written with the link: whatever happens next, the vault knows what it has still to take in.
        self._pending.many(connection, [(case, event, 0) for event, case in sorted(links)])
        self._protect(connection, openings, open, now)
        return {key: case.id for key, case in open.items()}

    def _protect(self, connection: Connection, openings: Sequence[CaseOpening], open: Mapping[str, Case], now: int) -> None:
        """A record for each child, with a clock for their support that begins when they are first named."""
        named = [o for o in openings if o.protects is not None]
        if not named:
            return
        ids = listed(self._sql, dict.fromkeys(open[o.merges_by].id for o in named))
        accounts = listed(self._sql, dict.fromkeys(str(o.protects) for o in named))
        known = {(c.case, c.account): c for c in map(child_of, self._known.rows(connection, ids=ids, accounts=accounts))}
        before = dict(known)
        for opening in named:
            case, account = open[opening.merges_by], str(opening.protects)
            at = case.id, account
            known[at] = _child(known.get(at), case, opening, account, now)
        self._child.many(connection, [child_row(c) for at, c in sorted(known.items()) if before.get(at) != c])


def _child(known: Child | None, case: Case, opening: CaseOpening, account: str, now: int) -> Child:
    due = moment(now) + min(SUPPORT_WITHIN, _within(opening))
    child = known or Child(
        case=case.id,
        account=account,
        age_band=opening.child_band,
        assurance=opening.child_assurance,
        harms=(),
        first_at=moment(now),
        last_at=moment(now),
        support=SupportState.OWED,
        support_due_at=due,
    )
    harms = (*child.harms, *((opening.harm,) if opening.harm is not None else ()))
    owed = child.support is SupportState.OWED
    told = opening.child_band is not AgeBand.UNKNOWN
    return replace(
        child,
        age_band=opening.child_band if told else child.age_band,
        assurance=opening.child_assurance if told else child.assurance,
        harms=tuple(sorted(dict.fromkeys(harms), key=lambda h: h.urgency)),
        last_at=moment(now),
        support_due_at=min(child.support_due_at, due) if owed else child.support_due_at,
    )


def _within(opening: CaseOpening) -> timedelta:
    return opening.within if opening.within is not None else timedelta(hours=2 * (opening.priority + 1))


def merged(case: Case, opening: CaseOpening, now: int) -> Case:
    """The case with one more reason to look. Priority, lane, deadline and level only ever become more urgent while it is open."""
    events = tuple(dict.fromkeys((*case.events, opening.event)))[-MOST_EVENTS:]
    reasons = tuple(dict.fromkeys((*case.reasons, *opening.reasons)))[:MOST_REASONS]
    subjects = tuple(dict.fromkeys((*case.subjects, opening.subject)))[:MOST_SUBJECTS]
    harms = {*case.harms, *((opening.harm,) if opening.harm is not None else ())}
    more_urgent = opening.priority < case.priority
    due = moment(now) + _within(opening)
    graver = _gravity(opening.level, opening.harm) > _gravity(case.level, case.harm)
    peers = max(case.peers, opening.peers, key=_PEERS.__getitem__)
    kept = case.queue if case.queue == SAFEGUARDING else opening.queue if more_urgent else case.queue
    return replace(
        case,
        queue=SAFEGUARDING if opening.queue == SAFEGUARDING else kept,
        priority=min(case.priority, opening.priority),
        subject=opening.subject if graver else case.subject,
        harm=opening.harm if graver else case.harm,
        level=max(case.level, opening.level, key=lambda level: level.rank),
        updated_at=moment(now),
        events=events,
        reasons=reasons,
        actor=case.actor or opening.actor,
        protects=case.protects or opening.protects,
        subjects=subjects,
        harms=tuple(sorted(harms, key=lambda h: h.urgency)),
        lane=min(case.lane, opening.lane, key=LANES.__getitem__),
        due_at=due if case.due_at is None else min(case.due_at, due),
        peers=peers,
        flags=tuple(dict.fromkeys((*case.flags, *opening.flags)))[:MOST_FLAGS],
    )


def _gravity(level: Level, harm: Harm | None) -> tuple[bool, int, int]:
    """What a case is shown under: danger to life outranks all, then the level, then the harm."""
    return harm is Harm.IMMEDIATE_DANGER, level.rank, -harm.urgency if harm is not None else -len(Harm)


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
        waiting_since=moment(now),
    )


def row_of(case: Case, sealer: Sealer, merges_by: str | None) -> tuple[Any, ...]:
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
        pack([(s.kind, s.id) for s in case.subjects]),
        pack(case.harms),
        LANES[case.lane],
        micros(case.due_at or case.opened_at),
        maybe(case.waiting_since),
        case.locked_by,
        maybe(case.locked_until),
        case.assigned_to,
        case.peers,
        case.opinion,
        case.appeal,
        maybe(case.ended_at),
        sealer.seal(case.why.encode(), f"case:{case.id}") if case.why else b"",
        pack(case.flags),
        merges_by,
    )


def case_of(row: Any, sealer: Sealer) -> Case:
    """From the columns of CASE, in that order."""
    r = dict(zip(CASE, row, strict=True))
    id, why = r["id"], bytes(r["why"])
    return Case(
        id=id,
        queue=r["queue"],
        priority=r["priority"],
        subject=Subject(SubjectKind(r["subject_kind"]), r["subject_id"]),
        harm=Harm(r["harm"]) if r["harm"] else None,
        level=Level(r["level"]),
        opened_at=moment(r["opened_at"]),
        updated_at=moment(r["updated_at"]),
        state=CaseState(r["state"]),
        events=_texts(r["events"]),
        reasons=_texts(r["reasons"]),
        actor=r["actor"],
        protects=r["protects"],
        subjects=tuple(Subject(kind, subject) for kind, subject in _subjects(r["subjects"])),
        harms=_harms(r["harms"]),
        lane=_LANE[r["lane"]],
        due_at=moment(r["due_at"]),
        waiting_since=perhaps(r["waiting_since"]),
        locked_by=r["locked_by"],
        locked_until=perhaps(r["locked_until"]),
        assigned_to=r["assigned_to"],
        peers=Peers(r["peers"]),
        opinion=bool(r["opinion"]),
        appeal=r["appeal"],
        ended_at=perhaps(r["ended_at"]),
        why=sealer.open(why, f"case:{id}").decode() if why else "",
        flags=_texts(r["flags"]),
    )


def child_row(child: Child) -> tuple[Any, ...]:
    return (
        child.case,
        child.account,
        child.age_band,
        child.assurance,
        pack(child.harms),
        micros(child.first_at),
        micros(child.last_at),
        child.support,
        micros(child.support_due_at),
        maybe(child.supported_at),
        child.supported_by,
    )


def child_of(row: Any) -> Child:
    """From the columns of CHILD, in that order."""
    case, account, band, assurance, harms, first, last, support, due, supported, by = row
    return Child(
        case=case,
        account=account,
        age_band=AgeBand(band),
        assurance=Assurance(assurance),
        harms=_harms(harms),
        first_at=moment(first),
        last_at=moment(last),
        support=SupportState(support),
        support_due_at=moment(due),
        supported_at=perhaps(supported),
        supported_by=by,
    )


def maybe(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def perhaps(stored: int | None) -> datetime | None:
    return None if stored is None else moment(stored)


class SqlCases:
    """Fills `core.services.CaseService`."""

    def __init__(self, sql: Sql, sealer: Sealer) -> None:
        self._sql, self._sealer = sql, sealer
        c = cases.c
        columns = [c[n] for n in CASE]
        urgent = select(*columns).where(c.state == literal_column("'open'")).order_by(c.lane, c.due_at, c.id)
        self._urgent = Prepared(sql, urgent.limit(bindparam("most")))
        self._one = Prepared(sql, select(*columns).where(c.id == bindparam("id")))

    def cases(self, most: int = 100) -> Sequence[Case]:
        """Open cases: the urgent lane first, then the one that is due first."""
        with self._sql.read() as connection:
            return [case_of(row, self._sealer) for row in self._urgent.rows(connection, most=most)]

    def case(self, id: str) -> Case | None:
        with self._sql.read() as connection:
            found = self._one.first(connection, id=id)
        return None if found is None else case_of(found, self._sealer)
