"""Multi-index hashing itself: exact whatever the layout and the data, and files that are whole or refused."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nightlight.adapters.index import FlatIndex, MultiIndex, Tuning
from nightlight.adapters.index import build as build_module
from nightlight.adapters.index.columns import EXACT, Columns, digests, permuted
from nightlight.adapters.index.file import Damaged, Mapped, writing
from nightlight.adapters.index.folder import Folder
from nightlight.adapters.index.layout import Layout, layout, masks, permutation, radii
from nightlight.core.bank import Bank, BankItem, IndexPosition
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.fingerprint import PDQ_THRESHOLD, Fingerprint, FingerprintKind

LAYOUTS: dict[str, Callable[[int], Layout]] = {
    "16 chunks": partial(layout, chunks=16),
    "13 chunks": partial(layout, chunks=13, most_bits=14),
    "11 chunks": partial(layout, chunks=11, most_bits=14),
    "9 chunks of 8 bits": partial(layout, chunks=9, most_bits=8),
}
SMALL = Tuning(scanned=10, background=False, layout_of=partial(layout, most_bits=10))


def uniform(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (count, 32), np.uint8)


def skewed(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """Hashes as pictures give them: neighbouring bits agree, families of near copies, and some that very many share."""
    bits = rng.integers(0, 2, (count, 256), np.uint8)
    alike = ((bits + np.roll(bits, 1, axis=1) + np.roll(bits, 16, axis=1)) > 1).astype(np.uint8)
    alike[: count // 4] = alike[rng.integers(0, 20, count // 4)] ^ (rng.random((count // 4, 256)) < 0.05)
    alike[count // 4 : count // 3] = 0
    return np.packbits(alike, axis=1)


def flipped(value: NDArray[np.uint8], bits: list[int]) -> NDArray[np.uint8]:
    out = value.copy()
    for bit in bits:
        out[bit // 8] ^= 1 << (bit % 8)
    return out


def plain_columns(values: NDArray[np.uint8], bank: str = "own") -> Columns:
    count = len(values)
    names = [f"{number}".encode() for number in range(count)]
    none = {kind: np.zeros((0, kind.hex_digits // 2), np.uint8) for kind in EXACT}
    return Columns(
        banks=(bank,),
        group=np.zeros(count, np.uint32),
        state=np.zeros(count, np.uint8),
        names=np.frombuffer(b"".join(names), np.uint8),
        name_at=np.cumsum([0, *map(len, names)]).astype(np.int64),
        words=permuted(values),
        owner=np.arange(count, dtype=np.uint32),
        values=none,
        value_owner={kind: np.zeros(0, np.uint32) for kind in EXACT},
    )


def pdq(value: NDArray[np.uint8]) -> Fingerprint:
    return Fingerprint(FingerprintKind.PDQ, value.tobytes().hex())


def number(value: int) -> Fingerprint:
    return Fingerprint(FingerprintKind.PDQ, f"{value:064x}")


def item(id: str, *prints: Fingerprint, bank: str = "own", enabled: bool = True) -> BankItem:
    return BankItem(id=id, bank=bank, fingerprints=prints, enabled=enabled)


def distances(values: NDArray[np.uint8], query: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Brute force."""
    return np.bitwise_count(values ^ query).sum(axis=1, dtype=np.int64)


