"""Against real HTTP servers on the loopback, with the faults that real ones have."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.adapters.webhook import Backoff, Dispatcher, Round, signed_headers, verify_signature
from nightlight.core.clock import FixedClock, SystemClock
from nightlight.core.errors import Invalid, Tampered
from nightlight.core.ports import Delivery, Endpoint

START = datetime(2026, 3, 1, tzinfo=UTC)
SECRET = "an invented secret of some length"
Answer = Callable[[BaseHTTPRequestHandler], None]


class Box:
    """An outbox in memory, with the meaning the port gives it."""

    def __init__(self, *deliveries: Delivery) -> None:
        self.lock = threading.Lock()
        self.waiting = {d.key: (d, START) for d in deliveries}
        self.done: list[str] = []
        self.dead: dict[str, str] = {}
        self.errors: list[tuple[str, str, datetime | None]] = []
        self.refuse_writes = False

    def due(self, now: datetime, most: int) -> Sequence[Delivery]:
        with self.lock:
            return [d for d, at in self.waiting.values() if at <= now][:most]

    def delivered(self, key: str, at: datetime) -> None:
        if self.refuse_writes:
            raise OSError("disk")
        with self.lock:
            del self.waiting[key]
            self.done.append(key)

    def failed(self, key: str, error: str, retry_at: datetime | None) -> None:
        with self.lock:
            d, _ = self.waiting.pop(key)
            self.errors.append((key, error, retry_at))
            if retry_at is None:
                self.dead[key] = error
            else:
                again = Delivery(key=d.key, endpoint=d.endpoint, body=d.body, attempts=d.attempts + 1, created_at=d.created_at)
                self.waiting[key] = (again, retry_at)


class Server:
    def __init__(self, answer: Answer) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                answer(self)

            def do_GET(self) -> None:
                outer.received.append(({"method": "GET"}, b""))
                status(200)(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@contextmanager
def serving(answer: Answer) -> Iterator[Server]:
    server = Server(answer)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def dispatching(box: Box, clock: Any, endpoints: dict[str, str], **more: Any) -> Iterator[Dispatcher]:
    known = {name: Endpoint(name=name, url=url, secret=SECRET) for name, url in endpoints.items()}
    dispatcher = Dispatcher(box, known, clock, jitter=lambda: 1.0, **more)
    try:
        yield dispatcher
    finally:
        dispatcher.stop()


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "6")
        handler.end_headers()
        handler.wfile.write(b"secret")

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not a goodbye
    handler.connection.close()


def out(key: str = "e1/safety/rule", endpoint: str = "safety", body: bytes = b'{"event_id":"e1"}', attempts: int = 0) -> Delivery:
    return Delivery(key=key, endpoint=endpoint, body=body, attempts=attempts, created_at=START)


def test_a_message_arrives_signed_with_its_key_and_bytes() -> None:
    box, clock = Box(out()), FixedClock(START)
    with serving(status(204)) as server, dispatching(box, clock, {"safety": server.url}) as dispatcher:
        assert dispatcher.run_once() == Round(delivered=1)
        assert dispatcher.run_once() == Round()
        ((headers, body),) = server.received
    assert body == b'{"event_id":"e1"}'
    assert headers["content-type"] == "application/json"
    assert verify_signature(SECRET, headers, body, START) == "e1/safety/rule"
    assert box.done == ["e1/safety/rule"]


@pytest.mark.parametrize("code", [301, 302, 307, 400, 401, 404, 500, 503])
def test_anything_but_success_is_tried_again_later_and_no_redirect_is_followed(code: int) -> None:
    box, clock = Box(out()), FixedClock(START)
    with serving(status(200)) as elsewhere, serving(status(code, location=elsewhere.url)) as server:
        with dispatching(box, clock, {"safety": server.url}) as dispatcher:
            assert dispatcher.run_once() == Round(retried=1)
            assert dispatcher.run_once() == Round()  # not before its time
        assert elsewhere.received == []
    assert box.errors == [("e1/safety/rule", f"HTTP {code}", START + timedelta(seconds=5))]


def test_retries_carry_the_same_key_and_bytes_and_a_fresh_signature() -> None:
    box, clock = Box(out()), FixedClock(START)
    codes = iter([500, 503, 200])
    with serving(lambda h: status(next(codes))(h)) as server, dispatching(box, clock, {"safety": server.url}) as dispatcher:
        for expected in (Round(retried=1), Round(retried=1), Round(delivered=1)):
            assert dispatcher.run_once() == expected
            clock.advance(timedelta(hours=1))
        received = server.received
    assert len({(h["webhook-id"], body) for h, body in received}) == 1
    assert len({h["webhook-timestamp"] for h, _ in received}) == 3
    for hours, (headers, body) in enumerate(received):
        verify_signature(SECRET, headers, body, START + timedelta(hours=hours))


def test_waits_double_up_to_a_bound_and_are_jittered() -> None:
    backoff = Backoff(base_s=5, cap_s=60)
    assert [backoff.delay(n, 1.0).total_seconds() for n in range(1, 8)] == [5, 10, 20, 40, 60, 60, 60]
    assert backoff.delay(3, 0.25).total_seconds() == 5
    assert backoff.delay(10_000, 1.0).total_seconds() == 60


def test_a_receiver_may_ask_for_time() -> None:
    box, clock = Box(out()), FixedClock(START)
    with serving(status(503, retry_after="120")) as server, dispatching(box, clock, {"safety": server.url}) as dispatcher:
        dispatcher.run_once()
    assert box.errors[0][2] == START + timedelta(seconds=120)


def test_after_the_last_attempt_it_is_a_dead_letter() -> None:
    box, clock = Box(out(attempts=2)), FixedClock(START)
    with serving(status(500)) as server, dispatching(box, clock, {"safety": server.url}, backoff=Backoff(attempts=3)) as dispatcher:
        assert dispatcher.run_once() == Round(dead=1)
    assert box.dead == {"e1/safety/rule": "HTTP 500"}


def test_gone_is_final() -> None:
    box = Box(out())
    with serving(status(410)) as server, dispatching(box, FixedClock(START), {"safety": server.url}) as dispatcher:
        assert dispatcher.run_once() == Round(dead=1)
    assert box.dead == {"e1/safety/rule": "HTTP 410"}


def test_an_endpoint_nobody_configured_is_a_dead_letter_that_says_so() -> None:
    box = Box(out(endpoint="safty"))
    with dispatching(box, FixedClock(START), {"safety": "http://127.0.0.1:9/"}) as dispatcher:
        assert dispatcher.run_once() == Round(dead=1)
    assert box.dead == {"e1/safety/rule": "the endpoint 'safty' is not configured (configured: safety)"}


def test_a_cut_connection_is_tried_again() -> None:
    box = Box(out())
    with serving(hang_up) as server, dispatching(box, FixedClock(START), {"safety": server.url}) as dispatcher:
        assert dispatcher.run_once() == Round(retried=1)
    assert box.errors[0][1] in ("ReadError", "RemoteProtocolError")


def test_a_receiver_that_is_not_there_is_asked_once_a_round_and_not_once_a_message() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"  # bound and not listening: connections are refused
        box = Box(*(out(key=f"e{i}/safety/rule") for i in range(50)))
        with dispatching(box, FixedClock(START), {"safety": url}) as dispatcher:
            assert dispatcher.run_once() == Round(retried=50)
    assert {error for _, error, _ in box.errors} == {"ConnectError"}


def test_a_slow_receiver_times_out_and_delays_nobody_else() -> None:
    release = threading.Event()
    box = Box(out(key="slow", endpoint="slow"), out(key="slow2", endpoint="slow"), out(key="quick", endpoint="quick"))
    arrived = threading.Event()

    def quick(handler: BaseHTTPRequestHandler) -> None:
        status(200)(handler)
        arrived.set()

    def slow_one(handler: BaseHTTPRequestHandler) -> None:
        release.wait(20)
        hang_up(handler)

    with (
        serving(slow_one) as slow,
        serving(quick) as fast,
        dispatching(box, SystemClock(), {"slow": slow.url, "quick": fast.url}, timeout_s=0.5, poll_s=0.01) as dispatcher,
    ):
        dispatcher.start()
        assert arrived.wait(10)
        _until(lambda: len(box.errors) >= 2)
        release.set()
    assert box.done == ["quick"]
    assert {error for _, error, _ in box.errors} == {"ReadTimeout"}
    assert len(slow.received) == 1


def test_many_faults_and_still_each_is_seen_exactly_once_by_a_receiver_that_drops_repeats() -> None:
    turn = iter(range(10_000))
    faults: list[Answer] = [status(200), status(500), hang_up, status(200), status(429)]
    seen: dict[str, set[bytes]] = {}
    box, clock = Box(*(out(key=f"e{i}/safety/rule", body=f'{{"n":{i}}}'.encode()) for i in range(30))), FixedClock(START)
    with serving(lambda h: faults[next(turn) % 5](h)) as server, dispatching(box, clock, {"safety": server.url}) as dispatcher:
        for _ in range(40):
            dispatcher.run_once()
            clock.advance(timedelta(hours=1))
        for headers, body in server.received:
            seen.setdefault(headers["webhook-id"], set()).add(body)
    assert sorted(box.done) == sorted(f"e{i}/safety/rule" for i in range(30))
    assert all(len(bodies) == 1 for bodies in seen.values()) and len(seen) == 30


def test_what_could_not_be_recorded_is_sent_again() -> None:
    box = Box(out())
    with serving(status(200)) as server, dispatching(box, FixedClock(START), {"safety": server.url}) as dispatcher:
        box.refuse_writes = True
        assert dispatcher.run_once() == Round()
        box.refuse_writes = False
        assert dispatcher.run_once() == Round(delivered=1)
        assert len({(h["webhook-id"], body) for h, body in server.received}) == 1 and len(server.received) == 2


def test_the_thread_delivers_what_comes_when_woken_and_survives_a_broken_outbox() -> None:
    box = Box()
    broken = threading.Event()
    due = box.due

    def fails_once(now: datetime, most: int) -> Sequence[Delivery]:
        if not broken.is_set():
            broken.set()
            raise OSError("disk")
        return due(now, most)

    box.due = fails_once  # type: ignore[method-assign]
    with serving(status(200)) as server, dispatching(box, SystemClock(), {"safety": server.url}, poll_s=0.01) as dispatcher:
        dispatcher.start()
        assert broken.wait(10)
        with box.lock:
            box.waiting["e9/safety/rule"] = (out(key="e9/safety/rule"), START)
        dispatcher.wake()
        _until(lambda: box.done == ["e9/safety/rule"])


def test_stopping_leaves_the_rest_in_the_outbox() -> None:
    started, release = threading.Event(), threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        started.set()
        release.wait(10)
        status(200)(handler)

    box = Box(*(out(key=f"e{i}/safety/rule") for i in range(5)))
    with serving(answer) as server, dispatching(box, SystemClock(), {"safety": server.url}) as dispatcher:
        dispatcher.start()
        assert started.wait(10)
        stopping = threading.Thread(target=dispatcher.stop)
        stopping.start()
        _until(dispatcher._stopping.is_set)
        release.set()
        stopping.join(10)
        assert not stopping.is_alive()
    assert len(box.done) == 1 and len(box.waiting) == 4


def test_an_events_id_may_hold_anything() -> None:
    key = "é\r\nx-evil: 1\n/ %41/safety/rule"
    box = Box(out(key=key))
    with serving(status(200)) as server, dispatching(box, FixedClock(START), {"safety": server.url}) as dispatcher:
        assert dispatcher.run_once() == Round(delivered=1)
        ((headers, body),) = server.received
    assert "x-evil" not in headers
    assert verify_signature(SECRET, headers, body, START) == "%C3%A9%0D%0Ax-evil:%201%0A/%20%2541/safety/rule"


@pytest.mark.parametrize(
    ("url", "secret"),
    [("ftp://127.0.0.1/", SECRET), ("https://", SECRET), ("https://example.test/", "tiny one"), ("https://example.test/", "whsec_!")],
)
def test_an_endpoint_that_cannot_be_used_is_refused_at_the_start(url: str, secret: str) -> None:
    with pytest.raises(Invalid) as refused:
        Dispatcher(Box(), {"safety": Endpoint(name="safety", url=url, secret=secret)})
    assert secret not in str(refused.value)


# -- signatures ----------------------------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_standard_webhooks() -> None:
    key = b"0123456789abcdef01234567"
    headers = signed_headers("whsec_" + base64.b64encode(key).decode(), "e1/safety/rule", b"{}", START)
    expected = base64.b64encode(hmac.new(key, b"e1/safety/rule.1772323200.{}", hashlib.sha256).digest()).decode()
    assert headers == {"webhook-id": "e1/safety/rule", "webhook-timestamp": "1772323200", "webhook-signature": f"v1,{expected}"}


@settings(deadline=None)
@given(st.text(min_size=1, max_size=60), st.binary(max_size=200), st.integers(-300, 300))
def test_what_was_signed_verifies_within_the_tolerance(key: str, body: bytes, off: int) -> None:
    headers = {name.title(): value for name, value in signed_headers(SECRET, key, body, START).items()}
    assert verify_signature(SECRET, headers, body, START + timedelta(seconds=off)) == headers["Webhook-Id"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda h: h.pop("webhook-signature"),
        lambda h: h.pop("webhook-id"),
        lambda h: h.pop("webhook-timestamp"),
        lambda h: h.update({"webhook-id": "other"}),
        lambda h: h.update({"webhook-timestamp": str(int(h["webhook-timestamp"]) + 1)}),
        lambda h: h.update({"webhook-timestamp": "-1"}),
        lambda h: h.update({"webhook-timestamp": "\u0663"}),
        lambda h: h.update({"webhook-timestamp": "9" * 400}),
        lambda h: h.update({"webhook-signature": h["webhook-signature"].replace("v1,", "v2,")}),
        lambda h: h.update({"webhook-signature": "v1,"}),
        lambda h: h.update({"webhook-signature": "v1,é"}),
    ],
)
def test_what_is_not_genuine_is_refused(spoil: Callable[[dict[str, str]], object]) -> None:
    headers = signed_headers(SECRET, "e1", b"{}", START)
    spoil(headers)
    with pytest.raises(Tampered):
        verify_signature(SECRET, headers, b"{}", START)


def test_another_body_another_secret_and_an_old_message_are_refused() -> None:
    headers = signed_headers(SECRET, "e1", b"{}", START)
    for secret, body, at in ((SECRET, b"{ }", START), (SECRET + "x", b"{}", START), (SECRET, b"{}", START + timedelta(seconds=301))):
        with pytest.raises(Tampered):
            verify_signature(secret, headers, body, at)


def test_one_of_several_signatures_is_enough_while_a_secret_is_changed() -> None:
    old, new = (signed_headers(secret, "e1", b"{}", START) for secret in (SECRET, "another invented secret"))
    both = {**old, "webhook-signature": f"{new['webhook-signature']} {old['webhook-signature']}"}
    assert verify_signature(SECRET, both, b"{}", START) == "e1"


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)
