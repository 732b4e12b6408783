"""From the page's door to a held picture: what a self-report does, and what it never does."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from typer.testing import CliRunner

import nightlight
from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.cli import app
from nightlight.app.serving import web_config
from nightlight.app.settings import SelfReports, Settings, load
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Invalid, NightlightError
from nightlight.core.self_report import BANK, SelfReportState
from nightlight.core.services import Scope
from nightlight.senses.media import screen_bytes
from nightlight.web import FamilyConfig
from tests.app.conftest import NOW, upload
from tests.app.test_pipeline import picture
from tests.web.real import real_service

PAGE = "/protect-my-picture"


def report_of(*pictures: bytes, once: int = 1) -> dict[str, Any]:
    found = [screen_bytes(data) for data in pictures]
    return {"once": f"{once:032x}", "pictures": [{"sha256": f.sha256, "pdq": f.pdq, "quality": f.quality} for f in found]}


def again(data: bytes) -> bytes:
    """The same picture, saved anew by whoever passes it on."""
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(out, "JPEG", quality=88)
    return out.getvalue()


@pytest.fixture
def site(tmp_path: Path, clock: FixedClock) -> Iterator[tuple[Nightlight, httpx.Client, httpx.Client]]:
    """The graph, a service with a key for everything, and a young person's browser."""
    with real_service(tmp_path / "home", FamilyConfig(looks_a_minute=1000), clock=clock, settings=Settings()) as (graph, address):
        _, key = graph.keys.create("all", list(Scope), "test", rate_per_minute=100_000)
        with (
            httpx.Client(base_url=address, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=60) as service,
            httpx.Client(base_url=address, headers={"sec-fetch-site": "same-origin"}, trust_env=False, timeout=60) as young,
        ):
            yield graph, service, young


def share(service: httpx.Client, data: bytes, **more: Any) -> dict[str, Any]:
    parts = {"event": ("", json.dumps(upload(**more)).encode(), "application/json"), "file": ("x", data)}
    answer = service.post("/v1/media:screen", files=parts)
    while answer.status_code == 202:
        job = service.get(answer.headers["location"]).json()
        assert job["state"] != "failed", job
        if job["state"] == "done":
            answer = service.get(f"/v1/decisions/{more['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_reported_picture_is_held_and_nobody_bears_a_consequence(site: tuple[Nightlight, httpx.Client, httpx.Client]) -> None:
    graph, service, young = site
    data = picture(5)
    code = young.post(f"{PAGE}/send", json=report_of(data)).json()["code"]
    for number, shared in enumerate((data, again(data), data, again(data))):  # however often
        answer = share(service, shared, id=f"shared-{number}")
        kinds = {action["action"] for action in answer["decision"]["actions"]}
        assert kinds & {"hold_content"}, kinds
        assert not kinds & {"block_content", "limit_contact", "sanction_account", "report_account"}, kinds
        assert answer["for_sender"]["codes"] == ["accept"] or "limited" not in answer["for_sender"]["codes"]
        assert young.post(f"{PAGE}/state", json={"code": code}).json() == {"state": "received"}
    assert graph.database.limits.in_force() == []
    other = share(service, picture(9), id="other")
    assert {action["action"] for action in other["decision"]["actions"]} == {"allow"}
    young.post(f"{PAGE}/withdraw", json={"code": code})
    freed = share(service, data, id="after")
    assert "hold_content" not in {action["action"] for action in freed["decision"]["actions"]}


def test_the_answer_is_the_same_whether_or_not_it_was_shared(site: tuple[Nightlight, httpx.Client, httpx.Client]) -> None:
    graph, service, young = site
    shared, quiet = picture(5), picture(6)
    codes = [young.post(f"{PAGE}/send", json=report_of(data, once=n)).json()["code"] for n, data in enumerate((shared, quiet))]
    share(service, shared, id="shared")

    def answers() -> list[tuple[int, bytes, list[tuple[str, str]]]]:
        told = [young.post(f"{PAGE}/state", json={"code": code}) for code in codes]
        return [(a.status_code, a.content, sorted((k, v) for k, v in a.headers.items() if k not in ("date", "ratelimit"))) for a in told]

    assert answers()[0] == answers()[1]
    for report in service.get("/v1/self-reports").json()["self_reports"]:
        service.post(f"/v1/self-reports/{report['id']}/look")
    assert answers()[0] == answers()[1] and b"looking" in answers()[0][1]
    for keep, report in zip((True, False), service.get("/v1/self-reports").json()["self_reports"], strict=True):
        service.post(f"/v1/self-reports/{report['id']}/finish", json={"keep": keep})
    assert answers()[0] == answers()[1] and b"finished" in answers()[0][1]
    assert len(graph.banks.items(BANK)) == 1


def test_readiness_says_when_nobody_looks(site: tuple[Nightlight, httpx.Client, httpx.Client], clock: FixedClock) -> None:
    graph, _, young = site

    def check() -> tuple[bool, str]:
        (found,) = [c for c in graph.status.ready() if c.name == "self-reports"]
        assert not found.blocking
        return found.ok, found.detail

    assert check() == (True, "0 wait for a person")
    young.post(f"{PAGE}/send", json=report_of(picture(5)))
    assert check() == (True, "1 wait for a person")
    clock.advance(timedelta(days=8))
    assert check() == (False, "1 wait for a person, the oldest for more than 7 days")


def test_reviewers_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path))
    with nightlight.open(tmp_path) as engine:
        reports = engine.services.self_reports
        assert reports is not None
        codes = [reports.submit(f"{n:032x}", [_prints(n)]) for n in range(2)]
    run = CliRunner().invoke
    listed = [json.loads(line) for line in run(app, ["self-reports", "list", "--json"]).output.splitlines()]
    assert [r["state"] for r in listed] == ["received", "received"]
    assert run(app, ["self-reports", "look", listed[0]["id"]]).exit_code == 0
    assert run(app, ["self-reports", "finish", listed[0]["id"]]).exit_code == 2  # keep or take out must be said
    assert "taken out" in run(app, ["self-reports", "finish", listed[0]["id"], "--take-out"]).output
    assert "stay until" in run(app, ["self-reports", "finish", listed[1]["id"], "--keep"]).output
    assert "REPORT" in run(app, ["self-reports", "list"]).output
    with nightlight.open(tmp_path) as engine:
        reports = engine.services.self_reports
        assert reports is not None
        assert [reports.state(code) for code in codes] == [SelfReportState.FINISHED] * 2
        assert len(engine.services.banks.items(BANK)) == 1


