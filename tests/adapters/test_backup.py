"""Backups taken while the service writes, and put back, over every database."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from nightlight.adapters.lifecycle import restore
from nightlight.adapters.lifecycle.backup import read_manifest
from nightlight.adapters.sealer import KeyFileSealer, KeysMissing
from nightlight.adapters.store import Database, open_database
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, Invalid, NotFound, Tampered

from .works import Writer

embedded = pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
"""What concerns the files of the embedded database alone."""


@pytest.fixture
def backup(database: Database, writer: Writer, tmp_path: Path) -> Path:
    database.pipeline.commit(writer.full("e1"))
    dest = tmp_path / "backup"
    database.lifecycle.backup(dest, "cli")
    return dest


def test_a_backup_comes_back(
    database: Database, writer: Writer, backup: Path, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock
) -> None:
    before = database.pipeline.event("e1")
    database.pipeline.commit(writer.full("e2"))
    database.close()
    with pytest.raises(Conflict, match="force"):
        restore(backup, home, url=store_url)
    restore(backup, home, url=store_url, force=True)
    again = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        assert again.pipeline.event("e1") == before and again.pipeline.event("e2") is None
        assert again.audit.verify().ok
        again.pipeline.commit(Writer(again).full("e3"))
        assert again.audit.verify().ok
    finally:
        again.close()


def test_a_backup_comes_back_on_another_machine(
    database: Database, backup: Path, store_url: str | None, home: Path, clock: FixedClock, tmp_path: Path
) -> None:
    database.close()
    elsewhere = tmp_path / "elsewhere"
    restore(backup, elsewhere, url=store_url, force=store_url is not None)
    with pytest.raises(KeysMissing):
        open_database(store_url, elsewhere, KeyFileSealer(elsewhere / "keys.json"), clock, migrate=False)
    shutil.copy(home / "keys.json", elsewhere / "keys.json")
    again = open_database(store_url, elsewhere, KeyFileSealer(elsewhere / "keys.json", create=False), clock, migrate=False)
    try:
        assert again.pipeline.event("e1") is not None and again.audit.verify().ok
    finally:
        again.close()


def test_keys_travel_only_when_asked(database: Database, backup: Path, sealer: KeyFileSealer, home: Path, tmp_path: Path) -> None:
    plain = read_manifest(backup)
    assert not plain.with_keys and plain.key_ids == (1,)
    key = msgspec.json.decode((home / "keys.json").read_bytes())["root"].encode()
    assert not any(key in p.read_bytes() for p in backup.rglob("*") if p.is_file())
    database.lifecycle.backup(tmp_path / "all", "cli", with_keys=sealer.path)
    assert read_manifest(tmp_path / "all").with_keys
    database.close()
    if database.sql.is_sqlite:
        restore(tmp_path / "all", tmp_path / "elsewhere")
        copied = tmp_path / "elsewhere" / "keys.json"
        assert copied.read_bytes() == (home / "keys.json").read_bytes()
        assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    actions = {"with_keys": [False, True]}
    assert actions["with_keys"] == [e.detail["with_keys"] for _, e in database.audit.entries() if e.action == "backup"]


def test_a_backup_is_whole_while_others_write(
    database: Database, writer: Writer, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock, tmp_path: Path
) -> None:
    stop, written = Event(), 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            database.pipeline.commit(writer.chat(f"e{written}"))
            written += 1

    thread = Thread(target=write)
    thread.start()
    try:
        while written < 20:
            stop.wait(0.01)
        database.lifecycle.backup(tmp_path / "backup", "cli")
    finally:
        stop.set()
        thread.join()
    database.close()
    restore(tmp_path / "backup", home, url=store_url, force=True)
    again = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        held = [e.id for _, e in again.pipeline.events(most=100_000)]
        assert len(held) >= 20 and held == [f"e{n}" for n in range(len(held))]
        assert again.pipeline.head("events").position == len(held)
        assert again.audit.verify().ok
    finally:
        again.close()


def test_a_backup_never_writes_over_anything(database: Database, backup: Path) -> None:
    with pytest.raises(Conflict):
        database.lifecycle.backup(backup, "cli")


@embedded
@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_a_backup_that_is_not_as_it_was_written_is_refused(database: Database, backup: Path, home: Path, harm: str) -> None:
    database.close()
    before = (home / "nightlight.db").read_bytes()
    path = backup / "nightlight.db"
    if harm == "changed":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif harm == "missing":
        path.unlink()
    else:
        (backup / "audit" / "more.head").write_text("{}")
    with pytest.raises(Tampered):
        restore(backup, home, force=True)
    assert (home / "nightlight.db").read_bytes() == before


def test_what_is_no_backup_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        restore(tmp_path, home)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(Invalid):
        restore(tmp_path, home)


def test_a_backup_of_one_engine_does_not_go_into_another(database: Database, backup: Path, home: Path) -> None:
    other = "postgresql://nobody@127.0.0.1:1/none" if database.sql.is_sqlite else None
    with pytest.raises(Invalid, match="cannot go into"):
        restore(backup, home, url=other, force=True)


@embedded
def test_a_database_in_use_is_not_replaced(database: Database, backup: Path, home: Path, writer: Writer) -> None:
    with database.sql.write() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(Conflict, match="in use"):
            restore(backup, home, force=True)
    database.pipeline.commit(writer.full("e9"))
    assert database.pipeline.event("e9") is not None


@embedded
@pytest.mark.parametrize("stop_at", range(1, 12))
def test_a_restore_that_is_killed_leaves_a_database_that_opens(
    backup: Path, database: Database, writer: Writer, home: Path, sealer: KeyFileSealer, clock: FixedClock, stop_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    database.pipeline.commit(writer.full("e2"))
    database.pipeline.commit(Writer(database, "younger than the backup").full("e3"))
    database.close()

    class Killed(BaseException):
        pass

    steps, replace, copy, unlink = 0, Path.replace, shutil.copyfile, Path.unlink

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == stop_at:
            raise Killed

    def stopping_replace(self: Path, target: Path) -> Path:
        step()
        return replace(self, target)

    def stopping_copy(source: Path, target: Path) -> None:
        step()
        copy(source, target)

    def stopping_unlink(self: Path, missing_ok: bool = False) -> None:
        step()
        unlink(self, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopping_replace)
        patch.setattr(shutil, "copyfile", stopping_copy)
        patch.setattr(Path, "unlink", stopping_unlink)
        try:
            restore(backup, home, force=True)
            assert steps < stop_at, "every step was the last one once"
        except Killed:
            pass
    again = open_database(None, home, sealer, clock, migrate=False)
    try:
        assert again.pipeline.event("e1") is not None
        assert again.audit.verify().ok, "old or new, never half"
    finally:
        again.close()
    restore(backup, home, force=True)
    again = open_database(None, home, sealer, clock, migrate=False)
    try:
        assert again.pipeline.event("e2") is None and again.audit.verify().ok
    finally:
        again.close()


@embedded
def test_a_damaged_database_can_be_replaced(database: Database, backup: Path, home: Path, sealer: KeyFileSealer, clock: FixedClock) -> None:
    database.close()
    (home / "nightlight.db").write_bytes(b"not a database at all" * 500)
    restore(backup, home, force=True)
    again = open_database(None, home, sealer, clock, migrate=False)
    try:
        assert again.pipeline.event("e1") is not None and again.audit.verify().ok
    finally:
        again.close()
