"""The web components in a real browser before a whole service: what works on the device alone works without a network, everything by
keyboard, on a phone, in both directions; a report reaches the desk and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.core.decision import Helpline
from nightlight.core.moment import Audience, Situation
from nightlight.core.services import Scope
from nightlight.protect import moments
from nightlight.web import FamilyConfig
from tests.web.real import real_service
from tests.web.test_live_browser import CHROMIUM, REQUIRED, browser

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
PAGE = "/components"
SHOTS = os.environ.get("NIGHTLIGHT_SHOTS")
FAMILY = FamilyConfig(
    service="Sky Meadow", leave_to="about:blank#away", helplines=(Helpline(name="A line", contact="116 111", place="ES"),)
)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVENTS = "nl-choice nl-leave nl-block nl-reported nl-error"
LISTEN = """(names) => { window.heard = [];
  for (const name of names.split(" ")) addEventListener(name, (e) => heard.push([name, e.detail])); }"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nightlight, str]]:
    with real_service(tmp_path_factory.mktemp("site") / "home", FAMILY) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, site: tuple[Nightlight, str]) -> Iterator[Callable[..., Page]]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(**more: Any) -> Page:
        more.setdefault("viewport", {"width": 390, "height": 844})
        context = browser.new_context(**more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") and not expected(m.text) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(site[1] + PAGE)
        expect(page.locator("nl-help button")).to_be_visible()
        expect(page.locator("nl-blur button")).to_be_visible()
        page.evaluate(LISTEN, EVENTS)
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def expected(complaint: str) -> bool:
    """What a test asked for: it was without a network, a file was not there, or a check tried what it may not."""
    asked_for = ("ERR_", "status of 40", "Loading the image 'data:,", "/a.js' violates", "Failed to load module script")
    return any(part in complaint for part in asked_for)


def picture(photo: bool) -> dict[str, Any]:
    """A drawing of shapes, or something with the grain of a photograph: noise."""
    if photo:
        image = Image.frombytes("RGB", (120, 90), Random(4).randbytes(120 * 90 * 3))
    else:
        image = Image.new("RGB", (120, 90), (240, 240, 220))
        ImageDraw.Draw(image).ellipse((20, 20, 80, 80), fill=(40, 120, 90))
    out = io.BytesIO()
    image.save(out, "PNG")
    return {"name": "a.png", "mimeType": "image/png", "buffer": out.getvalue()}


def fulfils(body: bytes, type: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=body, content_type=type)


def heard(page: Page, name: str) -> list[Any]:
    return [detail for kind, detail in page.evaluate("window.heard") if kind == name]


def dialog(page: Page, element: str) -> Any:
    return page.locator(f"{element} dialog")


def until(page: Page, true: str) -> None:
    """`page.wait_for_function` evaluates a string within the page when it has to wait, which the page's own policy forbids."""
    for _ in range(600):
        if page.evaluate(f"Boolean({true})"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it never came to be that {true}")


def tab_to(page: Page, selector: str) -> None:
    """Walks on by Tab until what has the focus, in whatever shadow, fits."""
    inner = """(s) => { let n = document.activeElement; while (n?.shadowRoot?.activeElement) n = n.shadowRoot.activeElement;
      return n.matches(s); }"""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(inner, selector):
            return
    raise AssertionError(f"{selector} cannot be reached")


# -- a pause before a picture leaves --------------------------------------------------------------------------------------------------


def test_before_a_picture_leaves_there_is_a_pause_and_no_network_is_needed(opened: Callable[..., Page]) -> None:
    page = opened()
    asked: list[str] = []
    page.evaluate(
        """() => { window.changes = []; const field = document.getElementById("picture");
        for (const kind of ["input", "change"]) field.addEventListener(kind, () => changes.push([kind, field.files.length])); }"""
    )
    page.wait_for_load_state("networkidle")
    page.context.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    words = moments()["en"][Situation.SENDING_PICTURE].words[Audience.MIDDLE]
    for choice, gone in (("stop", []), ("adult", []), ("go_on", [["input", 1], ["change", 1]])):
        page.locator("#picture").set_input_files([picture(True)])
        asked_first = dialog(page, "nl-before-you-send")
        expect(asked_first.locator("h2")).to_have_text(words.title)
        expect(asked_first.locator("h2")).to_be_focused()
        expect(asked_first.locator(".choices button")).to_have_count(3)
        assert page.evaluate("[changes.length, document.getElementById('picture').files.length]") == [0, 0]
        asked_first.locator(f"[data-choice={choice}]").click()
        if choice == "adult":
            expect(asked_first.locator("h2")).to_contain_text("talk to someone")
            page.keyboard.press("Escape")
        expect(asked_first).to_have_count(0)
        until(page, f"changes.length === {len(gone)}")
        assert page.evaluate("changes") == gone
    assert [d["choice"] for d in heard(page, "nl-choice")] == ["stop", "adult", "go_on"]
    page.locator("#picture").set_input_files([{"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"}])
    until(page, "changes.length === 4")  # what is no picture needs no pause
    page.keyboard.press("Shift")  # so that the next Escape is no second one
    # Closing means no; what an app has by other means it may ask about; and two at once are asked one after the other.
    page.evaluate(
        """() => { const e = document.querySelector("nl-before-you-send");
        window.two = Promise.all([e.ask([new Blob()]), e.ask([new Blob()])]); }"""
    )
    expect(dialog(page, "nl-before-you-send")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(dialog(page, "nl-before-you-send")).to_have_count(1)
    dialog(page, "nl-before-you-send").locator("[data-choice=go_on]").click()
    assert page.evaluate("window.two") == [False, True]
    assert asked == []


def test_a_picture_waits_while_the_screen_is_shared(opened: Callable[..., Page]) -> None:
    page = opened()
    page.locator("#wait").check()
    page.locator("#picture").set_input_files([picture(True)])
    expect(page.locator("nl-before-you-send #waiting")).to_be_visible()
    expect(dialog(page, "nl-before-you-send")).to_have_count(0)
    page.locator("#wait").uncheck()
    expect(dialog(page, "nl-before-you-send")).to_be_visible()
    # What is open goes at once when sharing begins, and is asked again afterwards.
    share = """async () => { const { noteSharing } = await import("/components/nightlight.js");
      window.stream = document.createElement("canvas").captureStream(); noteSharing(stream); }"""
    page.evaluate(share)
    expect(dialog(page, "nl-before-you-send")).to_have_count(0)
    page.evaluate("stream.getTracks()[0].stop()")
    expect(dialog(page, "nl-before-you-send")).to_be_visible()
    dialog(page, "nl-before-you-send").locator("[data-choice=stop]").click()
    expect(page.locator("nl-before-you-send #waiting")).to_be_hidden()
    assert page.evaluate("document.getElementById('picture').files.length") == 0


def test_without_its_words_nothing_leaves(opened: Callable[..., Page]) -> None:
    page = opened()
    page.context.route("**/words.*", lambda route: route.abort())
    page.evaluate("document.querySelector('nl-before-you-send').setAttribute('reader', '14-17')")
    page.locator("#picture").set_input_files([picture(True)])
    until(page, "heard.filter(([kind]) => kind === 'nl-error').length >= 2")
    page.evaluate("document.querySelector('nl-help').setAttribute('reader', 'adult')")
    page.locator("nl-help button").click()
    until(page, "heard.filter(([kind]) => kind === 'nl-error').length >= 4")
    assert page.evaluate("document.getElementById('picture').files.length") == 0


# -- a picture that came --------------------------------------------------------------------------------------------------------------


def test_a_picture_that_came_stays_covered_until_they_decide(opened: Callable[..., Page]) -> None:
    page = opened()
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    frame, button = page.locator("nl-blur .frame"), page.locator("nl-blur .panel button")
    seen = "getComputedStyle(document.querySelector('nl-blur img')).filter"
    assert "blur(36px)" in page.evaluate(seen) and frame.evaluate("f => f.inert")
    assert "A drawn moon" not in page.locator("section:has(nl-blur)").aria_snapshot()
    for choice in ("stop", "block", "go_on"):
        button.click()
        assert "blur" in page.evaluate(seen)
        dialog(page, "nl-blur").locator(f"[data-choice={choice}]").click()
        expect(dialog(page, "nl-blur")).to_have_count(0)
        expect(button).to_contain_text("Hide it again" if choice == "go_on" else "Hidden")
    assert page.evaluate(seen) == "none" and not frame.evaluate("f => f.inert")
    assert "A drawn moon" in page.locator("section:has(nl-blur)").aria_snapshot()
    button.click()
    assert "blur" in page.evaluate(seen)
    button.click()
    dialog(page, "nl-blur").locator("[data-choice=go_on]").click()
    page.evaluate("document.querySelector('nl-blur img').src = 'data:,'")  # another picture in the same place
    expect(button).to_contain_text("Hidden")
    assert "blur" in page.evaluate(seen)
    assert [url for url in asked if not url.startswith("data:")] == []
    # What would play by itself under the cover is stopped.
    stopped = """() => { const v = document.createElement("video"); let n = 0; v.pause = () => { n += 1; };
      document.querySelector("nl-blur").append(v); v.dispatchEvent(new Event("play")); v.remove(); return n; }"""
    assert page.evaluate(stopped) >= 1
    # Uncovering does not carry over to a picture that came while they were asked.
    button.click()
    page.evaluate("document.querySelector('nl-blur img').src = 'data:,2'")
    dialog(page, "nl-blur").locator("[data-choice=go_on]").click()
    expect(button).to_contain_text("Hidden")


# -- the optional check ---------------------------------------------------------------------------------------------------------------


WAYS_OUT = ["fetch", "XMLHttpRequest", "WebSocket", "EventSource", "WebTransport", "BroadcastChannel", "Worker", "indexedDB", "caches"]
WITH_CHECK = (
    """(to) => { const s = document.querySelector("nl-before-you-send"); s.setAttribute("check", to); s.removeAttribute("model"); }"""
)


def test_a_check_sees_the_picture_in_a_place_without_a_way_out(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    page = opened()
    left = page.locator("#left")
    loaded: list[str] = []
    page.context.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
    page.locator("#check").check()
    assert loaded == []  # nothing of it before it is used
    page.locator("#picture").set_input_files([picture(False)])
    expect(left).to_contain_text("Handed on to the page: 1")  # a drawing passes unasked
    assert set(loaded) == {"check.js", "check-worker.js", "check-example.js", "check-example.json"}
    page.context.set_offline(True)
    loaded.clear()
    page.locator("#picture").set_input_files([picture(True)])
    dialog(page, "nl-before-you-send").locator("[data-choice=stop]").click()
    page.locator("#picture").set_input_files([picture(False), picture(True)])  # one is enough
    dialog(page, "nl-before-you-send").locator("[data-choice=stop]").click()
    for broken in (b"no picture at all", b""):
        page.locator("#picture").set_input_files([{"name": "b.png", "mimeType": "image/png", "buffer": broken}])
        dialog(page, "nl-before-you-send").locator("[data-choice=stop]").click()
    page.locator("#picture").set_input_files([picture(False)])
    expect(left).to_contain_text("Handed on to the page: 1")
    assert loaded == []
    page.context.set_offline(False)

    # A module that tries to carry something out finds nothing to do it with, and the browser forbids it another host.
    with socket.create_server(("127.0.0.1", 0)) as door:
        elsewhere = f"http://127.0.0.1:{door.getsockname()[1]}"
        evil = f"""const tried = {json.dumps(WAYS_OUT)}.filter((name) => self[name]);
        export const check = async () => {{ await import("{elsewhere}/a.js").then(() => tried.push("import"), () => 0);
          return {{ pause: tried.length > 0 }}; }};"""
        page.context.route("**/evil.js", fulfils(evil.encode(), "text/javascript"))
        page.evaluate(WITH_CHECK, "/components/evil.js")
        page.locator("#picture").set_input_files([picture(True), picture(True)])
        expect(left).to_contain_text("Handed on to the page: 2")  # it found nothing, so it let them pass
        door.setblocking(False)
        with pytest.raises(BlockingIOError):
            door.accept()
    # Whatever cannot be run is worth a pause.
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    for wrong in ("/components/none.js", "http://127.0.0.2:9/other.js", "/components/demo.css"):
        page.evaluate(WITH_CHECK, wrong)
        page.locator("#picture").set_input_files([picture(False)])
        dialog(page, "nl-before-you-send").locator("[data-choice=stop]").click()
    assert asked and all(url.startswith(site[1]) for url in asked)


@pytest.mark.long
def test_a_check_may_leave_a_harmless_picture_uncovered(opened: Callable[..., Page]) -> None:
    page = opened()
    for name, photo in (("drawn", False), ("grain", True)):
        body = picture(photo)["buffer"]
        page.context.route(f"**/{name}.png", fulfils(body, "image/png"))
        page.evaluate(
            """(name) => { const one = document.createElement("nl-blur"); one.id = name;
            one.setAttribute("check", "/components/check-example.js"); one.setAttribute("model", "/components/check-example.json");
            const img = new Image(); img.src = `/components/${name}.png`; img.alt = name; one.append(img);
            document.getElementById("main").append(one); }""",
            name,
        )
    expect(page.locator("#drawn .panel button")).to_contain_text("Hide it again")
    expect(page.locator("#grain .panel button")).to_contain_text("Hidden")
    assert page.evaluate("[drawn.covered, grain.covered]") == [False, True]


# -- a report -------------------------------------------------------------------------------------------------------------------------

KEPT = """async () => [document.cookie, localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
  (await caches.keys()).length]"""


def test_a_report_reaches_the_desk_once_and_leaves_nothing_behind(opened: Callable[..., Page], site: tuple[Nightlight, str]) -> None:
    graph, address = site
    _, key = graph.keys.create("proxy", frozenset({Scope.EVENTS_WRITE}), "test")
    page = opened(accept_downloads=True)
    before = len(graph.services.cases.cases())
    bodies: list[dict[str, Any]] = []
    lost: list[int] = []

    def proxy(route: Route) -> None:
        """What a service's own endpoint does: adds the key and what only it knows."""
        body = json.loads(route.request.post_data or "{}")
        to = "/v1/user-reports" + (":status" if route.request.url.endswith("/status") else "")
        if "about" in body:
            bodies.append(body)
            body = {**body, "about": [{**party, "age_band": "18+"} for party in body["about"]]}
        with httpx.Client(trust_env=False) as client:
            answer = client.post(address + to, json=body, headers={"authorization": f"Bearer {key}"})
        if "about" in body and not lost:
            lost.append(1)
            route.abort()  # the desk has it; the browser never hears of it
        else:
            route.fulfill(status=answer.status_code, body=answer.text, content_type="application/json")

    page.route("**/my/report**", proxy)
    page.evaluate(
        """() => { const r = document.querySelector("nl-report"); delete r.transport; r.setAttribute("endpoint", "/my/report");
        r.setAttribute("status", "/my/report/status"); r.setAttribute("conversation", "c-9");
        r.setAttribute("about", "player_components"); }"""
    )
    downloads: list[str] = []
    page.on("download", lambda one: downloads.append(one.suggested_filename))
    page.locator("nl-report button").first.click()
    form = dialog(page, "nl-report")
    form.locator("button[type=submit]").click()
    expect(form.locator("[role=alert]")).to_be_visible()
    assert bodies == []
    form.locator("input[value=threatened]").check()
    form.locator("textarea").fill("pay or I tell")
    form.locator("input[type=checkbox]").check()
    form.locator("button[type=submit]").click()
    expect(form.locator("h2")).to_contain_text("did not get through")
    form.locator("button.main").click()
    code = form.locator(".code")
    expect(code).to_be_visible()
    told = code.inner_text()
    assert len(told.replace("-", "")) == 20
    assert code.evaluate("e => parseFloat(getComputedStyle(e).fontSize)") >= 24
    assert len(bodies) == 2 and bodies[0] == bodies[1]
    assert set(bodies[0]) == {"id", "category", "about", "text", "conversation"}
    assert heard(page, "nl-block") == [{"about": ["player_components"]}]
    assert len(graph.services.cases.cases()) == before + 1
    assert downloads == [] and page.evaluate(KEPT) == ["", 0, 0, 0, 0]
    assert told not in page.url and told not in page.title()
    with page.expect_download() as saved:
        form.locator("[data-save]").click()
    assert Path(saved.value.path()).read_text() == told + "\n" and saved.value.suggested_filename == "note.txt"
    page.keyboard.press("Escape")
    expect(form).to_have_count(0)
    assert told not in page.evaluate("document.querySelector('nl-report').shadowRoot.innerHTML")
    page.locator("nl-report [data-ask]").click()
    form.locator("input").fill("nonsense")
    form.locator("button[type=submit]").click()
    expect(form.locator("[role=status]")).to_contain_text("could not find")
    form.locator("input").fill(told.lower())
    form.locator("button[type=submit]").click()
    expect(form.locator("[role=status]")).to_contain_text("Thank you for telling us")


def test_one_tap_reports_and_blocks_and_two_taps_are_one_report(opened: Callable[..., Page]) -> None:
    page = opened()
    page.evaluate(
        """() => { const r = document.querySelector("nl-report"); r.setAttribute("category", "threatened"); window.sent = [];
        r.transport = (to, body) => { sent.push(body);
          return new Promise((go) => { window.answer = () => go({ code: "AAAA", message: "help.reported" }); }); }; }"""
    )
    button = page.locator("nl-report button").first
    expect(button).to_contain_text("Report and block")
    button.click()
    button.click()
    until(page, "!!window.answer")
    page.evaluate("answer()")
    expect(dialog(page, "nl-report").locator(".code")).to_have_text("AAAA")
    assert page.evaluate("sent.length") == 1 and len(heard(page, "nl-block")) == 1


# -- for everybody --------------------------------------------------------------------------------------------------------------------

WALK = """() => { const found = []; const walk = (root) => { for (const n of root.querySelectorAll("*")) {
  if (n.shadowRoot) walk(n.shadowRoot); if (n.checkVisibility()) { %s } } }; walk(document.getElementById("main")); return found; }"""
CUT = (
    WALK
    % """const box = n.getBoundingClientRect();
  if (!n.closest("nl-blur, .apart") && (box.right > innerWidth + 1 || box.left < -1)) found.push(n.outerHTML.slice(0, 80));"""
)
SMALL = WALK % """if (n.matches("button, .pick") && n.getBoundingClientRect().height < 47.5) found.push(n.outerHTML.slice(0, 80));"""
PARTS = (("nl-nudge", "#show"), ("nl-blur", "nl-blur button"), ("nl-report", "nl-report button >> nth=0"), ("nl-help", "nl-help button"))


def looked_at(page: Page, name: str, axe: bool, within: str | None = None) -> None:
    """`within`: the element whose dialog is open; what lies under it cannot be reached and is no fault."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (page.evaluate(CUT), page.evaluate(SMALL)) == ([], []), name
    if axe:
        found = Axe().run(page, context=within, options={"runOnly": {"type": "tag", "values": TAGS}}).response
        assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in found["violations"]] == [], name
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"components-{name}.png"))


def every_dialog(page: Page, name: str, axe: bool, short: bool = False) -> None:
    looked_at(page, f"{name}-page", axe)
    for element, button in PARTS:
        page.locator(button).click()
        expect(dialog(page, element)).to_be_visible()
        looked_at(page, f"{name}-{element}", axe and not (short and element in ("nl-blur", "nl-help")), element)
        dialog(page, element).locator("h2").press("Escape")
        expect(dialog(page, element)).to_have_count(0)
        page.keyboard.press("Shift")  # so that the next Escape is no second one


def test_every_part_is_whole_and_clear_on_a_small_phone(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 320, "height": 800}, reduced_motion="reduce", color_scheme="dark", locale="es")
    page.locator("#situation").select_option("threat")
    every_dialog(page, "320-dark-es", axe=True, short=True)


@pytest.mark.long
@pytest.mark.parametrize("locale", ["en", "es"])
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (390, "dark"), (1440, "light"), (1440, "dark")])
def test_every_part_is_whole_and_clear(opened: Callable[..., Page], width: int, scheme: str, locale: str) -> None:
    page = opened(viewport={"width": width, "height": 800}, reduced_motion="reduce", color_scheme=scheme, locale=locale)
    page.locator("#situation").select_option("threat")
    every_dialog(page, f"{width}-{scheme}-{locale}", axe=True)


@pytest.mark.long
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en", "es"])
def test_every_moment_for_every_reader_fits_a_small_phone(opened: Callable[..., Page], scheme: str, locale: str) -> None:
    page = opened(viewport={"width": 320, "height": 640}, reduced_motion="reduce", color_scheme=scheme, locale=locale)
    for reader in Audience:
        page.locator("#reader").select_option(reader)
        for situation, moment in moments()[locale].items():
            page.locator("#situation").select_option(situation)
            page.locator("#show").click()
            words = moment.words[reader]
            expect(dialog(page, "nl-nudge").locator("h2")).to_have_text(words.title)
            expect(dialog(page, "nl-nudge").locator("h2 + p")).to_have_text(words.body)
            looked_at(page, f"{reader}-{situation}-{locale}-{scheme}", True, "nl-nudge")
            dialog(page, "nl-nudge").locator(".choices button").last.click()


@pytest.mark.long
def test_from_right_to_left_nothing_is_cut_and_a_language_of_ones_own_is_read(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 320, "height": 640}, reduced_motion="reduce")
    page.locator("#rtl").check()
    every_dialog(page, "rtl", axe=False)
    words = page.evaluate("fetch('/components/words.en.11-13.json').then((a) => a.json())")
    own = {**words, "language": "ar", "direction": "rtl", "leave": "\u062e\u0631\u0648\u062c"}
    page.context.route("**/mine/words.ar.11-13.json", lambda route: route.fulfill(json=own))
    page.evaluate(
        "() => { const n = document.querySelector('nl-nudge'); n.setAttribute('words', '/mine'); n.setAttribute('language', 'ar'); }"
    )
    page.locator("#show").click()
    shown = dialog(page, "nl-nudge")
    expect(shown.locator(".leave")).to_have_text("\u062e\u0631\u0648\u062c")
    assert (shown.get_attribute("dir"), shown.get_attribute("lang")) == ("rtl", "ar")
    leave, whole = shown.locator(".leave").bounding_box(), shown.bounding_box()
    assert leave and whole and leave["x"] < whole["x"] + whole["width"] / 2
    assert shown.evaluate("d => getComputedStyle(d).animationName") == "none"


def test_by_keyboard_alone(opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 1024, "height": 768})
    tab_to(page, "#show")
    page.keyboard.press("Enter")
    expect(dialog(page, "nl-nudge").locator("h2")).to_be_focused()
    tab_to(page, "[data-choice=adult]")
    inside = "document.activeElement.tagName"
    for _ in range(8):  # the focus stays within while it is open
        page.keyboard.press("Tab")
        assert page.evaluate(inside) in ("NL-NUDGE", "BODY")
    tab_to(page, "[data-choice=stop]")
    page.keyboard.press("Enter")
    expect(page.locator("#show")).to_be_focused()
    tab_to(page, "nl-report button, button[aria-haspopup]")
    page.keyboard.press("Enter")
    tab_to(page, "input[type=radio]")
    page.keyboard.press("ArrowDown")
    tab_to(page, "button[type=submit]")
    page.keyboard.press("Enter")
    expect(dialog(page, "nl-report").locator(".code")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog(page, "nl-report")).to_have_count(0)
    page.keyboard.press("Shift")
    expect(page).to_have_url(page.url)
    assert heard(page, "nl-leave") == []


@pytest.mark.parametrize("how", ["button", "keys"])
def test_the_way_out_leads_away_for_good(opened: Callable[..., Page], how: str) -> None:
    page = opened()
    page.locator("#show").click()
    shown = dialog(page, "nl-nudge")
    expect(shown).to_be_visible()
    if how == "button":
        shown.locator(".leave").click()
    else:
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    page.wait_for_url("about:blank#away")
    page.go_back()
    assert PAGE not in page.url


def test_a_message_is_shown_once_and_goes_with_its_element(opened: Callable[..., Page]) -> None:
    page = opened()
    page.evaluate(
        "() => { const n = document.querySelector('nl-nudge'); window.both = Promise.all([n.show('threat'), n.show('threat')]); }"
    )
    expect(dialog(page, "nl-nudge")).to_have_count(1)
    expect(dialog(page, "nl-nudge").locator("[data-choice=helpline]")).to_have_count(1)
    dialog(page, "nl-nudge").locator("[data-choice=keep]").click()
    assert page.evaluate("both") == ["keep", "keep"]
    # A helpline is a link only where it leads to a number or a page.
    page.evaluate(
        """document.querySelector("nl-help").helplines =
        [{ name: "x", contact: "javascript:heard.push(1)" }, { name: "y", contact: "116 111" }]"""
    )
    page.locator("nl-help button").click()
    expect(dialog(page, "nl-help").locator("a")).to_have_count(1)
    assert dialog(page, "nl-help").locator("a").evaluate_all("all => all.map((a) => a.href)") == ["tel:116111"]
    dialog(page, "nl-help").locator(".choices button").click()
    # Where nothing takes reports, they are told so, and so is the page.
    page.evaluate(
        """() => { const r = document.querySelector("nl-report"); delete r.transport; r.removeAttribute("endpoint");
        r.setAttribute("category", "other"); }"""
    )
    page.locator("nl-report button").first.click()
    expect(dialog(page, "nl-report").locator("h2")).to_contain_text("did not get through")
    dialog(page, "nl-report").locator(".choices button").last.click()
    assert "endpoint" in heard(page, "nl-error")[0]["message"]
    # Without a helpline that choice is not offered, and what is no list is none.
    page.evaluate("document.querySelector('nl-nudge').setAttribute('helplines', '{oops')")
    page.locator("#situation").select_option("threat")
    page.locator("#show").click()
    expect(dialog(page, "nl-nudge").locator("[data-choice=keep]")).to_be_visible()
    expect(dialog(page, "nl-nudge").locator("[data-choice=helpline]")).to_have_count(0)
    page.evaluate("() => { window.last = document.querySelector('nl-nudge').show(); document.querySelector('nl-nudge').remove(); }")
    assert page.evaluate("window.last") == "later"
    assert page.evaluate("document.createElement('nl-nudge').show('nothing').then(() => 'shown', (e) => e.constructor.name)") == "TypeError"
