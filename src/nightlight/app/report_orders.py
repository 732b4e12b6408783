"""`OrderBook`: what people decided about cases, carried out on their reports, and what came of it told to the desk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from nightlight.core.case import Case, Order, OrderKind
from nightlight.core.errors import Conflict, Denied, NightlightError
from nightlight.core.filing import FILED, Filing, Wanted
from nightlight.core.report import ReportState
from nightlight.core.report_desk import ReportDesk

log = structlog.get_logger("nightlight.reports")

WHY = "After an appeal a second reviewer did not confirm what it reports."
"""What a correction says that an overturned verdict asks for."""
_MOST = 1000
"""Orders looked at in one round, the oldest first."""


class Orders(Protocol):
    """The part of `core.desk.CaseDesk` that says what people decided, and hears what came of it."""

    def orders(self, case: str | None = None, most: int = 100) -> Sequence[Order]: ...
    def done(self, order: str, result: str, by: str = "system") -> Order: ...
    def filed(self, order: str, report: str, by: str) -> Case: ...
    def failing(self, order: str, why: str, by: str = "system") -> Case: ...
    def retrying(self, order: str, by: str) -> Case: ...


class OrderBook:
    """Without `orders`, nothing says who approved what: then whoever may call `submit` has to answer for it.

    `withdraw` takes what came from a case, and who asks, out of the banks; it says how many items."""

    def __init__(self, orders: Orders | None, withdraw: Callable[[str, str], int] | None = None) -> None:
        self._orders, self._withdraw = orders, withdraw
        self._said: dict[str, str] = {}
        """What was last told of an order, so that no round tells it again."""

    def must_approve(self, filing: Filing) -> None:
        """Nobody is reported to an authority without a person's word. Raises Denied."""
        if self._orders is None:
            return
        all = self._orders.orders(filing.report.case)
        given = [o for o in all if o.kind is OrderKind.FILE or (o.kind is OrderKind.CORRECT and filing.corrects is not None)]
        if not given:
            raise Denied("nobody has approved a report of this case: it takes a reviewer's verdict", field="case")
        if filing.corrects is None and any(o.kind is OrderKind.RETRACT and o.at >= given[-1].at for o in all):
            raise Denied("the verdict behind it was overturned", field="case")

    def again(self, filing: Filing, by: str) -> None:
        """A person set it going again."""
        self._said.clear()
        for order in self._orders.orders(filing.report.case) if self._orders is not None else ():
            if order.done_at is None and order.kind is OrderKind.FILE and self._orders is not None:
                with suppress(Conflict):  # it was not failing
                    self._orders.retrying(order.id, by)

    def heed(self, reports: ReportDesk) -> None:
        """Draft what people approved, which a person reads and sends; retract what an appeal overturned, correct what was filed by then,
        take its fingerprints out of the banks. One that cannot be carried out stops no other."""
        for order in self._orders.orders(most=_MOST) if self._orders is not None else ():
            try:
                if order.kind is OrderKind.FILE:
                    self._draft(order, reports)
                elif order.kind is OrderKind.WITHDRAW_HASHES:
                    self._clear(order)
                elif order.kind is OrderKind.RETRACT:
                    self._retract(order, reports)
                elif order.kind is OrderKind.CORRECT and (latest := _latest(reports, order.case)) is not None:
                    _correction(order, latest, reports)
            except NightlightError as error:
                log.error("an order could not be carried out", order=order.id, kind=order.kind.value, error=error.code)
                self._failing(order, error.message)

    def tell(self, reports: ReportDesk) -> None:
        """Say what came of each order. Saying it twice changes nothing."""
        for order in self._orders.orders(most=_MOST) if self._orders is not None else ():
            if order.kind is OrderKind.WITHDRAW_HASHES:  # the banks' affair
                continue
            latest = _latest(reports, order.case)
            if latest is not None and latest.report.state is ReportState.FAILED:
                self._failing(order, latest.report.reason, f"{latest.report.id} {latest.updated_at}")
            elif latest is not None and latest.report.state in FILED:
                self._filed(order, latest)
            elif latest is None and order.kind is OrderKind.RETRACT and reports.of_case(order.case) and self._orders is not None:
                self._orders.done(order.id, "retracted before it was finished")

    def _filed(self, order: Order, latest: Filing) -> None:
        id, correction = latest.report.authority_id or "", latest.corrects is not None
        if self._orders is None:
            return
        if order.kind is OrderKind.FILE:
            self._orders.filed(order.id, id, "system")
        elif correction:
            self._orders.done(order.id, f"corrected by {id}")

    def _draft(self, order: Order, reports: ReportDesk) -> None:
        """Unless the case has one. One that nobody touched since before the verdict lacks what people found: it is drafted anew."""
        latest = _latest(reports, order.case)
        if latest is None and all(f.updated_at < order.at for f in reports.of_case(order.case)):
            with suppress(Conflict):  # a person was quicker
                reports.draft(order.case, "system")
            self._going(order)
        elif latest is not None and latest.report.state is ReportState.DRAFT and latest.version == 1 and latest.updated_at < order.at:
            with suppress(Conflict):
                reports.redraft(latest.report.id, "system", version=1)

    def _going(self, order: Order) -> None:
        """What could not be drafted before is drafted now."""
        if self._orders is not None and self._said.pop(order.id, None) is not None:
            with suppress(Conflict):
                self._orders.retrying(order.id, "system")

    def _clear(self, order: Order) -> None:
        if self._withdraw is not None and self._orders is not None:
            self._orders.done(order.id, f"items taken out of the banks: {self._withdraw(order.case, 'system')}")

    def _retract(self, order: Order, reports: ReportDesk) -> None:
        latest = _latest(reports, order.case)
        if latest is None:
            if self._orders is not None:
                self._orders.done(order.id, "nothing of it is at an authority")
        elif latest.report.state in FILED:  # it was finished before the word came
            self._too_late(order, latest, reports)
        elif latest.wanted is not Wanted.WITHDRAW:
            reports.retract(latest.report.id, "system", "an appeal overturned the verdict")

    def _too_late(self, order: Order, latest: Filing, reports: ReportDesk) -> None:
        """Told that the report went out all the same, the desk orders a correction itself."""
        if self._orders is None:
            return
        untold = [o for o in self._orders.orders(order.case) if o.kind is OrderKind.FILE and not o.result.startswith("filed ")]
        if untold:
            self._orders.filed(untold[-1].id, latest.report.authority_id or "", "system")
        else:
            _correction(order, latest, reports)

    def _failing(self, order: Order, why: str, which: str = "") -> None:
        """`which`: what failed, and when. The same reason after a person's new attempt is news."""
        if self._orders is not None and self._said.get(order.id) != which + why:
            self._orders.failing(order.id, why)
            self._said[order.id] = which + why


def _latest(reports: ReportDesk, case: str) -> Filing | None:
    here = [f for f in reports.of_case(case) if f.report.state is not ReportState.RETRACTED]
    return here[-1] if here else None


def _correction(order: Order, latest: Filing, reports: ReportDesk) -> None:
    """Once: drafted and sent, as the people who overturned the verdict approved."""
    if latest.corrects is None and latest.report.state in (ReportState.FINISHED, ReportState.ACKNOWLEDGED):
        made = reports.correct(order.case, "system", WHY)
        reports.submit(made.report.id, "system")
    elif latest.corrects is not None and latest.report.state is ReportState.DRAFT and latest.wanted is Wanted.NOTHING:
        reports.submit(latest.report.id, "system")  # drafted, and cut off before it was sent
