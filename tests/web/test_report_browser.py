"""Reports in a real browser: from a verdict to the authority's acknowledgement, before a whole service and the real local stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.app.sim.cybertipline import Standin
from nightlight.app.sim.held import HeldState
from nightlight.core.staff import Role, Staff
from tests.web.console import COOKIE
from tests.web.report_site import REVIEWER, confirmed, secrets, site, standin
from tests.web.test_console_browser import CUT, NAMELESS, SHOTS, SMALL, Scheme
from tests.web.test_live_browser import CHROMIUM, CONTRAST, REQUIRED, browser

__all__ = ["browser", "secrets", "site", "standin"]

SEEN = pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)")


@pytest.fixture
def opened(browser: Browser, site: tuple[Nightlight, str], secrets: dict[str, str]) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(path: str, who: str = REVIEWER, **more: Any) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale=more.pop("locale", "en"), **more)
        contexts.append(context)
        context.add_cookies([{"name": COOKIE, "value": secrets[who], "url": site[1]}])
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site[1] + path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def looked_at(page: Page, name: str, locale: str = "en") -> None:
    scheme: Scheme
    for width, scheme in ((1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for found in (page.evaluate(CUT), page.evaluate(NAMELESS), page.evaluate(SMALL), page.evaluate(CONTRAST)):
            assert found == [], (name, width, scheme)
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"console-{name}-{width}-{scheme}-{locale}.png"), full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})


@pytest.mark.browser
@SEEN
def test_a_report_is_edited_sent_and_acknowledged(opened: Callable[..., Page], site: tuple[Nightlight, str], standin: Standin) -> None:
    graph, address = site
    case = confirmed(graph, 0)
    page = opened("/console/reports")
    page.set_default_timeout(8000)
    expect(page.locator("#h-owed")).to_be_visible()
    page.locator(f'a[href="/console/cases/{case}/reports"]').click()
    page.get_by_role("button", name="Put a draft together").click()
    expect(page.locator("#h-says")).to_be_visible()
    looked_at(page, "report")
    report = page.url.rsplit("/", 1)[1]

    # One value changed, one group filled by what may be added there.
    row = page.locator('[id="row-/report/additionalInfo"]')
    row.locator("summary", has_text="Change").click()
    row.locator("textarea").fill("Looked at by a person. <b>&amp; marked</b>")
    row.get_by_role("button", name="Save").click()
    expect(page.locator('[id="row-/report/additionalInfo"] .v')).to_have_text("Looked at by a person. <b>&amp; marked</b>")
    expect(page.locator(".facts")).to_contain_text("version 2")

    page.get_by_role("link", name="Exactly what is sent (XML)").click()
    shown = str(page.locator("pre.xml").first.text_content())
    assert shown.encode() == graph.reports.preview(report, "test").report
    assert "&lt;b&gt;&amp;amp; marked&lt;/b&gt;" in shown
    looked_at(page, "report-xml")
    page.get_by_role("link", name="To the report").click()

    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", name="Send this report?")).to_be_visible()
    assert standin.reports() == []
    expect(page.get_by_role("button", name="Send it now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".facts")).to_contain_text("on its way")
    assert graph.reports.run_due() == 1
    expect(page.locator(".facts")).to_contain_text("Acknowledged")  # the page asks by itself
    held = standin.reports(HeldState.FINISHED)
    assert len(held) == 1
    expect(page.locator("#progress")).to_contain_text(held[0].id)
    expect(page.locator(".steps li").last).to_contain_text("Finish")
    assert b"Looked at by a person. &lt;b&gt;" in held[0].document
    assert graph.desk.case(Staff(id=REVIEWER, role=Role.REVIEWER), case).state.value == "filed"

    page.locator("summary", has_text="Correct").click()
    page.get_by_label("What was wrong: the authority reads it").fill("the second account was another child")
    page.get_by_role("button", name="Draft a correction").click()
    expect(page.locator("h1")).to_contain_text("Correction")
    page.goto(f"{address}/console/reports")
    looked_at(page, "reports")
    expect(page.locator("table.reports")).to_contain_text("Acknowledged")
