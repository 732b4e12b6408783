"""`nightlight bench gates`: questions to the gates, in the library and over HTTP."""

from __future__ import annotations

import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from nightlight.app.bench.events import Connection, serving
from nightlight.app.bench.uploads import cpu_of_children
from nightlight.core.event import AgeBand, Assurance, Party, Relation
from nightlight.core.gates import ContactAsked, Known
from nightlight.core.ids import Pseudonymiser
from nightlight.core.ports import ContactLimit, Head, Work
from nightlight.protect.gates import Gates

BATCH = 50
PEOPLE = 20_000
"""Accounts that are asked about."""
LIMITED = 200
"""Accounts with a limit in force: one in a hundred."""
WARM_S = 5.0
PLACES = ("GB", "US", "DE", "BR", "AU", "JP", None)


class Result(Struct, frozen=True, kw_only=True):
    table_per_second: float
    """Decisions by the table alone, with what is known handed in, a second of processor time on one core."""
    library_per_second: float
    """Through `nightlight.open(home).gates`, in batches of 50, reading the store once a batch, likewise."""
    http_p50_ms: float
    """A batch of 50 over HTTP to a real service, one after another on one connection."""
    http_p99_ms: float
    http_per_second: float
    """Decisions a second over that one connection, wall time."""
    service_cpu_ms: float | None
    """Processor time of the service a batch; None where it cannot be told."""
    batches: int
    seconds: float
    machine: str
    date: str


def questions(count: int, seed: int = 20261101) -> list[ContactAsked]:
    """Of every age, relation and place, from a seed."""
    chance = random.Random(seed)
    bands, assurances, relations = tuple(AgeBand), tuple(Assurance), tuple(Relation)

    def party(number: int) -> Party:
        return Party(
            account=f"account-{number}",
            age_band=bands[number % len(bands)],
            assurance=assurances[number // 7 % len(assurances)],
            place=PLACES[number // 42 % len(PLACES)],
        )

    out: list[ContactAsked] = []
    while len(out) < count:
        one, other = chance.randrange(PEOPLE), chance.randrange(PEOPLE)
        if one != other:
            out.append(ContactAsked(actor=party(one), target=party(other), relation=chance.choice(relations)))
    return out


def run(seconds: float = 5.0, progress: Callable[[str], None] = lambda _: None) -> Result:
    """A home of its own with limits in force. Raises RuntimeError where any answer is not as it should be."""
    asked = questions(5000)
    batches = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
    progress("the table alone")
    table = _table(asked, seconds)
    with tempfile.TemporaryDirectory(prefix="nightlight-bench-") as name:
        home = Path(name)
        progress("in the library, over the store")
        library, expected = _library(home, batches, seconds)
        progress("over HTTP")
        with serving(home) as (port, key):
            waits, took, spent = _http(port, key, batches, expected, seconds)
    waits.sort()
    return Result(
        table_per_second=table,
        library_per_second=library,
        http_p50_ms=waits[len(waits) // 2] * 1000,
        http_p99_ms=waits[min(len(waits) - 1, int(len(waits) * 0.99))] * 1000,
        http_per_second=len(waits) * BATCH / took,
        service_cpu_ms=spent / len(waits) * 1000 if spent > 0 else None,
        batches=len(waits),
        seconds=seconds,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        date=datetime.now(UTC).date().isoformat(),
    )


def _table(asked: Sequence[ContactAsked], seconds: float) -> float:
    gates, known = Gates(), {f"account-{n}": Known(limited=True) for n in range(LIMITED)}
    for one in asked:  # every combination of places is worked out once
        gates.decide(one, known)
    done, began = 0, time.process_time()
    while (took := time.process_time() - began) < seconds:
        for one in asked:
            gates.decide(one, known)
        done += len(asked)
    return done / took


def _library(home: Path, batches: Sequence[Sequence[ContactAsked]], seconds: float) -> tuple[float, list[bytes]]:
    """Decisions a second, and what each batch is answered."""
    import nightlight

    with nightlight.open(home) as engine:
        _limit(engine.database.pipeline.commit, engine.database.pseudonymiser)
        expected = [msgspec.json.encode({"results": engine.gates.contacts(batch)}) for batch in batches]
        done, began = 0, time.process_time()
        while (took := time.process_time() - began) < seconds:
            for batch in batches:
                engine.gates.contacts(batch)
            done += len(batches) * BATCH
    return done / took, expected


def _limit(commit: Callable[[Work], None], pseudonymiser: Pseudonymiser) -> None:
    until = datetime.now(UTC) + timedelta(hours=23)
    limited = {n: pseudonymiser("account", f"account-{n}") for n in range(LIMITED)}
    limits = [ContactLimit(account=account, until=until, event=f"bench-{n}", rule="bench") for n, account in limited.items()]
    commit(Work(head=Head("bench"), advance=0, limits=limits))


def _http(
    port: int, key: str, batches: Sequence[Sequence[ContactAsked]], expected: Sequence[bytes], seconds: float
) -> tuple[list[float], float, float]:
    """Seconds of each batch, of all, and of the service's processor time."""
    bodies = [msgspec.json.encode({"asked": batch}) for batch in batches]
    connection = Connection(port, key)
    waits: list[float] = []
    try:
        began = time.perf_counter()
        while time.perf_counter() - began < min(WARM_S, seconds):  # a service compiles what pictures need just after it began
            for body in bodies:
                connection.post("/v1/contacts:screen", body)
        spent, start = cpu_of_children(), time.perf_counter()
        while (took := time.perf_counter() - start) < seconds:
            number = len(waits) % len(bodies)
            began = time.perf_counter()
            status, answer = connection.post("/v1/contacts:screen", bodies[number])
            waits.append(time.perf_counter() - began)
            if status != 200 or answer != expected[number]:
                raise RuntimeError(f"unexpected answer {status}: {answer[:300]!r}")
        spent = cpu_of_children() - spent
    finally:
        connection.close()
    return waits, took, spent
