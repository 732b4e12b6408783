"""Addresses that no route of the console has: the router refuses them before any guard, and whoever typed one gets a page."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response

from nightlight.core.errors import Denied
from nightlight.web import problems
from nightlight.web.console.access import look_up
from nightlight.web.console.render import respond
from nightlight.web.guards import client_of
from nightlight.web.hands import hands_of

HOME = "/console"


def astray(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The app's handler of errors: a page under `/console`, a problem in JSON anywhere else."""
    path = str(request.scope["path"])
    if path != HOME and not path.startswith(f"{HOME}/"):
        return problems.respond(request, error)
    # No guard has run. Looking up the session, for the page's menu, reads the database: only within the rate of any page.
    hands = hands_of(request)
    spent = hands.page_rates.spend(client_of(request), hands.config.page_rate_per_minute)
    if not spent.allowed:
        return respond(request, problems.Throttled(spent.wait_s))
    try:
        look_up(request)
    except Denied as unsafe:
        return respond(request, unsafe)
    answer = respond(request, error)
    allow = problems.respond(request, error).headers.get("allow")
    if allow:
        answer.headers["allow"] = allow
    return answer