@pytest.mark.parametrize("data", [uniform, skewed])
@pytest.mark.parametrize("chosen", LAYOUTS)
def test_exact_against_brute_force(data: Callable[..., NDArray[np.uint8]], chosen: str) -> None:
    rng, pick = np.random.default_rng(7), random.Random(7)
    values = data(rng, 12_000)
    index = MultiIndex(tuning=Tuning(background=False, layout_of=LAYOUTS[chosen]))
    index.put_bank(Bank(name="own"))
    index.load(plain_columns(values))
    questions = [flipped(values[pick.randrange(6_000, 12_000)], pick.sample(range(256), apart)) for apart in range(41) for _ in range(3)]
    questions += [values[0], values[3_500], flipped(values[1], [3, 77]), *data(rng, 20)]
    hits = 0
    for threshold in (PDQ_THRESHOLD, 30, 16, 3, 0):
        index.put_bank(Bank(name="own", threshold=threshold))
        found = index.search_many([[pdq(question)] for question in questions])
        for question, matches in zip(questions, found, strict=True):
            apart = distances(values, question)
            wanted = {(str(row), int(apart[row])) for row in np.flatnonzero(apart <= threshold)}
            assert {(m.item, m.distance) for m in matches} == wanted
            assert len(matches) == len(wanted)
            hits += len(wanted)
    assert hits > 32 * 3


def test_exact_in_the_layout_of_ten_million() -> None:
    rng, pick = np.random.default_rng(9), random.Random(9)
    values = skewed(rng, 50_000)
    index = MultiIndex(tuning=Tuning(layout_of=lambda rows: layout(10_000_000)))
    index.put_bank(Bank(name="own"))
    index.load(plain_columns(values))
    for apart in [*range(32), *range(32)]:
        question = flipped(values[pick.randrange(20_000, 50_000)], pick.sample(range(256), apart))
        away = distances(values, question)
        assert {m.item for m in index.search([pdq(question)])} == {str(row) for row in np.flatnonzero(away <= PDQ_THRESHOLD)}


def test_more_in_one_bucket_than_sixteen_bits_count() -> None:
    values = np.zeros((70_000, 32), np.uint8)
    values[69_000:, :4] = np.arange(1_000, dtype=">u4").view(np.uint8).reshape(-1, 4)
    index = MultiIndex(tuning=Tuning(layout_of=partial(layout, most_bits=12)))
    index.put_bank(Bank(name="own", threshold=1))
    index.load(plain_columns(values))
    assert len(index._parts.segments[0].file.arrays["extra"]) > 1, "this is what the test is about"
    assert len(index.search([pdq(values[0])])) == int((distances(values, values[0]) <= 1).sum())
    assert {m.item for m in index.search([pdq(values[69_999])])} == {str(r) for r in np.flatnonzero(distances(values, values[69_999]) <= 1)}


@given(
    bits=st.lists(st.integers(1, 24), min_size=1, max_size=20),
    threshold=st.integers(0, PDQ_THRESHOLD),
    rows=st.sampled_from([0, 1000, 10**7]),
)
def test_radii_leave_no_gap(bits: list[int], threshold: int, rows: int) -> None:
    chosen = radii(tuple(bits), threshold, rows)
    everything = all(radius == width for radius, width in zip(chosen, bits, strict=True))
    assert sum(radius + 1 for radius in chosen) >= threshold + 1 or everything
    assert all(-1 <= radius <= width for radius, width in zip(chosen, bits, strict=True))


@pytest.mark.parametrize("rows", [0, 1, 10_000, 1_000_000, 10_000_000])
def test_layouts_cover_disjoint_bits(rows: int) -> None:
    made = layout(rows)
    assert len(made.bits) == {0: 16, 1: 16, 10_000: 16, 1_000_000: 13, 10_000_000: 11}[rows]
    ends = [low + bits for low, bits in zip(made.low, made.bits, strict=True)]
    assert all(end <= low for end, low in zip(ends, (*made.low[1:], 256), strict=True))
    assert sum(radius + 1 for radius in radii(made.bits, PDQ_THRESHOLD, rows)) >= 32
    assert list(masks(5, 1)) == [0, 1, 2, 4, 8, 16]


@given(st.lists(st.integers(0, 2**256 - 1), min_size=1, max_size=4))
@settings(deadline=None)
def test_permuting_keeps_distances(values: list[int]) -> None:
    assert sorted(permutation().tolist()) == list(range(256))
    rows = permuted(digests([f"{value:064x}" for value in values], 32))
    for i, a in enumerate(values):
        for j, b in enumerate(values):
            assert int(np.bitwise_count(rows[i] ^ rows[j]).sum()) == (a ^ b).bit_count()


