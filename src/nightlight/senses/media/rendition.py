"""A picture as a reviewer may be shown it: in greyscale, and blurred until they ask otherwise.

Decoding and blurring happen where decoding is allowed to go wrong, in a worker process, which answers with bare pixels. The service makes
the PNG from them, so that no byte that a hostile file chose reaches a reviewer's browser as a file.
"""

from __future__ import annotations

import struct
import zlib

from msgspec import Struct

from nightlight.senses.media.containers import PICTURES, VIDEOS, Unreadable, media_type, outside
from nightlight.senses.media.limits import MediaLimits

SIDE = 1024
"""Pixels of the longer side at most: what a screen shows beside a case."""
BLUR = 24
"""The blur's standard deviation is the longer side over this. Chosen: shapes stay, faces and details do not."""


class Rendered(Struct, frozen=True, kw_only=True):
    """Read from a process that is not trusted: checked by `checked`."""

    width: int = 0
    height: int = 0
    grey: bytes = b""
    """One byte a pixel, row by row."""
    whole: bool = False
    unreadable: str | None = None


def render(data: bytes, limits: MediaLimits, *, blurred: bool) -> Rendered:
    """Never raises, whatever the bytes."""
    try:
        return _rendered(data, limits, blurred)
    except Unreadable as error:
        return Rendered(unreadable=str(error))
    except MemoryError:
        return Rendered(unreadable="needs more memory than a decoder may take")
    except Exception:  # its message may quote the file
        return Rendered(unreadable="damaged or cut short")


def _rendered(data: bytes, limits: MediaLimits, blurred: bool) -> Rendered:
    import numpy as np
    from PIL import Image, ImageFilter

    kind = media_type(data)
    if kind not in PICTURES | VIDEOS:
        raise Unreadable("not a picture or video of a type that is decoded")
    if len(data) > (limits.max_bytes_video if kind in VIDEOS else limits.max_bytes):
        raise Unreadable("larger than what is decoded")
    whole = kind not in VIDEOS
    if kind in VIDEOS:
        from nightlight.senses.media.video import first_frame

        picture = first_frame(data, kind, limits)
    else:
        from nightlight.senses.media.decode import pictures

        views = pictures(outside(data, kind, limits), kind, limits)
        _, picture = next(views)
        # An animation's later frames are not shown, so it was not seen whole.
        whole = all(view is None or view.value != "frame" for view, _ in views)
    image = Image.fromarray(np.ascontiguousarray(picture)).convert("L")
    image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    if blurred:
        image = image.filter(ImageFilter.GaussianBlur(max(image.size) / BLUR))
    return Rendered(width=image.width, height=image.height, grey=image.tobytes(), whole=whole)


def checked(found: Rendered) -> Rendered:
    """As it was answered, or unreadable where the pixels are not what they say."""
    if found.unreadable is not None:
        return Rendered(unreadable="a decoder could not read it" if len(found.unreadable) > 100 else found.unreadable)
    if not (1 <= found.width <= SIDE and 1 <= found.height <= SIDE and len(found.grey) == found.width * found.height):
        return Rendered(unreadable="its decoder gave a senseless answer")
    return found


def png(grey: bytes, width: int, height: int) -> bytes:
    """A PNG (ISO/IEC 15948) of 8-bit grey pixels, without filters. Raises ValueError where their number is wrong."""
    if len(grey) != width * height or not grey:
        raise ValueError("width times height bytes")
    rows = b"".join(b"\0" + grey[at : at + width] for at in range(0, len(grey), width))
    parts = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in parts
    )
