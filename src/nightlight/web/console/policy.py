"""The rules: those in force, those in shadow, what shadow would have done, and changing them with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from litestar import Response

from nightlight.core.errors import Conflict, Invalid, NightlightError, NotFound
from nightlight.core.rulebook import POLICY_CHANGERS, POLICY_READERS, PolicyDesk
from nightlight.core.staff import Staff
from nightlight.web.bodies import Req, query
from nightlight.web.console.access import Connection, Form, field, posted, shown, staff_of
from nightlight.web.console.render import page, redirect
from nightlight.web.hands import hands_of

HERE = "/console/policy"
LARGEST = 512 * 1024
"""Bytes of a form with a rule set in it."""


def desk_of(connection: Connection) -> PolicyDesk:
    found = hands_of(connection).services.policies
    if found is None:
        raise NotFound("the rules cannot be read here")
    return found


@shown("/policy", *POLICY_READERS)
async def policy_page(request: Req) -> Response[Any]:
    query(request)
    return await show(request)


async def show(request: Req, *, wrong: NightlightError | None = None, given: Form | None = None, ask: str = "") -> Response[Any]:
    """ask: what is asked for once more before it is done, where the page runs no scripts."""
    desk, who = desk_of(request), staff_of(request)
    board, comparison = await asyncio.to_thread(lambda: (desk.board(who), desk.compare(who)))
    return page(
        request,
        "policy.html",
        status=200 if wrong is None else 409 if isinstance(wrong, Conflict) else 404 if isinstance(wrong, NotFound) else 400,
        board=board,
        comparison=comparison,
        changes=who.role in POLICY_CHANGERS,
        wrong=wrong,
        given=given or {},
        ask=ask,
    )


Change = Callable[[PolicyDesk, Staff, Form], Any]


def _posted(name: str, work: Change) -> Any:
    """What the desk refuses is said on the page, with what was typed still there."""

    async def perform(request: Req, form: Form) -> Response[Any]:
        desk, who = desk_of(request), staff_of(request)
        try:
            if form.get("confirmed") != "1":
                return await show(request, given=form, ask=name)
            await asyncio.to_thread(work, desk, who, form)
        except (Invalid, Conflict, NotFound) as error:
            return await show(request, wrong=error, given=form)
        return redirect(HERE)

    perform.__name__ = f"policy_{name}"
    return posted(f"/policy/{name}", *POLICY_CHANGERS, most=LARGEST)(perform)


def _digest(form: Form) -> str:
    return field(form, "digest", 64)


ROUTES = (
    policy_page,
    _posted("try", lambda desk, who, form: desk.try_in_shadow(who, form.get("text", ""), field(form, "reason"))),
    _posted("live", lambda desk, who, form: desk.go_live(who, _digest(form), field(form, "reason"))),
    _posted("back", lambda desk, who, form: desk.go_back(who, _digest(form), field(form, "reason"))),
    _posted("end", lambda desk, who, form: desk.end_shadow(who, _digest(form), field(form, "reason"))),
)