def _prints(seed: int) -> Any:
    from nightlight.core.fingerprint import Fingerprint, FingerprintKind

    return (Fingerprint(FingerprintKind.SHA256, f"{seed:064x}"),)


def test_the_sweep_takes_what_is_due(tmp_path: Path, clock: FixedClock) -> None:
    settings = Settings(self_reports=SelfReports(waiting_days=2, an_hour=1))
    with real_service(tmp_path / "home", clock=clock, settings=settings) as (graph, _):
        graph.self_reports.submit("0" * 32, [_prints(1)])
        with pytest.raises(NightlightError):
            graph.self_reports.submit("1" * 32, [_prints(2)])
        assert graph.self_reports.waiting()[0].expires_at == NOW + timedelta(days=2)
        clock.advance(timedelta(days=2))
        assert graph.self_reports.expire(clock.now()) == 1
        assert graph.banks.items(BANK) == []


def test_retention_by_the_command_line_takes_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path))
    (tmp_path / "nightlight.toml").write_text("[self_reports]\nwaiting_days = 1e-9\n")
    with nightlight.open(tmp_path) as engine:
        assert engine.services.self_reports is not None
        engine.services.self_reports.submit("0" * 32, [_prints(1)])
    assert json.loads(CliRunner().invoke(app, ["retention"]).output)["self_reports"] == 1
    with nightlight.open(tmp_path) as engine:
        assert engine.services.banks.items(BANK) == []


def test_the_service_sweeps_by_itself(tmp_path: Path, clock: FixedClock) -> None:
    with bootstrap(tmp_path / "home", clock=clock, settings=Settings(self_reports=SelfReports(waiting_days=1))) as graph:
        graph.self_reports.submit("0" * 32, [_prints(1)])
        clock.advance(timedelta(days=1))
        graph.start(background=True)
        for _ in range(500):
            if not graph.banks.items(BANK):
                return
            time.sleep(0.02)
        raise AssertionError("nothing was swept")


def test_what_an_operator_sets_reaches_the_page(tmp_path: Path) -> None:
    (tmp_path / "nightlight.toml").write_text(
        '[[helplines]]\nname = "Line"\ncontact = "116 111"\n[self_reports]\npage = "closing"\nservice = "Sky Meadow"\n'
        'leave_to = "https://play.example/"\naddress_header = "X-Real-IP"\nan_hour_each = 2\n'
    )
    family = web_config(load(tmp_path, {})).family
    assert (family.page, family.service, family.leave_to) == ("closing", "Sky Meadow", "https://play.example/")
    assert (family.address_header, family.reports_an_hour, family.helplines[0].contact) == ("X-Real-IP", 2, "116 111")


@pytest.mark.parametrize(
    "text",
    ['page = "maybe"', 'leave_to = "javascript:alert(1)"', "an_hour = 0", 'address_header = "a b"', 'service = ""', "waiting_dayz = 3"],
)
def test_settings_that_make_no_sense_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "nightlight.toml").write_text(f"[self_reports]\n{text}\n")
    with pytest.raises(Invalid) as caught:
        load(tmp_path, {})
    assert caught.value.message.startswith("self_reports") and text.partition(" ")[0] in caught.value.message
