"""Retention, erasure and export over every database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from nightlight.adapters.lifecycle import Kept, Periods, deletion
from nightlight.adapters.lifecycle.striking import struck
from nightlight.adapters.store import Database
from nightlight.adapters.store.tables import cases, metadata
from nightlight.core.assessment import Assessment
from nightlight.core.clock import FixedClock
from nightlight.core.decision import LimitContact, Mode, Nudge, To, late_id
from nightlight.core.detect import Key, KeyKind
from nightlight.core.features import AccountSummary
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import ContactLimit, SavedState, Work
from nightlight.core.services import Job, JobState
from nightlight.core.signal import Subject, SubjectKind

from .works import KEEP, START, Writer, decision

LATE = START + KEEP
NEVER = Periods(**{name: timedelta(days=10_000) for name in Periods.__struct_fields__})

embedded = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""What concerns the files of the embedded database alone."""


def held(database: Database) -> dict[str, int]:
    with database.sql.read() as connection:
        found = {t.name: len(connection.execute(select(t)).all()) for t in metadata.sorted_tables}
    return {t: n for t, n in found.items() if n and t not in ("audit", "partitions", "meta")}


def close_cases(database: Database) -> None:
    with database.sql.write() as connection:
        connection.execute(cases.update().values(state="declined"))


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
    assert result.complete
    assert result.kept == ()
    name = writer.name("vell")
    with database.sql.read() as connection:
        for table in metadata.sorted_tables:
            if table.name != "partitions":
                assert name.encode() not in repr(connection.execute(select(table)).all()).encode(), table.name
    assert database.pipeline.original_accounts([name]) == {}
    assert database.pipeline.event("e1") is None
    assert held(database) == {"accounts": 2}, "the other party's name and the channel's, which retention takes"
    [told] = [e for _, e in database.audit.entries() if e.action == "erase"]
    assert (told.actor, told.target) == ("cli", result.commitment)
    assert name not in repr(database.audit.entries()), "though a limit of it was lifted, which the chain tells"
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
    assert kept == msgspec.structs.replace(theirs.decisions[0], summaries=(("erased", 3),))
    assert database.pipeline.summaries([writer.name("osk")]), "the other's own memory stays"
    assert set(database.pipeline.original_accounts([writer.name("osk"), writer.name("brin")])) == {writer.name("osk")}


def test_evidence_and_open_cases_are_kept_and_listed(database: Database, writer: Writer) -> None:
    first = writer.full("e1")
    preserved = writer.stored("e2", "vell", "brin", "room", preserved=True)
    database.pipeline.commit(first)
    database.pipeline.commit(msgspec.structs.replace(writer.chat("e2"), events=[preserved]))
    database.pipeline.commit(writer.chat("e3"))
    [case] = database.cases.cases()
    waits = Kept("event", "e3", "part of an open case")
    assert waits in database.lifecycle.erase("vell", "cli").kept, "the vault has still to take in what was said around it"
    database.vault.promote()
    result = database.lifecycle.erase("vell", "cli")
    assert not result.complete
    assert result.kept == (
        Kept("event", "e1", "part of an open case"),
        Kept("event", "e2", "preserved as evidence"),
        Kept("case", case.id, "open: a person has still to decide"),
        Kept("evidence", case.id, "in the vault until 2025-11-28, or longer under a legal hold"),
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


# What holds the name of an account, in every table: of every column of every row, its bytes or its text.


def naming(database: Database, *needles: str) -> list[str]:
    found = []
    with database.sql.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)).mappings():
                for column, value in row.items():
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    found += [f"{table.name}.{column}" for needle in needles if needle.encode() in raw]
    return sorted(found)


