"""Reports: what waits and what failed, and one report from its draft to the authority's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response
from msgspec.structs import replace

from nightlight.core.case import OrderKind
from nightlight.core.document import Fault
from nightlight.core.draft import Draft
from nightlight.core.errors import Conflict, Denied, Invalid, NightlightError, NotFound
from nightlight.core.filing import FILED, Filing, Wanted
from nightlight.core.report import ReportState
from nightlight.core.report_desk import ReportDesk, ReportLayout
from nightlight.core.staff import DECIDERS, READERS
from nightlight.web.bodies import Req, query
from nightlight.web.console.access import Connection, Form, field, in_path, posted, shown, staff_of
from nightlight.web.console.case_view import short
from nightlight.web.console.render import language, page, redirect
from nightlight.web.console.work import desk_of
from nightlight.web.hands import hands_of

PAGE = 50
LONGEST = 60_000
"""Characters of one value: what a form can carry. The format's own limits are less, and say so."""
REFRESH = {"hx-refresh": "true"}
"""The report has come to rest: the whole page is asked for anew."""


def reports_of(connection: Connection) -> ReportDesk:
    found = hands_of(connection).services.reports
    if found is None:
        raise NotFound("there is no desk of reports")
    return found


def layout_of(connection: Connection) -> ReportLayout:
    found = hands_of(connection).services.layout
    if found is None:
        raise NotFound("reports cannot be shown here")
    return found


# -- the list ----------------------------------------------------------------------------------------------------------------------


@shown("/reports", *READERS)
async def reports_page(request: Req) -> Response[Any]:
    found = query(request, "state", "after")
    desk, cases = reports_of(request), desk_of(request)
    try:
        states = [ReportState(found["state"])] if found.get("state") else None
    except ValueError:
        raise Invalid("no such state", field="state") from None

    def work() -> dict[str, Any]:
        filings = desk.all(states, most=PAGE, after=found.get("after") or None)
        owed = [o for o in cases.orders() if o.kind is OrderKind.FILE and not _standing(desk.of_case(o.case))]
        return {
            "filings": filings,
            "failing": () if found.get("after") else desk.failing(PAGE),
            "owed": () if found.get("after") else owed,
            "next": filings[-1].report.id if len(filings) == PAGE else None,
        }

    told = await asyncio.to_thread(work)
    return page(request, "reports.html", short=short, states=list(ReportState), state=found.get("state", ""), **told)


@shown("/cases/{case:str}/reports", *READERS)
async def case_reports(request: Req) -> Response[Any]:
    """The case's latest report, or the way to a first draft."""
    query(request)
    return await _of_case(request, in_path(request, "case"))


async def _of_case(request: Req, case: str, wrong: NightlightError | None = None) -> Response[Any]:
    found = await asyncio.to_thread(desk_of(request).case, staff_of(request), case)
    latest = _standing(await asyncio.to_thread(reports_of(request).of_case, case))
    if latest is not None and wrong is None:
        return redirect(f"/console/reports/{latest.report.id}")
    status = 200 if wrong is None else _status(wrong)
    drafts = staff_of(request).role in DECIDERS
    return page(request, "report_none.html", status=status, case=found, short=short, wrong=wrong, drafts=drafts)


@posted("/cases/{case:str}/reports", *DECIDERS)
async def draft_report(request: Req, form: Form) -> Response[Any]:
    case, who = in_path(request, "case"), staff_of(request)
    try:
        made = await asyncio.to_thread(reports_of(request).draft, case, who.audit)
    except (Invalid, Conflict, Denied) as error:
        return await _of_case(request, case, error)
    return redirect(f"/console/reports/{made.report.id}")


# -- one report --------------------------------------------------------------------------------------------------------------------


@shown("/reports/{report:str}", *READERS)
async def report_page(request: Req) -> Response[Any]:
    query(request)
    return await show(request, in_path(request, "report"))


