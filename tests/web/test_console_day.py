"""A reviewer's whole day in a real browser, once with the mouse and once by keyboard alone, before a whole service and the real local
stand-in of the authority: sign in with the authenticator, take a case, read, look at a picture, decide, have it approved, send the report,
see it acknowledged, and an appeal. The same walk takes the docs' pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nightlight.app.bootstrap import Nightlight
from nightlight.app.settings import Settings
from nightlight.app.sim.cybertipline import Standin
from nightlight.app.sim.held import HeldState
from nightlight.core.bank import Bank
from nightlight.core.decision import Mode
from nightlight.core.staff import Role, Staff
from nightlight.web import WebConfig
from tests.app.conftest import ADULT, EXTORTION, message, upload
from tests.app.test_pipeline import picture
from tests.web.console import COOKIE, PASSWORD, Member
from tests.web.hands import Hand, Keys, Mouse
from tests.web.real import real_service
from tests.web.report_site import standin
from tests.web.shots import FOLDER, shot
from tests.web.test_console_policy import STRICTER
from tests.web.test_live_browser import CHROMIUM, REQUIRED, browser

__all__ = ["browser", "standin"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
FILE = picture()
SHA = hashlib.sha256(FILE).hexdigest()
TALK = ("good race, you play well", "do not tell your parents that we talk", EXTORTION)
WIDE = {"width": 1280, "height": 800}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, standin: Standin) -> Iterator[tuple[Nightlight, str]]:
    """Three accounts, each with a conversation that opened a case with a picture in it. A report takes two people here."""
    monkey = pytest.MonkeyPatch()
    monkey.setenv("SIM_PASSWORD", "sim")
    said = {
        "place": "US",
        "service": {"name": "Lanternfall", "reporter": {"first_name": "Rin", "email": "safety@lanternfall.example"}},
        "authorities": {"cybertipline": {"to": standin.place, "username": "sim", "password_env": "SIM_PASSWORD"}},
        "cases": {"approvals": {"report": 2}, "sample": 0},
    }
    home, web = tmp_path_factory.mktemp("day") / "home", WebConfig(page_rate_per_minute=1_000_000)
    with real_service(home, web=web, settings=msgspec.convert(said, Settings)) as (graph, address):
        graph.banks.create(Bank(name="own"), "cli")
        graph.banks.add_bytes("own", FILE, "cli")
        graph.database.policies.activate(STRICTER, Mode.SHADOW, "lead:lea", name="stricter", reason="calmer friction")
        graph.policies.refresh()
        for n, account in enumerate(("amber", "birch", "cedar")):
            actor, began = {**ADULT, "account": account}, graph.clock.now() - timedelta(minutes=40 - 5 * n)
            where = {"actor": actor, "channel": {"id": f"talk-{account}", "kind": "game"}}
            for minute, text in enumerate(TALK):
                event = message(text, at=(began + timedelta(minutes=minute)).isoformat(), **where)
                graph.events.submit(graph.events.decode(msgspec.json.encode(event))).result(60)
            sent = upload(id=f"picture-{account}", at=(began + timedelta(minutes=4)).isoformat(), **where)
            assert graph.media.screen(msgspec.json.encode(sent), FILE).result(60).decision.harms
        graph.vault.promote()
        yield graph, address
    monkey.undo()


@pytest.fixture(scope="module")
def staff(site: tuple[Nightlight, str]) -> dict[str, Member]:
    roles = {"rae": Role.REVIEWER, "kim": Role.REVIEWER, "lea": Role.LEAD, "olga": Role.AUDITOR, "ada": Role.ADMINISTRATOR}
    return {id: Member(site[0], id, role) for id, role in roles.items()}


@pytest.fixture
def opened(browser: Browser, site: tuple[Nightlight, str], staff: dict[str, Member]) -> Iterator[Callable[..., Page]]:
    """A browser of its own; `who`: signed in already. What the browser complains of is a failure."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def make(who: str | None = None, **more: Any) -> Page:
        more.setdefault("locale", "en")
        context = browser.new_context(viewport=WIDE, **more)  # type: ignore[arg-type]  # playwright's own TypedDict
        contexts.append(context)
        if who is not None:
            context.add_cookies([{"name": COOKIE, "value": staff[who].secret(), "url": site[1]}])
        page = context.new_page()
        # That a page is not there a browser says by itself; one of these is looked at.
        lost = f"{site[1]}/console/nowhere"
        page.on(
            "console",
            lambda m: complaints.append(f"{m.text} {m.location}") if m.type in ("error", "warning") and m.location["url"] != lost else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


def signs_in(hand: Hand, address: str, member: Member) -> None:
    """With the password and what the authenticator shows: the code of the step after the one that enrolment used."""
    page = hand.page
    page.goto(f"{address}/console")
    shot(page, "sign-in")
    hand.fill(page.locator("[name=id]"), member.id)
    hand.fill(page.locator("[name=password]"), PASSWORD)
    hand.fill(page.locator("[name=code]"), member.totp(1))
    hand.press(page.get_by_role("button", name="Sign in"))
    expect(page.locator("h1")).to_have_text("Overview")


def gives_verdict(hand: Hand, finding: str, reason: str) -> None:
    page = hand.page
    expect(page.locator("#verdict")).to_be_visible()
    page.wait_for_load_state()  # keys work once the page's script runs
    hand.find(finding)
    hand.fill(page.locator("#verdict [name=reason]"), reason)
    hand.press(page.get_by_role("button", name="Give the verdict"))
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("Give this verdict?")
    hand.press(dialog.get_by_role("button", name="Give the verdict"))
    expect(page.locator("h1")).to_have_text("Verdict given")


def chores(graph: Nightlight) -> None:
    """As the service does in the background every few seconds."""
    for _ in range(3):
        graph.reports.run_due()


@pytest.mark.parametrize("way", [Mouse, pytest.param(Keys, marks=pytest.mark.long)])
def test_a_reviewers_whole_day(way: type[Mouse] | type[Keys], opened: Callable[..., Page], site: tuple[Nightlight, str],
                               standin: Standin, staff: dict[str, Member]) -> None:  # fmt: skip
    graph, address = site
    who = "rae" if way is Mouse else "kim"
    hand: Hand = way(opened())
    page = hand.page
    signs_in(hand, address, staff[who])
    sign = graph.database.trail.search("admin", actor=f"reviewer:{who}", action="sign_in")[0][1]
    assert sign.detail["second"] == "totp"
    shot(page, "overview")

    page.goto(f"{address}/console/queue")
    shot(page, "queue")
    hand.press(page.get_by_role("button", name="Take the next case"))
    expect(page.locator("#verdict")).to_be_visible()
    case = str(page.locator(".case-grid").get_attribute("data-case"))
    assert graph.desk.case(Staff(id=who, role=Role.REVIEWER), case).locked_by == who
    shot(page, "case")

    # Read: the lines that count, then the picture.
    page.wait_for_load_state()
    page.keyboard.press("j")
    expect(page.locator(".line.marked").first).to_be_focused()
    box = page.locator("[data-reveal]").first
    canvas = box.locator("canvas")
    hand.press(box.locator("summary").first)
    hand.fill(box.locator(".reason").first, "to judge the case")
    hand.press(box.locator(".ask-now").first)
    expect(box.locator(".hold")).to_be_focused()
    hand.hold(box.locator(".hold"), canvas, 0)
    expect(canvas).to_be_hidden()
    hand.press(box.locator(".unblurred summary"))
    hand.fill(box.locator(".unblurred .reason"), "blurred, it cannot be told apart")
    hand.press(box.locator(".unblurred .ask-now"))
    expect(box.locator(".hold")).to_be_focused()
    with page.expect_response("**/reveal/seen"):
        hand.hold(box.locator(".hold"), canvas, 1100)  # the record counts real seconds
    expect(canvas).to_be_hidden()
    views = graph.desk.open(Staff(id="olga", role=Role.AUDITOR), case).views
    assert any(v.counts_as_viewed and v.sha256 == SHA and v.by == who for v in views)

    gives_verdict(hand, "confirmed", "asks for secrecy and threatens")
    chores(graph)
    assert graph.reports.of_case(case) == [], "a second person has to agree"

    # The lead, elsewhere, agrees.
    lead: Hand = way(opened())
    if way is Mouse:
        signs_in(lead, address, staff["lea"])
    else:
        lead.page.context.add_cookies([{"name": COOKIE, "value": staff["lea"].secret(), "url": address}])
    lead.page.goto(f"{address}/console/approvals")
    shot(lead.page, "approvals")
    lead.fill(lead.page.locator("main article [name=reason]").first, "I see it as well")
    lead.press(lead.page.get_by_role("button", name="Agree").first)
    expect(lead.page.get_by_text("Nothing waits for your signature.")).to_be_visible()
    chores(graph)

    # The report: what is missing, a change, exactly what goes out, and off it goes.
    page.goto(f"{address}/console/cases/{case}/reports")
    expect(page.locator("#h-says")).to_be_visible()
    shot(page, "report")
    row = page.locator('[id="row-/report/additionalInfo"]')
    hand.press(row.locator("summary", has_text="Change"))
    hand.fill(row.locator("textarea"), f"Looked at by {who}.")
    hand.press(row.get_by_role("button", name="Save"))
    expect(row.locator(".v")).to_have_text(f"Looked at by {who}.")
    hand.press(page.get_by_role("button", name="Send the report"))
    expect(page.get_by_role("button", name="Send it now")).to_be_focused()
    hand.press(page.get_by_role("button", name="Send it now"))
    expect(page.locator(".facts")).to_contain_text("on its way")
    chores(graph)
    expect(page.locator(".facts")).to_contain_text("Acknowledged")
    sent = [one for one in standin.reports(HeldState.FINISHED) if f"Looked at by {who}.".encode() in one.document]
    assert len(sent) == 1
    [filing] = graph.reports.of_case(case)
    assert filing.report.authority_id == sent[0].id
    shot(page, "acknowledged")

    # An appeal, which another person grants: the authority gets a correction.
    hand.press(page.get_by_role("link", name="To the case"))
    hand.press(page.locator("#decide summary", has_text="Write down an appeal"))
    hand.fill(page.locator('form[action$="/appeal"] textarea'), "they know each other from school")
    hand.press(page.locator('form[action$="/appeal"] button'))
    expect(page.locator("#h-log + ul")).to_contain_text("they know each other from school")
    lead.page.goto(f"{address}/console/cases/{case}")
    lead.press(lead.page.get_by_role("button", name="Take this case"))
    gives_verdict(lead, "not_confirmed", "they play it at school")
    chores(graph)
    assert len(graph.reports.of_case(case)) == 2
    page.goto(f"{address}/console/reports")
    expect(page.locator("table.reports").first).to_contain_text("Correction")
    shot(page, "reports")
    assert graph.database.audit.verify().ok
    if way is Mouse and FOLDER is not None:
        for name, id in (("banks", "lea"), ("policy", "lea"), ("people", "ada"), ("audit", "olga")):
            other = opened(id)
            other.goto(f"{address}/console/{name}")
            shot(other, name)


def clear(page: Page, name: str) -> None:
    """Everything open, and axe finds nothing."""
    page.evaluate("document.querySelectorAll('details').forEach((d) => { if (!d.matches('.menu')) d.open = true; })")
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}}).response
    assert [(v["id"], [n["html"][:160] for n in v["nodes"][:3]]) for v in found["violations"]] == [], name


