"""Uploads that take longer than their caller waits: promised, kept sealed, and never forgotten."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest
from PIL import ImageOps

from nightlight.app import media_lane
from nightlight.app.bench.pictures import encoded, invented
from nightlight.app.bootstrap import Nightlight
from nightlight.app.settings import EndpointSettings, Settings
from nightlight.core.bank import Bank
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Busy, Conflict, Invalid, NotFound
from nightlight.core.event import MediaScreened
from nightlight.core.fingerprint import Variant
from nightlight.core.harm import Level
from nightlight.core.job import JobState
from nightlight.core.services import Answer
from nightlight.core.signal import Subject, SubjectKind
from nightlight.senses.media import ScreenedMedia, screen_bytes
from tests.app.conftest import upload
from tests.app.test_pipeline import picture
from tests.senses.media.made import declared_png

SETTINGS = Settings(endpoints={"media": EndpointSettings(url="http://127.0.0.1:9/", secret="0123456789abcdef0123")})


class Gatekeeper:
    """Holds every decode until it is let through; the real hasher then does its work."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.calls = 0

    def __call__(self, data: bytes) -> ScreenedMedia:
        self.calls += 1
        self.open.wait(20)
        return screen_bytes(data)


@pytest.fixture
def slow() -> Gatekeeper:
    return Gatekeeper()


def start(graph: Nightlight, slow: Gatekeeper, id: str = "up-1") -> Future[Answer]:
    graph.media._screen = slow
    return graph.media.screen(msgspec.json.encode(upload(id=id)), picture())


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_a_caller_who_stops_waiting_is_told_by_webhook(build: Callable[..., Nightlight], slow: Gatekeeper, clock: FixedClock) -> None:
    graph = build(settings=SETTINGS)
    future = start(graph, slow)
    job = graph.media.detach("up-1", "media")
    assert job.state is JobState.WAITING
    (spooled,) = (graph.home / "spool").glob("*.sealed")
    assert picture()[:32] not in spooled.read_bytes(), "what waits on disk is sealed"
    assert oct(spooled.parent.stat().st_mode)[-3:] == "700"
    slow.open.set()
    answer = future.result(20)
    until(lambda: graph.media.job("up-1").state is JobState.DONE)  # type: ignore[union-attr]
    assert not list((graph.home / "spool").glob("*.sealed"))
    assert graph.events.decision("up-1") == answer
    (message,) = graph.database.outbox.due(clock.now(), 10)
    assert (message.key, message.endpoint) == ("job:up-1", "media")
    assert json.loads(message.body) == {"type": "media.screened", "event_id": "up-1", "state": "done", "detail": ""}


def test_an_upload_that_was_promised_survives_a_crash(build: Callable[..., Nightlight], slow: Gatekeeper) -> None:
    graph = build(settings=SETTINGS)
    start(graph, slow)
    graph.media.detach("up-1", "media")
    copies = {path.name: path.read_bytes() for path in (graph.home / "spool").glob("*.sealed")}
    # A crash keeps neither memory nor threads: what is left is the database and the spool, which a second graph starts on.
    second = build(settings=SETTINGS)
    until(lambda: second.media.job("up-1").state is JobState.DONE)  # type: ignore[union-attr]
    assert second.events.decision("up-1") is not None
    assert copies
    until(lambda: not list((second.home / "spool").glob("*.sealed")))
    slow.open.set()
    graph.media.stop()
    assert graph.database.history.live_decisions(["up-1"]) == {"up-1": 1}
    assert list(graph.database.history.outbox_keys()) == ["job:up-1"], "told once, though two processes finished it"


def test_a_spool_file_that_does_not_open_is_set_aside_and_harms_no_other(build: Callable[..., Nightlight], slow: Gatekeeper) -> None:
    graph = build()
    start(graph, slow)
    graph.media.detach("up-1", None)
    (graph.home / "spool" / "damaged.sealed").write_bytes(b"\x92\xa1x\xc4\x03abc")
    (graph.home / "spool" / "noise.sealed").write_bytes(b"noise")
    second = build()
    until(lambda: second.media.job("up-1").state is JobState.DONE)  # type: ignore[union-attr]
    assert {path.name for path in (second.home / "spool").glob("*.unreadable")} == {"damaged.unreadable", "noise.unreadable"}
    slow.open.set()


def test_an_upload_that_finished_before_its_caller_gave_up_is_no_waiting_job(graph: Nightlight) -> None:
    graph.media.screen(msgspec.json.encode(upload(id="quick")), picture()).result(20)
    with pytest.raises(NotFound):
        graph.media.detach("quick", None)
    assert graph.media.job("never") is None


def test_the_same_id_with_other_bytes_at_the_same_time_is_refused(graph: Nightlight, slow: Gatekeeper) -> None:
    envelope = msgspec.json.encode(upload(id="up-1"))
    graph.media._screen = slow
    first = graph.media.screen(envelope, picture())
    with pytest.raises(Conflict):
        graph.media.screen(envelope, picture(2))
    same = graph.media.screen(envelope, picture())
    slow.open.set()
    assert same.result(20) == first.result(20)
    assert slow.calls == 1


def test_an_id_that_was_decided_is_answered_or_refused_without_decoding_again(graph: Nightlight, slow: Gatekeeper) -> None:
    slow.open.set()
    first = start(graph, slow, "old").result(20)
    assert start(graph, slow, "old").result(20) == first
    with pytest.raises(Conflict):
        graph.media.screen(msgspec.json.encode(upload(id="old")), picture(2))
    assert slow.calls == 1


