"""`/healthz`, `/readyz`, `/metrics`: for orchestrators and Prometheus."""

from __future__ import annotations

import asyncio

from litestar import Response
from msgspec import Struct

from nightlight.web.bodies import Req
from nightlight.web.guards import counts_guard, on_this_machine
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, json_response, page


class Check(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    ok: bool
    blocking: bool
    detail: str | None = None
    """Only for clients on the machine itself."""


class Readiness(Struct, frozen=True):
    ready: bool
    checks: tuple[Check, ...]


@page("/healthz", Doc(summary="The process answers", tag="Health", answers={200: dict[str, str]}))
async def healthz(request: Req) -> Response[bytes]:
    return json_response({"status": "ok"})


@page(
    "/readyz",
    Doc(
        summary="The service can take events",
        description="503 while a blocking check fails. What a check says in words is only for clients on the machine itself.",
        tag="Health",
        answers={200: Readiness, 503: Readiness},
    ),
)
async def readyz(request: Req) -> Response[bytes]:
    hands = hands_of(request)
    found = await asyncio.to_thread(hands.services.status.ready)
    near = hands.config.live_page_anywhere or on_this_machine(request.scope)
    checks = tuple(Check(name=c.name, ok=c.ok, blocking=c.blocking, detail=c.detail if near else None) for c in found)
    ready = all(check.ok for check in checks if check.blocking)
    return json_response(Readiness(ready, checks), 200 if ready else 503)


@page(
    "/metrics",
    Doc(
        summary="Prometheus text exposition",
        description="For clients on the machine itself, unless the operator opened the pages.",
        tag="Health",
        answers={200: str},
        problems=(403, 404),
        media_type="text/plain",
    ),
    counts_guard,
)
async def metrics(request: Req) -> Response[bytes]:
    body = await asyncio.to_thread(hands_of(request).services.status.metrics)
    return Response(body, media_type="text/plain; version=0.0.4")


HEALTH_ROUTES = (healthz, readyz, metrics)
