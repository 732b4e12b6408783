"""Signing in at an identity provider: the real protocol with a real provider on this machine, and every lie it could tell."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from joserfc.jwk import OctKey, RSAKey
from litestar import Litestar
from playwright.sync_api import Browser, expect

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.clock import FixedClock, SystemClock
from nightlight.core.errors import Conflict, Invalid
from nightlight.core.staff import Role
from nightlight.web import WebConfig, create_app
from tests.web.console import COOKIE, ConsoleClient, Member
from tests.web.provider import CLIENT, SECRET, IdentityProvider, path_of
from tests.web.real import real_service
from tests.web.test_live_browser import CHROMIUM, REQUIRED, browser

__all__ = ["browser"]

OUT, AWAY = "/console/sign-in/provider", "nightlight_away"


def settings(issuer: str, **more: Any) -> Settings:
    roles = {"nl-reviewers": "reviewer", "nl-leads": "lead", "nl-run": "administrator"}
    given = {"issuer": issuer, "client_id": CLIENT, "client_secret_env": "OIDC_SECRET", "name": "Lanternfall", "roles": roles, **more}
    return msgspec.convert({"console": {"oidc": given}}, Settings)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    with IdentityProvider() as running:
        yield running


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(SystemClock().now())


@pytest.fixture
def graph(tmp_path: Path, provider: IdentityProvider, clock: FixedClock) -> Iterator[Nightlight]:
    with bootstrap(tmp_path / "home", settings=settings(provider.issuer), clock=clock) as running:
        yield running


@pytest.fixture
def app(graph: Nightlight) -> Litestar:
    return create_app(graph.services, WebConfig(page_rate_per_minute=1_000_000))


class Stays(urllib.request.HTTPRedirectHandler):
    """Hands a redirect over and does not follow it."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        return fp


def goes(client: ConsoleClient) -> str:
    """To the provider and as far as the address that it sends them back to."""
    out = client.get(OUT, params={"next": "/console/queue"})
    assert out.status_code == 303, out.text
    assert "SameSite=Lax" in out.headers["set-cookie"] and "HttpOnly" in out.headers["set-cookie"]
    with urllib.request.build_opener(Stays()).open(out.headers["location"], timeout=30) as back:
        return path_of(back.headers["location"])


def arrives(app: Litestar) -> tuple[ConsoleClient, httpx.Response]:
    client = ConsoleClient(app)
    return client, client.get(goes(client))


def why(graph: Nightlight) -> list[str]:
    found = graph.database.trail.search("admin", action="sign_in.refused")
    return [str(entry.detail.get("provider")) for _, entry in found][::-1]


def test_somebody_comes_in_with_the_role_that_the_provider_says(app: Litestar, graph: Nightlight, provider: IdentityProvider) -> None:
    assert "Sign in with Lanternfall" in ConsoleClient(app).get("/console/sign-in").text
    client, answer = arrives(app)
    assert answer.status_code == 200 and 'content="0; url=/console/queue"' in answer.text
    assert client.get("/console/queue").status_code == 200
    [person] = graph.reviewers.people()
    assert (person.id, person.name, person.role, person.enrolled) == ("nia", "Nia", Role.REVIEWER, True)
    with pytest.raises(Conflict, match="reset there"):
        graph.reviewers.reset("nia", "cli")
    admin = ConsoleClient(app, Member(graph, "ada", Role.ADMINISTRATOR).secret())
    answer = admin.post("/console/people/nia/reset", {"csrf": admin.csrf()})
    assert answer.status_code == 409 and "reset there" in answer.text

    # Known by the subject, whatever they are called by now; a new role ends the sessions of the old one.
    provider.person |= {"preferred_username": "other", "name": "Other", "roles": "nl-leads"}
    again, answer = arrives(app)
    assert answer.status_code == 200 and again.get("/console/policy").status_code == 200
    assert client.get("/console/queue").status_code == 303
    assert [(p.id, p.role) for p in graph.reviewers.people() if p.id != "ada"] == [("nia", Role.LEAD)]
    told = [(e.actor, e.action) for _, e in graph.database.trail.search("admin")][::-1]
    told = [one for one in told if "nia" in one[0] or one[0] == "provider"]
    assert told == [("provider", "person.add"), ("reviewer:nia", "sign_in"), ("provider", "person.role"), ("lead:nia", "sign_in")]

    graph.reviewers.set_disabled("nia", True, "cli")
    assert again.get("/console/queue").status_code == 303
    assert arrives(app)[1].status_code == 401 and why(graph) == ["disabled"]
    assert graph.database.audit.verify().ok


