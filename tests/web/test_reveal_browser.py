"""Looking at a picture of a case: what is shown, when, and what is recorded of it. The pictures are drawn shapes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar
from playwright.sync_api import Browser, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.core.bank import Bank
from nightlight.core.desk import Severity
from nightlight.core.staff import Role, Staff
from nightlight.web import WebConfig, create_app
from tests.app.conftest import upload
from tests.app.test_pipeline import picture
from tests.web.console import COOKIE, ConsoleClient, Member
from tests.web.real import real_service
from tests.web.test_console_browser import SHOTS
from tests.web.test_live_browser import CHROMIUM, REQUIRED, browser

__all__ = ["browser"]

ANA = Staff(id="ana", role=Role.REVIEWER)
FILE = picture()
SHA = hashlib.sha256(FILE).hexdigest()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nightlight, str]]:
    with real_service(tmp_path_factory.mktemp("reveal") / "home", web=WebConfig(page_rate_per_minute=1_000_000)) as (graph, address):
        graph.banks.create(Bank(name="own"), "cli")
        graph.banks.add_bytes("own", FILE, "cli")
        at = graph.clock.now().isoformat()
        assert graph.media.screen(msgspec.json.encode(upload(id="m1", at=at)), FILE).result(60).decision.harms
        yield graph, address


@pytest.fixture(scope="module")
def case(site: tuple[Nightlight, str]) -> str:
    found = site[0].database.cases.cases()[0].id
    site[0].desk.lock(ANA, found)
    return found


@pytest.fixture(scope="module")
def secrets(site: tuple[Nightlight, str]) -> dict[str, str]:
    return {id: Member(site[0], id, role).secret() for id, role in (("ana", Role.REVIEWER), ("bo", Role.REVIEWER), ("olga", Role.AUDITOR))}


@pytest.fixture(scope="module")
def app(site: tuple[Nightlight, str]) -> Litestar:
    return create_app(site[0].services, WebConfig(page_rate_per_minute=1_000_000))


def views(graph: Nightlight, case: str) -> list[tuple[bool, bool, bool]]:
    found = graph.desk.open(Staff(id="reader", role=Role.AUDITOR), case).views
    return sorted((v.whole, v.blurred, v.counts_as_viewed) for v in found if v.sha256 == SHA)


def test_nothing_is_handed_out_without_role_lock_reason_and_record(
    site: tuple[Nightlight, str], app: Litestar, case: str, secrets: dict[str, str]
) -> None:
    graph, path = site[0], f"/console/cases/{case}/reveal"
    form = {"sha256": SHA, "reason": "to judge the case"}
    for who, change, status in (
        ("olga", {}, 403),
        ("bo", {}, 409),
        ("ana", {"reason": "  "}, 400),
        ("ana", {"sha256": "0" * 64}, 404),
        ("ana", {"how": "whole"}, 400),
    ):
        client = ConsoleClient(app, secrets[who])
        assert client.post(path, {"csrf": client.csrf()} | form | change).status_code == status, (who, change)
    ana = ConsoleClient(app, secrets["ana"])
    assert ana.post(path, form).status_code == 403  # no token
    assert ana.get(path).status_code == 405
    seen = {"csrf": ana.csrf(), "sha256": SHA, "milliseconds": "5000", "how": "unblurred"}
    assert ana.post(f"{path}/seen", seen).status_code == 409  # nothing was handed out
    assert views(graph, case) == []
    answer = ana.post(path, {"csrf": ana.csrf()} | form)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, "image/png", "no-store")
    assert FILE not in answer.content
    assert views(graph, case) == [(False, True, False)]


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)")
def test_a_picture_is_seen_only_while_it_is_held(
    browser: Browser, site: tuple[Nightlight, str], case: str, secrets: dict[str, str]
) -> None:
    graph, address = site
    before = len(views(graph, case))
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en")
    context.add_cookies([{"name": COOKIE, "value": secrets["ana"], "url": address}])
    page = context.new_page()
    page.set_default_timeout(8000)
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/console/cases/{case}")
    box = page.locator("[data-reveal]").first
    canvas, hold = box.locator("canvas"), box.locator(".hold")
    expect(page.locator(".media .hash code").first).to_have_text(SHA)
    expect(canvas).to_be_hidden()
    box.locator("summary").first.click()
    expect(hold).to_be_hidden()
    box.locator(".reason").first.fill("to judge the case")
    box.locator(".ask-now").first.click()
    expect(hold).to_be_focused()
    expect(canvas).to_be_hidden()

    hold.hover()
    page.mouse.down()
    expect(canvas).to_be_visible()
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / "console-reveal-1440-light-en.png"))
    page.mouse.up()
    expect(canvas).to_be_hidden()

    box.locator(".unblurred summary").click()
    box.locator(".unblurred .reason").fill("blurred, it cannot be told apart")
    box.locator(".unblurred .ask-now").click()
    expect(hold).to_be_focused()
    with page.expect_response("**/reveal/seen") as told:
        page.keyboard.down("r")
        expect(canvas).to_be_visible()
        page.wait_for_timeout(1100)  # the record counts real seconds
        page.keyboard.up("r")
    assert told.value.status == 200
    expect(canvas).to_be_hidden()
    found = views(graph, case)
    assert len(found) >= before + 3
    assert (True, False, True) in found  # held long enough, whole and unblurred
    mine = next(e for e in graph.desk.exposure(ANA) if e.person == "ana")
    assert mine.seconds[Severity.CLEAR] >= 1
    context.close()
    assert complaints == []
