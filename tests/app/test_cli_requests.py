"""`nightlight preserve` and `nightlight emergency`, over a home folder as an operator has it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightlight.app.bootstrap import bootstrap
from nightlight.app.cli import app
from nightlight.core.requests import EmergencyState, PreservationState

ASKED = ["--from", "Harbour County Sheriff", "--reference", "HC-1"]


def test_a_request_is_told_renewed_listed_and_released(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    run = CliRunner().invoke
    made = run(app, ["preserve", "add", *ASKED, "--account", "vell", "--days", "10"])
    assert made.exit_code == 0, made.output
    id = made.output.strip()
    assert "renewed 1 times" in run(app, ["preserve", "renew", id, "--reference", "HC-1/2"]).output
    shown = json.loads(run(app, ["preserve", "list", "--json"]).output)
    assert shown["id"] == id and shown["account"] != "vell" and shown["renewals"][0]["reference"] == "HC-1/2"
    assert run(app, ["preserve", "release", id, "--why", "withdrawn"]).exit_code == 0
    assert id not in run(app, ["preserve", "list"]).output
    assert f"{id}  released" in run(app, ["preserve", "list", "--all"]).output
    with bootstrap(home) as graph:
        assert graph.database.requests.preservation(id).state is PreservationState.RELEASED


def test_one_person_cannot_approve_what_they_wrote_down(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    run = CliRunner().invoke
    told = [*ASKED, "--account", "vell", "--contact", "Officer Tamm", "--danger", "tonight"]
    id = run(app, ["emergency", "add", *told]).output.strip()
    assert re.search(r"HC-1 +account ", run(app, ["preserve", "list"]).output), "what may be told is kept meanwhile"
    assert run(app, ["emergency", "decide", id, "--approve", "--why", "called back"]).exit_code != 0
    monkeypatch.setattr("nightlight.app.cli.requests.operator", lambda: "cli:somebody-else")
    assert "approved" in run(app, ["emergency", "decide", id, "--approve", "--why", "called back"]).output
    done = run(app, ["emergency", "disclosed", id, "--to", "Officer Tamm", "--kind", "identity", "--kind", "location", "--what", "name"])
    assert "disclosed" in done.output
    shown = json.loads(run(app, ["emergency", "list", "--all", "--json"]).output)
    assert [d["kinds"] for d in shown["disclosures"]] == [["identity", "location"]]
    with bootstrap(home) as graph:
        assert graph.database.requests.get_emergency(id, "cli:test").state is EmergencyState.DISCLOSED
