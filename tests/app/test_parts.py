"""The small parts of the room: engine, background chores, settings, senses, readiness."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nightlight.app import engine as engine_module
from nightlight.app import settings as configuration
from nightlight.app.background import Background
from nightlight.app.bootstrap import Nightlight
from nightlight.app.engine import Engine
from nightlight.app.passage import Admitted
from nightlight.app.settings import EndpointSettings, Settings
from nightlight.core.errors import Busy, Invalid
from nightlight.core.event import Event
from nightlight.core.harm import Level
from tests.app.conftest import EXTORTION, NOW, message


def admitted(n: int) -> Admitted:
    event = msgspec.json.decode(msgspec.json.encode(message(f"line {n}", id=str(n))), type=Event)
    return Admitted(event=event, names={}, body_mac=b"", received_at=NOW)


class Blocked:
    """A pipeline that waits until it is let go, and remembers its batches."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.batches: list[int] = []
        self.entered = threading.Event()

    def __call__(self, batch: Sequence[Admitted]) -> list[Any]:
        self.batches.append(len(batch))
        self.entered.set()
        self.go.wait(10)
        return [a.event.id for a in batch]


def test_what_queues_up_while_a_batch_is_written_is_the_next_batch() -> None:
    pipeline = Blocked()
    engine = Engine(pipeline, lambda: 0)
    engine.start()
    first = engine.submit([admitted(0)])
    pipeline.entered.wait(10)
    rest = [engine.submit([admitted(n)]) for n in range(1, 40)]
    pipeline.go.set()
    assert first.result(10) == ["0"]
    assert [f.result(10) for f in rest] == [[str(n)] for n in range(1, 40)]
    assert pipeline.batches == [1, 39]
    engine.stop()


def test_a_full_queue_refuses_and_queues_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MOST_QUEUED", 3)
    pipeline = Blocked()
    engine = Engine(pipeline, lambda: 0)
    engine.start()
    engine.submit([admitted(0)])
    pipeline.entered.wait(10)
    waiting = engine.submit([admitted(1), admitted(2)])
    with pytest.raises(Busy):
        engine.submit([admitted(3), admitted(4)])
    assert engine.queued == 2
    pipeline.go.set()
    assert waiting.result(10) == ["1", "2"]
    engine.stop()
    with pytest.raises(Busy):
        engine.submit([admitted(5)])


def test_stopping_finishes_what_was_accepted() -> None:
    pipeline = Blocked()
    pipeline.go.set()
    engine = Engine(pipeline, lambda: 0)
    futures = [engine.submit([admitted(n)]) for n in range(5)]
    engine.start()
    engine.stop()
    engine.stop()
    assert [f.result(0) for f in futures] == [[str(n)] for n in range(5)]
    assert not engine.alive


def test_nobody_waits_for_ever_when_the_pipeline_or_an_observer_breaks() -> None:
    calls = []

    def broken(batch: Sequence[Admitted]) -> list[Any]:
        calls.append(len(batch))
        if len(calls) == 1:
            raise MemoryError
        return ["fine"] * len(batch)

    def observer(*_: object) -> None:
        raise ValueError

    engine = Engine(broken, lambda: 0, observer)
    engine.start()
    (first,) = engine.submit([admitted(0)]).result(10)
    assert isinstance(first, Busy)
    assert engine.submit([admitted(1)]).result(10) == ["fine"]
    engine.stop()


def test_a_caller_who_hung_up_is_processed_and_not_answered() -> None:
    pipeline = Blocked()
    engine = Engine(pipeline, lambda: 0)
    engine.start()
    engine.submit([admitted(0)])
    pipeline.entered.wait(10)
    gone, here = engine.submit([admitted(1)]), engine.submit([admitted(2)])
    assert gone.cancel()
    pipeline.go.set()
    assert here.result(10) == ["2"]
    assert sum(pipeline.batches) == 3
    engine.stop()


def test_the_second_hop_runs_until_no_fact_is_left_and_survives_failing() -> None:
    left = [3, 2, 0]
    ran: list[int] = []

    def hop() -> int:
        if not ran:
            ran.append(-1)
            raise OSError
        ran.append(left.pop(0) if left else 0)
        return ran[-1]

    pipeline = Blocked()
    pipeline.go.set()
    engine = Engine(pipeline, hop)
    engine.start()
    for n in range(3):
        engine.submit([admitted(n)]).result(10)
    engine.stop()
    assert ran[:4] == [-1, 3, 2, 0]


