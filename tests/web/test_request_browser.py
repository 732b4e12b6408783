"""The desk of requests in a real browser: an emergency from one person to another by keyboard alone, and every page at every width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.app.settings import Settings
from nightlight.core.case import Finding
from nightlight.core.desk import Judgement
from nightlight.core.notices import NoticeItem
from nightlight.core.requests import Disclosed
from nightlight.core.staff import Role, Staff
from nightlight.web import WebConfig
from tests.app.conftest import ADULT, EXTORTION, message
from tests.web.console import COOKIE, Member
from tests.web.hands import Keys
from tests.web.real import real_service
from tests.web.shots import shot
from tests.web.test_console_browser import SCHEMES, WIDTHS, Looks, looked_at, pytestmark
from tests.web.test_live_browser import browser

__all__ = ["browser", "pytestmark"]

LONG = "Serious and Organised Crimes against Children Division of the Northern Harbour Counties"
SAID = {"service": {"name": "Lanternfall"}, "notices": {"contact": "safety@lanternfall.example", "endpoint": "mail"}}
MAIL = {"mail": {"url": "http://127.0.0.1:9/", "secret_env": "MAIL_SECRET"}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nightlight, str, dict[str, str]]]:
    """One of each, and the address of its page by kind."""
    monkey = pytest.MonkeyPatch()
    monkey.setenv("MAIL_SECRET", "x" * 40)
    settings = msgspec.convert({**SAID, "endpoints": MAIL}, Settings)
    with real_service(tmp_path_factory.mktemp("asked") / "home", web=WebConfig(page_rate_per_minute=1_000_000), settings=settings) as (
        graph,
        address,
    ):
        for text in ("do not tell your parents that we talk", EXTORTION):
            event = message(text, at=graph.clock.now().isoformat(), actor=ADULT)
            graph.events.submit(graph.events.decode(msgspec.json.encode(event))).result(60)
        [case] = [one.id for one in graph.database.cases.cases()]
        rae = Staff(id="rae", role=Role.REVIEWER)
        graph.desk.lock(rae, case)
        graph.desk.verdict(rae, case, Judgement(finding=Finding.CONFIRMED, reason="asks for secrecy", report=False))
        desk, items = graph.database.requests, [NoticeItem(url="https://files.example/p/17"), NoticeItem(sha256="ab" * 32)]
        told = desk.emergency(
            rae.audit, authority=LONG, reference="HC-1", contact="Officer Tamm, 555 0100", danger="A meeting is set for tonight.", case=case
        )
        desk.decide(told.id, "lead:lea", approve=True, why="Called back at the number of the county.")
        desk.disclosed(told.id, rae.audit, to="Officer Tamm", kinds=[Disclosed.IDENTITY, Disclosed.LOCATION], what="Name, last place.")
        kept = desk.preserve(rae.audit, authority="Coast Police", reference="CP-2026-17", account="vell", days=9, law="18 USC 2703(f)")
        desk.renew(kept.id, rae.audit, reference="CP-2026-17/2", days=10)
        sent = graph.notices.send(case, rae.audit, host="Files Example", to="abuse@files.example", items=items)
        by_hand = graph.notices.send(case, rae.audit, host="Pictures Example", to="abuse@pictures.example", items=items, by_hand=True)
        graph.notices.follow_up(graph.clock.now() + timedelta(hours=25))
        graph.notices.close(by_hand.id, rae.audit, "The service is gone.")
        yield (
            graph,
            address,
            {
                "requests": "/console/requests",
                "new-emergency": f"/console/requests/new?case={case}",
                "new-notice": f"/console/requests/new?kind=notice&case={case}",
                "emergency": f"/console/requests/emergency/{told.id}",
                "preservation": f"/console/requests/preservation/{kept.id}",
                "notice": f"/console/requests/notice/{sent.id}",
            },
        )
    monkey.undo()


@pytest.fixture(scope="module")
def secrets(site: tuple[Nightlight, str, dict[str, str]]) -> dict[str, str]:
    roles = {"rae": Role.REVIEWER, "lea": Role.LEAD}
    return {id: Member(site[0], id, role).secret() for id, role in roles.items()}


@pytest.fixture
def opened(browser: Browser, site: tuple[Nightlight, str, dict[str, str]], secrets: dict[str, str]) -> Iterator[Callable[..., Page]]:
    """What the browser complains of is a failure."""
    contexts, complaints = [], []

    def make(path: str, who: str, **more: Any) -> Page:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **{"locale": "en", **more})
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


def test_an_emergency_goes_from_hand_to_hand_by_keyboard_alone(opened: Callable[..., Page], site: tuple[Nightlight, str, Any]) -> None:
    graph, address, _ = site
    first = Keys(opened("/console", "rae"))
    page = first.page
    first.press(page.locator("nav.wide").get_by_role("link", name="Requests"))
    first.press(page.get_by_role("link", name="Write down an emergency"))
    first.fill(page.locator("[name=authority]"), "Harbour County Sheriff")
    first.fill(page.locator("[name=reference]"), "HC-2026-4")
    first.fill(page.locator("[name=contact]"), "Desk of the county, 555 0100")
    first.fill(page.locator("[name=danger]"), "A child is expected at the harbour tonight.")
    first.fill(page.locator("[name=account]"), "vell")
    first.press(page.get_by_role("button", name="Write it down and preserve"))
    expect(page.locator("#h-do + p")).to_contain_text("another person decides")

    second = Keys(opened("/console", "lea"))
    other = second.page
    expect(other.locator(".figures")).to_contain_text("Emergencies to decide")
    other.goto(f"{address}/console/requests")
    other.wait_for_load_state()  # keys work once the page's script runs
    other.keyboard.press("j")
    expect(other.locator("a.open").first).to_be_focused()
    shot(other, "requests")
    other.keyboard.press("o")
    expect(other.locator("h1")).to_contain_text("Harbour County Sheriff")
    shot(other, "emergency")
    second.fill(other.locator("[name=why]"), "Called back; the danger is real.")
    second.press(other.get_by_role("button", name="Agree: it may be told"))
    expect(other.locator("#h-decided")).to_be_visible()

    page.reload()
    first.fill(page.locator("[name=to]"), "Desk of the county")
    page.locator("[name=kind_location]").focus()
    page.keyboard.press("Space")
    first.fill(page.locator("[name=what]"), "The place of the last session.")
    first.press(page.get_by_role("button", name="Record it"))
    expect(page.locator("#h-told")).to_be_visible()
    assert graph.database.requests.undecided() == []


@pytest.mark.parametrize(
    ("locale", "names", "looks"),
    [
        ("es", ("requests", "emergency"), [(1440, "light"), (320, "dark")]),
        *(
            pytest.param(locale, None, [(w, s) for w in WIDTHS for s in SCHEMES], marks=pytest.mark.long, id=f"{locale}-all")
            for locale in ("en", "es")
        ),
    ],
)
def test_every_page_of_the_desk_is_whole_and_clear(
    locale: str, names: tuple[str, ...] | None, looks: Looks, opened: Callable[..., Page], site: tuple[Nightlight, str, dict[str, str]]
) -> None:
    for name in names or site[2]:
        looked_at(opened(site[2][name], "lea", locale=locale), name, locale, looks)
