"""`/v1/user-reports`: what people tell about others, handed on by the service."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response

from nightlight.core.errors import NotFound
from nightlight.core.services import Scope
from nightlight.core.user_report import Received, Told, UserReportIn, UserReportService
from nightlight.web.api.banks import body_of
from nightlight.web.api.wire import AskedReport
from nightlight.web.bodies import Req, decode
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, endpoint, json_response

_report = msgspec.json.Decoder(UserReportIn)
_asked = msgspec.json.Decoder(AskedReport)


def reports_of(request: Req) -> UserReportService:
    found = hands_of(request).services.user_reports
    if found is None:
        raise NotFound("nothing takes user reports here")
    return found


@endpoint(
    "POST",
    "/user-reports",
    Doc(
        summary="Hand on what a person told about somebody",
        description="Without `reporter` it is anonymous. It opens a case, or adds to one, and does no more by itself. The follow-up code "
        "is told here only; sent again, the same report gets the same code. The one it is about is never to learn of it.",
        tag="User reports",
        body=UserReportIn,
        answers={200: Received},
        problems=(404, 409, 503),
    ),
    Scope.EVENTS_WRITE,
)
async def send_user_report(request: Req) -> Response[bytes]:
    report = decode(await body_of(request), _report)
    return json_response(await asyncio.to_thread(reports_of(request).submit, report))


@endpoint(
    "POST",
    "/user-reports:status",
    Doc(
        summary="How a report stands, by its code",
        description="Received, being looked at, or answered: never what was decided about the other.",
        tag="User reports",
        body=AskedReport,
        answers={200: Told},
        problems=(404,),
    ),
    Scope.EVENTS_WRITE,
)
async def user_report_status(request: Req) -> Response[bytes]:
    code = decode(await body_of(request), _asked).code
    return json_response(await asyncio.to_thread(reports_of(request).told, code))


ROUTES = (send_user_report, user_report_status)
