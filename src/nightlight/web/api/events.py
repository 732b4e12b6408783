"""`/v1/events`, `/v1/events:batch`, `/v1/decisions/{event_id}`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from litestar import Response

from nightlight.core.errors import Busy, Invalid, NightlightError, NotFound, TooLarge
from nightlight.core.services import Answer, Caller, Scope
from nightlight.web import problems
from nightlight.web.api.wire import SENT_EVENT, BatchAnswer, EventAnswer, EventBatch, answer_for
from nightlight.web.bodies import Req, path_id, query, read_json
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response
from nightlight.web.waiting import outcome, settled

T = TypeVar("T")
NOT_YET = "not committed in time; it may still be: sending the same id again is safe"


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """A service's decoder, whatever the depth it is fed."""
    try:
        return decode(body)
    except RecursionError:
        raise Invalid("the body nests too deep") from None


@endpoint(
    "POST",
    "/events",
    Doc(
        summary="Send one event and get the instructions",
        description="Answers after the commit. The same id with the same body always gets the same answer; with another body, 409.",
        tag="Events",
        body=SENT_EVENT,
        answers={200: EventAnswer},
        problems=(409, 503),
    ),
    Scope.EVENTS_WRITE,
)
async def post_event(request: Req) -> Response[bytes]:
    hands = hands_of(request)
    config = hands.config
    query(request)
    body = await read_json(request, config.max_body, config.body_deadline_s)
    events = hands.services.events
    future = events.submit(decoded(events.decode, body))
    if not await settled(future, config.commit_deadline_s):
        raise Busy(NOT_YET)
    return json_response(answer_for(caller_of(request), outcome(future)))


@endpoint(
    "POST",
    "/events:batch",
    Doc(
        summary="Send many events in one body",
        description="One result an event, by position: an answer, or a problem. A bad one stops none of the others.",
        tag="Events",
        body=EventBatch,
        answers={200: BatchAnswer},
        problems=(503,),
    ),
    Scope.EVENTS_WRITE,
)
async def post_batch(request: Req) -> Response[bytes]:
    hands = hands_of(request)
    config = hands.config
    query(request)
    body = await read_json(request, config.max_batch_body, config.body_deadline_s)
    events = hands.services.events
    parsed = decoded(events.decode_batch, body)
    if len(parsed) > config.max_batch:
        raise TooLarge(f"a batch may have at most {config.max_batch} events", field="events")
    results: list[Answer | NightlightError] = []
    if good := [event for event in parsed if not isinstance(event, NightlightError)]:
        future = events.submit_many(good)
        if not await settled(future, config.commit_deadline_s):
            raise Busy(NOT_YET)
        results = outcome(future)
    caller = caller_of(request)
    decided = iter(results)
    answers = (result(entry if isinstance(entry, NightlightError) else next(decided), caller) for entry in parsed)
    return json_response(BatchAnswer(tuple(answers)))


def result(entry: Answer | NightlightError, caller: Caller) -> EventAnswer | problems.Problem:
    """One position of a batch."""
    return problems.of(entry) if isinstance(entry, NightlightError) else answer_for(caller, entry)


@endpoint(
    "GET",
    "/decisions/{event_id:path}",
    Doc(
        summary="The answer an event got",
        description=(
            "The id is percent-encoded, slashes included. The ids `.`, `..` and those of slashes alone cannot be asked for by path: "
            "send the event again."
        ),
        tag="Events",
        answers={200: EventAnswer},
        problems=(400, 404),
    ),
    Scope.EVENTS_WRITE,
    Scope.SAFETY_READ,
)
async def get_decision(request: Req) -> Response[bytes]:
    query(request)
    event_id = path_id(request, "/v1/decisions/")
    answer = await asyncio.to_thread(hands_of(request).services.events.decision, event_id)
    if answer is None:
        raise NotFound("no event with this id was decided, or its retention is over", field="event_id")
    return json_response(answer_for(caller_of(request), answer))
