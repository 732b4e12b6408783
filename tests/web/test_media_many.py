"""Many pictures in one request: answered by position, bounded, and none spoils another."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import msgspec
import pytest

from nightlight.core.errors import Busy, NightlightError
from nightlight.core.services import Answer, Scope
from nightlight.web import WebConfig
from tests.web.client import END, part, problem, service
from tests.web.fakes import message, screened

PATH = "/v1/media:screen"
SMALL = WebConfig(max_media=1000, max_video=3000, max_files=4, max_files_bytes=2500, max_body=2000, max_batch=3)
SHA = {"kind": "sha256", "value": "ab" * 32}
MEDIA = {"kind": "media", "id": "p1", "at": "2026-03-01T19:29:58Z", "actor": {"account": "kim"}, "fingerprints": [SHA]}
MP4, MKV = b"\0\0\0\x18ftypisom", b"\x1aE\xdf\xa3"


def many(envelopes: Any, *files: bytes) -> bytes:
    raw = envelopes if isinstance(envelopes, bytes) else msgspec.json.encode(envelopes)
    return part("events", raw) + b"".join(part("file", data, filename="x") for data in files) + END


def test_each_is_answered_at_its_place() -> None:
    fakes, client = service(None, Scope.EVENTS_WRITE)
    answer = client.multipart(PATH, many([screened("a"), screened("b"), screened("c")], b"1", b"22", b"333"))
    assert answer.status_code == 200
    assert [one["event_id"] for one in answer.json()["results"]] == ["a", "b", "c"]
    assert all("decision" not in one and one["media"]["media_type"] == "image/jpeg" for one in answer.json()["results"])
    assert fakes.media.sizes == [1, 2, 3]


def test_the_files_may_come_before_the_events() -> None:
    _, client = service()
    body = part("file", b"1") + part("file", b"22") + part("events", msgspec.json.encode([screened("a"), screened("b")])) + END
    assert [one["event_id"] for one in client.multipart(PATH, body).json()["results"]] == ["a", "b"]


def test_a_bad_one_spoils_none_of_the_others() -> None:
    fakes, client = service()
    wrong: list[Any] = [message("m"), {"kind": "media_screened"}, None, 7, [], {**screened("x"), "nonsense": 1}]
    envelopes = [screened("first"), *wrong, screened("empty"), screened("last")]
    files = [b"1"] * (len(wrong) + 1) + [b"", b"9"]
    answer = client.multipart(PATH, many(envelopes, *files))
    assert answer.status_code == 200
    first, *bad, last = answer.json()["results"]
    assert (first["event_id"], last["event_id"]) == ("first", "last")
    assert [one["status"] for one in bad] == [400] * (len(wrong) + 1)
    assert bad[-1]["field"] == "file"
    assert len(fakes.media.sizes) == 2


def test_what_fails_unforeseen_is_a_problem_at_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes, client = service()
    real = fakes.media.screen

    def faulty(envelope: bytes, data: bytes) -> Future[Answer]:
        if data == b"boom":
            raise RuntimeError("SECRET words")
        if data == b"full":
            raise Busy("too much media is waiting")
        return real(envelope, data)

    monkeypatch.setattr(fakes.media, "screen", faulty)
    results = client.multipart(PATH, many([screened(n) for n in "abc"], b"boom", b"full", b"1")).json()["results"]
    assert [one.get("status") for one in results] == [500, 503, None]
    assert "SECRET" not in str(results)


def test_slow_ones_become_jobs_and_202_only_where_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes, client = service(WebConfig(answer_deadline_s=0.05))
    real = fakes.media.screen

    def screen(envelope: bytes, data: bytes) -> Future[Answer]:
        fakes.media.stall = data == b"slow"
        return real(envelope, data)

    monkeypatch.setattr(fakes.media, "screen", screen)
    mixed = client.multipart(f"{PATH}?notify=ops", many([screened("a"), screened("b")], b"slow", b"quick"))
    assert mixed.status_code == 200
    job, answered = mixed.json()["results"]
    assert (job["event_id"], job["job"]["state"], answered["event_id"]) == ("a", "waiting", "b")
    assert fakes.media.notified == ["ops"]
    assert client.get("/v1/jobs/a").json() == job["job"]
    all_slow = client.multipart(PATH, many([screened("c"), screened("d")], b"slow", b"slow"))
    assert all_slow.status_code == 202
    assert [one["job"]["id"] for one in all_slow.json()["results"]] == ["c", "d"]
    bad_and_slow = client.multipart(PATH, many([screened("e"), message("f")], b"slow", b"quick"))
    assert bad_and_slow.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (many([screened("a")], b"1", b"2"), 400, "file"),
        (many([screened("a"), screened("b")], b"1"), 400, "file"),
        (many([screened("a")]), 400, "file"),
        (many([]), 413, "events"),
        (many([screened(str(n)) for n in range(5)], *[b"1"] * 4), 413, "events"),
        (many([screened("a")], *[b"1"] * 5), 413, "file"),
        (many([screened(str(n)) for n in range(3)], *[bytes(900)] * 3), 413, "file"),
        (many([screened("a")], bytes(1001)), 413, "file"),
        (many(b"{}", b"1"), 400, None),
        (many(b"[", b"1"), 400, None),
        (many(b"[" * 1500, b"1"), 400, None),
        (part("event", msgspec.json.encode(screened())) + many([screened("a")], b"1"), 400, "event"),
        (part("events", b"[]") + many([screened("a")], b"1"), 400, "events"),
    ],
)
def test_bounds_and_mistakes_are_told(body: bytes, status: int, field: str | None) -> None:
    fakes, client = service(SMALL)
    told = problem(client.multipart(PATH, body), status, "too_large" if status == 413 else "invalid")
    assert told.get("field") == field
    assert fakes.media.sizes == []


@pytest.mark.parametrize("start", [MP4, MKV])
def test_a_video_may_be_larger_than_a_picture(start: bytes) -> None:
    fakes, client = service(SMALL)
    one = part("event", msgspec.json.encode(screened()))
    assert client.multipart(PATH, one + part("file", start + bytes(2000)) + END).status_code == 200
    problem(client.multipart(PATH, one + part("file", start + bytes(3000)) + END), 413, "too_large")
    problem(client.multipart(PATH, one + part("file", b"\xff\xd8" + bytes(2000)) + END), 413, "too_large")
    assert fakes.media.sizes == [len(start) + 2000]


def test_a_large_upload_takes_places_by_its_size() -> None:
    config = WebConfig(max_media=100_000, max_body=10_000, max_video=2_000_000, max_files_bytes=200_000, max_uploads=3)
    _, client = service(config)
    one = part("event", msgspec.json.encode(screened()))
    assert client.multipart(PATH, one + part("file", MP4 + bytes(300_000)) + END).status_code == 200
    told = problem(client.multipart(PATH, one + part("file", MP4 + bytes(700_000)) + END), 413, "too_large")
    assert "body" in told["detail"], "it could never fit, however long the client waits"
    for _ in range(4):  # places come back
        assert client.multipart(PATH, one + part("file", b"x") + END).status_code == 200


def test_media_events_with_fingerprints_go_many_at_once() -> None:
    fakes, client = service(SMALL, Scope.EVENTS_WRITE)
    events: list[Any] = [MEDIA, message("m"), {**MEDIA, "id": "p2", "fingerprints": []}]
    answer = client.post(PATH, json={"events": events})
    assert answer.status_code == 200
    good, other, bad = answer.json()["results"]
    assert (good["event_id"], other["field"], bad["status"]) == ("p1", "kind", 400)
    assert list(fakes.events.bodies) == ["p1"], "what is no media event is not accepted here"
    assert problem(client.post(PATH, json={"events": [MEDIA] * 4}), 413, "too_large")["field"] == "events"
    problem(client.post(PATH, json={"events": 7}), 400, "invalid")
    problem(client.post(PATH, json={"events": [MEDIA], "more": 1}), 400, "invalid")


def test_a_refused_batch_of_events_is_told() -> None:
    fakes, client = service()
    error: NightlightError = Busy("the queue is full")
    fakes.events.fault = error
    problem(client.post(PATH, json={"events": [MEDIA]}), 503, "busy")