@shown("/reports/{report:str}/xml", *READERS)
async def report_xml(request: Req) -> Response[Any]:
    """Byte for byte what goes out, but for the ids that the authority gives."""
    query(request)
    report, desk = in_path(request, "report"), reports_of(request)
    filing = await asyncio.to_thread(desk.get, report)
    sent = await asyncio.to_thread(desk.preview, report, staff_of(request).audit)
    return page(
        request,
        "report_xml.html",
        filing=filing,
        short=short,
        document=sent.report.decode("utf-8", "replace"),
        files=[one.decode("utf-8", "replace") for one in sent.files],
    )


@shown("/reports/{report:str}/progress", *READERS)
async def report_progress(request: Req) -> Response[Any]:
    """How far it is, asked for by the page itself while something is under way. Opens nothing of what it says."""
    query(request)
    filing, steps = await asyncio.to_thread(_progress, reports_of(request), in_path(request, "report"))
    return page(request, "part_progress.html", filing=filing, steps=steps, headers={} if filing.in_motion else REFRESH)


def _progress(desk: ReportDesk, report: str) -> tuple[Filing, Any]:
    return desk.get(report), desk.steps(report)


async def show(
    request: Req, report: str, *, wrong: NightlightError | None = None, given: Form | None = None, ask: str = ""
) -> Response[Any]:
    """ask: what is asked for once more before it is done: `submit`, or nothing."""
    status = 200 if wrong is None else _status(wrong)
    told = await asyncio.to_thread(_told, request, report)
    return page(request, "report.html", status=status, wrong=wrong, given=given or {}, ask=ask, short=short, **told)


def _told(request: Req, report: str) -> dict[str, Any]:
    desk, layout, who = reports_of(request), layout_of(request), staff_of(request)
    filing, steps = _progress(desk, report)
    draft = desk.read(report, who.audit)
    all = desk.of_case(filing.report.case)
    may = may_do(filing, all, decides=who.role in DECIDERS)
    words, faults = language(request), list(draft.faults)
    rows = layout.rows(draft.document, [f for f in faults if f.path.startswith("/")], words)
    groups = [row.path for row in rows if row.value is None] if "edit" in may else []
    approved = any(o.kind in (OrderKind.FILE, OrderKind.CORRECT) for o in desk_of(request).orders(filing.report.case))
    return {
        "filing": filing,
        "steps": steps,
        "draft": draft,
        "others": [one for one in all if one.report.id != report],
        "rows": rows,
        "adds": {path: layout.may_add(draft.document, path, words) for path in groups},
        "files": [(file, layout.rows(file.details, _of_file(faults, file.name), words)) for file in draft.files],
        "may": may,
        "approved": approved,
    }


def _of_file(faults: list[Fault], name: str) -> list[Fault]:
    """A file's faults have its name before the path."""
    head = f"{name}: "
    return [replace(fault, path=fault.path.removeprefix(head)) for fault in faults if fault.path.startswith(head)]


def may_do(filing: Filing, all: Any, *, decides: bool) -> frozenset[str]:
    """What the desk would not refuse for the state that the report is in."""
    if not decides:
        return frozenset()
    state, still = filing.report.state, not filing.in_motion
    may = set()
    if state in FILED:
        return frozenset({"correct"} if _standing(all) == filing else ())
    if state is ReportState.RETRACTED:
        return frozenset({"draft"} if _standing(all) is None else ())
    if still:
        may.add("submit")
        if filing.report.authority_id is None:
            may |= {"edit", "redraft"}
    if filing.wanted is not Wanted.WITHDRAW:
        may.add("retract")
    return frozenset(may)


def _standing(all: Any) -> Filing | None:
    here = [one for one in all if one.report.state is not ReportState.RETRACTED]
    return here[-1] if here else None


def _status(wrong: NightlightError) -> int:
    return 409 if isinstance(wrong, Conflict) else 403 if isinstance(wrong, Denied) else 400


