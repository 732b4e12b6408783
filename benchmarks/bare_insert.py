"""How fast the very same rows go into SQLite with nothing around them: the yardstick for the pipeline.

`bare_commit` takes the `Work` of real batches and writes their rows with the standard library's sqlite3 alone: the same schema,
the same pragmas, the same commits, statements and tuples prepared beforehand. What it leaves out is what the pipeline adds:
SQLAlchemy, reading, comparing heads, encoding, sealing and the audit head on file.

Run as a program it prints the rate of the store's own `commit` beside it, for synthetic batches.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from nightlight.adapters.audit import GENESIS
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import open_database
from nightlight.adapters.store.cases import CASE
from nightlight.adapters.store.engine import DATABASE_FILE, PRAGMAS, Sql, resolve
from nightlight.adapters.store.pipeline import Writes
from nightlight.adapters.store.prepared import insert, insert_new
from nightlight.adapters.store.tables import audit, case_events, cases, micros, moment
from nightlight.core.clock import SystemClock
from nightlight.core.decision import Allow, Decision
from nightlight.core.detect import Key, KeyKind
from nightlight.core.event import Channel, Message, Party
from nightlight.core.harm import Level
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry, Head, SavedState, Sealer, StoredEvent, Work

Batch = list[tuple[str, list[tuple[object, ...]]]]


def bare_commit(works: Sequence[Work], sealer: Sealer) -> float:
    """Seconds to write the rows of `works`, one transaction each, to a fresh database file."""
    with tempfile.TemporaryDirectory(prefix="nightlight-bare-") as folder:
        home = Path(folder)
        open_database(None, home, KeyFileSealer(home / "keys.json"), SystemClock(), migrate=True).close()
        sql = Sql(resolve(None, home))
        batches = [_batch(sql, work, sealer, number) for number, work in enumerate(works)]
        sql.close()
        with closing(sqlite3.connect(home / DATABASE_FILE, isolation_level=None)) as connection:
            for pragma in PRAGMAS:
                connection.execute(pragma)
            begun = time.perf_counter()
            for batch in batches:
                connection.execute("BEGIN IMMEDIATE")
                for statement, rows in batch:
                    connection.executemany(statement, rows)
                connection.execute("COMMIT")
            return time.perf_counter() - begun


def _batch(sql: Sql, work: Work, sealer: Sealer, number: int) -> Batch:
    now = micros(datetime.now(UTC))
    batch: Batch = [(s.text, list(rows)) for s, rows in Writes(sql).batches(work, sealer, now) if rows]
    if work.cases:
        opened = []
        for i, o in enumerate(work.cases):
            bodies = msgspec.msgpack.encode((o.event,)), msgspec.msgpack.encode(o.reasons)
            about = o.subject.kind, f"{o.subject.id}#{number}.{i}", o.harm or "", o.level
            opened.append((new_id("case"), o.queue, o.priority, *about, now, now, "open", *bodies, o.actor, o.protects))
        batch.append((insert(sql, cases, CASE).text, list(opened)))
        links = [(o.event, case[0]) for o, case in zip(work.cases, opened, strict=True)]
        batch.append((insert_new(sql, case_events, ("event_id", "case_id")).text, list(links)))
    if work.audit:
        told = insert(sql, audit, ("partition", "seq", "at", "actor", "action", "target", "detail", "mac"))
        rows: list[tuple[object, ...]] = [
            (f"bare.{number}", i, micros(e.at), e.actor, e.action, e.target, msgspec.json.encode(e.detail).decode(), os.urandom(32))
            for i, e in enumerate(work.audit, 1)
        ]
        batch.append((told.text, rows))
    head = "INSERT OR REPLACE INTO partitions (name, position, epoch, audit_seq, audit_mac) VALUES (?, ?, 0, 0, ?)"
    batch.append((head, [(work.head.partition, work.head.position + work.advance, GENESIS)]))
    return batch


def synthetic(batches: int, size: int, sealer: Sealer) -> list[Work]:
    """Chat between invented accounts: two states and a tail an event, a decision and an audit row each."""
    begin, works = moment(1_767_225_600_000_000), []
    for b in range(batches):
        events, decisions, entries, states, tails = [], [], [], {}, {}
        names: dict[str, bytes] = {}
        for i in range(size):
            n = b * size + i
            at = begin + timedelta(milliseconds=n)
            a, other, conversation = f"p_{n % 997:020d}", f"p_{(n * 7) % 997 + 1000:020d}", f"c_{n % 499:020d}"
            event = Message(
                id=f"event-{n:09d}",
                at=at,
                actor=Party(account=a),
                targets=(Party(account=other),),
                channel=Channel(id=conversation),
                text="a plain line of chat about the next round of the game " * 2,
            )
            events.append(
                StoredEvent(
                    id=event.id,
                    at=at,
                    received_at=at,
                    kind=event.kind,
                    conversation=conversation,
                    actor=a,
                    accounts=(a, other),
                    body_mac=sealer.mac(event.id.encode()),
                    sealed=sealer.seal(msgspec.msgpack.encode(event), f"event:{event.id}"),
                    expires_at=at + timedelta(days=30),
                )
            )
            decisions.append(
                Decision(event_id=event.id, at=at, actions=(Allow(),), harms=(), level=Level.NONE, reasons=(), policy="default@0")
            )
            entries.append(AuditEntry(at=at, actor="system", action="decision", target=event.id, detail={"actions": "allow"}))
            states[("grooming", Key(KeyKind.PAIR, f"{conversation}|{a}|{other}"))] = SavedState(1, os.urandom(300))
            states[("grooming", Key(KeyKind.CONVERSATION, conversation))] = SavedState(1, os.urandom(100))
            tails[f"{conversation}|{a}"] = sealer.seal(b"x" * 64, f"tail:{conversation}|{a}")
            names |= {p: sealer.seal(p.encode(), f"account:{p}") for p in (a, other)}
        works.append(
            Work(
                head=Head("events", b * size),
                advance=size,
                events=events,
                decisions=decisions,
                states=states,
                tails=tails,
                tails_expire_at=begin + timedelta(days=1),
                accounts=names,
                audit=entries,
            )
        )
    return works


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--url", help="a PostgreSQL database for the store; the bare rate is always SQLite's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nightlight-store-") as folder:
        home = Path(folder)
        sealer = KeyFileSealer(home / "keys.json")
        works = synthetic(options.batches, options.size, sealer)
        with closing(open_database(options.url, home, sealer, SystemClock(), migrate=True)) as database:
            begun = time.perf_counter()
            for work in works:
                database.pipeline.commit(work)
            took = time.perf_counter() - begun
        bare = bare_commit(works, sealer)
        events = options.batches * options.size
        print(f"store {events / took:8.0f} events/s   bare {events / bare:8.0f} events/s   ratio {bare / took:.2f}")


if __name__ == "__main__":
    main()
