"""HTTP with an end: one call, one answer, read whole within a bound of time and of size, and no redirect, proxy or second try."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

import httpx
from msgspec import Struct

CONNECT_S, READ_S = 10.0, 60.0
MOST_BYTES = 8 * 1024 * 1024
"""Of an answer. The largest is the schema, of some hundred kilobytes."""
_OPENED = ("connection.connect_tcp.complete", "connection.start_tls.complete")
"""What the transport calls it when a connection stands (httpcore's trace extension)."""


class NoAnswer(Exception):
    """There was no whole answer. `sent` False: nothing of the request can have arrived."""

    def __init__(self, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.sent = reason, sent


class Got(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class _Clock:
    """Ends a call that is not over in time by closing its sockets from another thread: a server that sends a byte a minute outlasts
    every timeout of a read."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._sockets: list[Any] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def watch(self, name: str, told: Mapping[str, Any]) -> None:
        if name not in _OPENED:
            return
        with self._lock:
            self._sockets.append(told["return_value"].get_extra_info("socket"))
            if self.over:
                _shut(self._sockets[-1])

    def _end(self) -> None:
        with self._lock:
            self.over = True
            for opened in self._sockets:
                _shut(opened)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _shut(opened: Any) -> None:
    with suppress(OSError, TypeError, AttributeError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)  # not TLS's own, which would take it from under the thread that reads


def ask(request: httpx.Request, auth: httpx.Auth, seconds: float) -> Got:
    """Send it on a connection of its own, at most `seconds` for the whole. Raises NoAnswer.

    A connection that is kept may have been closed by the other side just then, and it would be unknowable whether a request on it arrived.
    """
    wait = httpx.Timeout(connect=CONNECT_S, read=min(READ_S, seconds), write=min(READ_S, seconds), pool=CONNECT_S)
    request.headers["accept-encoding"] = "identity"  # what is packed small may be large
    with _Clock(seconds) as clock:
        request.extensions |= {"timeout": wait.as_dict(), "trace": clock.watch}
        try:
            with httpx.Client(timeout=wait, follow_redirects=False, trust_env=False) as client:
                got = _whole(client, request, auth)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise NoAnswer(f"the authority cannot be reached ({type(error).__name__})", sent=False) from None
        except httpx.TimeoutException:
            raise NoAnswer("it did not answer in time") from None
        except (httpx.HTTPError, ValueError) as error:
            said = "it did not answer in time" if clock.over else f"its answer was cut off ({type(error).__name__})"
            raise NoAnswer(said) from None
        if clock.over:
            raise NoAnswer("its answer did not end in time")
        return got


def _whole(client: httpx.Client, request: httpx.Request, auth: httpx.Auth) -> Got:
    answer = client.send(request, auth=auth, stream=True)
    try:
        body = bytearray()
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError("an answer larger than any could be")
        return Got(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(body))
    finally:
        answer.close()
