"""Turns a picture's bytes into RGB pixels as a viewer would see them, with pillow.

The decoders are called by name, so no other codec of pillow can be reached, and none of pillow's global settings is relied on: sizes
were checked by `containers` before.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from nightlight.core.fingerprint import Variant
from nightlight.senses.media.containers import AVIF, BMP, GIF, HEIC, JPEG, PNG, TIFF, WEBP, Outside, Unreadable, tiff_orientation
from nightlight.senses.media.limits import MediaLimits

# Of damaged files; they would be printed by whoever runs us.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

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
    BMP: BmpImagePlugin.BmpImageFile,
    TIFF: TiffImagePlugin.TiffImageFile,
    AVIF: AvifImagePlugin.AvifImageFile,
}
_OF_SEVERAL = frozenset((GIF, TIFF, AVIF, HEIC))
"""Types whose declared size is the largest of all their frames, pages or tiles, and may be turned."""
AvifImagePlugin.DEFAULT_MAX_THREADS = 1

try:
    import pillow_heif
except ImportError:
    pass
else:
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    _DECODERS[HEIC] = pillow_heif.HeifImageFile


def pictures(found: Outside, kind: str, limits: MediaLimits) -> Iterator[tuple[Variant | None, Picture]]:
    """What a viewer may see of the file: first as it is shown, upright and on white.

    Then the views that other hashers and viewers make of it: on black where it is transparent, as stored where metadata turns it,
    and further frames of an animation or pages. Raises Unreadable, and whatever pillow raises on damaged bytes.
    """
    if kind not in _DECODERS:
        raise Unreadable("HEIC pictures are decoded only where the package pillow-heif is installed")
    with _DECODERS[kind](io.BytesIO(found.body)) as image:
        if image.size != (found.width, found.height) and not (kind in _OF_SEVERAL and _within(image, found)):
            raise Unreadable("declares two different sizes")
        if kind == JPEG:
            image.draft("RGB", (JPEG_SIDE, JPEG_SIDE))
        orientation = _left_to_turn(image, kind, found)
        image.load()
        stored, transparent = flatten(image, WHITE)
        yield None, upright(stored, orientation)
        if transparent:
            yield Variant.ON_BLACK, upright(flatten(image, BLACK)[0], orientation)
            yield Variant.OPAQUE, upright(flatten(_opaque(image), WHITE)[0], orientation)
        if orientation != 1:
            yield Variant.AS_STORED, stored
        if kind != JPEG:
            for _ in _later_frames(image, limits):
                yield Variant.FRAME, upright(flatten(image, WHITE)[0], orientation)


def _opaque(image: Image.Image) -> Image.Image:
    bare = image.convert("RGBA")
    bare.putalpha(255)
    return bare


def _left_to_turn(image: ImageFile.ImageFile, kind: str, found: Outside) -> int:
    if kind == AVIF:  # its own turning, of which pillow makes an orientation
        return tiff_orientation(bytes(image.info.get("exif", b"")).removeprefix(b"Exif\0\0"))
    return 1 if kind in (TIFF, HEIC) else found.orientation  # these decoders turn by themselves


def _within(image: Image.Image, found: Outside) -> bool:
    # At its first frame pillow has not met the others.
    least, most = sorted(image.size)
    return (least, most) <= tuple(sorted((found.width, found.height))) and most <= max(found.width, found.height)


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
    highest = _highest(image)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(height, top + rows)))
        if has_alpha:
            strip = strip.convert("RGBA")
            if np.asarray(strip.getchannel("A")).min() < 255:
                transparent = True
                under = Image.new("RGB", strip.size, (background, background, background))
                under.paste(strip, mask=strip)
                strip = under
        if strip.mode.startswith("I") or strip.mode == "F":  # pillow would cut off what exceeds 8 bits instead of scaling it
            out[top : top + rows] = _eight_bits(strip, highest)[..., np.newaxis]
        elif strip.mode == "LAB":
            out[top : top + rows] = np.asarray(ImageCms.applyTransform(strip, _FROM_LAB))
        else:
            out[top : top + rows] = np.asarray(strip.convert("RGB"))
    return out, transparent


_FROM_LAB = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _highest(image: Image.Image) -> float:
    """What white is in a picture of more than 8 bits a sample: files do not always say how many they use."""
    if not image.mode.startswith("I") and image.mode != "F":
        return 255.0
    top = float(np.nan_to_num(np.asarray(image)).max(initial=0))
    if image.mode == "F":
        return next((limit for limit in (1.0, 255.0, 65_535.0) if top <= limit), top)
    return 65_535.0 if top <= 65_535 else top


def _eight_bits(strip: Image.Image, highest: float) -> NDArray[np.uint8]:
    samples = np.nan_to_num(np.asarray(strip).astype(np.float64))
    return np.asarray(np.clip(samples * (255.0 / highest) + 0.5, 0, 255), dtype=np.uint8)


def upright(picture: Picture, orientation: int) -> Picture:
    """Turn and mirror as EXIF's orientation asks (CIPA DC-008, tag 274)."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return picture
