"""Views of a decoded picture that a lookup tries beside the picture itself: what may have been laid around a banked picture is cut away.

None of it understands pictures. Borders are rows and columns of one shade; inner rectangles are where long straight seams meet; both may
be wrong, which costs a search and finds nothing, because what is found is the hash of what is inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nightlight.core.fingerprint import Variant
from nightlight.senses.media.decode import Picture
from nightlight.senses.media.pdq import compiled

Luma = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Top, bottom, left, right: rows and columns, half open."""

SHADE = 8
"""Grey levels by which a border may vary: JPEG rings that much beside an edge."""
SPECKS = 0.02
"""Share of a border's row that may stand out: a compression artefact, a thin mark."""
LEAST_LEFT = 0.2
"""Share of each side that must remain, else the picture is all border."""
SEAM = 10.0
"""Grey levels by which both sides of a seam differ."""
WORKING_SIDE = 512
"""Seams are looked for at this size at most: a pixel there is 0.2% of the side, far within what PDQ forgives."""
LINES = 12
"""Seams followed along each axis, the longest first."""
LEAST_SIDE = 0.2
"""Of the picture's side, that an inner rectangle has. Smaller ones are thumbnails."""
SUPPORT = 0.35
"""Share of each side of an inner rectangle that is a seam. Two unrelated photographs differ along about half of where they meet."""
INNER = 8
"""Inner rectangles at most."""
SAME = 0.85
"""Overlap, as a share of the union, above which two rectangles are one."""
DEGREES = (-2.0, 2.0)
"""Within a degree of one of these, PDQ forgives the rest."""
MARGINS = (0.015, 0.03, 0.045)
"""Of each side. Within a percent and a half of one of these, PDQ forgives the rest of what was cropped."""


def changed_views(picture: Picture) -> Iterator[tuple[Variant, Picture]]:
    """Of an upright picture: levelled, widened, its quadrants, and what rectangles are found within it."""
    for degrees in DEGREES:
        yield Variant.LEVELLED, resampled(picture, degrees=degrees)
    for margin in MARGINS:
        yield Variant.WIDENED, resampled(picture, margin=margin)
    for top, bottom, left, right in quadrants(*picture.shape[:2]):
        yield Variant.QUADRANT, picture[top:bottom, left:right]
    for top, bottom, left, right in inner_boxes(luma(picture)):
        yield Variant.INNER, picture[top:bottom, left:right]


SQUASHED = 512
"""Pixels along each side at which Meta's C++ hasher hashes what is larger."""


def squashed(picture: Picture) -> Picture | None:
    """uint8[512, 512, 3] by nearest neighbour, as the C++ reference does before it hashes; None where it would not."""
    height, width = picture.shape[:2]
    if max(height, width) <= SQUASHED:
        return None
    out = np.empty((SQUASHED, SQUASHED, 3), np.uint8)
    _squash(np.ascontiguousarray(picture), out)
    return out


