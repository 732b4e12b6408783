"""`nightlight hash` and `match` on videos and changed pictures."""

from __future__ import annotations

import json
import os
import re
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageOps

import nightlight
from nightlight.app.bench.pictures import encoded, invented
from nightlight.app.cli.common import Exit
from nightlight.senses.media.samples import little_videos
from tests.app.test_cli import call, home, lines

__all__ = ["home"]

ROOT = Path(nightlight.__file__).parents[2]


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


# -- which files -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for n, name in enumerate(("a.jpg", "b.png", "deep/er/c.jpg", "deep/d[1].jpg")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(invented(200, 150, n), "PNG" if name.endswith("png") else "JPEG"))
    return folder


def names(folder: Path, *arguments: str | Path, stdin: bytes | None = None, code: int = 0) -> list[str]:
    return [str(Path(row["path"]).relative_to(folder)) for row in lines(call("hash", *arguments, "--json", stdin=stdin, code=code))]


def test_quoted_patterns_folders_and_lists_name_files(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(pictures, f"{pictures}/**/*.jpg") == ["a.jpg", "deep/d[1].jpg", "deep/er/c.jpg"]
    assert names(pictures, f"{pictures}/*.???") == ["a.jpg", "b.png"]
    assert names(pictures, pictures) == ["a.jpg", "b.png", "deep/d[1].jpg", "deep/er/c.jpg"]
    assert names(pictures, pictures / "deep/d[1].jpg") == ["deep/d[1].jpg"], "a file that is there is no pattern"
    listed = f"{pictures / 'b.png'}\n\n{pictures / 'deep'}\n{pictures}/deep/d[1].jpg\r\n".encode()
    assert names(pictures, "-", stdin=listed) == ["b.png", "deep/d[1].jpg", "deep/er/c.jpg", "deep/d[1].jpg"]
    monkeypatch.chdir(pictures)
    assert [row["path"] for row in lines(call("hash", "**/*.jpg", "--json"))] == ["a.jpg", "deep/d[1].jpg", "deep/er/c.jpg"]


def test_what_is_not_there_is_said_and_the_rest_is_hashed(pictures: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    wanted = [f"{pictures}/*.heic", pictures / "a.jpg", tmp_path / "absent.jpg", tmp_path / "pipe", "x" * 5000]
    found = lines(call("hash", *wanted, "--json", code=Exit.FOUND))
    assert [("unreadable" in row, "sha256" in row) for row in found] == [(True, False), (False, True), *[(True, False)] * 3]
    assert found[3]["unreadable"] == "not a file"
    strange = lines(call("hash", "-", "--json", stdin=b"a\0b\n\xff\xfe.jpg\n", code=Exit.FOUND))
    assert len(strange) == 2 and all("unreadable" in row for row in strange)
    call("hash", code=Exit.USAGE)
    call("hash", "-", stdin=b"", code=Exit.USAGE)


def test_many_at_once_give_the_same_in_the_same_order(pictures: Path) -> None:
    for n in range(12):
        (pictures / f"more-{n:02}.jpg").write_bytes(encoded(invented(120 + 300 * (n % 3), 160, n)))
    (pictures / "more-05.jpg").write_bytes(b"\xff\xd8 cut short")
    one, several = (call("hash", pictures, "--json", "--jobs", jobs, code=Exit.FOUND).stdout for jobs in ("1", "2"))
    assert one == several
    assert len(one.splitlines()) == 16 and one.count('"unreadable"') == 1


# -- bare hashes -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def listed(home: Path) -> Path:
    call("bank", "create", "known")
    call("bank", "add-hash", "known", "--pdq", "0f" * 32, "--md5", "ab" * 16)
    return home


def test_bare_hashes_are_looked_up(listed: Path) -> None:
    near = f"{int('0f' * 32, 16) ^ 7:064x}"
    found = lines(call("match", "--pdq", near.upper(), "--md5", "ab" * 16, "--sha1", "cd" * 20, "--json"))
    assert [(row["hash"][:4], row["kinds"], [m["distance"] for m in row["matches"]]) for row in found] == [
        ("0f0f", ["pdq"], [3]),
        ("cdcd", ["sha1"], []),
        ("abab", ["md5"], [0]),
    ]
    shown = call("match", "--pdq", near).stdout
    assert "known" in shown and "no match" not in shown
    assert "no match" in call("match", "--sha256", near).stdout
    for wrong in (("--pdq", "0f" * 31), ("--md5", "zz" * 16), ("--sha1", ""), ("--sha256", "md5 " + "ab" * 16)):
        call("match", *wrong, code=Exit.USAGE)


def test_a_file_of_hashes_is_looked_up_line_by_line(listed: Path, tmp_path: Path) -> None:
    value = "0f" * 32
    text = f"# a list\n{value}\n\npdq {value}  # again\nsha256,{value}\nPDQ:{value}\nnonsense\nab {'ab' * 16}\nmd5 {value}\n{'ab' * 16}\n"
    (tmp_path / "list.txt").write_text(text)
    found = lines(call("match", "--hashes", tmp_path / "list.txt", "--json", code=Exit.FOUND))
    assert [row["invalid"].split(":")[0] if "invalid" in row else (row["kinds"], len(row["matches"])) for row in found] == [
        (["sha256", "pdq"], 1),
        (["pdq"], 1),
        (["sha256"], 0),
        (["pdq"], 1),
        "line 7",
        "line 8",
        "line 9",
        (["md5"], 1),
    ]
    assert "nonsense" not in json.dumps(found), "what was there is not repeated"
    assert call("match", "--hashes", "-", "--json", stdin=text.encode(), code=Exit.FOUND).stdout.count("\n") == 8
    call("match", "--hashes", tmp_path / "absent.txt", code=Exit.USAGE)
    call("match", "--hashes", "-", "-", stdin=b"", code=Exit.USAGE)
    many = "".join(f"md5 {n:032x}\n" for n in range(250)) + f"md5 {'ab' * 16}\n"
    assert [len(row["matches"]) for row in lines(call("match", "--hashes", "-", "--json", stdin=many.encode()))] == [0] * 250 + [1]


def test_a_foreign_kind_is_banked_and_looked_up_as_its_how_to_says(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/how-to/add-a-fingerprint-kind.md").read_text("utf-8")
    module, project = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "toml"))
    assert module is not None and project is not None
    points = tomllib.loads(project[1])["project"]["entry-points"]
    installed = tmp_path / "site" / "example_ring-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: example-ring\nVersion: 1.0\n")
    ((group, named),) = points.items()
    (installed / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in named.items()))
    (installed.parent / "example_ring.py").write_text(module[1])
    monkeypatch.syspath_prepend(installed.parent)
    call("bank", "create", "known")
    call("bank", "add-hash", "known", "--foreign", "x-example-ring=00ff00ff00ff00ff")
    asked = b"x-example-ring 00ff00ff00ff00fe\nx-example-ring ffff00ff00ff0000\nx-example-ring ab\n"
    found = lines(call("match", "--hashes", "-", "--json", stdin=asked, code=Exit.FOUND))
    assert [[m["distance"] for m in row.get("matches", ["none"])] if "hash" in row else "invalid" for row in found] == [[1], [], "invalid"]


