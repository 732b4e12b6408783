"""`/v1/media:screen` and `/v1/jobs/{id}`."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from litestar import Response
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from nightlight.core.errors import Busy, Invalid, NightlightError, NotFound, TooLarge
from nightlight.core.event import Id, Media
from nightlight.core.services import Answer, Job, Scope
from nightlight.web import problems
from nightlight.web.api.events import NOT_YET, decoded, result
from nightlight.web.api.wire import EventAnswer, MediaBatch, MediaJob, MediaResults, UploadEvent, answer_for
from nightlight.web.bodies import Req, decode, media_type, path_id, query, read_json
from nightlight.web.config import WebConfig
from nightlight.web.hands import Hands, Held, caller_of, hands_of
from nightlight.web.multipart_body import Many, Video, read_form
from nightlight.web.route import Binaries, Binary, Doc, endpoint, json_response
from nightlight.web.waiting import outcome, settled

ENDPOINT_NAME = r"^[a-z0-9_-]{1,40}$"


class Named(Struct, frozen=True):
    id: Id


class Several(Struct, frozen=True):
    events: Raw | UnsetType = UNSET


_named = msgspec.json.Decoder(Named)
_several = msgspec.json.Decoder(Several)
_envelopes = msgspec.json.Decoder(tuple[Raw, ...])


@endpoint(
    "POST",
    "/media:screen",
    Doc(
        summary="Screen a picture or video",
        description=(
            "Either multipart/form-data with the parts `event` (as `UploadEvent`) and `file` (the bytes), "
            "or a JSON `media` event with fingerprints that the service computed itself. Answers at once, or 202 with a job where the "
            "screening takes longer than the documented deadline. The bytes are never written to disk unsealed. Many at once: the part "
            '`events`, a JSON array, and as many parts `file` in the same order; or JSON `{"events": [...]}` of `media` events. The answer '
            "is then `results` by position, each an answer, a job or a problem; 202 where all are jobs."
        ),
        tag="Media",
        body=(Media, MediaBatch),
        parts={"event": UploadEvent, "file": Binary},
        or_parts={"events": tuple[UploadEvent, ...], "file": Binaries(WebConfig().max_files)},
        query={"notify": (Annotated[str, Meta(pattern=ENDPOINT_NAME)], "Webhook endpoint told when a job is done")},
        answers={200: (EventAnswer, MediaResults), 202: (Job, MediaResults)},
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
        with hands.uploads.hold() as held:
            return await screen_uploads(request, hands, notify, held)
    config = hands.config
    body = await read_json(request, config.max_batch_body, config.body_deadline_s)
    if is_batch(body):
        return json_response(MediaResults(tuple(await screen_events(request, hands, body))))
    if len(body) > config.max_body:
        raise TooLarge(f"the body may have at most {config.max_body} bytes")
    event = decoded(hands.services.events.decode, body)
    if not isinstance(event, Media):
        raise Invalid("an event of kind media, with fingerprints; to send bytes, use multipart/form-data", field="kind")
    future = hands.services.events.submit(event)
    if not await settled(future, config.commit_deadline_s):
        raise Busy(NOT_YET)
    return json_response(answer_for(caller_of(request), outcome(future)))


def is_batch(body: bytes) -> bool:
    try:
        return _several.decode(body).events is not UNSET
    except (ValueError, RecursionError):  # whatever it is, the ingest service says what is wrong with it
        return False


async def screen_events(request: Req, hands: Hands, body: bytes) -> list[EventAnswer | problems.Problem]:
    """Media events with fingerprints, by position."""
    config, events = hands.config, hands.services.events
    parsed = decoded(events.decode_batch, body)
    if len(parsed) > config.max_batch:
        raise TooLarge(f"a batch may have at most {config.max_batch} events", field="events")
    checked = [e if isinstance(e, NightlightError | Media) else Invalid("an event of kind media", field="kind") for e in parsed]
    results: list[Answer | NightlightError] = []
    if good := [event for event in checked if isinstance(event, Media)]:
        future = events.submit_many(good)
        if not await settled(future, config.commit_deadline_s):
            raise Busy(NOT_YET)
        results = outcome(future)
    decided = iter(results)
    return [result(next(decided) if isinstance(entry, Media) else entry, caller_of(request)) for entry in checked]


async def screen_uploads(request: Req, hands: Hands, notify: str | None, held: Held) -> Response[bytes]:
    config = hands.config
    parts = await read_form(
        request,
        {"event": config.max_body, "events": config.max_body, "file": config.max_media},
        config.body_deadline_s,
        many=Many("file", config.max_files, config.max_files_bytes),
        video=Video("file", config.max_video),
        held=held,
    )
    files = parts.pop("file", [])
    if "events" not in parts:
        if not parts.get("event", [b""])[0]:
            raise Invalid("this part is missing or empty", field="event")
        if len(files) > 1:
            raise Invalid("given twice; several files go with the part `events`", field="file")
        if not files or not files[0]:
            raise Invalid("this part is missing or empty", field="file")
        begun = await begin(hands, parts["event"][0], files[0])
        answer = await finish(request, hands, begun, notify, config.answer_deadline_s)
        if isinstance(answer, MediaJob):
            return json_response(answer.job, 202, {"location": f"/v1/jobs/{quote(answer.event_id, safe='')}"})
        return json_response(answer)
    if "event" in parts:
        raise Invalid("not beside `events`: one or the other", field="event")
    results = await screen_many(request, hands, decode(parts["events"][0], _envelopes), files, notify)
    return json_response(MediaResults(tuple(results)), 202 if all(isinstance(one, MediaJob) for one in results) else 200)


class Begun(Struct, frozen=True):
    event_id: str
    answer: Any
    """A Future[Answer]."""


async def begin(hands: Hands, envelope: bytes, data: bytes) -> Begun:
    event_id = decode(envelope, _named).id
    if not data:
        raise Invalid("this part is missing or empty", field="file")
    # In a thread: it opens the envelope and queues the bytes, which may be many.
    return Begun(event_id, await asyncio.to_thread(decoded, lambda raw: hands.services.media.screen(raw, data), envelope))


async def finish(request: Req, hands: Hands, begun: Begun, notify: str | None, within_s: float) -> EventAnswer | MediaJob:
    """The answer, or a job where it takes longer. Raises what the screening failed with."""
    future: Future[Answer] = begun.answer
    if not await settled(future, within_s):
        try:
            return MediaJob(event_id=begun.event_id, job=await asyncio.to_thread(hands.services.media.detach, begun.event_id, notify))
        except NotFound:  # it was finished in the same moment
            if not await settled(future, hands.config.answer_deadline_s):
                raise
    return answer_for(caller_of(request), outcome(future))


async def screen_many(
    request: Req, hands: Hands, envelopes: tuple[Raw, ...], files: list[bytes], notify: str | None
) -> list[EventAnswer | MediaJob | problems.Problem]:
    """By position: whatever comes of one, the others are screened and answered."""
    config = hands.config
    if not 1 <= len(envelopes) <= config.max_files:
        raise TooLarge(f"1 to {config.max_files} in one request", field="events")
    if len(envelopes) != len(files):
        raise Invalid(f"there must be as many files as events; there are {len(files)} and {len(envelopes)}", field="file")
    begun: list[Begun | Exception] = []
    for envelope, data in zip(envelopes, files, strict=True):
        try:
            begun.append(await begin(hands, bytes(envelope), data))
        except Exception as error:
            begun.append(error)
    loop = asyncio.get_running_loop()
    end = loop.time() + config.answer_deadline_s
    results: list[EventAnswer | MediaJob | problems.Problem] = []
    for one in begun:
        try:
            if isinstance(one, Exception):
                raise one
            results.append(await finish(request, hands, one, notify, max(0.0, end - loop.time())))
        except Exception as error:
            problem = problems.of(error)
            if problem.status == 500:
                problems.record(error, "/v1/media:screen")
            results.append(problem)
    return results


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
