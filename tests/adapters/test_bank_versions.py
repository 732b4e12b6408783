"""Going back: whatever was done to a bank, any version that is kept can be had again as it was."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import text

from nightlight.adapters.lifecycle import restore
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, migrate, open_database
from nightlight.adapters.store.banks import SqlBanks
from nightlight.adapters.store.engine import Sql, resolve
from nightlight.adapters.store.tables import micros
from nightlight.core.bank import Bank, BankAction, BankItem, BankKind, Category, NewItem
from nightlight.core.clock import FixedClock
from nightlight.core.errors import NotFound
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.ids import new_id
from tests.adapters.banking import DictIndex, hasher, sha


@pytest.fixture
def index() -> DictIndex:
    return DictIndex()


@pytest.fixture
def banks(database: Database, index: DictIndex) -> SqlBanks:
    return database.banks(index, hasher, deriver=lambda data: [replace(hasher(data)[2], value=f"{int(data) + 1:064x}")])


State = tuple[Bank, tuple[BankItem, ...]]


def state(banks: SqlBanks, name: str) -> State:
    (bank,) = (b for b in banks.banks() if b.name == name)
    return replace(bank, version=0), tuple(banks.items(name, most=1000))


def mirrored(index: DictIndex, name: str) -> tuple[BankItem, ...]:
    return tuple(sorted((i for i in index.items.values() if i.bank == name), key=lambda i: i.id))


_operation = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 9)),
    st.tuples(st.just("toggle"), st.integers(0, 9)),
    st.tuples(st.just("remove"), st.integers(0, 9)),
    st.tuples(st.just("change"), st.integers(0, 31)),
    st.tuples(st.just("derive"), st.integers(0, 9)),
    st.tuples(st.just("apply"), st.integers(0, 9)),
    st.tuples(st.just("expire"), st.integers(1, 9)),
    st.tuples(st.just("rollback"), st.integers(0, 9)),
)


def perform(banks: SqlBanks, name: str, clock: FixedClock, what: str, number: int) -> None:
    held = banks.items(name, most=1000)
    some = held[number % len(held)] if held else None
    clock.advance(timedelta(hours=1))
    if what == "add":
        ends = clock.now() + timedelta(hours=number) if number % 3 == 0 else None
        banks.add_bytes(name, str(number).encode(), "a", labels=["x"], category=Category.A2, provenance="told so", expires_at=ends)
    elif what == "change":
        actions = list(BankAction)
        kinds = (FingerprintKind.SHA256,) if number % 2 else ()
        days = number if number % 5 == 1 else None
        banks.change(name, "a", threshold=number, action=actions[number % 4], kinds=kinds, share=number / 31, expires_after_days=days)
    elif what == "apply":
        put = [NewItem(fingerprints=(sha(100 + number), sha(200)), source=str(n), generated=True) for n in range(number % 4)]
        banks.apply(name, put, [str(n) for n in range(number % 4, 4)], "exchange")
    elif what == "expire":
        banks.expire(clock.now())
    elif what == "rollback":
        kept = banks.versions(name)
        banks.rollback(name, kept[number % len(kept)].version, "b")
    elif some is None:
        return
    elif what == "toggle":
        banks.set_item_enabled(name, some.id, not some.enabled, "a")
    elif what == "remove":
        banks.remove(name, some.id, "a")
    elif what == "derive" and some.derived_from is None and some.source is None:
        banks.verdict(name, some.id, True, "r")
        banks.derive(name, some.id, str(int(some.fingerprints[0].value, 16)).encode(), "r")


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_operation, min_size=4, max_size=14), st.integers(0, 100))
def test_a_bank_goes_back_to_exactly_what_it_was(
    database: Database, banks: SqlBanks, index: DictIndex, clock: FixedClock, operations: list[tuple[str, int]], back: int
) -> None:
    name = new_id("b")
    banks.create(Bank(name=name, kind=BankKind.OWN), "a")
    then = {1: state(banks, name)}
    for what, number in operations:
        perform(banks, name, clock, what, number)
        then[banks.versions(name)[0].version] = state(banks, name)
    kept = banks.versions(name)
    assert [v.version for v in kept] == sorted(then, reverse=True), "each change made one version, and nothing else did"
    target = kept[back % len(kept)].version
    banks.rollback(name, target, "b")
    assert state(banks, name) == then[target]
    assert mirrored(index, name) == then[target][1]
    assert index.banks[name].threshold == then[target][0].threshold
    banks.rollback(name, kept[0].version, "b")
    assert state(banks, name) == then[kept[0].version], "and forward again"


def test_a_version_says_who_did_what(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "ann")
    item = banks.add("own", [sha(1)], "bo")
    banks.apply("own", [NewItem(fingerprints=(sha(n),), source=str(n)) for n in range(5)], [], "list")
    banks.remove("own", item.id, "cy")
    assert banks.rollback("own", 3, "dee").version == 5
    told = [(v.version, v.by, v.what, v.added, v.changed, v.removed) for v in banks.versions("own")]
    assert told == [
        (5, "dee", "bank.rollback", 1, 0, 0),
        (4, "cy", "bank.item.remove", 0, 0, 1),
        (3, "list", "bank.apply", 5, 0, 0),
        (2, "bo", "bank.item.add", 1, 0, 0),
        (1, "ann", "bank.create", 0, 0, 0),
    ]
    entry = database.audit.entries()[-1][1]
    assert (entry.action, entry.actor, entry.detail["to"], entry.detail["version"]) == ("bank.rollback", "dee", 3, 5)


def test_what_changes_nothing_is_no_version(banks: SqlBanks) -> None:
    banks.create(Bank(name="own"), "a")
    item = banks.add("own", [sha(1)], "a")
    banks.set_item_enabled("own", item.id, True, "a")
    banks.change("own", "a", threshold=31, enabled=True)
    banks.apply("own", [], ["nothing"], "a")
    banks.rollback("own", 2, "a")
    assert [v.version for v in banks.versions("own")] == [2, 1]
    for version in (0, 3, -1, 2**70):
        with pytest.raises(NotFound):
            banks.rollback("own", version, "a")


def test_what_is_forgotten_comes_back_with_no_version(banks: SqlBanks, database: Database) -> None:
    banks.create(Bank(name="own"), "a")
    item, other = banks.add_bytes("own", b"7", "a", provenance="somebody"), banks.add_bytes("own", b"8", "a")
    banks.set_item_enabled("own", item.id, False, "a")
    banks.verdict("own", item.id, True, "r", "a note about it")
    banks.derive("own", item.id, b"7", "r")
    banks.remove("own", item.id, "child", forget=True)
    for version in (2, 3, 4, 5):
        banks.rollback("own", version, "a")
        assert {i.id for i in banks.items("own")} <= {other.id}
    with database.sql.read() as connection:
        for table in ("bank_items", "bank_history", "bank_verdicts"):
            assert item.id not in repr(connection.exec_driver_sql(f"SELECT * FROM {table}").all()), table


def test_history_is_kept_for_thirty_days_and_then_refused(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    first = banks.add("own", [sha(1)], "a")
    banks.remove("own", first.id, "a")
    clock.advance(timedelta(days=20))
    second = banks.add("own", [sha(2)], "a")
    clock.advance(timedelta(days=9))
    assert "bank_history" not in database.lifecycle.retention(clock.now())
    clock.advance(timedelta(days=2))
    done = database.lifecycle.retention(clock.now())
    assert (done["bank_history"], done["bank_versions"]) == (1, 2)
    assert [v.version for v in banks.versions("own")] == [4, 3]
    with pytest.raises(NotFound):
        banks.rollback("own", 2, "a")
    banks.rollback("own", 3, "a")
    assert banks.items("own") == []
    banks.rollback("own", 4, "a")
    assert [i.id for i in banks.items("own")] == [second.id]


def test_time_that_runs_backwards_purges_no_history_that_a_version_needs(banks: SqlBanks, database: Database, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    item = banks.add("own", [sha(1)], "a")
    clock.advance(timedelta(days=20))
    banks.change("own", "a", threshold=1)
    clock.advance(-timedelta(days=40))
    banks.remove("own", item.id, "a")
    clock.advance(timedelta(days=60))
    database.lifecycle.retention(clock.now())
    banks.rollback("own", 3, "a")
    assert [i.id for i in banks.items("own")] == [item.id]


def test_a_pause_outlives_going_back(banks: SqlBanks, clock: FixedClock) -> None:
    banks.create(Bank(name="own"), "a")
    item = banks.add("own", [sha(1)], "a")
    banks.set_item_enabled("own", item.id, False, "a")
    banks.set_item_enabled("own", item.id, True, "a")
    banks.pause("own", item.id, "system")
    banks.rollback("own", 2, "a")
    assert banks.item("own", item.id).paused_at is not None
    banks.remove("own", item.id, "a")
    banks.rollback("own", 3, "a")
    assert banks.item("own", item.id).paused_at is not None
    banks.resume("own", item.id, "a", "looked at it")
    banks.rollback("own", 4, "a")
    assert banks.item("own", item.id).paused_at is None, "and so does the end of one"


def test_banks_from_before_versions_are_kept_and_their_false_matches_proposed_again(
    store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock
) -> None:
    sql = Sql(resolve(store_url, home))
    try:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        with sql.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
            for name, kind in (("own", "own"), ("false", "negative")):
                bank = {"name": name, "kind": kind, "threshold": 20, "enabled": True, "note": "n", "at": micros(clock.now())}
                connection.execute(text("INSERT INTO banks VALUES (:name, :kind, :threshold, :enabled, :note, :at)"), bank)
                sealed = sealer.seal(msgspec.msgpack.encode((sha(1),)), f"bank:{name}:item_1")
                item = {"bank": name, "sealed": sealed, "enabled": True, "labels": b"\x91\xa1x", "source": "s", "at": bank["at"]}
                columns = ":bank, 'item_1', :sealed, :enabled, :labels, :source, :at"
                connection.execute(text(f"INSERT INTO bank_items VALUES ({columns})"), item)
        assert migrate.upgrade(sql) is True
    finally:
        sql.close()
    database = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        banks = database.banks(DictIndex(), hasher)
        kept = Bank(name="own", threshold=20, note="n", created_at=clock.now())
        assert banks.banks()[1] == kept
        old = BankItem(id="item_1", bank="own", fingerprints=(sha(1),), labels=("x",), source="s", created_at=clock.now())
        assert banks.items("own") == [old]
        assert {m.bank for m in banks.search([sha(1)])} == {"own"}
        (proposal,) = banks.items("false")
        assert (proposal.enabled, proposal.proposed_by) == (False, "upgrade")
        banks.change("own", "a", threshold=3)
        banks.remove("own", "item_1", "a")
        assert replace(banks.rollback("own", 0, "a"), version=0) == kept
        assert banks.items("own") == [old]
        assert database.audit.verify().ok
    finally:
        database.close()


def test_a_backup_brings_what_was_forgotten_back_for_a_moment_only(
    database: Database, banks: SqlBanks, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock, tmp_path: Path
) -> None:
    banks.create(Bank(name="reports", kind=BankKind.QUARANTINE), "a")
    theirs, gone, kept = (banks.add("reports", [sha(n)], "a") for n in (1, 2, 3))
    banks.remove("reports", gone.id, "a")
    database.lifecycle.backup(tmp_path / "backup", "cli")
    clock.advance(timedelta(hours=1))
    banks.remove("reports", theirs.id, "child", forget=True)
    database.close()
    restore(tmp_path / "backup", home, url=store_url, force=True)
    again = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        index = DictIndex()
        banks = again.banks(index, hasher)
        again.lifecycle.after_restore("cli")
        banks.refresh()
        assert [i.id for i in banks.items("reports")] == [kept.id]
        assert banks.search([sha(1)]) == []
        banks.rollback("reports", 4, "a")
        assert [i.id for i in banks.items("reports")] == [gone.id, kept.id], "what was only taken out may be had again"
        told = next(e for _, e in reversed(again.audit.entries()) if e.action == "restore.erasures")
        assert told.detail["bank_items"] == 1
    finally:
        again.close()
