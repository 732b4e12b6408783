"""Our PDQ against its plain twin, against the C++ reference's wrapper, and against the hashes published with the reference."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nightlight.core.fingerprint import FingerprintKind, Variant
from nightlight.senses.media import screen_bytes
from nightlight.senses.media.pdq import WAYS, pdq, pdq_dihedral
from nightlight.senses.media.pdq_plain import box_filter, dihedral_copies, dihedral_plain, pdq_plain, quality_of
from tests.senses.media.made import SHARED, distance, needs_pdqhash, needs_shared, oracle, rectangles

# Made with pdqhash 0.2.8 (the C++ reference) from `rectangles(width, height, seed)`: proof where neither it nor the shared data is there.
GOLDEN = {
    (64, 64, 1): ("43ddad2452a66a52b13317a4cc59a5749b43ca5385b42b755ea329faf43c47c3", 100),
    (100, 37, 2): ("166ea45aa6f24b5cd9ad1ba4e3233fc6e6925e551ae5e89549d36316b22214e3", 100),
    (130, 129, 3): ("20d6cb72392c2926c3563d96aa3de9b45a5a2c8ea7d1b0956f70d372e3a33c8a", 100),
    (640, 480, 4): ("e8225df6965c8a2375ebf2da4f327f4aaa41695e6b36000214c9f7ad5432bb54", 100),
    (512, 512, 5): ("68b336c41b269ed94df96d118e8a278ba7e517c5cb07d007e0a5e0d954f8bb26", 100),
    (1600, 900, 6): ("c71eecf639a1225c06d95b8dc756c662e09a7d2d1c93c70ec329acd2387e5929", 100),
    (33, 700, 7): ("d13ea9cb244aa6c898a75bb45b943a547bf4701787e9c41b0ae3e746814fb54b", 100),
}


@pytest.mark.parametrize("made", GOLDEN, ids=str)
def test_golden(made: tuple[int, int, int]) -> None:
    found = pdq(rectangles(*made))
    assert found is not None
    assert distance(found[0], GOLDEN[made][0]) <= 2  # the reference rounds to 32 bits along the way
    assert abs(found[1] - GOLDEN[made][1]) <= 1


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 300), height=st.integers(1, 300), seed=st.integers(0, 2**32), count=st.integers(0, 40), noise=st.integers(0, 60)
)
def test_the_twins_agree(width: int, height: int, seed: int, count: int, noise: int) -> None:
    picture = rectangles(width, height, seed, count)
    grain = np.random.default_rng(seed).integers(0, noise + 1, picture.shape)
    picture = np.clip(picture.astype(int) + grain, 0, 255).astype(np.uint8)
    fast, plain = pdq(picture), pdq_plain(picture)
    if fast is None or plain is None:
        assert fast is plain is None and min(width, height) < 5
        return
    assert distance(fast[0], plain[0]) <= 2  # rounding may turn a frequency that lies on the median, and so its neighbour
    assert abs(fast[1] - plain[1]) <= 1


@settings(max_examples=30, deadline=None)
@given(width=st.integers(5, 300), height=st.integers(5, 300), seed=st.integers(0, 2**32))
def test_the_eight_ways_agree_with_their_plain_twin(width: int, height: int, seed: int) -> None:
    picture = rectangles(width, height, seed)
    fast = pdq_dihedral(picture)
    assert fast is not None and len(fast[0]) == len(WAYS) == 8
    for ours, plain in zip(fast[0], dihedral_plain(picture), strict=True):
        assert distance(ours, plain) <= 2


@pytest.mark.parametrize("made", [(400, 300, 1), (1000, 750, 2), (512, 512, 5), (640, 480, 7), (1024, 768, 8), (130, 500, 9)], ids=str)
def test_the_eight_ways_are_those_of_real_copies(made: tuple[int, int, int]) -> None:
    picture = rectangles(*made)
    grain = np.random.default_rng(made[2]).integers(-15, 16, picture.shape)
    picture = np.clip(picture.astype(int) + grain, 0, 255).astype(np.uint8)
    fast = pdq_dihedral(picture)
    assert fast is not None
    for ours, copy in zip(fast[0], dihedral_copies(picture), strict=True):
        real = pdq(copy)
        assert real is not None and distance(ours, real[0]) <= 26
        others = [distance(ours, other) for other in fast[0] if other != ours]
        assert min(others) > 60


def test_the_eight_ways_have_the_names_of_what_they_do() -> None:
    picture = rectangles(64, 64, 3)
    found = pdq_dihedral(picture)
    assert found is not None and pdq_dihedral(np.zeros((4, 64, 3), np.uint8)) is None
    image = Image.fromarray(picture)
    turn = Image.Transpose
    by_name = {
        Variant.MIRRORED: turn.FLIP_LEFT_RIGHT,
        Variant.UPSIDE_DOWN: turn.FLIP_TOP_BOTTOM,
        Variant.TURNED_90: turn.ROTATE_270,  # pillow turns counter-clockwise
        Variant.TURNED_180: turn.ROTATE_180,
        Variant.TURNED_270: turn.ROTATE_90,
        Variant.TRANSPOSED: turn.TRANSPOSE,
        Variant.TRANSVERSED: turn.TRANSVERSE,
    }
    for value, variant in zip(found[0], WAYS, strict=True):
        seen = pdq(np.asarray(image.transpose(by_name[variant]) if variant is not None else image))
        assert seen is not None and distance(value, seen[0]) <= 2


@needs_shared
def test_the_eight_ways_find_the_reference_pictures_in_one_another() -> None:
    folder = SHARED / "pdq-reference"
    table = json.loads((folder / "expected.json").read_text())
    first = screen_bytes((folder / "bridge-1-original.jpg").read_bytes(), thorough=True)
    for listed in table["hashes"].values():
        assert min(distance(f.value, listed) for f in first.fingerprints if f.kind is FingerprintKind.PDQ) <= table["tolerance_bits"]


@pytest.mark.parametrize("contrast", [3, 8, 20, 60])
def test_quality_falls_with_contrast(contrast: int) -> None:
    dim = (rectangles(300, 200, 9).astype(int) * contrast // 255 + 100).astype(np.uint8)
    fast, plain = pdq(dim), pdq_plain(dim)
    assert fast is not None and plain is not None
    assert fast[1] == plain[1] < 100
    if contrast <= 8:
        assert fast[1] < 10


@pytest.mark.oracle
@needs_pdqhash
@settings(max_examples=60, deadline=None)
@given(width=st.integers(17, 900), height=st.integers(17, 900), seed=st.integers(0, 2**32), dim=st.integers(1, 8))
def test_against_the_reference(width: int, height: int, seed: int, dim: int) -> None:
    picture = rectangles(width, height, seed) // dim + np.random.default_rng(seed).integers(0, 4, (height, width, 3), np.uint8)
    (theirs, their_quality), ours = oracle(picture), pdq(picture)
    assert ours is not None
    assert abs(ours[1] - their_quality) <= 1
    assert distance(ours[0], theirs) <= 4


@needs_shared
@pytest.mark.parametrize("number", range(8))
def test_reference_pictures(number: int) -> None:
    folder = SHARED / "pdq-reference"
    table = json.loads((folder / "expected.json").read_text())
    name, listed = sorted(table["hashes"].items())[number]
    screened = screen_bytes((folder / name).read_bytes())
    assert screened.unreadable is None
    assert distance(screened.pdq, listed) <= table["tolerance_bits"]
    assert screened.quality == 100
    for also in screened.fingerprints[3:]:
        assert distance(also.value, listed) <= table["tolerance_bits"]


def test_a_flat_picture_has_no_bits_and_no_quality() -> None:
    flat = np.full((300, 300, 3), 90, np.uint8)
    assert pdq(flat) == pdq_plain(flat) == ("0" * 64, 0)


def test_a_tiny_picture_has_no_hash() -> None:
    assert pdq(np.zeros((4, 300, 3), np.uint8)) is None
    assert pdq(np.zeros((5, 5, 3), np.uint8)) is not None


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        pdq(np.zeros((300, 300), np.uint8))


def test_turned_views_hash_as_their_copies() -> None:
    picture = rectangles(200, 150)
    assert pdq(picture.transpose(1, 0, 2)[:, ::-1]) == pdq(picture.transpose(1, 0, 2)[:, ::-1].copy())


def test_an_even_box_reaches_one_further_ahead() -> None:
    # The published filter: a window of 7 spans 3 back and 3 ahead, one of 8 spans 3 back and 4 ahead.
    impulse = np.zeros(20)
    impulse[10] = 1.0
    assert np.flatnonzero(box_filter(impulse, 7)).tolist() == list(range(7, 14))
    assert np.flatnonzero(box_filter(impulse, 8)).tolist() == list(range(6, 14))


def test_quality_counts_whole_percents_only() -> None:
    ramp = np.zeros((64, 64))
    ramp[:, 32:] = 255 * 0.0099  # just under a percent: noise
    assert quality_of(ramp) == 0
    ramp[:, 32:] = 255 * 0.5
    assert quality_of(ramp) == 50 * 64 // 90


def test_threads_give_the_same_hash() -> None:
    made = [rectangles(300, 200, seed) for seed in range(8)]
    alone = [pdq(picture) for picture in made]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(pdq, made * 4)) == alone * 4


def test_importing_the_sense_loads_no_heavy_library() -> None:
    code = "import sys, nightlight.senses.media; print([m for m in ('numba', 'numpy', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_it_works_where_no_cache_can_be_written(tmp_path: Path) -> None:
    # A copy of the package in a folder that nobody may write, and a home that is not there: a read-only container.
    package = Path(sys.modules["nightlight.senses.media.pdq"].__file__ or "")
    copy = tmp_path / "sealed" / "pdq_copy.py"
    copy.parent.mkdir()
    # Ask numba for a cache as if the folder were unwritable; root may write anywhere, so the refusal is made in its locators.
    copy.write_text(package.read_text())
    copy.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"
        "import numpy as np, pdq_copy\n"
        "print(pdq_copy.pdq(np.zeros((8, 8, 3), np.uint8))[1])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    copy.parent.chmod(stat.S_IRWXU)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "0"
