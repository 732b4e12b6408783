"""Whatever is done to the audit rows or their head is found, and the first bad row is named."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.core.clock import FixedClock
from nightlight.core.ports import AuditEntry

from .works import START, Writer

COLUMNS = ("partition", "seq", "at", "actor", "action", "target", "detail", "mac")
ROWS = 6


def entry(n: int) -> AuditEntry:
    return AuditEntry(at=START, actor="cli", action="key.create", target=f"k{n}", detail={"n": n, "name": "wexa", "on": True, "x": None})


def fill(database: Database, partition: str, rows: int = ROWS) -> None:
    for n in range(rows):
        database.audit.append([entry(n)], partition)


def run(database: Database, statement: str, **values: Any) -> None:
    with database.sql.write() as connection:
        connection.execute(text(statement), values)


def rows_of(database: Database, partition: str) -> list[tuple[Any, ...]]:
    with database.sql.read() as connection:
        found = connection.execute(text(f"SELECT {', '.join(COLUMNS)} FROM audit WHERE partition = :p ORDER BY seq"), {"p": partition})
        return [tuple(r) for r in found]


def flaws(database: Database) -> list[tuple[str, int | None]]:
    result = database.audit.verify()
    assert result.ok == (not result.flaws)
    return [(f.partition, f.seq) for f in result.flaws]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """For properties that put back what they break. SQLite: the one whose file somebody can edit byte by byte."""
    home = tmp_path_factory.mktemp("home")
    database = open_database(None, home, KeyFileSealer(home / "keys.json"), FixedClock(START), migrate=True)
    fill(database, "admin")
    fill(database, "events")
    yield database
    database.close()


def test_a_whole_chain_verifies_and_reads_back(database: Database) -> None:
    fill(database, "admin")
    result = database.audit.verify()
    assert (result.ok, result.rows, result.flaws) == (True, ROWS, ())
    assert database.audit.entries(after=1, most=2) == [(2, entry(1)), (3, entry(2))]


def test_an_empty_database_verifies(database: Database) -> None:
    assert database.audit.verify().ok


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(0, ROWS - 1), column=st.sampled_from(COLUMNS), data=st.data())
def test_any_bit_of_any_column_of_any_row(filled: Database, row: int, column: str, data: st.DataObject) -> None:
    stored = rows_of(filled, "admin")[row]
    value = stored[COLUMNS.index(column)]
    seq = stored[1]
    where = "partition = 'admin' AND seq = :seq"
    if isinstance(value, int):
        changed: Any = value ^ 1 << data.draw(st.integers(0, 62))
        put = ":v"
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        bit = data.draw(st.integers(0, len(raw) * 8 - 1))
        raw[bit // 8] ^= 1 << bit % 8
        changed = bytes(raw)
        put = ":v" if isinstance(value, bytes) else "CAST(:v AS TEXT)"  # text that is no longer UTF-8 where the bit says so
    taken = {r[1] for r in rows_of(filled, "admin")}
    if column == "seq" and changed in taken:
        return  # the database itself refuses a second row of that number; swapping is tested apart
    with filled.sql.write() as connection:
        connection.execute(text(f"DELETE FROM audit WHERE {where}"), {"seq": seq})
        rest = {c: v for c, v in zip(COLUMNS, stored, strict=True) if c != column}
        names, places = ", ".join(rest), ", ".join(f":{c}" for c in rest)
        connection.execute(text(f"INSERT INTO audit ({names}, {column}) VALUES ({places}, {put})"), {**rest, "v": changed})
    try:
        found = flaws(filled)
        assert ("admin", seq) in found or (column in ("partition", "seq") and any(p == "admin" for p, _ in found)), found
    finally:
        with filled.sql.write() as connection:
            connection.execute(text(f"DELETE FROM audit WHERE mac = :mac OR ({where})"), {"mac": stored[7], "seq": seq})
            places = ", ".join(f":{c}" for c in COLUMNS)
            connection.execute(text(f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({places})"), dict(zip(COLUMNS, stored, strict=True)))
        assert flaws(filled) == []


@pytest.mark.parametrize(
    ("column", "value"), [("at", 1), ("actor", "x"), ("action", "x"), ("target", "x"), ("detail", "{}"), ("mac", b"x" * 32)]
)
def test_a_changed_column(database: Database, column: str, value: object) -> None:
    fill(database, "admin")
    run(database, f"UPDATE audit SET {column} = :v WHERE seq = 4", v=value)
    assert flaws(database) == [("admin", 4)]


def test_a_deleted_row(database: Database) -> None:
    fill(database, "admin")
    run(database, "DELETE FROM audit WHERE seq = 3")
    assert flaws(database) == [("admin", 3)]


@pytest.mark.parametrize("kept", range(ROWS))
def test_truncation(database: Database, kept: int) -> None:
    fill(database, "admin")
    run(database, "DELETE FROM audit WHERE seq > :kept", kept=kept)
    assert flaws(database) == [("admin", kept + 1)]


@pytest.mark.parametrize("kept", [1, ROWS - 1])
def test_truncation_that_also_corrects_the_partition(database: Database, kept: int) -> None:
    fill(database, "admin")
    mac = rows_of(database, "admin")[kept - 1][7]
    run(database, "DELETE FROM audit WHERE seq > :kept", kept=kept)
    run(database, "UPDATE partitions SET audit_seq = :kept, audit_mac = :mac", kept=kept, mac=mac)
    assert flaws(database) == [("admin", kept + 1)]


def test_truncation_is_still_found_after_writing_went_on(
    database: Database, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock
) -> None:
    fill(database, "admin")
    mac = rows_of(database, "admin")[2][7]
    run(database, "DELETE FROM audit WHERE seq > 3")
    run(database, "UPDATE partitions SET audit_seq = 3, audit_mac = :mac", mac=mac)
    later = open_database(store_url, home, sealer, clock, migrate=False)  # a process that has no memory of the old head
    try:
        fill(later, "admin", 1)
        [flaw] = later.audit.verify().flaws
        assert "set aside" in flaw.what
        fill(later, "admin", 5)
        assert len(later.audit.verify().flaws) == 1, "set aside once, and only once"
    finally:
        later.close()


@pytest.mark.parametrize("rows", [(1, 2), (3, ROWS)])
def test_swapped_rows(database: Database, rows: tuple[int, int]) -> None:
    fill(database, "admin")
    a, b = rows
    for old, new in ((a, 900), (b, a), (900, b)):
        run(database, "UPDATE audit SET seq = :new WHERE seq = :old", old=old, new=new)
    assert flaws(database) == [("admin", a)]


def test_rows_swapped_across_partitions(database: Database) -> None:
    fill(database, "admin")
    fill(database, "events")
    for old, new in (("admin", "between"), ("events", "admin"), ("between", "events")):
        run(database, "UPDATE audit SET partition = :new WHERE partition = :old AND seq = 4", old=old, new=new)
    assert flaws(database) == [("admin", 4), ("events", 4)]


def test_a_deleted_partition(database: Database) -> None:
    fill(database, "admin")
    run(database, "DELETE FROM audit")
    run(database, "DELETE FROM partitions")
    assert flaws(database) == [("admin", 1)]


def test_a_slipped_in_row_and_one_that_stands_before_the_first(database: Database) -> None:
    fill(database, "admin")
    last = rows_of(database, "admin")[-1]
    put = f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{c}' for c in COLUMNS)})"
    run(database, put, **dict(zip(COLUMNS, ("admin", ROWS + 1, *last[2:]), strict=True)))
    assert flaws(database) == [("admin", ROWS + 1)]
    run(database, "UPDATE audit SET seq = -5 WHERE seq = :seq", seq=ROWS + 1)
    assert [p for p, _ in flaws(database)] == ["admin"]


def test_rows_of_an_invented_partition(database: Database) -> None:
    fill(database, "admin")
    values = dict(zip(COLUMNS, ("invented", *rows_of(database, "admin")[0][1:]), strict=True))
    run(database, f"INSERT INTO audit ({', '.join(COLUMNS)}) VALUES ({', '.join(f':{c}' for c in COLUMNS)})", **values)
    assert flaws(database) == [("invented", 1)]


def test_a_missing_head(database: Database, home: Path) -> None:
    fill(database, "admin")
    (home / "audit" / "admin.head").unlink()
    assert flaws(database) == [("admin", None)]


def test_a_head_that_was_removed_while_writing_went_on(database: Database, home: Path) -> None:
    fill(database, "admin")
    (home / "audit" / "admin.head").unlink()
    fill(database, "admin", 1)
    [flaw] = database.audit.verify().flaws
    assert "set aside" in flaw.what
    assert (home / "audit" / "admin.head").exists(), "from there on there is a head again"


@given(data=st.data())
def test_any_bit_of_the_head_file(filled: Database, data: st.DataObject) -> None:
    path = filled.home / "audit" / "events.head"
    good = path.read_bytes()
    raw = bytearray(good)
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(raw))
    try:
        assert [p for p, _ in flaws(filled)] == ["events"]
    finally:
        path.write_bytes(good)


def test_the_head_of_another_partition_does_not_pass(filled: Database) -> None:
    folder = filled.home / "audit"
    good = (folder / "events.head").read_bytes()
    (folder / "events.head").write_bytes((folder / "admin.head").read_bytes())
    try:
        assert flaws(filled) == [("events", None)]
    finally:
        (folder / "events.head").write_bytes(good)


def test_a_head_that_is_older_than_the_database_is_in_order(database: Database, home: Path) -> None:
    """As after a crash between the commit and the head."""
    fill(database, "admin", 2)
    old = (home / "audit" / "admin.head").read_bytes()
    fill(database, "admin", 3)
    (home / "audit" / "admin.head").write_bytes(old)
    assert database.audit.verify().ok


def test_a_crash_before_the_first_head_leaves_no_false_alarm(
    database: Database, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(database.audit.heads, "advance", die)
    with pytest.raises(Killed):
        fill(database, "admin", 1)
    later = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        assert later.audit.verify().ok
        fill(later, "admin", 1)
        assert later.audit.verify().ok
        assert later.audit.verify().rows == 2
    finally:
        later.close()


class Full(OSError):
    """As a disk with no space left."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC), "name-of-a-file")