def test_waiting_bytes_are_bounded(graph: Nightlight, slow: Gatekeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_lane, "MOST_WAITING_BYTES", len(picture()) * 2 + 1)
    first, second = start(graph, slow, "a"), start(graph, slow, "b")
    with pytest.raises(Busy):
        start(graph, slow, "c")
    slow.open.set()
    assert first.result(20)
    assert second.result(20)
    assert start(graph, slow, "c").result(20), "room again"


def test_a_decoder_that_breaks_is_an_error_and_a_failed_job(graph: Nightlight, slow: Gatekeeper) -> None:
    def broken(data: bytes) -> ScreenedMedia:
        slow(data)
        raise MemoryError

    graph.media._screen = broken
    future = graph.media.screen(msgspec.json.encode(upload(id="broken")), picture())
    graph.media.detach("broken", None)
    slow.open.set()
    with pytest.raises(MemoryError):
        future.result(20)
    job = graph.media.job("broken")
    assert job is not None
    assert job.state is JobState.FAILED


def test_a_promised_upload_that_finds_no_room_is_tried_again(graph: Nightlight, slow: Gatekeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    submit, refused = graph.events.submit_screened, []

    def busy_twice(event: MediaScreened, body: bytes) -> Future[Answer]:
        if len(refused) < 2:
            refused.append(1)
            raise Busy("no room")
        return submit(event, body)

    monkeypatch.setattr(media_lane, "RETRY_S", 0.01)
    monkeypatch.setattr(graph.events, "submit_screened", busy_twice)
    future = start(graph, slow)
    graph.media.detach("up-1", None)
    slow.open.set()
    assert future.result(20).event_id == "up-1"
    assert len(refused) == 2
    assert graph.media.job("up-1").state is JobState.DONE  # type: ignore[union-attr]


def test_an_upload_nobody_promised_is_refused_where_there_is_no_room(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(event: MediaScreened, body: bytes) -> Future[Answer]:
        raise Busy("no room")

    monkeypatch.setattr(graph.events, "submit_screened", busy)
    with pytest.raises(Busy):
        graph.media.screen(msgspec.json.encode(upload()), picture()).result(20)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"fingerprints": [{"kind": "md5", "value": "0" * 32}]}, "fingerprints"),
        ({"unreadable": "says so"}, "fingerprints"),
        ({"kind": "message", "text": "x"}, "kind"),
    ],
)
def test_an_envelope_that_claims_to_be_screened_is_refused(graph: Nightlight, more: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        graph.media.screen(msgspec.json.encode(upload(**more)), picture())
    assert refused.value.field == field


def test_media_screened_cannot_be_sent_as_an_event(graph: Nightlight, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        graph.events.decode(msgspec.json.encode(upload()))
    assert refused.value.field == "kind"
    (error,) = graph.events.decode_batch(msgspec.json.encode({"events": [upload()]}))
    assert isinstance(error, Invalid)


def test_a_mirrored_and_framed_copy_of_a_banked_picture_is_found_and_its_view_is_said(graph: Nightlight) -> None:
    shown = invented(700, 500, 1)
    graph.banks.create(Bank(name="own"), "tester")
    item = graph.banks.add_bytes("own", encoded(shown), "tester")
    assert not any(f.variant and not f.variant.is_view for f in item.fingerprints), (
        "a bank holds what a picture is, not what may be done to it"
    )
    mirrored = graph.media.screen(msgspec.json.encode(upload(id="mirrored")), encoded(ImageOps.mirror(shown))).result(60)
    framed = graph.media.screen(msgspec.json.encode(upload(id="framed")), encoded(ImageOps.expand(shown, 90, "white"))).result(60)
    other = graph.media.screen(msgspec.json.encode(upload(id="other")), encoded(invented(700, 500, 2))).result(60)
    assert [answer.decision.level for answer in (mirrored, framed, other)] == [Level.HIGH, Level.HIGH, Level.NONE]
    (assessment,) = graph.database.pipeline.assessments([Subject(SubjectKind.MEDIA, f"own/{item.id}")]).values()
    (contribution,) = assessment.contributions
    assert {e.match.variant for e in contribution.evidence if e.match is not None} == {Variant.MIRRORED, Variant.TRIMMED}


def test_a_decoder_that_is_killed_again_and_again_never_ends_the_service(graph: Nightlight) -> None:
    for number in range(3):
        answer = graph.media.screen(msgspec.json.encode(upload(id=f"before-{number}")), picture()).result(60)
        assert answer.event_id == f"before-{number}"
        for pid in graph.decoders.pids:
            os.kill(pid, signal.SIGKILL)
    assert graph.media.screen(msgspec.json.encode(upload(id="after")), picture()).result(60)
    assert graph.decoders.replaced >= 3


def test_a_bomb_is_an_event_that_says_why_it_is_unreadable(graph: Nightlight) -> None:
    graph.media.screen(msgspec.json.encode(upload(id="bomb")), declared_png(100_000, 100_000)).result(60)
    stored = graph.database.pipeline.event("bomb")
    assert stored is not None
    event = msgspec.msgpack.decode(graph.sealer.open(stored.sealed, "event:bomb"))
    assert event["unreadable"].startswith("declares 100000 x 100000")
    assert [f["kind"] for f in event["fingerprints"]] == ["sha256", "sha1", "md5"]
