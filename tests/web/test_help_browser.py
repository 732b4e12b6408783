"""`/with-you` in a real browser, before a whole service: the whole way by keyboard, on a narrow phone, in both languages, with and without
JavaScript; and that it leaves no trace in the browser."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.core.decision import Helpline
from nightlight.core.event import Channel, Message, Party
from nightlight.core.help import HelpAsk
from nightlight.web import FamilyConfig
from nightlight.web.family.words import catalogue
from tests.web.real import real_service
from tests.web.test_live_browser import CHROMIUM, CONTRAST, REQUIRED, browser

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
PAGE = "/with-you"
SHOTS = os.environ.get("NIGHTLIGHT_SHOTS")
ASK = HelpAsk(account=Party(account="lee", place="GB"), conversation="room", about=(Party(account="kim"),))
KEPT = """async () => [document.cookie, localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
  (await caches.keys()).length, location.search, location.hash, (await navigator.serviceWorker.getRegistrations()).length]"""
NOTHING = ["", 0, 0, 0, 0, "", "", 0]


class Elsewhere(BaseHTTPRequestHandler):
    """Another site: a form of a service that leads to the page, and a page that notes what it was told of whence somebody came."""

    form = b""
    told: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        if self.path != "/favicon.ico":  # which their own page asks for
            self.told.append(self.headers.get("referer"))
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(self.form if self.path == "/form" else b"<title>Elsewhere</title><p>Elsewhere")

    def log_message(self, *said: Any) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, elsewhere: str) -> Iterator[tuple[Nightlight, str]]:
    line = Helpline(name="Ours", contact=elsewhere + "/line")
    family = FamilyConfig(
        service="Sky Meadow", leave_to=elsewhere + "/out", helplines=(line,), reports_an_hour=10_000, looks_a_minute=10_000
    )
    with real_service(tmp_path_factory.mktemp("help") / "home", family) as (graph, address):
        said = [
            Message(
                id=f"e{n}",
                at=graph.clock.now() - timedelta(minutes=9 - n),
                actor=Party(account="kim", place="GB"),
                targets=(Party(account="lee", place="GB"),),
                channel=Channel(id="room"),
                text="keep this secret",
            )
            for n in range(3)
        ]
        for answer in graph.events.submit_many([graph.events.decode(msgspec.json.encode(event)) for event in said]).result(60):
            assert not isinstance(answer, Exception)
        yield graph, address


@pytest.fixture
def opened(browser: Browser, site: tuple[Nightlight, str]) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(path: str = PAGE, **more: Any) -> Page:
        more.setdefault("viewport", {"width": 320, "height": 700})
        contexts.append(browser.new_context(**{"locale": "en-GB", **more}))
        page = contexts[-1].new_page()
        page.on(
            "console",
            lambda m: (
                complaints.append(m.text)
                if m.type in ("error", "warning") and not any(w in m.text for w in ("status of 4", "ERR_FAILED"))
                else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path if path.startswith("http") else site[1] + path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def press(page: Page, to: str) -> None:
    """By keyboard alone: from wherever the focus is, as often Tab as it takes, then Enter."""
    for _ in range(80):
        if page.evaluate("document.activeElement?.value") == to:
            page.keyboard.press("Enter")
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{to} is not reached by Tab")


def at(page: Page, words: str) -> None:
    expect(page.locator("h1")).to_have_text(words)


def clear(page: Page, name: str, *, axe: bool = True) -> None:
    """Nothing is cut at this width, nothing is faint, axe finds nothing."""
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]  # type: ignore[index]
    assert page.evaluate(CONTRAST) == [], name
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"help-{name}.png"), full_page=True)
    if not axe:  # it takes a second, and looks at nothing that a language changes but the page's own `lang`
        return
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}}).response
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found["violations"]] == [], name


@pytest.mark.parametrize(("locale", "scheme"), [("en", "light"), ("es", "dark")])
def test_the_whole_way_by_keyboard_on_a_narrow_phone_leaves_nothing(
    opened: Callable[..., Page], site: tuple[Nightlight, str], locale: str, scheme: str
) -> None:
    words = catalogue("help", locale)["11-13"]
    page = opened(locale=locale, color_scheme=scheme)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(site[1])}"))
    steps, title = page.evaluate("history.length"), page.title()
    at(page, words["start_h"])
    clear(page, f"start-{locale}")
    press(page, "hurt")
    at(page, words["hurt_h"])
    clear(page, f"hurt-{locale}", axe=locale == "en")
    press(page, "door-threat")
    for name in ("fault", "pay", "keep", "block", "tell", "picture"):
        at(page, words[f"name_{name}"])
        assert page.evaluate("document.activeElement.id") == "top"  # whoever hears the page begins where whoever sees it does
        press(page, {"fault": "pay", "pay": "keep", "keep": "block", "block": "tell", "tell": "picture", "picture": "report"}[name])
    at(page, words["name_report"])
    press(page, "send")
    expect(page.locator("[role=alert]").first).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "name"
    page.keyboard.type(f"zantle {locale}")
    clear(page, f"report-{locale}")
    press(page, "send")
    at(page, words["sent_h"])
    clear(page, f"sent-{locale}", axe=locale == "en")
    code = str(page.locator("#follow-up").get_attribute("data-code"))
    assert page.locator("#follow-up").evaluate("(box) => parseFloat(getComputedStyle(box).fontSize)") >= 22
    press(page, "end")
    at(page, words["end_h"])
    page.locator("summary", has_text=words["have_code"]).press("Enter")
    page.locator("#code").press_sequentially(code.lower())
    page.keyboard.press("Enter")
    expect(page.locator("[role=status] strong")).to_have_text(site[0].services.messages[locale]["report.thanks"].title)
    clear(page, f"end-{locale}", axe=locale == "en")
    assert page.evaluate(KEPT) == NOTHING and page.context.cookies() == []
    assert (page.evaluate("history.length"), page.title(), page.url) == (steps, title, site[1] + PAGE)
    assert {line for line in asked if "/static/" not in line} == {f"POST {PAGE}"}


def test_the_first_tap_by_a_link_keeps_the_messages_and_one_more_reports(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    graph, _ = site
    link = graph.services.help.link(ASK)  # type: ignore[union-attr]
    page = opened(f"{PAGE}#{link.token}")
    at(page, "We're with you")
    assert page.evaluate(KEPT) == NOTHING, "the token is gone from the address at once"
    page.locator('.way[value="door-threat"]').click()
    at(page, "It isn't your fault")
    page.locator(".all summary").click()
    page.locator('.all [value="keep"]').click()
    expect(page.locator(".soft")).to_contain_text("safe place until")
    page.locator(".all summary").click()
    page.locator('.all [value="report"]').click()
    page.locator('[value="send"]').click()
    expect(page.locator("#follow-up")).to_be_visible()
    [case] = [c for c in graph.database.cases.cases() if c.actor == graph.pseudonymiser("account", "kim")]
    assert {"e0", "e1", "e2"} <= set(case.events)


def test_without_javascript_the_same_way_leads_to_the_same_code(
    opened: Callable[..., Page], site: tuple[Nightlight, str], elsewhere: str
) -> None:
    """From a form on a page of the service's own, on another site."""
    token = site[0].services.help.link(ASK).token  # type: ignore[union-attr]
    Elsewhere.form = (
        f'<form method="post" action="{site[1]}{PAGE}"><input name="link" value="{token}"><button>Help</button></form>'.encode()
    )
    page = opened(f"{elsewhere}/form", java_script_enabled=False)
    page.get_by_role("button", name="Help").click()
    at(page, "We're with you")
    page.locator('[value="lang-es"]').click()
    at(page, "Estamos contigo")
    page.locator('.way[value="door-picture"]').click()
    for words in ("No es culpa tuya", "Proteger mi foto", "Cuéntaselo a quien tú elijas", "No pagues", "Guarda los mensajes"):
        at(page, words)
        page.locator("main .row .main").first.click()
    at(page, "Bloquear, un poco después")
    page.locator("main .row .main").click()
    at(page, "Avisar")
    page.locator('[value="send"]').click()
    expect(page.locator("#follow-up")).to_be_visible()
    assert page.url == site[1] + PAGE and page.context.cookies() == []
    expect(page.locator("#leave")).to_have_attribute("href", f"{elsewhere}/out")


