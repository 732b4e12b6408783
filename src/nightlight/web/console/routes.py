"""All routes of the console, behind its guard."""

from __future__ import annotations

from litestar import Router

from nightlight.web.console import approvals, case, people, policy, provider, records, reports, requests, reveal, signing, work
from nightlight.web.console.access import console_guard
from nightlight.web.console.render import respond


def console_router() -> Router:
    return Router(
        "/console",
        guards=[console_guard],
        route_handlers=[
            *signing.ROUTES,
            *work.ROUTES,
            *case.ROUTES,
            *approvals.ROUTES,
            *people.ROUTES,
            *records.ROUTES,
            *reports.ROUTES,
            *requests.ROUTES,
            *reveal.ROUTES,
            *policy.ROUTES,
            *provider.ROUTES,
        ],
        exception_handlers={Exception: respond},
    )
