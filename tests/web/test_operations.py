"""Cases, dead letters, health and metrics."""

from __future__ import annotations

from nightlight.core.services import ReadyCheck
from tests.web.client import problem, service


def test_cases_are_listed_up_to_a_limit() -> None:
    _, client = service()
    assert [case["id"] for case in client.get("/v1/cases").json()["cases"]] == ["case_0", "case_1", "case_2"]
    assert len(client.get("/v1/cases?limit=2").json()["cases"]) == 2
    problem(client.get("/v1/cases?limit=100000"), 400, "invalid")


def test_dead_letters_are_listed_and_sent_again() -> None:
    fakes, client = service()
    (letter,) = client.get("/v1/dead-letters").json()["dead_letters"]
    assert (letter["key"], letter["attempts"]) == ("k1", 8)
    results = client.post("/v1/dead-letters:replay", json={"keys": ["k1", "none"]}).json()["results"]
    assert results[0] == {"key": "k1", "replayed": True}
    assert (results[1]["status"], results[1]["code"]) == (404, "not_found")
    assert fakes.outbox.replayed == [("k1", "key_all")]
    problem(client.post("/v1/dead-letters:replay", json={"keys": []}), 400, "invalid")


def test_health_says_only_that_the_process_answers() -> None:
    fakes, client = service()
    client.key, client.address = None, "203.0.113.9"
    fakes.status.checks = []
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_although_a_check_that_does_not_block_fails() -> None:
    _, client = service()
    client.key = None
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert answer.json()["checks"][1] == {"name": "gate", "ok": False, "blocking": False, "detail": "2 cells"}


def test_not_ready_names_the_checks_that_fail_and_details_them_on_this_machine_only() -> None:
    fakes, client = service()
    fakes.status.checks.append(ReadyCheck(name="engine", ok=False, detail="stopped at 12:00"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert {"name": "engine", "ok": False, "blocking": True, "detail": "stopped at 12:00"} in answer.json()["checks"]
    client.address = "203.0.113.9"
    assert client.get("/readyz").status_code == 503
    assert "stopped at" not in client.get("/readyz").text


def test_metrics_are_prometheus_text() -> None:
    _, client = service()
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "nightlight_events_total 12\n" in answer.text
