"""Sending events and asking for decisions."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.decision import Instruction
from nightlight.core.errors import Busy, Invalid
from nightlight.core.event import Message
from nightlight.core.services import Answer, Scope
from nightlight.web import WebConfig
from tests.web.client import problem, service
from tests.web.fakes import REASON, message

SENDER = {"account": "kim", "codes": ["accept"]}
RECIPIENT = {"account": "lee", "codes": ["deliver"], "messages": ["check_in"]}


def test_an_event_is_answered_with_instructions_for_each_party() -> None:
    _, client = service(None, Scope.EVENTS_WRITE)
    answer = client.post("/v1/events", json=message())
    assert answer.status_code == 200
    assert answer.json() == {"event_id": "e1", "for_sender": SENDER, "for_recipients": [RECIPIENT]}


def test_reasons_are_only_for_keys_with_safety_read() -> None:
    _, client = service(None, Scope.EVENTS_WRITE)
    assert REASON not in client.post("/v1/events", json=message()).text
    assert REASON not in client.post("/v1/events:batch", json={"events": [message()]}).text
    assert REASON not in client.get("/v1/decisions/e1").text
    _, client = service(None, Scope.EVENTS_WRITE, Scope.SAFETY_READ)
    for answer in (
        client.post("/v1/events", json=message()).json(),
        client.post("/v1/events:batch", json={"events": [message()]}).json()["results"][0],
        client.get("/v1/decisions/e1").json(),
    ):
        assert answer["decision"]["reasons"] == [REASON]
        assert answer["decision"]["level"] == "elevated"
        assert [action["action"] for action in answer["decision"]["actions"]] == ["allow", "nudge"]


def test_the_same_id_with_another_body_is_refused() -> None:
    _, client = service()
    first = client.post("/v1/events", json=message())
    assert client.post("/v1/events", json=message()).json() == first.json()
    assert problem(client.post("/v1/events", json=message(text="another")), 409, "conflict")["field"] == "id"


def test_the_field_of_an_error_is_named() -> None:
    fakes, client = service()
    fakes.events.fault = Invalid("not a band", field="targets[0].age_band")
    body = problem(client.post("/v1/events", json=message()), 400, "invalid")
    assert (body["field"], body["detail"]) == ("targets[0].age_band", "not a band")


def test_a_full_queue_is_503_and_says_when_to_come_back() -> None:
    fakes, client = service()
    fakes.events.fault = Busy("the queue is full; nothing was accepted")
    for answer in (client.post("/v1/events", json=message()), client.post("/v1/events:batch", json={"events": [message()]})):
        problem(answer, 503, "busy")
        assert answer.headers["retry-after"] == "1"


def test_an_answer_that_does_not_come_in_time_is_503_and_nothing_is_cancelled() -> None:
    fakes, client = service(WebConfig(commit_deadline_s=0.05))
    fakes.events.stall = True
    for answer in (client.post("/v1/events", json=message()), client.post("/v1/events:batch", json={"events": [message("e2")]})):
        assert "same id" in problem(answer, 503, "busy")["detail"]
    assert [future.cancelled() for future in fakes.events.waiting] == [False, False]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events:batch"])
def test_an_unplanned_failure_says_nothing_and_logs_no_content(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    fakes, client = service()
    fakes.events.late_fault = RuntimeError("good game, again tomorrow?")
    sent = message() if path == "/v1/events" else {"events": [message()]}
    answer = client.post(path, json=sent)
    assert problem(answer, 500, "internal").keys() == {"type", "title", "status", "code"}
    logged = "".join(capsys.readouterr())
    assert "RuntimeError" in logged
    assert "good game" not in logged
    assert "nl_all" not in logged


def test_a_future_that_was_cancelled_is_a_service_that_stops() -> None:
    fakes, client = service()
    cancelled: Future[Answer] = Future()
    cancelled.cancel()
    fakes.events.submit = lambda event: cancelled  # type: ignore[method-assign]
    problem(client.post("/v1/events", json=message()), 503, "busy")


def test_a_batch_is_answered_by_position_and_one_bad_event_stops_no_other() -> None:
    fakes, client = service(None, Scope.EVENTS_WRITE)
    events: list[Any] = [message(f"e{number}") for number in range(100)]
    events[42] = {"kind": "no such kind", "text": "good game"}
    events[43] = message("e0", text="the id of another")
    answer = client.post("/v1/events:batch", json={"events": events})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert len(results) == 100
    for number, result in enumerate(results):
        if number == 42:
            assert (result["status"], result["code"], result["field"]) == (400, "invalid", "kind")
        elif number == 43:
            assert (result["status"], result["code"]) == (409, "conflict")
        else:
            assert result == {"event_id": f"e{number}", "for_sender": SENDER, "for_recipients": [RECIPIENT]}
    assert len(fakes.events.answers) == 98
    assert "good game" not in answer.text


def test_a_batch_of_only_bad_events_asks_the_engine_nothing() -> None:
    fakes, client = service()
    fakes.events.fault = AssertionError("nothing was to be submitted")
    answer = client.post("/v1/events:batch", json={"events": [1, 2]})
    assert [result["status"] for result in answer.json()["results"]] == [400, 400]


def test_a_batch_of_too_many_events_is_413_and_none_is_processed() -> None:
    fakes, client = service(WebConfig(max_batch=3))
    sent = {"events": [message(f"e{number}") for number in range(4)]}
    assert problem(client.post("/v1/events:batch", json=sent), 413, "too_large")["field"] == "events"
    assert fakes.events.answers == {}


def test_a_bad_envelope_is_400() -> None:
    _, client = service()
    for body in (b"[]", b"{}", b'{"events": 3}', b'{"events": [], "event": 1}', b""):
        problem(client.send("/v1/events:batch", body), 400, "invalid")


ODD_IDS = [
    "a/b",
    "a//b",
    "/a",
    "a/",
    "//a//",
    "a b",
    "a%2Fb",
    "a?b=c",
    "a#b",
    "a+b",
    "a&b",
    "\u00e9\u4e2d\U0001f319",
    "..a",
    "a;b",
    ":batch",
    "\\",
]


@pytest.mark.parametrize("event_id", ODD_IDS)
def test_any_id_can_be_asked_for(event_id: str) -> None:
    _, client = service()
    assert client.post("/v1/events", json=message(event_id)).json()["event_id"] == event_id
    answer = client.get(f"/v1/decisions/{quote(event_id, safe='')}")
    assert (answer.status_code, answer.json()["event_id"]) == (200, event_id)


SERVICE = service()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200).filter(
        lambda s: s.strip("/") not in ("", ".", "..")
    )
)
def test_any_id_comes_back_as_it_was(event_id: str) -> None:
    fakes, client = SERVICE
    event = msgspec.convert(message(event_id), Message)
    fakes.events.answers[event_id] = Answer(
        event_id=event_id, for_sender=Instruction(account="kim"), for_recipients=(), decision=fakes.events.submit(event).result().decision
    )
    assert client.get(f"/v1/decisions/{quote(event_id, safe='')}").json()["event_id"] == event_id


def test_an_unknown_or_unusable_id() -> None:
    _, client = service()
    problem(client.get("/v1/decisions/never-sent"), 404, "not_found")
    problem(client.get("/v1/decisions/%ff"), 400, "invalid")
    problem(client.get("/v1/decisions/a%00b"), 400, "invalid")
    problem(client.get("/v1/decisions/" + "x" * 201), 400, "invalid")
    assert client.get("/v1/decisions/").status_code in (400, 404)


def test_a_misspelt_query_is_an_error_that_names_it() -> None:
    _, client = service()
    assert problem(client.post("/v1/events?dry_run=1", json=message()), 400, "invalid")["field"] == "dry_run"
    assert problem(client.get("/v1/decisions/e1?x"), 400, "invalid")["field"] == "x"
    assert problem(client.post("/v1/media:screen?notfy=ops", json=message()), 400, "invalid")["field"] == "notfy"
    refused = problem(client.get("/v1/decisions/e1?WORDS%20of%20somebody=1"), 400, "invalid")
    assert "field" not in refused
    assert "WORDS" not in str(refused)
