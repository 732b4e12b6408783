"""A lasting index under the store: what it kept is not read again, and what does not belong to this database is not believed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from nightlight.adapters.index import MultiIndex, Tuning
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.banks import SqlBanks
from nightlight.core.bank import Bank, BankItem, FingerprintIndex, IndexPosition, LastingIndex
from nightlight.core.clock import FixedClock
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

SMALL = Tuning(scanned=8, background=False)


class Watched(MultiIndex):
    """Counts how often everything was loaded."""

    rebuilt = 0

    def rebuild(self, items: Iterable[BankItem], position: IndexPosition) -> int:
        self.rebuilt += 1
        return super().rebuild(items, position)


def number(value: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.PDQ, f"{value:064x}")


def nothing(data: bytes) -> tuple[Fingerprint, ...]:
    return ()


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "index"


@pytest.fixture
def filled(database: Database, folder: Path) -> Iterator[tuple[SqlBanks, Watched]]:
    index = Watched(folder, SMALL)
    banks = database.banks(index, nothing)
    banks.create(Bank(name="own"), "cli")
    for n in range(20):
        banks.add("own", [number(n), Fingerprint(FingerprintKind.MD5, f"{n:032x}")], "cli")
    yield banks, index
    index.close()


def found(banks: SqlBanks) -> set[str]:
    return {match.item for match in banks.match([number(0)])}


def test_it_fills_both_ports() -> None:
    port: FingerprintIndex = MultiIndex()
    assert isinstance(port, LastingIndex)


def test_only_what_is_new_is_read_at_the_start(filled: tuple[SqlBanks, Watched], database: Database, folder: Path) -> None:
    banks, index = filled
    assert index.status().segments and 0 < index.status().scanned < 8
    first = banks.items("own")[0]
    banks.remove("own", first.id, "cli")
    banks.set_item_enabled("own", banks.items("own")[0].id, False, "cli")
    again = Watched(folder, SMALL)
    other = database.banks(again, nothing)
    assert again.rebuilt == 0
    assert found(other) == found(banks) and len(found(other)) == 18
    assert other.sizes() == banks.sizes()
    assert other.match([Fingerprint(FingerprintKind.MD5, f"{7:032x}")])[0].distance == 0
    banks.add("own", [number(1 << 9)], "cli")
    assert other.refresh() == 1 and len(found(other)) == 19


def test_the_files_of_another_database_are_not_believed(
    filled: tuple[SqlBanks, Watched], folder: Path, tmp_path: Path, clock: FixedClock
) -> None:
    filled[1].close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    sealer = KeyFileSealer(elsewhere / "keys.json")
    database = open_database(None, elsewhere, sealer, clock, migrate=True)
    try:
        first = database.banks(MultiIndex(), nothing)
        first.create(Bank(name="own"), "cli")
        items = {first.add("own", [number(n)], "cli").id for n in range(30)}
        index = Watched(folder, SMALL)
        assert index.position() is not None
        banks = database.banks(index, nothing)
        assert index.rebuilt == 1 and found(banks) == items
        index.close()
    finally:
        database.close()


def test_damage_found_later_is_mended_from_the_store(filled: tuple[SqlBanks, Watched], database: Database, folder: Path) -> None:
    banks, index = filled
    index.merge(everything=True)
    wanted = found(banks)
    (path,) = folder.glob("*.nli")
    raw = bytearray(path.read_bytes())
    section = index._parts.segments[0].file._header.sections["words"]
    raw[section.at + 3] ^= 1
    path.unlink()
    path.write_bytes(raw)
    again = Watched(folder, Tuning(scanned=8))  # checks its files in the background, as a service does
    other = database.banks(again, nothing)
    deadline = time.monotonic() + 20
    while again.rebuilt == 0 or again.position() is None or again.status().mended is None:
        assert time.monotonic() < deadline
        other.refresh()
        time.sleep(0.01)
    assert "checksum" in str(again.status().mended) and again.status().trouble is None
    assert found(other) == wanted
    again.verify()
    again.close()


def test_changes_while_everything_is_loaded_anew(filled: tuple[SqlBanks, Watched]) -> None:
    banks, _ = filled
    kept = banks.items("own")[3].id
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if kept not in found(banks):
                wrong.append("missed")

    def change() -> None:
        while not stop.is_set():
            made = banks.add("own", [number(1 << 100)], "cli").id
            if made not in found(banks):
                wrong.append("not seen")
            banks.remove("own", made, "cli")
            if made in found(banks):
                wrong.append("still there")

    threads = [threading.Thread(target=work) for work in (read, change)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        banks.rebuild()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(found(banks)) == 20
