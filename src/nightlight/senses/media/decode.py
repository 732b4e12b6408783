"""Turns a picture's bytes into RGB pixels as a viewer would see them, with pillow.

The four decoders are called by name, so no other codec of pillow can be reached, and none of pillow's global settings is relied on:
sizes were checked by `containers` before.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from nightlight.senses.media.containers import GIF, JPEG, PNG, WEBP, Outside, Unreadable
from nightlight.senses.media.limits import MediaLimits

Picture = NDArray[np.uint8]
"""uint8[height, width, 3], RGB."""

JPEG_SIDE = 512
"""JPEGs are decoded at the smallest of 1, 1/2, 1/4 and 1/8 of their size that leaves both sides this long: five times faster at
12 megapixels, and the hash stays within 8 bits of the full size's."""
STRIP = 1 << 20
"""Pixels converted at a time, so that converting takes no second copy of the whole picture."""

WHITE, BLACK = 255, 0

_DECODERS: dict[str, type[ImageFile.ImageFile]] = {
    JPEG: JpegImagePlugin.JpegImageFile,
    PNG: PngImagePlugin.PngImageFile,
    GIF: GifImagePlugin.GifImageFile,
    WEBP: WebPImagePlugin.WebPImageFile,
}


def pictures(found: Outside, kind: str, limits: MediaLimits) -> Iterator[Picture]:
    """What a viewer may see of the file: first as it is shown, upright and on white.

    Then the variants that other hashers and viewers make of it: on black where it is transparent, as stored where metadata turns it,
    and further frames of an animation. Raises Unreadable, and whatever pillow raises on damaged bytes.
    """
    with _DECODERS[kind](io.BytesIO(found.body)) as image:
        if image.size != (found.width, found.height) and not (kind == GIF and _within(image, found)):
            raise Unreadable("declares two different sizes")
        if kind == JPEG:
            image.draft("RGB", (JPEG_SIDE, JPEG_SIDE))
        image.load()
        stored, transparent = flatten(image, WHITE)
        yield upright(stored, found.orientation)
        if transparent:
            yield upright(flatten(image, BLACK)[0], found.orientation)
        if found.orientation != 1:
            yield stored
        if kind != JPEG:
            for _ in _later_frames(image, limits):
                yield upright(flatten(image, WHITE)[0], found.orientation)


def _within(image: Image.Image, found: Outside) -> bool:
    # The declared size of a GIF is the largest of all its frames; at the first one pillow has not met the others.
    return image.width <= found.width and image.height <= found.height


def _later_frames(image: ImageFile.ImageFile, limits: MediaLimits) -> Iterator[int]:
    """Moves the image through some later frames. Stops where the animation is damaged: what came before was shown."""
    reach = max(1, limits.animation_pixels // (image.width * image.height))
    last = min(getattr(image, "n_frames", 1), reach) - 1
    wanted = sorted({round(last * k / (limits.frames - 1)) for k in range(1, limits.frames)} - {0}) if limits.frames > 1 else []
    try:
        for frame in wanted:
            image.seek(frame)
            image.load()
            yield frame
    except (OSError, SyntaxError, ValueError, EOFError):
        return


def flatten(image: Image.Image, background: int) -> tuple[Picture, bool]:
    """RGB pixels of any mode, transparent ones laid over a grey level; and whether any were transparent."""
    width, height = image.size
    out = np.empty((height, width, 3), np.uint8)
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or (image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info)
    transparent = False
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(height, top + rows)))
        if has_alpha:
            strip = strip.convert("RGBA")
            if np.asarray(strip.getchannel("A")).min() < 255:
                transparent = True
                under = Image.new("RGB", strip.size, (background, background, background))
                under.paste(strip, mask=strip)
                strip = under
        if strip.mode.startswith("I"):  # 16 bits a sample: pillow would cut off what exceeds 8 instead of scaling it
            grey = (np.clip(np.asarray(strip), 0, 65_535) >> 8).astype(np.uint8)
            out[top : top + rows] = grey[..., np.newaxis]
        else:
            out[top : top + rows] = np.asarray(strip.convert("RGB"))
    return out, transparent


def upright(picture: Picture, orientation: int) -> Picture:
    """Turn and mirror as EXIF's orientation asks (CIPA DC-008, tag 274)."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture


def squashed(picture: Picture) -> Picture | None:
    """512x512 by nearest neighbour, as the C++ reference does before it hashes; None where it would not."""
    height, width = picture.shape[:2]
    if max(height, width) <= 512:
        return None
    rows, columns = (np.arange(512) * height) // 512, (np.arange(512) * width) // 512
    small: Picture = picture[rows][:, columns]
    return small