def gone(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda claims: claims.pop(name)


def said(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda claims: claims.update(values)


LIES: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("issuer", said(iss="https://elsewhere.example")),
    ("issuer", gone("iss")),
    ("audience", said(aud="another")),
    ("audience", said(aud=[CLIENT, "another"])),
    ("audience", said(azp="another")),
    ("audience", gone("aud")),
    ("expired", lambda claims: claims.update(exp=claims["iat"] - 120)),
    ("expired", gone("exp")),
    ("expired", said(exp="9999999999")),
    ("expired", said(exp=9_999_999_999)),
    ("not valid yet", lambda claims: claims.update(iat=claims["iat"] + 600)),
    ("not valid yet", lambda claims: claims.update(nbf=claims["iat"] + 600)),
    ("nonce", said(nonce="another")),
    ("nonce", gone("nonce")),
    ("nonce", said(nonce=["x"])),
    ("subject", said(sub="")),
    ("subject", said(sub="x" * 256)),
    ("subject", said(sub=4711)),
    ("no sign-in name", gone("preferred_username")),
    ("sign-in name", said(preferred_username="<b>")),
    ("no role", said(roles=[])),
    ("no role", said(roles=["nl-unknown", 7, None])),
    ("no role", said(roles={"nl-leads": True})),
    ("several roles", said(roles=["nl-leads", "nl-run"])),
]


def test_no_lie_of_a_token_lets_anybody_in(app: Litestar, graph: Nightlight, provider: IdentityProvider) -> None:
    app = create_app(graph.services, WebConfig(page_rate_per_minute=1_000_000))
    app.state["hands"].sign_in_rates.spend = lambda *given: type("Spent", (), {"allowed": True})()
    for expected, lie in LIES:
        provider.lie = lie
        client, answer = arrives(app)
        assert answer.status_code == 401, expected
        assert why(graph)[-1] == expected
        assert client.get("/console/queue").status_code == 303 and COOKIE not in client.cookies
    provider.lie = None
    for key, algorithm in ((RSAKey.generate_key(2048, private=True), "RS256"), (OctKey.import_key(SECRET), "HS256")):
        provider.signs_with, provider.algorithm = key, algorithm  # type: ignore[assignment]  # a key of the wrong kind
        assert arrives(app)[1].status_code == 401
        assert why(graph)[-1] == "signature"
    assert graph.reviewers.people() == []
    assert SECRET not in "".join(why(graph))


def test_an_answer_counts_once_in_the_browser_that_asked(
    app: Litestar, graph: Nightlight, provider: IdentityProvider, clock: FixedClock
) -> None:
    client = ConsoleClient(app)
    back = goes(client)
    held = dict(client.cookies)
    assert ConsoleClient(app).get(back).status_code == 401, "whoever is handed the address has not asked"
    assert why(graph)[-1] == "not begun here"
    wrong = ConsoleClient(app)
    wrong.cookies = dict(held)
    answer = wrong.get(back.replace("state=", "state=x"))
    assert answer.status_code == 401 and why(graph)[-1] == "state"
    assert f"{AWAY}=;" in answer.headers["set-cookie"] and "Max-Age=0" in answer.headers["set-cookie"], "taken away with the answer"

    client = ConsoleClient(app)
    back = goes(client)
    held = dict(client.cookies)
    assert client.get(back).status_code == 200
    again = ConsoleClient(app)
    again.cookies = dict(held)
    assert again.get(back).status_code == 401
    assert why(graph)[-1] == "state used before"
    assert len(provider.redeemed) == 1, "nothing is asked of the provider for it"

    late = ConsoleClient(app)
    back = goes(late)
    clock.advance(timedelta(minutes=11))
    assert late.get(back).status_code == 401 and why(graph)[-1] == "too late"
    forged = ConsoleClient(app)
    forged.cookies = {AWAY: "AAAA" + held[AWAY][4:]}
    assert forged.get(back).status_code == 401 and why(graph)[-1] == "not begun here"
    mixed = ConsoleClient(app)
    assert mixed.get(goes(mixed).replace("realm", "other")).status_code == 401 and why(graph)[-1] == "issuer of the answer"
    refused = ConsoleClient(app)
    state = goes(refused).partition("state=")[2].partition("&")[0]
    assert refused.get(f"{OUT}/back", params={"state": state, "error": "access_denied"}).status_code == 401
    for odd in ("?state=a&state=b", "?code=" + "x" * 9000, "?state=%ff", ""):
        assert refused.get(f"{OUT}/back{odd}").status_code in (400, 401)


def test_a_name_that_somebody_has_here_is_not_taken_over(app: Litestar, graph: Nightlight) -> None:
    graph.reviewers.add("nia", "Nia of here", Role.ADMINISTRATOR, "cli")
    assert arrives(app)[1].status_code == 401
    assert why(graph) == ["sign-in name taken"]
    assert [p.role for p in graph.reviewers.people()] == [Role.ADMINISTRATOR]


def test_a_second_factor_can_be_asked_of_the_provider(tmp_path: Path, provider: IdentityProvider) -> None:
    with bootstrap(tmp_path / "home", settings=settings(provider.issuer, amr=["mfa", "hwk"])) as graph:
        app = create_app(graph.services)
        assert arrives(app)[1].status_code == 401 and why(graph) == ["way of signing in"]
        provider.person["amr"] = ["pwd", "mfa"]
        assert arrives(app)[1].status_code == 200


def test_a_provider_that_is_not_there_or_speaks_for_another_is_said(
    app: Litestar, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for change in ({"issuer": "https://elsewhere.example"}, {"token_endpoint": "http://elsewhere.example/token"}, {"jwks_uri": None}):
        honest = provider.says()
        monkeypatch.setattr(provider, "says", lambda told=honest | change: told)
        answer = ConsoleClient(app).get(OUT)
        assert (answer.status_code, "identity provider names" in answer.text) == (503, True)
        monkeypatch.undo()
        monkeypatch.setenv("OIDC_SECRET", SECRET)
    provider.__exit__()
    assert "does not answer" in ConsoleClient(app).get(OUT).text


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"issuer": "http://provider.example"}, "https"),
        ({"roles": {}}, "nobody could sign in"),
        ({"client_secret_env": "NOT_SET_ANYWHERE"}, "client secret is needed"),
    ],
)
def test_settings_that_could_not_work_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], says: str) -> None:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    given = {"issuer": "https://provider.example", **more}
    with pytest.raises(Invalid, match=says):
        bootstrap(tmp_path / "home", settings=settings(given.pop("issuer"), **given))


def test_without_a_provider_there_is_no_such_way(tmp_path: Path) -> None:
    with bootstrap(tmp_path / "home", settings=Settings()) as graph:
        client = ConsoleClient(create_app(graph.services))
        assert client.get(OUT).status_code == client.get(f"{OUT}/back").status_code == 404
        assert "/console/sign-in/provider" not in client.get("/console/sign-in").text


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)")
def test_a_browser_goes_there_and_back(browser: Browser, tmp_path: Path, provider: IdentityProvider) -> None:
    """What no client in a test does by itself: cookies that stay behind on the way from another site."""
    with real_service(tmp_path / "home", settings=settings(provider.issuer)) as (_, address):
        # Another site for the browser: the provider is at 127.0.0.1, the console at localhost.
        context = browser.new_context(locale="en")
        page = context.new_page()
        page.goto(address.replace("127.0.0.1", "localhost") + "/console/queue")
        page.get_by_role("link", name="Sign in with Lanternfall").click()
        expect(page.locator("h1")).to_have_text("Queue")
        assert page.url.endswith("/console/queue")
        context.close()
