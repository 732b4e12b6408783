"""Little files of every kind that is decoded, made on the spot."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
from PIL import Image

from nightlight.senses.media.containers import AVIF, BMP, GIF, JPEG, PNG, TIFF, WEBP

SIDE = 64
LARGE = 640
"""Beyond the side at which pictures are squashed before hashing."""


def little_pictures() -> Iterator[bytes]:
    """One file of each type of picture and a large one; of two frames where the type can."""
    first = np.full((SIDE, SIDE, 3), 255, np.uint8)
    first[8:56, 8:56] = (np.arange(48)[:, np.newaxis, np.newaxis] * 5 + np.arange(48)[np.newaxis, :, np.newaxis]) % 256
    first[20:40, 20:40] = 30
    frames = [Image.fromarray(first), Image.fromarray(first[::-1].copy())]
    for kind in (JPEG, PNG, GIF, WEBP, BMP, TIFF, AVIF):
        into = io.BytesIO()
        several = {"save_all": True, "append_images": frames[1:]} if kind in (GIF, WEBP, TIFF, AVIF, PNG) else {}
        frames[0].save(into, kind.removeprefix("image/"), **several)
        yield into.getvalue()
    into = io.BytesIO()
    frames[0].resize((LARGE, LARGE)).convert("RGBA").save(into, "png")
    yield into.getvalue()


def little_videos(frames: int = 3, side: int = SIDE) -> Iterator[bytes]:
    """One file of each container, in a codec that FFmpeg itself can write."""
    for container in ("mp4", "mov", "matroska"):
        into = io.BytesIO()
        with av.open(into, "w", format=container) as made:
            stream = made.add_stream("mpeg4", rate=10)
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
            for number in range(frames):
                picture = np.full((side, side, 3), 20 + number % 8 * 10, np.uint8)
                picture[side // 4 : side // 2 + number % 8, side // 4 :] = 220
                made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            made.mux(stream.encode(None))
        yield into.getvalue()
