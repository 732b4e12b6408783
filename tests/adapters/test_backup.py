"""Backups taken while the service writes, and put back, over every database."""

from __future__ import annotations

import hashlib
import shutil
import stat
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest
from typer.testing import CliRunner

from nightlight.adapters.lifecycle import Restored, restore
from nightlight.adapters.lifecycle.backup import read_manifest
from nightlight.adapters.lifecycle.erasures import Erasures
from nightlight.adapters.lifecycle.persons import Person
from nightlight.adapters.sealer import KeyFileSealer, KeysMissing
from nightlight.adapters.store import Database, open_database
from nightlight.app.cli import app
from nightlight.core.clock import FixedClock
from nightlight.core.detect import Key
from nightlight.core.errors import Conflict, Invalid, NotFound, Tampered
from nightlight.core.ports import SavedState

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
@pytest.mark.parametrize("stop_at", range(1, 14))
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


def again_open(store_url: str | None, home: Path, clock: FixedClock) -> Database:
    return open_database(store_url, home, KeyFileSealer(home / "keys.json", create=False), clock, migrate=False)


def test_the_audit_tells_of_a_restore_and_of_the_heads_that_it_replaced(
    database: Database, writer: Writer, backup: Path, store_url: str | None, home: Path, clock: FixedClock
) -> None:
    database.pipeline.commit(writer.full("e2"))
    database.pipeline.commit(writer.full("e3"))
    ends = {p: database.audit.heads.read(p) for p in database.audit.heads.partitions()}
    assert ends["events"] is not None and ends["events"].seq == 3
    database.close()
    restore(backup, home, url=store_url, force=True)
    again = again_open(store_url, home, clock)
    try:
        assert again.lifecycle.after_restore("cli") == Restored(restores=1)
        [told] = [e for _, e in again.audit.entries() if e.action == "restore"]
        assert (told.actor, told.target) == ("cli", backup.name)
        assert told.detail["manifest"] == hashlib.sha256((backup / "manifest.json").read_bytes()).hexdigest()
        assert {n: v for n, v in told.detail.items() if n.startswith("head.")} == {f"head.{p}": h.seq for p, h in ends.items() if h}
        assert (home / "audit" / str(told.detail["replaced"])).is_dir()
        assert again.lifecycle.after_restore("cli") == Restored(), "once"
        assert again.audit.verify().ok
    finally:
        again.close()


def test_a_restore_without_the_key_file_is_told_of_once_the_keys_are_there(
    database: Database, backup: Path, store_url: str | None, home: Path, clock: FixedClock, tmp_path: Path
) -> None:
    database.close()
    elsewhere = tmp_path / "elsewhere"
    restore(backup, elsewhere, url=store_url, force=store_url is not None)
    shutil.copy(home / "keys.json", elsewhere / "keys.json")
    again = again_open(store_url, elsewhere, clock)
    try:
        again.lifecycle.retention(clock.now())
        [told] = [e for _, e in again.audit.entries() if e.action == "restore"]
        assert told.actor == "system" and told.detail["replaced"] is None
    finally:
        again.close()


def test_heads_that_do_not_authenticate_are_said_not_to(
    database: Database, backup: Path, store_url: str | None, home: Path, clock: FixedClock
) -> None:
    database.close()
    (home / "audit" / "events.head").write_bytes(b"{}")
    restore(backup, home, url=store_url, force=True)
    again = again_open(store_url, home, clock)
    try:
        again.lifecycle.after_restore("cli")
        [told] = [e for _, e in again.audit.entries() if e.action == "restore"]
        assert told.detail["head.events.head"] == "does not authenticate"
    finally:
        again.close()


def test_who_was_erased_after_the_backup_is_erased_again(
    database: Database, writer: Writer, store_url: str | None, home: Path, clock: FixedClock, tmp_path: Path
) -> None:
    database.pipeline.commit(writer.chat("before", actor="early", target="osk"))
    database.lifecycle.erase("early", "cli")
    clock.advance(timedelta(hours=1))
    database.pipeline.commit(writer.chat("anew", actor="early", target="osk"))  # came back as somebody new, and nobody erased that
    database.pipeline.commit(writer.chat("e1"))
    database.lifecycle.backup(tmp_path / "backup", "cli")
    clock.advance(timedelta(hours=1))
    commitment = database.lifecycle.erase("vell", "cli").commitment
    database.close()
    restore(tmp_path / "backup", home, url=store_url, force=True)
    again = again_open(store_url, home, clock)
    try:
        assert again.pipeline.event("e1") is not None, "back with the backup"
        assert again.lifecycle.after_restore("cli") == Restored(restores=1, erased_again=1)
        assert again.pipeline.event("e1") is None and again.pipeline.event("anew") is not None
        assert again.pipeline.original_accounts([writer.name("vell")]) == {}
        told = [(e.action, e.target) for _, e in again.audit.entries()]
        assert ("erase", commitment) in told[-3:] and told[-1] == ("restore.erasures", "erasures")
        assert again.audit.verify().ok
    finally:
        again.close()


