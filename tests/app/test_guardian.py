"""The guardian summary through a whole service: the child sees it first, both see the same, and what was found changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.demo.world import Send, evening
from nightlight.app.guardian import GOOD_FOR
from nightlight.app.serving import web_config
from nightlight.app.settings import Settings, load
from nightlight.core.clock import FixedClock
from nightlight.core.guardian import Counted, Setting, Value
from nightlight.core.harm import Level
from nightlight.core.services import Scope
from nightlight.protect.guardian import guardian_words
from nightlight.web import create_app
from tests.app.conftest import NOW
from tests.web.client import Client, problem

URL = "/v1/guardian-summaries"
WEEK: dict[str, Any] = {
    "since": "2026-02-23",
    "days": 7,
    "counts": {"new_contacts": 4, "messages_written": 310, "days_active": 7},
    "settings": {"location_seen_by": "nobody", "messages_from": "friends", "live": "off"},
}


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, clock: FixedClock) -> Iterator[Nightlight]:
    with bootstrap(tmp_path_factory.mktemp("guardian") / "home", start=True, clock=clock, settings=Settings(place="US")) as running:
        yield running


@pytest.fixture(scope="module")
def client(graph: Nightlight) -> Client:
    _, key = graph.keys.create("service", [Scope.EVENTS_WRITE], "test", rate_per_minute=100_000)
    return Client(create_app(graph.services), key)


def shown(client: Client, **changed: Any) -> tuple[bytes, bytes]:
    """What child and guardian are shown."""
    made = client.post(URL, json={**WEEK, **changed})
    assert made.status_code == 201, made.text
    seen = client.post(f"{URL}:seen", json={"ticket": made.json()["ticket"]})
    opened = client.post(f"{URL}:open", json=seen.json())
    assert opened.status_code == 200, opened.text
    return msgspec.json.encode(made.json()["summary"]), msgspec.json.encode(opened.json())


def test_the_child_sees_it_first_and_the_guardian_the_same(client: Client, graph: Nightlight) -> None:
    made = client.post(URL, json=WEEK).json()
    problem(client.post(f"{URL}:open", json={"ticket": made["ticket"]}), 409, "conflict")
    seen = client.post(f"{URL}:seen", json={"ticket": made["ticket"]}).json()
    for _ in range(2):
        assert client.post(f"{URL}:open", json=seen).json() == made["summary"]
    assert [(line["key"], line["value"]) for line in made["summary"]["counts"]] == [
        ("days_active", "7"),
        ("messages_written", "310"),
        ("new_contacts", "4"),
    ]
    assert [line["value"] for line in made["summary"]["settings"]] == ["Friends", "Nobody", "Off"]
    told = [entry.action for _, entry in graph.database.trail.search("admin", target=made["id"])]
    assert told[::-1] == [f"guardian_summary.{step}" for step in ("make", "seen", "open", "open")]


def test_what_was_found_about_people_changes_not_a_byte(client: Client, graph: Nightlight) -> None:
    before = shown(client)
    told = [step for step in evening(1, 0, None, NOW - timedelta(hours=3)) if isinstance(step, Send) and step.story is not None]
    for answer in graph.events.submit_many([graph.events.decode(msgspec.json.encode(step.event)) for step in told]).result(60):
        assert not isinstance(answer, Exception)
    subjects = {case.subject for case in graph.services.cases.cases()}
    levels = {found.level for found in graph.database.pipeline.assessments(sorted(subjects, key=str)).values()}
    assert Level.HIGH in levels  # the accounts of these children are assessed high by now
    after = shown(client)
    assert before[0] == before[1] == after[0] == after[1]


def test_it_holds_nothing_that_could_give_a_child_away(client: Client) -> None:
    every: dict[str, Any] = {
        "counts": {key.value: 3 for key in Counted},
        "settings": {key.value: Value.FRIENDS.value for key in Setting},
    }
    for field, value in (("account", "kim"), ("text", "hello"), ("age_band", "13-15")):
        problem(client.post(URL, json={**WEEK, field: value}), 400, "invalid")
    for kept_out in ("reports", "blocked", "warnings", "help_opened", "declined", "searches"):
        assert kept_out not in list(Counted) and kept_out not in list(Setting)
        problem(client.post(URL, json={**WEEK, "counts": {kept_out: 1}}), 400, "invalid")
    for language in ("en", "es"):
        text = shown(client, language=language, **every)[0].decode()
        assert not any(word in text.lower() for word in ("risk", "suspic", "danger", "unsafe", "riesgo", "sospech", "peligro"))
        words = guardian_words(language)
        assert (set(words.counts), set(words.settings), set(words.values)) == (set(Counted), set(Setting), set(Value))


def test_a_ticket_cannot_be_made_swapped_or_kept_for_ever(client: Client, clock: FixedClock) -> None:
    ticket = client.post(URL, json=WEEK).json()["ticket"]
    seen = client.post(f"{URL}:seen", json={"ticket": ticket}).json()["ticket"]
    turned = ticket[:40] + ("A" if ticket[40] != "A" else "B") + ticket[41:]
    for bad in ("x", "é", "=" * 50, ticket[:-8], turned, "A" * 30_000):
        for step in ("seen", "open"):
            assert problem(client.post(f"{URL}:{step}", json={"ticket": bad}), 400, "invalid")["field"] == "ticket"
    problem(client.post(f"{URL}:seen", json={"ticket": seen}), 400, "invalid")
    problem(client.post(f"{URL}:open", json={"ticket": "A" * 40_000}), 413, "too_large")
    clock.advance(GOOD_FOR + timedelta(seconds=1))
    problem(client.post(f"{URL}:open", json={"ticket": seen}), 400, "invalid")
    problem(client.post(f"{URL}:seen", json={"ticket": ticket}), 400, "invalid")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 32}, "days"),
        ({"counts": {"contacts": -1}}, "counts"),
        ({"counts": {"contacts": 10**9}}, "counts"),
        ({"settings": {"live": "maybe"}}, "settings"),
        ({"language": "de"}, "language"),
        ({"since": "yesterday"}, "since"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(client: Client, changed: dict[str, Any], field: str) -> None:
    found = problem(client.post(URL, json={**WEEK, **changed}), 400, "invalid")
    assert str(found["field"]).startswith(field)


def test_the_family_pages_are_switched_off_by_a_setting(tmp_path: Path) -> None:
    assert web_config(load(tmp_path, {})).family.hub == "on"
    (tmp_path / "nightlight.toml").write_text('[family_pages]\npage = "off"\n', "utf-8")
    assert web_config(load(tmp_path, {})).family.hub == "off"
