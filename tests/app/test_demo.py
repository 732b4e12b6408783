"""`make run`: the demo plays to its end, or ends cleanly when somebody has seen enough."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nightlight
from nightlight.core.services import Scope
from nightlight.senses.media import screen_bytes
from tests.app.conftest import CHILD
from tests.app.test_pipeline import picture


def demo(*arguments: str, **more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nightlight", "demo", "--port", "0", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload,no-any-return]


def test_one_evening_ends_with_a_summary_and_keeps_its_database(tmp_path: Path) -> None:
    done = demo("--once", "--conversations", "60", "--json", "--keep", str(tmp_path / "kept"))
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    summary = json.loads(out)
    assert summary["events"] > 500
    assert summary["errors"] == 0
    assert summary["benign_decided_high"] == 0
    assert summary["banked_pictures_found"] == "1 of 1"
    assert {story["level"] for story in summary["stories"].values()} == {"high"}
    with nightlight.open(tmp_path / "kept") as engine:
        assert engine.services.cases.cases()
        assert engine.database.audit.verify().ok


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    running = demo("--keep", str(tmp_path / "kept"))
    assert running.stdout is not None
    assert "http://" in running.stdout.readline()
    time.sleep(2)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    assert "events and" in out
    assert "Traceback" not in err
    with nightlight.open(tmp_path / "kept") as engine:
        assert engine.database.audit.verify().ok


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
