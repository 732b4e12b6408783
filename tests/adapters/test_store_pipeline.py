"""The store's own laws, over every database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import msgspec
import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select

from nightlight.adapters.sealer import KeyFileSealer, KeysMissing
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.cases import MOST_EVENTS
from nightlight.adapters.store.tables import metadata
from nightlight.core.clock import FixedClock
from nightlight.core.decision import Mode
from nightlight.core.detect import Key, KeyKind
from nightlight.core.errors import Conflict, StaleHead
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import Head, LimitKind, SavedState, Work
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

from .works import START, Writer


def everything(database: Database) -> dict[str, list[Any]]:
    with database.sql.read() as connection:
        return {t.name: [tuple(r) for r in connection.execute(select(t).order_by(*t.primary_key.columns))] for t in metadata.sorted_tables}


def test_what_was_committed_reads_back_equal(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = writer.full("e1")
    store = database.pipeline
    store.commit(work)
    a, b = work.events[0].accounts
    assert store.event("e1") == work.events[0]
    assert store.events() == [(1, work.events[0])]
    assert store.decided(["e1", "nobody"]) == {"e1": store.decided(["e1"])["e1"]}
    assert store.decided(["e1"])["e1"].decision == work.decisions[0]
    assert store.decided(["e1"])["e1"].body_mac == work.events[0].body_mac
    assert store.states(list(work.states)) == work.states
    [assessment] = work.assessments
    assert store.assessments([assessment.subject]) == {(assessment.subject, assessment.harm): assessment}
    assert store.summaries([a, b]) == work.summaries
    assert store.tails(list(work.tails), clock.now()) == work.tails
    assert store.limits([a, b], clock.now()) == {a: [work.limits[0]]}
    assert [fact for _, fact in store.pending_facts(10)] == list(work.facts)
    assert store.head("events") == Head("events", 1, 0)
    assert store.original_accounts([a, "p_unknown"]) == {a: work.accounts[a]}
    [case] = database.cases.cases()
    assert (case.subject, case.harm, case.level, case.events) == (assessment.subject, Harm.GROOMING, Level.HIGH, ("e1",))
    [due] = database.outbox.due(clock.now(), 10)
    assert (due.key, due.endpoint, due.body) == (work.outbox[0].key, "lead", work.outbox[0].body)
    assert store.counts() == {"positions": 1, "open_cases": 1, "outbox_waiting": 1, "outbox_dead": 0, "facts_pending": 1}
    assert database.audit.verify().ok


def test_nothing_that_people_wrote_is_stored_in_the_clear(database: Database, writer: Writer, home: Path) -> None:
    database.pipeline.commit(writer.full("e1"))
    dump = repr(everything(database)).encode()
    assert b"zantle" not in dump and b"brisp" not in dump and b"vell" not in dump
    files = b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())
    assert b"zantle" not in files and b"brisp" not in files


def test_states_are_given_only_for_what_was_asked(database: Database, writer: Writer) -> None:
    key = Key(KeyKind.ACCOUNT, "x")
    work = msgspec.structs.replace(writer.chat("e1"), states={("d", key): SavedState(1, b"a"), ("other", key): SavedState(2, b"b")})
    database.pipeline.commit(work)
    assert database.pipeline.states([("d", key), ("d", Key(KeyKind.MEDIA, "x"))]) == {("d", key): SavedState(1, b"a")}


def test_a_stale_head_writes_nothing(database: Database, writer: Writer) -> None:
    first, second = writer.full("e1"), writer.full("e2")
    database.pipeline.commit(first)
    before = everything(database)
    with pytest.raises(StaleHead):
        database.pipeline.commit(second)
    assert everything(database) == before


def test_an_older_epoch_writes_nothing(database: Database, writer: Writer) -> None:
    work = writer.full("e1")
    assert database.pipeline.claim("events") == Head("events", 0, 1)
    with pytest.raises(StaleHead):
        database.pipeline.commit(work)
    assert database.pipeline.event("e1") is None
    database.pipeline.commit(writer.full("e1"))
    assert database.pipeline.head("events") == Head("events", 1, 1)


@pytest.mark.parametrize("partition", ["events", "elsewhere"])
def test_an_event_id_is_taken_once(database: Database, writer: Writer, partition: str) -> None:
    first = writer.full("e1")
    database.pipeline.commit(first)
    before = everything(database)
    again = Writer(database, partition).full("e1", actor="somebody")
    with pytest.raises(Conflict):
        database.pipeline.commit(again)
    after = everything(database)
    assert {t: r for t, r in after.items() if t != "partitions"} == {t: r for t, r in before.items() if t != "partitions"}
    assert database.pipeline.decided(["e1"])["e1"].decision == first.decisions[0]


def test_the_same_id_twice_in_one_batch_is_refused(database: Database, writer: Writer) -> None:
    with pytest.raises(Conflict):
        database.pipeline.commit(writer.chat("e1", "e1"))
    assert database.pipeline.event("e1") is None


class _Broken(Exception):
    pass


def test_a_commit_is_all_or_nothing_whichever_step_fails(database: Database, writer: Writer) -> None:
    database.pipeline.commit(writer.full("e0"))
    before, statements = everything(database), 0
    fail_at: int | None = None

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == fail_at:
            raise _Broken

    work = msgspec.structs.replace(writer.full("e1"), absorbed=[1])
    sqlalchemy_event.listen(database.sql.engine, "before_cursor_execute", count)
    try:
        step = 0
        while True:
            step, statements, fail_at = step + 1, 0, step + 1
            try:
                database.pipeline.commit(work)
                break
            except _Broken:
                fail_at = None
                assert everything(database) == before, f"step {step} left something behind"
    finally:
        sqlalchemy_event.remove(database.sql.engine, "before_cursor_execute", count)
    assert step > 15, "every statement of the commit was made to fail once"
    assert database.pipeline.event("e1") is not None
    assert database.audit.verify().ok


def test_of_two_threads_on_one_partition_exactly_one_wins_each_time(database: Database, writer: Writer) -> None:
    rounds = 20
    wins: list[str] = []
    for n in range(rounds):
        works = [writer.chat(f"{n}.{side}") for side in "ab"]
        gate = Barrier(2)
        won: list[str] = []

        def commit(work: Work, gate: Barrier = gate, won: list[str] = won) -> None:
            gate.wait()
            try:
                database.pipeline.commit(work)
                won.append(work.events[0].id)
            except StaleHead:
                pass

        threads = [Thread(target=commit, args=(w,)) for w in works]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(won) == 1
        wins += won
    assert [e.id for _, e in database.pipeline.events()] == wins
    assert database.audit.verify().ok


def test_partitions_commit_side_by_side(database: Database, writer: Writer) -> None:
    failures: list[Exception] = []

    def run(name: str) -> None:
        mine = Writer(database, name)
        try:
            for n in range(15):
                database.pipeline.commit(mine.full(f"{name}.{n}"))
        except Exception as error:
            failures.append(error)

    threads = [Thread(target=run, args=(f"p{i}",)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    # Three partitions open the same case: one may be told to compute again, and none may fail otherwise.
    assert all(isinstance(f, StaleHead) for f in failures)
    assert len(database.cases.cases()) == 1
    assert database.audit.verify().ok


def test_an_open_case_takes_in_what_concerns_it(database: Database, writer: Writer) -> None:
    openings = [
        writer.opening("e1", priority=5),
        writer.opening("e2", priority=2),
        writer.opening("e2", priority=7),
        writer.opening("e1", harm=None, actor="osk", priority=6),
    ]
    database.pipeline.commit(msgspec.structs.replace(writer.chat("e1", "e2"), cases=openings))
    database.pipeline.commit(msgspec.structs.replace(writer.chat("e3"), cases=[writer.opening("e3")]))
    known, unknown = database.cases.cases()
    assert (known.priority, known.events, known.harm) == (2, ("e1", "e2", "e3"), Harm.GROOMING)
    assert known.reasons == ("asks to keep a secret",)
    assert (unknown.priority, unknown.harm) == (6, None)
    assert database.cases.case(known.id) == known and database.cases.case("case_none") is None


def test_a_flooded_case_stays_bounded(database: Database, writer: Writer) -> None:
    ids = [f"e{n}" for n in range(MOST_EVENTS + 20)]
    database.pipeline.commit(msgspec.structs.replace(writer.chat(*ids), cases=[writer.opening(id) for id in ids]))
    [case] = database.cases.cases()
    assert case.events == tuple(ids[-MOST_EVENTS:])


def test_facts_are_pending_until_absorbed(database: Database, writer: Writer) -> None:
    database.pipeline.commit(writer.full("e1"))
    database.pipeline.commit(writer.full("e2"))
    (first, _), (second, fact) = database.pipeline.pending_facts(10)
    assert database.pipeline.pending_facts(1)[0][0] == first < second
    hop = Writer(database, "accounts")
    database.pipeline.commit(Work(head=hop.head(), advance=1, absorbed=[first]))
    assert database.pipeline.pending_facts(10) == [(second, fact)]


def test_limits_and_tails_end(database: Database, writer: Writer) -> None:
    work = writer.full("e1")
    database.pipeline.commit(work)
    later = START + timedelta(hours=24)
    assert database.pipeline.limits([work.limits[0].account], later) == {}
    assert database.pipeline.tails(list(work.tails), START + timedelta(hours=1)) == {}


def test_the_longest_limit_in_force_is_the_last(database: Database, writer: Writer) -> None:
    short, long = writer.full("e1"), writer.full("e2", at=START + timedelta(hours=2))
    database.pipeline.commit(long)
    database.pipeline.commit(msgspec.structs.replace(short, head=writer.head()))
    account = short.limits[0].account
    assert database.pipeline.limits([account], START)[account][-1].event == "e2"


def test_an_outbox_key_keeps_its_first_bytes(database: Database, writer: Writer, clock: FixedClock) -> None:
    first = writer.full("e1")
    database.pipeline.commit(first)
    again = msgspec.structs.replace(writer.chat("e2"), outbox=[msgspec.structs.replace(first.outbox[0], body=b"{}")])
    database.pipeline.commit(again)
    assert [d.body for d in database.outbox.due(clock.now(), 10)] == [first.outbox[0].body]


def test_shadow_decisions_stand_beside_live_ones(database: Database, writer: Writer) -> None:
    database.pipeline.commit(writer.full("e1"))
    assert database.pipeline.decided(["e1"])["e1"].decision.mode is Mode.LIVE
    with database.sql.read() as connection:
        modes = connection.execute(select(metadata.tables["decisions"].c.mode)).scalars().all()
    assert sorted(modes) == ["live", "shadow"]


def test_pages_of_the_log_go_on_where_the_last_one_ended(database: Database, writer: Writer) -> None:
    ids = [f"e{n}" for n in range(7)]
    database.pipeline.commit(writer.chat(*ids))
    read, after = [], 0
    while page := database.pipeline.events(after, 3):
        read += [e.id for _, e in page]
        after = page[-1][0]
    assert read == ids


def test_all_is_there_after_opening_again(
    store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock, database: Database, writer: Writer
) -> None:
    work = writer.full("e1")
    database.pipeline.commit(work)
    again = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        assert again.pipeline.event("e1") == work.events[0]
        again.pipeline.commit(Writer(again).full("e2"))
        assert again.audit.verify().ok
    finally:
        again.close()
    database.pipeline.commit(writer.full("e3"))
    assert database.audit.verify().ok


def test_another_key_file_is_refused(store_url: str | None, home: Path, clock: FixedClock, database: Database, tmp_path: Path) -> None:
    with pytest.raises(KeysMissing, match="does not belong"):
        open_database(store_url, home, KeyFileSealer(tmp_path / "fresh.json"), clock, migrate=True)


def test_who_shared_a_subject_since_then_each_with_the_latest_event(database: Database, writer: Writer) -> None:
    item, other = Subject(SubjectKind.MEDIA, "own/a1"), Subject(SubjectKind.MEDIA, "own/b2")

    def said(subject: Subject, actor: str | None, minutes: int) -> Signal:
        evidence = (Evidence("e", "seen"),)
        at = START + timedelta(minutes=minutes)
        return Signal(
            subject=subject, harm=Harm.KNOWN_MATERIAL, score=1.0, evidence=evidence, at=at, detector="known_media", version="1", actor=actor
        )

    told = [
        ("old", said(item, "p_a", -61)),
        ("first", said(item, "p_b", 0)),
        ("second", said(item, "p_b", 1)),
        ("elsewhere", said(other, "p_c", 1)),
        ("account", said(Subject(SubjectKind.ACCOUNT, "own/a1"), "p_d", 1)),
        ("nobody", said(item, None, 2)),
        ("third", said(item, "p_e", 3)),
    ]
    database.pipeline.commit(Work(head=writer.head(), advance=1, signals=told))
    assert database.pipeline.sharers(item, START - timedelta(hours=1)) == {"p_b": "second", "p_e": "third"}
    assert database.pipeline.sharers(item, START + timedelta(hours=1)) == {}


def test_limits_of_each_kind_stand_side_by_side_and_begin_when_they_say(database: Database, writer: Writer) -> None:
    work = writer.full("e1")
    (contact,) = work.limits
    child = writer.name("brin")
    reach = msgspec.structs.replace(contact, kind=LimitKind.REACH, protects=(child,))
    later = msgspec.structs.replace(contact, kind=LimitKind.FRICTION, since=START + timedelta(hours=1), until=START + timedelta(hours=30))
    database.pipeline.commit(msgspec.structs.replace(work, limits=[contact, reach, later]))
    assert database.pipeline.limits([contact.account], START)[contact.account] == [contact, reach]
    assert database.pipeline.limits([contact.account], START + timedelta(hours=1))[contact.account] == [contact, reach, later]
    assert database.pipeline.limits([contact.account], START + timedelta(hours=29))[contact.account] == [later]
    assert len(database.limits.lift(contact.account, "reviewer:ann", "a mistake")) == 3
    assert database.pipeline.limits([contact.account], START + timedelta(hours=1)) == {}
