"""Pages from templates, with the headers that every one of them has; and errors as pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response

from nightlight.core.errors import Unauthenticated
from nightlight.core.rulebook import POLICY_READERS
from nightlight.core.staff import Role
from nightlight.web import problems
from nightlight.web.bodies import Req, header
from nightlight.web.console import case_view
from nightlight.web.console.access import CSRF_FIELD, maybe_signed_in
from nightlight.web.console.words import LANGUAGES, NAMES, Words, reasons_in
from nightlight.web.family.words import language_of
from nightlight.web.hands import hands_of

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "permissions-policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
    "cross-origin-opener-policy": "same-origin",
    "vary": "cookie, accept-language",
}
LANGUAGE_COOKIE = "nightlight_language"
FILES = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "vendor/htmx/htmx.min.js": "text/javascript",
}
HTMX = '{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyCacheSize":0}'

NAVIGATION: tuple[tuple[str, str, frozenset[Role]], ...] = (
    ("overview", "/console", frozenset(Role)),
    ("queue", "/console/queue", frozenset({Role.LEAD, Role.REVIEWER, Role.AUDITOR})),
    ("approvals", "/console/approvals", frozenset({Role.LEAD, Role.REVIEWER, Role.AUDITOR})),
    ("reports", "/console/reports", frozenset({Role.LEAD, Role.REVIEWER, Role.AUDITOR})),
    ("requests", "/console/requests", frozenset({Role.LEAD, Role.REVIEWER, Role.AUDITOR})),
    ("people", "/console/people", frozenset(Role)),
    ("banks", "/console/banks", frozenset(Role)),
    ("policy", "/console/policy", POLICY_READERS),
    ("audit", "/console/audit", frozenset({Role.LEAD, Role.AUDITOR, Role.ADMINISTRATOR})),
)


def page(request: Req, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> Response[str]:
    """A whole page, or a part of one."""
    signed = maybe_signed_in(request)
    words = Words(language(request))
    now = hands_of(request).services.now()
    body = (
        environment()
        .get_template(template)
        .render(
            t=words,
            language=words.language,
            languages=NAMES,
            me=signed.person if signed else None,
            provider=elsewhere.name if (elsewhere := hands_of(request).services.provider) else "",
            csrf=signed.csrf if signed else "",
            csrf_field=CSRF_FIELD,
            navigation=[(name, at) for name, at, roles in NAVIGATION if signed and signed.person.role in roles],
            now=now,
            htmx=HTMX,
            asset=asset,
            path=str(request.scope["path"]),
            reasons=case_view.reasons,
            is_plain=case_view.is_plain,
            plain_line=case_view.plain_line,
            in_words=reasons_in(words.language).get,
            Role=Role,
            when=lambda at: when(words, at, now),
            span=lambda a, b=None: duration(words, abs((a - (b or now)).total_seconds()) if isinstance(a, datetime) else float(a)),
            **values,
        )
    )
    return Response(body, status_code=status, media_type="text/html", headers={**HEADERS, **(headers or {})})


def redirect(to: str, *, cookies: tuple[str, ...] = ()) -> Response[Any]:
    """303: what comes of a form is a page of its own, so that going back or loading again sends nothing twice."""
    response: Response[Any] = Response(b"", status_code=303, media_type="text/plain", headers={"location": to})
    for cookie in cookies:
        response.headers["set-cookie"] = cookie
    return response


def language(request: Req) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else language_of(header(request, b"accept-language"))


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """An error as a page. Whoever is not signed in is shown the way in."""
    problem = problems.of(error)
    if problem.status == 500:
        problems.record(error, str(request.scope.get("path_template", "")))
    partial = header(request, b"hx-request") == "true"
    if isinstance(error, Unauthenticated) and maybe_signed_in(request) is None:
        onward = quote(str(request.scope["path"]), safe="/") if request.scope["method"] == "GET" and not partial else "/console"
        to = f"/console/sign-in?next={onward}"
        return Response(b"", status_code=401, media_type="text/plain", headers={"hx-redirect": to}) if partial else redirect(to)
    headers = {"retry-after": str(error.retry_after_s)} if isinstance(error, problems.Throttled) else {}
    # The router's errors arrive without the guard's work: nobody is signed in then, and the page has no menu.
    template = "part_problem.html" if partial else "problem.html"
    return page(request, template, status=problem.status, headers=headers, problem=problem)


def asset(name: str) -> str:
    return f"/console/static/{name}?v={_tag(name)}"


@cache
def _tag(name: str) -> str:
    return sha256(static(name)).hexdigest()[:12]


@cache
def static(name: str) -> bytes:
    return files("nightlight.web.console").joinpath("static", *name.split("/")).read_bytes()


@cache
def environment() -> Environment:
    return Environment(
        loader=PackageLoader("nightlight.web.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        # Neither do the templates of a running service change under it, nor is each looked for on disk at every page.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )


# -- numbers and times -------------------------------------------------------------------------------------------------------------


def when(words: Words, at: datetime, now: datetime) -> str:
    """`14:05 UTC` today, else with its day."""
    if at.date() == now.date():
        return f"{at:%H:%M} UTC"
    return f"{at:%Y-%m-%d %H:%M} UTC"


def duration(words: Words, seconds: float) -> str:
    """Two units at most: `3 min`, `2 h 5 min`, `4 d 1 h`."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{int(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} {words('time.days')}" + (f" {hours} h" if hours else "")
