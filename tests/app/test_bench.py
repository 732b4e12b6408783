"""The benchmark measures a real service and prints what others script against."""

from __future__ import annotations

import json
import subprocess
import sys


def test_bench_events_prints_what_scripts_rely_on() -> None:
    command = [sys.executable, "-m", "nightlight", "bench", "events", "--seconds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"events_per_second", "p50_ms", "p99_ms", "bare_insert_ratio", "commits_per_second"} <= set(found)
    assert found["events_per_second"] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["bare_insert_ratio"] == found["events_per_second"] / found["bare_inserts_per_second"]


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