def test_other_sites_are_not_told_and_the_way_out_takes_the_pages_place(opened: Callable[..., Page], elsewhere: str) -> None:
    page = opened()
    Elsewhere.told.clear()
    with page.context.expect_page() as other:
        page.locator(f'a[href="{elsewhere}/line"]').click()
    expect(other.value).to_have_title("Elsewhere")
    assert other.value.evaluate("[document.referrer, opener, history.length]") == ["", None, 1]
    other.value.close()
    before = page.evaluate("history.length")
    page.locator('.way[value="hurt"]').click()
    at(page, "You matter. Please talk to someone now")
    for _ in range(20):  # twice within a second, however busy this machine is
        page.keyboard.press("Escape")
        if page.url == f"{elsewhere}/out":
            break
    page.wait_for_url(f"{elsewhere}/out")
    assert page.evaluate("[document.referrer, history.length]") == ["", before]
    assert set(Elsewhere.told) == {None}


def test_nothing_is_printed_but_why(opened: Callable[..., Page]) -> None:
    page = opened()
    page.emulate_media(media="print")
    expect(page.locator("main")).to_be_hidden()
    expect(page.locator(".top")).to_be_hidden()
    assert page.locator("body").inner_text().strip() == catalogue("help", "en")["11-13"]["no_print"]


def test_when_the_service_is_gone_the_page_stays_and_says_so(opened: Callable[..., Page]) -> None:
    page = opened()
    page.route(f"**{PAGE}", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    with page.expect_event("requestfailed"):
        page.evaluate("document.querySelector('.way').click()")
    expect(page.locator("#trouble")).to_be_visible()
    at(page, "We're with you")
