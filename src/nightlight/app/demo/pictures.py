"""Pictures for the demo: landscapes of shapes, drawn from a seed. One of them is banked and comes back in other bytes."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import numpy as np
from msgspec import Struct
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 640, 480
REFERENCE = "pdq-reference"
"""Folder under the shared data whose pictures of a bridge are shown too, when it is there."""


_BANKED = 0


class Picture(Struct, frozen=True):
    name: str
    data: bytes
    """JPEG, PNG or WebP."""


def draw(seed: int) -> Image.Image:
    """An evening landscape: sky, moon, hills, lanterns. Busy enough to be told apart by likeness (PDQ quality well over 50)."""
    chance = Random(f"picture {seed}")
    top, bottom = (np.array([chance.randrange(20, 236) for _ in range(3)], dtype=np.float64) for _ in range(2))
    fade = np.linspace(0.0, 1.0, HEIGHT)[:, None, None]
    sky = np.broadcast_to(top * (1 - fade) + bottom * fade, (HEIGHT, WIDTH, 3))
    image = Image.fromarray(sky.astype(np.uint8), "RGB")
    pen = ImageDraw.Draw(image)
    for _ in range(chance.randrange(3, 6)):
        base = chance.randrange(HEIGHT // 4, HEIGHT)
        ridge = [(x, base - chance.randrange(20, 180)) for x in range(0, WIDTH + 80, 80)]
        pen.polygon([(0, HEIGHT), *ridge, (WIDTH, HEIGHT)], fill=_colour(chance))
    for _ in range(chance.randrange(8, 16)):
        x, y, r = chance.randrange(WIDTH), chance.randrange(HEIGHT), chance.randrange(12, 70)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_colour(chance), outline=_colour(chance), width=4)
    for _ in range(chance.randrange(4, 9)):
        x, y, side = chance.randrange(WIDTH), chance.randrange(HEIGHT), chance.randrange(20, 120)
        pen.rectangle((x, y, x + side, y + side // 2), fill=_colour(chance))
    return image


def encode(image: Image.Image, kind: str = "JPEG", quality: int = 88) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, quality=quality)
    return out.getvalue()


def banked(shared: Path | None = None) -> list[Picture]:
    """What the demo puts into a bank before its first evening: a drawn picture and, when it is there, the reference bridge.

    No seed: one bank serves evening after evening.
    """
    own = Picture("banked-lanterns.jpg", encode(draw(_BANKED)))
    return [own, *reference(shared)[:1]]


def shown(seed: int, count: int, shared: Path | None = None) -> list[Picture]:
    """What people share during the evening: `count` harmless pictures, and each banked one again in other bytes."""
    kinds = (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"))
    pictures = []
    for i in range(count):
        kind, suffix = kinds[i % len(kinds)]
        pictures.append(Picture(f"shared-{i:03}.{suffix}", encode(draw(seed * 10_000 + i + 1), kind)))
    again = [_again(picture) for picture in banked(shared)]
    return pictures + again + reference(shared)[1:]


def reference(shared: Path | None) -> list[Picture]:
    folder = shared / REFERENCE if shared is not None else None
    if folder is None or not folder.is_dir():
        return []
    return [Picture(path.name, path.read_bytes()) for path in sorted(folder.glob("*.jpg"))]


def _again(picture: Picture) -> Picture:
    """The same picture as somebody would pass it on: smaller, and compressed harder."""
    with Image.open(io.BytesIO(picture.data)) as image:
        small = image.convert("RGB").resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)
    return Picture(f"again-{picture.name}", encode(small, "JPEG", 60))


def _colour(chance: Random) -> tuple[int, int, int]:
    return chance.randrange(256), chance.randrange(256), chance.randrange(256)
