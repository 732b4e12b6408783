"""What waits for a second person: signatures, opinions, blind reviews."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response

from nightlight.core.case import Finding
from nightlight.core.errors import Conflict, Denied, Invalid, NightlightError
from nightlight.core.staff import DECIDERS, READERS, Role
from nightlight.web.bodies import Req, query
from nightlight.web.console.access import Form, field, in_path, one_of, posted, shown, staff_of
from nightlight.web.console.case import view
from nightlight.web.console.case_view import short
from nightlight.web.console.render import page, redirect
from nightlight.web.console.work import desk_of


@shown("/approvals", *READERS)
async def approvals_page(request: Req) -> Response[Any]:
    query(request)
    return await _page(request)


@posted("/approvals/{step:str}", *DECIDERS)
async def sign_step(request: Req, form: Form) -> Response[Any]:
    desk, who, step = desk_of(request), staff_of(request), in_path(request, "step")
    answer = form.get("yes")
    try:
        if answer not in ("0", "1"):
            raise Invalid("agree or refuse", field="yes")
        await asyncio.to_thread(lambda: desk.approve(who, step, yes=answer == "1", reason=field(form, "reason")))
    except (Invalid, Conflict, Denied) as error:
        return await _page(request, wrong=error)
    return redirect("/console/approvals")


@shown("/review", *DECIDERS)
async def review_page(request: Req) -> Response[Any]:
    """A case of the sample, read without what others found."""
    query(request)
    found = await asyncio.to_thread(desk_of(request).next_review, staff_of(request))
    if found is None:
        return page(request, "review_none.html")
    review, case = found
    return page(request, "review.html", review=review, wrong=None, given={}, confirm=False, exposure=None, **view(request, case))


@posted("/review/{review:str}", *DECIDERS)
async def give_review(request: Req, form: Form) -> Response[Any]:
    finding = one_of(form, "finding", Finding)
    desk, who = desk_of(request), staff_of(request)
    await asyncio.to_thread(desk.review, who, in_path(request, "review"), finding, field(form, "reason"))
    return redirect("/console/approvals")


@posted("/review/{review:str}/settle", Role.LEAD)
async def settle_review(request: Req, form: Form) -> Response[Any]:
    """A lead who gave neither finding decides where two differ."""
    finding = one_of(form, "finding", Finding)
    desk, who = desk_of(request), staff_of(request)
    try:
        await asyncio.to_thread(desk.settle, who, in_path(request, "review"), finding, field(form, "reason"))
    except (Invalid, Conflict, Denied) as error:
        return await _page(request, wrong=error)
    return redirect("/console/approvals")


async def _page(request: Req, wrong: NightlightError | None = None) -> Response[Any]:
    desk, who = desk_of(request), staff_of(request)
    steps = await asyncio.to_thread(desk.waiting_steps, who)
    opinions = await asyncio.to_thread(desk.waiting_opinions, who)
    split = await asyncio.to_thread(desk.disagreements, who) if who.role is Role.LEAD else ()
    waiting = (await asyncio.to_thread(desk.overview, who)).reviews_waiting
    return page(
        request,
        "approvals.html",
        status=200 if wrong is None else 409,
        wrong=wrong,
        steps=steps,
        opinions=opinions,
        reviews=waiting,
        split=split,
        findings=list(Finding),
        short=short,
        decides=who.role in DECIDERS,
    )


ROUTES = (approvals_page, sign_step, review_page, give_review, settle_review)
