"""A picture hashes as what is seen of it, however its file stores it: within 10 bits of the same picture as plain RGB."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from PIL import Image

from nightlight.core.fingerprint import FingerprintKind, Variant
from nightlight.senses.media import MediaLimits, screen_bytes
from nightlight.senses.media.containers import AVIF, HEIC, MKV, MOV, MP4, PICTURES, TIFF, WEBM, Unreadable, media_type, outside
from nightlight.senses.media.limits import DEFAULT_LIMITS
from nightlight.senses.media.pdq import pdq
from tests.senses.media.made import distance, file_of, rectangles

try:
    import pillow_heif
except ImportError:
    pillow_heif = None

BITS = 10


def photo(width: int, height: int, seed: int) -> Image.Image:
    """Rectangles with grain: as much detail as a photograph has."""
    grain = np.random.default_rng(seed).integers(-8, 9, (height, width, 3))
    return Image.fromarray(np.clip(rectangles(width, height, seed, 25).astype(int) + grain, 0, 255).astype(np.uint8))


def plain(image: Image.Image) -> str:
    """The hash of the picture as plain RGB."""
    found = pdq(np.asarray(image.convert("RGB")))
    assert found is not None
    return found[0]


def deep(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def floating(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.float32) / 255)


# The picture in a mode, the format it is written in, and what of it is seen.
MODES: dict[str, Any] = {
    "RGB": lambda i: i,
    "RGBA": lambda i: i.convert("RGBA"),
    "L": lambda i: i.convert("L"),
    "LA": lambda i: i.convert("LA"),
    "P": lambda i: i.quantize(64),
    "1": lambda i: i.convert("1"),
    "CMYK": lambda i: i.convert("CMYK"),
    "YCbCr": lambda i: i.convert("YCbCr"),
    "I;16": deep,
    "F": floating,
}
STORED = [
    *((mode, "JPEG") for mode in ("RGB", "L", "CMYK", "YCbCr")),
    *((mode, "PNG") for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")),
    *((mode, "GIF") for mode in ("RGB", "L", "P", "1")),
    *((mode, "WEBP") for mode in ("RGB", "RGBA", "L", "P")),
    *((mode, "BMP") for mode in ("RGB", "RGBA", "L", "P", "1")),
    *((mode, "TIFF") for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr", "I;16", "F")),
    *((mode, "AVIF") for mode in ("RGB", "RGBA", "L")),
]


@pytest.mark.parametrize(("mode", "kind"), STORED, ids=lambda value: str(value))
@settings(max_examples=4, deadline=None)
@given(width=st.integers(64, 500), height=st.integers(64, 500), seed=st.integers(0, 2**32))
def test_any_mode_hashes_as_its_rgb(mode: str, kind: str, width: int, height: int, seed: int) -> None:
    image = photo(width, height, seed)
    stored = MODES[mode](image)
    seen = image.convert("L") if mode in ("I;16", "F") else stored
    data = file_of(stored, kind, **({"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}))
    if kind == "GIF":  # what its 256 colours lose of a grainy picture, up to 18 bits, no decoder brings back
        seen = Image.open(io.BytesIO(data))
    screened = screen_bytes(data)
    assert screened.unreadable is None
    assert (screened.width, screened.height) == (width, height)
    assert distance(screened.pdq, plain(seen)) <= BITS


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "group4"])
def test_tiff_compressions(compression: str | None) -> None:
    image = photo(300, 200, 3).convert("1") if compression == "group4" else photo(300, 200, 3)
    found = screen_bytes(file_of(image, "TIFF", compression=compression))
    assert found.unreadable is None
    assert distance(found.pdq, plain(image)) <= BITS


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_orientation_is_applied_once(kind: str, orientation: int) -> None:
    turn = Image.Transpose
    how = (
        None,
        turn.FLIP_LEFT_RIGHT,
        turn.ROTATE_180,
        turn.FLIP_TOP_BOTTOM,
        turn.TRANSPOSE,
        turn.ROTATE_90,
        turn.TRANSVERSE,
        turn.ROTATE_270,
    )
    image = photo(300, 200, 4)
    turned = how[orientation - 1]
    stored = image.transpose(turned) if turned is not None else image
    block = Image.Exif()
    block[0x0112] = orientation
    options: dict[str, Any] = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": block.tobytes(), "quality": 95}
    found = screen_bytes(file_of(stored, kind, **options))
    assert (found.width, found.height) == (300, 200)
    assert distance(found.pdq, plain(image)) <= BITS


@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_pages_and_sequences_are_hashed(kind: str) -> None:
    frames = [photo(200, 160, seed) for seed in range(4)]
    found = screen_bytes(file_of(frames[0], kind, save_all=True, append_images=frames[1:]))
    hashes = [f.value for f in found.fingerprints if f.kind is FingerprintKind.PDQ and f.variant in (UNSET, Variant.FRAME)]
    assert len(hashes) == 4
    for value, frame in zip(hashes, frames, strict=True):
        assert distance(value, plain(frame)) <= BITS


def test_pages_of_several_sizes() -> None:
    data = file_of(photo(200, 100, 1), "TIFF", save_all=True, append_images=[photo(100, 300, 2)])
    found = screen_bytes(data)
    assert found.unreadable is None
    assert len([f for f in found.fingerprints if f.kind is FingerprintKind.PDQ and f.variant in (UNSET, Variant.FRAME)]) == 2


@pytest.mark.skipif(pillow_heif is None, reason="pillow-heif is not installed")
def test_heic_where_it_can_be_read() -> None:
    image = photo(300, 200, 5)
    made = io.BytesIO()
    pillow_heif.from_pillow(image).save(made, quality=95)
    found = screen_bytes(made.getvalue())
    assert (found.unreadable, found.media_type) == (None, HEIC)
    assert distance(found.pdq, plain(image)) <= BITS


def test_heic_without_its_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from nightlight.senses.media import decode

    monkeypatch.delitem(decode._DECODERS, HEIC, raising=False)
    box = struct.pack(">I", 20) + b"ispe" + bytes(4) + struct.pack(">II", 40, 30)
    data = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + struct.pack(">I", len(box) + 28) + b"meta\0\0\0\0"
    data += struct.pack(">I", len(box) + 16) + b"iprp" + struct.pack(">I", len(box) + 8) + b"ipco" + box
    assert (outside(data, HEIC, DEFAULT_LIMITS).width, outside(data, HEIC, DEFAULT_LIMITS).height) == (40, 30)
    assert "pillow-heif" in (screen_bytes(data).unreadable or "")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", MP4),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", MP4),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", MOV),
        (b"\0\0\0\x08wide\0\0\0\0mdat", MOV),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", AVIF),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", HEIC),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", WEBM),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", MKV),
        (b"MM\0*", TIFF),
        (b"plain words", None),
    ],
)
def test_the_type_is_read_from_the_bytes(head: bytes, kind: str | None) -> None:
    assert media_type(head) == kind


DECLARED = {
    "bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, 100_000, -100_000) + bytes(40),
    "old bmp": b"BM" + bytes(12) + struct.pack("<IHH", 12, 65_535, 65_535) + bytes(40),
    "tiff": b"II*\0" + struct.pack("<IHHHIIHHIII", 8, 2, 0x100, 4, 1, 100_000, 0x101, 4, 1, 100_000, 0),
    "avif": b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 100_000, 100_000),
}


@pytest.mark.parametrize("name", DECLARED)
def test_a_declared_bomb_is_refused(name: str) -> None:
    assert "declares 100000 x 100000" in (screen_bytes(DECLARED[name]).unreadable or "").replace("65535 x 65535", "100000 x 100000")


def test_endless_tables_and_boxes_end() -> None:
    around = b"II*\0" + struct.pack("<IHI", 8, 0, 8)  # a table that names itself as the next
    assert screen_bytes(around).unreadable == "the picture has no size"
    boxes = b"\0\0\0\x14ftypavif\0\0\0\0avif" + b"\0\0\0\x08free" * 1000
    assert "parts" in (screen_bytes(boxes, MediaLimits(max_parts=999)).unreadable or "")
    with pytest.raises(Unreadable, match="smaller"):
        outside(b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\0\x04meta", AVIF, DEFAULT_LIMITS)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["BMP", "TIFF", "AVIF"]),
    at=st.floats(0, 1),
    change=st.binary(min_size=1, max_size=30),
    cut=st.floats(0.05, 1),
)
def test_no_damage_ever_raises(kind: str, at: float, change: bytes, cut: float) -> None:
    data = bytearray(file_of(rectangles(60, 40), kind))
    place = int(at * (len(data) - 1))
    data[place : place + len(change)] = change
    found = screen_bytes(bytes(data[: max(1, int(cut * len(data)))]), MediaLimits(max_pixels=1_000_000))
    assert (found.unreadable is None) or found.pdq is None


def test_every_type_that_is_decoded_is_tested_here() -> None:
    assert {"image/" + kind.lower() for _, kind in STORED} | {HEIC} == PICTURES
