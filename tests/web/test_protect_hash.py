"""The page's own hashes in a real browser against Nightlight's: the same file must get the same, or a young person's picture is missed."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Browser, Page

from nightlight.core.self_report import THRESHOLD
from nightlight.senses.media import screen_bytes
from tests.web.fakes import Fakes
from tests.web.test_live_browser import CHROMIUM, REQUIRED, browser
from tests.web.test_serve import served

__all__ = ["browser"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="chromium is not installed (make deps)"),
]
PNG_BITS, LOSSY_BITS = 2, 6
"""How far apart the two may be: a lossless file is decoded alike everywhere, a JPEG nearly. Both well within what a self-report matches."""

ASK = """async ([data, type]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const { hashFile } = await import("/protect-my-picture/static/hash.js");
  return await hashFile(new File([bytes], "x", { type }));
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with served(Fakes()) as (address, _):
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(address + "/protect-my-picture")
        yield opened
        context.close()


def in_browser(page: Page, data: bytes, type: str = "") -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(ASK, [base64.b64encode(data).decode(), type])
    return found


def ours(data: bytes) -> tuple[str, int]:
    found = screen_bytes(data)
    assert found.pdq is not None and found.quality is not None, found.unreadable
    return found.pdq, found.quality


def bits(a: str, b: str) -> int:
    return (int(a, 16) ^ int(b, 16)).bit_count()


def drawn(width: int, height: int, seed: int = 1, mode: str = "RGB") -> Image.Image:
    """Shapes with soft edges and some grain, as a photograph has."""
    chance = random.Random(seed)
    small = Image.new("RGB", (16, 12))
    small.putdata([(chance.randrange(256), chance.randrange(256), chance.randrange(256)) for _ in range(16 * 12)])
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        x, y = chance.randrange(width), chance.randrange(height)
        w, h = chance.randrange(width // 12, width // 4), chance.randrange(height // 12, height // 4)
        pen.ellipse((x, y, x + w, y + h), fill=(chance.randrange(256), chance.randrange(256), chance.randrange(256)))
    return image.filter(ImageFilter.GaussianBlur(max(width, height) / 800)).convert(mode)


def saved(image: Image.Image, format: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **more)
    return out.getvalue()


@pytest.mark.parametrize("size", [(640, 480), (517, 389), (129, 300), (63, 90), (1100, 1300)])
def test_a_lossless_picture_has_the_very_same_hash(page: Page, size: tuple[int, int]) -> None:
    for seed in (1, 2):
        data = saved(drawn(*size, seed=seed), "PNG", compress_level=1)
        found, (pdq, quality) = in_browser(page, data), ours(data)
        assert (found["exact"], found["sha256"]) == (None, hashlib.sha256(data).hexdigest())
        assert bits(found["pdq"], pdq) <= PNG_BITS
        assert abs(found["quality"] - quality) <= 1


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA"])
def test_every_kind_of_png(page: Page, mode: str) -> None:
    image = drawn(400, 300, seed=4).convert(mode) if mode != "P" else drawn(400, 300, seed=4).quantize(32)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = saved(image, "PNG")
    assert bits(in_browser(page, data)["pdq"], ours(data)[0]) <= PNG_BITS


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_turned_by_its_metadata(page: Page, orientation: int) -> None:
    image = drawn(800, 600, seed=5)
    exif = image.getexif()
    exif[274] = orientation
    data = saved(image, "JPEG", quality=90, exif=exif)
    assert bits(in_browser(page, data)["pdq"], ours(data)[0]) <= LOSSY_BITS


@pytest.mark.parametrize(("width", "height", "quality"), [(1024, 768, 60), (2048, 1536, 92), (1900, 1100, 60), (4000, 3000, 85)])
def test_a_large_jpeg_which_nightlight_decodes_smaller(page: Page, width: int, height: int, quality: int) -> None:
    data = saved(drawn(width, height, seed=6), "JPEG", quality=quality)
    found = in_browser(page, data)
    assert bits(found["pdq"], ours(data)[0]) <= LOSSY_BITS


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "GIF", "BMP"])
def test_other_kinds_of_picture(page: Page, format: str) -> None:
    data = saved(drawn(700, 500, seed=7), format, **({"quality": 80} if format in ("WEBP", "AVIF") else {}))
    assert bits(in_browser(page, data)["pdq"], ours(data)[0]) <= LOSSY_BITS


