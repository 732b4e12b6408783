"""Who may come in: made from the app's own routes, so that a new one is covered the day it is added."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from litestar import Litestar, Router, get
from litestar.datastructures import State
from litestar.routes import HTTPRoute

from nightlight.core.services import Scope
from nightlight.web import WebConfig, create_app
from nightlight.web.guards import SCOPES, api_guard
from nightlight.web.hands import Hands
from nightlight.web.problems import respond
from nightlight.web.route import DOC
from tests.web.client import Client, problem, service
from tests.web.fakes import Fakes


def endpoints() -> Iterator[tuple[str, str, frozenset[Scope]]]:
    """Method, a path with its parameters filled in, and the scopes that open it: every route under /v1."""
    for route in create_app(Fakes().services).routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1"):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    path = route.path_format.replace("{", "").replace("}", "")
                    yield str(method), path, frozenset(handler.opt.get(SCOPES, ()))


ENDPOINTS = sorted(endpoints(), key=lambda found: found[:2])
NAMES = [f"{method} {path}" for method, path, _ in ENDPOINTS]


def test_the_routes_are_found() -> None:
    assert len([name for name in NAMES if not name.startswith("OPTIONS")]) == 56
    assert {"POST /v1/events:batch", "POST /v1/media:screen", "POST /v1/dead-letters:replay"} <= set(NAMES)


@pytest.fixture(scope="module")
def matrix() -> tuple[Fakes, Client]:
    """One app for the whole matrix, with a key for each scope."""
    fakes, client = service()
    for scope in Scope:
        fakes.keys.add(scope.name, scope)
    return fakes, client


@pytest.mark.parametrize(("method", "path", "scopes"), ENDPOINTS, ids=NAMES)
def test_without_a_key_nobody_comes_in(method: str, path: str, scopes: frozenset[Scope], matrix: tuple[Fakes, Client]) -> None:
    fakes, client = matrix
    client.key, fakes.keys.asked = None, 0
    answer = client.request(method, path)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert fakes.keys.asked == 0


@pytest.mark.parametrize(("method", "path", "scopes"), ENDPOINTS, ids=NAMES)
def test_each_other_scope_is_refused_and_each_named_one_is_let_in(
    method: str, path: str, scopes: frozenset[Scope], matrix: tuple[Fakes, Client]
) -> None:
    _, client = matrix
    for scope in Scope:
        client.key = f"nl_{scope.name}"
        answer = client.request(method, path)
        if scope in scopes:
            assert answer.status_code not in (401, 403)
        else:
            problem(answer, 403, "denied")


def test_every_route_but_options_names_scopes() -> None:
    assert [name for name, (method, _, scopes) in zip(NAMES, ENDPOINTS, strict=True) if method != "OPTIONS" and not scopes] == []


def test_admin_is_not_safety_read() -> None:
    _, client = service(None, Scope.ADMIN)
    problem(client.get("/v1/cases"), 403, "denied")


def test_a_route_that_names_no_scope_is_closed_to_every_key() -> None:
    @get("/forgotten")
    async def forgotten() -> str:
        return "in"

    fakes = Fakes()
    key = fakes.keys.add("all", *Scope)
    state = State({"hands": Hands(fakes.services, WebConfig())})
    api = Router("/v1", guards=[api_guard], route_handlers=[forgotten])
    client = Client(Litestar([api], state=state, exception_handlers={Exception: respond}, logging_config=None), key)
    problem(client.get("/v1/forgotten"), 403, "denied")


@pytest.mark.parametrize(
    "header",
    ["nl_all", "Basic nl_all", "Bearer", "Bearer ", "Bearer " + "x" * 257, "Bearer nl_unknown", "Bearer nl_all x", "Bearer \u00e9"],
)
def test_a_header_that_is_not_a_known_key_is_401(header: str) -> None:
    _, client = service()
    client.key = None
    problem(client.get("/v1/banks", headers={"authorization": header.encode("latin-1")}), 401, "unauthenticated")


def test_two_authorization_headers_are_401() -> None:
    fakes, client = service()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/v1/banks",
        "raw_path": b"/v1/banks",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"authorization", b"Bearer nl_all"), (b"authorization", b"Bearer nl_other")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 401
    assert fakes.keys.asked == 0


def test_a_revoked_key_is_refused() -> None:
    fakes, client = service()
    assert client.get("/v1/banks").status_code == 200
    fakes.keys.revoke("key_all", "test")
    problem(client.get("/v1/banks"), 401, "unauthenticated")


def test_a_refusal_names_the_scope_and_never_the_key() -> None:
    _, client = service(None, Scope.BANKS_READ)
    body = problem(client.get("/v1/cases"), 403, "denied")
    assert "safety:read" in body["detail"]
    assert "nl_" not in str(body)


def test_what_needs_no_key_is_known_by_name() -> None:
    open_routes = {route.path for route in create_app(Fakes().services).routes if not route.path.startswith("/v1")}
    young = {"/protect-my-picture", *(f"/protect-my-picture/{rest}" for rest in ("static/{name:str}", "send", "state", "withdraw"))}
    help = {"/components", "/components/{name:str}", "/with-you", "/with-you/static/{name:str}", "/help-now"}
    open_routes = {path for path in open_routes if not path.startswith("/family")}
    assert open_routes == {"/", "/live.json", "/static/{name:str}", "/healthz", "/readyz", "/metrics", "/openapi.json", *young, *help}


def test_every_route_under_v1_is_described() -> None:
    for route in create_app(Fakes().services).routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1"):
            described = {str(m) for h in route.route_handlers if DOC in h.opt for m in h.http_methods}
            assert described == set(route.methods) - {"OPTIONS"}, route.path


def test_a_rate_of_its_own_for_each_key() -> None:
    fakes, client = service()
    client.key = fakes.keys.add("slow", Scope.BANKS_READ, rate=12)  # a burst of two
    for left in (1, 0):
        answer = client.get("/v1/banks")
        assert answer.status_code == 200
        assert answer.headers["ratelimit"].startswith(f'"default";r={left};')
        assert answer.headers["ratelimit-policy"] == '"default";q=12;w=60'
    refused = client.get("/v1/banks")
    body = problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 5
    assert refused.headers["retry-after"] in body["detail"]
    client.key = "nl_all"
    assert client.get("/v1/banks").status_code == 200


def test_requests_that_are_refused_for_their_scope_are_counted_too() -> None:
    fakes, client = service()
    client.key = fakes.keys.add("slow", Scope.BANKS_READ, rate=12)
    assert [client.get("/v1/cases").status_code for _ in range(3)] == [403, 403, 429]


def test_pages_are_limited_by_client_address() -> None:
    _, client = service(WebConfig(page_rate_per_minute=12))
    assert [client.get("/healthz").status_code for _ in range(3)] == [200, 200, 429]
    client.address = "127.0.0.2"
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/live.json", "/", "/metrics"])
def test_counts_are_for_this_machine_only(path: str) -> None:
    _, client = service()
    assert client.get(path).status_code == 200
    for name in ("127.0.0.1:8420", "localhost", "[::1]:8420"):
        assert client.get(path, headers={"host": name}).status_code == 200
    # Another machine; a proxy on this one; a web page that pointed its own name here.
    for address, headers in (
        ("203.0.113.9", {}),
        ("::ffff:203.0.113.9", {}),
        ("not an address", {}),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}),
        ("127.0.0.1", {"forwarded": "for=203.0.113.9"}),
        ("127.0.0.1", {"host": "rebound.example"}),
    ):
        client.address = address
        problem(client.get(path, headers=headers), 403, "denied")
    for address in ("::1", "127.8.8.8", "::ffff:127.0.0.1"):
        client.address = address
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/live.json", "/", "/metrics"])
def test_the_operator_may_open_or_close_the_counts(path: str) -> None:
    _, client = service(WebConfig(live_page_anywhere=True))
    client.address = "203.0.113.9"
    assert client.get(path).status_code == 200
    _, client = service(WebConfig(live_page=False))
    problem(client.get(path), 404, "not_found")
