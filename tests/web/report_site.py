"""A whole service whose reports go to the real local stand-in, with cases that the real pipeline opened. Fixtures for tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from litestar import Litestar

from nightlight.app.bootstrap import Nightlight
from nightlight.app.demo.world import Send, evening
from nightlight.app.settings import Settings
from nightlight.app.sim.cybertipline import Standin
from nightlight.core.case import Finding
from nightlight.core.desk import Judgement
from nightlight.core.staff import Role, Staff
from nightlight.reporting import cybertipline
from nightlight.web import WebConfig, create_app
from tests.web.console import Member
from tests.web.real import real_service

REVIEWER, AUDITOR = "ana", "olga"


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin(cybertipline.check) as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, standin: Standin) -> Iterator[tuple[Nightlight, str]]:
    monkey = pytest.MonkeyPatch()
    monkey.setenv("SIM_PASSWORD", "sim")
    said = {
        "place": "US",
        "service": {"name": "Lanternfall", "reporter": {"first_name": "Rin", "email": "safety@lanternfall.example"}},
        "authorities": {"cybertipline": {"to": standin.place, "username": "sim", "password_env": "SIM_PASSWORD"}},
    }
    home, web = tmp_path_factory.mktemp("reports") / "home", WebConfig(page_rate_per_minute=1_000_000)
    with real_service(home, web=web, settings=msgspec.convert(said, Settings)) as (graph, address):
        began = graph.clock.now() - timedelta(hours=3)
        told = [step for step in evening(1, 4, None, began) if isinstance(step, Send) and step.story is not None]
        for answer in graph.events.submit_many([graph.events.decode(msgspec.json.encode(step.event)) for step in told]).result(60):
            assert not isinstance(answer, Exception)
        yield graph, address
    monkey.undo()


@pytest.fixture(scope="module")
def secrets(site: tuple[Nightlight, str]) -> dict[str, str]:
    return {id: Member(site[0], id, role).secret() for id, role in ((REVIEWER, Role.REVIEWER), (AUDITOR, Role.AUDITOR))}


@pytest.fixture(scope="module")
def app(site: tuple[Nightlight, str]) -> Litestar:
    return create_app(site[0].services, WebConfig(page_rate_per_minute=1_000_000))


def confirmed(graph: Nightlight, at: int) -> str:
    """A case that a reviewer has judged and that is to be reported."""
    who = Staff(id=REVIEWER, role=Role.REVIEWER)
    desk = graph.desk
    waiting = sorted(desk.queue(who).cases, key=lambda case: (-len(case.events), case.id))
    case = waiting[at].id
    desk.lock(who, case)
    desk.verdict(who, case, Judgement(finding=Finding.CONFIRMED, reason="threatens and asks for secrecy", report=True, mandatory=True))
    return case