def test_a_head_that_cannot_be_written_after_the_commit_undoes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(database, "admin", 2)
    assert database.audit.head_problem is None
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        patch.setattr(database.audit.heads, "advance", lambda *_: (_ for _ in ()).throw(Full()))
        fill(database, "admin", 1)
        fill(database, "events", 1)
    assert [(line["event"], line["partition"], line["log_level"]) for line in logs] == [
        ("audit.head_not_written", "admin", "error"), ("audit.head_not_written", "events", "error")
    ]  # fmt: skip
    assert "name-of-a-file" not in repr(logs)
    assert database.audit.head_problem == "the head of audit partition admin cannot be written: No space left on device"
    assert [n for n, _ in database.audit.entries()] == [1, 2, 3], "the commit stands"
    assert database.audit.verify().ok, "a head that is older than its rows is in order"
    fill(database, "admin", 1)
    assert database.audit.head_problem == "the head of audit partition events cannot be written: No space left on device"
    fill(database, "events", 1)
    assert database.audit.head_problem is None
    assert database.audit.verify().ok


def test_a_first_head_that_cannot_be_written_stops_the_commit_and_leaves_no_file(
    database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(Full()))
        with pytest.raises(Full):
            fill(database, "admin", 1)
    assert database.audit.entries() == [] and not (home / "audit" / "admin.head").exists()
    fill(database, "admin", 1)
    assert database.audit.verify().ok and database.audit.verify().rows == 1


