"""Retention, erasure and export over every database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import select

from nightlight.adapters.lifecycle import Kept, Periods
from nightlight.adapters.store import Database
from nightlight.adapters.store.tables import cases, metadata
from nightlight.core.clock import FixedClock
from nightlight.core.decision import late_id
from nightlight.core.detect import Key
from nightlight.core.ports import Work
from nightlight.core.services import Job, JobState

from .works import KEEP, START, Writer, decision

LATE = START + KEEP
NEVER = Periods(**{name: timedelta(days=10_000) for name in Periods.__struct_fields__})


def held(database: Database) -> dict[str, int]:
    with database.sql.read() as connection:
        found = {t.name: len(connection.execute(select(t)).all()) for t in metadata.sorted_tables}
    return {t: n for t, n in found.items() if n and t not in ("audit", "partitions", "meta")}


def close_cases(database: Database) -> None:
    with database.sql.write() as connection:
        connection.execute(cases.update().values(state="closed"))


def without_case(work: Work) -> Work:
    return msgspec.structs.replace(work, cases=[])


# -- retention ---------------------------------------------------------------------------------------------------------------------


def test_what_is_due_goes_and_nothing_else(database: Database, writer: Writer) -> None:
    database.pipeline.commit(writer.chat("old"))
    database.pipeline.commit(writer.chat("new", at=START + timedelta(days=1), channel="other", target="osk"))
    assert database.lifecycle.retention(LATE - timedelta(seconds=1)) == {}
    done = database.lifecycle.retention(LATE)
    assert done == {"events": 1, "decisions": 1, "accounts": 2}
    assert database.pipeline.event("old") is None and database.pipeline.event("new") is not None
    assert database.pipeline.decided(["old"]) == {}
    names = [writer.name(n) for n in ("vell", "brin", "osk")] + [writer.conversation("room"), writer.conversation("other")]
    assert set(database.pipeline.original_accounts(names)) == {names[0], names[2], names[4]}
    assert held(database)["event_accounts"] == 2
    assert database.lifecycle.retention(LATE) == {}


def test_preserved_events_and_those_of_open_cases_stay(database: Database, writer: Writer) -> None:
    kept = writer.chat("kept")
    database.pipeline.commit(msgspec.structs.replace(kept, events=[msgspec.structs.replace(kept.events[0], preserved=True)]))
    database.pipeline.commit(msgspec.structs.replace(writer.chat("case"), cases=[writer.opening("case")]))
    database.pipeline.commit(writer.chat("plain"))
    assert database.lifecycle.retention(LATE)["events"] == 1
    assert [e.id for _, e in database.pipeline.events()] == ["kept", "case"]
    close_cases(database)
    assert database.lifecycle.retention(LATE)["events"] == 1
    assert [e.id for _, e in database.pipeline.events()] == ["kept"]


def test_an_id_may_come_again_after_its_retention(database: Database, writer: Writer) -> None:
    database.pipeline.commit(without_case(writer.full("e1")))
    database.lifecycle.retention(LATE)
    database.pipeline.commit(without_case(writer.full("e1", at=LATE)))
    assert database.audit.verify().ok


def test_decisions_of_the_second_hop_go_with_their_event(database: Database, writer: Writer) -> None:
    database.pipeline.commit(writer.chat("e1"))
    hop = Writer(database, "accounts")
    database.pipeline.commit(Work(head=hop.head(), advance=1, decisions=[decision(late_id("e1", 7))]))
    database.pipeline.commit(writer.chat("e1#8", at=START + timedelta(days=1)))
    assert database.lifecycle.retention(LATE)["decisions"] == 2
    assert set(database.pipeline.decided(["e1", late_id("e1", 7), "e1#8"])) == {"e1#8"}


def test_memories_messages_and_jobs_go_in_their_time(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = without_case(writer.full("e1"))
    database.pipeline.commit(work)
    database.pipeline.commit(Work(head=Writer(database, "accounts").head(), advance=1, absorbed=[database.pipeline.pending_facts(1)[0][0]]))
    database.outbox.delivered(work.outbox[0].key, clock.now())
    database.jobs.create(Job(id="j", state=JobState.WAITING, created_at=START))
    database.jobs.create(Job(id="w", state=JobState.WAITING, created_at=START))
    database.jobs.finish("j", JobState.DONE, START)
    short = msgspec.structs.replace(NEVER, facts=timedelta(1), outbox=timedelta(1), jobs=timedelta(1))
    assert database.lifecycle.retention(START + timedelta(days=1), short) == {"tails": 1, "facts": 1, "outbox": 1, "jobs": 1}
    rest = database.lifecycle.retention(START + timedelta(days=181), msgspec.structs.replace(NEVER, states=timedelta(180)))
    assert rest == {"events": 1, "decisions": 2, "signals": 1, "states": 3, "assessments": 1, "summaries": 1, "accounts": 2}
    assert database.lifecycle.retention(START + timedelta(days=400)) == {"limits": 1, "accounts": 1}
    assert held(database) == {"jobs": 1}, "a job that nobody finished is still to be done"


def test_facts_that_nobody_folded_yet_outlive_their_event(database: Database, writer: Writer) -> None:
    database.pipeline.commit(without_case(writer.full("e1")))
    database.lifecycle.retention(START + timedelta(days=5000))
    assert len(database.pipeline.pending_facts(10)) == 1


def test_a_dead_letter_stays_until_somebody_replays_it(database: Database, writer: Writer) -> None:
    work = without_case(writer.full("e1"))
    database.pipeline.commit(work)
    database.outbox.failed(work.outbox[0].key, "gone", None)
    database.lifecycle.retention(START + timedelta(days=5000))
    assert len(database.outbox.dead_letters()) == 1


def test_many_go_in_batches_each_with_its_row_in_the_audit(database: Database, writer: Writer) -> None:
    ids = [f"e{n}" for n in range(1203)]
    database.pipeline.commit(writer.chat(*ids))
    assert database.lifecycle.retention(LATE)["events"] == 1203
    told = [e for _, e in database.audit.entries() if e.action == "retention"]
    assert [e.detail["events"] for e in told if "events" in e.detail] == [500, 500, 203]
    assert database.audit.verify().ok


# -- erasure -----------------------------------------------------------------------------------------------------------------------


def test_everything_of_an_account_goes(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = without_case(writer.full("e1"))
    database.pipeline.commit(work)
    database.outbox.delivered(work.outbox[0].key, clock.now())
    database.limits.lift(writer.name("vell"), "cli", "over")
    clock.advance(timedelta(hours=1))
    result = database.lifecycle.erase("vell", "cli")
    assert result.complete and result.kept == ()
    name = writer.name("vell")
    with database.sql.read() as connection:
        for table in metadata.sorted_tables:
            if table.name not in ("audit", "partitions"):
                assert name.encode() not in repr(connection.execute(select(table)).all()).encode(), table.name
    assert database.pipeline.original_accounts([name]) == {}
    assert database.pipeline.event("e1") is None
    assert held(database) == {"accounts": 2}, "the other party's name and the channel's, which retention takes"
    [told] = [e for _, e in database.audit.entries() if e.action == "erase"]
    assert (told.actor, told.target) == ("cli", result.commitment)
    assert name not in repr([e for _, e in database.audit.entries() if e.action.startswith("erase")])
    assert database.audit.verify().ok
    assert list(database.lifecycle.export("vell", "cli")) == []


def test_what_others_did_stays_with_the_account_struck_out(database: Database, writer: Writer) -> None:
    theirs = msgspec.structs.replace(without_case(writer.full("e1", actor="osk", target="brin")), limits=[], outbox=[])
    database.pipeline.commit(theirs)
    result = database.lifecycle.erase("brin", "cli")
    assert result.complete
    stored = database.pipeline.event("e1")
    assert stored is not None and stored.accounts == (writer.name("osk"),)
    body = msgspec.msgpack.decode(database.sealer.open(stored.sealed, "event:e1"))
    assert body["targets"] == [{"account": "erased"}] and body["text"] == "zantle brisp e1"
    kept = database.pipeline.decided(["e1"])["e1"].decision
    assert kept == msgspec.structs.replace(theirs.decisions[0], summaries=())
    assert database.pipeline.summaries([writer.name("osk")]), "the other's own memory stays"
    assert set(database.pipeline.original_accounts([writer.name("osk"), writer.name("brin")])) == {writer.name("osk")}


def test_evidence_and_open_cases_are_kept_and_listed(database: Database, writer: Writer) -> None:
    first = writer.full("e1")
    preserved = writer.stored("e2", "vell", "brin", "room", preserved=True)
    database.pipeline.commit(first)
    database.pipeline.commit(msgspec.structs.replace(writer.chat("e2"), events=[preserved]))
    database.pipeline.commit(writer.chat("e3"))
    [case] = database.cases.cases()
    result = database.lifecycle.erase("vell", "cli")
    assert not result.complete
    assert result.kept == (
        Kept("event", "e1", "part of an open case"),
        Kept("event", "e2", "preserved as evidence"),
        Kept("case", case.id, "open: a person has still to decide"),
        Kept("limit", "e1", "in force: lift it first"),
        Kept("message", "e1:page", "waiting to be delivered"),
    )
    assert [e.id for _, e in database.pipeline.events()] == ["e1", "e2"]
    assert database.pipeline.event("e1") == first.events[0]
    assert database.pipeline.states(list(first.states)) == first.states
    assert database.pipeline.original_accounts([writer.name("vell")]), "a report could not name anybody without it"


def test_erasing_again_takes_what_has_become_free(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = writer.full("e1")
    database.pipeline.commit(work)
    assert not database.lifecycle.erase("vell", "cli").complete
    close_cases(database)
    database.limits.lift(writer.name("vell"), "cli", "over")
    assert database.lifecycle.erase("vell", "cli").complete
    assert held(database) == {"accounts": 2}


def test_an_account_that_nobody_knows(database: Database) -> None:
    result = database.lifecycle.erase("nobody", "cli")
    assert result.complete and result.erased == {}


def test_names_that_look_alike_are_not_erased_with_it(database: Database, writer: Writer) -> None:
    own = writer.name("vell")
    near = [Key.account(own + "x"), Key.account("x" + own), Key.account(own[:-1]), Key.account(own.replace("_", "x"))]
    work = msgspec.structs.replace(writer.chat("e1"), states={("d", k): writer.full("z").states[("d", Key.account(own))] for k in near})
    database.pipeline.commit(work)
    database.lifecycle.erase("vell", "cli")
    assert set(database.pipeline.states(list(work.states))) == set(work.states)


# -- export ------------------------------------------------------------------------------------------------------------------------


def test_an_export_shows_everything_opened(database: Database, writer: Writer) -> None:
    database.pipeline.commit(writer.full("e1"))
    database.pipeline.commit(writer.chat("e2", actor="osk", target="tam", channel="elsewhere"))
    lines: list[dict[str, Any]] = [msgspec.json.decode(line) for line in database.lifecycle.export("vell", "key:abc")]
    kinds = [line["type"] for line in lines]
    assert kinds == [
        *("account", "event", "decision", "decision", "signal", "assessment", "memory", "memory"),
        *("summary", "fact", "tail", "limit", "case", "message"),
    ]
    assert lines[0] == {"type": "account", "account": "vell", "pseudonym": writer.name("vell")}
    assert lines[1]["event"]["text"] == "zantle brisp e1"
    assert [line["text"] for line in lines if line["type"] == "tail"] == ["brisp"]
    assert lines[-1]["body"]["event"] == "e1"
    assert "e2" not in repr(lines)
    [told] = [e for _, e in database.audit.entries() if e.action == "export"]
    assert told.actor == "key:abc" and writer.name("vell") not in told.target


def test_an_export_of_nothing_is_empty(database: Database) -> None:
    assert list(database.lifecycle.export("nobody", "cli")) == []
