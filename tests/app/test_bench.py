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
