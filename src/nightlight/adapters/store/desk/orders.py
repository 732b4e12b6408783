"""What the reports' desk and the runners are told to do, and what they say came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, select

from nightlight.adapters.store.case_tables import case_orders
from nightlight.adapters.store.cases import perhaps
from nightlight.adapters.store.desk.approvals import ApprovalDesk
from nightlight.adapters.store.desk.base import checked
from nightlight.adapters.store.ledger import Ledger
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.case import Case, CaseState, Order, OrderKind
from nightlight.core.desk import Happening
from nightlight.core.errors import Conflict, Invalid

LONGEST_RESULT = 500
MOST_ORDERS = 1000
_texts = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class OrderDesk(ApprovalDesk):
    def orders(self, case: str | None = None, most: int = 100) -> Sequence[Order]:
        if not 1 <= most <= MOST_ORDERS:
            raise Invalid(f"1 to {MOST_ORDERS}", field="most")
        with self._sql.read() as connection:
            if case is not None:
                return self._orders(connection, checked(case))
            o = case_orders.c
            wanted = select(case_orders).where(o.done_at.is_(None)).order_by(o.at, o.id).limit(most)
            return [_order_of(row) for row in connection.execute(wanted).all()]

    def done(self, order: str, result: str, by: str = "system") -> Order:
        with self._audit.transaction("cases") as ledger:
            found = self._load_order(ledger.connection, order)
            if found.kind is OrderKind.FILE:
                raise Conflict("a report that is filed says so with its number", field="order")
            if found.done_at is not None:
                return found
            finished = self._finish(ledger, found, result, by)
            case = self._load(ledger.connection, found.case)
            left = [o for o in self._orders(ledger.connection, found.case) if o.done_at is None and o.kind in _UNDOING]
            if case.state is CaseState.FAILING and found.kind in _UNDOING and not left:
                state = self._book.after(case.state, Happening.CARRIED_OUT)
                now = self._clock.now()
                self._save(ledger.connection, replace(case, state=state, updated_at=now, ended_at=now, waiting_since=None))
            return finished

    def filed(self, order: str, report: str, by: str) -> Case:
        if not isinstance(report, str) or not report.strip() or len(report) > LONGEST_RESULT:
            raise Invalid("the authority's own number", field="report")
        with self._audit.transaction("cases") as ledger:
            connection = ledger.connection
            found = self._load_order(connection, order)
            case = self._load(connection, found.case)
            if found.kind is not OrderKind.FILE:
                raise Conflict("this order files nothing", field="order")
            if found.result.startswith("filed "):
                return case
            overturned = found.done_at is not None
            self._finish(ledger, found, f"filed {report.strip()}", by)
            if overturned:
                # It went out while people decided that it must not: then the authority has to hear that too.
                self._correct_late(ledger, found)
                return case
            if case.state is CaseState.OPEN:
                return case  # an appeal is open; whoever decides it learns that the report went out
            state, now = self._book.after(case.state, Happening.FILED), self._clock.now()
            ended = replace(case, state=state, updated_at=now, ended_at=now, waiting_since=None, why="")
            return self._save(connection, replace(ended, locked_by=None, locked_until=None))

    def failing(self, order: str, why: str, by: str = "system") -> Case:
        why = _short(why, "why")
        with self._audit.transaction("cases") as ledger:
            found = self._load_order(ledger.connection, order)
            case = self._load(ledger.connection, found.case)
            if found.done_at is not None:
                raise Conflict("this order is done", field="order")
            self._tell(ledger, by, "failing", case.id, order=order, kind=found.kind.value)
            now = self._clock.now()
            if case.state is CaseState.OPEN:
                flags = tuple(dict.fromkeys((*case.flags, "report_failing")))
                return self._save(ledger.connection, replace(case, flags=flags, why=why, updated_at=now))
            state = self._book.after(case.state, Happening.FAILING)
            since = case.waiting_since if case.state is CaseState.FAILING else now
            failing = replace(case, state=state, why=why, updated_at=now, ended_at=None, waiting_since=since)
            return self._save(ledger.connection, failing)

    def retrying(self, order: str, by: str) -> Case:
        with self._audit.transaction("cases") as ledger:
            found = self._load_order(ledger.connection, order)
            case = self._load(ledger.connection, found.case)
            if found.done_at is not None:
                raise Conflict("this order is done", field="order")
            self._tell(ledger, by, "retrying", case.id, order=order)
            if found.kind is not OrderKind.FILE or case.state is not CaseState.FAILING:
                return case
            state = self._book.after(case.state, Happening.RETRIED)
            return self._save(ledger.connection, replace(case, state=state, why="", updated_at=self._clock.now()))

    # -- inside --------------------------------------------------------------------------------------------------------------------

    def _correct_late(self, ledger: Ledger, order: Order) -> None:
        o = case_orders.c
        pending = (o.case_id == order.case, o.kind == OrderKind.RETRACT.value, o.done_at.is_(None))
        ledger.connection.execute(
            case_orders.update().where(*pending).values(done_at=micros(self._clock.now()), result="too late to retract")
        )
        self._order(ledger, order.case, OrderKind.CORRECT, order.verdict, order.approved_by)

    def _finish(self, ledger: Ledger, order: Order, result: str, by: str) -> Order:
        result, now = _short(result, "result"), self._clock.now()
        this = case_orders.update().where(case_orders.c.id == order.id)
        ledger.connection.execute(this.values(done_at=micros(now), result=result))
        self._tell(ledger, by, "order.done", order.case, order=order.id, kind=order.kind.value, result=result)
        return replace(order, done_at=now, result=result)

    def _load_order(self, connection: Connection, id: str) -> Order:
        return _order_of(self._one(connection, case_orders, id, "order"))

    def _orders(self, connection: Connection, case: str) -> list[Order]:
        o = case_orders.c
        return [_order_of(row) for row in connection.execute(select(case_orders).where(o.case_id == case).order_by(o.at, o.id)).all()]


_UNDOING = (OrderKind.RETRACT, OrderKind.CORRECT, OrderKind.WITHDRAW_HASHES)


def _order_of(row: Any) -> Order:
    return Order(
        id=row.id,
        case=row.case_id,
        kind=OrderKind(row.kind),
        at=moment(row.at),
        verdict=row.verdict,
        approved_by=_texts(bytes(row.approved_by)),
        done_at=perhaps(row.done_at),
        result=row.result,
    )


def _short(text: str, field: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise Invalid("a short text", field=field)
    return " ".join(text.split())[:LONGEST_RESULT]
