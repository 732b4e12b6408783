"""The live page in a real browser: it moves, fits a phone, breaks no policy, and can be read without JavaScript."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.web.fakes import Fakes, live
from tests.web.test_serve import served

CHROMIUM = shutil.which("chromium")
REQUIRED = os.environ.get("NIGHTLIGHT_REQUIRE_SERVERS") == "1"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM is not None, "NIGHTLIGHT_REQUIRE_SERVERS=1 and chromium is not installed"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Fakes, str]]:
    fakes = Fakes()
    with served(fakes) as (address, _):
        yield fakes, address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def test_the_page_follows_the_service(page: Page, site: tuple[Fakes, str]) -> None:
    fakes, address = site
    fakes.status.now = live()
    page.goto(address)
    expect(page).to_have_title("Nightlight live")
    expect(page.locator("#rate")).to_have_text("1\u202f512")
    alert: dict[str, Any] = {
        "at": "2026-03-01T19:29:41+00:00",
        "harms": ["known_material"],
        "level": "high",
        "actions": ["block_content"],
        "detectors": ["known_media 1.0.0"],
        "seconds_from_first_event": 0.0,
    }
    fakes.status.now = live(events_per_second=7.0, decisions={"hold_content": 3}, alerts=[alert], history=[0, 0, 1, 0])
    expect(page.locator("#rate")).to_have_text("7.0")
    expect(page.locator("#decisions tr")).to_have_count(1)
    expect(page.locator("#alerts tbody tr")).to_contain_text("Known material")
    for words in ("Not delivered", "19:29:41", "known_media 1.0.0", "at once"):
        expect(page.locator("#alerts tbody tr")).to_contain_text(words)
    expect(page.locator("#spark-caption")).to_have_text("last 4 s, peak 0.3 a second")
    drawn = page.locator("#spark-figure .line").get_attribute("d", timeout=5000) or ""
    assert [round(float(point.split(",")[0])) for point in drawn.removeprefix("M").split("L")] == [0, 40, 80, 120]
    fakes.status.now = live(events_per_second=0.0, decisions={}, alerts=[], harms={})
    expect(page.locator("#state-words")).to_have_text("No events just now")
    expect(page.locator("#no-alerts")).to_be_visible()
    expect(page.locator("#no-decisions")).to_be_visible()


def test_the_script_draws_what_the_server_drew(page: Page, browser: Browser, site: tuple[Fakes, str]) -> None:
    fakes, address = site
    fakes.status.now = live()
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(address)
    page.goto(address)
    fakes.status.now = live(open_cases=13, history=[1, 25, *range(100, 140)])
    expect(page.locator("#open-cases")).to_have_text("13")  # the script has drawn
    still.goto(address)
    for at in (page, still):
        at.locator("summary").click()  # an element that opens without a script
        expect(at.locator("#behind")).to_be_visible()
    regions = (
        "#decisions",
        "#levels",
        "#harms",
        "#alerts",
        "#time-to-alert",
        "#p50",
        "#p99",
        "#uptime",
        "#events",
        "#rate",
        "#spark-caption",
    )
    for region in (*regions, "#behind"):
        assert page.locator(region).inner_text() == still.locator(region).inner_text(), region
    for path in (".line", ".area"):
        assert page.locator(f"#spark-figure {path}").get_attribute("d") == still.locator(f"#spark-figure {path}").get_attribute("d")
    attributes = "rows => rows.map(row => [...row.cells].map(cell => [cell.className, cell.dataset.label ?? '']))"
    assert page.locator("#alerts tbody tr").evaluate_all(attributes) == still.locator("#alerts tbody tr").evaluate_all(attributes)
    context.close()


def test_the_table_behind_the_chart_opens_by_keyboard_and_stays_open(page: Page, site: tuple[Fakes, str]) -> None:
    fakes, address = site
    fakes.status.now = live()
    page.goto(address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    expect(page.locator("#behind tbody tr")).to_have_count(12)
    expect(page.locator("#behind")).to_be_visible()
    fakes.status.now = live(history=[5] * 20)
    expect(page.locator("#behind tbody tr")).to_have_count(2)
    expect(page.locator("#behind")).to_be_visible()


def test_short_notes_stay_on_one_line_on_a_wide_screen(page: Page, site: tuple[Fakes, str]) -> None:
    fakes, address = site
    fakes.status.now = live()
    page.goto(address)
    notes = page.locator(".figures .note, .alerts thead th:visible")
    assert notes.count() >= 9
    lines = (
        "all => all.map(e => [e.textContent, Math.round(e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight))])"
    )
    assert [words for words, count in notes.evaluate_all(lines) if count > 1] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1024, 1440])
def test_nothing_is_cut_off_at_any_width(browser: Browser, site: tuple[Fakes, str], width: int, scheme: Any) -> None:
    fakes, address = site
    harms = {"immediate_danger": 10_000_000, "lawful_image_misuse": 9_999_999, "imagery_solicitation": 1}
    fakes.status.now = live(harms=harms, events=9_999_999_999, events_per_second=123_456.0, uptime_s=9_999_999.0)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened = context.new_page()
    opened.goto(address)
    opened.locator("summary").click()
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    assert opened.locator("main :visible").count() > 40
    cut = "e => e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 1"
    cells = opened.locator("main tbody td:visible, main tbody th:visible, main dd:visible")  # a phone hides table heads on purpose
    assert cells.evaluate_all(f"all => all.filter({cut}).map(e => e.textContent)") == []
    context.close()


CONTRAST = """() => {
  const rgb = (css) => css.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgb(getComputedStyle(node).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")]
    .filter((node) => [...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && node.checkVisibility())
    .map((node) => {
      const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))];
      return [node.textContent.trim().slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    })
    .filter(([, ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser: Browser, site: tuple[Fakes, str], scheme: Any) -> None:
    """WCAG 2.2 AA: 4.5 to 1."""
    fakes, address = site
    fakes.status.now = live()
    context = browser.new_context(color_scheme=scheme)
    opened = context.new_page()
    opened.goto(address)
    opened.locator("summary").click()
    assert opened.evaluate(CONTRAST) == []
    context.close()


def test_when_the_service_is_gone_the_page_says_so(browser: Browser) -> None:
    fakes = Fakes()
    context = browser.new_context()
    opened = context.new_page()
    with served(fakes) as (address, _):
        opened.goto(address)
        expect(opened.locator("#state-words")).to_have_text("Receiving events")
        opened.route("**/live.json", lambda route: route.abort())
        expect(opened.locator("#state-words")).to_contain_text("No answer from the service", timeout=15_000)
        expect(opened.locator("#rate")).to_have_text("1\u202f512")
    context.close()