@compiled
def _squash(rgb: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    height, width, side = rgb.shape[0], rgb.shape[1], out.shape[0]
    for i in range(side):
        line, into = rgb[i * height // side], out[i]
        for j in range(side):
            x = j * width // side
            for channel in range(3):
                into[j, channel] = line[x, channel]


def trimmed(picture: Picture) -> Picture | None:
    """The picture without its even border; None where it has none, or is nothing but border."""
    found = border_box(luma(picture))
    if found is None:
        return None
    top, bottom, left, right = found
    return picture[top:bottom, left:right]


def luma(picture: Picture) -> Luma:
    """uint8[height, width]: ITU-R BT.601."""
    out = np.empty(picture.shape[:2], np.uint8)
    _luma(np.ascontiguousarray(picture), out)
    return out


def border_box(plane: Luma) -> Box | None:
    """What remains of a picture when even rows and columns are taken from its sides, one after the other."""
    height, width = plane.shape
    top, bottom, left, right = (int(side) for side in _border(plane, SHADE, SPECKS))
    if (top, bottom, left, right) == (0, height, 0, width) or bottom - top < LEAST_LEFT * height or right - left < LEAST_LEFT * width:
        return None
    return top, bottom, left, right


def quadrants(height: int, width: int) -> list[Box]:
    down, across = height // 2, width // 2
    rows, columns = ((0, down), (height - down, height)), ((0, across), (width - across, width))
    return [(*vertical, *horizontal) for vertical in rows for horizontal in columns]


def inner_boxes(plane: Luma) -> list[Box]:
    """Rectangles whose sides are seams or sides of the picture, the clearest first; at most `INNER`."""
    step = max(1, math.ceil(max(plane.shape) / WORKING_SIDE))
    height, width = (side // step for side in plane.shape)
    if min(height, width) < 16:
        return []
    small = np.zeros((height, width), np.float32)
    for y in range(step):  # strided sums: six times as fast as a mean over the blocks
        for x in range(step):
            small += plane[y : height * step : step, x : width * step : step]
    small /= step * step
    down, across = seams(small.T), seams(small)
    rows, columns = _lines(down), _lines(across)
    found = _boxes(_sums(down), _sums(across), rows, columns, SUPPORT, LEAST_SIDE)
    kept: list[Box] = []
    for row in found[np.argsort(-found[:, 4], kind="stable")]:
        top, bottom, left, right = (int(side) for side in row[:4])
        if all(_overlap((top, bottom, left, right), other) < SAME for other in kept):
            kept.append((top, bottom, left, right))
            if len(kept) == INNER:
                break
    return [_refined(plane, (top * step, bottom * step, left * step, right * step), step) for top, bottom, left, right in kept]


def _refined(plane: Luma, box: Box, step: int) -> Box:
    """The same rectangle to the pixel: each side moves to where the picture changes most, a few pixels around."""
    height, width = plane.shape
    out = list(box)
    for side in range(4):
        along, most = (plane, height) if side < 2 else (plane.T, width)
        if out[side] < step or out[side] > most - 2 * step:  # a side of the picture itself, which the reduced one may cut short
            out[side] = 0 if side % 2 == 0 else most
            continue
        start, end = max(1, out[side] - 2 * step), min(most - 1, out[side] + 2 * step)
        across = slice(box[2], box[3]) if side < 2 else slice(box[0], box[1])
        lines = along[start - 1 : end + 1, across].astype(np.int16)
        out[side] = start + int(np.abs(np.diff(lines, axis=0)).sum(axis=1).argmax())
    return out[0], out[1], out[2], out[3]


def seams(small: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8[width + 1, height]: 1 where the picture changes between column x-1 and x, and less on at least one side of it.

    Reducing leaves a column of mixed pixels at a seam, so the two columns on each side are compared, and the place is the nearest. On
    the other side there may be a gutter as thin as a pixel, and then another picture.
    """
    height, width = small.shape
    out = np.zeros((width + 1, height), np.uint8)
    before = (small[:, :-3] + small[:, 1:-2]) / 2
    after = (small[:, 2:-1] + small[:, 3:]) / 2
    step = np.abs(after - before)
    own = np.minimum(np.abs(small[:, 1:-2] - small[:, :-3]), np.abs(small[:, 3:] - small[:, 2:-1]))
    out[2 : width - 1] = ((step > SEAM) & (step > own)).T
    return out


def _lines(strong: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The places of the longest seams, and both sides of the picture."""
    lengths = _longest(strong)
    last = len(strong) - 1
    best: list[int] = []
    for place in np.argsort(-lengths, kind="stable"):
        if lengths[place] < LEAST_SIDE * SUPPORT * strong.shape[1] or len(best) == LINES:
            break
        if all(abs(place - other) > 2 for other in best):
            best.append(int(place))
    return np.array(sorted({0, last, *best}), np.int64)


def _sums(strong: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Running counts along each line, of seams there or one place beside."""
    near = strong.copy()
    near[1:] |= strong[:-1]
    near[:-1] |= strong[1:]
    return np.pad(np.cumsum(near, axis=1, dtype=np.int32), ((0, 0), (1, 0)))


def _overlap(one: Box, other: Box) -> float:
    down = min(one[1], other[1]) - max(one[0], other[0])
    across = min(one[3], other[3]) - max(one[2], other[2])
    if down <= 0 or across <= 0:
        return 0.0
    both = down * across
    return both / ((one[1] - one[0]) * (one[3] - one[2]) + (other[1] - other[0]) * (other[3] - other[2]) - both)


def resampled(picture: Picture, *, degrees: float = 0.0, margin: float = 0.0, side: int = 256) -> Picture:
    """uint8[side, side, 3]: the picture turned counter-clockwise about its centre and with a margin on each side, by the nearest pixel.

    What was outside the picture repeats its edge. So a cropped picture gets back the proportions that it had: the margin is a guess, but
    everything else is where it was. PDQ samples 64 places along a side, so four pixels to each are enough.
    """
    out = np.empty((side, side, 3), np.uint8)
    angle = math.radians(degrees)
    _resample(np.ascontiguousarray(picture), math.cos(angle), math.sin(angle), 1 + 2 * margin, out)
    return out


@compiled
def _resample(rgb: NDArray[np.uint8], cosine: float, sine: float, scale: float, out: NDArray[np.uint8]) -> None:
    height, width, side = rgb.shape[0], rgb.shape[1], out.shape[0]
    for i in range(side):
        y = ((i + 0.5) / side - 0.5) * scale * height
        for j in range(side):
            x = ((j + 0.5) / side - 0.5) * scale * width
            row = min(max(math.floor(cosine * y + sine * x + height / 2), 0), height - 1)
            column = min(max(math.floor(cosine * x - sine * y + width / 2), 0), width - 1)
            for channel in range(3):
                out[i, j, channel] = rgb[row, column, channel]


@compiled
def _luma(rgb: NDArray[np.uint8], out: Luma) -> None:
    for y in range(rgb.shape[0]):
        line, into = rgb[y], out[y]
        for x in range(rgb.shape[1]):
            into[x] = (77 * int(line[x, 0]) + 150 * int(line[x, 1]) + 29 * int(line[x, 2])) >> 8


@compiled
def _even(line: NDArray[np.uint8], shade: int, tolerance: int, specks: float) -> bool:
    off, most = 0, specks * len(line)
    for x in range(len(line)):
        if abs(int(line[x]) - shade) > tolerance:
            off += 1
            if off > most:
                return False
    return True


@compiled
def _shade(line: NDArray[np.uint8]) -> int:
    """The median, by counting."""
    counts = np.zeros(256, np.int64)
    for x in range(len(line)):
        counts[line[x]] += 1
    seen = 0
    for value in range(256):
        seen += counts[value]
        if 2 * seen >= len(line):
            return value
    return 255


@compiled
def _depth(plane: Luma, side: int, shade: int, tolerance: int, specks: float, box: NDArray[np.int64]) -> int:
    """How many lines of that shade lie along a side (top, bottom, left, right) of what `box` leaves."""
    top, bottom, left, right = box
    most: int = bottom - top if side < 2 else right - left
    for depth in range(most):
        if side < 2:
            line = plane[top + depth if side == 0 else bottom - 1 - depth, left:right].copy()
        else:
            line = plane[top:bottom, left + depth if side == 2 else right - 1 - depth].copy()
        if not _even(line, shade, tolerance, specks):
            return depth
    return most


@compiled
def _border(plane: Luma, tolerance: int, specks: float) -> NDArray[np.int64]:
    """The box that is left. A border has one shade, that of the side where it is deepest: a picture's own sky beside it stays."""
    height, width = plane.shape
    box = np.array([0, height, 0, width])
    shade, deepest = 0, 0.0
    for side in range(4):
        edge = plane[0 if side == 0 else height - 1] if side < 2 else plane[:, 0 if side == 2 else width - 1]
        own = _shade(edge.copy())
        depth = _depth(plane, side, own, tolerance, specks, box) / (height if side < 2 else width)
        if depth > deepest:
            shade, deepest = own, depth
    if deepest > 0.0:
        for _ in range(2):  # the corners of a frame belong to two sides
            for side in range(4):
                depth = _depth(plane, side, shade, tolerance, specks, box)
                box[side] += depth if side % 2 == 0 else -depth
    return box


@compiled
def _longest(strong: NDArray[np.uint8]) -> NDArray[np.int64]:
    """For each line the most that seams outnumber gaps on any stretch of it (Kadane's algorithm)."""
    out = np.zeros(strong.shape[0], np.int64)
    for place in range(strong.shape[0]):
        best, run = 0, 0
        for k in range(strong.shape[1]):
            run = max(0, run + (1 if strong[place, k] else -1))
            best = max(best, run)
        out[place] = best
    return out


@compiled
def _boxes(
    down: NDArray[np.int32], across: NDArray[np.int32], rows: NDArray[np.int64], columns: NDArray[np.int64], support: float, least: float
) -> NDArray[np.float64]:
    """[found, 5]: top, bottom, left, right and how clear. `down` and `across` are running counts along row and column boundaries."""
    height, width = across.shape[1] - 1, down.shape[1] - 1
    out = np.empty((len(rows) ** 2 * len(columns) ** 2 // 4 + 1, 5))
    found = 0
    for t in range(len(rows)):
        for b in range(t + 1, len(rows)):
            top, bottom = rows[t], rows[b]
            if bottom - top < least * height:
                continue
            for c in range(len(columns)):
                for d in range(c + 1, len(columns)):
                    left, right = columns[c], columns[d]
                    if right - left < least * width or (right - left == width and bottom - top == height):
                        continue
                    sides, weakest, total = 0, 1.0, 0.0
                    for side in range(4):
                        line = top if side == 0 else bottom if side == 1 else left if side == 2 else right
                        if line == 0 or line == (height if side < 2 else width):
                            continue
                        if side < 2:
                            share = (down[line, right] - down[line, left]) / (right - left)
                        else:
                            share = (across[line, bottom] - across[line, top]) / (bottom - top)
                        sides += 1
                        total += share
                        weakest = min(weakest, share)
                    if weakest >= support:
                        out[found, 0], out[found, 1], out[found, 2], out[found, 3] = top, bottom, left, right
                        out[found, 4] = total / sides + weakest
                        found += 1
    return out[:found]