def test_files_and_hashes_together(listed: Path, pictures: Path) -> None:
    (picture,) = lines(call("hash", pictures / "a.jpg", "--json"))
    call("bank", "add", "known", pictures / "a.jpg")
    found = lines(call("match", pictures / "a.jpg", "--sha256", picture["sha256"], "--json"))
    assert [len(row["matches"]) > 0 for row in found] == [True, True]
    assert found[0]["path"].endswith("a.jpg") and found[1]["hash"] == picture["sha256"]


# -- the index ---------------------------------------------------------------------------------------------------------------------


def test_the_index_is_shown_merged_and_checked(listed: Path) -> None:
    (status,) = lines(call("index", "status", "--json"))
    assert (status["fingerprints"]["pdq"], status["fingerprints"]["md5"], status["segments"]) == (1, 1, [])
    assert "1 pdq, 1 md5" in call("index", "status").stdout.replace("1 md5, 1 pdq", "1 pdq, 1 md5")
    (merged,) = lines(call("index", "merge", "--json"))
    assert (merged["segments"], merged["scanned"], merged["veiled"]) == ([1], 0, True)
    (checked,) = lines(call("index", "verify", "--json"))
    assert checked["verified"] and checked["trouble"] is None
    assert "Every byte was checked" in call("index", "verify").stdout
    assert [len(row["matches"]) for row in lines(call("match", "--md5", "ab" * 16, "--json"))] == [1]


def test_a_damaged_index_is_told_and_nothing_is_missed(listed: Path) -> None:
    call("index", "merge")
    (path,) = (listed / "index").glob("*.nli")
    raw = bytearray(path.read_bytes())
    raw[4096] ^= 1  # where the first array begins
    path.unlink()
    path.write_bytes(raw)
    told = call("index", "verify", code=Exit.FOUND).stdout
    assert "checksum" in told and ("Wrong: " in told or "Mended: " in told)
    assert [len(row["matches"]) for row in lines(call("match", "--md5", "ab" * 16, "--json"))] == [1]


def test_a_featureless_picture_is_said_to_be_found_by_its_bytes_alone(tmp_path: Path, home: Path) -> None:
    flat, other = tmp_path / "flat.png", tmp_path / "other.png"
    Image.new("RGB", (300, 200), (9, 9, 9)).save(flat)
    invented(300, 200, 1).save(other)
    said, plain = lines(call("hash", flat, other, "--json"))
    assert said["exact_only"] is True and "exact_only" not in plain
    (said,) = lines(call("match", flat, "--json"))
    assert said["exact_only"] is True and said["matches"] == []
    assert "exact copies only" in " ".join(call("hash", flat).output.split())
