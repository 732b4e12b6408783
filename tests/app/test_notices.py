"""A notice to a host leaves by the configured webhook or by hand, and what follows has a clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from nightlight.adapters.store.tables import cases
from nightlight.app.bootstrap import Nightlight
from nightlight.app.settings import EndpointSettings, NoticeSettings, Service, Settings
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, Invalid, NotFound
from nightlight.core.notices import NoticeItem, NoticeState
from tests.adapters.test_webhook import serving, status
from tests.adapters.vaulting import talk

SECRET = "s" * 32
ITEMS = [NoticeItem(url="https://files.example/p/17"), NoticeItem(sha256="ab" * 32)]
TO = {"host": "Files Example", "to": "abuse@files.example", "items": ITEMS}
HOUR = timedelta(hours=1)


def settings(url: str | None = None, **more: object) -> Settings:
    service = Service(name="Harbour Chat")
    if url is None:
        return Settings(service=service, notices=NoticeSettings(contact="safety@harbour.example"))
    endpoint = EndpointSettings(url=url, secret=SECRET)
    given = NoticeSettings(endpoint="mail", escalate_to="lead", contact="safety@harbour.example")
    return Settings(service=service, notices=given, endpoints={"mail": endpoint, "lead": endpoint})


def confirmed(graph: Nightlight) -> str:
    case = talk(graph.database)
    with graph.database.sql.write() as connection:
        connection.execute(cases.update().values(state="confirmed"))
    return case


def test_it_leaves_by_the_webhook_and_reminds_and_escalates_until_answered(build: Callable[..., Nightlight], clock: FixedClock) -> None:
    with serving(status(200)) as server:
        graph = build(settings=settings(server.url), start=False)
        case = confirmed(graph)
        made = graph.notices.send(case, "cli:ana", **TO)
        assert graph.dispatcher.run_once().delivered == 1
        ((headers, body),) = server.received
        assert headers["webhook-id"] == f"notice:{made.id}:0" and headers["webhook-signature"]
        told = msgspec.json.decode(body)
        assert told["to"] == "abuse@files.example" and told["reply_to"] == "safety@harbour.example" and made.id in told["subject"]
        assert "https://files.example/p/17" in told["body"] and "ab" * 32 in told["body"]
        clock.advance(23 * HOUR)
        assert graph.notices.follow_up(clock.now()) == 0
        clock.advance(HOUR)
        assert graph.notices.follow_up(clock.now()) == 1 and graph.notices.follow_up(clock.now()) == 0
        clock.advance(49 * HOUR)  # the second reminder and the escalation are due: only the last of them leaves
        assert graph.notices.follow_up(clock.now()) == 1
        graph.dispatcher.run_once()
        types = [(b := msgspec.json.decode(body))["type"] + "/" + b["step"] for _, body in server.received]
        assert sorted(types) == ["host_notice.unanswered/hotline", "host_notice/notice", "host_notice/remind"]  # two endpoints, at once
        assert [n.state for n in graph.notices.waiting()] == [NoticeState.ESCALATED] and graph.notices.overdue() == 1
        assert {c.name: c.ok for c in graph.status.ready()}["notices"] is False
        ended = graph.notices.answered(made.id, "cli:ana", "taken down within the hour")
        assert ended.state is NoticeState.ANSWERED and graph.notices.waiting() == [] and graph.notices.overdue() == 0
        clock.advance(timedelta(days=30))
        assert graph.notices.follow_up(clock.now()) == 0
        with pytest.raises(Conflict):
            graph.notices.close(made.id, "cli:ana", "again")
        told_of = [e for _, e in graph.database.audit.entries("cases", most=1000) if e.action.startswith("notice")]
        assert [e.action for e in told_of] == ["notice.send", "notice.follow_up", "notice.follow_up", "notice.answered"]
        assert not any("files.example/p" in str(e.detail) for e in told_of)


def test_an_answer_stops_a_reminder_that_has_not_left(build: Callable[..., Nightlight], clock: FixedClock) -> None:
    graph = build(settings=settings("http://127.0.0.1:9"), start=False)
    made = graph.notices.send(confirmed(graph), "cli:ana", **TO)
    clock.advance(24 * HOUR)
    graph.notices.follow_up(clock.now())
    assert len(graph.database.outbox.due(clock.now(), 10)) == 2
    graph.notices.answered(made.id, "cli:ana", "done")
    assert graph.database.outbox.due(clock.now(), 10) == []


def test_without_an_endpoint_nothing_leaves_but_by_hand(build: Callable[..., Nightlight], clock: FixedClock) -> None:
    graph = build(settings=settings(), start=False)
    case = confirmed(graph)
    with pytest.raises(Conflict, match="set notices"):
        graph.notices.send(case, "cli:ana", **TO)
    made = graph.notices.send(case, "cli:ana", **TO, by_hand=True, language="es")
    clock.advance(timedelta(days=30))
    assert graph.notices.follow_up(clock.now()) == 1
    after = graph.notices.get(made.id, "cli:ana")
    assert after.state is NoticeState.LATE and after.due_at is None and {s.key for s in after.sendings} == {None}
    assert graph.database.outbox.due(clock.now(), 10) == []
    (listed,) = graph.notices.waiting()
    assert listed.body == "" and listed.items == ()


def test_what_is_no_notice_is_refused_by_its_field(build: Callable[..., Nightlight]) -> None:
    graph = build(settings=settings(), start=False)
    case = confirmed(graph)
    bad: list[tuple[str, dict[str, object]]] = [
        ("to", {"to": "nobody"}),
        ("host", {"host": "two\nlines"}),
        ("items", {"items": []}),
        ("items.sha256", {"items": [NoticeItem(sha256="xyz")]}),
        ("items.url", {"items": [NoticeItem(url="a\nSubject: b")]}),
        ("language", {"language": "xx"}),
    ]
    for field, given in bad:
        with pytest.raises(Invalid) as caught:
            graph.notices.send(case, "cli:ana", **{**TO, **given}, by_hand=True)  # type: ignore[arg-type]
        assert caught.value.field == field
    with pytest.raises(NotFound):
        graph.notices.send("case_none", "cli:ana", **TO, by_hand=True)
    with graph.database.sql.write() as connection:
        connection.execute(cases.update().values(state="open"))
    with pytest.raises(Conflict, match="no person"):
        graph.notices.send(case, "cli:ana", **TO, by_hand=True)
    assert graph.notices.waiting() == []
