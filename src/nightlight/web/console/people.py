"""People: their accounts, and what they were exposed to."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response

from nightlight.core.errors import Conflict, Invalid, NightlightError
from nightlight.core.staff import EVERYBODY, READERS, Role
from nightlight.web.bodies import Req, query
from nightlight.web.console.access import Form, field, in_path, one_of, posted, reviewers_of, shown, signed_in, staff_of
from nightlight.web.console.render import page
from nightlight.web.hands import hands_of


@shown("/people", *EVERYBODY)
async def people_page(request: Req) -> Response[Any]:
    query(request)
    return await _page(request)


@posted("/people", Role.ADMINISTRATOR)
async def add_person(request: Req, form: Form) -> Response[Any]:
    by = staff_of(request).audit
    try:
        role = one_of(form, "role", Role)
        _, code = await asyncio.to_thread(reviewers_of(request).add, field(form, "id", 60), field(form, "name", 120), role, by)
    except (Invalid, Conflict) as error:
        return await _page(request, wrong=error, given=form)
    return await _page(request, invited=(field(form, "id", 60).casefold(), code))


@posted("/people/{id:str}/role", Role.ADMINISTRATOR)
async def change_role(request: Req, form: Form) -> Response[Any]:
    role = one_of(form, "role", Role)
    return await _changed(request, lambda who, by: reviewers_of(request).set_role(who, role, by))


@posted("/people/{id:str}/disable", Role.ADMINISTRATOR)
async def disable_person(request: Req, form: Form) -> Response[Any]:
    return await _changed(request, lambda who, by: reviewers_of(request).set_disabled(who, True, by))


@posted("/people/{id:str}/enable", Role.ADMINISTRATOR)
async def enable_person(request: Req, form: Form) -> Response[Any]:
    return await _changed(request, lambda who, by: reviewers_of(request).set_disabled(who, False, by))


@posted("/people/{id:str}/reset", Role.ADMINISTRATOR)
async def reset_person(request: Req, form: Form) -> Response[Any]:
    id, by = in_path(request, "id"), staff_of(request).audit
    try:
        person, code = await asyncio.to_thread(reviewers_of(request).reset, id, by)
    except Conflict as error:
        return await _page(request, wrong=error)
    return await _page(request, invited=(person.id, code))


async def _changed(request: Req, change: Any) -> Response[Any]:
    try:
        await asyncio.to_thread(change, in_path(request, "id"), staff_of(request).audit)
    except Conflict as error:
        return await _page(request, wrong=error)
    return await _page(request)


async def _page(
    request: Req, *, wrong: NightlightError | None = None, given: Form | None = None, invited: tuple[str, str] | None = None
) -> Response[Any]:
    signed = signed_in(request)
    manages = signed.person.role is Role.ADMINISTRATOR
    service, desk = reviewers_of(request), hands_of(request).services.desk
    everybody = await asyncio.to_thread(service.people)
    # Reviewers see themselves; who else works here is for those who look after them.
    sees_all = signed.person.role is not Role.REVIEWER
    people = [one for one in everybody if sees_all or one.id == signed.person.id]
    looks = desk if signed.person.role in READERS else None
    exposures = await asyncio.to_thread(looks.exposure, signed.person.staff) if looks is not None else ()
    status = 200 if wrong is None else 409 if isinstance(wrong, Conflict) else 400
    return page(
        request,
        "people.html",
        status=status,
        people=people,
        exposures=exposures,
        manages=manages,
        wrong=wrong,
        given=given or {},
        invited=invited,
        roles=list(Role),
    )


ROUTES = (people_page, add_person, change_role, disable_person, enable_person, reset_person)
