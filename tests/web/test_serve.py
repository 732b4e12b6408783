"""The real server: one process, real sockets, clean ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import msgspec
import pytest

from nightlight.core.services import Scope
from nightlight.web import AddressInUse, WebConfig, create_app, run_server
from nightlight.web.serve import free_port
from tests.web.client import BOUNDARY, upload
from tests.web.fakes import Fakes, answer_to, message, screened

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def served(fakes: Fakes, config: WebConfig | None = None) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a running server, and a way to tell it to stop."""
    ready: Queue[str | BaseException] = Queue()
    stop = threading.Event()

    def run() -> None:
        try:
            run_server(create_app(fakes.services, config), port=0, on_ready=ready.put, stop=stop)
        except BaseException as error:
            ready.put(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        address = ready.get(timeout=30)
        if isinstance(address, BaseException):
            raise address
        yield address, stop.set
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Fakes, httpx.Client]]:
    fakes = Fakes()
    key = fakes.keys.add("all", *Scope)
    with (
        served(fakes, WebConfig(max_media=100_000, max_video=200_000, max_files_bytes=200_000)) as (address, _),
        httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, trust_env=False) as client,
    ):
        yield fakes, client


def test_events_pages_and_errors_over_real_http(running: tuple[Fakes, httpx.Client]) -> None:
    _, client = running
    assert client.post("/v1/events", json=message("a/b c")).json()["event_id"] == "a/b c"
    assert client.get("/v1/decisions/a%2Fb%20c").json()["event_id"] == "a/b c"
    assert len(client.post("/v1/events:batch", json={"events": [message(f"b{n}") for n in range(50)]}).json()["results"]) == 50
    assert "Nightlight live" in client.get("/").text
    assert client.get("/live.json", headers={"host": "rebound.example"}).status_code == 403
    assert client.get("/v1/banks", headers={"authorization": "Bearer nl_other"}).status_code == 401


def test_uploads_over_real_http_with_and_without_a_length(running: tuple[Fakes, httpx.Client]) -> None:
    fakes, client = running
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    body = upload(screened("u1"), os.urandom(90_000))
    assert client.post("/v1/media:screen", content=body, headers=headers).status_code == 200
    pieces = (body[start : start + 1000] for start in range(0, len(body), 1000))
    assert client.post("/v1/media:screen", content=pieces, headers=headers).status_code == 200
    assert fakes.media.sizes == [90_000, 90_000]
    too_much = upload(screened("u2"), bytes(100_001))
    assert client.post("/v1/media:screen", content=too_much, headers=headers).status_code == 413
    assert client.post("/v1/media:screen", content=iter([too_much]), headers=headers).status_code == 413
    assert client.post("/v1/media:screen", content=bytes(20_000_000), headers=headers).status_code == 413
    assert client.get("/healthz").status_code == 200


def raw(client: httpx.Client, request: bytes, then_close: bool = False) -> bytes:
    """Bytes as they are, without a client library's help."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as plug:
        plug.sendall(request)
        if then_close:
            return b""
        answer = b""
        while b"\r\n\r\n" not in answer and (more := plug.recv(65536)):
            answer += more
        return answer


KEY = b"Authorization: Bearer nl_all\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v1/banks?x=%ff HTTP/1.1\r\n" + KEY + b"\r\n",
        b"GET /%ff%00 HTTP/1.1\r\n" + KEY + b"\r\n",
        b"FOO /v1/banks HTTP/1.1\r\n" + KEY + b"\r\n",
        b"POST /v1/events HTTP/1.1\r\n" + KEY + b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00{",
        b"POST /v1/events HTTP/1.1\r\n" + KEY + b"Content-Type: \xff\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/events HTTP/1.1\r\n" + KEY + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\n" + KEY + b"Content-Length: nonsense\r\n\r\n{}",
        b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n" + KEY + b"\r\n",
        b"GET / HTTP/1.1\r\n" + KEY + b"X: " + b"a" * 900_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_raw_nonsense_is_a_4xx_and_the_server_lives(request_: bytes, running: tuple[Fakes, httpx.Client]) -> None:
    _, client = running
    with contextlib.suppress(ConnectionError):  # what is not HTTP at all may be hung up on
        answer = raw(client, request_)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert client.get("/healthz").status_code == 200


def test_clients_that_hang_up_in_the_middle_disturb_nobody(running: tuple[Fakes, httpx.Client], capfd: pytest.CaptureFixture[str]) -> None:
    _, client = running
    head = b"POST /v1/media:screen HTTP/1.1\r\n" + KEY + f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n".encode()
    for _ in range(20):  # more than `max_uploads`: each must give its place back
        raw(client, head + b"Content-Length: 5000\r\n\r\n" + upload(screened(), b"x")[:100], then_close=True)
    headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    answers = {client.post("/v1/media:screen", content=upload(screened(f"h{n}"), b"x"), headers=headers).status_code for n in range(20)}
    assert 200 in answers
    assert answers <= {200, 503}
    assert client.post("/v1/media:screen", content=upload(screened("last"), b"x"), headers=headers).status_code == 200
    assert "Traceback" not in "".join(capfd.readouterr())


def test_hundreds_of_silent_connections_shut_nobody_out(running: tuple[Fakes, httpx.Client]) -> None:
    _, client = running
    with contextlib.ExitStack() as held:
        for _ in range(300):
            held.enter_context(socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20))
        assert client.get("/v1/banks").status_code == 200
        with httpx.Client(base_url=client.base_url, headers=client.headers, trust_env=False) as newcomer:
            assert newcomer.get("/v1/banks").status_code == 200


def test_a_port_that_is_taken_is_an_error_and_not_shared(running: tuple[Fakes, httpx.Client]) -> None:
    _, client = running
    with pytest.raises(AddressInUse, match="cannot be listened on"):
        run_server(create_app(Fakes().services), port=client.base_url.port or 0, stop=threading.Event())


def test_a_request_under_way_is_answered_before_the_server_ends() -> None:
    fakes = Fakes()
    fakes.keys.add("all", *Scope)
    fakes.events.stall = True
    answers: Queue[Any] = Queue()
    with served(fakes) as (address, stop):

        def ask() -> None:
            try:
                answers.put(httpx.post(f"{address}/v1/events", json=message(), headers={"authorization": "Bearer nl_all"}, trust_env=False))
            except httpx.HTTPError as error:
                answers.put(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not fakes.events.waiting:
            threading.Event().wait(0.01)
        stop()
        threading.Event().wait(0.3)
        fakes.events.waiting[0].set_result(answer_to(fakes.events.bodies["e1"]))
        asking.join(20)
    answer = answers.get_nowait()
    assert isinstance(answer, httpx.Response), answer
    assert (answer.status_code, answer.json()["event_id"]) == (200, "e1")


SCRIPT = """
import sys
from nightlight.web import create_app, run_server
from tests.web.fakes import Fakes
run_server(create_app(Fakes().services), port=int(sys.argv[1]), on_ready=lambda address: print(address, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_cleanly(number: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-c", SCRIPT, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
        assert msgspec.json.decode(httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).content) == {"status": "ok"}
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out.strip()) == (0, "ended"), err
    assert "panicked" not in err
    assert "Traceback" not in err
