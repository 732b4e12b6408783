"""Videos: which frames to look at, and how to get at them without decoding the rest. With PyAV, which carries FFmpeg's libraries.

After vPDQ (Meta, ThreatExchange): a video is the PDQ hashes of its frames. Looked at are all keyframes, the last frame, and as many
between as leave no gap over a second; frames where the scene changes, as far as they had to be decoded anyway. A first walk over the
packets, which decodes nothing, finds where those are; the second decodes from each keyframe to the last frame wanted after it, leaving
out what no other frame refers to, and skips the rest. Where a gap is left all the same (frames that need those before their keyframe,
damage), everything around it is decoded; what is missing even then is told.
"""

from __future__ import annotations

import io
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av.codec.context import ThreadType
from av.video.reformatter import Interpolation
from msgspec import Struct
from numpy.typing import NDArray

from nightlight.senses.media.containers import MKV, MOV, MP4, WEBM, Unreadable
from nightlight.senses.media.limits import MediaLimits
from nightlight.senses.media.pdq import pdq

MAX_GAP_S = 1
"""Between two frames that are looked at, where the video has frames in between."""
HASHED_SIDE = 1920
"""Pixels of the longer side at which frames are hashed. vPDQ hashes them whole; at 512 the hash is up to 30 bits from its lists."""
SCENE = 24.0
"""Mean change of the luma since the frame looked at last, in grey levels, that is another scene: motion alone seldom reaches half."""
COARSE = 24
"""Every so many pixels are compared for that."""

_DEMUXERS = {MP4: "mov", MOV: "mov", WEBM: "matroska", MKV: "matroska"}
_CODECS = frozenset(
    ("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores", "h263", "theora")
)
"""What videos are made of; FFmpeg has hundreds of other decoders, and none of those is reached."""

av.logging.set_level(av.logging.PANIC)  # its messages may quote the file


class Seen(Struct, frozen=True, array_like=True):
    """One frame that was looked at."""

    frame: int
    """From 0, in order of showing."""
    quality: int
    pdq: str
    seconds: float


class Watched(Struct, frozen=True, kw_only=True):
    frames: tuple[Seen, ...]
    width: int
    height: int
    left_out: str | None
    """Why not the whole video was seen."""


class Shot(Struct, frozen=True):
    """A keyframe and what follows until the next one. Times are in ticks of the stream."""

    key: int
    wanted: frozenset[int]
    """Of frames after the keyframe."""


def watch(data: bytes, kind: str, limits: MediaLimits) -> Watched:
    """Raises Unreadable, and whatever PyAV raises on damaged bytes."""
    with _opened(data, kind) as container:
        stream = _stream(container, limits)
        tracks = len(_tracks(container))
        base = Fraction(stream.time_base or 1)
        shown, keys, last = _index(container, stream)
    if not shown or not keys:
        raise Unreadable("the video has no frames")
    shots = plan(shown, keys, last, max(1, int(MAX_GAP_S / base)))
    until = time.thread_time() + limits.video_s
    found: dict[int, tuple[str, int]] = {}
    width = height = 0

    def look(pictures: Iterator[tuple[Any, NDArray[np.uint8]]]) -> None:
        nonlocal width, height
        for frame, picture in pictures:
            width, height = (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)
            hashed = pdq(picture)
            if hashed is not None and frame.pts is not None:
                found[frame.pts] = hashed
            if time.thread_time() > until:
                break

    with _opened(data, kind) as container:
        look(_decoded(container, _stream(container, limits), shots))
    gap = max(1, int(MAX_GAP_S / base))
    if (left := gaps(shown, sorted(found), gap)) and time.thread_time() <= until:
        with _opened(data, kind) as container:
            parts = _parts(container, _stream(container, limits), keys, left)
        with _opened(data, kind) as container:
            look(_filled(container, _stream(container, limits), parts, left, gap))
    if not found:
        raise Unreadable("none of the video's frames could be decoded")
    start = shown[0]
    frames = (
        Seen(bisect_left(shown, pts), quality, value, round(float((pts - start) * base), 3))
        for pts, (value, quality) in sorted(found.items())
    )
    why = _left_out(gaps(shown, sorted(found), gap), shown, base)
    if tracks > 1:  # a player may show another one than the first
        others = f"only the first of {tracks} video tracks was looked at"
        why = others if why is None else f"{why}; {others}"
    return Watched(frames=tuple(frames), width=width, height=height, left_out=why)


def first_frame(data: bytes, kind: str, limits: MediaLimits) -> NDArray[np.uint8]:
    """The first frame that can be decoded, upright RGB. Raises as `watch`."""
    with _opened(data, kind) as container:
        stream = _stream(container, limits)
        shown, keys, last = _index(container, stream)
        base = Fraction(stream.time_base or 1)
    if not shown or not keys:
        raise Unreadable("the video has no frames")
    with _opened(data, kind) as container:
        for _, picture in _decoded(container, _stream(container, limits), plan(shown, keys, last, max(1, int(MAX_GAP_S / base)))):
            return picture
    raise Unreadable("none of the video's frames could be decoded")


