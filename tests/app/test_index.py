"""The lasting index under the whole graph: what happens to its files, and what never happens to answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nightlight.adapters.lifecycle import restore
from nightlight.app.bootstrap import Nightlight
from nightlight.core.bank import Bank
from nightlight.core.errors import Busy
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

LIKENESS = Fingerprint(FingerprintKind.PDQ, "0f" * 32)
EXACT = Fingerprint(FingerprintKind.SHA256, "ab" * 32)


def banked(graph: Nightlight) -> set[str]:
    graph.banks.create(Bank(name="own"), "test")
    items = {graph.banks.add("own", [LIKENESS, EXACT], "test").id for _ in range(3)}
    assert graph.lasting.merge()
    return items


def found(graph: Nightlight) -> set[str]:
    assert {m.item for m in graph.banks.match([EXACT])} == {m.item for m in graph.banks.match([LIKENESS])}
    return {m.item for m in graph.banks.match([LIKENESS])}


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def only(home: Path) -> Path:
    (path,) = (home / "index").glob("*.nli")
    return path


def test_a_start_reads_the_files_that_are_there(build: Callable[..., Nightlight], tmp_path: Path) -> None:
    graph = build()
    items = banked(graph)
    graph.close()
    before = only(tmp_path / "home").stat()
    assert before.st_mode & 0o077 == 0 and (tmp_path / "home/index").stat().st_mode & 0o077 == 0
    again = build()
    status = again.lasting.status()
    assert status.segments == (3,) and status.scanned == 0 and status.veiled and found(again) == items
    assert only(tmp_path / "home").stat().st_ino == before.st_ino, "nothing was written anew"


def test_files_hold_no_fingerprint_in_the_clear(build: Callable[..., Nightlight], tmp_path: Path) -> None:
    banked(build())
    raw = only(tmp_path / "home").read_bytes()
    assert bytes.fromhex(EXACT.value) not in raw and bytes.fromhex(LIKENESS.value) not in raw
    assert b"own" in raw, "names of banks are"


@pytest.mark.parametrize("place", ["first bytes", "end", "body", "all of it"])
def test_a_damaged_file_stops_nothing_and_is_made_anew(build: Callable[..., Nightlight], tmp_path: Path, place: str) -> None:
    graph = build()
    items = banked(graph)
    section = graph.lasting._parts.segments[0].file._header.sections["words"].at
    graph.close()
    path = only(tmp_path / "home")
    raw = bytearray(path.read_bytes())
    at = {"first bytes": 3, "end": len(raw) - 3, "body": section, "all of it": 0}[place]
    raw[at] ^= 0xFF
    path.unlink()
    path.write_bytes(b"" if place == "all of it" else raw)
    again = build()
    until(lambda: again.banks.refresh() == 0 and again.lasting.status().mended is not None)  # as a service does every half second
    assert found(again) == items
    again.banks.remove("own", min(items), "test")
    assert found(again) == items - {min(items)}
    again.lasting.verify()
    assert again.lasting.status().trouble is None and again.lasting.position() is not None
    (check,) = (c for c in again.status.ready() if c.name == "index")
    assert check.ok and "mended" in check.detail


def test_readiness_says_what_is_wrong_and_goes_on(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    banked(graph)
    monkeypatch.setattr(graph.index, "_trouble", "00000001.nli: words does not match its checksum")
    (check,) = (c for c in graph.status.ready() if c.name == "index")
    assert not check.ok and not check.blocking and "checksum" in check.detail
    assert b"nightlight_index_trouble 1.0" in graph.status.metrics()


def test_a_sweep_makes_what_was_removed_leave_the_files(graph: Nightlight, tmp_path: Path) -> None:
    first, *_ = sorted(banked(graph))
    before = only(tmp_path / "home").name
    graph.banks.remove("own", first, "test")
    assert graph.lasting.status().struck == 1
    graph.start(background=True)
    until(lambda: [path.name > before for path in (tmp_path / "home/index").glob("*.nli")] == [True])
    assert graph.lasting.status().struck == 0 and graph.lasting.status().segments == (2,)


def test_a_merge_by_an_admin_is_told_to_the_audit(graph: Nightlight) -> None:
    banked(graph)
    assert graph.services.index.merge("key_1").result(30).struck == 0
    (told,) = [entry for _, entry in graph.database.audit.entries() if entry.action == "index.merge"]
    assert (told.actor, told.detail["hashes"]) == ("key_1", 3)
    assert graph.lasting._merging.acquire(blocking=False)
    try:
        with pytest.raises(Busy):
            graph.services.index.merge("key_1").result(30)
    finally:
        graph.lasting._merging.release()


def test_a_full_disk_is_told_and_the_old_files_go_on(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    items = banked(graph)
    graph.banks.remove("own", min(items), "test")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nightlight.adapters.index.multi.build", full)
    with pytest.raises(Busy, match="No space left"):
        graph.services.index.merge("key_1").result(30)
    assert found(graph) == items - {min(items)}
    assert not [entry for _, entry in graph.database.audit.entries() if entry.action == "index.merge"]
    monkeypatch.undo()
    assert graph.services.index.merge("key_1").result(30).struck == 0 and found(graph) == items - {min(items)}


def test_a_restore_takes_the_index_away_and_no_backup_holds_it(build: Callable[..., Nightlight], tmp_path: Path) -> None:
    graph = build()
    items = banked(graph)
    graph.database.lifecycle.backup(tmp_path / "backup", "test")
    assert not [path for path in (tmp_path / "backup").rglob("*") if "index" in path.name or path.suffix == ".nli"]
    later = graph.banks.add("own", [LIKENESS, EXACT], "test").id
    graph.lasting.merge()
    assert found(graph) == items | {later}
    graph.close()
    restore(tmp_path / "backup", tmp_path / "home", force=True)
    assert not (tmp_path / "home/index").exists()
    again = build()
    assert found(again) == items
    again.lasting.merge(everything=True)
    assert again.lasting.status().segments == (3,)
