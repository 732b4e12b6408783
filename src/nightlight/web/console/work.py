"""Overview and queue: what waits, and taking the next case."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response

from nightlight.core.case import CaseState
from nightlight.core.desk import CaseDesk
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.staff import DECIDERS, EVERYBODY, READERS
from nightlight.web.bodies import Req, header, query
from nightlight.web.console.access import Connection, Form, posted, shown, staff_of
from nightlight.web.console.case_view import short
from nightlight.web.console.render import page, redirect
from nightlight.web.hands import hands_of

TREND_DAYS = 14
PAGE = 50


def desk_of(connection: Connection) -> CaseDesk:
    found = hands_of(connection).services.desk
    if found is None:
        raise NotFound("there is no desk of cases")
    return found


@shown("", *EVERYBODY)
async def overview(request: Req) -> Response[Any]:
    query(request)
    desk, who = desk_of(request), staff_of(request)

    def work() -> dict[str, Any]:
        seen = desk.overview(who)
        mine = desk.queue(who, mine=True, most=10).cases if who.role in DECIDERS else ()
        since = hands_of(request).services.now().replace(hour=0, minute=0, second=0, microsecond=0)
        precision = desk.precision(who, since.replace(day=1)) if who.role in READERS else ()
        return {
            "overview": seen,
            "trend": desk.trend(who, TREND_DAYS),
            "mine": mine,
            "precision": sorted(precision, key=lambda p: -(p.confirmed + p.not_confirmed))[:8],
            "exposure": exposure_of(desk, request),
            "emergencies": asked.undecided() if (asked := hands_of(request).services.requests) is not None else (),
        }

    return page(request, "overview.html", short=short, decides=who.role in DECIDERS, **await asyncio.to_thread(work))


@shown("/queue", *READERS)
async def queue_page(request: Req) -> Response[Any]:
    found = query(request, "queue", "state", "mine", "cursor")
    desk, who = desk_of(request), staff_of(request)
    try:
        state = CaseState(found.get("state") or "open")
    except ValueError:
        raise Invalid("no such state", field="state") from None
    queue, mine = found.get("queue") or None, found.get("mine") == "1"

    def work() -> dict[str, Any]:
        cases = desk.queue(who, queue, state=state, mine=mine, cursor=found.get("cursor") or None, most=PAGE)
        return {"page": cases, "queues": desk.queues(who), "exposure": exposure_of(desk, request)}

    shown_ = await asyncio.to_thread(work)
    part = header(request, b"hx-request") == "true"
    return page(
        request,
        "part_rows.html" if part else "queue.html",
        short=short,
        queue=queue,
        state=state,
        states=list(CaseState),
        mine=mine,
        decides=who.role in DECIDERS,
        cases=shown_["page"].cases,
        next=shown_["page"].next,
        queues=shown_["queues"],
        exposure=shown_["exposure"],
    )


@posted("/take", *DECIDERS)
async def take(request: Req, form: Form) -> Response[Any]:
    """The next case, and straight to it."""
    desk, who = desk_of(request), staff_of(request)
    found = await asyncio.to_thread(desk.take, who, form.get("queue") or None)
    return redirect(f"/console/cases/{found.id}" if found is not None else "/console/queue")


@posted("/break", *DECIDERS)
async def take_break(request: Req, form: Form) -> Response[Any]:
    await asyncio.to_thread(desk_of(request).take_break, staff_of(request))
    return redirect("/console")


def exposure_of(desk: CaseDesk, request: Req) -> Any:
    """Of who asks; None for roles that look at nothing, or where nothing was looked at today."""
    who = staff_of(request)
    if who.role not in DECIDERS:
        return None
    return next((one for one in desk.exposure(who) if one.person == who.id), None)


ROUTES = (overview, queue_page, take, take_break)
