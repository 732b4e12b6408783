"""Videos: what is looked at, what is not decoded for it, and what damage does."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nightlight.core.fingerprint import FingerprintKind, Variant
from nightlight.senses.media import Decoders, MediaLimits, screen_bytes
from nightlight.senses.media.containers import MKV, MOV, MP4, WEBM
from nightlight.senses.media.look import SAME_FRAME, searched
from nightlight.senses.media.pdq import pdq
from nightlight.senses.media.video import Seen, plan
from tests.senses.media.made import SHARED, distance, rectangles

VPDQ = SHARED / "vpdq-reference"


def video(pictures: list[NDArray[np.uint8]], container: str = "mp4", codec: str = "libx264", rate: int = 10, **options: str) -> bytes:
    into = io.BytesIO()
    with av.open(into, "w", format=container) as made:
        stream = made.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        made.mux(stream.encode(None))
    return into.getvalue()


def scenes(count: int, frames: int, width: int = 320, height: int = 240) -> list[NDArray[np.uint8]]:
    """`count` pictures, each shown for `frames` frames, moving a little."""
    out = []
    for scene in range(count):
        wide = rectangles(width + frames, height, 50 + scene)
        out += [np.ascontiguousarray(wide[:, k : k + width]) for k in range(frames)]
    return out


def value(picture: NDArray[np.uint8]) -> str:
    found = pdq(picture)
    assert found is not None
    return found[0]


FILES = {
    "mp4": (video(scenes(4, 10), "mp4"), MP4),
    "mov": (video(scenes(4, 10), "mov"), MOV),
    "mkv": (video(scenes(4, 10), "matroska"), MKV),
    "webm": (video(scenes(4, 10), "webm", "libvpx", crf="10", b="4M"), WEBM),
    "b-frames": (video(scenes(4, 10), "mp4", bf="3", g="30"), MP4),
}


@pytest.fixture(scope="module")
def decoders() -> Decoders:
    return Decoders(1)


@pytest.mark.parametrize("name", FILES)
def test_every_container_is_watched(name: str, decoders: Decoders) -> None:
    data, kind = FILES[name]
    found = screen_bytes(data)
    assert (found.unreadable, found.media_type, found.width, found.height) == (None, kind, 320, 240)
    shown = scenes(4, 10)
    for number, quality, hashed, seconds in found.frames:
        assert quality >= 50
        assert seconds == pytest.approx(number / 10, abs=0.06)
        assert distance(hashed, value(shown[number])) <= 24
    times = [frame[3] for frame in found.frames]
    assert times == sorted(times) and times[0] == 0
    assert all(b - a <= 1.0 for a, b in pairwise([*times, 3.9]))
    assert decoders.screen(data) == found, "in a confined process too"


@pytest.mark.parametrize("name", FILES)
def test_every_scene_is_seen(name: str) -> None:
    frames = [frame[0] for frame in screen_bytes(FILES[name][0]).frames]
    assert {number // 10 for number in frames} == {0, 1, 2, 3}


def test_a_scene_between_the_planned_frames_is_seen() -> None:
    shown = scenes(1, 6) + [rectangles(320, 240, 99)] * 3 + scenes(1, 11)
    data = video(shown, g="100", sc_threshold="0", bf="0")
    assert any(6 <= frame[0] <= 8 for frame in screen_bytes(data).frames)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(st.integers(1, 40), min_size=1, max_size=80), keys=st.sets(st.integers(0, 79)), gap=st.integers(5, 60))
def test_no_gap_is_left_that_could_be_closed(steps: list[int], keys: set[int], gap: int) -> None:
    shown = [sum(steps[:n]) for n in range(len(steps) + 1)]
    at = sorted({0, *(k for k in keys if k < len(shown))})
    shots = plan(shown, [shown[k] for k in at], shown[-1], gap)
    looked = sorted({shot.key for shot in shots} | {t for shot in shots for t in shot.wanted})
    assert set(looked) <= set(shown)
    for a, b in pairwise([*looked, shown[-1]]):
        assert b - a <= gap or bisect_right(shown, a) == len(shown) or shown[bisect_right(shown, a)] >= b


def test_what_follows_the_last_frame_wanted_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from nightlight.senses.media import video as module

    decoded: list[int] = []
    original = module._coarse
    monkeypatch.setattr(module, "_coarse", lambda frame: decoded.append(frame.pts) or original(frame))
    data = video(scenes(1, 180, 160, 120), rate=30, g="60", sc_threshold="0", bf="0", keyint_min="60")
    found = screen_bytes(data)
    assert [frame[3] for frame in found.frames] == [
        0.0,
        1.0,
        2.0,
        3.0,
        4.0,
        pytest.approx(4.983, abs=0.02),
        pytest.approx(5.967, abs=0.001),
    ]
    assert len(decoded) <= 31 + 31 + 60, "of 180"


def test_frames_for_a_search_differ_and_have_structure() -> None:
    found = screen_bytes(FILES["mp4"][0])
    prints = [f for f in found.fingerprints if f.kind is FingerprintKind.PDQ]
    assert prints and all(f.variant is Variant.FRAME and isinstance(f.seconds, float) for f in prints)
    assert all(distance(a.value, b.value) > SAME_FRAME for n, a in enumerate(prints) for b in prints[:n])
    seen = [Seen(n, 100, f"{(1 << 256) - (1 << (n * 2)):064x}", float(n)) for n in range(100)]
    few = searched(seen, 5)
    assert len(few) == 5
    assert few[0].seconds == 0.0
    assert searched([Seen(0, 49, "0" * 64, 0.0)], 5) == ()


@pytest.mark.parametrize(("turn", "matrix"), [(1, (0, 1, -1, 0)), (2, (-1, 0, 0, -1)), (3, (0, -1, 1, 0))])
def test_a_video_is_turned_as_it_asks(turn: int, matrix: tuple[int, int, int, int]) -> None:
    # A telephone stores what its sensor sees, and how to turn it, in the track header (ISO/IEC 14496-12, 8.3.2).
    data = bytearray(video(scenes(1, 10)))
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    found = screen_bytes(bytes(data))
    assert (found.width, found.height) == ((320, 240) if turn == 2 else (240, 320))
    shown = np.rot90(scenes(1, 10)[0], -turn)  # the matrix turns clockwise
    assert distance(found.pdq, value(np.ascontiguousarray(shown))) <= 24


BROKEN = {
    "the first bytes alone": FILES["mp4"][0][:40],
    "no index": FILES["mp4"][0][: len(FILES["mp4"][0]) // 2],
    "an empty matroska": b"\x1aE\xdf\xa3" + bytes(100),
    "noise in place of pictures": FILES["mkv"][0][:400] + bytes(range(256)) * 8,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_video_is_a_result_with_a_reason(name: str, decoders: Decoders) -> None:
    found = decoders.screen(BROKEN[name])
    assert found.unreadable
    assert len(found.fingerprints) == 3


def test_a_matroska_cut_short_shows_what_is_there() -> None:
    data = FILES["mkv"][0]
    found = screen_bytes(data[: len(data) * 2 // 3])
    assert found.frames


def test_a_video_that_takes_too_long_says_how_much_was_seen() -> None:
    found = screen_bytes(video(scenes(6, 10)), MediaLimits(video_s=0.0))
    assert found.frames
    assert found.unreadable is not None and found.unreadable.startswith("only the first 0 of 6 seconds")


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_frames_that_need_those_before_their_keyframe_leave_no_gap(container: str) -> None:
    # An open group of pictures at a low rate: the frames shown before a keyframe, and stored after it, are seconds.
    options = "open-gop=1:bframes=8:b-adapt=0:keyint=12:min-keyint=2:scenecut=0:b-pyramid=normal"
    found = screen_bytes(video(scenes(1, 48, 160, 120), container, rate=1, g="12", bf="8", **{"x264-params": options}))
    times = [frame[3] for frame in found.frames]
    assert found.unreadable is None
    assert all(b - a <= 1.0 for a, b in pairwise([*times, 47.0])), times


def test_damage_in_the_middle_of_a_video_is_told() -> None:
    data = bytearray(video(scenes(4, 75, 160, 120), rate=10, g="50", sc_threshold="0"))
    start, end = data.index(b"mdat"), data.index(b"moov")
    data[start + (end - start) // 4 : (start + end) // 2] = bytes((start + end) // 2 - start - (end - start) // 4)
    found = screen_bytes(bytes(data))
    times = [frame[3] for frame in found.frames]
    assert max(b - a for a, b in pairwise(times)) > 2 and times[-1] > 29, "the rest is seen"
    assert found.unreadable is not None and found.unreadable.endswith("of 30 seconds could not be decoded")


def test_limits_are_kept() -> None:
    data = FILES["mp4"][0]
    assert "larger than" in (screen_bytes(data, MediaLimits(max_bytes_video=len(data) - 1)).unreadable or "")
    assert "declares 320 x 240" in (screen_bytes(data, MediaLimits(max_pixels=320 * 240 - 1)).unreadable or "")
    assert "not decoded" in (screen_bytes(video(scenes(1, 3), "matroska", "ffv1")).unreadable or "")


def test_sound_alone_is_no_video() -> None:
    into = io.BytesIO()
    with av.open(into, "w", format="mp4") as made:
        stream = made.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44_100
        made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    assert screen_bytes(into.getvalue()).unreadable == "holds no video"


def test_a_second_track_is_told() -> None:
    into = io.BytesIO()
    with av.open(into, "w", format="mp4") as made:
        streams = [made.add_stream("libx264", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for picture in scenes(1, 5):
            for stream in streams:
                made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for stream in streams:
            made.mux(stream.encode(None))
    found = screen_bytes(into.getvalue())
    assert found.frames and found.unreadable == "only the first of 2 video tracks was looked at"


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(FILES)), at=st.floats(0, 1), change=st.binary(min_size=1, max_size=40), cut=st.floats(0.05, 1))
def test_no_damage_ever_raises(name: str, at: float, change: bytes, cut: float) -> None:
    data = bytearray(FILES[name][0])
    place = int(at * (len(data) - 1))
    data[place : place + len(change)] = change
    found = screen_bytes(bytes(data[: max(1, int(cut * len(data)))]), MediaLimits(max_pixels=1_000_000))
    assert found.unreadable or found.frames


@pytest.mark.skipif(not VPDQ.is_dir(), reason="the reference videos are not beside this checkout")
@pytest.mark.parametrize("name", ["doorknob-hd-no-bar", "pattern-sd-grey-bar", "test-padded-dimensions"])
def test_reference_videos(name: str) -> None:
    listed = [line.split(",") for line in Path(VPDQ / f"{name}.txt").read_text().splitlines()]
    good = {int(frame): (hashed, float(seconds)) for frame, quality, hashed, seconds in listed if int(quality) >= 50}
    ours = screen_bytes((VPDQ / f"{name}.mp4").read_bytes()).frames
    seen: set[int] = set()
    for frame, _, hashed, seconds in ours:
        if frame in good:
            assert distance(hashed, good[frame][0]) <= 31
            assert seconds == pytest.approx(good[frame][1], abs=0.001)
            seen.add(int(seconds))
    assert seen >= {int(seconds) for _, seconds in good.values()}
