"""A real HTTP server on loopback that stands in for an exchange, and can be made to fail in all the ways that servers do.

Each exchange's own protocol is in a module of its own: `answer` gives what it would say. What goes wrong is decided here, a fault a
request, so that every protocol meets the same faults.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

FAULTS = ("500", "503", "429", "timeout", "cut", "cut-unsaid", "garbage", "close", "empty")
"""What passes when it is asked again."""


class Asked(Struct):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class Answer(Struct):
    status: int
    body: bytes
    headers: dict[str, str] = {}


class StandIn:
    """Use as a context manager. `faults`: one is taken by each request; an empty text is none."""

    def __init__(self) -> None:
        self.faults: deque[str] = deque()
        self.asked: list[Asked] = []
        self.before: Callable[[Asked], None] = lambda _: None
        self.let_go = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                stand_in._handle(self)

            do_GET = do_POST = do_PUT = handle_one

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def paths(self) -> list[str]:
        return [a.path for a in self.asked]

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(self, faults: Iterable[str]) -> None:
        self.faults = deque(faults)

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("content-length") or 0)
        headers = {k.lower(): v for k, v in handler.headers.items()}
        asked = Asked(handler.command, parts.path, dict(parse_qsl(parts.query)), headers, handler.rfile.read(length))
        self.asked.append(asked)
        self.before(asked)
        fault = self.faults.popleft() if self.faults else ""
        if fault == "timeout":
            self.let_go.wait(1.8)
        if fault in ("timeout", "close"):
            handler.close_connection = True
            return
        if fault.startswith("drip"):
            handler.close_connection = True
            self._drip(handler, b"HTTP/1.1 200 OK\r\nx-slow: " if fault == "drip-headers" else b"HTTP/1.1 200 OK\r\n\r\n")
            return
        found = self.answer(asked) if fault in ("", "cut", "cut-unsaid") else _broken(fault)
        body = found.body
        handler.send_response(found.status)
        for name, value in found.headers.items():
            handler.send_header(name, value)
        if fault != "cut-unsaid":
            handler.send_header("content-length", str(len(body)))
        if fault:
            handler.send_header("connection", "close")
            handler.close_connection = True
        handler.end_headers()
        with suppress(OSError):  # whoever asked has gone
            handler.wfile.write(body[: len(body) // 2] if fault.startswith("cut") else body)

    def _drip(self, handler: BaseHTTPRequestHandler, start: bytes) -> None:
        """A byte now and then: each read has its answer in time, the whole never comes to its end."""
        with suppress(OSError):
            handler.wfile.write(start)
            for _ in range(40):
                if self.let_go.wait(0.05):
                    return
                handler.wfile.write(b"1")


def _broken(fault: str) -> Answer:
    if fault.isdigit():
        return Answer(int(fault), b"SECRET words of the server", {"retry-after": "0"} if fault != "500" else {})
    if fault.startswith("redirect "):
        return Answer(302, b"", {"location": fault.removeprefix("redirect ")})
    return Answer(200, b"" if fault == "empty" else b"<html>SECRET words of the server</html>")
