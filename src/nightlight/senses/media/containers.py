"""Reads the outside of a picture file: its type, declared size and orientation, without decoding a pixel.

Nothing is believed that the decoder would only find out by allocating memory. What the decoder does not need (metadata, embedded
previews, comments) is left out of the bytes it is given: metadata parsers are where hostile files do most of their harm. An EXIF block
of some megabytes could ask pillow's for terabytes until its later releases.
"""

from __future__ import annotations

from msgspec import Struct

from nightlight.senses.media.limits import MediaLimits

JPEG, PNG, GIF, WEBP = "image/jpeg", "image/png", "image/gif", "image/webp"
BMP, TIFF, AVIF, HEIC = "image/bmp", "image/tiff", "image/avif", "image/heic"
MP4, MOV, WEBM, MKV = "video/mp4", "video/quicktime", "video/webm", "video/x-matroska"

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"GIF87a", GIF),
    (0, b"GIF89a", GIF),
    (8, b"WEBP", WEBP),
    (0, b"BM", BMP),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (0, b"II+\0", TIFF),
    (0, b"MM\0+", TIFF),
    # QuickTime files from before files named their type.
    *((4, box, MOV) for box in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),
    # Known but not decoded: named, so that the caller learns what was sent.
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
)
_STILL = {b"avif": AVIF, b"avis": AVIF} | dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), HEIC)
"""Brands of ISO base media files that hold pictures (ISO/IEC 23008-12; AV1 Image File Format)."""


class Unreadable(Exception):
    """Why a picture is not decoded, in words that carry nothing of the file."""


class Outside(Struct, frozen=True, kw_only=True):
    """What a file says of itself. `body`: the bytes that the decoder gets."""

    width: int
    height: int
    body: bytes
    orientation: int = 1
    """As in EXIF: 1 upright, up to 8."""


def media_type(data: bytes) -> str | None:
    """The type that the first bytes show, never a name; None where they show none that we know."""
    if data[4:8] == b"ftyp":
        return _brand(data)
    if data[:4] == b"\x1aE\xdf\xa3":
        return WEBM if b"webm" in data[:64] else MKV
    for offset, magic, name in _MAGIC:
        if data[offset : offset + len(magic)] == magic and (name != WEBP or data[:4] == b"RIFF"):
            return name
    return None


def _brand(data: bytes) -> str:
    end = min(len(data), int.from_bytes(data[:4], "big"), 512)
    major, others = data[8:12], [data[at : at + 4] for at in range(16, end - 3, 4)]
    if major in _STILL:
        return _STILL[major]
    if major in (b"mif1", b"msf1", b"miaf"):  # "a picture": which one, the other brands say
        return next((_STILL[brand] for brand in others if brand in _STILL), HEIC)
    return MOV if major == b"qt  " else MP4


def is_video(kind: str | None) -> bool:
    return kind is not None and kind.startswith("video/")


def outside(data: bytes, kind: str, limits: MediaLimits) -> Outside:
    """Walk the file's own structure. Raises Unreadable where it is cut short, malformed or beyond a limit."""
    try:
        found = _WALKERS[kind](data, limits)
    except IndexError:
        raise Unreadable("the file ends too early") from None
    if found.width == 0 or found.height == 0:
        raise Unreadable("the picture has no size")
    most = limits.max_pixels_jpeg if kind == JPEG else limits.max_pixels
    if max(found.width, found.height) > limits.max_side or found.width * found.height > most:
        raise Unreadable(f"declares {found.width} x {found.height} pixels, more than is decoded")
    return found


def _number(data: bytes, at: int, size: int, order: str = "big") -> int:
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "little" if order == "little" else "big")


