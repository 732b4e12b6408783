"""Fingerprints of parts of a picture that a person confirmed, so that it is found when somebody crops it.

They are banked beside the picture, for review only. A part must be as telling as the whole: a stretch of sky, a wall or a line of text is
in many pictures, and a bank that held it would hold those too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from nightlight.core.fingerprint import Fingerprint, FingerprintKind, Variant
from nightlight.senses.media.containers import PICTURES, Unreadable, media_type, outside
from nightlight.senses.media.limits import DEFAULT_LIMITS, MediaLimits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nightlight.senses.media.decode import Picture

MOST = 24
"""Parts of one picture at most."""
LEAST_QUALITY = 60
"""PDQ quality of a part. More than a search asks for, because a part has less to tell it from others."""
LEAST_DETAIL = 0.5
"""Detail of a part, as a share of the whole picture's: less is its background."""
CELLS, LEAST_CELLS = 4, 0.5
"""A part is divided into 4x4 cells, half of which must show something: one edge across an even surface is no picture."""
CELL_DETAIL = 2.0
"""Grey levels by which neighbouring samples of a cell differ on average: compression and grain stay below it."""
SHAPES = 20.0
"""Grey levels by which an 8x8 reduction of a part varies: on a page of text the strokes even out, and every page is alike."""
PLAIN = 62
"""Bits within which a part is like something that is in many pictures; unrelated hashes are about 128 apart."""
SAME = 10
"""Bits within which two parts find the same; and a part what the whole finds."""

INSETS = ((0.025, 0.025, 0.04, 0.04), (0.038, 0.012, 0.025, 0.025), (0.013, 0.038, 0.038, 0.012), (0.04, 0.04, 0.04, 0.04))
"""Shares cut from top, bottom, left and right: what remains when a little is cut from every side."""
CUTS = (0.12, 0.15, 0.2, 0.25, 0.3)
"""Shares cut from one side. With the margins that a look-up tries, these steps find nearly everything between. Both chosen greedily among
984 parts, for what they found of invented pictures cropped at random; `nightlight bench robust` measures them on others."""


def derived_crops(data: bytes, limits: MediaLimits = DEFAULT_LIMITS) -> tuple[Fingerprint, ...]:
    """PDQ hashes of parts of the picture as shown, each with its quality and the variant `inner`; at most `MOST`, the best first.

    Empty where the bytes are no picture that can be decoded, and where no part is telling enough. Never raises. A service gives bytes to
    `workers.Decoders.derived_crops` instead, which answers the same from a confined process.
    """
    try:
        return _derived(data, limits)
    except Exception:  # whatever a decoder raises on such bytes, there is nothing to derive from them
        return ()


def _derived(data: bytes, limits: MediaLimits) -> tuple[Fingerprint, ...]:
    from nightlight.senses.media.decode import pictures
    from nightlight.senses.media.pdq import pdq
    from nightlight.senses.media.views import luma

    kind = media_type(data)
    if kind not in PICTURES or len(data) > limits.max_bytes:
        raise Unreadable("not a picture of a type that is decoded")
    picture = next(picture for _, picture in pictures(outside(data, kind, limits), kind, limits))
    whole = pdq(picture)
    if whole is None:
        return ()
    least = LEAST_DETAIL * _detail(luma(picture))
    known = [int(whole[0], 16)]
    found: list[Fingerprint] = []
    for part in _parts(picture):
        hashed = pdq(part)
        if hashed is None or hashed[1] < LEAST_QUALITY:
            continue
        bits = int(hashed[0], 16)
        plane = luma(part)
        telling = _detail(plane) >= least and _spread(plane) and _shapes(plane) >= SHAPES
        telling = telling and min(_apart(bits, p) for p in plain_hashes()) > PLAIN
        if telling and all(_apart(bits, other) > SAME for other in known):
            known.append(bits)
            found.append(Fingerprint(FingerprintKind.PDQ, hashed[0], hashed[1], Variant.INNER))
    return tuple(found[:MOST])


