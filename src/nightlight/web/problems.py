"""RFC 9457 problems: the one shape of every error, and what becomes a problem.

An unknown exception becomes a 500 that says nothing; its type and the places in our code it passed go to the log, never its message,
because a message may quote what somebody wrote.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import PurePath
from traceback import extract_tb
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from nightlight.core.errors import Busy, Conflict, Denied, Invalid, NightlightError, NotFound, TooLarge, Unauthenticated

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
"""After Busy: the queue drains thousands of events a second, so a second is long."""

log = structlog.get_logger(__name__)


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457. `code` is stable and meant for programs; `detail` is meant for people and may change."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    field: str | None = None
    """Path of the offending field in the caller's own input, such as `targets[0].age_band`."""


class UnsupportedMediaType(Invalid):
    code = "unsupported_media_type"


class Throttled(NightlightError):
    """The caller's own rate is used up."""

    code = "rate_limited"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class TooSlow(NightlightError):
    """The body did not arrive in time."""

    code = "request_timeout"


# The nearest class in the error's own line of descent decides, so a new subclass of Invalid is a 400 without an edit here.
STATUS: dict[type[NightlightError], int] = {
    UnsupportedMediaType: 415,
    TooLarge: 413,
    Invalid: 400,
    Conflict: 409,
    NotFound: 404,
    Unauthenticated: 401,
    Denied: 403,
    Busy: 503,
    Throttled: 429,
    TooSlow: 408,
}
TITLES = {
    "invalid": "The request is not valid",
    "too_large": "The request is too large",
    "conflict": "Conflict with what is there",
    "not_found": "There is no such thing",
    "unauthenticated": "An API key is needed",
    "denied": "The key does not have the scope",
    "busy": "The service is busy",
    "rate_limited": "Too many requests",
    "request_timeout": "The request took too long to arrive",
    "unsupported_media_type": "The media type is not supported",
    "internal": "Something went wrong here",
    "method_not_allowed": "The method is not allowed",
}
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def make(code: str, status: int, detail: str = "", field: str | None = None) -> Problem:
    title = TITLES.get(code) or HTTPStatus(status).phrase
    return Problem(type=f"urn:nightlight:problem:{code}", title=title, status=status, code=code, detail=detail, field=field)


def of(error: BaseException) -> Problem:
    """The problem that says what a caller may know of an error."""
    if isinstance(error, NightlightError):
        status = next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)
        if status != 500:
            return make(error.code, status, error.message, error.field)
    if isinstance(error, HTTPException) and error.status_code < 500:
        # The router's own: unknown path, wrong method, bad host. Its detail may quote the path, so it is not passed on.
        return make(HTTP_CODES.get(error.status_code, "invalid"), error.status_code)
    return make("internal", 500)


def record(error: BaseException, where: str) -> None:
    """Log an exception nobody planned for: its type and path through the code, never its message."""
    frames = [f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno}" for frame in extract_tb(error.__traceback__)[-8:]]
    log.error("unhandled exception", where=where, error=type(error).__name__, frames=frames)


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    problem = of(error)
    headers: dict[str, str] = {}
    if problem.status == 500:
        record(error, str(request.scope.get("path_template", "")))
    elif isinstance(error, HTTPException):
        headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    elif isinstance(error, Throttled):
        headers["retry-after"] = str(error.retry_after_s)
    elif problem.status == 503:
        headers["retry-after"] = str(RETRY_AFTER_S)
    elif problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="nightlight"'
    return Response(msgspec.json.encode(problem), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)
