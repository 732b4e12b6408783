"""The family hub in a real browser: readable and reachable on every page in both languages, quiet, gone at once, and good on paper."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightlight.core.decision import Helpline
from nightlight.web import FamilyConfig, WebConfig
from tests.web.fakes import Fakes
from tests.web.test_family import PAGES
from tests.web.test_live_browser import CHROMIUM, REQUIRED, browser
from tests.web.test_protect_browser import CUT
from tests.web.test_serve import served

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
AXE = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
SMALL = """() => [...document.querySelectorAll("a, button, summary, label:has(input), input:not([type=checkbox])")]
  .filter((node) => node.checkVisibility() && !node.closest(".apart") && node.getBoundingClientRect().height < 47.5)
  .map((node) => node.outerHTML.slice(0, 90))"""
KEPT = """async () => [document.cookie, localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
  (await caches.keys()).length, (await navigator.serviceWorker.getRegistrations()).length, document.title, document.referrer]"""
OPEN = "() => document.querySelectorAll('details').forEach((node) => { node.open = true; })"


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    family = FamilyConfig(service="Sky Meadow", helplines=(Helpline(name="A line", contact="116 111", place="ES"),), place="GB")
    with served(Fakes(), WebConfig(family=family, page_rate_per_minute=1_000_000)) as (address, _):
        yield address


@pytest.fixture
def opened(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Opens a page; what the browser complains of, and any request to elsewhere, is a failure."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def elsewhere(url: str) -> bool:
        return urlsplit(url).netloc != urlsplit(site).netloc and not url.startswith(("about:", "blob:"))

    def make(path: str = "/family", **more: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 390, "height": 844}, "locale": "en", **more})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        context.on("request", lambda r: wrong.append(r.url) if elsewhere(r.url) else None)
        page.goto(site + path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert wrong == []


def look(page: Page, where: str) -> None:
    page.evaluate(OPEN)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
    assert page.evaluate(CUT) == [], where
    assert page.evaluate(SMALL) == [], where
    assert page.locator("h1").count() == 1, where
    found = Axe().run(page, options=AXE).response["violations"]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found] == [], where


# Each layout once, in one language, width and scheme, turn about; the long form has every page in all of them.
SHORT = [
    ("/family", "es", 320, "dark"),
    ("/family/helplines", "en", 320, "light"),
    ("/family/talk/10-12", "es", 390, "light"),
    ("/family/practice/7-9", "en", 320, "light"),
    ("/family/agreement", "es", 320, "dark"),
    ("/family/thoughts", "en", 390, "light"),
]


def test_each_layout_can_be_read_and_keeps_nothing(opened: Callable[..., Page], site: str) -> None:
    pages: dict[tuple[int, str], Page] = {}
    for path, language, width, scheme in SHORT:
        page = pages.get((width, scheme)) or opened(viewport={"width": width, "height": 800}, color_scheme=scheme)
        pages[width, scheme] = page
        page.goto(f"{site}{path}?lang={language}")
        look(page, f"{path} {language} {width} {scheme}")
        assert page.evaluate("document.documentElement.lang") == language
        cookie, *stored, title, referrer = page.evaluate(KEPT)
        assert (cookie, sum(stored), referrer) == ("", 0, "")
        assert title == {"en": "Help page", "es": "Página de ayuda"}[language]


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (320, "dark"), (1440, "light"), (1440, "dark")])
def test_every_page_in_every_shape(opened: Callable[..., Page], site: str, language: str, width: int, scheme: str) -> None:
    page = opened(viewport={"width": width, "height": 800}, color_scheme=scheme)
    for path in PAGES:
        page.goto(f"{site}{path}?lang={language}")
        look(page, path)
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert page.evaluate(CUT) == [], path


def test_leaving_at_once_from_deep_within_leaves_one_step_behind_none(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator("a.door[href='/family/talk']").click()
    page.locator("a.big").first.click()
    expect(page.locator("h1")).to_contain_text("7 to 9")
    assert page.evaluate("history.length") <= 2  # the whole way is one step
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url("about:blank")
    page.go_back()
    assert "/family" not in page.url


def tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"{selector} cannot be reached")


def test_an_agreement_is_made_by_keyboard_kept_opened_and_printed(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened()
    tab_to(page, "a.door[href='/family/agreement']")
    page.keyboard.press("Enter")
    expect(page.locator("#hands")).to_be_visible()
    tab_to(page, "#names")
    page.keyboard.type("Mia and Noor")
    tab_to(page, "[name=calm]")
    page.keyboard.press("Space")
    tab_to(page, "#told_first")
    page.keyboard.type("Aunt Li")
    tab_to(page, "#keep")
    with page.expect_download() as kept:
        page.keyboard.press("Enter")
    expect(page.locator("#told")).to_have_text("The copy is in your downloads.")
    file = tmp_path / kept.value.suggested_filename
    kept.value.save_as(file)
    found = json.loads(file.read_text("utf-8"))
    assert file.name == "agreement.json" and found["fields"]["names"] == "Mia and Noor" and found["fields"]["calm"] is True

    page.emulate_media(media="print")
    assert page.locator(".rule:visible").count() == 1
    expect(page.locator(".promise")).to_contain_text("not be punished for telling")
    for gone in ("#leave", "#hands", ".foot", ".up"):
        expect(page.locator(gone)).to_be_hidden()
    expect(page.locator(".signed")).to_be_visible()
    page.emulate_media(media="screen")

    page.locator("#clear").click()
    assert page.locator("#names").input_value() == "" and page.locator("[name=calm]").is_checked() is False
    page.emulate_media(media="print")
    assert page.locator(".rule:visible").count() == page.locator(".rule").count()  # an empty form to fill in by hand
    page.emulate_media(media="screen")
    page.locator("#file").set_input_files(file)
    expect(page.locator("#told")).to_have_text("Your copy is open.")
    assert page.locator("#names").input_value() == "Mia and Noor" and page.locator("[name=calm]").is_checked()
    cookie, *stored, _, _ = page.evaluate(KEPT)
    assert (cookie, sum(stored)) == ("", 0)


HOSTILE = [
    b"",
    b"\xff\xd8\xff",
    b"null",
    b"[]",
    b'{"kind": "other", "version": 1, "fields": {}}',
    b'{"kind": "family-agreement", "version": 1, "fields": null}',
    b" " * 70_000,
]


def test_what_is_no_copy_changes_nothing_and_a_hostile_one_is_text(opened: Callable[..., Page]) -> None:
    page = opened("/family/agreement")
    page.locator("#names").fill("Mia")
    for data in HOSTILE:
        page.locator("#file").set_input_files({"name": "x.json", "mimeType": "application/json", "buffer": data})
        expect(page.locator("#told")).to_have_text("This file is not a copy of an agreement.")
        assert page.locator("#names").input_value() == "Mia"
        page.evaluate("document.getElementById('told').textContent = ''")
    fields = {"names": "<img src=x onerror=alert(1)>" + "a" * 5000, "calm": "yes", "told_first": {"a": 1}, "__proto__": "x", "none": 1}
    hostile = json.dumps({"kind": "family-agreement", "version": 1, "fields": fields}).encode()
    page.locator("#file").set_input_files({"name": "x.json", "mimeType": "application/json", "buffer": hostile})
    expect(page.locator("#told")).to_have_text("Your copy is open.")
    assert len(page.locator("#names").input_value()) == 200 and page.locator("main img").count() == 0
    assert not page.locator("[name=calm]").is_checked() and page.locator("#told_first").input_value() == ""


def test_without_javascript_all_of_it_is_there(opened: Callable[..., Page]) -> None:
    page = opened("/family/practice/7-9?lang=es", java_script_enabled=False, locale="en")
    page.locator("summary").first.click()
    expect(page.locator("details p").first).to_be_visible()
    page.locator("header a[lang=en]").click()
    expect(page.locator("h1")).to_contain_text("What would you do?")
    page.locator(".up a").click()
    page.locator(".up a").click()
    assert page.url.endswith("/family?lang=en")
    page.locator("a.door[href^='/family/agreement']").click()
    expect(page.locator("#hands")).to_be_hidden()
    expect(page.locator("#no-script")).to_be_visible()
    page.locator("[name=calm]").check()
    page.emulate_media(media="print")
    assert page.locator(".rule:visible").count() == 1
    page.emulate_media(media="screen")
    page.locator("#leave").click()
    page.wait_for_url("about:blank")


def test_an_agreement_fits_on_two_sheets_of_paper(opened: Callable[..., Page]) -> None:
    page = opened("/family/agreement?lang=es")
    empty = page.pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", empty)) <= 2
