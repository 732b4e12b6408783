"""The page of the rules: who reads and who changes them, what shadow would have done, and that every change is asked for and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from litestar import Litestar

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.bank import Bank, BankKind
from nightlight.core.decision import Mode
from nightlight.core.exchange import Exchange, ExchangeKind
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.staff import Role
from nightlight.policy import default_rules
from nightlight.policy.check import default_text
from nightlight.web import WebConfig, create_app
from tests.app.conftest import EXTORTION, message
from tests.web.console import ConsoleClient, Member

STRICTER = default_text().replace('{ action = "add_friction", hours = 24 }', '{ action = "add_friction", hours = 6 }')
STRICTER = STRICTER.replace('name = "default"', 'name = "stricter"').replace("priority = 1 }, { action", "priority = 2 }, { action")
LATER = STRICTER.replace('name = "stricter"', 'name = "later"')


@pytest.fixture
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nightlight]:
    with bootstrap(tmp_path_factory.mktemp("rules") / "home", settings=Settings(place="US"), start=True) as running:
        yield running


@pytest.fixture
def app(graph: Nightlight) -> Litestar:
    return create_app(graph.services, WebConfig(page_rate_per_minute=1_000_000))


@pytest.fixture
def staff(graph: Nightlight) -> dict[Role, str]:
    return {role: Member(graph, role.value, role).secret() for role in Role}


def said(graph: Nightlight, text: str, id: str, minutes: int = 0) -> None:
    at = (graph.clock.now() - timedelta(minutes=30 - minutes)).isoformat()
    graph.policies.refresh()  # as the news does within half a second
    graph.events.submit(graph.events.decode(msgspec.json.encode(message(text, id=id, at=at)))).result(60)


def changed(client: ConsoleClient, what: str, **form: str) -> int:
    return client.post(f"/console/policy/{what}", {"csrf": client.csrf(), "confirmed": "1", "reason": "less friction", **form}).status_code


def trail(graph: Nightlight) -> list[tuple[str, str, str, str]]:
    found = graph.database.trail.search("admin", action="policy.*")
    return [(e.actor, e.action, str(e.detail["mode"]), str(e.detail.get("reason", ""))) for _, e in found][::-1]


def test_rules_run_in_shadow_are_compared_go_live_and_come_back(app: Litestar, graph: Nightlight, staff: dict[Role, str]) -> None:
    lead, admin = ConsoleClient(app, staff[Role.LEAD]), ConsoleClient(app, staff[Role.ADMINISTRATOR])
    before = lead.get("/console/policy").text
    assert default_rules().version in before and "Nothing runs in shadow" in before
    for rule in default_rules().rules:
        assert f"<code>{rule.id}</code>" in before

    assert changed(lead, "try", text=STRICTER) == 303
    shadow = graph.database.policies.current(Mode.SHADOW)
    assert shadow is not None and shadow.text == STRICTER
    assert "No event was decided by both yet" in lead.get("/console/policy").text
    said(graph, EXTORTION, "e1")
    said(graph, "shall we play the second level again", "e2", 1)
    seen = lead.get("/console/policy").text
    assert "1 of 2 events would have been decided otherwise" in seen
    assert "open_case" not in seen.split('id="h-differ"')[0].split('id="h-compare"')[1], "actions are told in words"
    assert "<code>e1</code>" in seen and "<code>e2</code>" not in seen
    assert '<code>sextortion-high</code> <span class="tag">Changed</span>' in seen
    assert "<code>e1</code>" not in admin.get("/console/policy").text, "who reads no case reads no event's id"

    # Another set went there since the page was shown: what nobody looked at does not go live.
    assert changed(lead, "live", digest="0" * 64) == 409
    assert changed(admin, "live", digest=shadow.hash) == 303
    live = graph.database.policies.current()
    assert live is not None and live.text == STRICTER and graph.database.policies.current(Mode.SHADOW) is None
    assert changed(admin, "live", digest=shadow.hash) == 409

    assert changed(lead, "try", text=LATER) == 303
    later = graph.database.policies.current(Mode.SHADOW)
    assert later is not None
    seen = lead.get("/console/policy").text
    assert "Both sets have the same rules" in seen and "No event was decided by both yet" in seen, "another pair, another comparison"
    assert changed(lead, "end", digest=later.hash) == 303
    assert changed(lead, "try", text=LATER) == changed(lead, "live", digest=later.hash) == 303
    assert changed(lead, "back", digest=live.hash) == 409, "those are not live any more"
    assert changed(lead, "back", digest=later.hash) == 303
    back = graph.database.policies.current()
    assert back is not None and back.text == STRICTER
    why = "less friction"
    assert trail(graph) == [
        ("lead:lead", "policy.activate", "shadow", why),
        ("administrator:administrator", "policy.retire", "shadow", why),
        ("administrator:administrator", "policy.activate", "live", why),
        ("lead:lead", "policy.activate", "shadow", why),
        ("lead:lead", "policy.retire", "shadow", why),
        ("lead:lead", "policy.activate", "shadow", why),
        ("lead:lead", "policy.retire", "shadow", why),
        ("lead:lead", "policy.activate", "live", why),
        ("lead:lead", "policy.rollback", "live", why),
    ]
    assert graph.database.audit.verify().ok


def test_auditors_read_and_nobody_changes_without_reason_and_a_second_word(
    app: Litestar, graph: Nightlight, staff: dict[Role, str]
) -> None:
    auditor, lead = ConsoleClient(app, staff[Role.AUDITOR]), ConsoleClient(app, staff[Role.LEAD])
    page = auditor.get("/console/policy")
    assert page.status_code == 200 and "/console/policy/try" not in page.text
    assert changed(auditor, "try", text=STRICTER) == 403
    assert ConsoleClient(app, staff[Role.REVIEWER]).get("/console/policy").status_code == 403
    assert changed(lead, "try", text=STRICTER, reason="  ") == 400
    assert changed(lead, "try", text=STRICTER, reason="x" * 501) == 400
    asked = lead.post("/console/policy/try", {"csrf": lead.csrf(), "form": "try", "text": STRICTER, "reason": "less friction"})
    assert asked.status_code == 200 and 'name="confirmed" value="1"' in asked.text and 'value="less friction"' in asked.text
    assert changed(lead, "back", digest=default_rules().digest) == 409, "nothing was put in force"
    assert changed(lead, "end", digest="") == 409
    assert graph.database.policies.versions() == [] and trail(graph) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a rule set needs a `name`"),
        ('name = "x"\n[[rule]]\nid = "a"\nactions = [{ action = "sanction_account", kind = "ban" }]', "verdict"),
        ('name = "x"\n<script>alert(1)</script>', "rules:2: not TOML"),
        ("[" * 5000, "not TOML"),
    ],
)
def test_a_set_that_does_not_pass_the_check_says_why_and_stays_out(
    app: Litestar, graph: Nightlight, staff: dict[Role, str], text: str, says: str
) -> None:
    lead = ConsoleClient(app, staff[Role.LEAD])
    form = {"csrf": lead.csrf(), "confirmed": "1", "reason": "to try it", "form": "try", "text": text}
    answer = lead.post("/console/policy/try", form)
    assert answer.status_code == 400
    assert says in answer.text.replace("&#39;", "'") and "<script>alert" not in answer.text
    assert graph.database.policies.versions() == []


def test_an_address_that_is_not_there_is_a_page_and_elsewhere_a_problem(app: Litestar, staff: dict[Role, str]) -> None:
    lead, nobody = ConsoleClient(app, staff[Role.LEAD]), ConsoleClient(app)
    for client, menu in ((lead, True), (nobody, False)):
        for path in ("/console/nowhere", "/console/queue/a/b/c", "/console/%3Cb%3E"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (404, "text/html"), path
            assert "There is no such page" in answer.text and ("Sign out" in answer.text) is menu
            assert "script-src 'self'" in answer.headers["content-security-policy"]
            assert "<b>" not in answer.text
    wrong = lead.get("/console/cases/x/lock")
    assert wrong.status_code == 405 and "text/html" in wrong.headers["content-type"] and "POST" in wrong.headers["allow"]
    for path in ("/consolex", "/v1/nowhere", "/nowhere"):
        assert nobody.get(path).headers["content-type"] == "application/problem+json"
    away = ConsoleClient(app, base="http://safety.example", address="203.0.113.9").get("/console/nowhere")
    assert away.status_code == 403 and "https" in away.text


def test_the_page_of_banks_says_what_is_in_use_and_what_stopped_being_fetched(
    app: Litestar, graph: Nightlight, staff: dict[Role, str]
) -> None:
    graph.banks.create(Bank(name="of-partners", kind=BankKind.PARTNER, authority=True), "cli")
    graph.banks.add("of-partners", [Fingerprint(FingerprintKind.SHA256, "a" * 64)], "cli", source="one")
    graph.exchanges.create(Exchange(name="weekly", kind=ExchangeKind.FILE, bank="weekly", options={"path": "/nowhere/at-all"}), "cli")
    page = ConsoleClient(app, staff[Role.REVIEWER]).get("/console/banks").text
    assert "an authority\u2019s list" in page and "Fingerprints in use: sha256" in page
    assert "never yet" in page and "ended early" not in page
    graph.exchanges.run("weekly", "cli")
    assert "1 fetches ended early" in ConsoleClient(app, staff[Role.LEAD]).get("/console/banks").text