def naming_everywhere(writer: Writer, child: str) -> list[Work]:
    """Rows that a service leaves about a child, where others acted: everywhere that a type allows an account to be named."""
    a, b, c = writer.name("osk"), writer.name(child), writer.conversation("room")
    work = writer.full("e1", actor="osk", target=child)
    acts = (Nudge(to=To.CHILDREN, message="m", account=b), LimitContact(account=b), Nudge(to=To.SENDER, message="m", account=a))
    decided = [msgspec.structs.replace(decision("e1", summaries=((b, 3), (a, 1))), actions=acts, mode=mode) for mode in Mode]
    part = msgspec.structs.replace(work.assessments[0].contributions[0], actor=a, protects=b)
    talk = Assessment(
        subject=Subject(SubjectKind.CONVERSATION, c), harm=Harm.SEXTORTION, score=0.8, calibrated=False, level=Level.HIGH, at=START,
        contributions=(part,), actor=a, protects=a,
    )  # fmt: skip
    memory = {
        "leads": [[b, 0.5], [a, 0.25]],
        "by": {b: 1, a: 2},
        "key": f"{c}|{a}|{b}",
        "raw": b.encode(),
        "at": START,
        "x": 0.1,
        "n": None,
    }
    ours = msgspec.structs.replace(
        work,
        decisions=decided,
        states={
            **work.states,
            ("other", Key(KeyKind.CONVERSATION, c)): SavedState(1, msgspec.msgpack.encode(memory)),
            ("torn", Key(KeyKind.CONVERSATION, c)): SavedState(1, b"\xc1" + b.encode()),
        },
        assessments=[*work.assessments, talk],
        summaries={**work.summaries, a: AccountSummary(1, {f"d.{b}": 2.0, "d.minors": 1.0}), b: AccountSummary(1, {"d.n": 2.0})},
        tails={f"{c}|{b}": writer.database.sealer.seal(b"brisp", f"tail:{c}|{b}")},
        limits=[ContactLimit(account=b, until=START, event="e1", rule="r")],
        outbox=[msgspec.structs.replace(work.outbox[0], body=b"{}", cancel_key=f"limit:{b}:e1")],
    )
    # An event of the other that addresses nobody, so that no table links it to the child.
    alone = writer.chat("e2", actor="osk", target="osk")
    signal = msgspec.structs.replace(work.signals[0][1], subject=talk.subject)
    elsewhere = msgspec.structs.replace(
        alone,
        decisions=[msgspec.structs.replace(decision("e2"), actions=acts)],
        signals=[("e2", signal), ("e2", msgspec.structs.replace(signal, protects=None, stages=()))],
    )
    return [ours, elsewhere]


def test_no_row_of_any_table_names_an_erased_account(database: Database, writer: Writer) -> None:
    child = "brin-of-the-seventh-room"
    name, other, room = writer.name(child), writer.name("osk"), writer.conversation("room")
    ours, elsewhere = naming_everywhere(writer, child)
    database.pipeline.commit(ours)
    database.pipeline.commit(msgspec.structs.replace(elsewhere, head=writer.head()))
    hop = Writer(database, "accounts")
    late = msgspec.structs.replace(decision(late_id("e1", 7)), actions=(Nudge(to=To.CHILDREN, message="m", account=name),))
    database.pipeline.commit(Work(head=hop.head(), advance=1, decisions=[late]))
    database.outbox.delivered("e1:page", START)
    close_cases(database)
    shown = [msgspec.json.decode(line)["type"] for line in database.lifecycle.export(child, "cli")]
    assert shown.count("decision") == 4 and shown.count("memory") == 3 and shown.count("assessment") == 2, "all that names it is shown"
    assert len({place.partition(".")[0] for place in naming(database, name)}) == 14, "the test names it wherever it can be named"

    result = database.lifecycle.erase(child, "cli")

    assert result.complete and result.kept == ()
    assert naming(database, name, child) == []
    assert list(database.lifecycle.export(child, "cli")) == []
    decided = database.pipeline.decided(["e1", "e2", late_id("e1", 7)])
    assert [getattr(act, "account", None) for act in decided["e1"].decision.actions] == ["erased", "erased", other]
    assert decided["e1"].decision.summaries == (("erased", 3), (other, 1))
    key = Key(KeyKind.CONVERSATION, room)
    [saved] = database.pipeline.states([("other", key), ("torn", key)]).values()
    assert msgspec.msgpack.decode(saved.raw) == {
        "leads": [["erased", 0.5], [other, 0.25]], "by": {other: 2}, "key": f"{room}|{other}|erased", "raw": b"erased",
        "at": START, "x": 0.1, "n": None,
    }  # fmt: skip
    [left] = database.pipeline.assessments([Subject(SubjectKind.CONVERSATION, room)]).values()
    assert (left.actor, left.contributions[0].protects) == (other, "erased")
    assert dict(database.pipeline.summaries([other])[other].values) == {"d.erased": 2.0, "d.minors": 1.0}
    assert database.audit.verify().ok


