"""The disguise of the files: distances stay, values go, and another key's files are not believed."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.adapters.index import MultiIndex, PlainIndex, Tuning
from nightlight.adapters.index.columns import permuted
from nightlight.adapters.index.veil import CHUNKS, PLAIN, Veil, _neighbours, _order
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database
from nightlight.core.bank import Bank, BankItem, IndexPosition
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

SMALL = Tuning(scanned=4, background=False)
KEY, OTHER = b"k" * 32, b"o" * 32
keys = st.binary(min_size=32, max_size=32)
hashes = st.binary(min_size=32, max_size=32)


def kept(value: bytes, veil: Veil) -> bytes:
    return permuted(np.frombuffer(value, np.uint8).reshape(1, 32), veil).tobytes()


def apart(a: bytes, b: bytes) -> int:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count()


def item(id: str, *values: tuple[FingerprintKind, bytes], enabled: bool = True) -> BankItem:
    return BankItem(id=id, bank="own", fingerprints=tuple(Fingerprint(kind, value.hex()) for kind, value in values), enabled=enabled)


@settings(deadline=None)
@given(keys, hashes, hashes)
def test_distances_are_kept_exactly(key: bytes, one: bytes, other: bytes) -> None:
    veil = Veil(key)
    assert apart(kept(one, veil), kept(other, veil)) == apart(one, other)


@settings(deadline=None)
@given(keys, st.data())
def test_no_two_neighbours_of_the_grid_share_a_chunk(key: bytes, data: st.DataObject) -> None:
    order = _order(key)
    assert sorted(order.tolist()) == list(range(256))
    left, right = _neighbours()
    chunks = data.draw(st.sampled_from(CHUNKS))
    chunk_of = np.searchsorted([256 * c // chunks for c in range(1, chunks)], order, "right")
    assert not (chunk_of[left] == chunk_of[right]).any()


def test_each_key_disguises_differently_and_always_alike() -> None:
    one, again, other = Veil(KEY), Veil(bytes(KEY)), Veil(OTHER)
    value = random.Random(1).randbytes(32)
    assert kept(value, one) == kept(value, again) and one.check == again.check
    assert kept(value, one) != kept(value, other) and one.check != other.check
    assert 64 < apart(kept(value, one), kept(value, PLAIN)) < 192
    for kind in (FingerprintKind.MD5, FingerprintKind.SHA1, FingerprintKind.SHA256):
        (a,), (b,), (c,) = (veil.hidden(kind, [value[: kind.hex_digits // 2]]) for veil in (one, again, other))
        assert a.tobytes() == b.tobytes() != c.tobytes() and len(a) == kind.hex_digits // 2
    # What is the same under two kinds is kept as two things.
    assert one.hidden(FingerprintKind.MD5, [bytes(16)]).tobytes() not in one.hidden(FingerprintKind.SHA1, [bytes(16)]).tobytes()


@settings(deadline=None)
@given(st.data(), keys)
def test_answers_are_those_of_the_plain_index(data: st.DataObject, key: bytes) -> None:
    base = data.draw(hashes)
    near = st.builds(
        lambda bits: (int.from_bytes(base, "big") ^ sum(1 << b for b in bits)).to_bytes(32, "big"),
        st.sets(st.integers(0, 255), max_size=40),
    )
    exact = st.sampled_from([(FingerprintKind.SHA256, base), (FingerprintKind.MD5, base[:16]), (FingerprintKind.SHA1, base[:20])])
    value = st.one_of(near.map(lambda v: (FingerprintKind.PDQ, v)), exact)
    veiled, plain = MultiIndex(tuning=SMALL, key=key), PlainIndex()
    for index in (veiled, plain):
        index.put_bank(Bank(name="own"))
    for n, values in enumerate(data.draw(st.lists(st.lists(value, min_size=1, max_size=3), min_size=5, max_size=12))):
        for index in (veiled, plain):
            index.put_item(item(f"i{n}", *values))
    assert veiled.status().segments and veiled.status().veiled
    asked = [Fingerprint(kind, v.hex()) for kind, v in data.draw(st.lists(value, min_size=1, max_size=6))]
    assert veiled.search(asked) == plain.search(asked)
    assert veiled.search_exact(asked) == plain.search_exact(asked)
    veiled.close()


def written(folder: Path, key: bytes | None, values: list[tuple[FingerprintKind, bytes]]) -> bytes:
    index = MultiIndex(folder, SMALL, key=key)
    index.put_bank(Bank(name="own"))
    index.put_item(item("one", *values))
    index.mark(IndexPosition(1, "1"))
    assert index.merge()
    index.close()
    (path,) = folder.glob("*.nli")
    return path.read_bytes()


def test_no_value_is_in_the_files_in_the_clear(tmp_path: Path) -> None:
    pick = random.Random(5)
    values = [(kind, pick.randbytes(kind.hex_digits // 2)) for kind in FingerprintKind]
    plain, veiled = written(tmp_path / "plain", None, values), written(tmp_path / "veiled", KEY, values)
    for kind, value in values:
        clear = kept(value, PLAIN) if kind is FingerprintKind.PDQ else value
        assert clear in plain and clear not in veiled
        assert value not in veiled and value.hex().encode() not in veiled
    assert KEY not in veiled


@pytest.mark.parametrize("first", [KEY, None])
def test_files_of_another_key_are_replaced(tmp_path: Path, first: bytes | None) -> None:
    value = (FingerprintKind.PDQ, bytes(range(32)))
    written(tmp_path, first, [value])
    (old,) = tmp_path.glob("*.nli")
    index = MultiIndex(tmp_path, SMALL, key=OTHER)
    assert index.position() is None and "another key" in str(index.status().trouble)
    index.put_bank(Bank(name="own"))
    assert index.rebuild([item("one", value)], IndexPosition(1, "1")) == 1
    assert not old.exists() and index.status().trouble is None and "another key" in str(index.status().mended)
    again = MultiIndex(tmp_path, SMALL, key=OTHER)
    again.put_bank(Bank(name="own"))
    assert again.position() == IndexPosition(1, "1") and again.status().trouble is None
    assert [m.item for m in again.search([Fingerprint(value[0], value[1].hex())])] == ["one"]


def test_what_is_removed_leaves_the_files(tmp_path: Path) -> None:
    index = MultiIndex(tmp_path, SMALL, key=KEY)
    index.put_bank(Bank(name="own"))
    values = [random.Random(n).randbytes(32) for n in range(12)]
    for n, value in enumerate(values):
        index.put_item(item(f"i{n}", (FingerprintKind.PDQ, value), (FingerprintKind.SHA256, value)))
    veil = Veil(KEY)

    def bytes_there(value: bytes) -> list[bool]:
        raw = b"".join(path.read_bytes() for path in tmp_path.glob("*.nli"))
        return [form in raw for form in (kept(value, veil), veil.hidden(FingerprintKind.SHA256, [value]).tobytes())]

    index.merge(everything=True)
    assert not index.forget(), "nothing was removed"
    assert bytes_there(values[3]) == [True, True]
    index.remove_item("own", "i3")
    index.put_item(item("i4", (FingerprintKind.PDQ, values[0])))
    assert index.status().struck == 2 and bytes_there(values[3]) == [True, True]
    assert index.forget()
    assert bytes_there(values[3]) == bytes_there(values[4]) == [False, False]
    assert bytes_there(values[5]) == [True, True] and index.status().struck == 0
    for n in range(12):
        index.remove_item("own", f"i{n}")
    index.forget()
    assert not any(any(bytes_there(value)) for value in values)
    index.close()


def test_another_process_takes_over_what_was_written(tmp_path: Path) -> None:
    value = bytes(range(32))
    one, other = MultiIndex(tmp_path, SMALL, key=KEY), MultiIndex(tmp_path, SMALL, key=KEY)
    for index in (one, other):
        index.put_bank(Bank(name="own"))
        index.put_item(item("a", (FingerprintKind.PDQ, value)))
        index.mark(IndexPosition(1, "1"))
    assert not other.follow(), "there is nothing yet"
    assert one.merge()
    assert other.follow() and other.status().segments == (1,) and other.status().scanned == 0
    assert not other.follow()
    assert [m.item for m in other.search([Fingerprint(FingerprintKind.PDQ, value.hex())])] == ["a"]
    one.remove_item("own", "a")
    one.mark(IndexPosition(2, "2"))
    assert one.forget() and other.follow()
    assert other.search([Fingerprint(FingerprintKind.PDQ, value.hex())]) == []


def test_the_keyring_gives_the_key(database: Database, sealer: KeyFileSealer, home: Path) -> None:
    banks = database.banks(MultiIndex(home / "index", SMALL, key=sealer.derive("index")), lambda data: ())
    banks.create(Bank(name="own"), "cli")
    prints = [Fingerprint(FingerprintKind.PDQ, f"{n:064x}") for n in range(8)]
    wanted = [banks.add("own", [f], "cli").id for f in prints]
    again = MultiIndex(home / "index", SMALL, key=sealer.derive("index"))
    assert again.position() is not None and again.status().trouble is None
    assert {m.item for m in database.banks(again, lambda data: ()).match(prints[:1])} == set(wanted)