def held_case(graph: Nightlight) -> str:
    """A case with a picture in it, held by the lead, with a draft."""
    lead = Staff(id="lea", role=Role.LEAD)
    case = max(graph.database.cases.cases(), key=lambda one: one.opened_at).id  # the days take those that waited longer
    if graph.desk.case(lead, case).held_by(graph.clock.now()) is None:
        graph.desk.lock(lead, case)
    if not graph.reports.of_case(case):
        graph.reports.draft(case, lead.audit)
    return case


PLACES = {
    "reveal": "/console/cases/{case}",
    "rules": "/console/policy",
    "report": "/console/reports/{report}",
    "xml": "/console/reports/{report}/xml",
    "reports": "/console/reports",
    "lost": "/console/nowhere",
    "banks": "/console/banks",
}


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        ("es", ("reveal", "rules")),
        pytest.param("es", tuple(PLACES), marks=pytest.mark.long),
        pytest.param("en", tuple(PLACES), marks=pytest.mark.long),
    ],
    ids=["es", "es-all", "en-all"],
)
def test_reports_pictures_and_rules_are_clear_to_everybody(
    locale: str, names: tuple[str, ...], opened: Callable[..., Page], site: tuple[Nightlight, str]
) -> None:
    graph, address = site
    case = held_case(graph)
    page = opened("lea", locale=locale)
    for name in names:
        page.goto(address + PLACES[name].format(case=case, report=graph.reports.of_case(case)[0].report.id))
        assert page.locator("html").get_attribute("lang") == locale
        if name == "reveal":
            assert page.locator("[data-reveal]").count() > 0
        clear(page, f"{name} {locale}")