def _jpeg(data: bytes, limits: MediaLimits) -> Outside:
    at, parts, width, height, orientation = 2, 0, 0, 0, 1
    kept = [data[:2]]
    while True:
        if data[at] != 0xFF:
            raise Unreadable("a damaged JPEG: something stands between its segments")
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        parts += 1
        if parts > limits.max_parts:
            raise Unreadable("made of more parts than any real picture")
        if marker == 0xDA:  # the pixels begin
            break
        if marker in (0x01, *range(0xD0, 0xDA)):
            raise Unreadable("a damaged JPEG: its pixels are missing")
        end = at + 2 + _number(data, at + 2, 2)
        if end < at + 4 or end > len(data):
            raise IndexError
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = max(height, _number(data, at + 5, 2)), max(width, _number(data, at + 7, 2))
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0" and orientation == 1:
            orientation = tiff_orientation(data[at + 10 : end])
        # JFIF and Adobe segments say how colours are stored; the other application segments and comments are not for a decoder.
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in (0xE0, 0xEE):
            kept.append(data[at:end])
        at = end
    if data.count(b"\xff\xda", at) > limits.max_scans:
        raise Unreadable("made of more passes than any real picture")
    kept.append(data[at:])
    return Outside(width=width, height=height, orientation=orientation, body=b"".join(kept))


_PNG_KEPT = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"))


def _png(data: bytes, limits: MediaLimits) -> Outside:
    if data[12:16] != b"IHDR":
        raise Unreadable("a damaged PNG: it does not begin with its header")
    width, height, orientation = _number(data, 16, 4), _number(data, 20, 4), 1
    at, parts, kept = 8, 0, [data[:8]]
    while at < len(data):  # a missing end is the decoder's to judge: it may have had all the pixels
        parts += 1
        if parts > limits.max_parts:
            raise Unreadable("made of more parts than any real picture")
        name, end = data[at + 4 : at + 8], at + 12 + _number(data, at, 4)
        if name in _PNG_KEPT:
            kept.append(data[at:end])
        elif name == b"eXIf":
            orientation = tiff_orientation(data[at + 8 : end - 4])
        if name == b"IEND":
            break
        at = end
    return Outside(width=width, height=height, orientation=orientation, body=b"".join(kept))


def _gif(data: bytes, limits: MediaLimits) -> Outside:
    width, height = _number(data, 6, 2, "little"), _number(data, 8, 2, "little")
    at, parts, frames = 13, 0, 0
    if data[10] & 0x80:
        at += 3 << ((data[10] & 7) + 1)
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x21:  # an extension
            at += 2
        elif data[at] == 0x2C:  # a frame; it may reach beyond the screen, and decoders then enlarge the picture
            frames += 1
            width = max(width, _number(data, at + 1, 2, "little") + _number(data, at + 5, 2, "little"))
            height = max(height, _number(data, at + 3, 2, "little") + _number(data, at + 7, 2, "little"))
            flags = data[at + 9]
            at += 11 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            break  # decoders stop here too
        while at < len(data) and data[at]:
            at += 1 + data[at]
            parts += 1
            if parts > 16 * limits.max_parts:  # a block holds 255 bytes at most, so there are many
                raise Unreadable("made of more parts than any real picture")
        at += 1
    if not frames:
        raise Unreadable("holds no picture")
    return Outside(width=width, height=height, body=data)


def _webp(data: bytes, limits: MediaLimits) -> Outside:
    width = height = 0
    orientation = 1
    at, parts = 12, 0
    while at + 8 <= len(data):
        parts += 1
        if parts > limits.max_parts:
            raise Unreadable("made of more parts than any real picture")
        name, size, body = data[at : at + 4], _number(data, at + 4, 4, "little"), at + 8
        if name == b"VP8X":
            sides = _number(data, body + 4, 3, "little") + 1, _number(data, body + 7, 3, "little") + 1
        elif name == b"VP8 ":
            sides = _number(data, body + 6, 2, "little") & 0x3FFF, _number(data, body + 8, 2, "little") & 0x3FFF
        elif name == b"VP8L":
            bits = _number(data, body + 1, 4, "little")
            sides = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        else:
            sides = 0, 0
            if name == b"EXIF":
                orientation = tiff_orientation(data[body : body + size].removeprefix(b"Exif\0\0"))
        width, height = max(width, sides[0]), max(height, sides[1])
        at = body + size + (size & 1)
    return Outside(width=width, height=height, orientation=orientation, body=data)


