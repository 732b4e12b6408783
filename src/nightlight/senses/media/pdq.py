"""PDQ, the perceptual hash of Meta's ThreatExchange, compiled with numba.

The published algorithm (Meta, "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing algorithm", 2019): luminance, two passes
of a box filter along each axis (together Jarosz's tent), decimation to 64x64, the 16x16 lowest frequencies of a cosine transform but
the constant ones, and one bit for each that lies above their median.

The filter is linear and separable, and of its output only 64x64 samples are kept. So each sample is taken directly as a weighted sum
under its tent: one multiplication a pixel, no intermediate pictures, and memory for one row only. `pdq_plain` does it step by step.

Imported only on first use: numba takes a third of a second to load, and compiling takes seconds the first time on a machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numba
import numpy as np
from numpy.typing import NDArray

from nightlight.core.fingerprint import Variant

MIN_SIDE = 5
"""Pixels. Smaller pictures have no hash, as in the reference."""
SIDE = 64
"""Samples along each axis after decimation."""
FREQUENCIES = 16
WINDOWS = 2 * SIDE
"""The box is a 128th of the side wide, rounded up, so that two passes span one sample."""

DCT: NDArray[np.float64] = math.sqrt(2.0 / SIDE) * np.cos(
    math.pi / (2 * SIDE) * np.outer(np.arange(1, FREQUENCIES + 1), 2 * np.arange(SIDE) + 1)
)
"""[16, 64]: frequencies 1 to 16."""

ABOVE = 1e-6
"""By how much a frequency must exceed the median, on a scale where one grey level is about one: less is rounding. Without it the hash
of a flat picture would be noise, and differ from machine to machine."""

Plane = NDArray[np.float64]
Indices = NDArray[np.int64]
Function = Callable[..., Any]


def compiled(function: Function) -> Function:
    """Compile on the first call, without the interpreter lock, and keep the machine code for the next process.

    numba keeps it beside the source, else in the user's cache folder, or where NUMBA_CACHE_DIR says. Where nothing can be written
    (a read-only image without a home) it is compiled once a process. Never a shared temporary folder: who writes the cache runs code.
    """
    try:
        return cast(Function, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        return cast(Function, numba.njit(nogil=True)(function))


@compiled
def _tents(side: int, starts: Indices, counts: Indices, weights: Plane) -> None:
    """The tent of each sample along an axis of `side` pixels: where it starts, how wide it is, and its weights, which add up to one."""
    window = (side + WINDOWS - 1) // WINDOWS
    ahead = (window + 2) // 2
    for sample in range(SIDE):
        centre = (2 * sample + 1) * side // WINDOWS
        first, last = max(0, centre + ahead - window), min(side, centre + ahead)
        start = max(0, first + ahead - window)
        count = min(side, last - 1 + ahead) - start
        row = weights[sample]
        row[:] = 0.0
        for i in range(first, last):  # the box of the first pass at each place that the second pass averages
            low, high = max(0, i + ahead - window), min(side, i + ahead)
            share = 1.0 / ((last - first) * (high - low))
            row[low - start] += share
            row[high - start] -= share
        for k in range(1, count):
            row[k] += row[k - 1]
        starts[sample], counts[sample] = start, count


@compiled
def _even_tents(side: int, starts: Indices, counts: Indices, weights: Plane) -> None:
    """The mean of each tent and of its mirror image's: halfway between where the picture and its mirrored copy are sampled."""
    _tents(side, starts, counts, weights)
    single, begins, lengths = weights.copy(), starts.copy(), counts.copy()
    for sample in range(SIDE):
        other = SIDE - 1 - sample
        mirrored = side - begins[other] - lengths[other]
        start = min(begins[sample], mirrored)
        row = weights[sample]
        row[:] = 0.0
        for k in range(lengths[sample]):
            row[begins[sample] - start + k] += 0.5 * single[sample, k]
        for k in range(lengths[other]):
            row[mirrored - start + k] += 0.5 * single[other, lengths[other] - 1 - k]
        starts[sample] = start
        counts[sample] = max(begins[sample] + lengths[sample], mirrored + lengths[other]) - start


