"""PDQ step by step, slowly and plainly: the twin that tests compare `pdq` with. Nothing else uses it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float64]


def luminance(rgb: NDArray[np.uint8]) -> Plane:
    """ITU-R BT.601 luma, 0 to 255."""
    return np.asarray(rgb[..., 0] * 0.299 + rgb[..., 1] * 0.587 + rgb[..., 2] * 0.114, dtype=np.float64)


def box_filter(values: Plane, window: int) -> Plane:
    """Means of each line over `window` places, cut off at the ends. An even window reaches one further ahead than back."""
    ahead = (window + 2) // 2
    length = len(values)
    return np.array([values[max(0, i + ahead - window) : min(length, i + ahead)].mean(axis=0) for i in range(length)])


def downsample(plane: Plane) -> Plane:
    """Two passes of the box filter along both axes, then the 64x64 samples at the centres of an even grid."""
    height, width = plane.shape
    for _ in range(2):
        plane = box_filter(plane.T, math.ceil(width / 128)).T
        plane = box_filter(plane, math.ceil(height / 128))
    rows = [int((i + 0.5) * height / 64) for i in range(64)]
    columns = [int((j + 0.5) * width / 64) for j in range(64)]
    return plane[np.ix_(rows, columns)]


def quality_of(small: Plane) -> int:
    """How much structure a picture has, 0 to 100: the sum of its steps, each in whole percent of the range so that noise counts nothing."""
    steps = [small[:-1] - small[1:], small[:, :-1] - small[:, 1:]]
    total = sum(int(np.abs(np.trunc(step * 100 / 255)).sum()) for step in steps)
    return min(100, total // 90)


def frequencies(small: Plane) -> Plane:
    """[16, 16]: the cosine transform's frequencies 1 to 16 along both axes."""
    matrix = np.array([[math.sqrt(2 / 64) * math.cos(math.pi / 128 * i * (2 * j + 1)) for j in range(64)] for i in range(1, 17)])
    return np.asarray(matrix @ small @ matrix.T, dtype=np.float64)


def bits_of(coefficients: Plane) -> list[bool]:
    """Which of the 256 frequencies lie above their lower median, by more than what rounding makes."""
    flat = coefficients.ravel().tolist()
    median = sorted(flat)[127]
    return [value > median + 1e-6 for value in flat]


def pdq_plain(rgb: NDArray[np.uint8]) -> tuple[str, int] | None:
    """Hash and quality as `pdq.pdq` gives them."""
    if min(rgb.shape[:2]) < 5:
        return None
    small = downsample(luminance(rgb))
    number = sum(1 << place for place, bit in enumerate(bits_of(frequencies(small))) if bit)
    return f"{number:064x}", quality_of(small)


def dihedral_plain(rgb: NDArray[np.uint8]) -> list[str]:
    """The eight hashes in the order of `pdq.WAYS`: samples halfway between a copy's and its mirror image's, each turned and transformed."""
    luma = luminance(rgb)
    small = (
        downsample(luma) + downsample(luma[:, ::-1])[:, ::-1] + downsample(luma[::-1])[::-1] + downsample(luma[::-1, ::-1])[::-1, ::-1]
    ) / 4
    out = []
    for turned in dihedral_copies(small):
        number = sum(1 << place for place, bit in enumerate(bits_of(frequencies(turned))) if bit)
        out.append(f"{number:064x}")
    return out


def dihedral_copies(picture: NDArray[Any]) -> list[NDArray[Any]]:
    """The eight copies themselves, in the order of `pdq.WAYS`, of [height, width, ...]."""
    return [copy for start in (picture, picture.swapaxes(0, 1)) for copy in (start, start[:, ::-1], start[::-1], start[::-1, ::-1])]
