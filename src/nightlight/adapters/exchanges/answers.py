"""What is made of an exchange's answer, whichever HTTP library carried it; and the one place that may be spoken to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

from nightlight.core.exchange import ExchangeFault

CONNECT_S, READ_S = 10.0, 60.0
WHOLE_S = 150.0
"""For a whole answer: one that trickles in for ever is a fault too. Shorter than a fetch's lease."""
MOST_BYTES = 64 * 1024 * 1024
_MOST_WAIT_S = 3600.0


class Place:
    """The origin and path that the operator configured. Nothing else is ever asked, whatever a list's links say."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._origin = (parts.scheme, parts.hostname, parts.port)
        self._path = parts.path.rstrip("/") + "/"

    def check(self, url: str) -> None:
        """Raises ExchangeFault."""
        try:
            parts = urlsplit(url)
            origin = (parts.scheme, parts.hostname, parts.port)
        except ValueError:
            origin = ("", None, None)
            parts = urlsplit("")
        path = parts.path
        inside = f"{path}/".startswith(self._path) and "/.." not in path and "/%2e" not in path.lower() and "\\" not in url
        if origin != self._origin or "@" in parts.netloc or not inside:
            raise ExchangeFault("a link of the list leads to another place, and was not followed", page=True, final=True)


def judge(status: int, headers: Mapping[str, str]) -> None:
    """Raises ExchangeFault unless the answer is a 2xx."""
    if 200 <= status < 300:
        return
    if status in (429, 503):
        raise ExchangeFault(f"it asks to be left alone for a while ({status})", retry_after_s=_wait(headers.get("retry-after")))
    if status >= 500:
        raise ExchangeFault(f"it answered with an error of its own ({status})", page=True)
    if 300 <= status < 400:
        raise ExchangeFault(f"it points to another address ({status}), which was not followed", page=True, final=True)
    if status in (401, 403):
        raise ExchangeFault(f"it does not accept the credentials ({status})", final=True)
    if status == 408:
        raise ExchangeFault("it said that the request took too long (408)")
    raise ExchangeFault(f"it does not accept the request ({status})", page=True, final=True)


class Whole:
    """Ends an exchange of words that is not over after WHOLE_S by closing its sockets, from another thread.

    The timeouts of the HTTP libraries are for one read each, so a server that sends a byte a minute, of its headers even, holds them for
    ever. What is cut off so may look whole: `check` before it is believed.
    """

    def __init__(self, sockets: Iterable[Any] = ()) -> None:
        self.sockets = list(sockets)
        self._over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(WHOLE_S, self._end)
        self._timer.daemon = True

    def watch(self, opened: Any) -> None:
        with self._lock:
            self.sockets.append(opened)
            if self._over:
                _shut(opened)

    def check(self) -> None:
        """Raises ExchangeFault."""
        if self._over:
            raise ExchangeFault("an answer did not end in time", page=True)

    def _end(self) -> None:
        with self._lock:
            self._over = True
            for opened in self.sockets:
                _shut(opened)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _shut(opened: Any) -> None:
    with suppress(OSError, TypeError, AttributeError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)  # not TLS's own, which would take it from under the thread that reads


def bounded(chunks: Iterable[bytes]) -> bytes:
    """A body of at most MOST_BYTES in at most WHOLE_S. Raises ExchangeFault."""
    out, started = bytearray(), monotonic()
    for chunk in chunks:
        out += chunk
        if len(out) > MOST_BYTES:
            raise ExchangeFault("an answer is larger than any page could be", page=True, final=True)
        if monotonic() - started > WHOLE_S:
            raise ExchangeFault("an answer did not end in time", page=True)
    return bytes(out)


def _wait(said: str | None) -> float | None:
    """Seconds; the header holds a number of them or a date."""
    if not said:
        return None
    try:
        seconds = float(said) if said.strip().isdigit() else (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), _MOST_WAIT_S)
