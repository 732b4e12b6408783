"""`/protect-my-picture` in a real browser, before a whole service: nothing of a picture leaves, every step works by keyboard alone, on
a phone, for all three readers and both languages."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.core.decision import Helpline
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.self_report import BANK
from nightlight.senses.media import screen_bytes
from nightlight.web import FamilyConfig
from tests.web.real import real_service
from tests.web.test_live_browser import CHROMIUM, CONTRAST, REQUIRED, browser
from tests.web.test_protect_hash import drawn, saved

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
PAGE = "/protect-my-picture"
NAME = "beach-with-mia-2026.png"
FAMILY = FamilyConfig(
    service="Sky Meadow", helplines=(Helpline(name="A line", contact="116 111", place="ES"),), reports_an_hour=10_000, looks_a_minute=10_000
)
READERS = ("7-10", "11-13", "14-17")
Upload = dict[str, Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nightlight, str]]:
    with real_service(tmp_path_factory.mktemp("site") / "home", FAMILY) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, site: tuple[Nightlight, str]) -> Iterator[Callable[..., Page]]:
    """Opens the page; what the browser complains of is a failure, but for answers that a test asked for."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(address: str = "", **more: Any) -> Page:
        more.setdefault("viewport", {"width": 390, "height": 844})
        context = browser.new_context(**more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") and not expected(m.text) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((address or site[1]) + PAGE)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def expected(complaint: str) -> bool:
    return "status of 4" in complaint or "net::ERR_FAILED" in complaint


def upload(data: bytes, name: str = NAME, type: str = "image/png") -> Upload:
    return {"name": name, "mimeType": type, "buffer": data}


def choose(page: Page, *files: Upload, reader: str = "11-13") -> None:
    page.locator(f'[data-reader="{reader}"]').click()
    page.locator("[data-step=about] [data-go=choose]").click()
    page.locator("#files").set_input_files(list(files))
    expect(page.locator("#list .card")).to_have_count(len(files))
    expect(page.locator("#working")).to_be_hidden(timeout=20_000)


def send(page: Page, *files: Upload) -> str:
    choose(page, *files)
    page.locator("#to-check").click()
    page.locator("#send").click()
    expect(page.locator("[data-step=code]")).to_be_visible()
    return str(page.locator("#code").get_attribute("data-code"))


def ask(page: Page, code: str) -> None:
    page.locator("[data-step=who] [data-go=later]").click()
    page.locator("#asked").fill(code)
    page.locator("#asked").press("Enter")


# -- nothing of the picture leaves ---------------------------------------------------------------------------------------------------


class Tap:
    """Passes bytes on to the service and keeps all that came from the browser: below anything a page or a browser may hide."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._to = (str(parts.hostname), int(parts.port or 80))
        self._door = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self.address = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.sent = bytearray()
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *args: Any) -> None:
        self._threads.append(threading.Thread(target=work, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = socket.create_connection(self._to)
                self._pairs.append((near, far))
                self._start(self._pump, near, far, self.sent)
                self._start(self._pump, far, near, None)

    def _pump(self, source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for one in (self._door, *(s for pair in self._pairs for s in pair)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(5)


WINDOW = 16


def windows(data: bytes) -> set[bytes]:
    """Every run of 16 bytes that says something: one byte sixteen times is in anything."""
    return {w for at in range(len(data) - WINDOW + 1) if len(set(w := data[at : at + WINDOW])) > 3}


def shapes_of(data: bytes) -> set[bytes]:
    """Those of the file and of its pixels in every order that a page may have read them in, plainly and as text would carry them."""
    from base64 import b64encode

    image = Image.open(io.BytesIO(data))
    raw = [data, *(image.convert(mode).tobytes() for mode in ("RGB", "RGBA", "L"))]
    found: set[bytes] = set()
    for one in raw:
        found |= windows(one)
        found |= windows(one.hex().encode())
        for shift in range(3):
            found |= windows(b64encode(one[shift:]))
        found |= windows(",".join(map(str, one[:20_000])).encode())
    return found


def test_no_byte_of_a_picture_leaves_the_browser(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    data = saved(drawn(96, 72, seed=21), "PNG")
    fingerprints = screen_bytes(data)
    tap = Tap(site[1])
    try:
        page = opened(tap.address)
        page.wait_for_load_state("networkidle")
        requests: list[Request] = []
        page.context.on("request", lambda request: requests.append(request))
        code = send(page, upload(data))
        page.locator("#again").click()
        ask(page, code)
        expect(page.locator("#answer")).to_be_visible()
        page.context.close()
    finally:
        tap.close()
    sent = bytes(tap.sent)
    assert fingerprints.pdq is not None and fingerprints.pdq.encode() in sent  # the tap saw what was sent
    assert {(r.method, urlsplit(r.url).path) for r in requests if r.method != "GET"} == {
        ("POST", f"{PAGE}/send"),
        ("POST", f"{PAGE}/state"),
    }
    assert {urlsplit(r.url).netloc for r in requests if not r.url.startswith("blob:")} == {urlsplit(tap.address).netloc}
    assert all(not urlsplit(r.url).query for r in requests)
    known = shapes_of(data)
    assert len(known) > 20_000
    assert not known & windows(sent)
    for word in (NAME, "beach", "mia-2026", "11-13"):
        assert word.encode() not in sent, word
    bodies = [r.post_data or "" for r in requests if r.method == "POST"]
    pictures = json.loads(bodies[0])
    assert set(pictures) == {"once", "pictures"} and set(pictures["pictures"][0]) == {"sha256", "pdq", "quality"}
    assert b"cookie:" not in sent.lower() and b"referer:" not in sent.lower()


def test_the_proof_would_notice_a_single_line_of_pixels(site: tuple[Nightlight, str]) -> None:
    data = saved(drawn(96, 72, seed=21), "PNG")
    line = Image.open(io.BytesIO(data)).convert("RGB").tobytes()[3000:3288]
    assert windows(b"POST / HTTP/1.1\r\n\r\n" + line) & shapes_of(data)
    assert windows(b'{"a": "' + data[100:140].hex().encode()) & shapes_of(data)


def test_nothing_is_kept_in_the_browser(opened: Callable[..., Page]) -> None:
    page = opened()
    code = send(page, upload(saved(drawn(200, 150), "PNG")))
    kept = """async () => [document.cookie, localStorage.length, sessionStorage.length, history.length, location.href,
      (await indexedDB.databases()).length, (await caches.keys()).length, document.getElementById("files").files.length]"""
    cookie, local, session, steps, href, databases, caches, files = page.evaluate(kept)
    assert (cookie, local, session, databases, caches, files) == ("", 0, 0, 0, 0, 0)
    assert steps <= 2 and href.endswith(PAGE)
    assert NAME not in page.content()
    page.goto("about:blank")
    page.go_back()
    expect(page.locator("[data-step=who]")).to_be_visible()
    assert code not in page.content()


# -- what the service gets -----------------------------------------------------------------------------------------------------------


def test_what_is_banked_is_what_was_shown(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    graph, _ = site
    page = opened()
    first, plain = saved(drawn(300, 200, seed=31), "PNG"), saved(Image.new("RGB", (90, 90), (9, 120, 200)), "PNG")
    choose(page, upload(first), upload(plain, "b.png"), upload(b"\0\0\0\x18ftypmp42" + bytes(99), "c.mp4", "video/mp4"))
    expect(page.locator("#list .card").nth(1)).to_contain_text("exact copies only")
    expect(page.locator("#list .card").nth(2)).to_contain_text("For a video")
    page.locator("#to-check").click()
    shown = set(page.locator("#sent dd").all_inner_texts())
    page.locator("#send").click()
    expect(page.locator("[data-step=code]")).to_be_visible()
    report = graph.self_reports.waiting()[-1]
    items = [i for i in graph.banks.items(BANK, most=1000) if i.source in report.sources]
    assert {f.value for i in items for f in i.fingerprints} == shown and len(shown) == 4
    assert [f.kind for i in items for f in i.fingerprints].count(FingerprintKind.PDQ) == 1


def test_a_lost_answer_and_a_second_try_are_one_report(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    graph, _ = site
    page = opened()
    before = len(graph.self_reports.waiting(most=1000))
    lost: list[str] = []

    def lose(route: Any) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch().text())  # the service has it; the browser never hears of it
            route.abort()

    page.route(f"**{PAGE}/send", lose)
    choose(page, upload(saved(drawn(220, 150, seed=33), "PNG")))
    page.locator("#to-check").click()
    page.locator("#send").click()
    expect(page.locator("#error")).to_contain_text("could not reach")
    page.locator("#send").click()
    expect(page.locator("[data-step=code]")).to_be_visible()
    assert str(page.locator("#code").get_attribute("data-code")) in lost[0]
    assert len(graph.self_reports.waiting(most=1000)) == before + 1


def test_a_code_is_followed_and_the_report_taken_back(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    graph, _ = site
    page = opened()
    code = send(page, upload(saved(drawn(210, 150, seed=34), "PNG")))
    report = graph.self_reports.waiting(most=1000)[-1]
    page.locator("#again").click()
    ask(page, code.lower().replace("-", " "))
    expect(page.locator("#answer-words")).to_contain_text("Nobody has looked")
    graph.self_reports.look(report.id, "test")
    page.locator("#asked").press("Enter")
    expect(page.locator("#answer-words")).to_contain_text("looking into it now")
    page.locator("#withdraw").click()
    expect(page.locator("#sure-no")).to_be_focused()
    page.locator("#sure-no").click()
    page.locator("#withdraw").click()
    page.locator("#sure-yes").click()
    expect(page.locator("#answer-words")).to_contain_text("took it back")
    assert not [i for i in graph.banks.items(BANK, most=1000) if i.source in report.sources]
    for wrong, words in ((code[:-1], "small mistake"), ("2222-2222-2222-2222-2222", "don't know this code"), ("", "small mistake")):
        page.locator("#asked").fill(wrong)
        page.locator("#asked").press("Enter")
        expect(page.locator("#error")).to_contain_text(words)
        expect(page.locator("#answer")).to_be_hidden()
        assert page.locator("#asked").get_attribute("aria-invalid") == "true"


def test_no_more_than_ten_and_one_may_be_taken_away(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator('[data-reader="14-17"]').click()
    page.locator("[data-step=about] [data-go=choose]").click()
    page.locator("#to-check").click()
    expect(page.locator("#error")).to_contain_text("choose a picture or video first")
    page.locator("#files").set_input_files([upload(b"%d" % n, f"{n}.png") for n in range(12)])
    expect(page.locator("#error")).to_contain_text("up to 10")
    expect(page.locator("#list .card")).to_have_count(10)
    page.locator("#list .card button").first.click()
    expect(page.locator("#list .card")).to_have_count(9)


# -- leaving -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["button", "keys"])
def test_leaving_at_once_goes_away_for_good(opened: Callable[..., Page], how: str) -> None:
    page = opened()
    choose(page, upload(saved(drawn(200, 150), "PNG")))
    if how == "button":
        page.locator("#leave").click()
    else:
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    page.wait_for_url("about:blank")
    page.go_back()
    assert PAGE not in page.url


def test_one_escape_alone_does_not_leave(opened: Callable[..., Page]) -> None:
    page = opened()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator("[data-step=who]")).to_be_visible()
    assert page.url.endswith(PAGE)


# -- for everybody -------------------------------------------------------------------------------------------------------------------

NAMELESS = """() => [...document.querySelectorAll("a, button, input, svg, section, [role=group]")].filter((node) => {
  if (!node.checkVisibility()) return false;
  if (node.tagName === "svg") return node.getAttribute("aria-hidden") !== "true" && !node.getAttribute("aria-label");
  const by = (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("");
  const labels = [...(node.labels ?? [])].map((label) => label.textContent).join("");
  return !(by + labels + (node.getAttribute("aria-label") ?? "") + (["A", "BUTTON"].includes(node.tagName) ? node.textContent : "")).trim();
}).map((node) => node.outerHTML.slice(0, 90))"""
SMALL = """() => [...document.querySelectorAll("button, .button, #leave, input[type=text]")]
  .filter((node) => node.checkVisibility() && node.getBoundingClientRect().height < 44).map((node) => node.outerHTML.slice(0, 90))"""
CUT = """() => [...document.querySelectorAll("header *, main *")].filter((node) => node.checkVisibility() && !node.closest("svg, .apart")
  && (node.getBoundingClientRect().right > innerWidth + 1 || node.getBoundingClientRect().left < -1))
  .map((node) => node.outerHTML.slice(0, 90))"""
TWICE = """() => [...document.querySelectorAll("[id]")].map((node) => node.id).filter((id, i, all) => all.indexOf(id) !== i)"""


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (390, "light"), (1440, "dark"), (1440, "light")])
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_step_can_be_read_and_reached(opened: Callable[..., Page], width: int, scheme: str, language: str) -> None:
    """WCAG 2.2 AA as far as a script can see: contrast 4.5 to 1, names, sizes, nothing cut off, one first heading a step."""
    page = opened(viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language)
    reader = READERS[(width + len(language) + len(scheme)) % 3]

    def check(step: str) -> None:
        expect(page.locator(f"[data-step={step}]")).to_be_visible()
        assert page.evaluate(CONTRAST) == [], step
        assert page.evaluate(NAMELESS) == [], step
        assert page.evaluate(SMALL) == [], step
        assert page.evaluate(CUT) == [], step
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("h1:visible").count() == 1
        if step != "who":
            expect(page.locator(f"[data-step={step}] h1")).to_be_focused()

    check("who")
    assert page.evaluate(TWICE) == []
    assert page.evaluate("document.documentElement.lang") == language
    page.locator(f'[data-reader="{reader}"]').click()
    check("about")
    page.locator("[data-step=about] [data-go=choose]").click()
    page.locator("#files").set_input_files([upload(saved(drawn(160, 120, seed=width), "PNG"))])
    expect(page.locator("#list .card")).to_have_count(1)
    expect(page.locator("#working")).to_be_hidden()
    assert [page.evaluate(script) for script in (CONTRAST, NAMELESS, SMALL, CUT)] == [[], [], [], []]
    page.locator("#to-check").click()
    check("check")
    page.locator("#send").click()
    check("code")
    code = str(page.locator("#code").get_attribute("data-code"))
    page.locator("#again").click()
    page.locator("[data-step=who] [data-go=later]").click()
    check("later")
    page.locator("#asked").fill("x")
    page.locator("#asked").press("Enter")
    expect(page.locator("#error")).to_be_visible()
    assert [page.evaluate(script) for script in (CONTRAST, NAMELESS, CUT)] == [[], [], []]
    page.locator("#asked").fill(code)
    page.locator("#asked").press("Enter")
    page.locator("#withdraw").click()
    assert [page.evaluate(script) for script in (CONTRAST, NAMELESS, SMALL, CUT)] == [[], [], [], []]


FOCUS_SEEN = """() => [document.activeElement, document.activeElement.nextElementSibling]
  .some((node) => node && getComputedStyle(node).outlineStyle !== 'none')"""


def test_the_whole_way_by_keyboard_alone(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 1024, "height": 768})
    # From the start: Chromium takes up the interception a while after it was asked for, and a key pressed before it is lost.
    page.on("filechooser", lambda _: None)

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                assert page.evaluate(FOCUS_SEEN), selector
                return
        raise AssertionError(f"{selector} cannot be reached")

    tab_to('[data-language="es"]')
    page.keyboard.press("Enter")
    expect(page.locator("h1:visible")).to_have_text("Proteger mi foto")
    tab_to('[data-reader="7-10"]')
    page.keyboard.press("Enter")
    expect(page.locator("[data-step=about] h1")).to_be_focused()
    tab_to("[data-step=about] [data-go=choose]")
    page.keyboard.press("Enter")
    tab_to("#files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([upload(saved(drawn(180, 130, seed=41), "PNG"))])
    expect(page.locator("#status")).to_have_text("La huella está lista.")
    tab_to("#to-check")
    page.keyboard.press("Enter")
    tab_to("#send")
    page.keyboard.press("Enter")
    expect(page.locator("[data-step=code] h1")).to_be_focused()
    expect(page.locator("#code")).not_to_be_empty()


def test_the_choice_of_words_changes_them_and_leaves_no_trace(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    page = opened(locale="en")
    asked: list[str] = []
    page.wait_for_load_state("networkidle")
    page.on("request", lambda request: asked.append(request.url))
    seen = set()
    for language in ("es", "en"):
        for reader in READERS:
            page.locator(f'[data-language="{language}"]').click()
            page.locator(f'[data-reader="{reader}"]').click()
            text = page.locator("[data-step=about]").inner_text()
            assert "Sky Meadow" in text and "{" not in text
            seen.add(text)
            page.locator("[data-step=about] [data-go=who]").click()
    assert len(seen) == 6 and asked == [] and page.url.endswith(PAGE)


def test_without_workers_the_page_hashes_by_itself(opened: Callable[..., Page]) -> None:
    page = opened()
    page.route("**/worker.js", lambda route: route.fulfill(status=200, content_type="text/plain", body="no script"))
    data = saved(drawn(240, 160, seed=51), "PNG")
    page.locator('[data-reader="11-13"]').click()
    page.evaluate("() => { window.Worker = class { constructor() { throw new Error('none'); } }; }")
    page.locator("[data-step=about] [data-go=choose]").click()
    page.locator("#files").set_input_files([upload(data)])
    expect(page.locator("#list .card")).to_contain_text("The fingerprint is ready.")
    page.locator("#to-check").click()
    assert screen_bytes(data).pdq in page.locator("#sent dd").all_inner_texts()


def test_a_large_picture_is_hashed_while_the_page_stays_alive(opened: Callable[..., Page], tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    drawn(4000, 3000, seed=61).save(large, "JPEG", quality=85)
    page = opened()
    page.locator('[data-reader="11-13"]').click()
    page.locator("[data-step=about] [data-go=choose]").click()
    page.locator("#files").set_input_files(large)
    page.locator('[data-language="es"]').click()
    expect(page.locator("h1:visible")).to_have_text("Elige tu foto")
    expect(page.locator("#list .card")).to_contain_text("La huella está lista.", timeout=30_000)
