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
    """How many uploads may be in memory at once. Used from the event loop's thread only."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Raises Busy where none is free."""
        if self._free == 0:
            raise Busy("too many uploads at once; nothing was accepted, try again")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Hands:
    def __init__(self, services: Services, config: WebConfig) -> None:
        self.services = services
        self.config = config
        self.rates = Buckets()
        self.page_rates = Buckets()
        self.uploads = Slots(config.max_uploads)


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
