"""`nightlight bench events`: chat over HTTP into a durable store, and the bare rate of the same rows beside it."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import platform
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import Struct

from nightlight.adapters.store.engine import PRAGMAS

BATCH = 50
CONVERSATIONS = 2000


class Result(Struct, frozen=True, kw_only=True):
    events_per_second: float
    """Acknowledged after commit, over HTTP, in batches of 50."""
    p50_ms: float
    """Of a single event in a request of its own, sent while batches arrive at half of `events_per_second`."""
    p99_ms: float
    commits_per_second: float
    events_per_commit: float
    bare_inserts_per_second: float
    """Events whose rows plain sqlite3 writes a second: same rows, same pragmas, same commit size, no pipeline."""
    bare_insert_ratio: float
    """`events_per_second / bare_inserts_per_second`."""
    half_load_events_per_second: float
    """What the half load really was."""
    seconds: float
    machine: str
    date: str


def run(seconds: float = 10.0, connections: int = 4, progress: Callable[[str], None] = lambda _: None) -> Result:
    """Starts a server of its own in a temporary home and drives it. Raises RuntimeError where any answer is not as it should be."""
    with tempfile.TemporaryDirectory(prefix="nightlight-bench-") as name:
        home = Path(name)
        with serving(home) as (port, key):
            progress("warming up")
            _drive(port, key, Feed("warm"), seconds=2.0, connections=connections)
            progress("full load")
            commits = _commits(port)
            sent, took = _drive(port, key, Feed("full"), seconds=seconds, connections=connections)
            commits = _commits(port) - commits
            rate = sent / took
            progress("half load")
            waits, half = _half_load(port, key, rate / 2, seconds)
        waits.sort()
        progress("bare inserts")
        bare = _bare(home / "nightlight.db", max(1, round(sent / max(1, commits))))
    return Result(
        events_per_second=rate,
        p50_ms=waits[len(waits) // 2] * 1000,
        p99_ms=waits[min(len(waits) - 1, int(len(waits) * 0.99))] * 1000,
        commits_per_second=commits / took,
        events_per_commit=sent / max(1, commits),
        bare_inserts_per_second=bare,
        bare_insert_ratio=rate / bare,
        half_load_events_per_second=half,
        seconds=seconds,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        date=datetime.now(UTC).date().isoformat(),
    )


class Feed:
    """An endless evening: two-party conversations of a game, adults and children of permitted places, lines of harmless chat."""

    def __init__(self, name: str, seed: int = 20260301) -> None:
        self._name, self._random, self._numbers = name, random.Random(seed), itertools.count()
        self._lines = benign_lines()
        self._lock = threading.Lock()

    def event(self) -> dict[str, object]:
        with self._lock:
            number, pick = next(self._numbers), self._random.random()
        talk = int(pick * CONVERSATIONS)
        first, second = (f"{talk}a", f"{talk}b") if number % 2 else (f"{talk}b", f"{talk}a")
        ages = {"a": {"age_band": "18+"}, "b": {"age_band": "13-15", "assurance": "self_declared"}}
        return {
            "kind": "message",
            "id": f"{self._name}-{number}",
            "at": datetime.now(UTC).isoformat(),
            "actor": {"account": first, "place": "GB", "account_age_days": 90, **ages[first[-1]]},
            "targets": [{"account": second, "place": "GB", **ages[second[-1]]}],
            "relation": "contact",
            "channel": {"id": f"talk-{talk}", "kind": "game"},
            "text": self._lines[int(pick * 7919 + number) % len(self._lines)],
        }

    def batch(self) -> bytes:
        return msgspec.json.encode({"events": [self.event() for _ in range(BATCH)]})


def benign_lines() -> Sequence[str]:
    """The harmless chat that ships with the demo."""
    chat = (resources.files("nightlight.app.demo") / "benign.jsonl").read_text(encoding="utf-8")
    return [message["text"] for line in chat.splitlines() for message in json.loads(line)["messages"]]


@contextmanager
def serving(home: Path, *arguments: str, environ: dict[str, str] | None = None) -> Iterator[tuple[int, str]]:
    """A real `nightlight serve` in a process of its own; its port and a key that may send and read."""
    import nightlight

    with nightlight.open(home) as engine:
        from nightlight.core.services import Scope

        _, key = engine.services.keys.create("bench", list(Scope), "bench", rate_per_minute=100_000_000)
    env = {**os.environ, **(environ or {}), "NIGHTLIGHT_HOME": str(home)}
    command = [sys.executable, "-m", "nightlight", "serve", "--port", "0", *arguments]
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)  # noqa: S603
    try:
        yield _port_of(server), key
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        if server.stdout is not None:
            server.stdout.close()


def _port_of(server: subprocess.Popen[str]) -> int:
    """`nightlight serve` prints its address first, on a line of its own."""
    if server.stdout is None:
        raise RuntimeError("the server's output is not a pipe")
    for line in server.stdout:
        if "http://" in line:
            return int(line.split("http://", 1)[1].split("/")[0].split(":")[1].split()[0])
    raise RuntimeError(f"the server ended before it was ready (exit code {server.wait()})")


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int, key: str, content_type: str = "application/json") -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": content_type}

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        self._http.request("POST", path, body, self._headers)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        self._http.close()


def _send_batch(connection: Connection, feed: Feed) -> int:
    status, body = connection.post("/v1/events:batch", feed.batch())
    results = msgspec.json.decode(body).get("results", []) if status == 200 else []
    if status != 200 or len(results) != BATCH or any("event_id" not in r for r in results):
        raise RuntimeError(f"unexpected answer {status}: {body[:300]!r}")
    return BATCH


def _drive(port: int, key: str, feed: Feed, *, seconds: float, connections: int) -> tuple[int, float]:
    """Events acknowledged and the time they took, all connections sending one batch after another."""
    start = time.perf_counter()
    counts = [0] * connections
    errors: list[Exception] = []

    def work(slot: int) -> None:
        connection = Connection(port, key)
        try:
            while time.perf_counter() - start < seconds:
                counts[slot] += _send_batch(connection, feed)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(counts), time.perf_counter() - start


def _half_load(port: int, key: str, rate: float, seconds: float) -> tuple[list[float], float]:
    """Batches at `rate` events a second from one connection, single events from another; how long the single ones took."""
    feed, singles = Feed("half"), Feed("single")
    stop = time.perf_counter() + seconds
    waits: list[float] = []
    sent = 0
    errors: list[Exception] = []

    def single() -> None:
        connection = Connection(port, key)
        try:
            while time.perf_counter() < stop:
                body = msgspec.json.encode(singles.event())
                began = time.perf_counter()
                status, answer = connection.post("/v1/events", body)
                waits.append(time.perf_counter() - began)
                if status != 200:
                    raise RuntimeError(f"unexpected answer {status}: {answer[:300]!r}")
                time.sleep(0.005)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=single)
    thread.start()
    connection = Connection(port, key)
    began = due = time.perf_counter()
    try:
        while time.perf_counter() < stop:
            sent += _send_batch(connection, feed)
            due += BATCH / rate
            time.sleep(max(0.0, due - time.perf_counter()))
    finally:
        connection.close()
        thread.join()
    if errors:
        raise errors[0]
    return waits, sent / (time.perf_counter() - began)


def _commits(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/live.json")
    live = json.loads(connection.getresponse().read())
    connection.close()
    return int(live["commits"])


def _bare(database: Path, events_per_commit: int) -> float:
    """Events a second at which plain sqlite3 writes every row of that database into an empty copy of it."""
    target = database.with_name("bare.db")
    source = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        for pragma in PRAGMAS:
            copy.execute(pragma)
        made = source.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC")
        for (sql,) in made.fetchall():
            copy.execute(sql)
        copy.execute("PRAGMA foreign_keys=OFF")  # tables are copied side by side, not in the order of their references
        events = int(source.execute("SELECT count(*) FROM events").fetchone()[0])
        commits = max(1, events // events_per_commit)
        plans = []
        for (table,) in source.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'").fetchall():
            rows = source.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - names come from the schema itself
            if rows:
                marks = ",".join("?" * len(rows[0]))
                plans.append((f'INSERT INTO "{table}" VALUES ({marks})', rows, -(-len(rows) // commits)))  # noqa: S608
        began = time.perf_counter()
        for commit in range(commits):
            copy.execute("BEGIN IMMEDIATE")
            for sql, rows, share in plans:
                copy.executemany(sql, rows[commit * share : (commit + 1) * share])
            copy.execute("COMMIT")
        return events / (time.perf_counter() - began)
    finally:
        source.close()
        copy.close()
