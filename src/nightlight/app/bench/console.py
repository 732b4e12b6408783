"""`nightlight bench console`: pages of the console over HTTP, with many cases waiting and with a long conversation."""

from __future__ import annotations

import http.client
import os
import platform
import random
import re
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyotp
from msgspec import Struct
from sqlalchemy import delete

from nightlight.adapters.store.cases import CaseWriter
from nightlight.adapters.store.tables import micros
from nightlight.adapters.store.vault_tables import vault_pending
from nightlight.app.bench.events import benign_lines, serving
from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.core.case import Lane
from nightlight.core.event import AgeBand, Assurance
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import CaseOpening
from nightlight.core.services import Answer
from nightlight.core.signal import Subject, SubjectKind
from nightlight.core.staff import Role, Staff

PASSWORD = "four plain words here"
COOKIE = "nightlight_session"
BATCH = 1000
EACH = 20
"""Every so many lines of the long conversation one is of a kind that detectors mark."""
WARM = 10
PAUSE_S = 0.1
"""Between requests: as often as one address may ask for pages."""
OPENING = (0, 2, 4)
"""Lines that are so too, so that a short conversation opens a case as well."""
RISKY = ("keep this secret", "add me on another app", "pay me or i tell everyone")
_HARMS = (Harm.GROOMING, Harm.SEXTORTION, Harm.KNOWN_MATERIAL)
_QUEUES = ("conversations", "media", "reports", "safeguarding")


class ConsoleResult(Struct, frozen=True, kw_only=True):
    """Times are from sending a request until the whole page is here, one request after another, each page read from the database anew."""

    cases: int
    """Open, beside the one with the long conversation."""
    messages: int
    queue_p50_ms: float
    queue_p95_ms: float
    """The queue: whole, by name, one's own, and from its middle, in turns."""
    overview_p95_ms: float
    case_p50_ms: float
    case_p95_ms: float
    """The case of the long conversation, with the audit entry that says who opened it durably committed before."""
    case_bytes: int
    requests: int
    """Of each kind of page."""
    machine: str
    date: str


def run(cases: int = 100_000, messages: int = 2000, requests: int = 100, progress: Callable[[str], None] = lambda _: None) -> ConsoleResult:
    """Starts a server of its own in a temporary home. Raises RuntimeError where a page is not as it should be."""
    with tempfile.TemporaryDirectory(prefix="nightlight-bench-") as name:
        home = Path(name)
        with bootstrap(home, start=True) as graph:
            progress(f"a conversation of {messages:,} messages")
            case = _converse(graph, messages)
            progress(f"{cases:,} cases")
            _fill(graph, cases)
            secret, middle = _signed_in(graph), _middle(graph, cases)
        with serving(home) as (port, _):
            progress("the queue and the overview")
            browser = Browser(port, secret)
            paths = ["/console/queue", f"/console/queue?queue={_QUEUES[0]}", "/console/queue?mine=1"]
            paths += [f"/console/queue?cursor={middle}"] if middle else []
            queue, _ = browser.times(paths, requests, "data-case" if cases else "<h1")
            overview, _ = browser.times(["/console"], requests, "<h1")
            progress("the case")
            opened, size = browser.times([f"/console/cases/{case}"], requests, 'id="line-')
            browser.close()
    return ConsoleResult(
        cases=cases,
        messages=messages,
        queue_p50_ms=_share(queue, 0.5),
        queue_p95_ms=_share(queue, 0.95),
        overview_p95_ms=_share(overview, 0.95),
        case_p50_ms=_share(opened, 0.5),
        case_p95_ms=_share(opened, 0.95),
        case_bytes=size,
        requests=requests,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        date=datetime.now(UTC).date().isoformat(),
    )


class Browser:
    """One kept-alive connection of somebody who is signed in."""

    def __init__(self, port: int, secret: str) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Cookie": f"{COOKIE}={secret}", "Accept": "text/html"}

    def get(self, path: str) -> tuple[float, str]:
        """Seconds, and the page."""
        began = time.perf_counter()
        self._http.request("GET", path, headers=self._headers)
        answer = self._http.getresponse()
        page = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
        return took, page.decode()

    def times(self, paths: Sequence[str], requests: int, must: str) -> tuple[list[float], int]:
        """Seconds of each request, all paths in turns after a few that warm up; and the size of the last page."""
        found, size = [], 0
        for number in range(-min(WARM, requests), requests):
            path = paths[number % len(paths)]
            time.sleep(PAUSE_S)
            took, page = self.get(path)
            if must not in page and "mine=1" not in path:
                raise RuntimeError(f"{path} shows nothing")
            size = len(page.encode())
            if number >= 0:
                found.append(took)
        return found, size

    def close(self) -> None:
        self._http.close()


