"""What bad input gets: a clear 4xx, quickly, whatever it is."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.web import WebConfig
from tests.web.client import BASE, Client, problem, service
from tests.web.fakes import message

JSON_DOORS = [
    ("POST", "/v1/events"),
    ("POST", "/v1/events:batch"),
    ("POST", "/v1/media:screen"),
    ("POST", "/v1/banks"),
    ("PATCH", "/v1/banks/known"),
    ("POST", "/v1/banks/known/items"),
    ("PATCH", "/v1/banks/known/items/i"),
    ("POST", "/v1/fingerprints:match"),
    ("POST", "/v1/dead-letters:replay"),
]
SMALL = WebConfig(max_body=3000, max_batch_body=6000)


@pytest.fixture(scope="module")
def client() -> Client:
    return service(SMALL)[1]


BAD_JSON = {
    "empty": b"",
    "not JSON": b"hello",
    "cut short": b'{"id": "e1", "text": "good ga',
    "an array": b"[]",
    "null": b"null",
    "a number": b"7",
    "no field": b"{}",
    "an unknown field": b'{"no_such_field": 1}',
    "a NUL": b'{"id": "\0"}',
    "invalid UTF-8": b'{"id": "\xff\xfe"}',
    "a lone surrogate": b'{"id": "\\ud800"}',
    "a number beyond all": b'{"threshold": 1e999, "id": 1e999}',
    "NaN": b'{"threshold": NaN}',
    "two documents": b"{}{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"id": "e1"}'.encode("utf-16"),
    "thousands of nested arrays": b"[" * 1400 + b"]" * 1400,
    "nested arrays in a field": b'{"x":' + b"[" * 1400 + b"]" * 1400 + b"}",
    "nested objects": b'{"a":' * 400 + b"1" + b"}" * 400,
    "arrays that are never closed": b"[" * 2900,
}


@pytest.mark.parametrize(("method", "path"), JSON_DOORS, ids=[path for _, path in JSON_DOORS])
@pytest.mark.parametrize("name", BAD_JSON)
def test_malformed_json_is_400(method: str, path: str, name: str, client: Client) -> None:
    answer = client.send(path, BAD_JSON[name], method=method)
    if (name, path) == ("no field", "/v1/banks/known"):
        problem(answer, 404, "not_found")  # to change nothing is no error, but there is no such bank
    else:
        problem(answer, 400, "invalid")


def test_ten_thousand_nested_arrays_are_400() -> None:
    _, client = service()
    for body in (b"[" * 10_000 + b"]" * 10_000, b'{"events":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"a":' * 100_000):
        problem(client.send("/v1/events", body), 400, "invalid")
        problem(client.send("/v1/events:batch", body), 400, "invalid")


@pytest.mark.parametrize(("method", "path"), JSON_DOORS, ids=[path for _, path in JSON_DOORS])
def test_a_body_too_large_is_413(method: str, path: str, client: Client) -> None:
    most = SMALL.max_batch_body if path.endswith(":batch") else SMALL.max_body
    problem(client.send(path, b" " * (most + 1), method=method), 413, "too_large")
    problem(client.send(path, b" " * most, method=method), 400, "invalid")


@pytest.mark.parametrize(("method", "path"), JSON_DOORS, ids=[path for _, path in JSON_DOORS])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_anything_but_plain_json_is_415(method: str, path: str, headers: dict[str, str], client: Client) -> None:
    problem(client.request(method, path, content=b"{}", headers=headers), 415, "unsupported_media_type")


def test_json_may_name_its_charset(client: Client) -> None:
    body = msgspec.json.encode(message())
    for kind in ("application/json; charset=utf-8", "application/json;charset=UTF-8", 'Application/JSON; charset="utf-8"'):
        assert client.send("/v1/events", body, kind).status_code == 200


@pytest.mark.parametrize(("method", "path"), JSON_DOORS, ids=[path for _, path in JSON_DOORS])
def test_a_wrong_method_is_405_and_says_which_are_right(method: str, path: str, client: Client) -> None:
    answer = client.request("PUT", path, content=b"{}")
    problem(answer, 405, "method_not_allowed")
    assert method in answer.headers["allow"]


def test_an_unknown_path_is_404_and_is_not_repeated(client: Client) -> None:
    for path in ("/v1/nothing-here", "/nothing-here", "/v1/events:nothing-here", "/static/nothing-here", "/v1"):
        assert "nothing-here" not in str(problem(client.get(path), 404, "not_found"))


def test_every_answer_carries_the_safe_headers(client: Client) -> None:
    answers = [client.get("/v1/banks"), client.get("/nowhere"), client.get("/"), client.get("/healthz"), client.send("/v1/events", b"")]
    client = Client(client.app)
    answers.append(client.get("/v1/banks"))
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_a_client_that_goes_away_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    fakes, client = service()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"authorization", b"Bearer nl_all"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[dict[str, Any]] = []
    messages = iter([{"type": "http.request", "body": b'{"id"', "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
    assert fakes.events.answers == {}
    assert "unhandled" not in "".join(capsys.readouterr())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=300), st.sampled_from(JSON_DOORS))
def test_no_bytes_break_the_service(body: bytes, door: tuple[str, str]) -> None:
    assert FUZZED.send(door[1], body, method=door[0]).status_code < 500


# Values the size of our own bodies, with the right names in them more often than chance would have it.
NAMES = [
    "id",
    "kind",
    "at",
    "actor",
    "account",
    "text",
    "events",
    "fingerprints",
    "value",
    "name",
    "threshold",
    "enabled",
    "keys",
    "labels",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["message", "media", "sha256", "a" * 64])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(VALUES, st.sampled_from(JSON_DOORS))
def test_no_json_breaks_the_service(value: Any, door: tuple[str, str]) -> None:
    try:
        body = msgspec.json.encode(value)
    except (ValueError, OverflowError):
        return  # lone surrogates and integers beyond 64 bits cannot be sent by this encoder
    assert FUZZED.send(door[1], body, method=door[0]).status_code < 500


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.sampled_from(["banks/{}", "banks/{}/items", "banks/known/items/{}", "decisions/{}", "jobs/{}", "{}"]),
)
def test_no_path_or_query_breaks_the_service(name: str, query: str, shape: str) -> None:
    try:
        path = httpx.URL(f"{BASE}/v1/{shape.format(name)}?{query}")
    except (httpx.InvalidURL, UnicodeEncodeError):
        return
    for method in ("GET", "DELETE", "PATCH"):
        assert FUZZED.request(method, str(path)).status_code < 500


FUZZED = service(SMALL)[1]
