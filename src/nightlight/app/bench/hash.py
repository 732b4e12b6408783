"""`nightlight bench hash`: how fast pictures and videos are hashed, and what the peer takes for the same files in the same run.

The peer is python-threatexchange's `PdqSignal.hash_from_bytes`, which HMA hashes with. Times are processor time on one core.
"""

from __future__ import annotations

import io
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import av
import numpy as np
from msgspec import Struct
from PIL import Image

from nightlight.app.bench.peer import peer_pdq
from nightlight.app.bench.pictures import encoded, invented
from nightlight.senses.media import screen_bytes, warm_up
from nightlight.senses.media.look import pdq_of
from nightlight.senses.media.pdq import pdq

SIZES = {"12mp": (4000, 3000), "1mp": (1152, 868)}
VIDEO = (1920, 1080)
RATE = 30
KEYFRAME_S = 2


class Result(Struct, frozen=True, kw_only=True):
    ratio_12mp: float | None
    """The peer's time / ours for one variant of a JPEG of 12 megapixels; None where the peer is not installed (`make peers`)."""
    ratio_1mp: float | None
    ms_12mp: float
    ms_1mp: float
    peer_ms_12mp: float | None
    peer_ms_1mp: float | None
    max_bits: int
    """From the hash of the same file decoded at full size, over all files."""
    screen_ms_1mp: float
    """Everything a lookup asks of a file: byte hashes, both preprocessings, and the views."""
    video_ratio: float
    """Seconds of 1080p H.264 at 30 frames a second, with a keyframe every 2 s, that are hashed in a second."""
    video_max_gap_s: float
    video_s: float
    files: int
    machine: str
    date: str


def run(files: int = 6, repeats: int = 5, video_s: int = 12, progress: Callable[[str], None] = lambda _: None) -> Result:
    """Medians over `files` invented pictures of each size, each hashed `repeats` times by turns."""
    warm_up()
    theirs = peer_pdq()
    ours: dict[str, float] = {}
    peers: dict[str, float] = {}
    bits = 0
    small: list[bytes] = []
    for name, (width, height) in SIZES.items():
        progress(f"pictures of {width}x{height}")
        made = [encoded(invented(width, height, seed)) for seed in range(files)]
        small = made
        ours[name], other = _by_turns(made, repeats, pdq_of, theirs)
        if other is not None:
            peers[name] = other
        bits = max(bits, *(_distance(data) for data in made))
    screen_ms, _ = _by_turns(small, repeats, lambda data: screen_bytes(data, thorough=True), None)
    progress("video")
    data = filmed(video_s)
    start = time.process_time()
    watched = screen_bytes(data)
    took = time.process_time() - start
    if watched.unreadable or not watched.frames:
        raise RuntimeError(f"the video could not be watched: {watched.unreadable}")
    seconds = [frame[3] for frame in watched.frames]
    return Result(
        ratio_12mp=peers["12mp"] / ours["12mp"] if peers else None,
        ratio_1mp=peers["1mp"] / ours["1mp"] if peers else None,
        ms_12mp=ours["12mp"],
        ms_1mp=ours["1mp"],
        peer_ms_12mp=peers.get("12mp"),
        peer_ms_1mp=peers.get("1mp"),
        max_bits=bits,
        screen_ms_1mp=screen_ms,
        video_ratio=video_s / took,
        video_max_gap_s=max([b - a for a, b in pairwise([*seconds, video_s - 1 / RATE])]),
        video_s=video_s,
        files=files,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        date=datetime.now(UTC).date().isoformat(),
    )


def _by_turns(
    files: list[bytes], repeats: int, ours: Callable[[bytes], object], theirs: Callable[[bytes], object] | None
) -> tuple[float, float | None]:
    """Median milliseconds of each. By turns, so that whatever else the machine does strikes both."""
    times: tuple[list[float], list[float]] = [], []
    for data in files:
        for _ in range(repeats):
            for hasher, into in zip((ours, theirs), times, strict=True):
                if hasher is not None:
                    start = time.process_time()
                    hasher(data)
                    into.append((time.process_time() - start) * 1000)
    return statistics.median(times[0]), statistics.median(times[1]) if times[1] else None


def _distance(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as image:
        full = pdq(np.asarray(image.convert("RGB")))
    reduced = pdq_of(data)
    if full is None or reduced is None:
        raise RuntimeError("a picture has no hash")
    return (int(full[0], 16) ^ int(reduced[0], 16)).bit_count()


def filmed(seconds: int) -> bytes:
    """H.264 in MP4, as an encoder writes it by default but for the distance of its keyframes: a camera moving over a large picture."""
    width, height = VIDEO
    ground = np.asarray(invented(width + 640, height + 360, 7))
    into = io.BytesIO()
    every = str(RATE * KEYFRAME_S)
    with av.open(into, "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=RATE, options={"g": every, "keyint_min": every, "sc_threshold": "0", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * RATE):
            x, y = int(320 + 310 * np.sin(number / 40)), int(180 + 170 * np.cos(number / 55))
            frame = np.ascontiguousarray(ground[y : y + height, x : x + width])
            made.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        made.mux(stream.encode(None))
    return into.getvalue()