def test_evidence_of_others_that_names_an_account_stays_and_is_listed(database: Database, writer: Writer) -> None:
    _, elsewhere = naming_everywhere(writer, "brin")
    kept = msgspec.structs.replace(elsewhere, events=[msgspec.structs.replace(elsewhere.events[0], preserved=True)])
    database.pipeline.commit(kept)
    result = database.lifecycle.erase("brin", "cli")
    assert result.kept == (Kept("decision", "e2", "names the account in another's evidence"),) and not result.complete
    assert database.pipeline.decided(["e2"])["e2"].decision == kept.decisions[0]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.binary(max_size=8) | st.just("p_name") | st.just(b"-p_name-"),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4) | st.integers(0, 9) | st.just("p_name"), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(value=VALUES)
def test_striking_takes_the_name_out_and_changes_nothing_else(value: object) -> None:
    raw = msgspec.msgpack.encode(value)
    clean = struck(raw, "p_name")
    assert clean is not None and b"p_name" not in clean
    if b"p_name" not in raw:
        assert clean == raw
    assert struck(clean, "p_name") == clean


@given(raw=st.binary(max_size=40))
def test_striking_what_cannot_be_read_leaves_nothing_of_it(raw: bytes) -> None:
    clean = struck(raw + b"p_name", "p_name")
    assert clean is None or b"p_name" not in clean


def sealed_in(database: Database, blobs: Sequence[bytes]) -> list[str]:
    files = {p.name: p.read_bytes() for p in database.home.iterdir() if p.name.startswith("nightlight.db")}
    return sorted(name for name, raw in files.items() if any(blob in raw for blob in blobs))


@embedded
def test_what_was_erased_is_in_no_file_of_the_database(database: Database, writer: Writer) -> None:
    blobs = []
    for n in range(120):
        work = writer.chat(f"v{n}", f"v{n}-again", channel=f"room{n % 7}")
        blobs += [e.sealed for e in work.events]
        database.pipeline.commit(work)
        database.pipeline.commit(writer.chat(f"o{n}", actor="osk", target="tam", channel="elsewhere"))
    assert sealed_in(database, blobs)
    assert database.lifecycle.erase("vell", "cli").journal_cleared is True
    assert sealed_in(database, blobs) == []
    assert database.pipeline.event("o1") is not None


@embedded
def test_what_others_wrote_is_not_left_as_it_was_before_the_name_was_struck(database: Database, writer: Writer) -> None:
    work = writer.chat("e1", actor="osk")
    database.pipeline.commit(work)
    database.lifecycle.erase("brin", "cli")
    assert sealed_in(database, [work.events[0].sealed]) == []


@embedded
def test_what_retention_deleted_is_in_no_file_of_the_database(database: Database, writer: Writer) -> None:
    work = writer.chat(*(f"e{n}" for n in range(30)))
    database.pipeline.commit(work)
    assert sealed_in(database, [e.sealed for e in work.events])
    database.lifecycle.retention(LATE)
    assert sealed_in(database, [e.sealed for e in work.events]) == []


@embedded
def test_a_journal_in_use_is_said_to_be_and_emptied_later(database: Database, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "_WAIT_MS", 1)
    monkeypatch.setattr(deletion, "_PAUSE_S", 0.0)
    work = writer.chat("e1")
    database.pipeline.commit(work)
    with closing(sqlite3.connect(database.home / "nightlight.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchone()
        assert database.lifecycle.erase("vell", "cli").journal_cleared is False
        assert sealed_in(database, [e.sealed for e in work.events])
        assert [e.action for _, e in database.audit.entries()][-1] == "erase.journal"
        assert database.lifecycle.retention(LATE)
        assert [e.action for _, e in database.audit.entries()][-1] == "retention.journal"
    assert database.lifecycle.erase("vell", "cli").journal_cleared is True
    assert sealed_in(database, [e.sealed for e in work.events]) == []


def test_a_server_keeps_its_own_journal(database: Database) -> None:
    assert database.lifecycle.erase("nobody", "cli").journal_cleared is (True if database.sql.is_sqlite else None)


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
    assert "'e2'" not in repr(lines)
    [told] = [e for _, e in database.audit.entries() if e.action == "export"]
    assert told.actor == "key:abc" and writer.name("vell") not in told.target


def test_an_export_of_nothing_is_empty(database: Database) -> None:
    assert list(database.lifecycle.export("nobody", "cli")) == []
