"""A picture is banked, and found again as it comes back from the world: stored anew, made smaller, with a caption on it."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nightlight.adapters.index import FlatIndex
from nightlight.core.bank import Bank, BankItem, Match
from nightlight.core.event import MediaScreened, Party
from nightlight.core.features import Features, SenseInput
from nightlight.core.fingerprint import FingerprintKind
from nightlight.senses.media import ExactMatchSensor, LikenessSensor, ScreenedMedia, screen_bytes
from tests.senses.media.made import SHARED, file_of, needs_shared, rectangles

PICTURE = Image.fromarray(rectangles(800, 600, 21))


def indexed(data: bytes) -> FlatIndex:
    index = FlatIndex()
    index.put_bank(Bank(name="own"))
    index.put_item(BankItem(id="a1", bank="own", fingerprints=screen_bytes(data).fingerprints))
    for seed in range(50):
        other = screen_bytes(file_of(rectangles(120, 90, 1000 + seed), "PNG"))
        index.put_item(BankItem(id=f"other {seed}", bank="own", fingerprints=other.fingerprints))
    return index


def looked_up(index: FlatIndex, screened: ScreenedMedia) -> tuple[Match, ...]:
    event = MediaScreened(
        id="e", at=datetime(2025, 6, 1, tzinfo=UTC), actor=Party(account="a"), fingerprints=screened.fingerprints, size=screened.size
    )
    features = Features()
    for sensor in (ExactMatchSensor(index), LikenessSensor(index)):
        (features,) = sensor.batch([SenseInput(event, features)])
    assert features.media is not None
    return features.media.matches


def captioned() -> Image.Image:
    image = PICTURE.copy()
    ImageDraw.Draw(image).rectangle((0, 560, 800, 600), fill="black")
    return image


CHANGED = {
    "low quality": file_of(PICTURE, "JPEG", quality=15),
    "another format": file_of(PICTURE, "WEBP", quality=50),
    "few colours": file_of(PICTURE.quantize(32), "GIF"),
    "small": file_of(PICTURE.resize((160, 120)), "JPEG"),
    "a caption": file_of(captioned(), "JPEG"),
    "darker": file_of(PICTURE.point(lambda v: v * 0.7), "JPEG"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_banked_picture_is_found_however_it_was_stored(name: str) -> None:
    index = indexed(file_of(PICTURE, "JPEG", quality=92))
    (match,) = looked_up(index, screen_bytes(CHANGED[name]))
    assert (match.item, match.kind) == ("a1", FingerprintKind.PDQ)


def test_the_same_file_is_found_by_its_bytes_first() -> None:
    data = file_of(PICTURE, "JPEG")
    found = looked_up(indexed(data), screen_bytes(data))
    assert [m.kind for m in found] == [FingerprintKind.MD5, FingerprintKind.SHA1, FingerprintKind.SHA256, FingerprintKind.PDQ]
    assert {m.item for m in found} == {"a1"}


def test_another_picture_is_not_found() -> None:
    index = indexed(file_of(PICTURE, "JPEG"))
    assert looked_up(index, screen_bytes(file_of(rectangles(800, 600, 22), "JPEG"))) == ()


def test_plain_surfaces_do_not_match_each_other() -> None:
    index = indexed(file_of(np.full((300, 300, 3), 200, np.uint8), "PNG"))
    assert looked_up(index, screen_bytes(file_of(np.full((300, 300, 3), 90, np.uint8), "PNG"))) == ()


@needs_shared
def test_a_banked_reference_picture_is_found_and_its_turned_copies_are_not() -> None:
    folder = SHARED / "pdq-reference"
    data = (folder / "bridge-1-original.jpg").read_bytes()
    index = indexed(data)
    again = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.save(again, "JPEG", quality=60)
    (match,) = looked_up(index, screen_bytes(again.getvalue()))
    assert match.item == "a1" and match.distance <= 16
    for turned in sorted(folder.glob("bridge-[2-8]*.jpg")):
        assert looked_up(index, screen_bytes(turned.read_bytes())) == ()
