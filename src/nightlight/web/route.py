"""How an endpoint is declared: its scopes and its description stand at the handler, and both are data.

The guard reads the scopes, `openapi.py` the description; a route without either is closed, and a test names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.types import Guard, Method
from msgspec import Struct

from nightlight.core.services import Scope
from nightlight.web.guards import SCOPES

DOC = "doc"

encode = msgspec.json.Encoder().encode


class Binary:
    """Marks a multipart part that is raw bytes."""


class Binaries(Struct, frozen=True):
    """Marks a multipart part of raw bytes that comes once or more."""

    most: int


class Doc(Struct, frozen=True, kw_only=True):
    summary: str
    tag: str
    answers: Mapping[int, Any]
    """Status to the type of its JSON body; None for no body; str for text."""
    description: str = ""
    body: Any = None
    """The type of the JSON body; several in a tuple: any of them, and likewise in `answers`."""
    parts: Mapping[str, Any] = {}
    """Multipart parts: name to type, or `Binary`. The ones in `optional` may be left out."""
    optional: frozenset[str] = frozenset()
    or_parts: Mapping[str, Any] = {}
    """Another set of parts that is taken instead."""
    query: Mapping[str, tuple[Any, str]] = {}
    """Parameter to its type and what it is for; none is required."""
    problems: tuple[int, ...] = ()
    """Statuses of problems beyond those that every endpoint of its kind has."""
    suffix: str = ""
    """Of the path as it is described: a verb after a parameter, which the router cannot tell from the parameter."""
    media_type: str = "application/json"
    """Of the answers."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Doc:
        """Litestar copies a route's options; this one never changes, and msgspec's own types cannot be copied."""
        return self


def endpoint(method: Method, path: str, doc: Doc, *scopes: Scope) -> HTTPRouteHandler:
    """Declare a handler of the API. Any one of `scopes` opens it."""
    status = next(iter(doc.answers))
    return HTTPRouteHandler(
        path, http_method=method, status_code=status, opt={SCOPES: frozenset(scopes), DOC: doc}, include_in_schema=False
    )


def page(path: str, doc: Doc, *guards: Guard) -> HTTPRouteHandler:
    """Declare a page that needs no key."""
    return HTTPRouteHandler(path, http_method="GET", guards=list(guards), opt={DOC: doc}, include_in_schema=False)


def posted(path: str, doc: Doc, *guards: Guard) -> HTTPRouteHandler:
    """Declare what a page that needs no key posts to."""
    status = next(iter(doc.answers))
    return HTTPRouteHandler(path, http_method="POST", status_code=status, guards=list(guards), opt={DOC: doc}, include_in_schema=False)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    return Response(encode(value), status_code=status, media_type="application/json", headers=dict(headers or {}))