@compiled
def _sample(rgb: NDArray[np.uint8], even: bool, small: Plane) -> int:
    """`rgb` uint8[height, width, 3] to the luma of `small` float64[64, 64]. Returns the quality."""
    height, width = rgb.shape[0], rgb.shape[1]
    starts, counts = np.empty((2, SIDE), np.int64), np.empty((2, SIDE), np.int64)
    rows = np.empty((SIDE, 2 * ((height + WINDOWS - 1) // WINDOWS) + 6))
    columns = np.empty((SIDE, 2 * ((width + WINDOWS - 1) // WINDOWS) + 6))
    if even:
        _even_tents(height, starts[0], counts[0], rows)
        _even_tents(width, starts[1], counts[1], columns)
    else:
        _tents(height, starts[0], counts[0], rows)
        _tents(width, starts[1], counts[1], columns)

    red, green, blue = np.empty(width), np.empty(width), np.empty(width)
    for r in range(SIDE):
        red[:] = 0.0
        green[:] = 0.0
        blue[:] = 0.0
        for k in range(counts[0, r]):
            line, weight = rgb[starts[0, r] + k], rows[r, k]
            for x in range(width):
                red[x] += weight * line[x, 0]
                green[x] += weight * line[x, 1]
                blue[x] += weight * line[x, 2]
        for c in range(SIDE):
            total = 0.0
            for k in range(counts[1, c]):
                x = starts[1, c] + k
                total += columns[c, k] * (0.299 * red[x] + 0.587 * green[x] + 0.114 * blue[x])  # ITU-R BT.601 luma
            small[r, c] = total

    gradient = 0
    for r in range(SIDE):
        for c in range(SIDE):
            if r + 1 < SIDE:
                gradient += abs(int((small[r, c] - small[r + 1, c]) * 100.0 / 255.0))
            if c + 1 < SIDE:
                gradient += abs(int((small[r, c] - small[r, c + 1]) * 100.0 / 255.0))
    return min(100, gradient // 90)


@compiled
def _transform(small: Plane, dct: Plane, coefficients: Plane) -> None:
    """The 16x16 frequencies of `small` float64[64, 64], with `dct` float64[16, 64]."""
    half = np.zeros((FREQUENCIES, SIDE))
    for i in range(FREQUENCIES):
        for k in range(SIDE):
            for j in range(SIDE):
                half[i, j] += dct[i, k] * small[k, j]
    coefficients[:] = 0.0
    for i in range(FREQUENCIES):
        for j in range(FREQUENCIES):
            for k in range(SIDE):
                coefficients[i, j] += half[i, k] * dct[j, k]


@compiled
def _bits(coefficients: Plane, way: int, out: NDArray[np.uint8]) -> None:
    """The hash, uint8[32], most significant bit first, of the picture mirrored and transposed as `way` says.

    Mirroring a picture changes the sign of the odd frequencies along that axis, and transposing it transposes them: so one transform
    serves all eight. `way`: 1 left to right, 2 top to bottom, 4 transposed before.
    """
    flat = np.empty(FREQUENCIES * FREQUENCIES)
    for i in range(FREQUENCIES):
        for j in range(FREQUENCIES):
            value = coefficients[j, i] if way & 4 else coefficients[i, j]
            odd = (1 if way & 1 and j % 2 == 0 else 0) + (1 if way & 2 and i % 2 == 0 else 0)  # the first frequency is 1
            flat[i * FREQUENCIES + j] = -value if odd == 1 else value
    ordered = flat.copy()
    for i in range(1, len(ordered)):  # insertion sort: compiles in no time, and 256 numbers are few
        value, j = ordered[i], i
        while j > 0 and ordered[j - 1] > value:
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = value
    median = ordered[len(ordered) // 2 - 1]  # the lower one, as in the reference
    out[:] = 0
    for k in range(len(flat)):
        if flat[k] > median + ABOVE:
            out[len(out) - 1 - k // 8] |= 1 << (k % 8)


@compiled
def _hash(rgb: NDArray[np.uint8], dct: Plane, even: bool, out: NDArray[np.uint8]) -> int:
    """`rgb` uint8[height, width, 3] to `out` uint8[ways, 32], the ways in order from 0. Returns the quality."""
    small, coefficients = np.empty((SIDE, SIDE)), np.empty((FREQUENCIES, FREQUENCIES))
    quality: int = _sample(rgb, even, small)
    _transform(small, dct, coefficients)
    for way in range(out.shape[0]):
        _bits(coefficients, way, out[way])
    return quality


WAYS: tuple[Variant | None, ...] = (
    None,
    Variant.MIRRORED,
    Variant.UPSIDE_DOWN,
    Variant.TURNED_180,
    Variant.TRANSPOSED,
    Variant.TURNED_90,
    Variant.TURNED_270,
    Variant.TRANSVERSED,
)
"""What `_bits` calls a way, in its order."""


def pdq(rgb: NDArray[np.uint8]) -> tuple[str, int] | None:
    """The PDQ hash (64 hexadecimal digits) and quality (0 to 100) of a picture, uint8[height, width, 3] in RGB.

    None where a side is shorter than five pixels.
    """
    found = _ways(rgb, 1, even=False)
    return (found[0][0], found[1]) if found is not None else None


def pdq_dihedral(rgb: NDArray[np.uint8]) -> tuple[list[str], int] | None:
    """The hashes of the picture and of its seven mirrored and turned copies, in the order of `WAYS`, from one transform; the quality.

    The published filter samples a mirrored copy up to a pixel beside where it samples the picture, which is up to 40 bits on a small
    picture. Samples taken halfway between are as near to all eight as one transform can be: half of that.
    """
    return _ways(rgb, len(WAYS), even=True)


def _ways(rgb: NDArray[np.uint8], ways: int, *, even: bool) -> tuple[list[str], int] | None:
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"a picture is uint8[height, width, 3], not {rgb.dtype}{list(rgb.shape)}")
    if min(rgb.shape[:2]) < MIN_SIDE:
        return None
    out = np.empty((ways, 32), np.uint8)
    quality = int(_hash(np.ascontiguousarray(rgb), DCT, even, out))
    return [row.tobytes().hex() for row in out], quality
