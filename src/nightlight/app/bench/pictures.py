"""Invented pictures to measure on: clouds of noise of every size, as natural pictures have, with shapes of one shade among them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SLOPE = 0.62
"""By how much each octave of noise is weaker than the one before: natural pictures fall about as the frequency (Field 1987)."""


def invented(width: int, height: int, seed: int) -> Image.Image:
    """RGB. The same from the same seed."""
    random = np.random.default_rng(seed)
    canvas = Image.fromarray(_clouds(width, height, random))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(random.integers(3, 14))):
        x, y = random.uniform(-0.1, 0.95, 2) * (width, height)
        w, h = random.uniform(0.05, 0.5, 2) * (width, height)
        shade = tuple(int(v) for v in random.integers(0, 256, 3))
        shape = (draw.rectangle, draw.ellipse)[int(random.integers(2))]
        shape((x, y, x + w, y + h), fill=shade)
    grain = random.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(canvas) + grain, 0, 255).astype(np.uint8))


def _clouds(width: int, height: int, random: np.random.Generator) -> NDArray[np.uint8]:
    total = np.zeros((height, width, 3))
    weight = 1.0
    for octave in range(2, 9):
        side = 2**octave
        if side > max(width, height):
            break
        noise = Image.fromarray(random.integers(0, 256, (max(2, side * height // max(width, height)), side, 3), dtype=np.uint8))
        total += weight * (np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) - 128.0)
        weight *= SLOPE
    return np.clip(total * 0.9 + random.integers(60, 196, 3), 0, 255).astype(np.uint8)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    into = io.BytesIO()
    image.save(into, kind, **({"quality": 88} if kind == "JPEG" else {}) | options)
    return into.getvalue()
