"""The case page, and everything that a person does to a case."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from litestar import Response

from nightlight.core.case import Finding, NoteKind, SupportState
from nightlight.core.desk import CasePage, Judgement, LimitChange, Severity
from nightlight.core.errors import Conflict, Invalid, NightlightError
from nightlight.core.harm import Harm
from nightlight.core.staff import DECIDERS, READERS
from nightlight.web.bodies import Req, query
from nightlight.web.console import case_view, chart
from nightlight.web.console.access import Form, field, in_path, one_of, posted, shown, staff_of
from nightlight.web.console.render import page, redirect
from nightlight.web.console.work import desk_of, exposure_of
from nightlight.web.hands import hands_of

LONGEST_BEAT = 120.0
"""Seconds that one beat of the exposure clock may tell of: a page that slept saw nothing."""


@shown("/cases/{case:str}", *READERS)
async def case_page(request: Req) -> Response[Any]:
    query(request)
    return await show(request, in_path(request, "case"))


async def show(
    request: Req, case: str, *, wrong: NightlightError | None = None, given: Form | None = None, confirm: bool = False
) -> Response[Any]:
    desk, who = desk_of(request), staff_of(request)
    found = await asyncio.to_thread(desk.open, who, case)
    exposure = await asyncio.to_thread(exposure_of, desk, request)
    status = 200 if wrong is None else 409 if isinstance(wrong, Conflict) else 400
    return page(
        request,
        "case.html",
        status=status,
        wrong=wrong,
        given=given or {},
        confirm=confirm,
        exposure=exposure,
        beats=who.role in DECIDERS,
        **view(request, found),
        **await asyncio.to_thread(_asked, request, case),
    )


def _asked(request: Req, case: str) -> dict[str, Any]:
    """What authorities asked to keep of it, and which hosts were told."""
    services = hands_of(request).services
    return {
        "preserved": services.requests.preserved(case) if services.requests is not None else (),
        "notices": services.notices.of_case(case) if services.notices is not None else (),
    }


def view(request: Req, found: CasePage) -> dict[str, Any]:
    decisive = case_view.decisive_lines(found)
    levels = hands_of(request).config.levels
    now = hands_of(request).services.now()
    return {
        "c": found,
        "case": found.case,
        "short": case_view.short,
        "decisive": decisive,
        "numbers": {d.line.event: d.number for d in decisive},
        "explanations": case_view.explanations(found),
        "charts": chart.charts(found.risk, [d.line.event for d in decisive], levels)[:3],
        "names": case_view.names(found.people),
        "segments": case_view.segments,
        "limits": case_view.standing_limits(found.limits),
        "holder": found.case.held_by(now),
        "findings": list(Finding),
        "harms": list(Harm),
        "supports": [s for s in SupportState if s is not SupportState.OWED],
        "decides": staff_of(request).role in DECIDERS,
    }


def action(path: str, work: Callable[[Req, str, Form], Any], name: str, to: str = "") -> Any:
    """A form on the case page. What the desk refuses is said on the page, with what was typed still there."""

    async def perform(request: Req, form: Form) -> Response[Any]:
        case = in_path(request, "case")
        try:
            await asyncio.to_thread(work, request, case, form)
        except (Invalid, Conflict) as error:
            return await show(request, case, wrong=error, given=form)
        return redirect(to or f"/console/cases/{case}")

    perform.__name__ = name
    return posted("/cases/{case:str}" + path, *DECIDERS)(perform)


def _lock(request: Req, case: str, form: Form) -> None:
    desk_of(request).lock(staff_of(request), case)


def _release(request: Req, case: str, form: Form) -> None:
    desk_of(request).release(staff_of(request), case, field(form, "hand_over"))


def _note(request: Req, case: str, form: Form) -> None:
    desk_of(request).note(staff_of(request), case, field(form, "text"), NoteKind.NOTE)


def _ask(request: Req, case: str, form: Form) -> None:
    desk_of(request).ask_opinion(staff_of(request), case, field(form, "question"))


def _opinion(request: Req, case: str, form: Form) -> None:
    finding = one_of(form, "finding", Finding)
    desk_of(request).give_opinion(staff_of(request), field(form, "opinion", 200), finding, field(form, "reason"))


def _support(request: Req, case: str, form: Form) -> None:
    state = one_of(form, "state", SupportState)
    desk_of(request).support(staff_of(request), case, field(form, "child", 200), state, field(form, "note"))


def _decline(request: Req, case: str, form: Form) -> None:
    desk_of(request).decline(staff_of(request), case, field(form, "reason"))


def _report(request: Req, case: str, form: Form) -> None:
    desk_of(request).report(staff_of(request), case, field(form, "reason"))


def _move(request: Req, case: str, form: Form) -> None:
    desk_of(request).move(staff_of(request), case, field(form, "queue", 40), field(form, "reason"))


def _assign(request: Req, case: str, form: Form) -> None:
    desk_of(request).assign(staff_of(request), case, field(form, "to", 60).casefold() or None)


def _appeal(request: Req, case: str, form: Form) -> None:
    desk_of(request).appeal(staff_of(request), case, field(form, "text"))


def judgement_of(request: Req, form: Form) -> Judgement:
    """Raises Invalid."""
    finding = one_of(form, "finding", Finding)
    harm = one_of(form, "harm", Harm) if form.get("harm") else None
    limit: LimitChange | None = None
    change = form.get("limit", "")
    if change == "lift":
        limit = LimitChange(lift=True)
    elif change in ("24", "168", "720"):
        limit = LimitChange(extend_to=hands_of(request).services.now() + timedelta(hours=int(change)))
    elif change not in ("", "leave"):
        raise Invalid("choose one", field="limit")
    reports = {"": None, "rules": None, "yes": True, "no": False}
    if form.get("report", "") not in reports:
        raise Invalid("choose one", field="report")
    return Judgement(
        finding=finding,
        reason=field(form, "reason"),
        harm=harm,
        mandatory=form.get("mandatory") == "1",
        danger_ahead=form.get("danger_ahead") == "1",
        limit=limit,
        report=reports[form.get("report", "")],
    )


@posted("/cases/{case:str}/decide", *DECIDERS)
async def decide(request: Req, form: Form) -> Response[Any]:
    """Asked once more before it counts: by a dialogue of the page, or without scripts by the page itself."""
    case = in_path(request, "case")
    desk, who = desk_of(request), staff_of(request)
    try:
        judgement = judgement_of(request, form)
        if len(judgement.reason) < 3:
            raise Invalid("say in a few words what you saw", field="reason")
        if form.get("confirmed") != "1":
            return await show(request, case, given=form, confirm=True)
        await asyncio.to_thread(desk.verdict, who, case, judgement)
    except (Invalid, Conflict) as error:
        return await show(request, case, wrong=error, given=form)
    return redirect(f"/console/cases/{case}/decided")


@shown("/cases/{case:str}/decided", *DECIDERS)
async def decided(request: Req) -> Response[Any]:
    """What came of it, and a breath before the next one."""
    query(request)
    desk, who, case = desk_of(request), staff_of(request), in_path(request, "case")
    found = await asyncio.to_thread(desk.case, who, case)
    exposure = await asyncio.to_thread(exposure_of, desk, request)
    return page(request, "decided.html", case=found, short=case_view.short, exposure=exposure)


@posted("/cases/{case:str}/read", *READERS)
async def read_elsewhere(request: Req, form: Form) -> Response[Any]:
    """Another conversation of the same account, once a reason was given."""
    case, desk, who = in_path(request, "case"), desk_of(request), staff_of(request)
    try:
        talk = await asyncio.to_thread(desk.read, who, case, field(form, "conversation", 400), field(form, "reason"))
    except (Invalid, Conflict) as error:
        return await show(request, case, wrong=error, given=form)
    found = await asyncio.to_thread(desk.case, who, case)
    return page(
        request,
        "conversation.html",
        case=found,
        talk=talk,
        short=case_view.short,
        segments=case_view.segments,
        names={},
        numbers={},
        decides=who.role in DECIDERS,
        holder=None,
    )


@posted("/cases/{case:str}/exposure", *DECIDERS)
async def beat(request: Req, form: Form) -> Response[Any]:
    """The page tells how long it was on the screen; the clock comes back."""
    seconds = form.get("seconds", "")
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 4:
        raise Invalid("whole seconds", field="seconds")
    severity = one_of(form, "severity", Severity)
    desk, who, case = desk_of(request), staff_of(request), in_path(request, "case")
    told = await asyncio.to_thread(desk.exposed, who, case, min(float(seconds), LONGEST_BEAT), severity)
    return page(request, "part_clock.html", exposure=told)


ROUTES = (
    case_page,
    decide,
    decided,
    read_elsewhere,
    beat,
    action("/lock", _lock, "lock_case"),
    action("/release", _release, "release_case", "/console/queue"),
    action("/note", _note, "add_note"),
    action("/ask", _ask, "ask_opinion"),
    action("/opinion", _opinion, "give_opinion"),
    action("/support", _support, "record_support"),
    action("/decline", _decline, "decline_case"),
    action("/report", _report, "report_case"),
    action("/move", _move, "move_case"),
    action("/assign", _assign, "assign_case"),
    action("/appeal", _appeal, "appeal_case"),
)