def test_whose_memories_alone_came_back_is_erased_again(
    database: Database, writer: Writer, store_url: str | None, home: Path, clock: FixedClock, tmp_path: Path
) -> None:
    own = Key.account(writer.name("vell"))
    memory = {("d", own): SavedState(1, msgspec.msgpack.encode({"n": 3}))}
    database.pipeline.commit(msgspec.structs.replace(writer.chat("e1", actor="osk", target="tam"), states=memory))
    database.lifecycle.backup(tmp_path / "backup", "cli")
    database.lifecycle.erase("vell", "cli")
    database.close()
    restore(tmp_path / "backup", home, url=store_url, force=True)
    again = again_open(store_url, home, clock)
    try:
        assert again.lifecycle.after_restore("cli").erased_again == 1
        assert again.pipeline.states(list(memory)) == {}
    finally:
        again.close()


def test_evidence_is_kept_when_erasing_again(
    database: Database, writer: Writer, store_url: str | None, home: Path, clock: FixedClock, backup: Path
) -> None:
    assert not database.lifecycle.erase("vell", "cli").complete
    database.close()
    restore(backup, home, url=store_url, force=True)
    again = again_open(store_url, home, clock)
    try:
        assert again.lifecycle.after_restore("cli") == Restored(restores=1, erased_again=1, evidence_kept=1)
        assert again.pipeline.event("e1") is not None
    finally:
        again.close()


def test_settling_a_restore_goes_on_where_it_was_stopped(
    database: Database, writer: Writer, backup: Path, store_url: str | None, home: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.lifecycle.erase("brin", "cli")
    database.close()
    restore(backup, home, url=store_url, force=True)
    again = again_open(store_url, home, clock)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Person, "erase", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                again.lifecycle.after_restore("cli")
        assert again.lifecycle.after_restore("cli").erased_again == 1
        assert len([e for _, e in again.audit.entries() if e.action == "restore"]) == 1
    finally:
        again.close()


def test_the_file_of_erasures_says_nothing_without_the_key_and_outlives_a_torn_line(database: Database, home: Path, writer: Writer) -> None:
    result = database.lifecycle.erase("vell", "cli")
    path = home / "erasures"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    raw = path.read_bytes()
    assert b"vell" not in raw and writer.name("vell").encode() not in raw
    with path.open("ab") as file:
        file.write(raw[:30])
    other = database.lifecycle.erase("brin", "cli")
    assert path.read_bytes().startswith(raw), "only ever appended to"
    lines, unreadable = Erasures(home).read()
    assert [line.commitment for line in lines] == [result.commitment] * 2 + [other.commitment] * 2 and unreadable == 1


def test_erasures_travel_with_a_backup_and_are_added_to_those_of_the_home(
    database: Database, store_url: str | None, home: Path, tmp_path: Path
) -> None:
    database.lifecycle.erase("vell", "cli")
    database.lifecycle.backup(tmp_path / "backup", "cli")
    database.lifecycle.erase("brin", "cli")
    database.close()
    known = Erasures(home).read()[0]
    restore(tmp_path / "backup", home, url=store_url, force=True)
    assert Erasures(home).read()[0] == known
    restore(tmp_path / "backup", tmp_path / "elsewhere", url=store_url, force=store_url is not None)
    assert Erasures(tmp_path / "elsewhere").read()[0] == known[:2]


@embedded
def test_a_restore_that_was_undone_is_not_told_of(
    database: Database, backup: Path, home: Path, sealer: KeyFileSealer, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.close()

    def stop(self: Path, target: Path) -> Path:
        if target.name == "nightlight.db":
            raise KeyboardInterrupt
        return self.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            restore(backup, home, force=True)
    again = open_database(None, home, sealer, clock, migrate=False)
    try:
        assert again.lifecycle.after_restore("cli") == Restored()
        assert not list(home.glob(".*")), "nor is a second copy of the database left"
    finally:
        again.close()


@embedded
@pytest.mark.parametrize("keys", ["there", "missing", "of another home"])
def test_the_command_says_what_was_recorded(
    database: Database, backup: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    database.lifecycle.erase("brin", "cli")
    database.close()
    if keys == "missing":
        (home / "keys.json").unlink()
    elif keys == "of another home":
        (home / "keys.json").unlink()
        KeyFileSealer(home / "keys.json")
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    said = CliRunner().invoke(app, ["restore", str(backup), "--force"])
    assert said.exit_code == 0 and "Restored into" in said.stdout
    if keys == "there":
        assert "The audit tells of this restore." in said.stdout and "Erased again" in said.stdout
        assert said.stderr == ""
    else:
        assert "the audit does not tell of this restore yet" in said.stderr
        assert ("There is no key file" in said.stderr) == (keys == "missing")
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path / "new"))
    fresh = CliRunner().invoke(app, ["restore", str(backup)])
    assert fresh.exit_code == 0 and "must be erased again" in fresh.stderr


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
