"""Small chores of a service, one thread: each runs again some time after it last ended; one that fails is logged and tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from msgspec import Struct

log = structlog.get_logger("nightlight.background")


class _Chore(Struct):
    period: float
    work: Callable[[], object]
    name: str
    due: float


class Background:
    def __init__(self) -> None:
        self._chores: list[_Chore] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.failing: dict[str, str] = {}
        """Name to the type of the last error, for readiness; a chore that works again leaves."""

    def every(self, period: timedelta, work: Callable[[], object], name: str) -> None:
        """Before `start` only."""
        self._chores.append(_Chore(period.total_seconds(), work, name, 0.0))

    def start(self, name: str = "nightlight-background") -> None:
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Waits for the chore at hand. Safe to call twice, or without a start."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            now = time.monotonic()
            for chore in self._chores:
                if chore.due <= now and not self._stop.is_set():
                    self._do(chore)
            next_due = min((c.due for c in self._chores), default=now + 1.0)
            self._stop.wait(max(0.01, next_due - time.monotonic()))

    def _do(self, chore: _Chore) -> None:
        try:
            chore.work()
            self.failing.pop(chore.name, None)
        except Exception as error:
            log.error("chore failed", chore=chore.name, error=type(error).__name__)
            self.failing[chore.name] = type(error).__name__
        chore.due = time.monotonic() + chore.period
