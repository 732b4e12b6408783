"""The benchmark measures a real service and prints what others script against."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nightlight.app.bench import console
from nightlight.app.bench.peer import peer_pdq
from nightlight.app.bench.pictures import encoded, invented
from nightlight.app.bench.robust import CHANGES, UNRELATED, _PeerBank
from nightlight.app.bootstrap import bootstrap
from nightlight.core.staff import Role, Staff
from nightlight.senses.media.pdq import pdq


def test_bench_events_prints_what_scripts_rely_on() -> None:
    command = [sys.executable, "-m", "nightlight", "bench", "events", "--seconds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"events_per_second", "p50_ms", "p99_ms", "bare_insert_ratio", "commits_per_second"} <= set(found)
    assert found["events_per_second"] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["bare_insert_ratio"] == found["events_per_second"] / found["bare_inserts_per_second"]


def test_bench_uploads_prints_what_scripts_rely_on() -> None:
    found = measured("uploads", "--seconds", "1", "--connections", "2")
    assert found["uploads_per_second"] > 0 and found["sent"] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["megapixels"] > 0.99 and found["connections"] == 2
    assert found["matched"] + found["jobs"] >= 1, "the first picture is banked"
    if sys.platform.startswith("linux"):
        assert found["service_cpu_ms"] > 1


def test_bench_console_fills_a_queue_and_a_case(tmp_path: Path) -> None:
    """What the pages are asked for, without a server; the whole of it is the long test below."""
    with bootstrap(tmp_path / "home", start=True) as graph:
        case = console._converse(graph, 30)
        console._fill(graph, 60)
        who = Staff(id="bench", role=Role.REVIEWER)
        assert graph.reviewers.session(console._signed_in(graph)) is not None
        assert len(graph.desk.queue(who, most=100).cases) == 61
        [talk] = graph.desk.open(who, case).conversations
        assert len(talk.lines) == 30 and any(line.marks for line in talk.lines)


@pytest.mark.long
def test_bench_console_prints_what_scripts_rely_on() -> None:
    found = measured("console", "--cases", "60", "--messages", "30", "--requests", "4")
    assert found["cases"] == 60 and found["messages"] == 30 and found["requests"] == 4
    for name in ("queue", "case"):
        assert 0 < found[f"{name}_p50_ms"] <= found[f"{name}_p95_ms"]
    assert found["overview_p95_ms"] > 0 and found["case_bytes"] > 10_000


def test_bench_index_prints_what_scripts_rely_on() -> None:
    command = [sys.executable, "-m", "nightlight", "bench", "index", "--size", "20000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["size"] == 20_000 and found["recall"] == 1.0
    for name in ("build_s", "open_s", "bytes_per_hash", "queries_per_second", "add_visible_ms"):
        assert found[name] > 0, name
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    if found["ratio_to_faiss_flat"] is None:
        assert "faiss" in found["message"]
    else:
        assert found["ratio_to_faiss_flat"] == found["peer_p50_ms"] / found["p50_ms"] and found["message"] is None


def measured(*arguments: str) -> Any:
    command = [sys.executable, "-m", "nightlight", "bench", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_bench_hash_prints_what_scripts_rely_on() -> None:
    found = measured("hash", "--files", "1", "--repeats", "1", "--video-seconds", "3")
    assert {"ratio_12mp", "ratio_1mp", "max_bits", "video_ratio"} <= set(found)
    assert 0 <= found["max_bits"] <= 8
    assert found["video_max_gap_s"] <= 1.0
    if peer_pdq() is None:
        assert found["ratio_12mp"] is found["ratio_1mp"] is None
    else:
        assert found["ratio_12mp"] == found["peer_ms_12mp"] / found["ms_12mp"]


def test_bench_robust_prints_what_scripts_rely_on() -> None:
    rows = measured("robust", "--pictures", "1", "--others", "2")
    assert [row["transformation"] for row in rows] == [*CHANGES, UNRELATED]
    recall = {row["transformation"]: row["recall"] for row in rows}
    for name in ("GIF", "CMYK JPEG", "turned by its EXIF tag", "mirrored", "quarter turn", "frame", "transparent margin"):
        assert recall[name] == 1.0, name
    assert recall[UNRELATED] == 0.0
    assert rows[-1]["false_matches"] == 0.0
    assert all((row["peer_recall"] is None) == (peer_pdq() is None) for row in rows)


def test_invented_pictures_are_the_same_from_the_same_seed_and_no_two_alike() -> None:
    assert encoded(invented(200, 150, 3)) == encoded(invented(200, 150, 3))
    hashes = [pdq(np.asarray(invented(300, 200, seed))) for seed in range(12)]
    values = [int(found[0], 16) for found in hashes if found is not None and found[1] >= 50]
    assert len(values) == 12
    assert min((a ^ b).bit_count() for n, a in enumerate(values) for b in values[:n]) > 60


def test_an_unmeasurable_file_is_no_hash_of_the_peers() -> None:
    peer = _PeerBank(lambda data: str(int(data)))
    peer.add(1, b"no number")
    assert peer.find(b"no number") == set()
