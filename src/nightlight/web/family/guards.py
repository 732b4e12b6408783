"""Who may post to a page that needs no key: the page itself, so often an hour."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from nightlight.core.errors import Denied
from nightlight.web.guards import client_of
from nightlight.web.hands import hands_of
from nightlight.web.problems import Throttled
from nightlight.web.rates import Spent

Connection = ASGIConnection[Any, Any, Any, Any]


async def same_site_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """No other site may send in a visitor's name.

    Browsers say where a request comes from (Fetch Metadata), older ones at least its Origin; one that says neither is no browser, and
    has no visitor whose name it could misuse.
    """
    headers = dict(connection.scope["headers"])
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    if site is not None:
        allowed = site == b"same-origin"
    elif origin is not None:
        # The host alone: whether the outside speaks https is known to the proxy, not here.
        allowed = urlsplit(origin.decode("latin-1").lower()).netloc == headers.get(b"host", b"").decode("latin-1").lower() != ""
    else:
        allowed = True
    if not allowed:
        raise Denied("only from the page itself")


async def report_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    hands = hands_of(connection)
    _spend(hands.report_rates.spend(client_of(connection), hands.config.family.reports_an_hour))


async def code_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    hands = hands_of(connection)
    _spend(hands.code_rates.spend(client_of(connection), hands.config.family.looks_a_minute))


def _spend(spent: Spent) -> None:
    if not spent.allowed:
        raise Throttled(spent.wait_s)
