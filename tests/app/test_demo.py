"""`make run`: the demo plays to its end, or ends cleanly when somebody has seen enough."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import nightlight
from nightlight.app.cli import app
from nightlight.app.cli.demo import _panel
from nightlight.app.demo.run import Player, Story, Tally
from nightlight.app.demo.world import Upload
from nightlight.app.reports import FORMS
from nightlight.core.bank import Bank
from nightlight.core.services import Scope
from nightlight.reporting.cybertipline import check
from nightlight.senses.media import screen_bytes
from nightlight.web import WebConfig
from tests.app.conftest import CHILD
from tests.app.test_pipeline import picture
from tests.web.real import real_service


def demo(*arguments: str, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nightlight", "demo", "--port", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload,no-any-return]


def test_one_evening_ends_with_a_summary_and_keeps_its_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = demo("--once", "--conversations", "60", "--json", "--keep", str(tmp_path / "kept"))
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    summary = json.loads(out)
    assert summary["events"] > 500
    assert summary["errors"] == 0
    assert summary["benign_decided_high"] == 0
    assert summary["banked_pictures_found"] == "1 of 1"
    assert {story["level"] for story in summary["stories"].values()} == {"high"}
    assert sum(summary["decisions"].values()) == summary["events"] + summary["uploads"]
    with nightlight.open(tmp_path / "kept") as engine:
        opened = [case.id for case in engine.services.cases.cases()]
        assert len(opened) == summary["cases_open"] > 0
        assert engine.database.audit.verify().ok
        whole = []
        for case in opened:  # nobody has judged one yet, and each can be read as the report that it would be
            filing, made = engine.services.reports.preview_of_case(case, "cli:ana")  # type: ignore[union-attr]
            assert filing is None
            faults = check(FORMS[made.authority].write(made.document), datetime.now(UTC))
            # Of a danger that the authority has no kind of incident for, a person has to say which it is.
            assert {fault.path for fault in faults} <= {"/report/incidentSummary/incidentType"}
            whole += [] if faults else [case]
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path / "kept"))
    run = CliRunner().invoke
    assert set(run(app, ["report", "list", "--plain"]).stdout.split()) == set(opened)
    written = run(app, ["report", "export", whole[0], "--format", "cybertipline-xml"])
    (tmp_path / "report.xml").write_bytes(written.stdout_bytes)
    assert run(app, ["report", "validate", str(tmp_path / "report.xml")]).exit_code == 0
    details = run(app, ["report", "export", whole[0], "--files"])
    assert details.exit_code == 0
    assert b"<fileDetails" in details.stdout_bytes


def test_an_upload_that_becomes_a_job_is_waited_for(tmp_path: Path) -> None:
    """As the first ones do on a slow machine: they are decided, only later."""
    with real_service(tmp_path / "home", web=WebConfig(answer_deadline_s=0.0)) as (graph, address):
        _, key = graph.keys.create("game", [Scope.EVENTS_WRITE, Scope.SAFETY_READ], "test")
        graph.banks.create(Bank(name="known"), "test")
        graph.banks.add_bytes("known", picture(1), "test")
        envelope = {"kind": "media_screened", "id": "p/1", "at": "2025-06-13T18:00:00Z", "actor": CHILD}
        tally = Tally()
        player = Player(address, key, tally, threading.Event())
        player.play([Upload(at=0.0, envelope=envelope, data=picture(1), name="a.png", banked=True)], 0.0, "x-")
        player.close()
        assert graph.services.media.job("x-p/1") is not None, "it was a job"
    assert (tally.errors, tally.uploads, tally.found) == (0, 1, 1)


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    running = demo("--keep", str(tmp_path / "kept"))
    assert running.stdout is not None
    assert "http://" in running.stdout.readline()
    assert "/console/enrol" in running.stdout.readline()
    time.sleep(2)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    assert "events and" in out
    assert "decisions, by strongest action: " in out
    assert "cases open: " in out
    assert "while sending" not in out  # at an evening's pace that would be another speed than the one that was seen
    assert "Traceback" not in err
    with nightlight.open(tmp_path / "kept") as engine:
        assert engine.database.audit.verify().ok


def test_the_pace_is_by_the_clock_on_the_wall_and_the_rate_while_sending() -> None:
    tally = Tally()
    assert (tally.pace(100.0), tally.rate) == (0.0, 0.0)
    for second in range(20):
        tally.events += 50
        tally.busy_s += 0.1
        tally.answered(50, 100.0 + second)
    assert tally.rate == pytest.approx(500)
    assert tally.pace(119.5) == 50.0  # five batches of 50 in five seconds
    assert tally.pace(122.0) == 30.0
    assert tally.pace(130.0) == 0.0


def test_the_pace_of_the_first_seconds_is_over_those_alone() -> None:
    tally = Tally()
    tally.answered(30, 100.0)
    assert tally.pace(100.1) == 30.0  # over a second at least: a first batch is no thousand a second
    tally.answered(30, 102.0)
    assert tally.pace(102.0) == 30.0


@pytest.mark.parametrize(("once", "label", "figure"), [(False, "just now", "10"), (True, "while sending", "200")])
def test_the_terminal_says_which_speed_it_shows(once: bool, label: str, figure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally(events=50, busy_s=0.25)
    tally.decisions["open_case"] = 3
    tally.stories["a-story"] = Story(datetime(2026, 3, 1, tzinfo=UTC), events=1, alert_events=1, alert_seconds=0.0, level="high")
    tally.answered(50, 100.0)
    monkeypatch.setattr("time.monotonic", lambda: 105.0)
    made = Console(width=110, file=io.StringIO())
    made.print(_panel("http://127.0.0.1:1", tally, once))
    (line,) = (line for line in made.file.getvalue().splitlines() if label in line)  # type: ignore[attr-defined]
    assert line.split("a second, " + label)[1].split()[0] == figure
    shown = made.file.getvalue()  # type: ignore[attr-defined]
    assert "decisions, by strongest action:" in shown
    assert "alert at once, at event 1" in shown


@pytest.mark.timeout(120)
def test_an_upload_past_the_deadline_is_a_job_over_http(tmp_path: Path) -> None:
    (tmp_path / "nightlight.toml").write_text("[server]\nmedia_deadline_s = 0.000001\n")
    with nightlight.open(tmp_path) as engine:
        _, key = engine.services.keys.create("k", list(Scope), "test")
    env = {**os.environ, "NIGHTLIGHT_HOME": str(tmp_path)}
    server = subprocess.Popen([sys.executable, "-m", "nightlight", "serve", "--port", "0"], env=env, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = int(server.stdout.readline().split("http://")[1].split(":")[1].split()[0])
    try:
        envelope = {
            "kind": "media_screened",
            "id": "late",
            "at": "2026-03-01T20:00:00Z",
            "actor": CHILD,
            "channel": {"id": "p", "kind": "game"},
        }
        mark = "mark"
        head = f'--{mark}\r\nContent-Disposition: form-data; name="event"\r\n\r\n{json.dumps(envelope)}\r\n'
        file = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        body = head.encode() + file.encode() + picture() + f"\r\n--{mark}--\r\n".encode()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": f"multipart/form-data; boundary={mark}"}
        connection.request("POST", "/v1/media:screen", body, headers)
        response = connection.getresponse()
        job = json.loads(response.read())
        assert response.status == 202, job
        assert job["id"] == "late"
        end = time.monotonic() + 30
        while job["state"] == "waiting":
            assert time.monotonic() < end
            time.sleep(0.1)
            connection.request("GET", response.getheader("location") or "", headers={"Authorization": f"Bearer {key}"})
            job = json.loads(connection.getresponse().read())
        assert job["state"] == "done"
        connection.request("GET", "/v1/decisions/late", headers={"Authorization": f"Bearer {key}"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()
    assert answer["decision"]["event_id"] == "late"
    with nightlight.open(tmp_path) as engine:
        stored = engine.database.pipeline.event("late")
        assert stored is not None
        assert screen_bytes(picture()).sha256.encode() in engine.database.sealer.open(stored.sealed, "event:late")
