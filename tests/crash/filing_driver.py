"""A process that sends a report, and is killed at the place that it was told: by SIGKILL, from inside, between any two lines."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.filing import client, filer, open_store

WATCHED = ("take", "begin", "settle", "local", "release", "submit", "upload", "fileinfo", "finish", "retract")
"""Of the store and of the client: each has a place before it and one after it."""


class Watch:
    """Counts the places that are passed, and kills this process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at, self.passed = at, 0

    def place(self) -> None:
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1

    def over(self, inner: Any) -> Any:
        """The same object, watched."""
        return _Watched(inner, self)


class _Watched:
    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in WATCHED:
            return found

        def watched(*given: Any, **named: Any) -> Any:
            self._watch.place()
            out = found(*given, **named)
            self._watch.place()
            return out

        return watched


def drive(home: Path, place: str, id: str, kill_at: int | None, seconds: float) -> None:
    """Rounds of the background task, until there is nothing to do for the report."""
    watch = Watch(kill_at)
    database = open_store(home)
    try:
        store = database.reports
        database.reports = watch.over(store)
        run = filer(database, watch.over(client(place, seconds)))
        for _ in range(40):
            run.run_due()
            if not store.get(id).in_motion:
                return
    finally:
        database.close()