def test_chores_run_again_and_a_failing_one_stops_no_other() -> None:
    done: list[str] = []
    broken = [True]

    def failing() -> None:
        if broken[0]:
            raise ValueError("with content in it")
        done.append("mended")

    background = Background()
    background.every(timedelta(milliseconds=5), failing, "failing")
    background.every(timedelta(milliseconds=5), lambda: done.append("fine"), "fine")
    background.start()
    _until(lambda: done.count("fine") > 2 and background.failing == {"failing": "ValueError"})
    broken[0] = False
    _until(lambda: "mended" in done and not background.failing)
    background.stop()
    background.stop()
    count = len(done)
    time.sleep(0.05)
    assert len(done) == count


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


# -- settings ----------------------------------------------------------------------------------------------------------------------


def test_the_environment_goes_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    assert configuration.load(tmp_path, {}) == Settings()
    (tmp_path / configuration.FILE).write_text('place = "GB"\n[server]\nport = 1000\nhost = "::1"\n')
    environ = {"NIGHTLIGHT_PORT": "2000", "NIGHTLIGHT_DATABASE": "postgresql+psycopg://x/y", "NIGHTLIGHT_PLACE": "US"}
    found = configuration.load(tmp_path, environ)
    assert (found.server.port, found.server.host, found.database, found.place) == (2000, "::1", "postgresql+psycopg://x/y", "US")


@pytest.mark.parametrize("environ", [{"NIGHTLIGHT_PORT": "many"}, {"NIGHTLIGHT_PLACE": "Atlantis"}])
def test_a_wrong_variable_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        configuration.load(tmp_path, environ)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gat = 1", "did you mean 'gate'?"),
        ("[server]\nprot = 1", "server: there is no setting 'prot'"),
        ("[endpoints.a]\nurl = 'nonsense'", "endpoints"),
        ("place = 'Atlantis'", "two letters"),
    ],
)
def test_a_wrong_setting_is_explained(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / configuration.FILE).write_text(text)
    with pytest.raises(Invalid) as refused:
        configuration.load(tmp_path, {})
    assert words in refused.value.message
    assert refused.value.field == configuration.FILE
    assert "regex" not in refused.value.message


def test_an_endpoint_without_its_secret_is_refused() -> None:
    settings = Settings(endpoints={"a": EndpointSettings(url="http://127.0.0.1/", secret_env="ABSENT")})
    with pytest.raises(Invalid, match=r"endpoints\.a"):
        configuration.endpoints(settings, {})
    assert configuration.endpoints(settings, {"ABSENT": "s" * 20})["a"].secret == "s" * 20


def test_levels_of_an_operator_move_the_actions(build: Callable[..., Nightlight]) -> None:
    strict = build(settings=Settings(levels={Level.LOW: 0.97, Level.ELEVATED: 0.98, Level.HIGH: 0.99}))
    answer = strict.events.submit(strict.events.decode(msgspec.json.encode(message(EXTORTION)))).result(10)
    assert answer.decision.level is Level.NONE


# -- readiness ---------------------------------------------------------------------------------------------------------------------


def checks(graph: Nightlight) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.ok, check.detail) for check in graph.status.ready()}


def test_readiness_names_what_is_missing(build: Callable[..., Nightlight]) -> None:
    graph = build()
    found = checks(graph)
    assert all(ok for name, (ok, _) in found.items() if name not in ("endpoints", "clocks-confirmed", "helplines")), found
    assert "safety" in found["endpoints"][1]
    graph.events.submit(graph.events.decode(msgspec.json.encode(message("hi", actor={"account": "a"})))).result(10)
    ok, detail = checks(graph)["gate"]
    assert not ok
    assert "undecided" in detail
    graph.engine.stop()
    assert not checks(graph)["engine"][0]


def test_a_detector_without_its_sense_is_not_ready(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph.senses, "_first", [])
    ok, detail = checks(graph)["senses"]
    assert not ok
    assert "grooming lacks text" in detail


def test_a_graph_that_cannot_be_built_lets_go_of_its_database(build: Callable[..., Nightlight], tmp_path: Path) -> None:
    weak = Settings(endpoints={"a": EndpointSettings(url="http://127.0.0.1/", secret="short")})
    with pytest.raises(Invalid):
        build(settings=weak)
    build()
