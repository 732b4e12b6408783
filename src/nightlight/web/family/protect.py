"""`/protect-my-picture`: a young person's picture is hashed in their browser, and only the hashes come here."""

from __future__ import annotations

import asyncio
import re
from typing import Literal

import msgspec
from litestar import Response

from nightlight.core.decision import Helpline
from nightlight.core.errors import NotFound
from nightlight.core.self_report import MOST_PICTURES
from nightlight.core.services import SelfReportService
from nightlight.web.bodies import Req, decode, query, read_json
from nightlight.web.family.guards import code_guard, report_guard, same_site_guard
from nightlight.web.family.pages import PAGE_HEADERS, environment, language_asked, layout, static
from nightlight.web.family.wire import AskedCode, FollowUp, NewSelfReport, ReportState
from nightlight.web.family.words import LANGUAGES, Reader, catalogue
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, json_response, page, posted

PATH = "/protect-my-picture"
MAX_BODY = 8 * 1024
"""Ten pictures are under 3 kB."""
FILES = {
    "protect.js": "text/javascript",
    "hash.js": "text/javascript",
    "pdq.js": "text/javascript",
    "sha256.js": "text/javascript",
    "worker.js": "text/javascript",
}
_new = msgspec.json.Decoder(NewSelfReport)
_asked = msgspec.json.Decoder(AskedCode)


def service_of(request: Req) -> SelfReportService:
    hands = hands_of(request)
    if hands.services.self_reports is None or hands.config.family.page == "off":
        raise NotFound("this page is switched off")
    return hands.services.self_reports


@page(
    PATH,
    Doc(
        summary="The page on which a young person protects a picture",
        description="English and Spanish, for 7 to 10, 11 to 13 and 14 to 17 years; which of them never leaves the browser.",
        tag="Young people",
        answers={200: str},
        query={"lang": (Literal["en", "es"], "the language; by default what the browser asks for")},
        problems=(400, 404),
        media_type="text/html",
    ),
)
async def protect_page(request: Req) -> Response[str]:
    language, _ = language_asked(request, query(request, "lang"))
    service_of(request)
    family = hands_of(request).config.family
    words = {name: catalogue("protect", name) for name in LANGUAGES}
    body = (
        environment()
        .get_template("protect.html")
        .render(
            **layout(request, family, language, chosen=False),
            words=words[language][Reader.MIDDLE],
            catalogue=words,
            readers=list(Reader),
            open=family.page == "on",
            lines=[(line, link_of(line)) for line in family.helplines],
            most=MOST_PICTURES,
        )
    )
    return Response(body, media_type="text/html", headers=PAGE_HEADERS)


@page(
    PATH + "/static/{name:str}",
    Doc(summary="Style and scripts of that page", tag="Young people", answers={200: str}, problems=(404,), media_type="*/*"),
)
async def protect_file(request: Req) -> Response[bytes]:
    # Without a tag and under `no-store`: nothing of this page stays in the cache of a phone that others use.
    name = str(request.path_params["name"])
    if name not in FILES:
        raise NotFound("there is no such file")
    return Response(static(name), media_type=FILES[name])


@posted(
    PATH + "/send",
    Doc(
        summary="Bank the hashes of a young person's pictures for review",
        description="Repeating a submission changes nothing. Only from the page itself, where the client is a browser.",
        tag="Young people",
        body=NewSelfReport,
        answers={200: FollowUp},
        problems=(403, 404, 409, 503),
    ),
    same_site_guard,
    report_guard,
)
async def send_report(request: Req) -> Response[bytes]:
    service = service_of(request)
    if hands_of(request).config.family.page != "on":
        raise NotFound("no new reports are taken just now")
    new = decode(await body_of(request), _new)
    pictures = [picture.fingerprints() for picture in new.pictures]
    return json_response(FollowUp(await asyncio.to_thread(service.submit, new.once, pictures)))


@posted(
    PATH + "/state",
    Doc(
        summary="How a report stands, by its code",
        description="Received, being looked at, finished or withdrawn: never whether anything matched.",
        tag="Young people",
        body=AskedCode,
        answers={200: ReportState},
        problems=(403, 404),
    ),
    same_site_guard,
    code_guard,
)
async def report_state(request: Req) -> Response[bytes]:
    service = service_of(request)
    code = decode(await body_of(request), _asked).code
    return json_response(ReportState(await asyncio.to_thread(service.state, code)))


@posted(
    PATH + "/withdraw",
    Doc(
        summary="Take a report back, by its code",
        description="Its hashes leave the bank at once. Repeating it changes nothing.",
        tag="Young people",
        body=AskedCode,
        answers={200: ReportState},
        problems=(403, 404),
    ),
    same_site_guard,
    code_guard,
)
async def withdraw_report(request: Req) -> Response[bytes]:
    service = service_of(request)
    code = decode(await body_of(request), _asked).code
    return json_response(ReportState(await asyncio.to_thread(service.withdraw, code)))


async def body_of(request: Req) -> bytes:
    query(request)
    return await read_json(request, MAX_BODY, hands_of(request).config.body_deadline_s)


def link_of(line: Helpline) -> str | None:
    """Where a helpline's contact leads when it is touched; None for what is neither a number nor an address on the web."""
    contact = line.contact.strip()
    if re.fullmatch(r"\+?[0-9][0-9 ()./-]{1,24}", contact):
        return "tel:" + re.sub(r"[^0-9+]", "", contact)
    if re.fullmatch(r"https?://[^\s\"'<>]+", contact):
        return contact
    if re.fullmatch(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s\"'<>]*)?", contact, re.IGNORECASE):
        return "https://" + contact
    return None


PROTECT_ROUTES = (protect_page, protect_file, send_report, report_state, withdraw_report)
