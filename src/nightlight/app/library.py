"""`nightlight.open()`: the engine for Python code, in three lines.

import nightlight
with nightlight.open("demo") as engine:
    answer = engine.screen({"kind": "message", ...})
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import home_folder
from nightlight.core.errors import NightlightError
from nightlight.core.event import EventBase
from nightlight.core.gates import GateService, TrustService
from nightlight.core.protections import ProtectionService
from nightlight.core.services import Answer

Wire = Mapping[str, Any] | bytes | str | EventBase


class Library:
    """The same graph as the service, in this process. Everything else of it is under `services`."""

    def __init__(self, graph: Nightlight) -> None:
        self._graph = graph
        self.services = graph.services
        self.database = graph.database

    def screen(self, event: Wire) -> Answer:
        """Decide about one event: a mapping, JSON, or an `Event`. Answers after commit.

        Raises Invalid naming the field, Conflict where the id was used for another body, Busy where too much is waiting.
        """
        return self._graph.events.submit(self._event(event)).result()

    def screen_many(self, events: Iterable[Wire]) -> list[Answer | NightlightError]:
        """Decide about several, by position: what cannot be decided is its error."""
        decoded: list[EventBase | NightlightError] = []
        for event in events:
            try:
                decoded.append(self._event(event))
            except NightlightError as error:
                decoded.append(error)
        answers = iter(self._graph.events.submit_many([e for e in decoded if not isinstance(e, NightlightError)]).result())
        return [e if isinstance(e, NightlightError) else next(answers) for e in decoded]

    def screen_media(self, event: Mapping[str, Any] | bytes, data: bytes) -> Answer:
        """Decode, hash and look up a picture's bytes. `event` is of kind `media_screened`, without fingerprints."""
        envelope = event if isinstance(event, bytes) else msgspec.json.encode(event)
        return self._graph.media.screen(envelope, data).result()

    @property
    def gates(self) -> GateService:
        """Who may reach, give to, add, be suggested to and see whom: questions in, neutral answers out, by position."""
        return self._graph.gates

    @property
    def protections(self) -> ProtectionService:
        """What each feature is to be like by default, by age and place."""
        return self._graph.protections

    @property
    def trust(self) -> TrustService:
        """Trusted contacts: two people in one place who confirm each other by a code."""
        return self._graph.trust

    def decision(self, event_id: str) -> Answer | None:
        """What was answered about an event, for as long as it is kept."""
        return self._graph.events.decision(event_id)

    def close(self) -> None:
        self._graph.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _event(self, event: Wire) -> EventBase:
        if isinstance(event, EventBase):
            event = msgspec.json.encode(event)  # the same checks for everybody
        if isinstance(event, str):
            event = event.encode()
        return self._graph.events.decode(event if isinstance(event, bytes) else msgspec.json.encode(event))


def open(home: str | Path | None = None) -> Library:
    """Open the engine on a home folder (`NIGHTLIGHT_HOME`, else `~/.nightlight`), creating it where it is not there."""
    return Library(bootstrap(Path(home) if home is not None else home_folder(), start=True))