def _apart(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def _parts(picture: Picture) -> Iterator[Picture]:
    height, width = picture.shape[:2]
    for top, bottom, left, right in INSETS:
        yield picture[round(top * height) : round((1 - bottom) * height), round(left * width) : round((1 - right) * width)]
    for cut in CUTS:
        down, across = round(cut * height), round(cut * width)
        yield picture[down:]
        yield picture[: height - down]
        yield picture[:, across:]
        yield picture[:, : width - across]


def _sampled(plane: NDArray[np.uint8], side: int = 128) -> NDArray[np.float64]:
    """float64[side, side]: means over blocks where there are enough pixels, so that grain counts little."""
    import numpy as np

    height, width = plane.shape
    rows, columns = np.arange(side) * height // side, np.arange(side) * width // side
    step = max(1, min(height, width) // side // 2)
    total: NDArray[np.float64] = np.zeros((side, side))
    for y in range(step):
        for x in range(step):
            total += plane[np.minimum(rows + y, height - 1)][:, np.minimum(columns + x, width - 1)]
    total /= step * step
    return total


def _detail(plane: NDArray[np.uint8]) -> float:
    """Grey levels by which neighbouring samples differ on average."""
    import numpy as np

    small = _sampled(plane)
    return float(np.abs(np.diff(small, axis=0)).mean() + np.abs(np.diff(small, axis=1)).mean()) / 2


def _shapes(plane: NDArray[np.uint8]) -> float:
    """Grey levels: the standard deviation of an 8x8 reduction."""
    small = _sampled(plane)
    step = len(small) // 8
    return float(small.reshape(8, step, 8, step).mean(axis=(1, 3)).std())


def _spread(plane: NDArray[np.uint8]) -> bool:
    """Whether there is something to see in most of it."""
    import numpy as np

    small = _sampled(plane)
    size = len(small) // CELLS
    cells = [small[y : y + size, x : x + size] for y in range(0, len(small), size) for x in range(0, len(small), size)]
    shown = [np.abs(np.diff(c, axis=0)).mean() + np.abs(np.diff(c, axis=1)).mean() > 2 * CELL_DETAIL for c in cells]
    return bool(sum(shown) >= LEAST_CELLS * len(cells))


@cache
def plain_hashes() -> tuple[int, ...]:
    """PDQ hashes of what is in many pictures: shades that run into each other, a horizon, a lit spot, stripes, a page of text."""
    import numpy as np

    from nightlight.senses.media.pdq import pdq

    y, x = np.mgrid[0:256, 0:256] / 255.0
    made = [x, y, x + y, x - y, np.hypot(x - 0.5, y - 0.5), np.maximum(abs(x - 0.5), abs(y - 0.5))]
    made += [1.0 * (along > at) for along in (x, y) for at in (0.25, 0.33, 0.5, 0.67, 0.75)]
    made += [1.0 * ((along * count) % 1 > 0.5) for along in (x, y) for count in (2, 3, 4, 6, 8, 12, 16, 24)]
    made += [1.0 * (((x * count) % 1 > 0.5) ^ ((y * count) % 1 > 0.5)) for count in (2, 3, 4, 6, 8)]
    words = np.random.default_rng(7)
    for lines in (6, 10, 16, 24):
        page = (words.random((256, 256)) < 0.5) & ((y * lines) % 1 > 0.4) & (x > 0.06) & (x < 0.94)
        made.append(1.0 * page)
    out = []
    for one in made:
        span = float(one.max() - one.min()) or 1.0
        for shade in (one, one.max() - one + one.min()):
            grey = np.round(255 * (shade - shade.min()) / span).astype(np.uint8)
            hashed = pdq(np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2)))
            if hashed is not None:
                out.append(int(hashed[0], 16))
    return tuple(dict.fromkeys(out))
