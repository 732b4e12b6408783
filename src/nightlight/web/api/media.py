"""`/v1/media:screen` and `/v1/jobs/{id}`."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated
from urllib.parse import quote

import msgspec
from litestar import Response
from msgspec import Meta, Struct

from nightlight.core.errors import Busy, Invalid, NotFound
from nightlight.core.event import Id, Media
from nightlight.core.services import Answer, Job, Scope
from nightlight.web.api.events import NOT_YET, decoded
from nightlight.web.api.wire import EventAnswer, UploadEvent, answer_for
from nightlight.web.bodies import Req, decode, media_type, path_id, query, read_json
from nightlight.web.hands import Hands, caller_of, hands_of
from nightlight.web.multipart_body import read_parts
from nightlight.web.route import Binary, Doc, endpoint, json_response
from nightlight.web.waiting import outcome, settled

ENDPOINT_NAME = r"^[a-z0-9_-]{1,40}$"


class Named(Struct, frozen=True):
    id: Id


_named = msgspec.json.Decoder(Named)


@endpoint(
    "POST",
    "/media:screen",
    Doc(
        summary="Screen a picture or video",
        description=(
            "Either multipart/form-data with the parts `event` (as `UploadEvent`) and `file` (the bytes), "
            "or a JSON `media` event with fingerprints that the service computed itself. Answers at once, or 202 with a job where the "
            "screening takes longer than the documented deadline. The bytes are never written to disk unsealed."
        ),
        tag="Media",
        body=Media,
        parts={"event": UploadEvent, "file": Binary},
        query={"notify": (Annotated[str, Meta(pattern=ENDPOINT_NAME)], "Webhook endpoint told when a job is done")},
        answers={200: EventAnswer, 202: Job},
        problems=(409, 503),
    ),
    Scope.EVENTS_WRITE,
)
async def screen_media(request: Req) -> Response[bytes]:
    notify = query(request, "notify").get("notify")
    hands = hands_of(request)
    if notify is not None and notify not in hands.services.endpoints:
        # Which ones there are is not told: whoever sends events need not know where messages go.
        raise Invalid("not the name of a configured webhook endpoint", field="notify")
    if media_type(request) == "multipart/form-data":
        with hands.uploads.hold():
            return await screen_upload(request, hands, notify)
    config = hands.config
    body = await read_json(request, config.max_body, config.body_deadline_s)
    event = decoded(hands.services.events.decode, body)
    if not isinstance(event, Media):
        raise Invalid("an event of kind media, with fingerprints; to send bytes, use multipart/form-data", field="kind")
    future = hands.services.events.submit(event)
    if not await settled(future, config.commit_deadline_s):
        raise Busy(NOT_YET)
    return json_response(answer_for(caller_of(request), outcome(future)))


async def screen_upload(request: Req, hands: Hands, notify: str | None) -> Response[bytes]:
    config, media = hands.config, hands.services.media
    parts = await read_parts(request, {"event": config.max_body, "file": config.max_media}, config.body_deadline_s)
    for name in ("event", "file"):
        if not parts.get(name):
            raise Invalid("this part is missing or empty", field=name)
    event_id = decode(parts["event"], _named).id
    # In a thread: it opens the envelope and queues the bytes, which may be many.
    future: Future[Answer] = await asyncio.to_thread(decoded, lambda envelope: media.screen(envelope, parts["file"]), parts["event"])
    if await settled(future, config.answer_deadline_s):
        return json_response(answer_for(caller_of(request), outcome(future)))
    try:
        job = await asyncio.to_thread(media.detach, event_id, notify)
    except NotFound:  # it was finished in the same moment
        if not await settled(future, config.answer_deadline_s):
            raise
        return json_response(answer_for(caller_of(request), outcome(future)))
    return json_response(job, 202, {"location": f"/v1/jobs/{quote(event_id, safe='')}"})


@endpoint(
    "GET",
    "/jobs/{job_id:path}",
    Doc(
        summary="How a job stands",
        description="The id is the event's, percent-encoded. Once `state` is `done`, the answer is under `/v1/decisions/{event_id}`.",
        tag="Media",
        answers={200: Job},
        problems=(400, 404),
    ),
    Scope.EVENTS_WRITE,
)
async def get_job(request: Req) -> Response[bytes]:
    query(request)
    job = await asyncio.to_thread(hands_of(request).services.media.job, path_id(request, "/v1/jobs/"))
    if job is None:
        raise NotFound("there is no job for this event", field="id")
    return json_response(job)
