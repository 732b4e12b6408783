"""Exchanges over HTTP."""

from __future__ import annotations

import pytest

from nightlight.core.exchange import Exchange, ExchangeKind
from nightlight.core.services import Scope
from tests.web.client import problem, service

NEW = {
    "name": "ncmec",
    "kind": "ncmec",
    "bank": "ncmec",
    "options": {"environment": "test-industry"},
    "credentials": {"username": "SECRET1", "password": "SECRET2"},
}


def test_an_exchange_is_added_shown_changed_run_and_removed() -> None:
    fakes, client = service(None, Scope.ADMIN)
    made = client.post("/v1/exchanges", json=NEW)
    assert made.status_code == 201
    assert made.json()["credentials"] == ["password", "username"]
    assert fakes.exchanges.credentials["ncmec"] == NEW["credentials"]
    changed = client.request(
        "PATCH", "/v1/exchanges/ncmec", json={"enabled": False, "credentials": {"username": "SECRET3", "password": "x"}}
    )
    assert changed.json()["enabled"] is False
    started = client.post("/v1/exchanges/ncmec:run")
    assert (started.status_code, started.json()["running"]) == (202, True)
    problem(client.post("/v1/exchanges/ncmec:run"), 409, "conflict")
    listed = client.get("/v1/exchanges")
    assert [s["exchange"]["name"] for s in listed.json()["exchanges"]] == ["ncmec"]
    for answer in (made, changed, started, listed):
        assert "SECRET" not in answer.text
    assert client.request("DELETE", "/v1/exchanges/ncmec").status_code == 204
    problem(client.request("DELETE", "/v1/exchanges/ncmec"), 404, "not_found")
    assert set(fakes.exchanges.by) == {"key_all"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**NEW, "kind": "file", "options": {"path": "/etc/passwd"}}, "kind"),
        ({**NEW, "name": "a:run"}, "name"),
        ({**NEW, "name": "../x"}, "name"),
        ({**NEW, "interval_minutes": 0}, "interval_minutes"),
        ({**NEW, "credentials": {"username": 5}}, None),
        ({**NEW, "credential": {}}, "credential"),
        ({**NEW, "url": 5}, "url"),
        ({"name": "x"}, "kind"),
    ],
)
def test_what_an_exchange_may_not_be(body: dict[str, object], field: str | None) -> None:
    _, client = service(None, Scope.ADMIN)
    refused = problem(client.post("/v1/exchanges", json=body), 400, "invalid")
    if field is not None:
        assert refused["field"] == field
    assert "SECRET" not in str(refused)


def test_which_files_are_read_is_not_for_the_api_to_say() -> None:
    fakes, client = service(None, Scope.ADMIN)
    fakes.exchanges.create(Exchange(name="f", kind=ExchangeKind.FILE, bank="f", options={"path": "/lists"}), "cli")
    refused = problem(client.request("PATCH", "/v1/exchanges/f", json={"options": {"path": "/etc"}}), 400, "invalid")
    assert refused["field"] == "options"
    assert client.request("PATCH", "/v1/exchanges/f", json={"enabled": False}).status_code == 200


def test_only_the_verb_runs() -> None:
    _, client = service(None, Scope.ADMIN)
    client.post("/v1/exchanges", json=NEW)
    for path in (
        "/v1/exchanges/ncmec",
        "/v1/exchanges/ncmec:stop",
        "/v1/exchanges/:run",
        "/v1/exchanges/other:run",
        "/v1/exchanges/%00:run",
    ):
        problem(client.post(path), 404, "not_found")
