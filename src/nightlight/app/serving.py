"""Serving: the faces on one graph, with the background work that belongs to a service."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nightlight.app.bootstrap import Nightlight
from nightlight.app.settings import Settings
from nightlight.web import FamilyConfig, WebConfig, create_app, run_server


def web_config(settings: Settings) -> WebConfig:
    """The faces' limits and switches, as far as an operator sets them."""
    server, page = settings.server, settings.self_reports
    return WebConfig(
        answer_deadline_s=server.media_deadline_s,
        live_page_anywhere=server.live_page_anywhere,
        max_video=server.video_mb * 1024 * 1024,
        family=FamilyConfig(
            page=page.page,
            service=page.service,
            leave_to=page.leave_to,
            helplines=settings.helplines,
            address_header=page.address_header,
            reports_an_hour=page.an_hour_each,
            help=settings.help_page.page,
            help_reports=settings.help_page.reports,
            place=settings.place,
            hub=settings.family_pages.page,
        ),
        console_address=settings.console.address,
        levels=settings.levels,
    )


def serve_until_stopped(
    nightlight: Nightlight,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Start the engine and serve until Ctrl-C, SIGTERM or `stop`; then finish what was accepted."""
    nightlight.start(background=True)
    run_server(create_app(nightlight.services, web_config(nightlight.settings)), host, port, on_ready=on_ready, stop=stop)
