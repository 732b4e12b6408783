"""Every way a picture file can be stored, and every way it can be broken."""

from __future__ import annotations

import hashlib
import io
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from nightlight.core.fingerprint import FingerprintKind, Variant
from nightlight.senses.media import MediaLimits, screen_bytes
from nightlight.senses.media.containers import tiff_orientation
from nightlight.senses.media.pdq import pdq
from tests.senses.media.made import (
    chunk,
    declared_gif,
    declared_jpeg,
    declared_png,
    declared_webp,
    distance,
    exif,
    file_of,
    rectangles,
)

PICTURE = rectangles(400, 300, 11)
_HASHED = pdq(PICTURE)
assert _HASHED is not None
UPRIGHT = _HASHED

FILES: dict[str, bytes] = {
    "jpeg": file_of(PICTURE, "JPEG", quality=90),
    "progressive jpeg": file_of(PICTURE, "JPEG", quality=90, progressive=True),
    "png": file_of(PICTURE, "PNG"),
    "gif": file_of(PICTURE, "GIF"),
    "webp": file_of(PICTURE, "WEBP", quality=90),
    "lossless webp": file_of(PICTURE, "WEBP", lossless=True),
}
TYPES = {name: "image/" + name.split()[-1] for name in FILES}


def values(data: bytes, limits: MediaLimits | None = None) -> list[str]:
    screened = screen_bytes(data, limits) if limits is not None else screen_bytes(data)
    assert screened.unreadable is None
    return [f.value for f in screened.fingerprints if f.kind is FingerprintKind.PDQ and f.variant is not Variant.TRIMMED]


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_picture(name: str) -> None:
    data = FILES[name]
    screened = screen_bytes(data)
    assert screened.unreadable is None
    assert screened.media_type == TYPES[name]
    assert (screened.size, screened.width, screened.height) == (len(data), 400, 300)
    assert screened.sha256 == hashlib.sha256(data).hexdigest()
    assert screened.sha1 == hashlib.sha1(data, usedforsecurity=False).hexdigest()
    assert screened.md5 == hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert distance(screened.pdq, UPRIGHT[0]) <= 8
    assert screened.quality is not None and screened.quality >= 95
    kinds = [f.kind for f in screened.fingerprints]
    assert kinds[:4] == [FingerprintKind.SHA256, FingerprintKind.SHA1, FingerprintKind.MD5, FingerprintKind.PDQ]
    assert all(f.variant is Variant.TRIMMED for f in screened.fingerprints[4:])
    assert screened.fingerprints[3].value == screened.pdq


def as_mode(mode: str) -> Image.Image:
    image = Image.fromarray(PICTURE)
    return image.quantize(64) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind", "bits"),
    [("P", "PNG", 8), ("P", "GIF", 8), ("CMYK", "JPEG", 12), ("L", "PNG", 2), ("L", "JPEG", 8), ("LA", "PNG", 2), ("RGBA", "PNG", 2)],
)
def test_modes_are_hashed_as_they_look(mode: str, kind: str, bits: int) -> None:
    # Palette numbers or inks hashed as if they were light land over 100 bits away (measured on another hasher).
    assert distance(values(file_of(as_mode(mode), kind))[0], UPRIGHT[0]) <= bits


def test_sixteen_bits_a_sample_are_scaled_and_not_cut_off() -> None:
    grey = np.asarray(Image.fromarray(PICTURE).convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert distance(values(file_of(deep, "PNG"))[0], UPRIGHT[0]) <= 2


def test_one_bit_a_sample() -> None:
    flat = np.where(PICTURE[..., :1] > 127, 255, 0).astype(np.uint8).repeat(3, axis=2)
    wanted = pdq(flat)
    image = Image.fromarray(flat).convert("1", dither=Image.Dither.NONE)
    assert wanted is not None and values(file_of(image, "PNG"))[0] == wanted[0]


def test_transparent_pixels_show_the_ground_and_not_what_is_stored_beneath() -> None:
    alpha = np.zeros(PICTURE.shape[:2], np.uint8)
    alpha[100:200, 50:350] = 255
    shown = {}
    for ground in (255, 0):
        seen = np.where(alpha[..., np.newaxis] > 0, PICTURE, ground).astype(np.uint8)
        shown[ground] = pdq(seen)
    found = values(file_of(Image.fromarray(np.dstack([PICTURE, alpha])), "PNG"))
    assert found[:2] == [shown[255][0], shown[0][0]]  # type: ignore[index]
    assert found[2:] == [UPRIGHT[0]], "last, for hashers that know no transparency"


def test_palette_transparency_counts_too() -> None:
    image = as_mode("P")
    clear = int(np.bincount(np.asarray(image).ravel()).argmax())
    screened = values(file_of(image, "PNG", transparency=clear))
    assert len(screened) == 3


def test_an_opaque_alpha_channel_adds_nothing() -> None:
    assert len(values(file_of(as_mode("RGBA"), "PNG"))) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(kind: str, orientation: int) -> None:
    # What a camera stores so that a viewer, turning it as the tag asks, shows PICTURE.
    turn = Image.Transpose
    stored_as = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_90,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_270,
    }
    image = Image.fromarray(PICTURE)
    if orientation > 1:
        image = image.transpose(stored_as[orientation])
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    screened = screen_bytes(file_of(image, kind, exif=exif(orientation), **options))
    assert (screened.width, screened.height) == (400, 300)
    assert distance(screened.pdq, UPRIGHT[0]) <= 8
    stored = pdq(np.asarray(image))
    assert stored is not None
    assert min(distance(f.value, stored[0]) for f in screened.fingerprints[3:]) <= 8  # hashers that know no orientation list this one


