"""A whole service on a real port, for tests that need more than fakes behind a page."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.web import FamilyConfig, WebConfig, create_app, run_server


@contextlib.contextmanager
def real_service(
    home: Path, family: FamilyConfig | None = None, *, web: WebConfig | None = None, **more: Any
) -> Iterator[tuple[Nightlight, str]]:
    """The object graph and the address it is served at."""
    ready: Queue[str | BaseException] = Queue()
    stop = threading.Event()
    more.setdefault("settings", Settings())
    with bootstrap(home, start=True, **more) as graph:
        app = create_app(graph.services, web or WebConfig(family=family or FamilyConfig()))

        def run() -> None:
            try:
                run_server(app, port=0, on_ready=ready.put, stop=stop)
            except BaseException as error:
                ready.put(error)
                raise

        thread = threading.Thread(target=run)
        thread.start()
        try:
            address = ready.get(timeout=30)
            if isinstance(address, BaseException):
                raise address
            yield graph, address
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()
