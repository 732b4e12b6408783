"""The one place that builds the object graph. Tests override parts of it; nothing is built at import."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from nightlight.adapters.index import FlatIndex
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, database_exists, open_database
from nightlight.adapters.webhook import Dispatcher
from nightlight.app import logs
from nightlight.app import settings as configuration
from nightlight.app.background import Background
from nightlight.app.engine import Engine
from nightlight.app.events import Events
from nightlight.app.harness import sensors
from nightlight.app.media_lane import MediaLane
from nightlight.app.passage import Admitted
from nightlight.app.pipeline import Parts, Pipeline
from nightlight.app.policies import Policies
from nightlight.app.second_hop import SecondHop
from nightlight.app.senses import Senses
from nightlight.app.settings import Settings
from nightlight.app.stats import Stats
from nightlight.app.status import Status
from nightlight.core.clock import Clock, SystemClock
from nightlight.core.detect import Detector
from nightlight.core.errors import Invalid, NightlightError
from nightlight.core.ids import Pseudonymiser
from nightlight.core.services import Answer, Services
from nightlight.detectors import discover
from nightlight.policy import JurisdictionGate, load_table
from nightlight.policy.gate import Table
from nightlight.senses.media import Decoders, ScreenedMedia, screen_bytes, workers

log = structlog.get_logger("nightlight.app")

KEY_FILE = "keys.json"
DECODERS = 2
"""Uploads decoded at once, each in a process of its own."""


class Nightlight:
    """The whole graph. Close it, or use it as a context manager."""

    def __init__(
        self,
        home: Path,
        settings: Settings,
        *,
        clock: Clock,
        detectors: dict[str, Detector] | None = None,
        migrate: bool = False,
    ) -> None:
        self.home, self.settings, self.clock = home, settings, clock
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Invalid(f"the home folder {home} cannot be made: {error.strerror}", field="home") from None
        self.sealer = KeyFileSealer(home / KEY_FILE, create=not database_exists(settings.database, home))
        self.pseudonymiser = Pseudonymiser(self.sealer.derive("pseudonyms"))
        self.database: Database = open_database(settings.database, home, self.sealer, clock, migrate=migrate or settings.database is None)
        try:
            self._build(settings, clock, detectors)
        except BaseException:
            self.database.close()
            raise

    def _build(self, settings: Settings, clock: Clock, detectors: dict[str, Detector] | None) -> None:
        home = self.home
        self.index = FlatIndex()
        self.decoders = Decoders(DECODERS)
        self.banks = self.database.banks(self.index, lambda data: self._screen(data).fingerprints)
        self.keys = self.database.keys
        self.discovery = discover()
        self.detectors = dict(self.discovery.detectors) if detectors is None else detectors
        self.gate = JurisdictionGate(_table(home / settings.gate) if settings.gate else None, home=settings.place)
        self.policies = Policies(self.database.policies)
        self.stats = Stats(clock.now)

        endpoints = configuration.endpoints(settings)
        self.senses = Senses(sensors(self.index))
        self.parts = Parts(
            store=self.database.pipeline,
            sealer=self.sealer,
            clock=clock,
            gate=self.gate,
            senses=self.senses,
            detectors=self.detectors,
            policies=self.policies,
            levels=settings.levels,
            keep_for=timedelta(days=settings.retention.events_days),
            tail_for=timedelta(minutes=settings.retention.tail_minutes),
            helplines=settings.helplines,
            endpoints=frozenset(endpoints),
        )
        self.pipeline = Pipeline(self.parts)
        self.second_hop = SecondHop(self.parts)
        self.engine = Engine(self.pipeline.process, self.second_hop.run, self._answered)
        self.events = Events(self.engine, self.database.pipeline, self.sealer, self.pseudonymiser, clock, helplines=settings.helplines)
        self.media = MediaLane(
            self.events,
            lambda data: self._screen(data, thorough=True),
            self.gate,
            self.database.jobs,
            self.sealer,
            clock,
            home / "spool",
            workers=DECODERS,
        )
        self.dispatcher = Dispatcher(self.database.outbox, endpoints, clock)
        self.background = Background()
        self.status = Status(self)
        self.services = Services(
            events=self.events,
            media=self.media,
            banks=self.banks,
            keys=self.keys,
            cases=self.database.cases,
            outbox=self.database.outbox,
            status=self.status,
            now=clock.now,
            endpoints=frozenset(endpoints),
        )
        self._started = False

    def start(self, *, background: bool = False) -> Nightlight:
        """Start the engine; with `background`, also what belongs to a service: deliveries, retention, news from other processes."""
        if not self._started:
            self._started = True
            self.database.lifecycle.after_restore("system")  # a restore brings erased people back: first of all they go again
            self.engine.start()
            self.media.resume()
        if background:
            threading.Thread(target=self._warm_up, name="nightlight-warm-up", daemon=True).start()
            self.dispatcher.start()
            sweep = timedelta(minutes=self.settings.retention.sweep_minutes)
            self.background.every(timedelta(seconds=0.5), self.banks.refresh, "banks")
            self.background.every(timedelta(seconds=0.5), self.policies.refresh, "policies")
            self.background.every(sweep, lambda: self.database.lifecycle.retention(self.clock.now()), "retention")
            self.background.start()
        return self

    def _screen(self, data: bytes, *, thorough: bool = False) -> ScreenedMedia:
        """In a confined process while anything is served; in this one for a command that hashes its operator's own files."""
        if self._started and workers.available:
            return self.decoders.screen(data, thorough=thorough)
        return screen_bytes(data, thorough=thorough)

    def _warm_up(self) -> None:
        """Compile and start what pictures need, so that no event waits behind the first one of them."""
        from nightlight.adapters.index import scan

        scan.warm_up()
        if workers.available:
            try:
                self.decoders.warm_up()
            except (OSError, RuntimeError) as error:  # tried again by the first upload, whose sender is told
                log.error("decoders did not start", error=str(error))

    def _answered(self, admitted: Sequence[Admitted], answers: Sequence[Answer | NightlightError], seconds: float) -> None:
        self.stats.record(admitted, answers, seconds)
        self.dispatcher.wake()

    def close(self) -> None:
        """Finish what was accepted, then let go of everything. Safe to call twice."""
        self.background.stop()
        self.dispatcher.stop()
        if self._started:
            self.media.stop()
            self.engine.stop()
        self.decoders.close()
        self.database.close()

    def __enter__(self) -> Nightlight:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def bootstrap(
    home: Path,
    *,
    start: bool = False,
    migrate: bool = False,
    settings: Settings | None = None,
    clock: Clock | None = None,
    **overrides: Any,
) -> Nightlight:
    """Build the graph on a home folder. `overrides` go to `Nightlight`, for tests."""
    logs.configure()
    found = settings if settings is not None else configuration.load(home)
    graph = Nightlight(home, found, clock=clock or SystemClock(), migrate=migrate, **overrides)
    if start:
        graph.start()
    return graph


def _table(path: Path) -> Table:
    try:
        return load_table(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the jurisdiction table {path} cannot be read: {type(error).__name__}", field="gate") from None
