"""Serving: the faces on one graph, with the background work that belongs to a service."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nightlight.app.bootstrap import Nightlight
from nightlight.web import WebConfig, create_app, run_server


def serve_until_stopped(
    nightlight: Nightlight,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Start the engine and serve until Ctrl-C, SIGTERM or `stop`; then finish what was accepted."""
    server = nightlight.settings.server
    config = WebConfig(answer_deadline_s=server.media_deadline_s, live_page_anywhere=server.live_page_anywhere)
    nightlight.start(background=True)
    run_server(create_app(nightlight.services, config), host, port, on_ready=on_ready, stop=stop)
