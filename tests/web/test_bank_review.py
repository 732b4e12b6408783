"""What people say of banked items, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from nightlight.core.services import Scope
from tests.web.client import END, Client, part, problem, service
from tests.web.fakes import Fakes

SHA = {"kind": "sha256", "value": "ab" * 32}
ITEM = "/v1/banks/known/items/item_000000"


@pytest.fixture
def banked() -> tuple[Fakes, Client]:
    fakes, client = service(None, Scope.BANKS_READ, Scope.BANKS_WRITE)
    client.post("/v1/banks", json={"name": "known"})
    client.post("/v1/banks/known/items", json={"fingerprints": [SHA]})
    return fakes, client


def other(fakes: Fakes, client: Client, *scopes: Scope) -> Client:
    return Client(client.app, fakes.keys.add("other", *scopes))


def test_a_bank_and_an_item_say_all_that_they_may(banked: tuple[Fakes, Client]) -> None:
    _, client = banked
    told: dict[str, Any] = {
        "name": "list",
        "kind": "partner",
        "action": "hold",
        "kinds": ["pdq", "x-other"],
        "thresholds": {"x-other": 40},
        "share": 0.5,
        "authority": True,
        "expires_after_days": 90,
    }
    made = client.post("/v1/banks", json=told)
    assert made.status_code == 201
    assert told.items() <= made.json().items()
    changed = client.request("PATCH", "/v1/banks/list", json={"expires_after_days": None, "kinds": [], "action": "count"}).json()
    assert (changed["expires_after_days"], changed["kinds"], changed["action"], changed["share"]) == (None, [], "count", 0.5)
    about = {"category": "A1", "generated": True, "provenance": "a hotline", "expires_at": "2027-01-01T00:00:00Z"}
    item = client.post("/v1/banks/list/items", json={"fingerprints": [SHA], **about}).json()
    assert about.items() <= item.items()
    for body, field in (
        ({"kind": "own"}, "kind"),
        ({"kinds": ["pdq", "pdq"]}, "kinds"),
        ({"kinds": ["crc"]}, "kinds[0]"),
        ({"thresholds": {"pdq": 3}}, "thresholds"),
        ({"share": 1.01}, "share"),
        ({"action": "delete"}, "action"),
        ({"expires_after_days": 0}, "expires_after_days"),
    ):
        assert problem(client.request("PATCH", "/v1/banks/list", json=body), 400, "invalid").get("field", field).startswith(field), body


def test_approval_takes_another_key_and_a_leads_scope_to_override(banked: tuple[Fakes, Client]) -> None:
    fakes, client = banked
    problem(client.post(f"{ITEM}/approve", json={}), 403, "denied")
    second = other(fakes, client, Scope.BANKS_WRITE)
    problem(second.post(f"{ITEM}/approve", json={"lead": True}), 403, "denied")
    assert second.post(f"{ITEM}/approve", json={}).json()["approved_by"] == "key_other"
    lead = other(fakes, client, Scope.BANKS_LEAD)
    assert lead.post(f"{ITEM}/approve", json={"lead": True}).json()["overrides_authority"] is True
    problem(other(fakes, client, Scope.BANKS_READ).post(f"{ITEM}/approve", json={}), 403, "denied")
    problem(client.post("/v1/banks/known/items/none/approve", json={}), 404, "not_found")


def test_only_a_leads_key_says_that_a_list_is_no_authoritys(banked: tuple[Fakes, Client]) -> None:
    fakes, client = banked
    client.post("/v1/banks", json={"name": "list", "kind": "partner", "authority": True})
    problem(client.request("PATCH", "/v1/banks/list", json={"authority": False}), 403, "denied")
    problem(other(fakes, client, Scope.BANKS_LEAD).request("PATCH", "/v1/banks/list", json={"authority": False}), 403, "denied")
    both = other(fakes, client, Scope.BANKS_LEAD, Scope.BANKS_WRITE)
    assert both.request("PATCH", "/v1/banks/list", json={"authority": False}).json()["authority"] is False


def test_verdicts_are_given_and_shown(banked: tuple[Fakes, Client]) -> None:
    fakes, client = banked
    given = client.post(f"{ITEM}/verdict", json={"confirm": True, "note": "as listed"})
    assert (given.status_code, given.json()["derived"], given.json()["verdict"]["by"]) == (200, None, "key_all")
    assert fakes.banks.hashed == []
    other(fakes, client, Scope.BANKS_WRITE).post(f"{ITEM}/verdict", json={"confirm": False})
    state = client.get(ITEM).json()
    assert state["standing"] == {"seen": 3, "confirmed": 1, "denied": 1}
    assert [v["note"] for v in state["verdicts"]] == ["as listed", ""]
    for body in ({}, {"confirm": 1}, {"confirm": True, "notes": ""}):
        problem(client.post(f"{ITEM}/verdict", json=body), 400, "invalid")
    problem(client.get("/v1/banks/known/items/none"), 404, "not_found")


def test_a_picture_at_hand_may_come_with_the_verdict(banked: tuple[Fakes, Client]) -> None:
    fakes, client = banked
    yes, no = part("verdict", b'{"confirm": true}'), part("verdict", b'{"confirm": false}')
    judged = client.multipart(f"{ITEM}/verdict", yes + part("file", b"bytes of a picture", filename="p.png") + END)
    assert (judged.json()["derived"]["id"], fakes.banks.hashed) == ("crop_1", [b"bytes of a picture"])
    assert client.multipart(f"{ITEM}/verdict", no + part("file", b"bytes") + END).json()["derived"] is None
    assert len(fakes.banks.hashed) == 1, "nothing is derived of what is denied"
    problem(client.multipart(f"{ITEM}/verdict", yes + END), 400, "invalid")
    problem(client.multipart(f"{ITEM}/verdict", part("file", b"bytes") + END), 400, "invalid")
    assert len(fakes.banks.given) == 2


def test_pause_and_resume(banked: tuple[Fakes, Client]) -> None:
    _, client = banked
    assert client.post(f"{ITEM}/pause", json={}).json()["paused_at"] is not None
    problem(client.post(f"{ITEM}/resume", json={}), 409, "conflict")
    assert client.post(f"{ITEM}/resume", json={"note": "looked at it"}).json()["paused_at"] is None


def test_versions_and_going_back(banked: tuple[Fakes, Client]) -> None:
    fakes, client = banked
    assert [v["version"] for v in client.get("/v1/banks/known/versions").json()["versions"]] == [1]
    assert client.post("/v1/banks/known/rollback", json={"version": 1}).json()["name"] == "known"
    problem(client.post("/v1/banks/known/rollback", json={"version": 9}), 404, "not_found")
    problem(client.post("/v1/banks/known/rollback", json={"version": "1"}), 400, "invalid")
    problem(other(fakes, client, Scope.BANKS_READ).post("/v1/banks/known/rollback", json={"version": 1}), 403, "denied")
