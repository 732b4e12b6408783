"""The migrations build exactly the tables of `tables.py`, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import database_exists, migrate, open_database
from nightlight.adapters.store.engine import Sql, resolve
from nightlight.adapters.store.tables import metadata, micros
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, Invalid
from nightlight.core.ports import ContactLimit


def test_the_newest_step_is_the_one_the_code_expects() -> None:
    folder = Path(migrate.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [migrate.HEAD]


def test_models_and_migrations_agree(store_url: str | None, home: Path) -> None:
    sql = Sql(resolve(store_url, home))
    try:
        assert migrate.upgrade(sql) is True
        assert migrate.upgrade(sql) is False
        with sql.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            indexes = {(t, str(i["name"]), bool(i["unique"])) for t in metadata.tables for i in inspect(connection).get_indexes(t)}
        assert indexes == {(t.name, str(i.name), bool(i.unique)) for t in metadata.sorted_tables for i in t.indexes}
    finally:
        sql.close()


def test_sqlite_holds_the_very_same_statements(home: Path, tmp_path: Path) -> None:
    """Partial indexes, WITHOUT ROWID and the like, which the comparison above does not look at."""

    def made(sql: Sql) -> dict[str, str]:
        with sql.read() as connection:
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"))
            return {name: " ".join(statement.split()) for name, statement in rows}

    migrated, created = Sql(resolve(None, home)), Sql(resolve(None, tmp_path))
    try:
        migrate.upgrade(migrated)
        with created.write() as connection:
            metadata.create_all(connection)
        assert made(migrated) == made(created)
    finally:
        migrated.close()
        created.close()


def test_two_processes_may_migrate_at_once(store_url: str | None, home: Path) -> None:
    done: list[bool] = []

    def run() -> None:
        sql = Sql(resolve(store_url, home))
        try:
            done.append(migrate.upgrade(sql))
        finally:
            sql.close()

    threads = [Thread(target=run) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(done) == [False, False, True]


def test_a_new_file_that_many_open_at_once_locks_nobody_out(tmp_path: Path) -> None:
    # Half of the rounds locked somebody out before the switch to the log was asked for again.
    gate = Barrier(6)

    def run(folder: Path) -> None:
        sql = Sql(resolve(None, folder))
        try:
            gate.wait(10)
            with sql.read() as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        finally:
            sql.close()

    with ThreadPoolExecutor(6) as pool:
        for n in range(20):
            folder = tmp_path / str(n)
            folder.mkdir()
            list(pool.map(run, [folder] * 6))


def test_an_empty_or_newer_database_is_not_opened(store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock) -> None:
    with pytest.raises(Conflict, match="nightlight migrate"):
        open_database(store_url, home, sealer, clock, migrate=False)
    open_database(store_url, home, sealer, clock, migrate=True).close()
    engine = create_engine(resolve(store_url, home))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(Conflict, match="newer"):
        open_database(store_url, home, sealer, clock, migrate=False)


def test_whether_there_is_a_database(store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock) -> None:
    assert database_exists(store_url, home) is False
    open_database(store_url, home, sealer, clock, migrate=True).close()
    assert database_exists(store_url, home) is True


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/x", "sqlite://", "no url hunter2"])
def test_other_databases_are_refused_without_repeating_the_url(home: Path, url: str) -> None:
    with pytest.raises(Invalid) as caught:
        resolve(url, home)
    assert "hunter2" not in caught.value.message


def test_the_embedded_database_is_for_its_owner_alone(tmp_path: Path, clock: FixedClock) -> None:
    home = tmp_path / "made"
    database = open_database(None, home, KeyFileSealer(home / "keys.json"), clock, migrate=True)
    try:
        with database.sql.read() as connection:
            pragmas = {p: connection.exec_driver_sql(f"PRAGMA {p}").scalar_one() for p in ("journal_mode", "synchronous", "foreign_keys")}
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        assert home.stat().st_mode & 0o777 == 0o700
        assert {p.name: p.stat().st_mode & 0o077 for p in home.rglob("*") if p.is_file() and p.stat().st_mode & 0o077} == {}
    finally:
        database.close()


def test_limits_from_before_kinds_still_bind(store_url: str | None, home: Path) -> None:
    sealer, clock = KeyFileSealer(home / "keys.json", create=True), FixedClock(datetime(2026, 3, 1, tzinfo=UTC))
    until = clock.now() + timedelta(hours=5)
    sql = Sql(resolve(store_url, home))
    try:
        config = Config()
        config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        with sql.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "0004")
            old = {"account": "p_a", "event": "e1", "until": micros(until), "rule": "r", "lifted": None, "reviewed": False}
            connection.execute(text("INSERT INTO limits VALUES (:account, :event, :until, :rule, :lifted, :reviewed)"), old)
        assert migrate.upgrade(sql) is True
    finally:
        sql.close()
    database = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        kept = ContactLimit(account="p_a", until=until, event="e1", rule="r")
        assert database.pipeline.limits(["p_a"], clock.now()) == {"p_a": [kept]}
    finally:
        database.close()
