"""Who may come in. Under `/v1` a route lets nobody in unless it names the scopes it is for; every other page is limited by address."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from nightlight.core.errors import Denied, NotFound
from nightlight.web.hands import hands_of, secret_of
from nightlight.web.problems import Throttled
from nightlight.web.rates import Spent

Connection = ASGIConnection[Any, Any, Any, Any]

SCOPES = "scopes"
"""The option of a route that names the scopes it is for; any one of them opens it."""

PREFIX_BITS = 64
"""Of an IPv6 address: who has one address has the whole of such a network."""

_SPENT = "nightlight.spent"
_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]", ""})


async def api_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """A known key, within its rate, with a scope the route names. A route that names none is closed to all."""
    hands = hands_of(connection)
    # In the loop itself: the service keeps accepted keys in memory, and the rest is one indexed read.
    caller = hands.services.keys.authenticate(secret_of(connection))
    spend(connection, hands.rates.spend(caller.id, caller.rate_per_minute))
    allowed: frozenset[str] = handler.opt.get(SCOPES, frozenset())
    if not allowed & caller.scopes:
        needed = " or ".join(sorted(allowed)) or "that nobody has"
        raise Denied(f"this needs a key with the scope {needed}")
    connection.scope["auth"] = caller


async def page_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Everything without a key: limited by client address."""
    hands = hands_of(connection)
    spend(connection, hands.page_rates.spend(client_of(connection), hands.config.page_rate_per_minute))


def client_of(connection: Connection) -> str:
    """What a client is told from others by, in memory and nowhere else."""
    address = connection.client.host if connection.client else ""
    named = hands_of(connection).config.family.address_header
    if named is not None:
        given = [value for name, value in connection.scope["headers"] if name == named.lower().encode()]
        if given:
            # The last entry is the proxy's own; whatever stands before it the client may have written.
            address = given[-1].decode("latin-1").rpartition(",")[2].strip()
    try:
        found = ip_address(address)
    except ValueError:
        return ""  # all who cannot be told apart share one
    mapped = getattr(found, "ipv4_mapped", None)
    if found.version == 4 or mapped is not None:
        return str(mapped or found)
    return found.packed[: PREFIX_BITS // 8].hex()


async def counts_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Pages that show counts: for this machine, unless the operator opened them."""
    config = hands_of(connection).config
    if not config.live_page:
        raise NotFound("the live page is switched off")
    if not config.live_page_anywhere and not on_this_machine(connection.scope):
        raise Denied("only from the machine the service runs on, unless the operator opened the pages")


def spend(connection: Connection, spent: Spent) -> None:
    connection.scope[_SPENT] = spent  # type: ignore[literal-required]
    if not spent.allowed:
        raise Throttled(spent.wait_s)


def on_this_machine(scope: Scope) -> bool:
    """True where the client itself is on the loopback interface.

    A reverse proxy on this machine makes everybody look local, so anything it forwarded is not; and a web page that points its own
    name at 127.0.0.1 arrives with that name as Host, so only loopback names are.
    """
    client = scope.get("client")
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:
        return False
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_loopback:
        return False
    headers = dict(scope["headers"])
    if _FORWARDED & headers.keys():
        return False
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name in _LOOPBACK_NAMES


PAGE_CSP = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
API_CSP = b"default-src 'none'; frame-ancestors 'none'"
_ALWAYS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"cross-origin-resource-policy": b"same-origin",
}


async def add_headers(message: Message, scope: Scope) -> None:
    """On every answer, errors and unknown paths included: what a browser must not do with it, and the caller's rate."""
    if message["type"] != "http.response.start":
        return
    headers = list(message["headers"])
    present = {name for name, _ in headers}
    is_page = any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers)
    headers.extend((name, value) for name, value in _ALWAYS.items() if name not in present)
    if b"content-security-policy" not in present:
        headers.append((b"content-security-policy", PAGE_CSP if is_page else API_CSP))
    spent = scope.get(_SPENT)
    if isinstance(spent, Spent):
        headers.extend(spent.headers())
    message["headers"] = headers