# -- what is done to it ------------------------------------------------------------------------------------------------------------

Done = Callable[[Req, ReportDesk, str, Form], str]


def _posted(path: str, work: Done, name: str) -> Any:
    """What the desk refuses is said on the page, with what was typed still there."""

    async def perform(request: Req, form: Form) -> Response[Any]:
        report = in_path(request, "report")
        try:
            to = await asyncio.to_thread(work, request, reports_of(request), report, form)
        except (Invalid, Conflict, Denied) as error:
            return await show(request, report, wrong=error, given=form)
        return redirect(f"/console/reports/{to}")

    perform.__name__ = name
    action: Callable[[Req, Form], Awaitable[Response[Any]]] = perform
    return posted("/reports/{report:str}" + path, *DECIDERS)(action)


def _version(form: Form) -> int:
    given = form.get("version", "")
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise Invalid("a number", field="version")
    return int(given)


def _edit(request: Req, desk: ReportDesk, report: str, form: Form) -> str:
    """One value changed, taken away, or something added to a group. Only the report's own document: what is said of a file, such as that
    it was viewed, follows from what was recorded."""
    who, path, version = staff_of(request).audit, field(form, "path", 2000), _version(form)
    draft = desk.read(report, who)
    what = form.get("what", "set")
    if what == "remove":
        document = draft.document.with_text(path, None)
    elif what == "set":
        document = draft.document.with_text(path, field(form, "text", LONGEST))
    elif what == "add":
        path = _added_at(layout_of(request), draft, path, field(form, "name", 100))
        document = draft.document.with_text(path, field(form, "text", LONGEST))
    else:
        raise Invalid("choose one", field="what")
    desk.edit(report, replace(draft, document=document), who, version=version)
    return report


def _added_at(layout: ReportLayout, draft: Draft, group: str, name: str) -> str:
    """Where the new element will stand. Raises Invalid for what the group does not take."""
    if name not in {one for one, _ in layout.may_add(draft.document, group)}:
        raise Invalid("this cannot be added there", field="name")
    node = draft.document.at(group)
    number = 1 + sum(1 for _ in node.all(name)) if node is not None else 1
    return f"{group}/{name}" + (f"[{number}]" if number > 1 else "")


def _redraft(request: Req, desk: ReportDesk, report: str, form: Form) -> str:
    return desk.redraft(report, staff_of(request).audit, version=_version(form)).report.id


def _retract(request: Req, desk: ReportDesk, report: str, form: Form) -> str:
    return desk.retract(report, staff_of(request).audit, field(form, "reason")).report.id


def _correct(request: Req, desk: ReportDesk, report: str, form: Form) -> str:
    return desk.correct(desk.get(report).report.case, staff_of(request).audit, field(form, "reason")).report.id


@posted("/reports/{report:str}/submit", *DECIDERS)
async def submit_report(request: Req, form: Form) -> Response[Any]:
    """Asked once more, on a page that shows what goes out, before it counts. What was shown is what is sent, or nothing is."""
    report, desk = in_path(request, "report"), reports_of(request)
    try:
        if (await asyncio.to_thread(desk.get, report)).version != _version(form):
            raise Conflict("somebody else changed it meanwhile: look at it again", field="version")
        if form.get("confirmed") != "1":
            return await show(request, report, ask="submit")
        await asyncio.to_thread(desk.submit, report, staff_of(request).audit)
    except (Invalid, Conflict, Denied) as error:
        return await show(request, report, wrong=error)
    return redirect(f"/console/reports/{report}")


ROUTES = (
    reports_page,
    case_reports,
    draft_report,
    report_page,
    report_xml,
    report_progress,
    submit_report,
    _posted("/edit", _edit, "edit_report"),
    _posted("/redraft", _redraft, "redraft_report"),
    _posted("/retract", _retract, "retract_report"),
    _posted("/correct", _correct, "correct_report"),
)
