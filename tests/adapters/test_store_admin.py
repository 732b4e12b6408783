"""Keys, policies, limits, outbox and jobs, over every database."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.keys import CACHE_S, SqlKeys
from nightlight.core.clock import FixedClock
from nightlight.core.decision import Mode
from nightlight.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from nightlight.core.services import Job, JobState, Scope

from .works import START, Writer


def told(database: Database) -> list[tuple[str, str, str]]:
    return [(e.actor, e.action, e.target) for _, e in database.audit.entries()]


# -- keys --------------------------------------------------------------------------------------------------------------------------


def test_a_key_opens_for_its_secret_only(database: Database) -> None:
    caller, secret = database.keys.create("game server", [Scope.EVENTS_WRITE, Scope.BANKS_READ], "cli", rate_per_minute=60)
    assert secret.startswith(f"nl_{caller.id}_")
    assert database.keys.authenticate(secret) == caller
    assert caller.scopes == {Scope.EVENTS_WRITE, Scope.BANKS_READ} and caller.rate_per_minute == 60
    for wrong in (secret[:-1], secret + "x", f"nl_{caller.id}_", "nl_nobody_x", "", "nl", "nl_\0_x", "x" * 5000, "nl_é_x"):
        with pytest.raises(Unauthenticated):
            database.keys.authenticate(wrong)


def test_the_secret_is_nowhere_in_the_database(database: Database, home: Path) -> None:
    caller, secret = database.keys.create("k", [Scope.ADMIN], "cli")
    random = secret.removeprefix(f"nl_{caller.id}_")
    with database.sql.read() as connection:
        held = repr(connection.exec_driver_sql("SELECT * FROM api_keys").all())
    files = b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())
    assert random not in held and random.encode() not in files


def test_a_revocation_acts_everywhere_within_the_time_of_the_cache(
    database: Database, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock
) -> None:
    now = 100.0
    caller, secret = database.keys.create("k", [Scope.ADMIN], "cli")
    other = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        elsewhere = SqlKeys(other.sql, other.audit, sealer, clock, monotonic=lambda: now)
        assert elsewhere.authenticate(secret) == caller
        database.keys.authenticate(secret)
        database.keys.revoke(caller.id, "cli")
        with pytest.raises(Unauthenticated):
            database.keys.authenticate(secret)
        now += CACHE_S
        with pytest.raises(Unauthenticated):
            elsewhere.authenticate(secret)
    finally:
        other.close()


def test_keys_are_listed_and_audited(database: Database, clock: FixedClock) -> None:
    caller, _ = database.keys.create("k", [Scope.ADMIN, Scope.SAFETY_READ], "cli")
    clock.advance(timedelta(minutes=1))
    database.keys.revoke(caller.id, "key:abc")
    database.keys.revoke(caller.id, "key:abc")
    [info] = database.keys.keys()
    assert (info.id, info.scopes, info.created_at) == (caller.id, (Scope.ADMIN, Scope.SAFETY_READ), START)
    assert info.revoked_at == START + timedelta(minutes=1)
    assert told(database) == [("cli", "key.create", caller.id), ("key:abc", "key.revoke", caller.id)]
    with pytest.raises(NotFound):
        database.keys.revoke("none", "cli")


@pytest.mark.parametrize(
    ("name", "scopes", "rate"), [("", [Scope.ADMIN], 1), ("x" * 101, [Scope.ADMIN], 1), ("k", [], 1), ("k", [Scope.ADMIN], 0)]
)
def test_a_key_that_makes_no_sense_is_refused(database: Database, name: str, scopes: list[Scope], rate: int) -> None:
    with pytest.raises(Invalid):
        database.keys.create(name, scopes, "cli", rate)
    assert database.keys.keys() == []


# -- policies ----------------------------------------------------------------------------------------------------------------------


def test_policies_follow_each_other_and_come_back(database: Database) -> None:
    policies = database.policies
    assert policies.current(Mode.LIVE) is None
    first = policies.activate("a = 1", Mode.LIVE, "cli", name="first")
    assert policies.activate("a = 1", Mode.LIVE, "cli", name="first") == first, "in force already"
    second = policies.activate("a = 2", Mode.LIVE, "cli")
    assert policies.current(Mode.LIVE) == second and policies.current(Mode.SHADOW) is None
    back = policies.rollback(Mode.LIVE, "cli")
    assert (back.text, back.hash, back.name) == ("a = 1", first.hash, "first") and back.version > second.version
    assert [v.retired_at is None for v in policies.versions()] == [True, False, False]
    assert [a for _, a, _ in told(database)] == ["policy.activate", "policy.activate", "policy.rollback"]


def test_a_shadow_runs_beside_the_live_set_until_it_is_retired(database: Database) -> None:
    database.policies.activate("a = 1", Mode.LIVE, "cli")
    shadow = database.policies.activate("a = 2", Mode.SHADOW, "cli")
    assert database.policies.current(Mode.SHADOW) == shadow
    database.policies.retire(Mode.SHADOW, "cli")
    assert database.policies.current(Mode.SHADOW) is None
    with pytest.raises(NotFound):
        database.policies.retire(Mode.SHADOW, "cli")
    with pytest.raises(NotFound):
        database.policies.rollback(Mode.LIVE, "cli")


# -- limits ------------------------------------------------------------------------------------------------------------------------


def test_lifting_a_limit_ends_it_and_drops_the_reminder(database: Database, writer: Writer, clock: FixedClock) -> None:
    database.pipeline.commit(writer.full("e1"))
    account = writer.name("vell")
    assert [x.event for x in database.limits.in_force()] == ["e1"]
    [lifted] = database.limits.lift(account, "reviewer:ann", "a mistake")
    assert (lifted.lifted_by, lifted.reviewed) == ("reviewer:ann", True)
    assert database.pipeline.limits([account], clock.now()) == {}
    assert database.outbox.due(clock.now(), 10) == [], "nobody needs to be paged about it any more"
    assert told(database) == [("reviewer:ann", "limit.lift", database.sealer.mac(f"account:{account}".encode()).hex())]
    with pytest.raises(NotFound):
        database.limits.lift(account, "reviewer:ann", "again")


def test_extending_a_limit(database: Database, writer: Writer, clock: FixedClock) -> None:
    database.pipeline.commit(writer.full("e1"))
    account, until = writer.name("vell"), START + timedelta(days=7)
    [extended] = database.limits.extend(account, until, "reviewer:ann", "goes on")
    assert database.pipeline.limits([account], START + timedelta(days=6)) == {account: [extended]}
    assert (extended.until, extended.reviewed) == (until, True)
    with pytest.raises(Invalid):
        database.limits.extend(account, clock.now(), "reviewer:ann", "too late")


# -- outbox ------------------------------------------------------------------------------------------------------------------------


def test_a_message_waits_until_it_is_delivered(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = writer.full("e1")
    database.pipeline.commit(work)
    [key] = [o.key for o in work.outbox]
    assert database.outbox.due(START - timedelta(seconds=1), 10) == []
    database.outbox.failed(key, "no answer", START + timedelta(minutes=1))
    assert database.outbox.due(START, 10) == []
    [again] = database.outbox.due(START + timedelta(minutes=1), 10)
    assert (again.key, again.body, again.attempts) == (key, work.outbox[0].body, 1)
    database.outbox.delivered(key, clock.now())
    assert database.outbox.due(START + timedelta(days=1), 10) == []
    database.outbox.failed(key, "late", None)
    assert database.outbox.dead_letters() == [], "what was delivered cannot die"


def test_a_dead_letter_is_kept_and_replayed_with_the_same_bytes(database: Database, writer: Writer, clock: FixedClock) -> None:
    work = writer.full("e1")
    database.pipeline.commit(work)
    [key] = [o.key for o in work.outbox]
    with pytest.raises(Conflict):
        database.outbox.replay(key, "cli")
    database.outbox.failed(key, "gone", None)
    [letter] = database.outbox.dead_letters()
    assert (letter.key, letter.endpoint, letter.attempts, letter.error) == (key, "lead", 1, "gone")
    assert database.outbox.due(START + timedelta(days=1), 10) == []
    database.outbox.replay(key, "key:abc")
    [again] = database.outbox.due(clock.now(), 10)
    assert (again.body, again.attempts) == (work.outbox[0].body, 0)
    assert database.outbox.dead_letters() == []
    assert told(database) == [("key:abc", "outbox.replay", key)]
    with pytest.raises(NotFound):
        database.outbox.replay("none", "cli")


# -- jobs --------------------------------------------------------------------------------------------------------------------------


def test_jobs_are_found_again_until_they_are_finished(database: Database) -> None:
    first, second = (Job(id=i, state=JobState.WAITING, created_at=START + timedelta(seconds=n)) for n, i in enumerate("ab"))
    database.jobs.create(second)
    database.jobs.create(first, notify="hook")
    assert database.jobs.waiting() == [(first, "hook"), (second, None)]
    done = database.jobs.finish("a", JobState.DONE, START, "ok")
    assert (done.state, done.detail) == (JobState.DONE, "ok") and database.jobs.get("a") == done
    assert database.jobs.finish("a", JobState.FAILED, START) == done, "finished once"
    assert database.jobs.create(first) == done, "an id stands for one job"
    assert [job.id for job, _ in database.jobs.waiting()] == ["b"]
    assert database.jobs.get("none") is None
    with pytest.raises(NotFound):
        database.jobs.finish("none", JobState.DONE, START)
