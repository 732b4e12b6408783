"""The console in a real browser, before a whole service on a home folder that the real pipeline filled: a reviewer's day by keyboard,
what it looks like at every width, and what axe finds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.app.demo.world import Send, evening
from nightlight.core.staff import Role, Staff
from nightlight.web import WebConfig
from tests.web.console import COOKIE, PASSWORD, Member, quick
from tests.web.real import real_service
from tests.web.test_live_browser import CHROMIUM, CONTRAST, REQUIRED, browser

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
SHOTS = os.environ.get("NIGHTLIGHT_SHOTS")
"""A folder to keep screenshots in."""
WIDTHS = (1440, 1024, 390, 320)
Scheme = Literal["light", "dark"]
Looks = Sequence[tuple[int, Scheme]]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
NAMELESS = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
  .filter((node) => node.checkVisibility())
  .filter((node) => !(node.textContent.trim() || node.ariaLabel || node.labels?.length || node.getAttribute("aria-labelledby")))
  .map((node) => node.outerHTML.slice(0, 80))"""
SMALL = """() => [...document.querySelectorAll("button, select, input:not([type=hidden]), textarea, summary")]
  .filter((node) => node.checkVisibility())
  .map((node) => node.closest("label.choice, label.check") ?? node)
  .filter((node) => { const box = node.getBoundingClientRect(); return box.height < 24 || box.width < 24; })
  .map((node) => node.outerHTML.slice(0, 80))"""
CUT = """() => [...document.querySelectorAll("main *, header *")]
  .filter((node) => node.checkVisibility() && node.childElementCount === 0 && !node.closest(".hidden, svg, .skip, dialog"))
  .filter((node) => { const box = node.getBoundingClientRect(); return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1); })
  .map((node) => [node.textContent.slice(0, 40), Math.round(node.getBoundingClientRect().right)])"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nightlight, str]]:
    with real_service(tmp_path_factory.mktemp("console") / "home", web=WebConfig(page_rate_per_minute=1_000_000)) as (graph, address):
        quick(graph.reviewers)
        began = graph.clock.now() - timedelta(hours=3)
        told = [step for step in evening(1, 4, None, began) if isinstance(step, Send) and step.story is not None]
        for answer in graph.events.submit_many([graph.events.decode(msgspec.json.encode(step.event)) for step in told]).result(60):
            assert not isinstance(answer, Exception)
        yield graph, address


@pytest.fixture(scope="module")
def staff(site: tuple[Nightlight, str]) -> dict[Role, Member]:
    return {role: Member(site[0], f"{role.value}.with.a-long.name", role) for role in Role}


@pytest.fixture(scope="module")
def secrets(staff: dict[Role, Member]) -> dict[Role, str]:
    return {role: member.secret() for role, member in staff.items()}


@pytest.fixture
def opened(browser: Browser, site: tuple[Nightlight, str], secrets: dict[Role, str]) -> Iterator[Callable[..., Page]]:
    """Opens a page as a role; what the browser complains of is a failure."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(path: str, role: Role | None = None, **more: Any) -> Page:
        more.setdefault("viewport", {"width": 1440, "height": 900})
        more.setdefault("locale", "en")
        context = browser.new_context(**more)
        contexts.append(context)
        if role is not None:
            context.add_cookies([{"name": COOKIE, "value": secrets[role], "url": site[1]}])
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site[1] + path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def gravest(graph: Nightlight) -> str:
    desk = graph.services.desk
    assert desk is not None
    cases = desk.queue(Staff(id="nobody", role=Role.AUDITOR)).cases
    return max(cases, key=lambda case: len(case.events)).id


PAGES: dict[str, Role | None] = {
    "sign-in": None,
    "enrol": None,
    "": Role.LEAD,
    "queue": Role.REVIEWER,
    "case": Role.REVIEWER,
    "approvals": Role.LEAD,
    "people": Role.ADMINISTRATOR,
    "banks": Role.LEAD,
    "audit": Role.AUDITOR,
    "sessions": Role.LEAD,
}


def path_of(name: str, graph: Nightlight) -> str:
    return f"/console/cases/{gravest(graph)}" if name == "case" else f"/console/{name}".rstrip("/")


# -- the day -----------------------------------------------------------------------------------------------------------------------


