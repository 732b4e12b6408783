"""A real graph on a real SQLite file, with a clock the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.clock import FixedClock

NOW = datetime(2026, 3, 1, 20, tzinfo=UTC)
ADULT = {"account": "grown", "age_band": "18+", "assurance": "self_declared", "account_age_days": 3, "place": "GB"}
CHILD = {"account": "kid", "age_band": "10-12", "assurance": "guardian", "place": "GB"}
EXTORTION = "send me a gift card now or i will send this to all your friends"

Wire = dict[str, Any]
_numbers = itertools.count()


def message(text: str, **more: Any) -> Wire:
    """A wire event from an adult to a child in a game of a permitted place."""
    base: Wire = {
        "kind": "message",
        "id": f"e{next(_numbers)}",
        "at": NOW.isoformat(),
        "actor": ADULT,
        "targets": [CHILD],
        "channel": {"id": "talk-1", "kind": "game"},
        "text": text,
    }
    return base | more


def upload(**more: Any) -> Wire:
    base = message("", kind="media_screened", channel={"id": "pictures", "kind": "game"})
    del base["text"]
    return base | more


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def build(tmp_path: Path, clock: FixedClock) -> Iterator[Callable[..., Nightlight]]:
    """Builds started graphs on the same home, closed at the end."""
    built: list[Nightlight] = []

    def make(**more: Any) -> Nightlight:
        more.setdefault("settings", Settings())
        more.setdefault("start", True)
        graph = bootstrap(tmp_path / "home", clock=clock, **more)
        built.append(graph)
        return graph

    yield make
    for graph in built:
        graph.close()


@pytest.fixture
def graph(build: Callable[..., Nightlight]) -> Nightlight:
    return build()