def test_a_new_head_is_on_the_disk_before_it_has_its_name_and_the_hot_path_waits_for_no_disk(
    database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, seen = home / "audit", []
    sync = os.fsync

    def spying(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        size = path.stat().st_size if path.is_file() else None
        seen.append((path.name, size, (folder / "admin.head").exists()))
        sync(fd)

    monkeypatch.setattr(os, "fsync", spying)
    fill(database, "admin", 1)
    assert seen == [(".admin.head.new", 512, False), ("audit", None, True)]
    fill(database, "admin", 5)
    assert len(seen) == 2


def test_two_processes_take_turns_on_one_partition(
    database: Database, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock
) -> None:
    other = open_database(store_url, home, sealer, clock, migrate=False)
    try:
        for n in range(4):
            (database if n % 2 else other).audit.append([entry(n)])
        assert database.audit.verify().ok and other.audit.verify().ok
        assert [n for n, _ in database.audit.entries()] == [1, 2, 3, 4]
    finally:
        other.close()


def test_chains_longer_than_a_page_are_walked(database: Database, writer: Writer) -> None:
    database.audit.append([entry(n) for n in range(2300)])
    assert database.audit.verify().rows == 2300
    run(database, "UPDATE audit SET target = 'x' WHERE seq = 2100")
    assert flaws(database) == [("admin", 2100)]