# Files


def filled(folder: Path, count: int = 60) -> MultiIndex:
    rng = random.Random(1)
    index = MultiIndex(folder, SMALL)
    index.put_bank(Bank(name="own"))
    prints = [Fingerprint(FingerprintKind.MD5, f"{n:032x}") for n in range(count)]
    index.put_items(item(f"i{n}", number(rng.getrandbits(256)), prints[n]) for n in range(count))
    index.mark(IndexPosition(count, "fence"))
    index.put_item(item("last", number(5)))
    index.merge(everything=True)
    return index


def answers(index: MultiIndex) -> object:
    rng = random.Random(1)
    asked = [number(rng.getrandbits(256)) for _ in range(60)] + [number(5), Fingerprint(FingerprintKind.MD5, f"{7:032x}")]
    return index.search_many([[one] for one in asked]), index.sizes()


def reopened(folder: Path) -> MultiIndex:
    index = MultiIndex(folder, SMALL)
    index.put_bank(Bank(name="own"))
    return index


def only(folder: Path) -> Path:
    (file,) = folder.glob("*.nli")
    return file


def test_what_was_merged_is_there_after_a_restart(tmp_path: Path) -> None:
    wanted = answers(filled(tmp_path))
    again = reopened(tmp_path)
    assert answers(again) == wanted
    assert again.position() == IndexPosition(60, "fence")
    assert again.status().trouble is None and not again.status().verified
    again.verify()
    assert again.status().verified
    assert only(tmp_path).stat().st_mode & 0o077 == 0


def test_what_was_removed_stays_removed_after_a_restart(tmp_path: Path) -> None:
    """Also where the newer file stands on an older one that still has it."""
    index = filled(tmp_path, 200)
    index.remove_item("own", "i3")
    index.put_item(item("i4", number(4)))
    index.put_item(item("i5", number(5), enabled=False))
    index.remove_item("own", "never there")
    assert index.merge()
    assert len(index.status().segments) == 2 and index.status().scanned == 0
    index.put_item(item("i6", number(6)))
    index.remove_item("own", "i4")
    assert index.merge()
    again = reopened(tmp_path)
    assert answers(again) == answers(index)
    assert {m.item for m in again.search([number(0)])} == {"last", "i6"}
    assert again.merge(everything=True) and len(list(tmp_path.glob("*.nli"))) == 1
    assert answers(again) == answers(index) == answers(reopened(tmp_path))