def test_a_reviewers_day_by_keyboard_alone(browser: Browser, site: tuple[Nightlight, str]) -> None:
    """Enrol, sign in with the authenticator, take a case, read, decide, sign out: no mouse, and nothing that a browser complains of."""
    graph, address = site
    _, invitation = graph.reviewers.add("kay", "Kay", Role.REVIEWER, "cli:test")
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(f"{address}/console/enrol")
    page.keyboard.type(invitation)
    page.keyboard.press("Enter")
    key = page.locator("#key").inner_text()
    expect(page.locator(".qr")).to_be_visible()
    page.locator("[name=password]").focus()
    for words in (PASSWORD, PASSWORD, pyotp.TOTP(key).at(graph.clock.now())):
        page.keyboard.type(words)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".codes code")).to_have_count(10)
    codes = page.locator(".codes code").all_inner_texts()

    page.goto(f"{address}/console")
    expect(page).to_have_url(f"{address}/console/sign-in?next=/console")
    for words in ("kay", PASSWORD, codes[0]):
        page.keyboard.type(words)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Overview")

    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.goto(f"{address}/console/queue")
    first = page.locator("tr[data-case] a.open").first
    page.keyboard.press("j")
    expect(first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("tr[data-case] a.open").nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("o")
    expect(page.locator(".case-grid")).to_be_visible()

    page.goto(f"{address}/console/queue")
    page.keyboard.press("t")  # takes the next case, whichever page showed it
    expect(page.locator("#verdict")).to_be_visible()
    case = str(page.locator(".case-grid").get_attribute("data-case"))
    for heading in ("Why this case is open", "The lines that decided it", "Risk over the conversation", "Who is who"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator(".line.marked").first).to_be_focused()
    assert page.locator(".line.marked mark").count() > 0
    assert page.locator(".plot .risk-line").count() > 0

    page.keyboard.press("d")
    page.keyboard.press("1")
    expect(page.locator("[name=finding][value=confirmed]")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("asks for secrecy and threatens")
    page.locator("#verdict button.main").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Give this verdict?")
    expect(dialog).to_contain_text("Confirmed")
    page.keyboard.press("Enter")  # the safe answer has the focus
    expect(dialog).to_have_count(0)
    expect(page.locator("#verdict")).to_be_visible()
    page.locator("#verdict button.main").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Verdict given")
    assert graph.services.desk is not None
    assert graph.services.desk.case(Staff(id="kay", role=Role.REVIEWER), case).state.value == "confirmed"

    page.locator(".me summary").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Sign in")
    page.go_back()
    page.goto(f"{address}/console")
    expect(page.locator("h1")).to_have_text("Sign in")
    context.close()
    assert complaints == []


def test_without_javascript_a_verdict_is_asked_for_twice_too(
    browser: Browser, site: tuple[Nightlight, str], staff: dict[Role, Member]
) -> None:
    _, address = site
    context = browser.new_context(java_script_enabled=False, locale="en")
    context.add_cookies([{"name": COOKIE, "value": staff[Role.LEAD].secret(), "url": address}])
    page = context.new_page()
    page.goto(f"{address}/console")
    page.get_by_role("button", name="Take the next case").click()
    page.locator("[name=finding][value=needs_more]").check()
    page.locator("#verdict [name=reason]").fill("waits for the rest of it")
    page.get_by_role("button", name="Give the verdict").click()
    expect(page.locator("#verdict")).to_contain_text("Give this verdict?")
    expect(page.locator("#verdict [name=reason]")).to_have_value("waits for the rest of it")
    page.get_by_role("button", name="Give the verdict").click()
    expect(page.locator("h1")).to_have_text("Verdict given")
    context.close()


def test_reading_elsewhere_and_notes_are_recorded(
    opened: Callable[..., Page], site: tuple[Nightlight, str], staff: dict[Role, Member]
) -> None:
    graph, _ = site
    desk = graph.services.desk
    assert desk is not None
    who = Staff(id=staff[Role.LEAD].id, role=Role.LEAD)
    case = desk.queue(who).cases[-1].id
    desk.lock(who, case)
    page = opened(f"/console/cases/{case}", Role.LEAD)
    page.locator("section:has(#h-notes) textarea").fill("<b>seen</b> & noted")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("section:has(#h-notes) article")).to_contain_text("<b>seen</b> & noted")
    with page.expect_response("**/exposure") as answered:
        page.wait_for_timeout(1200)  # the clock counts real seconds
        page.evaluate(
            "Object.defineProperty(document, 'visibilityState', {value: 'hidden'}); document.dispatchEvent(new Event('visibilitychange'))"
        )
    assert answered.value.status == 200
    assert next(e.seconds["text"] for e in desk.exposure(who) if e.person == who.id) >= 1


def test_the_language_changes_and_stays(opened: Callable[..., Page]) -> None:
    page = opened("/console/sign-in")
    page.get_by_role("button", name="Espa\u00f1ol").click()
    expect(page.locator("h1")).to_have_text("Entrar")
    assert page.locator("html").get_attribute("lang") == "es"
    page.reload()
    expect(page.locator("h1")).to_have_text("Entrar")


# -- the look ----------------------------------------------------------------------------------------------------------------------


def looked_at(page: Page, name: str, locale: str, looks: Looks) -> None:
    """At every width, light and dark: what is cut, small, nameless or faint; and once what axe finds."""
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for found in (page.evaluate(CUT), page.evaluate(NAMELESS), page.evaluate(SMALL), page.evaluate(CONTRAST)):
            assert found == [], (width, scheme)
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"console-{name or 'overview'}-{width}-{scheme}-{locale}.png"), full_page=True)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { if (!d.matches('.menu')) d.open = true; })")
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    axe = Axe().run(page, options={"runOnly": {"type": "tag", "values": tags}}).response
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in axe["violations"]] == []


@pytest.mark.parametrize(("name", "locale"), [("case", "es"), ("queue", "en")])
def test_the_pages_most_used_are_whole_and_clear(opened: Callable[..., Page], site: tuple[Nightlight, str], name: str, locale: str) -> None:
    page = opened(path_of(name, site[0]), PAGES[name], locale=locale)
    looked_at(page, name, locale, [(1440, "light"), (1024, "light"), (320, "dark")])


@pytest.mark.long
@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_whole_and_clear(opened: Callable[..., Page], site: tuple[Nightlight, str], name: str, locale: str) -> None:
    page = opened(path_of(name, site[0]), PAGES[name], locale=locale)
    looked_at(page, name, locale, [(width, scheme) for width in WIDTHS for scheme in SCHEMES])


def test_the_heaviest_page_is_light(opened: Callable[..., Page], site: tuple[Nightlight, str], browser: Browser) -> None:
    sizes: list[int] = []
    page = opened("/console", Role.REVIEWER)
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(site[1] + path_of("case", site[0]), wait_until="networkidle")
    assert 0 < sum(sizes) < 200_000