def gaps(shown: list[int], seen: list[int], gap: int) -> list[tuple[int, int]]:
    """Where more than `gap` ticks lie between two frames that were looked at, though the video has frames between: those two times.

    One tick before the first frame and after the last where the beginning or the end was not seen.
    """
    if not seen:
        return [(shown[0] - 1, shown[-1] + 1)]
    out = [(shown[0] - 1, seen[0])] if seen[0] - shown[0] > gap else []
    out += [(a, b) for a, b in pairwise(seen) if b - a > gap and bisect_left(shown, b) - bisect_right(shown, a) > 0]
    return [*out, (seen[-1], shown[-1] + 1)] if shown[-1] - seen[-1] > gap else out


def _left_out(left: list[tuple[int, int]], shown: list[int], base: Fraction) -> str | None:
    if not left:
        return None
    start, last = shown[0], shown[-1]
    whole = float((last - start) * base)
    if len(left) == 1 and left[0][1] > last:
        return f"only the first {max(0.0, float((left[0][0] - start) * base)):.0f} of {whole:.0f} seconds could be decoded"
    lost = sum(min(b, last) - max(a, start) for a, b in left)
    return f"{float(lost * base):.0f} of {whole:.0f} seconds could not be decoded"


def plan(shown: list[int], keys: list[int], end: int, gap: int) -> list[Shot]:
    """What to look at: keyframes, the last frame, and so many others that no two in turn are more than `gap` ticks apart where the video
    has frames between.

    `shown` and `keys` are times in rising order; every key is shown; `end` is that of the last frame.
    """
    out = []
    for place, key in enumerate(keys):
        is_last = place + 1 == len(keys)
        stop = end if is_last else keys[place + 1]
        between = shown[bisect_right(shown, key) : len(shown) if is_last else bisect_left(shown, stop)]
        wanted = _spread(key, between, stop, gap) if stop - key > gap else []
        out.append(Shot(key, frozenset([*wanted, end] if is_last and end != key else wanted)))
    return out