DAMAGE: dict[str, Callable[[bytearray], object]] = {
    "empty": lambda raw: raw.clear(),
    "cut off": lambda raw: raw.__delitem__(slice(len(raw) * 2 // 3, None)),
    "one byte short": lambda raw: raw.pop(),
    "longer": lambda raw: raw.append(0),
    "another format": lambda raw: raw.__setitem__(8, 9),
    "not ours": lambda raw: raw.__setitem__(0, 0),
    "a changed header": lambda raw: raw.__setitem__(len(raw) - 30, raw[-30] ^ 1),
    "a changed preamble": lambda raw: raw.__setitem__(20, raw[20] ^ 1),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_when_it_is_opened(tmp_path: Path, damage: str) -> None:
    filled(tmp_path).close()
    raw = bytearray(only(tmp_path).read_bytes())
    DAMAGE[damage](raw)
    only(tmp_path).write_bytes(raw)
    with pytest.raises(Damaged, match=only(tmp_path).name):
        Mapped(only(tmp_path))
    index = reopened(tmp_path)
    assert index.position() is None and only(tmp_path).name in str(index.status().trouble)
    assert index.search([number(5)]) == []
    index.rebuild((item(f"n{n}", number(n)) for n in range(20)), IndexPosition(3, "new"))
    assert len(index.search([number(5)])) == 20
    again = reopened(tmp_path)
    assert len(again.search([number(5)])) == 20 and again.position() == IndexPosition(3, "new")
    assert again.status().trouble is None


def test_a_changed_byte_anywhere_is_found_and_never_copied(tmp_path: Path) -> None:
    filled(tmp_path).close()
    path = only(tmp_path)
    whole, file = path.read_bytes(), Mapped(path)
    for name, array in file.arrays.items():
        if not array.nbytes:
            continue
        raw = bytearray(whole)
        at = file._header.sections[name].at + array.nbytes // 2
        raw[at] ^= 0x40
        path.write_bytes(raw)
        index = reopened(tmp_path)
        assert index.position() is not None, "the body is checked after opening"
        with pytest.raises(Damaged, match="does not match its checksum"):
            index.verify()
        assert index.position() is None, name
        index.put_item(item("new", number(1)))
        assert index.merge() and index.position() is None, "a merge makes nothing good"
        path.unlink(missing_ok=True)
        for other in tmp_path.glob("*.nli"):
            other.unlink()
        path.write_bytes(whole)


def test_no_damage_ends_the_process(tmp_path: Path) -> None:
    filled(tmp_path).close()
    path, rng = only(tmp_path), random.Random(3)
    whole = path.read_bytes()
    for _ in range(60):
        raw = bytearray(whole)
        start = rng.randrange(4096, len(raw) - 6000)
        raw[start : start + 4000] = rng.randbytes(4000)
        path.write_bytes(raw)
        try:
            index = reopened(tmp_path)
        except Damaged:
            continue
        answers(index)
        index.remove_item("own", "i9")
        index.search_exact([Fingerprint(FingerprintKind.MD5, f"{7:032x}")])


def test_a_writer_killed_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    wanted = answers(filled(tmp_path))
    before = only(tmp_path).read_bytes()
    script = f"""
import os, random
from pathlib import Path
from nightlight.adapters.index import build
from tests.adapters.test_index_files import item, number, reopened
index = reopened(Path({str(tmp_path)!r}))
for n in range(9):
    index.put_item(item(f"new {{n}}", number(n)))
build._chunk_tables = lambda *rest: os.kill(os.getpid(), 9)
index.merge(everything=True)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == -9
    assert only(tmp_path).read_bytes() == before and len(list(tmp_path.glob("*.part"))) == 1
    again = reopened(tmp_path)
    assert answers(again) == wanted and again.status().trouble is None
    again.put_item(item("new", number(9)))
    assert again.merge(everything=True)
    assert not list(tmp_path.glob("*.part"))


def test_a_failed_merge_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "_chunk_tables", full)
    for n in range(11):
        index.put_item(item(f"new {n}", number(n)))
    assert "No space left" in str(index.status().trouble)
    assert len(index.search([number(0)])) == 12
    assert not list(tmp_path.glob("*.part"))
    monkeypatch.undo()
    for n in range(11, 20):
        index.put_item(item(f"new {n}", number(n)))
    assert index.status().trouble is None and index.status().scanned < 10
    assert len(index.search([number(0)])) == 21


def test_two_processes_share_the_files(tmp_path: Path) -> None:
    """As two workers over one database: both are told of all changes; one merges, the other takes over what it merged."""
    one, two = (MultiIndex(tmp_path, Tuning(background=False, layout_of=SMALL.layout_of)) for _ in range(2))
    for index in (one, two):
        index.put_bank(Bank(name="own"))
        index.put_items(item(f"i{n}", number(n)) for n in range(9))
        index.mark(IndexPosition(9, "a"))
        index.put_item(item("i1", number(1), number(1 << 200)))
        index.mark(IndexPosition(10, "b"))
    two.put_item(item("later", number(1 << 9)))
    two.remove_item("own", "i2")
    assert one.merge()
    with Folder(tmp_path).writing() as alone:
        assert alone and not two.merge(), "another process writes"
    assert len(two.status().segments) == 0
    assert two.merge(everything=True)
    wanted = {f"i{n}" for n in range(9) if n != 2} | {"later"}
    assert {m.item for m in two.search([number(0)])} == wanted, "what was removed does not come back with the file of another"
    one.put_item(item("i7", number(7), enabled=False))
    one.remove_item("own", "i2")
    assert one.merge(everything=True)
    for index in (one, reopened(tmp_path)):
        assert {m.item for m in index.search([number(0)])} == wanted - {"i7"}, "what the other has written is taken over"
        assert index.sizes()[FingerprintKind.PDQ] == 10
    assert only(tmp_path).stem == "00000003"


def test_a_load_wins_over_what_was_there_and_the_last_of_one_id_over_the_rest(tmp_path: Path) -> None:
    index = filled(tmp_path, 400)
    many = [item(f"i{n % 20}", number(n << 40)) for n in range(40)]
    assert index.put_items(iter(many)) == 40
    flat = FlatIndex()
    flat.put_bank(Bank(name="own"))
    rng = random.Random(1)
    flat.put_items(item(f"i{n}", number(rng.getrandbits(256)), Fingerprint(FingerprintKind.MD5, f"{n:032x}")) for n in range(400))
    flat.put_item(item("last", number(5)))
    flat.put_items(many)
    assert len(index.status().segments) == 2
    for checked in (index, reopened(tmp_path)):
        assert checked.sizes() == flat.sizes()
        asked = [[number(n << 40)] for n in range(40)] + [[number(0)], [Fingerprint(FingerprintKind.MD5, f"{7:032x}")]]
        assert checked.search_many(asked) == flat.search_many(asked)


def test_a_load_of_bad_items_changes_nothing(tmp_path: Path) -> None:
    index = filled(tmp_path)
    wanted = answers(index)
    good = [item(f"x{n}", number(n)) for n in range(20)]
    with pytest.raises(NotFound):
        index.put_items([*good, item("y", number(1), bank="nobody's")])
    with pytest.raises(Invalid) as caught:
        index.put_items([*good, item("y", number(1), Fingerprint(FingerprintKind.MD5, "AB" * 16))])
    assert caught.value.field == "fingerprints[1].value"
    assert answers(index) == wanted


@pytest.mark.no_cover
def test_searches_in_threads_while_all_is_merged_again_and_again(tmp_path: Path) -> None:
    index = filled(tmp_path, 2_000)
    always = [number((1 << 128) - 1), Fingerprint(FingerprintKind.MD5, "f" * 32)]
    index.put_item(item("always", *always))
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if [m.item for m in index.search(always)] != ["always", "always"] or not index.search_exact(always[1:]):
                wrong.append("missed")

    def write() -> None:
        for n in range(10**6):
            if stop.is_set():
                return
            index.put_item(item("always", *always))
            index.put_item(item(f"w{n % 30}", number(n << 200)))
            index.remove_item("own", f"w{(n * 7) % 30}")

    threads = [threading.Thread(target=work) for work in (read, read, write)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        index.merge(everything=True)
        index.put_items([item(f"bulk {n}", number(n << 220)) for n in range(12)])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_writer_refuses_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not fit"), writing(tmp_path / "file") as writer:
        writer.reserve("a", np.uint32, (3,))
        writer.put("a", np.zeros(2, np.uint32), 2)
    assert not (tmp_path / "file").exists()


def test_a_temporary_index_leaves_nothing_behind() -> None:
    index = MultiIndex(tuning=SMALL)
    index.put_bank(Bank(name="own"))
    index.put_items(item(f"i{n}", number(n)) for n in range(30))
    folder = index._folder.path
    assert list(folder.iterdir())
    del index
    assert not folder.exists()
