"""Uploads: multipart within bounds, answers now or later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.errors import Busy, Invalid, NotFound
from nightlight.core.services import Scope
from nightlight.web import WebConfig, create_app
from tests.web.client import BASE, BOUNDARY, END, Client, part, problem, service, upload
from tests.web.fakes import Fakes, message, screened, too_large

SMALL = WebConfig(max_media=1000, max_video=3000, max_files=4, max_files_bytes=2500, max_body=2000, body_deadline_s=5)
MEDIA = {"kind": "media", "id": "p1", "at": "2026-03-01T19:29:58Z", "actor": {"account": "kim"}}
SHA = {"kind": "sha256", "value": "ab" * 32}


def test_an_upload_is_screened_and_answered_at_once() -> None:
    fakes, client = service(None, Scope.EVENTS_WRITE)
    answer = client.multipart("/v1/media:screen", upload(screened(), b"\xff\xd8" + bytes(5000)))
    assert answer.status_code == 200
    assert answer.json()["event_id"] == "m1"
    assert "decision" not in answer.json()
    assert fakes.media.sizes == [5002]


def test_what_was_read_of_the_bytes_is_told_to_every_key() -> None:
    fakes, client = service(None, Scope.EVENTS_WRITE)
    answer = client.multipart("/v1/media:screen", upload(screened(), b"\xff\xd8")).json()
    assert answer["media"] == {"media_type": "image/jpeg", "unreadable": None, "exact_only": False}
    assert client.get("/v1/decisions/m1").json() == answer
    fakes.media.unreadable = "the file is cut short"
    answer = client.multipart("/v1/media:screen", upload(screened("m2"), b"\xff\xd8")).json()
    assert answer["media"] == {"media_type": None, "unreadable": "the file is cut short", "exact_only": False}
    assert "media" not in client.post("/v1/events", json=message()).json()


def test_parts_may_come_in_any_order() -> None:
    fakes, client = service()
    body = part("file", b"xyz", filename="C:\\odd name\u00e9.png") + part("event", msgspec.json.encode(screened())) + END
    assert client.multipart("/v1/media:screen", body).status_code == 200
    assert fakes.media.sizes == [3]


def test_fingerprints_alone_are_an_ordinary_event() -> None:
    fakes, client = service()
    answer = client.post("/v1/media:screen", json={**MEDIA, "fingerprints": [SHA]})
    assert (answer.status_code, answer.json()["event_id"]) == (200, "p1")
    assert fakes.media.sizes == []
    assert problem(client.post("/v1/media:screen", json=message()), 400, "invalid")["field"] == "kind"


def test_a_slow_one_is_202_with_a_job_and_is_not_cancelled() -> None:
    fakes, client = service(WebConfig(answer_deadline_s=0.05))
    fakes.media.stall = True
    answer = client.multipart("/v1/media:screen?notify=ops", upload(screened("a/b"), b"x"))
    assert answer.status_code == 202
    assert answer.json()["state"] == "waiting"
    assert answer.headers["location"] == "/v1/jobs/a%2Fb"
    assert fakes.media.notified == ["ops"]
    job = client.get(answer.headers["location"])
    assert (job.status_code, job.json()["id"]) == (200, "a/b")
    problem(client.get(f"/v1/jobs/{quote('never', safe='')}"), 404, "not_found")


@pytest.mark.parametrize("name", ["http%3A%2F%2Fx", "nosuch", "", "OPS", "ops%0A"])
def test_a_webhook_that_is_not_configured_is_refused_before_anything_is_read(name: str) -> None:
    fakes, client = service()
    bodies = (
        problem(client.multipart(f"/v1/media:screen?notify={name}", upload(screened(), b"x")), 400, "invalid"),
        problem(client.post(f"/v1/media:screen?notify={name}", json={**MEDIA, "fingerprints": [SHA]}), 400, "invalid"),
    )
    for body in bodies:
        assert body["field"] == "notify"
        assert not any(configured in body["detail"] for configured in fakes.services.endpoints)
    assert (fakes.media.sizes, fakes.events.answers) == ([], {})


def test_where_no_webhook_is_configured_none_can_be_named() -> None:
    fakes = Fakes()
    services = msgspec.structs.replace(fakes.services, endpoints=frozenset())
    client = Client(create_app(services, WebConfig()), fakes.keys.add("all", *Scope))
    assert problem(client.multipart("/v1/media:screen?notify=ops", upload(screened(), b"x")), 400, "invalid")["field"] == "notify"
    assert client.multipart("/v1/media:screen", upload(screened(), b"x")).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Invalid("no"), 400, "invalid"), (too_large("it"), 413, "too_large"), (Busy("full"), 503, "busy"), (NotFound("?"), 404, "not_found")],
)
def test_what_the_media_lane_refuses_is_a_problem(error: Exception, status: int, code: str) -> None:
    fakes, client = service()
    fakes.media.fault = error
    problem(client.multipart("/v1/media:screen", upload(screened(), b"x")), status, code)


EVENT = msgspec.json.encode(screened())

BAD = {
    "no part at all": END,
    "nothing": b"",
    "event missing": part("file", b"x") + END,
    "file missing": part("event", EVENT) + END,
    "file empty": part("event", EVENT) + part("file", b"") + END,
    "two files": part("event", EVENT) + part("file", b"x") + part("file", b"y") + END,
    "two events": part("event", EVENT) + part("event", EVENT) + END,
    "a part of another name": part("event", EVENT) + part("other", b"x") + END,
    "cut short in a header": (part("event", EVENT) + part("file", b"x"))[:60],
    "cut short in the file": part("event", EVENT) + part("file", b"x" * 200)[:-60],
    "no closing boundary": part("event", EVENT) + part("file", b"x"),
    "another boundary": b"--other\r\n\r\n",
    "a huge header": part("event", EVENT, headers=f"X-Long: {'a' * 1500}\r\n") + part("file", b"x") + END,
    "many headers": part("event", EVENT, headers="".join(f"X-{n}: a\r\n" for n in range(20))) + part("file", b"x") + END,
    "a length that lies": part("event", EVENT, headers="Content-Length: 3\r\n") + part("file", b"x") + END,
    "a length that is none": part("event", EVENT, headers="Content-Length: many\r\n") + part("file", b"x") + END,
    "a header without a name": f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n".encode() + END,
    "a header that is not UTF-8": f"--{BOUNDARY}\r\nX: ".encode()
    + b'\xff\r\nContent-Disposition: form-data; name="event"\r\n\r\nx\r\n'
    + END,
    "bare newlines": (part("event", EVENT) + END).replace(b"\r\n", b"\n"),
    "an event that is not JSON": part("event", b"{") + part("file", b"x") + END,
    "an event that nests": part("event", b"[" * 900) + part("file", b"x") + END,
    "an event without an id": part("event", b"{}") + part("file", b"x") + END,
    "an event of another kind": part("event", msgspec.json.encode(message())) + part("file", b"x") + END,
}


@pytest.fixture(scope="module")
def small() -> Client:
    return service(SMALL)[1]


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_upload_is_400(name: str, small: Client) -> None:
    problem(small.multipart("/v1/media:screen", BAD[name]), 400, "invalid")


ONE_MORE = part("event", EVENT) + part("file", b"x")


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (part("evnet", EVENT) + part("file", b"x") + END, "evnet", "only these parts are read: event, events, file"),
        (ONE_MORE + part("note", b"x") + END, "note", "only these parts are read: event, events, file"),
        (ONE_MORE + part("WORDS of somebody", b"x") + END, None, "only these parts are read: event, events, file"),
        (ONE_MORE + part("file", b"y") + END, "file", "given twice; several files go with the part `events`"),
        (part("event", EVENT) + END, "file", "this part is missing or empty"),
        (BAD["a huge header"], None, "a header of a part has more than 1024 bytes"),
        (BAD["many headers"], None, "a part has more than 8 headers"),
        (BAD["cut short in the file"], None, "the multipart body is malformed or cut short"),
    ],
)
def test_each_cause_is_told_and_the_part_named(body: bytes, field: str | None, said: str, small: Client) -> None:
    refused = problem(small.multipart("/v1/media:screen", body), 400, "invalid")
    assert (refused.get("field"), refused["detail"]) == (field, said)


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
        "multipart/form-data; boundary=\u00e9",
    ],
)
def test_a_content_type_without_a_usable_boundary_is_400(kind: str, small: Client) -> None:
    answer = small.request("POST", "/v1/media:screen", content=END, headers={"content-type": kind.encode("latin-1")})
    problem(answer, 400, "invalid")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "image/png"])
def test_any_other_content_type_is_415(kind: str, small: Client) -> None:
    problem(small.send("/v1/media:screen", b"x", kind), 415, "unsupported_media_type")


def test_a_file_one_byte_too_large_is_413_and_the_largest_passes() -> None:
    fakes, client = service(SMALL)
    assert client.multipart("/v1/media:screen", upload(screened(), bytes(1000))).status_code == 200
    assert problem(client.multipart("/v1/media:screen", upload(screened(), bytes(1001))), 413, "too_large")["field"] == "file"
    assert fakes.media.sizes == [1000]


def stream(client: Client, sizes: list[int], read: list[int], headers: dict[str, str]) -> httpx.Response:
    """Sends a chunked upload whose file never ends; `read` counts the chunks that were asked for."""

    async def chunks() -> AsyncIterator[bytes]:
        yield part("event", EVENT) + part("file", b"")[:-2]
        for size in sizes:
            read.append(size)
            yield bytes(size)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=client.transport(), base_url=BASE, trust_env=False) as http:
            given = {"authorization": f"Bearer {client.key}", "content-type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
            return await http.post("/v1/media:screen", content=chunks(), headers=given)

    return asyncio.run(send())


def test_a_chunked_upload_without_a_length_is_cut_off_as_soon_as_it_is_too_large(small: Client) -> None:
    read: list[int] = []
    problem(stream(small, [400] * 100, read, {}), 413, "too_large")
    assert len(read) == 3  # 1,200 bytes of a file that may have 1,000


def test_a_declared_length_that_is_too_large_is_refused_unread(small: Client) -> None:
    read: list[int] = []
    for declared in ("1000000000", "9" * 40):
        problem(stream(small, [1], read, {"content-length": declared}), 413, "too_large")
    assert read == []
    problem(stream(small, [1], read, {"content-length": "-3"}), 400, "invalid")


def test_only_so_many_uploads_are_in_memory_at_once() -> None:
    fakes, client = service(WebConfig(max_uploads=1, answer_deadline_s=0.5))
    fakes.media.stall = True
    headers = {"authorization": f"Bearer {client.key}", "content-type": f"multipart/form-data; boundary={BOUNDARY}"}

    async def together() -> list[int]:
        async with httpx.AsyncClient(transport=client.transport(), base_url=BASE, trust_env=False) as http:
            posts = [http.post("/v1/media:screen", content=upload(screened(f"m{n}"), b"x"), headers=headers) for n in range(2)]
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    assert sorted(asyncio.run(together())) == [202, 503]
    fakes.media.stall = False
    assert client.multipart("/v1/media:screen", upload(screened("m9"), b"x")).status_code == 200


def test_a_trickling_body_is_given_up() -> None:
    _, client = service(WebConfig(body_deadline_s=0.05))

    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.02)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=client.transport(), base_url=BASE, trust_env=False) as http:
            headers = {"authorization": f"Bearer {client.key}", "content-type": "application/json"}
            return await http.post("/v1/events", content=trickle(), headers=headers)

    problem(asyncio.run(send()), 408, "request_timeout")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.integers(0, 400), st.sampled_from(["media:screen", "banks/known/items:upload"]))
def test_no_multipart_body_breaks_the_service(noise: bytes, at: int, door: str) -> None:
    body = upload(screened(), b"x" * 100)
    assert FUZZED.multipart(f"/v1/{door}", body[:at] + noise + body[at:]).status_code < 500
    assert FUZZED.multipart(f"/v1/{door}", noise).status_code < 500


FUZZED = service(SMALL)[1]
