"""`/v1/cases`, `/v1/dead-letters`: what people on duty look after."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response
from msgspec import Meta

from nightlight.core.errors import NightlightError
from nightlight.core.services import OutboxService, Scope
from nightlight.web import problems
from nightlight.web.api.banks import body_of
from nightlight.web.api.wire import CaseList, DeadLetterList, Replay, ReplayAnswer, Replayed
from nightlight.web.bodies import Req, decode, query, query_count
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response

MAX_PAGE = 1000

_replay = msgspec.json.Decoder(Replay)


@endpoint(
    "GET",
    "/cases",
    Doc(
        summary="Open cases, the most urgent first",
        tag="Operations",
        query={"limit": (Annotated[int, Meta(ge=1, le=MAX_PAGE)], "How many; 100 unless told")},
        answers={200: CaseList},
        problems=(400,),
    ),
    Scope.SAFETY_READ,
)
async def list_cases(request: Req) -> Response[bytes]:
    most = query_count(query(request, "limit"), "limit", 100, MAX_PAGE)
    return json_response(CaseList(tuple(await asyncio.to_thread(hands_of(request).services.cases.cases, most))))


@endpoint(
    "GET",
    "/dead-letters",
    Doc(summary="Notifications that could not be delivered", tag="Operations", answers={200: DeadLetterList}, problems=(400,)),
    Scope.ADMIN,
)
async def list_dead_letters(request: Req) -> Response[bytes]:
    query(request)
    return json_response(DeadLetterList(tuple(await asyncio.to_thread(hands_of(request).services.outbox.dead_letters))))


@endpoint(
    "POST",
    "/dead-letters:replay",
    Doc(
        summary="Send dead letters again",
        description="Each goes out with the same key and bytes as before. One result a key, by position.",
        tag="Operations",
        body=Replay,
        answers={200: ReplayAnswer},
    ),
    Scope.ADMIN,
)
async def replay_dead_letters(request: Req) -> Response[bytes]:
    keys = decode(await body_of(request), _replay).keys
    outbox, by = hands_of(request).services.outbox, caller_of(request).id
    results = await asyncio.to_thread(lambda: tuple(replay_one(outbox, key, by) for key in keys))
    return json_response(ReplayAnswer(results))


def replay_one(outbox: OutboxService, key: str, by: str) -> Replayed | problems.Problem:
    try:
        outbox.replay(key, by)
    except NightlightError as error:
        return problems.of(error)
    return Replayed(key=key)
