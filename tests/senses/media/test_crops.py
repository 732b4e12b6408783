"""Fingerprints of parts of a confirmed picture: telling ones only, the same from a confined process, nothing from whatever is hostile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nightlight.app.bench.pictures import encoded, invented
from nightlight.core.fingerprint import PDQ_THRESHOLD, Fingerprint, FingerprintKind, Variant
from nightlight.senses.media import Decoders, derived_crops, screen_bytes
from nightlight.senses.media.crops import LEAST_QUALITY, MOST, SAME, plain_hashes
from nightlight.senses.media.workers import available

PICTURE = invented(900, 700, 11)


def apart(one: Fingerprint, other: Fingerprint) -> int:
    return (int(one.value, 16) ^ int(other.value, 16)).bit_count()


def test_a_picture_full_of_detail_gives_many_parts_all_different() -> None:
    found = derived_crops(encoded(PICTURE))
    assert 16 <= len(found) <= MOST
    assert all(f.kind is FingerprintKind.PDQ and f.variant is Variant.INNER and (f.quality or 0) >= LEAST_QUALITY for f in found)
    assert all(apart(a, b) > SAME for n, a in enumerate(found) for b in found[:n])
    whole = screen_bytes(encoded(PICTURE)).pdq
    assert whole is not None and all(apart(f, Fingerprint(FingerprintKind.PDQ, whole)) > SAME for f in found)
    assert found == derived_crops(encoded(PICTURE)), "the same each time"


@pytest.mark.parametrize("box", [(0, 0, 900, 560), (0, 141, 900, 700), (227, 0, 900, 700), (0, 0, 768, 700), (27, 18, 875, 680)])
def test_a_cropped_copy_is_found_by_a_part_and_not_by_the_whole(box: tuple[int, int, int, int]) -> None:
    copy = screen_bytes(encoded(PICTURE.crop(box), quality=75), thorough=True).fingerprints
    asked = [f for f in copy if f.kind is FingerprintKind.PDQ]
    whole = [f for f in screen_bytes(encoded(PICTURE)).fingerprints if f.kind is FingerprintKind.PDQ]
    assert min(apart(a, w) for a in asked if not a.variant for w in whole) > PDQ_THRESHOLD
    assert min(apart(a, part) for a in asked for part in derived_crops(encoded(PICTURE))) <= PDQ_THRESHOLD


def _shaded() -> Image.Image:
    return Image.fromarray(np.repeat(np.linspace(90, 230, 500).astype(np.uint8)[:, None, None], 600, axis=1).repeat(3, axis=2))


def _page() -> Image.Image:
    page = Image.new("RGB", (600, 800), (250, 250, 250))
    draw = ImageDraw.Draw(page)
    for line in range(40):
        draw.text((30, 20 + 19 * line), "plim dorrow zantle brisp " * 4, fill=(10, 10, 10))
    return page


def _striped() -> Image.Image:
    wave = 255 * ((np.arange(640) // 40) % 2)
    return Image.fromarray(np.repeat(wave.astype(np.uint8)[None, :, None], 480, axis=0).repeat(3, axis=2))


@pytest.mark.parametrize("make", [_shaded, _page, _striped, lambda: Image.new("RGB", (500, 400), "white")])
def test_what_is_in_many_pictures_gives_no_part(make: Callable[[], Image.Image]) -> None:
    assert derived_crops(encoded(make())) == ()


def test_the_background_of_a_picture_is_no_part_of_it() -> None:
    """Detail in one corner, an even wall elsewhere: what is cut so that mostly wall remains is left out."""
    scene = np.full((600, 800, 3), 140, np.uint8)
    scene[:300, :400] = np.asarray(invented(400, 300, 5))
    assert derived_crops(encoded(Image.fromarray(scene))) == ()
    scene[:, :] = np.asarray(invented(800, 600, 6))
    scene[430:] = 140
    some, all_of_it = derived_crops(encoded(Image.fromarray(scene))), derived_crops(encoded(invented(800, 600, 6)))
    assert 0 < len(some) <= len(all_of_it)


def test_unrelated_pictures_are_not_found_by_parts() -> None:
    parts = [int(f.value, 16) for seed in range(12) for f in derived_crops(encoded(invented(500, 400, 100 + seed)))]
    others = [
        int(f.value, 16)
        for seed in range(20)
        for f in screen_bytes(encoded(invented(450, 500, 500 + seed))).fingerprints
        if f.kind is FingerprintKind.PDQ
    ]
    assert len(parts) > 150
    assert min((a ^ b).bit_count() for a in parts for b in others) > 2 * PDQ_THRESHOLD


HOSTILE: list[Any] = [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\xff" * 60, encoded(PICTURE)[:2000], b"\0" * 1000, None, 7, "text"]


@pytest.mark.parametrize("data", HOSTILE)
def test_whatever_it_is_given_it_does_not_raise(data: Any) -> None:
    assert isinstance(derived_crops(data), tuple)


def test_pictures_that_are_too_small_or_thin_have_no_parts() -> None:
    for size in ((4, 4), (5, 5), (6, 300), (1, 1)):
        assert derived_crops(encoded(PICTURE.resize(size), "PNG")) == ()


@pytest.mark.skipif(not available, reason="no confined processes on this system")
def test_a_confined_process_answers_the_same() -> None:
    decoders = Decoders(1)
    try:
        data = encoded(PICTURE)
        assert decoders.derived_crops(data) == derived_crops(data) != ()
        assert decoders.derived_crops(b"nothing") == ()
        assert decoders.screen(data).pdq == screen_bytes(data).pdq, "it goes on with other work"
        assert decoders.replaced == 0
    finally:
        decoders.close()


def test_hashes_of_plain_things_are_many_and_differ() -> None:
    assert len(plain_hashes()) > 20
