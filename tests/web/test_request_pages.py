"""The desk of requests in the console: what an authority asks for, from writing it down to its end; and what hosts were told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from litestar import Litestar

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.case import Finding
from nightlight.core.desk import Judgement
from nightlight.core.requests import EmergencyState, PreservationState
from nightlight.core.staff import Role, Staff
from nightlight.web import WebConfig, create_app
from tests.app.conftest import ADULT, EXTORTION, message
from tests.web.console import ConsoleClient, Member

ASKED = {"authority": "Harbour County Sheriff", "reference": "HC-1"}
DANGER = {**ASKED, "contact": "Officer Tamm, 555 0100", "danger": "a child is expected tonight"}
SAID = {"service": {"name": "Lanternfall"}, "notices": {"contact": "safety@lanternfall.example"}}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nightlight]:
    with bootstrap(tmp_path_factory.mktemp("desk") / "home", start=True, settings=msgspec.convert(SAID, Settings)) as running:
        for text in ("do not tell your parents that we talk", EXTORTION):
            event = message(text, at=running.clock.now().isoformat(), actor=ADULT)
            running.events.submit(running.events.decode(msgspec.json.encode(event))).result(60)
        yield running


@pytest.fixture(scope="module")
def case(graph: Nightlight) -> str:
    """One that a person confirmed."""
    [found] = graph.database.cases.cases()
    rae = Staff(id="rae", role=Role.REVIEWER)
    graph.desk.lock(rae, found.id)
    graph.desk.verdict(rae, found.id, Judgement(finding=Finding.CONFIRMED, reason="asks for secrecy", report=False))
    return found.id


@pytest.fixture(scope="module")
def app(graph: Nightlight) -> Litestar:
    return create_app(graph.services, WebConfig(page_rate_per_minute=1_000_000))


@pytest.fixture(scope="module")
def at(graph: Nightlight, app: Litestar) -> Callable[[str], ConsoleClient]:
    roles = {"rae": Role.REVIEWER, "lea": Role.LEAD, "olga": Role.AUDITOR}
    clients = {id: ConsoleClient(app, Member(graph, id, role).secret()) for id, role in roles.items()}
    return clients.__getitem__


def posts(client: ConsoleClient, path: str, form: dict[str, str], *, status: int = 303) -> str:
    """Where it leads, or what the page says."""
    answer = client.post(path, {"csrf": client.csrf(), **form})
    assert answer.status_code == status, answer.text
    return answer.headers["location"] if status == 303 else answer.text


def test_an_emergency_takes_two_people_and_ends_with_what_was_told(
    graph: Nightlight, at: Callable[[str], ConsoleClient], case: str
) -> None:
    rae, lea, olga = at("rae"), at("lea"), at("olga")
    assert f'value="{case}"' in rae.get(f"/console/requests/new?kind=emergency&case={case}").text
    assert "one of the two" in posts(rae, "/console/requests/emergency", {**DANGER, "account": "vell", "case": case}, status=400)
    here = posts(rae, "/console/requests/emergency", {**DANGER, "case": case})
    id = here.rpartition("/")[2]
    assert "another person decides" in rae.get(here).text and f"{here}/decide" not in rae.get(here).text
    assert "another person" in posts(rae, f"{here}/decide", {"yes": "1", "why": "called back"}, status=403)
    assert "Emergencies to decide" in olga.get("/console").text
    assert f"{here}/decide" not in olga.get(here).text
    assert "due in" in lea.get("/console/requests").text
    assert "nothing may be told" in posts(lea, f"{here}/disclosed", {"to": "x", "what": "y", "kind_identity": "1"}, status=409)

    assert "agree or refuse" in posts(lea, f"{here}/decide", {"why": "called back"}, status=400)
    posts(lea, f"{here}/decide", {"yes": "1", "why": "called back at the county's number"})
    assert "called back at the county" in lea.get(here).text
    kept = posts(rae, f"{here}/disclosed", {"to": "Officer Tamm", "what": "name and last address"}, status=400)
    assert "name and last address" in kept, "what was typed is not lost"
    posts(rae, f"{here}/disclosed", {"to": "Officer Tamm", "what": "name and last address", "kind_identity": "1", "kind_location": "1"})
    told = graph.database.requests.get_emergency(id, "cli:test")
    assert told.state is EmergencyState.DISCLOSED and [k.value for k in told.disclosures[0].kinds] == ["identity", "location"]
    assert "Told" in olga.get("/console/requests?kind=emergency").text
    assert "Emergencies to decide" not in olga.get("/console").text
    assert graph.database.requests.preserved(case), "what it is about is kept meanwhile"
    assert "Preserved for Harbour County Sheriff" in rae.get(f"/console/cases/{case}").text


def test_a_preservation_is_held_extended_and_ended_by_a_lead(graph: Nightlight, at: Callable[[str], ConsoleClient]) -> None:
    rae, lea = at("rae"), at("lea")
    form = {"authority": "Coast Police", "reference": "CP-7", "account": "vell", "days": "10", "law": "18 USC 2703(f)"}
    for days in ("", "0", "400", "1.5", "\u0663"):
        assert "days" in posts(rae, "/console/requests/preservation", {**form, "days": days}, status=400)
    here = posts(rae, "/console/requests/preservation", form)
    assert posts(rae, "/console/requests/preservation", form) == here, "told twice, it is one"
    shown = rae.get(here).text
    assert re.search(r'class="due over">ends in 9 d 23 h|class="due over">ends in 10 d', shown), "it is marked in good time"
    assert "vell" not in shown
    posts(rae, f"{here}/renew", {"reference": "CP-7/2", "days": "90"})
    assert "CP-7/2" in rae.get(here).text
    assert f"{here}/release" not in rae.get(here).text
    posts(rae, f"{here}/release", {"why": "withdrawn"}, status=403)
    posts(lea, f"{here}/release", {"why": "withdrawn by letter"})
    assert graph.database.requests.preservation(here.rpartition("/")[2]).state is PreservationState.RELEASED
    assert "withdrawn by letter" in rae.get(here).text and f"{here}/renew" not in rae.get(here).text
    assert "Coast Police" not in rae.get("/console/requests").text
    assert "Coast Police" in rae.get("/console/requests?kind=preservation").text


def test_a_host_is_told_followed_up_and_answers(graph: Nightlight, at: Callable[[str], ConsoleClient], case: str) -> None:
    rae = at("rae")
    form = {"case": case, "host": "Files Example", "to": "abuse@files.example", "items": f"https://files.example/p/17\n{'AB' * 32}"}
    assert "no endpoint sends notices" in posts(rae, "/console/requests/notice", form, status=409)
    here = posts(rae, "/console/requests/notice", {**form, "by_hand": "1", "language": "es"})
    id = here.rpartition("/")[2]
    assert [i.sha256 for i in graph.notices.get(id, "cli:test").items] == ["", "ab" * 32]
    assert "https://files.example/p/17" in rae.get(here).text and "a person sends it" in rae.get(here).text
    graph.notices.follow_up(graph.clock.now() + timedelta(days=4))
    assert "no answer" in rae.get("/console/requests").text and "inhope.org" in rae.get(here).text
    assert "Files Example" in rae.get(f"/console/cases/{case}").text
    posts(rae, f"{here}/answered", {"outcome": ""}, status=400)
    posts(rae, f"{here}/answered", {"outcome": "taken down"})
    assert "taken down" in rae.get(here).text and f"{here}/close" not in rae.get(here).text
    posts(rae, f"{here}/close", {"outcome": "again"}, status=409)


def test_what_is_typed_never_becomes_markup_and_odd_addresses_are_no_fault(at: Callable[[str], ConsoleClient]) -> None:
    rae = at("rae")
    odd = {"authority": "<b>Sheriff</b>", "reference": '"><script>x</script>', "account": "vell", "days": "30"}
    here = posts(rae, "/console/requests/preservation", odd)
    for path in (here, "/console/requests"):
        text = rae.get(path).text
        assert "&lt;b&gt;Sheriff" in text and "<b>Sheriff" not in text and "<script>x" not in text
    for path in ("emergency/none", "notice/none", "preservation/none", "other/none", "emergency"):
        assert rae.get(f"/console/requests/{path}").status_code in (404, 405)
    for asked in ("kind=other", "kind=emergency&kind=notice"):
        assert rae.get(f"/console/requests?{asked}").status_code == 400


def test_no_word_of_it_is_in_the_database_or_the_log_in_clear(graph: Nightlight, at: Callable[[str], ConsoleClient], case: str) -> None:
    """The reference and who asks are in the audit by design; what somebody said is not."""
    rae, lea = at("rae"), at("lea")
    here = posts(rae, "/console/requests/emergency", {**DANGER, "danger": "quokka at the pier", "case": case})
    posts(lea, f"{here}/decide", {"yes": "0", "why": "numbat does not answer"})
    kept = posts(rae, "/console/requests/preservation", {**ASKED, "note": "bilby asked", "days": "5", "account": "vell2", "law": ""})
    posts(lea, f"{kept}/release", {"why": "potoroo withdrew"})
    home = Path(graph.home)
    held = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert [word for word in (b"quokka", b"numbat", b"bilby", b"potoroo") if word in held] == []
