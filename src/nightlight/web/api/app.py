"""`create_app`: the one place that puts the web room together."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, Response, Router
from litestar.datastructures import State

from nightlight.core.services import Services
from nightlight.web.api import (
    bank_review,
    banks,
    events,
    exchanges,
    guardian,
    help_links,
    identities,
    interventions,
    media,
    messages,
    operations,
    self_reports,
    user_reports,
)
from nightlight.web.api.deterrence import ROUTES as DETERRENCE_ROUTES
from nightlight.web.api.gates import ROUTES as GATE_ROUTES
from nightlight.web.api.index import INDEX_ROUTES
from nightlight.web.api.openapi import document
from nightlight.web.api.protections import ROUTES as PROTECTION_ROUTES
from nightlight.web.bodies import Req
from nightlight.web.config import WebConfig
from nightlight.web.console.astray import astray
from nightlight.web.console.routes import console_router
from nightlight.web.family.routes import FAMILY_ROUTES
from nightlight.web.guards import add_headers, api_guard, page_guard
from nightlight.web.hands import Hands
from nightlight.web.health import HEALTH_ROUTES
from nightlight.web.live import LIVE_ROUTES
from nightlight.web.problems import respond
from nightlight.web.route import Doc, page

OPENAPI_TYPE = "application/vnd.oai.openapi+json"


def create_app(services: Services, config: WebConfig | None = None) -> Litestar:
    """The ASGI application: API, health, metrics, live page, pages for young people.

    Every route under `/v1` needs a key and a scope; the others need none and are limited by client address.
    """
    config = config or WebConfig()
    api = Router(
        "/v1",
        guards=[api_guard],
        route_handlers=[
            events.post_event,
            events.post_batch,
            events.get_decision,
            messages.list_messages,
            media.screen_media,
            media.get_job,
            banks.list_banks,
            banks.create_bank,
            banks.change_bank,
            banks.list_items,
            banks.add_item,
            banks.upload_item,
            banks.change_item,
            banks.remove_item,
            banks.match_fingerprints,
            *bank_review.ROUTES,
            *INDEX_ROUTES,
            exchanges.list_exchanges,
            exchanges.create_exchange,
            exchanges.change_exchange,
            exchanges.remove_exchange,
            exchanges.run_exchange,
            operations.list_cases,
            operations.list_dead_letters,
            operations.replay_dead_letters,
            *self_reports.ROUTES,
            *identities.ROUTES,
            *user_reports.ROUTES,
            *guardian.ROUTES,
            *help_links.ROUTES,
            *interventions.ROUTES,
            *GATE_ROUTES,
            *PROTECTION_ROUTES,
            *DETERRENCE_ROUTES,
        ],
    )
    described = b""

    described_as = Doc(summary="This description", tag="Health", answers={200: dict[str, Any]}, media_type=OPENAPI_TYPE)

    @page(config.docs_path, described_as)
    async def openapi_document(request: Req) -> Response[bytes]:
        return Response(described, media_type=OPENAPI_TYPE)

    pages = Router("/", guards=[page_guard], route_handlers=[openapi_document, *HEALTH_ROUTES, *LIVE_ROUTES, *FAMILY_ROUTES])
    app = Litestar(
        route_handlers=[api, pages, *([console_router()] if services.reviewers is not None else [])],
        state=State({"hands": Hands(services, config)}),
        exception_handlers={Exception: respond if services.reviewers is None else astray},
        before_send=[add_headers],
        openapi_config=None,
        logging_config=None,
        # Bodies are read and bounded by `bodies.py`; nothing in this room lets litestar read one.
        request_max_body_size=config.max_body,
        debug=False,
    )
    described = msgspec.json.encode(document(app, config))
    return app
