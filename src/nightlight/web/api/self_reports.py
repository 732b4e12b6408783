"""`/v1/self-reports`: the people who end a young person's wait."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response
from msgspec import Meta

from nightlight.core.errors import Invalid, NotFound
from nightlight.core.self_report import SelfReport
from nightlight.core.services import Scope, SelfReportService
from nightlight.web.api.banks import body_of, name_in_path
from nightlight.web.bodies import Req, decode, query, query_count
from nightlight.web.family.wire import FinishedReport, SelfReportList
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response

MAX_PAGE = 1000

_finished = msgspec.json.Decoder(FinishedReport)


def reports_of(request: Req) -> SelfReportService:
    found = hands_of(request).services.self_reports
    if found is None:
        raise NotFound("nothing takes self-reports here")
    return found


@endpoint(
    "GET",
    "/self-reports",
    Doc(
        summary="Pictures that young people reported themselves and nobody has finished, the oldest first",
        description="Nothing tells who sent one. Its fingerprints are items of the bank `self-reports`.",
        tag="Self-reports",
        query={
            "after": (Annotated[str, Meta(min_length=1, max_length=200)], "`next` of the page before"),
            "limit": (Annotated[int, Meta(ge=1, le=MAX_PAGE)], "Reports a page; 100 unless told"),
        },
        answers={200: SelfReportList},
        problems=(400, 404),
    ),
    Scope.BANKS_WRITE,
)
async def list_self_reports(request: Req) -> Response[bytes]:
    found = query(request, "after", "limit")
    after, most = found.get("after"), query_count(found, "limit", 100, MAX_PAGE)
    if after is not None and not 1 <= len(after) <= 200:
        raise Invalid("`next` of the page before", field="after")
    reports = tuple(await asyncio.to_thread(reports_of(request).waiting, after, most))
    return json_response(SelfReportList(reports, reports[-1].id if len(reports) == most else None))


@endpoint(
    "POST",
    "/self-reports/{report:str}/look",
    Doc(
        summary="Say that a person has taken it up",
        description="Who asks with the code is told. Take reports up in the order they came, whatever matched: else this would tell.",
        tag="Self-reports",
        answers={200: SelfReport},
        problems=(400, 404, 409),
    ),
    Scope.BANKS_WRITE,
)
async def look_at_self_report(request: Req) -> Response[bytes]:
    query(request)
    report = name_in_path(request, "report")
    return json_response(await asyncio.to_thread(reports_of(request).look, report, caller_of(request).id))


@endpoint(
    "POST",
    "/self-reports/{report:str}/finish",
    Doc(
        summary="Say that a person has looked",
        description="Who asks with the code learns that and nothing more. Fingerprints that are not kept leave the bank at once.",
        tag="Self-reports",
        body=FinishedReport,
        answers={200: SelfReport},
        problems=(404, 409),
    ),
    Scope.BANKS_WRITE,
)
async def finish_self_report(request: Req) -> Response[bytes]:
    report = name_in_path(request, "report")
    keep = decode(await body_of(request), _finished).keep
    service, by = reports_of(request), caller_of(request).id
    return json_response(await asyncio.to_thread(lambda: service.finish(report, by, keep=keep)))


ROUTES = (list_self_reports, look_at_self_report, finish_self_report)
