"""The console's doors: made from the app's own routes, so that a new one without a rule is found the day it is added."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.staff import Role
from nightlight.web import WebConfig, create_app
from nightlight.web.console.access import ANYONE, ROLES
from nightlight.web.guards import SCOPES
from nightlight.web.route import DOC
from tests.web.console import COOKIE, PASSWORD, ConsoleClient, Member
from tests.web.fakes import Fakes

OPEN = {
    "GET /console/static/{name:path}",
    "GET /console/sign-in",
    "POST /console/sign-in",
    "GET /console/enrol",
    "POST /console/enrol",
    "POST /console/language",
    "GET /console/sign-in/provider",
    "GET /console/sign-in/provider/back",
}
"""What those may reach who are not signed in."""


def _app() -> Litestar:
    import msgspec

    return create_app(msgspec.structs.replace(Fakes().services, reviewers=Nobody()))  # type: ignore[arg-type]  # routes only


class Nobody:
    def session(self, secret: str) -> None:
        return None


def doors() -> Iterator[tuple[str, str, object]]:
    """Method, path, rule: of every route of the console but what answers OPTIONS."""
    for route in _app().routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/console"):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods - {"OPTIONS"}):
                    yield str(method), route.path, handler.opt.get(ROLES)


DOORS = sorted(doors(), key=lambda door: door[:2])
NAMES = [f"{method} {path}" for method, path, _ in DOORS]
INNER = [door for door in DOORS if door[2] != ANYONE]
INNER_NAMES = [f"{method} {path}" for method, path, _ in INNER]


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "nothing", path)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nightlight]:
    with bootstrap(tmp_path_factory.mktemp("console") / "home", settings=Settings()) as running:
        yield running


@pytest.fixture(scope="module")
def app(graph: Nightlight) -> Litestar:
    return create_app(graph.services, WebConfig(page_rate_per_minute=1_000_000))


@pytest.fixture(scope="module")
def staff(graph: Nightlight) -> dict[Role, Member]:
    return {role: Member(graph, role.value, role) for role in Role}


@pytest.fixture(scope="module")
def secrets(staff: dict[Role, Member]) -> dict[Role, str]:
    return {role: member.secret() for role, member in staff.items()}


# -- the matrix --------------------------------------------------------------------------------------------------------------------


def test_every_route_of_the_whole_app_has_a_rule() -> None:
    """Scopes under /v1, roles in the console, a description where anybody may come in."""
    lawless = []
    for route in _app().routes:
        if not isinstance(route, HTTPRoute):
            lawless.append(route.path)
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                if route.path.startswith("/v1"):
                    ruled = bool(handler.opt.get(SCOPES))
                elif route.path.startswith("/console"):
                    rule = handler.opt.get(ROLES)
                    ruled = f"{method} {route.path}" in OPEN if rule == ANYONE else bool(rule) and rule <= frozenset(Role)
                else:
                    ruled = DOC in handler.opt
                if not ruled:
                    lawless.append(f"{method} {route.path}")
    assert lawless == []


def test_what_is_open_is_known_by_name() -> None:
    assert {name for name, (_, _, rule) in zip(NAMES, DOORS, strict=True) if rule == ANYONE} == OPEN
    assert len(INNER) >= 28


@pytest.mark.parametrize(("method", "path", "rule"), INNER, ids=INNER_NAMES)
def test_nobody_comes_in_without_a_session(method: str, path: str, rule: object, app: Litestar) -> None:
    for secret in (None, "", "x" * 43, "\u00e9"):
        client = ConsoleClient(app)
        headers = {} if secret is None else {"cookie": f"{COOKIE}={secret}".encode("latin-1")}
        answer = client.request(method, filled(path), headers=headers)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith("/console/sign-in?next=/console")


@pytest.mark.parametrize(("method", "path", "rule"), INNER, ids=INNER_NAMES)
def test_each_role_opens_what_names_it_and_nothing_else(
    method: str, path: str, rule: frozenset[Role], app: Litestar, secrets: dict[Role, str], graph: Nightlight
) -> None:
    for role, secret in secrets.items():
        client = ConsoleClient(app, secret)
        if method == "GET":
            answer = client.get(filled(path))
        else:
            # Signing out would end the session that the next test needs; without the token no form is read at all.
            answer = client.post(filled(path), {"csrf": "wrong"} if path.endswith(("/sign-out", "/end")) else {"csrf": client.csrf()})
        refused = answer.status_code == 403 and "your role does not open this page" in answer.text
        assert refused == (role not in rule), (role, answer.status_code)
        assert answer.status_code != 500


def test_a_route_that_names_no_role_is_closed_to_every_role(graph: Nightlight, secrets: dict[Role, str]) -> None:
    from litestar import Router, get
    from litestar.datastructures import State

    from nightlight.web.console.access import console_guard
    from nightlight.web.console.render import respond
    from nightlight.web.hands import Hands

    @get("/forgotten")
    async def forgotten() -> str:
        return "in"

    router = Router("/console", guards=[console_guard], route_handlers=[forgotten], exception_handlers={Exception: respond})
    app = Litestar([router], state=State({"hands": Hands(graph.services, WebConfig())}), logging_config=None)
    for secret in secrets.values():
        assert ConsoleClient(app, secret).get("/console/forgotten").status_code == 403


# -- forms -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted({path for method, path, rule in INNER if method == "POST"}))
def test_no_form_counts_without_the_sessions_token(path: str, app: Litestar, staff: dict[Role, Member], secrets: dict[Role, str]) -> None:
    role = sorted(next(rule for method, at, rule in INNER if at == path and method == "POST"))[0]  # type: ignore[call-overload]
    other = ConsoleClient(app, staff[role].secret()).csrf() if path == "/console/break" else "0" * 64
    client = ConsoleClient(app, secrets[role])
    for form in ({}, {"csrf": ""}, {"csrf": "\u00e9"}, {"csrf": other}):
        answer = client.post(filled(path), form)
        assert (answer.status_code, "this form is not of your session" in answer.text) == (403, True)


def test_another_site_cannot_post_even_to_sign_in(app: Litestar) -> None:
    form = {"id": "lead", "password": PASSWORD, "code": "000000"}
    client = ConsoleClient(app)
    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "https://elsewhere.example"}):
        assert client.post("/console/sign-in", form, headers=headers).status_code == 403
    assert client.post("/console/sign-in", form, headers={"sec-fetch-site": "same-origin"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"id=a&id=b&password=x&code=y", 400),
        (b"id=%00&password=x&code=y", 400),
        (b"id=%ff&password=x&code=y", 400),
        (b"\xff", 400),
        (b"&".join(b"f%d=1" % n for n in range(100)), 400),
        (b"id=" + b"a" * 200 + b"&password=x&code=y", 400),
        (b"id=" + b"a" * 70_000, 413),
        (b"", 401),
    ],
)
def test_bad_forms_are_refused_as_pages(app: Litestar, body: bytes, status: int) -> None:
    client = ConsoleClient(app)
    answer = client.request("POST", "/console/sign-in", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert client.request("POST", "/console/sign-in", json={"id": "a"}).status_code == 400


# -- signing in --------------------------------------------------------------------------------------------------------------------


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_never_see(app: Litestar, staff: dict[Role, Member]) -> None:
    member = staff[Role.AUDITOR]
    form = {"id": member.id, "password": PASSWORD, "code": member.fresh_code(), "next": "/console/audit"}
    client = ConsoleClient(app)
    answer = client.post("/console/sign-in", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/audit")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("nightlight_session=") and "Secure" not in cookie
    for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert client.get("/console/audit").status_code == 200
    left = client.post("/console/sign-out", {"csrf": client.csrf()})
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert ConsoleClient(app, cookie.split("=", 1)[1].split(";")[0]).get("/console/audit").status_code == 303


def test_over_https_the_cookie_is_bound_to_it(graph: Nightlight, staff: dict[Role, Member]) -> None:
    member = staff[Role.AUDITOR]
    app = create_app(graph.services, WebConfig(console_address="https://safety.example"))
    client = ConsoleClient(app, base="http://safety.example", address="203.0.113.9")
    answer = client.post("/console/sign-in", {"id": member.id, "password": PASSWORD, "code": member.fresh_code()})
    assert answer.headers["set-cookie"].startswith("__Host-nightlight=")
    assert "; Secure" in answer.headers["set-cookie"]


def test_without_https_it_opens_on_this_machine_only(app: Litestar) -> None:
    away = ConsoleClient(app, base="http://safety.example", address="203.0.113.9")
    for path in ("/console/sign-in", "/console", "/console/static/console.css"):
        answer = away.get(path)
        assert answer.status_code == 403
        assert "https" in answer.text


def test_the_same_page_whatever_is_wrong(app: Litestar, staff: dict[Role, Member]) -> None:
    member, seen = staff[Role.LEAD], set()
    for id, password, code in (
        (member.id, PASSWORD, "000000"),
        (member.id, "another one altogether", member.totp(1)),
        ("nobody", PASSWORD, member.totp(1)),
    ):
        answer = ConsoleClient(app).post("/console/sign-in", {"id": id, "password": password, "code": code})
        assert answer.status_code == 401
        assert password not in answer.text
        seen.add(answer.text.replace(f'value="{id}"', ""))
    assert len(seen) == 1


def test_tries_are_limited_by_name_and_by_address(graph: Nightlight) -> None:
    app = create_app(graph.services, WebConfig(page_rate_per_minute=1_000_000))
    form = {"id": "Somebody", "password": "x", "code": "y"}
    seen = [ConsoleClient(app, address=f"127.0.0.{n + 1}").post("/console/sign-in", form).status_code for n in range(11)]
    assert seen == [401] * 10 + [429]
    assert ConsoleClient(app, address="127.0.1.1").post("/console/sign-in", form | {"id": "somebody "}).status_code == 429
    seen = [ConsoleClient(app, address="127.0.2.1").post("/console/sign-in", form | {"id": f"a{n}"}).status_code for n in range(41)]
    assert seen == [401] * 40 + [429]


@pytest.mark.parametrize(
    "to", ["https://elsewhere.example", "//elsewhere.example", "/v1/cases", "/console/../v1", "/console/a\nb", "/consolex"]
)
def test_signing_in_leads_into_the_console_and_nowhere_else(app: Litestar, staff: dict[Role, Member], to: str) -> None:
    member = staff[Role.ADMINISTRATOR]
    with_session = ConsoleClient(app)
    from nightlight.web.console.signing import onward

    assert onward(to) == "/console"
    assert f'name="next" value="{to}"' not in with_session.get("/console/sign-in", params={"next": to}).text
    assert member.id


# -- sessions and people -----------------------------------------------------------------------------------------------------------


def test_a_reviewer_ends_their_own_sessions_and_nobody_elses(app: Litestar, staff: dict[Role, Member], graph: Nightlight) -> None:
    mine, other = staff[Role.REVIEWER].secret(), staff[Role.LEAD].secret()
    held = {secret: graph.reviewers.session(secret) for secret in (mine, other)}
    client = ConsoleClient(app, mine)
    of = {secret: signed.session for secret, signed in held.items() if signed is not None}
    assert client.post(f"/console/sessions/{of[other]}/end", {"csrf": client.csrf()}).status_code == 404
    assert of[other] not in client.get("/console/sessions").text
    lead = ConsoleClient(app, other)
    assert of[mine] in lead.get("/console/sessions").text
    assert lead.post(f"/console/sessions/{of[mine]}/end", {"csrf": lead.csrf()}).status_code == 303
    assert client.get("/console/sessions").status_code == 303


def test_an_administrator_invites_and_the_code_enrols(app: Litestar, secrets: dict[Role, str], graph: Nightlight) -> None:
    import pyotp

    admin = ConsoleClient(app, secrets[Role.ADMINISTRATOR])
    answer = admin.post("/console/people", {"csrf": admin.csrf(), "id": "New", "name": "N\u00fcria <b>", "role": "reviewer"})
    found = re.search(r'id="invitation">([a-z0-9-]+)<', answer.text)
    assert found is not None
    assert "N\u00fcria &lt;b&gt;" in answer.text
    new = ConsoleClient(app)
    page = new.post("/console/enrol", {"code": found[1].upper()}).text
    key = re.search(r'id="key">([A-Z2-7]{32})<', page)
    assert key is not None
    form = {"code": found[1], "password": PASSWORD, "again": PASSWORD, "totp": pyotp.TOTP(key[1]).at(graph.clock.now())}
    assert "not the same" in new.post("/console/enrol", form | {"again": "x"}).text
    assert "not the code that" in new.post("/console/enrol", form | {"totp": "000000"}).text
    assert new.post("/console/enrol", form).text.count("<li><code>") == 10
    assert new.post("/console/enrol", form).status_code == 401
    again = admin.post("/console/people", {"csrf": admin.csrf(), "id": "new", "name": "Another", "role": "lead"})
    assert again.status_code == 409
    assert 'value="Another"' in again.text


# -- headers and pages -------------------------------------------------------------------------------------------------------------


def test_every_page_has_a_policy_without_inline_and_no_cache(app: Litestar, secrets: dict[Role, str]) -> None:
    for path, secret in (
        ("/console/sign-in", None),
        ("/console/people", secrets[Role.ADMINISTRATOR]),
        ("/console/audit", secrets[Role.LEAD]),
    ):
        answer = ConsoleClient(app, secret).get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", answer.text), path


def test_static_files_are_those_of_the_list(app: Litestar) -> None:
    client = ConsoleClient(app)
    assert client.get("/console/static/vendor/htmx/htmx.min.js").headers["content-type"].startswith("text/javascript")
    for name in ("../words/console.en.toml", "vendor/htmx/LICENSE", "console.py", "%2e%2e/render.py"):
        assert client.get(f"/console/static/{name}").status_code in (303, 404)


def test_a_console_that_is_switched_off_is_not_there(tmp_path: Path) -> None:
    from nightlight.app.settings import Console

    with bootstrap(tmp_path / "home", settings=Settings(console=Console(enabled=False))) as graph:
        assert ConsoleClient(create_app(graph.services)).get("/console/sign-in").status_code == 404