def test_orientation_agrees_with_pillow() -> None:
    from PIL import ImageOps

    for orientation in range(1, 9):
        data = file_of(PICTURE, "PNG", exif=exif(orientation))
        with Image.open(io.BytesIO(data)) as image:
            seen = pdq(np.asarray(ImageOps.exif_transpose(image).convert("RGB")))
        assert seen is not None and values(data)[0] == seen[0]


@settings(max_examples=200, deadline=None)
@given(block=st.binary(max_size=60).flatmap(lambda tail: st.sampled_from([b"II*\0", b"MM\0*", b""]).map(lambda head: head + tail)))
def test_a_damaged_orientation_is_upright(block: bytes) -> None:
    assert 1 <= tiff_orientation(block) <= 8


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_later_frames_of_an_animation_are_hashed(kind: str) -> None:
    frames = [Image.fromarray(rectangles(200, 160, seed)) for seed in range(7)]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    data = file_of(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)
    found = values(data)
    assert len(found) == 4
    for value, shown in zip(found, (0, 2, 4, 6), strict=True):
        wanted = pdq(np.asarray(frames[shown]))
        assert wanted is not None and distance(value, wanted[0]) <= 8
    assert len(values(data, MediaLimits(frames=1))) == 1
    assert len(values(data, MediaLimits(animation_pixels=200 * 160 * 3))) == 3


