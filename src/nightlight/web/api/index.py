"""`/v1/index`: how the fingerprint index stands, and merging it."""

from __future__ import annotations

import asyncio

from litestar import Response

from nightlight.core.bank import IndexStatus
from nightlight.core.services import Scope
from nightlight.web.bodies import Req, query
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response
from nightlight.web.waiting import outcome, settled


@endpoint(
    "GET",
    "/index",
    Doc(summary="How the fingerprint index stands", tag="Banks", answers={200: IndexStatus}, problems=(400,)),
    Scope.BANKS_READ,
)
async def index_status(request: Req) -> Response[bytes]:
    query(request)
    return json_response(await asyncio.to_thread(hands_of(request).services.index.status))


@endpoint(
    "POST",
    "/index:merge",
    Doc(
        summary="Write the index's files anew, without what was removed",
        description="The service does so by itself. 202 where it takes longer than the documented deadline; it goes on then.",
        tag="Banks",
        answers={200: IndexStatus, 202: IndexStatus},
        problems=(400, 503),
    ),
    Scope.ADMIN,
)
async def merge_index(request: Req) -> Response[bytes]:
    query(request)
    hands = hands_of(request)
    future = await asyncio.to_thread(hands.services.index.merge, caller_of(request).id)
    if await settled(future, hands.config.answer_deadline_s):
        return json_response(outcome(future))
    return json_response(await asyncio.to_thread(hands.services.index.status), 202)


INDEX_ROUTES = (index_status, merge_index)