def _share(seconds: Sequence[float], share: float) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))] * 1000


def _converse(graph: Nightlight, messages: int) -> str:
    """A conversation through the whole pipeline, and the case that it opened."""
    lines, began = benign_lines(), datetime.now(UTC) - timedelta(seconds=10 * messages)
    sent = [graph.events.decode(msgspec.json.encode(one)) for one in _said(messages, lines, began)]
    for first in range(0, len(sent), 500):
        for answer in graph.events.submit_many(sent[first : first + 500]).result(600):
            if not isinstance(answer, Answer):
                raise RuntimeError(f"a message was refused: {answer}")
    found = graph.database.cases.cases(2)
    if len(found) != 1:
        raise RuntimeError(f"the conversation opened {len(found)} cases")
    return found[0].id


def _said(messages: int, lines: Sequence[str], began: datetime) -> Iterator[dict[str, object]]:
    adult = {"account": "bench-a", "place": "GB", "age_band": "18+"}
    child = {"account": "bench-b", "place": "GB", "age_band": "13-15", "assurance": "self_declared"}
    for number in range(messages):
        risky = number in OPENING or number % EACH == 0
        by, to = (adult, child) if risky or number % 2 else (child, adult)
        yield {
            "kind": "message",
            "id": f"bench-{number}",
            "at": (began + timedelta(seconds=10 * number)).isoformat(),
            "actor": by,
            "targets": [to],
            "channel": {"id": "bench-talk", "kind": "direct"},
            "text": RISKY[(number // 2 if number in OPENING else number // EACH) % len(RISKY)] if risky else lines[number % len(lines)],
        }


def _fill(graph: Nightlight, cases: int) -> None:
    """Cases as the pipeline opens them, each about another account and with a child of its own; of no events that are kept."""
    chance, now = random.Random(20260301), graph.clock.now()
    writer = CaseWriter(graph.database.sql, graph.sealer)
    for first in range(0, cases, BATCH):
        openings = [_opening(number, chance) for number in range(first, min(cases, first + BATCH))]
        with graph.database.sql.write() as connection:
            writer.write(connection, openings, micros(now - timedelta(seconds=chance.random() * 86_400)))
            # The vault would look for what these cases are about.
            connection.execute(delete(vault_pending).where(vault_pending.c.event_id.in_([o.event for o in openings])))


def _opening(number: int, chance: random.Random) -> CaseOpening:
    harm = chance.choice(_HARMS)
    return CaseOpening(
        subject=Subject(SubjectKind.PAIR, f"talk-{number}|a-{number}|b-{number}"),
        harm=harm,
        level=Level.HIGH,
        queue=chance.choice(_QUEUES),
        priority=chance.randrange(4),
        event=f"bench-event-{number}",
        reasons=("asks for something to be kept from parents or others", "acts from a new account"),
        actor=f"a-{number}",
        protects=f"b-{number}",
        child_band=AgeBand.A13_15,
        child_assurance=Assurance.SELF_DECLARED,
        lane=Lane.URGENT if chance.random() < 0.05 else Lane.STANDARD,
        within=timedelta(minutes=chance.randrange(15, 2880)),
    )


def _signed_in(graph: Nightlight) -> str:
    """The secret of a session of a reviewer's."""
    people = graph.reviewers
    _, invitation = people.add("bench", "Bench", Role.REVIEWER, "bench")
    code = pyotp.TOTP(people.enrolment(invitation).key).now()
    _, recovery = people.enrol(invitation, PASSWORD, code)
    return people.sign_in("bench", PASSWORD, recovery[0])


def _middle(graph: Nightlight, cases: int) -> str | None:
    """Where a page from the middle of the queue begins."""
    desk, who, cursor = graph.desk, Staff(id="bench", role=Role.REVIEWER), None
    for _ in range(min(cases // 1000, 100)):
        cursor = desk.queue(who, cursor=cursor, most=500).next
    return cursor if cursor is None or re.fullmatch(r"[\w-]+", cursor) else None
