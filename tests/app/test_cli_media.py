"""`nightlight hash` and `match` on videos and changed pictures."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import ImageOps

from nightlight.app.bench.pictures import encoded, invented
from nightlight.senses.media.samples import little_videos
from tests.app.test_cli import call, home, lines

__all__ = ["home"]


def test_a_video_lists_its_frames(tmp_path: Path) -> None:
    for container, data in zip(("mp4", "mov", "mkv"), little_videos(frames=25), strict=True):
        (tmp_path / f"film.{container}").write_bytes(data)
    for found in lines(call("hash", tmp_path, "--json")):
        assert found["frames"][0][0] == 0
        for number, quality, value, seconds in found["frames"]:
            assert isinstance(number, int) and 0 <= quality <= 100
            assert re.fullmatch("[0-9a-f]{64}", value)
            assert seconds == pytest.approx(number / 10, abs=0.01)
        times = [frame[3] for frame in found["frames"]]
        assert times[0] == 0 and times[-1] == pytest.approx(2.4, abs=0.01)
        assert all(later - earlier <= 1.0 for earlier, later in pairwise(times))
        assert re.fullmatch("[0-9a-f]{40}", found["sha1"])


def test_a_picture_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(invented(300, 200, 1)))
    (found,) = lines(call("hash", tmp_path, "--json"))
    assert "frames" not in found


def test_a_changed_copy_is_matched_and_its_view_named(home: Path, tmp_path: Path) -> None:
    shown = invented(600, 450, 3)
    (tmp_path / "banked.jpg").write_bytes(encoded(shown))
    (tmp_path / "mirrored.jpg").write_bytes(encoded(ImageOps.mirror(shown)))
    call("bank", "create", "known")
    call("bank", "add", "known", tmp_path / "banked.jpg")
    (found,) = lines(call("match", tmp_path / "mirrored.jpg", "--json"))
    assert [match["variant"] for match in found["matches"]] == ["mirrored"]
    assert "mirrored" in call("match", tmp_path / "mirrored.jpg").stdout
    (same,) = lines(call("match", tmp_path / "banked.jpg", "--json"))
    assert json.dumps(same).count('"variant": "') == 0
