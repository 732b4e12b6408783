"""Who may come in: every route of the console names its roles, or is closed. Whoever posts sends the session's CSRF token back."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from litestar import Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import Method

from nightlight.core.errors import Denied, Invalid, NotFound, Unauthenticated
from nightlight.core.reviewers import ReviewerService, SignedIn
from nightlight.core.staff import Role, Staff
from nightlight.web.bodies import Req, header, media_type, read
from nightlight.web.family.guards import same_site_guard
from nightlight.web.guards import on_this_machine, page_guard
from nightlight.web.hands import hands_of

Connection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
Form: TypeAlias = Mapping[str, str]

ROLES = "roles"
"""The option of a route that names the roles it is for; any one of them opens it."""
ANYONE = "anyone"
"""In its place: for those who are not signed in, such as the sign-in page itself."""
MAX_FORM = 64 * 1024
CSRF_FIELD = "csrf"
CSRF_HEADER = b"x-csrf-token"
_SIGNED = "nightlight.signed"
_SECRET = "nightlight.session"

Page: TypeAlias = Callable[[Req], Awaitable[Response[Any]]]
Action: TypeAlias = Callable[[Req, Form], Awaitable[Response[Any]]]


def shown(path: str, *roles: Role, anyone: bool = False) -> Callable[[Page], HTTPRouteHandler]:
    """Declare a page. No roles: nobody comes in."""

    def declare(page: Page) -> HTTPRouteHandler:
        async def handle(request: Req) -> Response[Any]:
            return await page(request)

        return _route("GET", path, handle, page.__name__, ANYONE if anyone else frozenset(roles))

    return declare


def posted(path: str, *roles: Role, anyone: bool = False, most: int = MAX_FORM) -> Callable[[Action], HTTPRouteHandler]:
    """Declare what a form is sent to. It is handed the form after the CSRF token was found right, so none can forget to look.

    most: bytes of the form."""

    def declare(action: Action) -> HTTPRouteHandler:
        async def handle(request: Req) -> Response[Any]:
            form = await _form(request, most)
            if not anyone:
                given = header(request, CSRF_HEADER) or form.get(CSRF_FIELD, "")
                if not hmac.compare_digest(given.encode(), signed_in(request).csrf.encode()):
                    raise Denied("this form is not of your session: load the page again", field=CSRF_FIELD)
            return await action(request, {name: value for name, value in form.items() if name != CSRF_FIELD})

        return _route("POST", path, handle, action.__name__, ANYONE if anyone else frozenset(roles))

    return declare


def _route(method: Method, path: str, handle: Page, name: str, roles: object) -> HTTPRouteHandler:
    handle.__name__ = name
    status = 200
    return HTTPRouteHandler(path, http_method=method, status_code=status, opt={ROLES: roles}, include_in_schema=False)(handle)


async def console_guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Before every page: a safe way here, a rate, a session, a role."""
    reviewers_of(connection)
    await page_guard(connection, handler)
    if connection.scope.get("method") not in ("GET", "HEAD"):
        await same_site_guard(connection, handler)
    roles = handler.opt.get(ROLES, frozenset())
    await asyncio.to_thread(look_up, connection)
    signed = maybe_signed_in(connection)
    if roles == ANYONE:
        return
    if signed is None:
        raise Unauthenticated("sign in first")
    if signed.person.role not in roles:
        raise Denied("your role does not open this page")


def look_up(connection: Connection) -> None:
    """Who is signed in, by the cookie, for the rest of the request. Raises Denied where the way here is not safe."""
    secret = cookie_of(connection)
    connection.scope[_SIGNED] = reviewers_of(connection).session(secret) if secret else None  # type: ignore[literal-required]
    connection.scope[_SECRET] = secret  # type: ignore[literal-required]


def reviewers_of(connection: Connection) -> ReviewerService:
    found = hands_of(connection).services.reviewers
    if found is None:
        raise NotFound("the console is switched off")
    return found


def signed_in(request: Connection) -> SignedIn:
    """Whoever is signed in. Raises Unauthenticated."""
    found = request.scope.get(_SIGNED)
    if not isinstance(found, SignedIn):
        raise Unauthenticated("sign in first")
    return found


def maybe_signed_in(request: Connection) -> SignedIn | None:
    found = request.scope.get(_SIGNED)
    return found if isinstance(found, SignedIn) else None


def secret_of_session(request: Connection) -> str:
    return str(request.scope.get(_SECRET) or "")


def staff_of(request: Connection) -> Staff:
    return signed_in(request).person.staff


# -- the cookie --------------------------------------------------------------------------------------------------------------------


def is_secure(connection: Connection) -> bool:
    """Whether the cookie travels over https alone. False on this very machine without it; raises Denied anywhere else without it: a
    password and a session would cross the network in the clear."""
    address = hands_of(connection).config.console_address
    if (address or "").startswith("https://") or connection.scope.get("scheme") == "https":
        return True
    if on_this_machine(connection.scope):
        return False
    raise Denied("the console opens over https, or on the machine it runs on: see the setting console.address")


def cookie_name(secure: bool) -> str:
    # `__Host-`: a browser takes it from this host alone, over https, for all paths (RFC 6265bis, section 4.1.3).
    return "__Host-nightlight" if secure else "nightlight_session"


def cookie_of(connection: Connection) -> str:
    return str(connection.cookies.get(cookie_name(is_secure(connection)), ""))


def set_cookie(connection: Connection, secret: str) -> str:
    """The header that keeps a session's secret in the browser until it is closed; an empty one takes it away."""
    secure = is_secure(connection)
    parts = [f"{cookie_name(secure)}={secret}", "Path=/", "HttpOnly", "SameSite=Strict"]
    if secure:
        parts.append("Secure")
    if not secret:
        parts.append("Max-Age=0")
    return "; ".join(parts)


# -- forms -------------------------------------------------------------------------------------------------------------------------


async def _form(request: Req, most: int) -> dict[str, str]:
    """A form's fields, each once. Raises Invalid, TooLarge."""
    if media_type(request) != "application/x-www-form-urlencoded":
        raise Invalid("send a form")
    body = await read(request, most, hands_of(request).config.body_deadline_s)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=60)
    except ValueError:
        raise Invalid("the form cannot be read") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise Invalid("given twice", field=name[:40])
        if "\0" in value:
            raise Invalid("may not contain NUL", field=name[:40])
        found[name] = value.replace("\r\n", "\n")
    return found


def field(form: Form, name: str, most: int = 4000) -> str:
    """A field's text; empty where it is not there. Raises Invalid for one that is too long."""
    value = form.get(name, "").strip()
    if len(value) > most:
        raise Invalid(f"at most {most} characters", field=name)
    return value


def in_path(request: Req, name: str) -> str:
    value = str(request.path_params[name])
    if len(value) > 200 or "\0" in value or "\ufffd" in value:
        raise NotFound("there is no such thing", field=name)
    return value


def one_of(form: Form, name: str, allowed: type[Any]) -> Any:
    """A field that is a value of an enumeration. Raises Invalid."""
    try:
        return allowed(form.get(name, ""))
    except ValueError:
        raise Invalid("choose one", field=name) from None
