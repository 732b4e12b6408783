"""Signing in at an identity provider: out by a link, back by an address that it knows."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response

from nightlight.core.errors import Invalid, NotFound, Unauthenticated, Unavailable
from nightlight.core.provider import ProviderSignIn
from nightlight.web.bodies import Req, header, query
from nightlight.web.console.access import Connection, is_secure, set_cookie, shown
from nightlight.web.console.render import page, redirect
from nightlight.web.console.signing import TRIES, browser_of, onward
from nightlight.web.guards import client_of
from nightlight.web.hands import hands_of
from nightlight.web.problems import Throttled

BACK = "/console/sign-in/provider/back"
MINUTES = 10
LONGEST = 8192


def provider_of(connection: Connection) -> ProviderSignIn:
    found = hands_of(connection).services.provider
    if found is None:
        raise NotFound("nobody signs in elsewhere here")
    return found


@shown("/sign-in/provider", anyone=True)
async def to_provider(request: Req) -> Response[Any]:
    found = query(request, "next")
    provider = provider_of(request)
    _within_rates(request)
    try:
        departure = await asyncio.to_thread(provider.depart, _back(request), onward(found.get("next", "")))
    except Unavailable as error:
        return _sign_in(request, 503, error)
    # A page and not a redirect of a form: the policy of pages lets no form lead elsewhere.
    return redirect(departure.url, cookies=(_cookie(request, departure.sealed),))


@shown("/sign-in/provider/back", anyone=True)
async def from_provider(request: Req) -> Response[Any]:
    provider = provider_of(request)
    _within_rates(request)
    answer = {name: request.query_params.getall(name, []) for name in ("state", "code", "iss", "error")}
    sealed = request.cookies.get(_name(request), "")
    odd = any(len(values) > 1 or any(len(v) > LONGEST or not v.isascii() for v in values) for values in answer.values())
    if odd or len(sealed) > LONGEST or not sealed.isascii():
        raise Invalid("the identity provider's answer cannot be read")
    given = {name: values[0] for name, values in answer.items() if values}
    try:
        browser = browser_of(header(request, b"user-agent"))
        arrival = await asyncio.to_thread(provider.arrive, sealed, _back(request), given, browser)
    except (Unauthenticated, Unavailable) as error:
        response = _sign_in(request, 401 if isinstance(error, Unauthenticated) else 503, error)
        response.headers["set-cookie"] = _cookie(request, "")
        return response
    # Shown and not redirected: the session's cookie is SameSite=Strict, and a browser that comes from elsewhere would not send it on.
    response = page(request, "arrived.html", after=arrival.after)
    response.headers["set-cookie"] = set_cookie(request, arrival.secret)
    return response


def _sign_in(request: Req, status: int, error: Exception) -> Response[Any]:
    return page(request, "sign_in.html", status=status, onward="/console", id="", wrong=None, elsewhere=error)


def _within_rates(request: Req) -> None:
    spent = hands_of(request).sign_in_rates.spend(f"provider {client_of(request)}", TRIES)
    if not spent.allowed:
        raise Throttled(spent.wait_s)


def _back(request: Req) -> str:
    """The address that the provider sends people back to: the console's own, or on this very machine the one it was reached at."""
    own = hands_of(request).config.console_address
    if own is None:
        if is_secure(request):
            raise Invalid("signing in elsewhere needs the setting console.address")
        own = f"http://{header(request, b'host')}"
    return own.rstrip("/") + BACK


def _name(request: Req) -> str:
    return "__Host-nightlight-away" if is_secure(request) else "nightlight_away"


def _cookie(request: Req, sealed: str) -> str:
    # Lax: it has to come along when the provider sends the browser back.
    age = 60 * MINUTES if sealed else 0
    parts = [f"{_name(request)}={sealed}", "Path=/", "HttpOnly", "SameSite=Lax", f"Max-Age={age}"]
    return "; ".join([*parts, "Secure"] if is_secure(request) else parts)


ROUTES = (to_provider, from_provider)
