"""What was done, and what is in force: the audit, the banks."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response

from nightlight.core.errors import Invalid, NotFound
from nightlight.core.reviewers import LOGS
from nightlight.core.staff import EVERYBODY, Role
from nightlight.web.bodies import Req, header, query
from nightlight.web.console.access import shown
from nightlight.web.console.render import page
from nightlight.web.hands import hands_of

PAGE = 50


@shown("/audit", Role.AUDITOR, Role.LEAD, Role.ADMINISTRATOR)
async def audit_page(request: Req) -> Response[Any]:
    found = query(request, "log", "actor", "action", "target", "before")
    trail = hands_of(request).services.trail
    if trail is None:
        raise NotFound("there is no audit to search")
    before = found.get("before", "")
    if before and not (before.isascii() and before.isdigit() and len(before) < 18):
        raise Invalid("a number", field="before")
    log = found.get("log") or LOGS[0]
    asked = {name: found.get(name, "").strip()[:200] for name in ("actor", "action", "target")}
    entries = await asyncio.to_thread(
        lambda: trail.search(
            log, actor=asked["actor"], action=asked["action"], target=asked["target"], before=int(before) if before else None, most=PAGE
        )
    )
    part = header(request, b"hx-request") == "true"
    return page(
        request,
        "part_entries.html" if part else "audit.html",
        entries=entries,
        asked=asked,
        log=log,
        logs=LOGS,
        next=entries[-1][0] if len(entries) == PAGE else None,
    )


@shown("/banks", *EVERYBODY)
async def banks_page(request: Req) -> Response[Any]:
    query(request)
    services = hands_of(request).services

    def work() -> dict[str, Any]:
        return {"banks": services.banks.banks(), "exchanges": services.exchanges.list(), "sizes": services.banks.sizes()}

    return page(request, "banks.html", **await asyncio.to_thread(work))


ROUTES = (audit_page, banks_page)
