"""What every handler is handed: the services, the limits, and the few counters the web room keeps itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from litestar.connection import ASGIConnection

from nightlight.core.errors import Busy, Unauthenticated
from nightlight.core.services import Caller, Services
from nightlight.web.config import WebConfig
from nightlight.web.rates import Buckets


class Slots:
    """How much of uploads may be in memory at once: places of so many bytes each. Used from the event loop's thread only."""

    def __init__(self, most: int, size: int) -> None:
        self._free, self._size = most, size
        self.most = most * size
        """Bytes, of one upload that has all places."""

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """A place for an upload; more as it grows. Raises Busy where none is free."""
        held = Held(self)
        held.need(0)
        try:
            yield held
        finally:
            self._free += held.places

    def places(self, size: int) -> int:
        return max(1, -(-size // self._size))

    def take(self, places: int) -> None:
        if places > self._free:
            raise Busy("too many uploads at once; nothing was accepted, try again")
        self._free -= places


class Held:
    """The places of one upload."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self.places = 0
        self.most = slots.most

    def need(self, size: int) -> None:
        """Room for `size` bytes in all. Raises Busy where there is none."""
        more = self._slots.places(size) - self.places
        if more > 0:
            self._slots.take(more)
            self.places += more


class Hands:
    def __init__(self, services: Services, config: WebConfig) -> None:
        self.services = services
        self.config = config
        self.rates = Buckets()
        self.page_rates = Buckets()
        self.report_rates = Buckets(window_s=3600.0, share=1.0)
        self.code_rates = Buckets(share=0.5)
        self.sign_in_rates = Buckets(window_s=300.0, share=1.0)
        self.uploads = Slots(config.max_uploads, config.max_media + config.max_body + 64 * 1024)


def hands_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Hands:
    return cast(Hands, connection.app.state["hands"])


def caller_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
    """Who asks. Only behind the guard of `/v1`."""
    return cast(Caller, connection.scope["auth"])


def secret_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The API key of the Authorization header. Raises Unauthenticated."""
    given = [value for name, value in connection.scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        raise Unauthenticated("send the header Authorization: Bearer followed by an API key")
    scheme, _, secret = given[0].decode("latin-1").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not 1 <= len(secret) <= 256 or not secret.isascii():
        raise Unauthenticated("send the header Authorization: Bearer followed by an API key")
    return secret
