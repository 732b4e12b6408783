"""What a reviewer may be shown of a file: grey, blurred unless asked otherwise, and never the file's own bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from nightlight.senses.media.limits import DEFAULT_LIMITS
from nightlight.senses.media.rendition import SIDE, Rendered, checked, png, render
from nightlight.senses.media.workers import Decoders, available


def stripes(width: int = 400, height: int = 300) -> bytes:
    """Vertical stripes in colour, 10 pixels each, with a text in the metadata."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, (np.arange(width) // 10) % 2 == 0] = (255, 40, 200)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", pnginfo=None)
    return out.getvalue()


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(1)
    yield made
    made.close()


def contrast(made: Rendered) -> int:
    pixels = np.frombuffer(made.grey, np.uint8).reshape(made.height, made.width)[100:-100, 100:-100]  # a blur sees no further than the edge
    return int(pixels.max()) - int(pixels.min())


@pytest.mark.skipif(not available, reason="no way to start decoders here")
def test_a_confined_decoder_answers_with_pixels_that_the_service_encodes(decoders: Decoders) -> None:
    clear, blurred = decoders.render(stripes(), blurred=False), decoders.render(stripes(), blurred=True)
    assert decoders.replaced == 0
    for made in (clear, blurred):
        assert (made.unreadable, made.width, made.height, made.whole) == (None, 400, 300, True)
        with Image.open(io.BytesIO(png(made.grey, made.width, made.height))) as image:
            assert (image.mode, image.size) == ("L", (400, 300))
            assert image.tobytes() == made.grey
    assert contrast(clear) > 100
    assert contrast(blurred) < contrast(clear) / 4  # the stripes are gone
    for bad in (b"", b"nothing", stripes()[:200]):
        assert decoders.render(bad, blurred=True).unreadable


def test_large_pictures_become_small_and_animations_are_not_whole() -> None:
    made = render(stripes(3000, 1500), DEFAULT_LIMITS, blurred=True)
    assert (made.width, made.height) == (SIDE, SIDE // 2)
    out = io.BytesIO()
    frames = [Image.new("L", (64, 64), shade) for shade in (0, 120, 250)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert render(out.getvalue(), DEFAULT_LIMITS, blurred=True).whole is False


@pytest.mark.parametrize(
    "said",
    [
        Rendered(),
        Rendered(width=2, height=2, grey=b"123"),
        Rendered(width=-1, height=-1, grey=b"1"),
        Rendered(width=SIDE + 1, height=1, grey=bytes(SIDE + 1)),
        Rendered(unreadable="x" * 5000),
    ],
)
def test_a_decoder_that_lies_is_not_believed(said: Rendered) -> None:
    found = checked(said)
    assert found.unreadable is not None and len(found.unreadable) < 100
    assert found.grey == b""
