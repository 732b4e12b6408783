from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.adapters.sealer import KeyFileSealer, KeysMissing
from nightlight.core.errors import Tampered


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyFileSealer:
    return KeyFileSealer(tmp_path_factory.mktemp("keys") / "keys.json")


@given(plain=st.binary(max_size=2000), context=st.text(max_size=50))
def test_what_was_sealed_opens_in_its_own_context(ring: KeyFileSealer, plain: bytes, context: str) -> None:
    assert ring.open(ring.seal(plain, context), context) == plain


@given(plain=st.binary(min_size=1, max_size=100), data=st.data())
def test_any_flipped_bit_is_found(ring: KeyFileSealer, plain: bytes, data: st.DataObject) -> None:
    sealed = bytearray(ring.seal(plain, "event:a"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Tampered):
        ring.open(bytes(sealed), "event:a")


@given(cut=st.integers(0, 40))
def test_a_truncated_blob_is_found(ring: KeyFileSealer, cut: int) -> None:
    sealed = ring.seal(b"twelve bytes", "c")
    with pytest.raises(Tampered):
        ring.open(sealed[:cut], "c")


def test_a_blob_moved_to_another_row_does_not_open(ring: KeyFileSealer) -> None:
    with pytest.raises(Tampered):
        ring.open(ring.seal(b"x", "event:a"), "event:b")


def test_sealing_twice_looks_different_and_commitments_do_not(ring: KeyFileSealer) -> None:
    assert ring.seal(b"same", "c") != ring.seal(b"same", "c")
    assert ring.mac(b"same") == ring.mac(b"same") != ring.mac(b"other")


def test_the_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    KeyFileSealer(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["keys.json"]


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    KeyFileSealer(path)
    path.chmod(0o644)
    with pytest.raises(KeysMissing, match="600"):
        KeyFileSealer(path)


def test_a_missing_key_file_is_not_replaced_where_sealed_data_exists(tmp_path: Path) -> None:
    with pytest.raises(KeysMissing, match="missing"):
        KeyFileSealer(tmp_path / "keys.json", create=False)
    assert not (tmp_path / "keys.json").exists()


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    KeyFileSealer(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(KeysMissing, match="damaged"):
        KeyFileSealer(path)


def test_after_rotation_old_and_new_open_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first, other = KeyFileSealer(path), KeyFileSealer(path)
    old = first.seal(b"old", "c")
    assert first.rotate() == 2
    new = first.seal(b"new", "c")
    assert (old[0], new[0]) == (1, 2)
    assert other.open(new, "c") == b"new", "a process that read the file before the rotation"
    assert KeyFileSealer(path).open(old, "c") == b"old"
    assert first.mac(b"x") == KeyFileSealer(path).mac(b"x"), "commitments outlive a rotation"
    assert first.key_ids == (1, 2)


def test_subkeys_differ_by_purpose_and_stay(tmp_path: Path) -> None:
    one, two = KeyFileSealer(tmp_path / "keys.json"), KeyFileSealer(tmp_path / "keys.json")
    assert one.derive("a") == two.derive("a") != one.derive("b")
    assert len(one.derive("a")) == 32
    assert one.derive("a") != KeyFileSealer(tmp_path / "others.json").derive("a")
