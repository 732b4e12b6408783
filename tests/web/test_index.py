"""The index's address, and look-ups for many files at once."""

from __future__ import annotations

from nightlight.core.errors import Busy
from nightlight.core.fingerprint import MAX_FINGERPRINTS
from nightlight.core.services import Scope
from nightlight.web import WebConfig
from nightlight.web.api.wire import MAX_QUERIES
from tests.web.client import problem, service

SHA = {"kind": "sha256", "value": "ab" * 32}
OTHER = {"kind": "md5", "value": "cd" * 16}
PDQ = {"kind": "pdq", "value": "0f" * 32, "quality": 90, "variant": "mirrored", "seconds": 1.5}
MATCH = "/v1/fingerprints:match"


def test_its_status_is_for_who_may_read_banks() -> None:
    _, client = service(None, Scope.BANKS_READ)
    status = client.get("/v1/index").json()
    assert (status["fingerprints"], status["segments"], status["scanned"], status["trouble"]) == ({"pdq": 12}, [9], 3, None)
    problem(client.get("/v1/index?x=1"), 400, "invalid")
    problem(client.post("/v1/index:merge"), 403, "denied")


def test_merging_is_for_an_admin_and_may_take_its_time() -> None:
    fakes, client = service(WebConfig(answer_deadline_s=0.05), Scope.ADMIN)
    assert client.post("/v1/index:merge").json()["merging"] is False
    assert fakes.index.by == ["key_all"]
    fakes.index.stall = True
    answer = client.post("/v1/index:merge")
    assert (answer.status_code, answer.json()["merging"]) == (202, True)
    fakes.index.fault = Busy("it is being merged")
    problem(client.post("/v1/index:merge"), 503, "busy")
    problem(client.get("/v1/index"), 403, "denied")


def test_look_ups_are_answered_by_position() -> None:
    fakes, client = service()
    client.post("/v1/banks", json={"name": "known"})
    item = client.post("/v1/banks/known/items", json={"fingerprints": [SHA, PDQ]}).json()["id"]
    asked = {"queries": [{"fingerprints": [OTHER]}, {"fingerprints": [SHA]}, {"fingerprints": [OTHER, PDQ]}]}
    results = client.post(MATCH, json=asked).json()["results"]
    assert [[match["item"] for match in one["matches"]] for one in results] == [[], [item], [item]]
    assert fakes.lookups.asked == [3], "one call for all"


def test_a_query_is_one_form_or_the_other_and_bounded() -> None:
    _, client = service()
    for body, field in (
        ({}, "fingerprints"),
        ({"fingerprints": [SHA], "queries": [{"fingerprints": [SHA]}]}, "queries"),
        (
            {"queries": [{"fingerprints": [SHA]}, {"fingerprints": [{"kind": "md5", "value": "ab" * 32}]}]},
            "queries[1].fingerprints[0].value",
        ),
        ({"queries": [{"fingerprints": [SHA]}, {"fingerprints": []}]}, "queries[1].fingerprints"),
        ({"queries": []}, "queries"),
    ):
        assert problem(client.post(MATCH, json=body), 400, "invalid")["field"] == field
    assert client.post(MATCH, json={"queries": [{"fingerprints": [SHA]}] * MAX_QUERIES}).status_code == 200
    problem(client.post(MATCH, json={"queries": [{"fingerprints": [SHA]}] * (MAX_QUERIES + 1)}), 413, "too_large")
    assert client.post(MATCH, json={"fingerprints": [SHA] * MAX_FINGERPRINTS}).status_code == 200
    problem(client.post(MATCH, json={"fingerprints": [SHA] * (MAX_FINGERPRINTS + 1)}), 413, "too_large")
