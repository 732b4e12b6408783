"""Queues: counted, paged through in the order of an index, and the next case taken from them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, and_, exists, func, literal, literal_column, not_, or_, select, tuple_, update

from nightlight.adapters.store.case_tables import (
    case_appeals,
    case_children,
    case_opinions,
    case_reviews,
    case_steps,
    case_verdicts,
    user_reports,
)
from nightlight.adapters.store.cases import LANES, case_of
from nightlight.adapters.store.desk.base import case_columns, checked, words
from nightlight.adapters.store.desk.exposure import ExposureDesk
from nightlight.adapters.store.tables import cases, micros, moment
from nightlight.core.case import Case, CaseState, Lane
from nightlight.core.desk import Day, Overview, QueueCount, QueuePage
from nightlight.core.errors import Conflict, Denied, Invalid
from nightlight.core.staff import DECIDERS, EVERYBODY, LEADS, READERS, Staff
from nightlight.core.user_report import UserReportState

MOST_PAGE = 500
MOST_DAYS = 366
_DAY = 86_400_000_000
_QUEUE = r"[a-z0-9_-]{1,40}"
# Written out rather than bound, so that SQLite sees that its partial indexes hold.
IS_JUDGED = cases.c.state != literal_column("'open'")
IS_OPEN = cases.c.state == literal_column("'open'")


class QueueDesk(ExposureDesk):
    # -- counts --------------------------------------------------------------------------------------------------------------------

    def overview(self, who: Staff) -> Overview:
        who.must_be(EVERYBODY, "see counts")
        now = micros(self._clock.now())
        with self._sql.read() as connection:
            by_queue = self._counts(connection, now)
            by_state = dict(connection.execute(select(cases.c.state, func.count()).where(IS_JUDGED).group_by(cases.c.state)).all())
            by_state[CaseState.OPEN.value] = sum(q.waiting + q.taken for q in by_queue)
            load: Counter[str] = Counter()
            held = select(cases.c.locked_by, func.count()).where(cases.c.locked_by.is_not(None), cases.c.locked_until > now, IS_OPEN)
            given = select(cases.c.assigned_to, func.count()).where(cases.c.assigned_to.is_not(None), IS_OPEN)
            given = given.where(or_(cases.c.locked_by.is_(None), cases.c.locked_until <= now, cases.c.locked_by != cases.c.assigned_to))
            for name, count in connection.execute(held.group_by(cases.c.locked_by)).all():
                load[name] += count
            for name, count in connection.execute(given.group_by(cases.c.assigned_to)).all():
                load[name] += count

            def count(*where: ColumnElement[bool], table: Any) -> int:
                return int(connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one())

            waiting: ColumnElement[str] = literal_column("'waiting'")
            return Overview(
                queues=by_queue,
                states={CaseState(state): n for state, n in by_state.items() if n},
                steps_waiting=count(case_steps.c.state == waiting, table=case_steps),
                opinions_waiting=count(case_opinions.c.at.is_(None), table=case_opinions),
                appeals_waiting=count(case_appeals.c.state == waiting, table=case_appeals),
                reviews_waiting=count(case_reviews.c.at.is_(None), table=case_reviews),
                support_overdue=count(
                    case_children.c.support == literal_column("'owed'"), case_children.c.support_due_at < now, table=case_children
                ),
                load=dict(load),
            )

    def queues(self, who: Staff) -> Sequence[str]:
        who.must_be(READERS, "see a queue")
        least, named = func.min(cases.c.queue), cases.alias()
        # From each name to the next one in the index: however many cases wait, as many steps as there are queues.
        each = select(least.label("queue")).where(IS_OPEN).cte("queues", recursive=True)
        after = select(func.min(named.c.queue)).where(named.c.state == literal_column("'open'"), named.c.queue > each.c.queue)
        each = each.union_all(select(after.correlate(each).scalar_subquery()).where(each.c.queue.is_not(None)))
        with self._sql.read() as connection:
            return [queue for queue in connection.execute(select(each.c.queue)).scalars() if queue is not None]

    def _counts(self, connection: Connection, now: int) -> tuple[QueueCount, ...]:
        c = cases.c
        free = or_(c.locked_until.is_(None), c.locked_until <= now)
        found = select(
            c.queue,
            c.lane,
            func.count().filter(free),
            func.count().filter(not_(free)),
            func.count().filter(c.due_at < now),
            func.min(c.waiting_since).filter(free),
        ).where(IS_OPEN)
        rows = connection.execute(found.group_by(c.queue, c.lane).order_by(c.lane, c.queue)).all()
        lanes = {rank: lane for lane, rank in LANES.items()}
        return tuple(
            QueueCount(queue=queue, lane=lanes[lane], waiting=w, taken=t, overdue=o, oldest=None if since is None else moment(since))
            for queue, lane, w, t, o, since in rows
        )

    def trend(self, who: Staff, days: int = 30) -> Sequence[Day]:
        who.must_be(EVERYBODY, "see counts")
        if not 1 <= days <= MOST_DAYS:
            raise Invalid(f"1 to {MOST_DAYS} days", field="days")
        now = self._clock.now()
        first = micros(now) // _DAY - days + 1
        v, c = case_verdicts.c, cases.c
        with self._sql.read() as connection:

            def by_day(column: Any, *where: ColumnElement[bool]) -> dict[int, int]:
                day = column.op("/")(literal_column(str(_DAY)))
                found = select(day, func.count()).where(column >= first * _DAY, *where).group_by(day)
                return {int(d): int(n) for d, n in connection.execute(found).all()}

            opened = self._opened(connection, first, days)
            confirmed = by_day(v.at, v.finding == "confirmed")
            declined = by_day(c.ended_at, IS_JUDGED, c.state == CaseState.DECLINED.value)
            filed = by_day(c.ended_at, IS_JUDGED, c.state == CaseState.FILED.value)
        return [
            Day(
                day=f"{moment(d * _DAY):%Y-%m-%d}",
                opened=opened.get(d, 0),
                confirmed=confirmed.get(d, 0),
                declined=declined.get(d, 0),
                filed=filed.get(d, 0),
            )
            for d in range(first, first + days)
        ]

    def _opened(self, connection: Connection, first: int, days: int) -> dict[int, int]:
        """Of these there may be many: a stretch of the index is counted for each day, where a division would sort every row."""
        each = select(literal(first).label("day")).cte("days", recursive=True)
        each = each.union_all(select(each.c.day + 1).where(each.c.day < first + days - 1))
        begins, opened = each.c.day * literal_column(str(_DAY)), cases.c.opened_at
        counted = select(func.count()).select_from(cases).where(opened >= begins, opened < begins + literal_column(str(_DAY)))
        found = select(each.c.day, counted.correlate(each).scalar_subquery())
        return {int(day): int(n) for day, n in connection.execute(found).all()}

    # -- pages ---------------------------------------------------------------------------------------------------------------------

    def queue(
        self,
        who: Staff,
        queue: str | None = None,
        *,
        state: CaseState = CaseState.OPEN,
        mine: bool = False,
        cursor: str | None = None,
        most: int = 50,
    ) -> QueuePage:
        who.must_be(READERS, "see a queue")
        if not 1 <= most <= MOST_PAGE:
            raise Invalid(f"1 to {MOST_PAGE} cases a page", field="most")
        c = cases.c
        page = case_columns()
        if state is CaseState.OPEN:
            keys: tuple[Any, ...] = (c.lane, c.due_at, c.id)
            page = page.where(IS_OPEN).order_by(*keys)
        else:
            keys = (c.updated_at, c.id)
            page = page.where(IS_JUDGED, c.state == state.value).order_by(c.updated_at.desc(), c.id.desc())
        if queue is not None:
            page = page.where(c.queue == checked(queue, "queue"))
        if mine:
            held = select(c.id).where(c.locked_by == who.id, c.locked_until > micros(self._clock.now()))
            page = page.where(c.id.in_(held.union(select(c.id).where(c.assigned_to == who.id))))
        if cursor is not None:
            at = _read_cursor(cursor, len(keys))
            page = page.where(tuple_(*keys) > at if state is CaseState.OPEN else tuple_(*keys) < at)
        with self._sql.read() as connection:
            found = [case_of(row, self._sealer) for row in connection.execute(page.limit(most + 1)).all()]
        shown = tuple(found[:most])
        more = len(found) > most
        return QueuePage(cases=shown, next=_cursor(shown[-1]) if more else None)

    def case(self, who: Staff, case: str) -> Case:
        who.must_be(READERS, "see a case")
        with self._sql.read() as connection:
            return self._load(connection, case, change=False)

    # -- taking --------------------------------------------------------------------------------------------------------------------

    def take(self, who: Staff, queue: str | None = None) -> Case | None:
        who.must_be(DECIDERS, "take a case")
        if queue is not None:
            checked(queue, "queue")
        with self._changes() as ledger:
            connection, now = ledger.connection, micros(self._clock.now())
            c, v = cases.c, case_verdicts.c
            judged = exists(select(v.id).where(v.case_id == c.id, v.reviewer == who.id))
            free = and_(IS_OPEN, or_(c.locked_until.is_(None), c.locked_until <= now), c.opinion.is_(False))
            free &= or_(c.appeal.is_(None), not_(judged))
            if queue is not None:
                free &= c.queue == queue
            if self._should_rest(connection, who):
                free &= c.lane == LANES[Lane.URGENT]
            for mine in (c.assigned_to == who.id, c.assigned_to.is_(None)):
                wanted = case_columns().where(free, mine).order_by(c.lane, c.due_at, c.id).limit(1)
                found = connection.execute(wanted.with_for_update(skip_locked=True)).first()
                if found is not None:
                    return self._lock(ledger, case_of(found, self._sealer), who, "take")
        return None

    def lock(self, who: Staff, case: str) -> Case:
        with self._changing(who, "take a case", case) as (ledger, found):
            self._free_for(found, who)
            if found.state.has_ended:
                raise Conflict(f"this case is {found.state}", field="case")
            if found.assigned_to not in (None, who.id) and who.role not in LEADS:
                raise Denied("this case is assigned to somebody else", field="case")
            return self._lock(ledger, found, who, "lock")

    def _lock(self, ledger: Any, case: Case, who: Staff, action: str) -> Case:
        now = self._clock.now()
        until = now + self._book.rules.lock
        if case.held_by(now) != who.id:
            self._tell(ledger, who.audit, action, case.id, until=until.isoformat())
        self._saw(ledger.connection, who, case.id)
        r = user_reports.c
        looking = update(user_reports).where(r.case_id == case.id, r.state == UserReportState.RECEIVED.value)
        ledger.connection.execute(looking.values(state=UserReportState.LOOKING.value, changed_at=micros(now)))
        return self._save(ledger.connection, replace(case, locked_by=who.id, locked_until=until, waiting_since=until))

    def release(self, who: Staff, case: str, hand_over: str = "") -> Case:
        with self._changing(who, "release a case", case) as (ledger, found):
            holder = found.held_by(self._clock.now())
            if holder != who.id and not (holder is not None and who.role in LEADS):
                raise Conflict("you do not have this case", field="case")
            if hand_over.strip():
                self._note(ledger, who, case, words(hand_over, "hand_over"), hand_over=True)
            self._tell(ledger, who.audit, "release", case, held_by=holder)
            return self._save(ledger.connection, self._unlocked(found))

    def _unlocked(self, case: Case) -> Case:
        return replace(case, locked_by=None, locked_until=None, waiting_since=self._clock.now())

    def assign(self, who: Staff, case: str, to: str | None) -> Case:
        with self._changing(who, "assign a case", case) as (ledger, found):
            if who.role not in LEADS and not (to == who.id and found.assigned_to is None):
                raise Denied("a lead assigns to others", field="role")
            if found.state.has_ended:
                raise Conflict(f"this case is {found.state}", field="case")
            if to is not None:
                checked(to, "to")
            self._tell(ledger, who.audit, "assign", case, to=to)
            return self._save(ledger.connection, replace(found, assigned_to=to))

    def move(self, who: Staff, case: str, queue: str, reason: str) -> Case:
        if not isinstance(queue, str) or re.fullmatch(_QUEUE, queue) is None:
            raise Invalid("a queue is named in small letters, digits, - and _, at most 40", field="queue")
        why = words(reason, "reason", least=3)
        with self._changing(who, "move a case", case) as (ledger, found):
            self._free_for(found, who)
            if found.state is not CaseState.OPEN:
                raise Conflict(f"this case is {found.state}", field="case")
            self._note(ledger, who, case, f"{found.queue} -> {queue}: {why}")
            self._tell(ledger, who.audit, "move", case, queue=queue, before=found.queue)
            return self._save(ledger.connection, replace(found, queue=queue))


def _cursor(last: Case) -> str:
    if last.state is CaseState.OPEN:
        at: tuple[Any, ...] = (LANES[last.lane], micros(last.due_at or last.opened_at), last.id)
    else:
        at = (micros(last.updated_at), last.id)
    return urlsafe_b64encode(msgspec.json.encode(at)).decode().rstrip("=")


def _read_cursor(text: str, parts: int) -> tuple[Any, ...]:
    try:
        at = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=list[int | str])
    except (ValueError, msgspec.DecodeError):
        at = []
    *numbers, id = at or [""]
    small = all(isinstance(n, int) and 0 <= n < 2**63 for n in numbers)
    if len(at) != parts or not small or not isinstance(id, str) or len(text) > 500:
        raise Invalid("`next` of the page before", field="cursor")
    return tuple(at)