def _spread(key: int, between: list[int], stop: int, gap: int) -> list[int]:
    """As few as will do, evenly: then the last of them, up to which all must be decoded, is as early as can be."""
    greedy: list[int] = []
    here = key
    while stop - here > gap:
        reach = bisect_right(between, here + gap) - 1
        step = between[reach] if reach >= 0 and between[reach] > here else next((t for t in between if t > here), None)
        if step is None:
            break
        greedy.append(step)
        here = step
    parts = len(greedy) + 1
    even = sorted({_nearest(between, key + (stop - key) * part // parts) for part in range(1, parts)}) if between else []
    fits = all(b - a <= gap for a, b in pairwise([key, *even, stop]))
    return even if fits else greedy


def _nearest(times: list[int], wanted: int) -> int:
    at = bisect_left(times, wanted)
    return min(times[max(0, at - 1) : at + 1], key=lambda t: abs(t - wanted))


def _opened(data: bytes, kind: str) -> Any:
    # The format is given, so none that refers to other files or addresses is ever chosen.
    return av.open(io.BytesIO(data), format=_DEMUXERS[kind], metadata_errors="ignore")


def _tracks(container: Any) -> list[Any]:
    return [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]


def _stream(container: Any, limits: MediaLimits) -> Any:
    stream = next(iter(_tracks(container)), None)
    if stream is None:
        raise Unreadable("holds no video")
    context = stream.codec_context
    if context is None or context.name not in _CODECS:
        raise Unreadable("its video is in a format that is not decoded")
    if context.width * context.height > limits.max_pixels:
        raise Unreadable(f"declares {context.width} x {context.height} pixels, more than is decoded")
    context.options = {"max_pixels": str(limits.max_pixels)}  # a stream may change its size on the way
    context.thread_type, context.thread_count = ThreadType.NONE, 1
    return stream


def _index(container: Any, stream: Any) -> tuple[list[int], list[int], int]:
    """Times of all frames that are shown and of the keyframes, in order, and of the last frame."""
    shown, keys = set[int](), set[int]()
    try:
        for packet in container.demux(stream):
            if packet.pts is not None and not packet.is_discard:
                shown.add(packet.pts)
                if packet.is_keyframe:
                    keys.add(packet.pts)
    except av.FFmpegError:
        pass  # cut short: what came before is there
    return sorted(shown), sorted(keys), max(shown, default=0)


def _decoded(container: Any, stream: Any, shots: list[Shot]) -> Iterator[tuple[Any, NDArray[np.uint8]]]:
    """The planned frames, and those where the scene changes among what had to be decoded anyway."""
    context = stream.codec_context
    of_key = {shot.key: shot for shot in shots}
    shot, left = Shot(0, frozenset()), set[int]()
    coarse: NDArray[np.int16] | None = None

    def wanted(frames: list[Any]) -> Iterator[tuple[Any, NDArray[np.uint8]]]:
        nonlocal coarse
        for frame in frames:
            now = _coarse(frame)
            changed = coarse is not None and now is not None and coarse.shape == now.shape and np.abs(now - coarse).mean() > SCENE
            if frame.pts == shot.key or frame.pts in shot.wanted or changed:
                coarse = now
                yield frame, _rgb(frame)

    for packet in _packets(container, stream):
        if packet.pts in of_key and packet.is_keyframe:
            yield from wanted(_drained(context))
            shot = of_key[packet.pts]
            left = {shot.key, *shot.wanted}
        if not left:
            continue
        context.skip_frame = "DEFAULT" if packet.pts in left else "NONREF"
        left.discard(packet.pts)
        try:
            frames = context.decode(packet)
        except av.FFmpegError:  # a damaged frame: the others may be whole
            continue
        yield from wanted(frames)
        if not left:  # the frames still held back are shown before the next keyframe, so they are wanted now
            yield from wanted(_drained(context))
    yield from wanted(_drained(context))


def _parts(container: Any, stream: Any, keys: list[int], left: list[tuple[int, int]]) -> list[range]:
    """Which packets, counted from 0 as they lie in the file, to decode for what is left: from the keyframe before to its last frame.

    A frame may lie behind the next keyframe though it is shown before it, and need what came before that keyframe (an open group of
    pictures); or its video begins between two keyframes, cut so by an editor.
    """
    begins = dict.fromkeys(keys, 0)
    ends = [0] * len(left)
    starts = [a for a, _ in left]
    for number, packet in enumerate(_packets(container, stream)):
        if packet.pts is None:
            continue
        if packet.is_keyframe and packet.pts in begins:
            begins[packet.pts] = number
        place = max(0, bisect_right(starts, packet.pts) - 1)
        if starts[place] <= packet.pts <= left[place][1]:
            ends[place] = number
    parts: list[range] = []
    for (a, _), end in zip(left, ends, strict=True):
        before = bisect_right(keys, a)
        first = begins[keys[before - 1]] if before else 0
        if parts and first <= parts[-1].stop:
            first = parts.pop().start
        parts.append(range(first, end + 1))
    return parts


def _filled(
    container: Any, stream: Any, parts: list[range], left: list[tuple[int, int]], gap: int
) -> Iterator[tuple[Any, NDArray[np.uint8]]]:
    """Frames in the gaps that are left, at most `gap` apart, from decoding every frame of those parts."""
    context = stream.codec_context
    starts = [a for a, _ in left]
    here = starts[0]

    def wanted(frames: list[Any]) -> Iterator[tuple[Any, NDArray[np.uint8]]]:
        nonlocal here
        for frame in frames:
            place = bisect_left(starts, frame.pts) - 1 if frame.pts is not None else -1
            if place < 0 or frame.pts >= left[place][1]:
                continue
            here = max(here, left[place][0])
            if frame.pts - here >= gap / 2:
                here = frame.pts
                yield frame, _rgb(frame)

    waiting = iter(parts)
    part = next(waiting)
    for number, packet in enumerate(_packets(container, stream)):
        if number >= part.stop:
            yield from wanted(_drained(context))
            while number >= part.stop:
                if (following := next(waiting, None)) is None:
                    return
                part = following
        if number < part.start:
            continue
        try:
            frames = context.decode(packet)
        except av.FFmpegError:
            continue
        yield from wanted(frames)
    yield from wanted(_drained(context))


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.FFmpegError:
        return


def _drained(context: Any) -> list[Any]:
    """What the decoder still holds; then it is ready to begin anew."""
    if not context.is_open:
        return []
    try:
        frames: list[Any] = context.decode(None)
    except (av.FFmpegError, EOFError):
        frames = []
    context.flush_buffers()
    return frames


def _coarse(frame: Any) -> NDArray[np.int16] | None:
    """A few of the luma's samples; None where they are not of eight bits each."""
    if not frame.format.name.startswith(("yuv4", "yuvj4", "nv12", "gray")) or frame.format.components[0].bits != 8:
        return None
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return lines[: frame.height : COARSE, : frame.width : COARSE].astype(np.int16)


def _rgb(frame: Any) -> NDArray[np.uint8]:
    """uint8[height, width, 3] at the size at which frames are hashed, upright."""
    scale = min(1.0, HASHED_SIDE / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="rgb24", interpolation=Interpolation.AREA)
    return np.asarray(np.rot90(small.to_ndarray(), frame.rotation // 90 % 4))