def test_an_animation_cut_short_keeps_what_was_shown() -> None:
    frames = [Image.fromarray(rectangles(200, 160, seed)) for seed in range(7)]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    assert 1 <= len(values(data[: len(data) // 2])) < 4


def test_a_large_jpeg_is_decoded_small_and_stays_close() -> None:
    large = rectangles(2600, 2100, 5)
    full = pdq(large)
    screened = screen_bytes(file_of(large, "JPEG", quality=95))
    assert full is not None
    assert (screened.width, screened.height) == (2600, 2100)
    assert distance(screened.pdq, full[0]) <= 8
    kept = [f for f in screened.fingerprints[3:] if f.variant is not Variant.TRIMMED]
    assert 1 <= len(kept) <= 2
    assert all(distance(f.value, full[0]) <= 16 for f in kept)


def test_a_tiny_picture_has_byte_hashes_only() -> None:
    screened = screen_bytes(file_of(rectangles(1, 1), "PNG"))
    assert screened.unreadable is None
    assert screened.pdq is None and screened.quality is None and len(screened.fingerprints) == 3


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "text": b"plim dorrow zantle",
    "a disguised archive": b"PK\x03\x04" + b"\0" * 500,
    "a JPEG's first bytes alone": b"\xff\xd8\xff",
    "a JPEG of noise": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20,
    "a PNG's first bytes alone": b"\x89PNG\r\n\x1a\n",
    "a PNG without pixels": declared_png(5000, 5000),
    "a GIF's first bytes alone": b"GIF89a",
    "a GIF without a frame": b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0) + b";",
    "a GIF with a bad table": declared_gif((20, 20), (20, 20))[:25],
    "a WebP's first bytes alone": b"RIFF\0\0\0\0WEBP",
    "a WebP without a picture": declared_webp(100, 100),
    "a type that is not decoded": b"BM" + b"\0" * 100,
    "a PNG whose picture is a JPEG": b"\x89PNG\r\n\x1a\n" + FILES["jpeg"],
    "a JPEG of no height": declared_jpeg(16, 0),
    "a JPEG of endless passes": FILES["progressive jpeg"] + b"\xff\xda\x00\x00" * 101,
}
BOMBS: dict[str, bytes] = {
    "png": declared_png(100_000, 100_000),
    "long png": declared_png(2**31 - 1, 1),
    "gif": declared_gif((65_535, 65_535), (65_535, 65_535)),
    "gif by its frame": declared_gif((10, 10), (65_535, 65_535)),
    "webp": declared_webp(2**24, 2**24),
    "jpeg": declared_jpeg(65_535, 65_535),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_result_with_a_reason(name: str) -> None:
    screened = screen_bytes(BROKEN[name])
    assert screened.unreadable
    assert screened.pdq is None
    assert screened.sha256 == hashlib.sha256(BROKEN[name]).hexdigest()
    assert len(screened.fingerprints) == 3


@pytest.mark.parametrize("name", BOMBS)
def test_a_declared_bomb_is_refused(name: str) -> None:
    screened = screen_bytes(BOMBS[name])
    assert screened.unreadable is not None and "more than is decoded" in screened.unreadable
    assert len(screened.fingerprints) == 3


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_is_unreadable(name: str) -> None:
    screened = screen_bytes(FILES[name][: len(FILES[name]) // 2])
    assert screened.unreadable
    assert screened.pdq is None and len(screened.fingerprints) == 3


def test_limits_are_kept() -> None:
    data = FILES["png"]
    assert "larger than" in (screen_bytes(data, MediaLimits(max_bytes=len(data) - 1)).unreadable or "")
    assert screen_bytes(data, MediaLimits(max_bytes=len(data))).unreadable is None
    assert "declares 400 x 300" in (screen_bytes(data, MediaLimits(max_pixels=400 * 300 - 1)).unreadable or "")
    assert screen_bytes(data, MediaLimits(max_pixels=400 * 300)).unreadable is None
    jpeg = FILES["jpeg"]
    assert "declares 400 x 300" in (screen_bytes(jpeg, MediaLimits(max_pixels_jpeg=400 * 300 - 1)).unreadable or "")
    assert screen_bytes(jpeg, MediaLimits(max_pixels=1, max_pixels_jpeg=400 * 300)).unreadable is None
    assert "declares 400 x 300" in (screen_bytes(data, MediaLimits(max_side=399)).unreadable or "")
    many = data[:33] + chunk(b"tEXt", b"") * 100 + data[33:]
    assert screen_bytes(many).unreadable is None
    assert "parts" in (screen_bytes(many, MediaLimits(max_parts=99)).unreadable or "")


def test_pillows_global_settings_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    for data in BOMBS.values():
        assert screen_bytes(data).unreadable
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert screen_bytes(FILES["jpeg"]).unreadable is None
    assert screen_bytes(FILES["png"]).unreadable is None


def test_hostile_files_take_no_memory() -> None:
    # In a process of its own, for its own high-water mark. The last file asks a general EXIF parser for gigabytes: older pillows obey,
    # newer ones warn, so with warnings as errors it is readable only where its metadata never reaches the parser.
    code = """
import resource, sys
from tests.senses.media.test_screen import BOMBS, BROKEN, exif_bomb
from nightlight.senses.media import screen_bytes, warm_up
warm_up()
data = exif_bomb()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(3):
    for bad in [*BOMBS.values(), *BROKEN.values()]:
        assert screen_bytes(bad).unreadable
assert screen_bytes(data).unreadable is None
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    ran = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 150, "MiB"


def exif_bomb() -> bytes:
    """A readable JPEG of 6 MB whose EXIF has thousands of entries that each claim almost all of it."""
    entries, size = 5000, 5_000_000
    table = b"".join(struct.pack("<HHII", 0x9000 + n, 7, size, 8) for n in range(entries))
    block = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", entries) + table
    block += b"\0" * (size + 100_000 - len(block))
    pieces = [block[at : at + 65_000] for at in range(0, len(block), 65_000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(piece) + 8) + b"Exif\0\0" + piece for piece in pieces)
    return FILES["jpeg"][:2] + segments + FILES["jpeg"][2:]


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(FILES)), at=st.floats(0, 1), change=st.binary(min_size=1, max_size=40), cut=st.floats(0.01, 1))
def test_no_damage_ever_raises(name: str, at: float, change: bytes, cut: float) -> None:
    data = bytearray(FILES[name])
    place = int(at * (len(data) - 1))
    data[place : place + len(change)] = change
    damaged = bytes(data[: max(1, int(cut * len(data)))])
    screened = screen_bytes(damaged, MediaLimits(max_pixels=2_000_000, max_pixels_jpeg=2_000_000))
    assert screened.sha256 == hashlib.sha256(damaged).hexdigest()
    assert (screened.unreadable is None) or (screened.pdq is None and len(screened.unreadable) <= 300)


@settings(max_examples=100, deadline=None)
@given(
    head=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X"]),
    tail=st.binary(max_size=300),
)
def test_no_bytes_ever_raise(head: bytes, tail: bytes) -> None:
    assert screen_bytes(head + tail, MediaLimits(max_pixels=2_000_000, max_pixels_jpeg=2_000_000)).size == len(head) + len(tail)