def test_the_bounds_leave_room_within_what_matches() -> None:
    assert LOSSY_BITS < THRESHOLD


def test_what_has_too_little_in_it_is_told_by_its_bytes_alone(page: Page) -> None:
    for image in (Image.new("RGB", (300, 300), (200, 30, 90)), Image.linear_gradient("L").resize((512, 512))):
        data = saved(image, "PNG")
        found = in_browser(page, data)
        assert (found["pdq"], found["quality"], found["exact"]) == (None, None, "plain")
        assert found["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("data", "type", "why"),
    [
        (b"\0\0\0\x18ftypmp42" + bytes(200), "", "video"),
        (b"\x1a\x45\xdf\xa3" + bytes(200), "", "video"),
        (b"anything", "video/quicktime", "video"),
        (b"not a picture", "image/jpeg", "unreadable"),
        (b"", "image/png", "unreadable"),
        (saved(Image.new("RGB", (4, 300)), "PNG"), "image/png", "unreadable"),
        (saved(drawn(300, 200), "PNG")[:500], "image/png", "unreadable"),
    ],
)
def test_what_cannot_be_decoded_is_told_by_its_bytes_alone(page: Page, data: bytes, type: str, why: str) -> None:
    found = in_browser(page, data, type)
    assert (found["pdq"], found["exact"], found["sha256"]) == (None, why, hashlib.sha256(data).hexdigest())


def test_a_browser_that_alters_pixels_is_noticed(page: Page) -> None:
    blinded = """async () => {
      const { readsBackTruly } = await import("/protect-my-picture/static/hash.js");
      const made = OffscreenCanvasRenderingContext2D.prototype, truly = made.getImageData;
      const honest = readsBackTruly();
      made.getImageData = function (...at) { const read = truly.apply(this, at); read.data[8] ^= 64; return read; };
      const altered = readsBackTruly();
      made.getImageData = truly;
      return [honest, altered];
    }"""
    assert page.evaluate(blinded) == [True, False]


def test_our_own_sha256_is_sha256(page: Page) -> None:
    """What a page over plain http uses, which has no crypto.subtle: every length around a block, in pieces of every size."""
    chance = random.Random(3)
    inputs = [chance.randbytes(n) for n in [*range(130), 1000, 4096, 70_001]]
    run = """async (all) => {
      const { Sha256 } = await import("/protect-my-picture/static/sha256.js");
      return all.map(([data, piece]) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const hash = new Sha256();
        for (let at = 0; at < bytes.length; at += piece) hash.update(bytes.subarray(at, at + piece));
        return hash.hex();
      });
    }"""
    asked = [[base64.b64encode(data).decode(), piece] for data in inputs for piece in (1, 63, 100_000)]
    expected = [hashlib.sha256(data).hexdigest() for data in inputs for _ in range(3)]
    assert page.evaluate(run, asked) == expected


def test_a_file_is_hashed_in_pieces_where_the_browser_has_no_crypto_of_its_own(page: Page) -> None:
    data = random.Random(9).randbytes(4_300_001)
    run = """async ([seed]) => {
      const bytes = Uint8Array.from(atob(seed), (c) => c.charCodeAt(0));
      const { sha256 } = await import("/protect-my-picture/static/sha256.js");
      const subtle = Object.getOwnPropertyDescriptor(Crypto.prototype, "subtle");
      Object.defineProperty(Crypto.prototype, "subtle", { value: undefined, configurable: true });
      try { return await sha256(new Blob([bytes])); } finally { Object.defineProperty(Crypto.prototype, "subtle", subtle); }
    }"""
    assert page.evaluate(run, [base64.b64encode(data).decode()]) == hashlib.sha256(data).hexdigest()


def test_reference_pictures_within_what_matches(page: Page) -> None:
    folder = Path(__file__).parents[3] / "shared" / "data" / "pdq-reference"
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:8] if folder.exists() else []
    if not files:
        pytest.skip("the reference pictures are not beside this checkout")
    for path in files:
        data = path.read_bytes()
        found = in_browser(page, data)
        if found["pdq"] is not None:
            assert bits(found["pdq"], ours(data)[0]) <= THRESHOLD - 2, path.name