def _bmp(data: bytes, limits: MediaLimits) -> Outside:
    if _number(data, 14, 4, "little") == 12:  # the header of OS/2
        width, height = _number(data, 18, 2, "little"), _number(data, 20, 2, "little")
    else:
        width, height = _signed(_number(data, 18, 4, "little")), _signed(_number(data, 22, 4, "little"))
    if width < 0:
        raise Unreadable("a damaged BMP: a negative width")
    return Outside(width=width, height=abs(height), body=data)  # negative where it is stored from the top


def _signed(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number


def _tiff(data: bytes, limits: MediaLimits) -> Outside:
    """The largest page and the first one's orientation. What a page needs cannot be told from what it does not, so all of it is kept."""
    order = "little" if data[:2] == b"II" else "big"
    big = data[2:4] in (b"+\0", b"\0+")
    count_size, entry_size, word = (8, 20, 8) if big else (2, 12, 4)
    table, seen, width, height, orientation = _number(data, 8 if big else 4, word, order), set[int](), 0, 0, 1
    while table and table not in seen:
        seen.add(table)
        count = _number(data, table, count_size, order)
        if len(seen) * count > limits.max_parts:
            raise Unreadable("made of more parts than any real picture")
        for entry in range(count):
            at = table + count_size + entry_size * entry
            tag, short = _number(data, at, 2, order), _number(data, at + 2, 2, order) == 3
            if tag not in (0x0100, 0x0101, 0x0112):
                continue
            value = _number(data, at + (12 if big else 8), 2 if short else 4, order)
            if tag == 0x0112:
                orientation = value if len(seen) == 1 and 1 <= value <= 8 else orientation
            elif tag == 0x0100:
                width = max(width, value)
            else:
                height = max(height, value)
        table = _number(data, table + count_size + entry_size * count, word, order)
    return Outside(width=width, height=height, orientation=orientation, body=data)


def _avif(data: bytes, limits: MediaLimits) -> Outside:
    """The largest of the sizes (`ispe`) that its items declare; how it is turned, the decoder tells."""
    width = height = parts = 0
    ends: list[tuple[int, int]] = [(0, len(data))]
    while ends:
        at, end = ends.pop()
        while at + 8 <= end:
            parts += 1
            if parts > limits.max_parts:
                raise Unreadable("made of more parts than any real picture")
            size, name, body = _number(data, at, 4), data[at + 4 : at + 8], at + 8
            if size == 1:
                size, body = _number(data, at + 8, 8), at + 16
            last = min(end, at + size) if size else end
            if last < body:
                raise Unreadable("a damaged picture: a box smaller than its own header")
            if name in (b"meta", b"iprp", b"ipco"):
                ends.append((body + 4 if name == b"meta" else body, last))
            elif name == b"ispe":
                width, height = max(width, _number(data, body + 4, 4)), max(height, _number(data, body + 8, 4))
            at = last
    return Outside(width=width, height=height, body=data)


_WALKERS = {JPEG: _jpeg, PNG: _png, GIF: _gif, WEBP: _webp, BMP: _bmp, TIFF: _tiff, AVIF: _avif, HEIC: _avif}
PICTURES = frozenset(_WALKERS)
"""The types of picture that are decoded; HEIC where the package pillow-heif is installed."""
VIDEOS = frozenset((MP4, MOV, WEBM, MKV))


def tiff_orientation(block: bytes) -> int:
    """The orientation in an EXIF block, 1 to 8; 1 where it says none or is damaged, as viewers do."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(block[:4])
    if order is None:
        return 1
    try:
        table = _number(block, 4, 4, order)
        for entry in range(_number(block, table, 2, order)):
            at = table + 2 + 12 * entry
            if _number(block, at, 2, order) == 0x0112:
                value = _number(block, at + 8, 2, order)
                return value if 1 <= value <= 8 else 1
    except IndexError:
        pass
    return 1
