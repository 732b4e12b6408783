"""How much of a picture is decoded: bounds on memory and time against files made to exhaust either."""

from __future__ import annotations

from msgspec import Struct


class MediaLimits(Struct, frozen=True, kw_only=True):
    """A file beyond any of these is not decoded; its byte hashes are computed all the same."""

    max_bytes: int = 32 * 1024 * 1024
    """Of the file."""
    max_pixels: int = 34_000_000
    """Of one frame of a PNG, GIF or WebP, as declared before decoding: an 8K screen. Decoding takes up to 16 bytes of memory a pixel."""
    max_pixels_jpeg: int = 65_000_000
    """Of a JPEG: a telephone's 64 megapixels. Decoded at a fraction of the size, it takes up to 7 bytes of memory a pixel."""
    max_side: int = 65_535
    """Pixels. JPEG and GIF cannot go beyond; PNG can declare two thousand million."""
    max_parts: int = 65_536
    """Chunks, segments or blocks of one file. Real files have some thousands at most; more only burns time."""
    max_scans: int = 100
    """Passes of a progressive JPEG, each of which costs a walk over the whole picture. Encoders write about ten."""
    frames: int = 4
    """Of an animation, spread evenly over what `animation_pixels` reaches: the first frame may be there to hide the others."""
    animation_pixels: int = 20_000_000
    """Of all frames together that are decoded to reach later ones."""

    max_bytes_video: int = 256 * 1024 * 1024
    """Of a video's file, which waits in memory while it is decoded."""
    video_s: float = 240.0
    """Processor time for one video. At eight times real time it is half an hour of 1080p; what was seen until then counts."""
    video_frames: int = 480
    """Different frames of one video that are searched, spread evenly where it has more."""


DEFAULT_LIMITS = MediaLimits()
