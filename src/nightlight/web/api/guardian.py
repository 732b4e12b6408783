"""`/v1/guardian-summaries`: counts and settings that a child sees first, and a guardian sees identically."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response

from nightlight.core.errors import NotFound
from nightlight.core.guardian import GuardianSummaries, MadeSummary, NewSummary, Summary, Ticket
from nightlight.core.services import Scope
from nightlight.web.api.banks import body_of
from nightlight.web.bodies import Req, decode
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response

_new = msgspec.json.Decoder(NewSummary)
_ticket = msgspec.json.Decoder(Ticket)


@endpoint(
    "POST",
    "/guardian-summaries",
    Doc(
        summary="Make a guardian summary",
        description=(
            "Counts and settings from closed lists, in words. Show it to the child first. Nothing is looked up about the account, and "
            "nothing is stored: the summary travels in the ticket."
        ),
        tag="Families",
        body=NewSummary,
        answers={201: MadeSummary},
        problems=(404,),
    ),
    Scope.EVENTS_WRITE,
)
async def make_summary(request: Req) -> Response[bytes]:
    new = decode(await body_of(request), _new)
    return json_response(await asyncio.to_thread(_summaries(request).make, new, caller_of(request).id), 201)


@endpoint(
    "POST",
    "/guardian-summaries:seen",
    Doc(
        summary="The child has seen the summary",
        description="Gives the ticket that opens it for the guardian.",
        tag="Families",
        body=Ticket,
        answers={200: Ticket},
        problems=(404,),
    ),
    Scope.EVENTS_WRITE,
)
async def seen_summary(request: Req) -> Response[bytes]:
    ticket = decode(await body_of(request), _ticket).ticket
    return json_response(await asyncio.to_thread(_summaries(request).seen, ticket, caller_of(request).id))


@endpoint(
    "POST",
    "/guardian-summaries:open",
    Doc(
        summary="The summary for the guardian",
        description="Byte for byte what the child saw; 409 while the child has not.",
        tag="Families",
        body=Ticket,
        answers={200: Summary},
        problems=(404, 409),
    ),
    Scope.EVENTS_WRITE,
)
async def open_summary(request: Req) -> Response[bytes]:
    ticket = decode(await body_of(request), _ticket).ticket
    return json_response(await asyncio.to_thread(_summaries(request).open, ticket, caller_of(request).id))


def _summaries(request: Req) -> GuardianSummaries:
    found = hands_of(request).services.guardians
    if found is None:
        raise NotFound("this service makes no guardian summaries")
    return found


ROUTES = (make_summary, seen_summary, open_summary)
