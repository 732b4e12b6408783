"""Banks, items and matching over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from nightlight.core.services import Scope
from nightlight.web import WebConfig
from tests.web.client import END, Client, part, problem, service
from tests.web.fakes import Fakes, message

SHA = {"kind": "sha256", "value": "ab" * 32}
PDQ = {"kind": "pdq", "value": "0f" * 32, "quality": 90}


@pytest.fixture
def banked() -> tuple[Fakes, Client]:
    fakes, client = service(None, Scope.BANKS_READ, Scope.BANKS_WRITE)
    assert client.post("/v1/banks", json={"name": "known"}).status_code == 201
    return fakes, client


def test_a_bank_is_made_listed_and_changed(banked: tuple[Fakes, Client]) -> None:
    fakes, client = banked
    assert fakes.banks.by == ["key_all"]
    listed = client.get("/v1/banks").json()["banks"]
    assert [(bank["name"], bank["threshold"], bank["enabled"]) for bank in listed] == [("known", 31, True)]
    assert client.request("PATCH", "/v1/banks/known", json={"enabled": False, "note": "paused"}).json()["enabled"] is False
    assert client.request("PATCH", "/v1/banks/known", json={"threshold": 20}).json()["threshold"] == 20
    bank = fakes.banks.all["known"]
    assert (bank.threshold, bank.enabled, bank.note) == (20, False, "paused")


def test_what_a_bank_may_not_be(banked: tuple[Fakes, Client]) -> None:
    _, client = banked
    problem(client.post("/v1/banks", json={"name": "known"}), 409, "conflict")
    for body, field in (
        ({"name": "../x"}, "name"),
        ({"name": "Upper"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "x", "threshold": 32}, "threshold"),
        ({"name": "x", "kind": "no such kind"}, "kind"),
        ({"name": "x", "treshold": 3}, "treshold"),
        ({"threshold": 3}, "name"),
        ({"name": "x", "note": 5}, "note"),
    ):
        refused = problem(client.post("/v1/banks", json=body), 400, "invalid")
        assert refused["field"] == field
        assert "no such kind" not in str(refused)
    problem(client.request("PATCH", "/v1/banks/other", json={"enabled": True}), 404, "not_found")
    for odd in ("%00", "%ff", "x" * 201):
        problem(client.request("PATCH", f"/v1/banks/{odd}", json={"enabled": True}), 404, "not_found")
    for nothing in ({"enabled": None}, {"threshold": None}, {"note": None}):
        problem(client.request("PATCH", "/v1/banks/known", json=nothing), 400, "invalid")


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"name": "x", "treshold": 3}, "treshold", "this field is not in the schema; did you mean `threshold`?"),
        ({"threshold": 3}, "name", "this field is required"),
        ({"name": "x", "kind": "owned"}, "kind", "must be one of: own, partner, negative, quarantine"),
        ({"name": "Upper"}, "name", "must match the pattern ^[a-z0-9][a-z0-9_.-]{0,63}$"),
        ({"name": "x", "note": 5}, "note", "expected `str`, got `int`"),
        ({"name": "x", "WORDS of somebody": 1}, None, "holds a field that is not in the schema"),
    ],
)
def test_a_slip_is_told_in_the_words_that_events_get(
    body: dict[str, Any], field: str | None, said: str, banked: tuple[Fakes, Client]
) -> None:
    refused = problem(banked[1].post("/v1/banks", json=body), 400, "invalid")
    assert (refused.get("field"), refused["detail"]) == (field, said)


def test_an_event_is_told_the_same() -> None:
    _, client = service()
    for changed, said in (
        ({"relaton": "x"}, "this field is not in the schema; did you mean `relation`?"),
        ({"relation": "x"}, "must be one of: "),
        ({"actor": {"account": "kim", "place": "gb"}}, "must match the pattern ^[A-Z]{2}"),
        ({"actor": {}}, "this field is required"),
    ):
        assert said in problem(client.post("/v1/events", json=message(**changed)), 400, "invalid")["detail"]


def test_items_come_and_go(banked: tuple[Fakes, Client]) -> None:
    _, client = banked
    made = client.post("/v1/banks/known/items", json={"fingerprints": [SHA, PDQ], "labels": ["a"], "source": "s1"})
    assert made.status_code == 201
    item = made.json()
    assert (len(item["fingerprints"]), item["labels"], item["source"]) == (2, ["a"], "s1")
    off = client.request("PATCH", f"/v1/banks/known/items/{item['id']}", json={"enabled": False})
    assert off.json()["enabled"] is False
    assert client.post("/v1/fingerprints:match", json={"fingerprints": [PDQ]}).json()["matches"][0]["item"] == item["id"]
    assert client.post("/v1/fingerprints:match", json={"fingerprints": [{"kind": "md5", "value": "ab" * 16}]}).json() == {"matches": []}
    gone = client.request("DELETE", f"/v1/banks/known/items/{item['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    problem(client.request("DELETE", f"/v1/banks/known/items/{item['id']}"), 404, "not_found")
    assert client.get("/v1/banks/known/items").json() == {"items": [], "next": None}


def test_items_are_listed_page_by_page(banked: tuple[Fakes, Client]) -> None:
    _, client = banked
    for _ in range(5):
        client.post("/v1/banks/known/items", json={"fingerprints": [SHA]})
    seen, after = [], ""
    for _ in range(3):
        page = client.get(f"/v1/banks/known/items?limit=2{after}").json()
        seen += [item["id"] for item in page["items"]]
        after = f"&after={page['next']}"
    assert len(set(seen)) == 5
    assert page["next"] is None
    for query in (
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=-1",
        "limit=",
        "limit=\u0663",
        "limit=1&limit=2",
        "after=",
        "after=%00",
        "x=1",
        "limit=%ff",
    ):
        problem(client.get(f"/v1/banks/known/items?{query}"), 400, "invalid")
    problem(client.get("/v1/banks/other/items"), 404, "not_found")


@pytest.mark.parametrize(("path", "most"), [("/v1/banks/known/items", 1024), ("/v1/fingerprints:match", 512)])
def test_a_fingerprint_has_the_length_of_its_kind(path: str, most: int, banked: tuple[Fakes, Client]) -> None:
    _, client = banked
    for found, field in (
        ({"kind": "sha256", "value": "ab" * 16}, "fingerprints[1].value"),
        ({"kind": "md5", "value": "ab" * 32}, "fingerprints[1].value"),
        ({"kind": "sha256", "value": "ab" * 31 + "a\n"}, "fingerprints[1].value"),
        ({"kind": "sha256", "value": "AB" * 32}, "fingerprints[1].value"),
        ({"kind": "crc", "value": "ab" * 32}, "fingerprints[1].kind"),
        ({"kind": "x-other", "value": "AB" * 32}, "fingerprints[1].value"),
    ):
        assert problem(client.post(path, json={"fingerprints": [SHA, found]}), 400, "invalid")["field"] == field
    problem(client.post(path, json={"fingerprints": []}), 400, "invalid")
    assert problem(client.post(path, json={"fingerprints": [SHA] * (most + 1)}), 413, "too_large")["field"] == "fingerprints"


def test_a_picture_is_banked_by_its_bytes(banked: tuple[Fakes, Client]) -> None:
    fakes, client = banked
    told = part("item", b'{"labels": ["a"], "source": "s"}')
    made = client.multipart("/v1/banks/known/items:upload", told + part("file", b"bytes of a picture", filename="p.png") + END)
    assert made.status_code == 201
    assert (made.json()["labels"], made.json()["source"], fakes.banks.hashed) == (["a"], "s", [b"bytes of a picture"])
    assert client.multipart("/v1/banks/known/items:upload", part("file", b"x") + END).json()["labels"] == []
    problem(client.multipart("/v1/banks/known/items:upload", told + END), 400, "invalid")
    problem(client.multipart("/v1/banks/known/items:upload", part("item", b'{"label": []}') + part("file", b"x") + END), 400, "invalid")
    problem(
        client.multipart("/v1/banks/known/items:upload", part("item", b'{"labels":' + b"[" * 90_000) + part("file", b"x") + END),
        400,
        "invalid",
    )
    problem(client.multipart("/v1/banks/other/items:upload", part("file", b"x") + END), 404, "not_found")


def test_a_picture_too_large_to_bank_is_413() -> None:
    _, client = service(WebConfig(max_media=10))
    problem(client.multipart("/v1/banks/known/items:upload", part("file", bytes(11)) + END), 413, "too_large")


def test_readers_cannot_write_and_writers_cannot_read() -> None:
    _, client = service(None, Scope.BANKS_READ)
    problem(client.post("/v1/banks", json={"name": "x"}), 403, "denied")
    _, client = service(None, Scope.BANKS_WRITE)
    problem(client.get("/v1/banks"), 403, "denied")
    problem(client.post("/v1/fingerprints:match", json={"fingerprints": [SHA]}), 403, "denied")
