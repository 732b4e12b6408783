"""Nothing acknowledged is lost, nothing is decided twice, every effect arrives: whatever moment the process dies at."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

import nightlight
from nightlight.app.library import Library
from nightlight.app.settings import FILE
from nightlight.core.services import Scope
from tests.crash.storm import Client, Receiver, Server, free_port

SECRET = "storm-secret-storm-secret-storm-secret"


@pytest.mark.timeout(240)
def test_four_kills(tmp_path: Path) -> None:
    storm(tmp_path, kills=4)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_hundred_kills(tmp_path: Path) -> None:
    storm(tmp_path, kills=100)


def storm(home: Path, kills: int) -> None:
    chance = random.Random(20260301)
    receiver = Receiver(seed=1)
    endpoints = "".join(f'[endpoints.{name}]\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n' for name in ("safety", "lead"))
    (home / FILE).write_text(endpoints)
    with nightlight.open(home) as engine:
        _, key = engine.services.keys.create("storm", list(Scope), "test", rate_per_minute=10_000_000)

    server = Server(home, free_port())
    clients = [Client(f"c{n}", server.port, key, seed=n) for n in range(3)]
    server.start()
    for client in clients:
        client.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0.05, 0.8))
        server.kill()
        server.start()
    time.sleep(0.5)
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(60)
        assert not client.is_alive(), "a client never got its answers"
        assert not client.problems, client.problems[:3]
    acknowledged = {id: answer for client in clients for id, answer in client.acknowledged.items()}
    assert len(acknowledged) > kills * 5, "too little load for the kills to mean anything"
    _wait_until_sent(home, seconds=120)
    assert server.end() == 0
    receiver.close()

    with nightlight.open(home) as engine:
        _exactly_one_decision_each(engine, acknowledged)
        states = engine.database.history.outbox_keys()
        delivered = {key for key, state in states.items() if state == "delivered"}
        assert engine.database.outbox.due(datetime.now(UTC), 10) == []
        assert engine.database.outbox.dead_letters() == []
        assert engine.database.audit.verify().ok
        promised = [id for id, answer in acknowledged.items() if any(a["action"] == "notify" for a in answer["decision"]["actions"])]
    assert promised, "no effect was ever due: the test would prove nothing"
    for id in promised:
        assert any(key.startswith(f"{id}/") for key in delivered), f"the effect of {id} is lost"
    # At least once, under the same key with the same bytes: so whoever drops repeated keys sees each exactly once. And none besides.
    assert set(receiver.deliveries) == delivered
    for bodies in receiver.deliveries.values():
        assert len(set(bodies)) == 1
    assert sum(len(bodies) for bodies in receiver.deliveries.values()) >= len(delivered)


def _exactly_one_decision_each(engine: Library, acknowledged: dict[str, Any]) -> None:
    assert set(engine.database.history.live_decisions(list(acknowledged)).values()) == {1}
    for id, answer in acknowledged.items():
        again = engine.decision(id)
        assert again is not None, f"{id} was acknowledged and is gone"
        assert msgspec.json.decode(msgspec.json.encode(again.decision)) == answer["decision"]


def _wait_until_sent(home: Path, seconds: float) -> None:
    """Until nothing waits for a first try or for a retry; the reminders of tomorrow may."""
    end = time.monotonic() + seconds
    soon = int((time.time() + 3600) * 1_000_000)
    with closing(sqlite3.connect(f"file:{home / 'nightlight.db'}?mode=ro", uri=True)) as database:
        while database.execute("SELECT count(*) FROM outbox WHERE state = 'waiting' AND not_before < ?", (soon,)).fetchone()[0]:
            assert time.monotonic() < end, "effects are still waiting"
            time.sleep(0.2)
