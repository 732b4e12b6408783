"""Harmless pictures made of rectangles, the same on every machine, and files of them in every format."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

try:
    import pdqhash
except ImportError:  # it needs a compiler to install; `make deps` says so
    pdqhash = None

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "pdq-reference").is_dir(), reason="the reference pictures are not beside this checkout")
needs_pdqhash = pytest.mark.skipif(pdqhash is None, reason="pdqhash is not installed")


def distance(one: str | None, other: str | None) -> int:
    assert one is not None and other is not None
    return (int(one, 16) ^ int(other, 16)).bit_count()


def oracle(rgb: NDArray[np.uint8]) -> tuple[str, int]:
    """Hash and quality by the `pdqhash` package, a wrapper of the C++ reference."""
    bits, quality = pdqhash.compute(np.ascontiguousarray(rgb))
    return np.packbits(bits).tobytes().hex(), int(quality)


def rectangles(width: int, height: int, seed: int = 1, count: int = 40) -> NDArray[np.uint8]:
    """uint8[height, width, 3]: coloured rectangles on grey, placed by a linear congruential generator in integers only."""
    out = np.full((height, width, 3), 128, np.uint8)
    state = seed

    def below(limit: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % limit

    for _ in range(count):
        left, top = below(width), below(height)
        out[top : top + 1 + below(max(1, height // 2)), left : left + 1 + below(max(1, width // 2))] = [below(256) for _ in range(3)]
    return out


def file_of(picture: NDArray[np.uint8] | Image.Image, kind: str, **options: Any) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def declared_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def declared_gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
        b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\0;"
    )


def declared_webp(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def declared_jpeg(width: int, height: int) -> bytes:
    """A small JPEG with another size written into it."""
    data = bytearray(file_of(rectangles(16, 16), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()
