"""Each table comes from one run of a command that anybody can repeat; nothing is computed here but the layout."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def measured(*command: str) -> dict[str, Any]:
    """What `nightlight bench ... --json` prints."""
    done = subprocess.run([sys.executable, "-m", "nightlight", "bench", *command, "--json"], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def table(title: str, rows: list[tuple[str, str]], about: str) -> None:
    print(f"\n## {title}\n\n{about}\n\n| | |\n| --- | ---: |")
    for name, value in rows:
        print(f"| {name} | {value} |")


def events(arguments: list[str]) -> None:
    r = measured("events", *arguments)
    table(
        "Chat events over HTTP, durably committed",
        [
            ("events a second, batches of 50", f"{r['events_per_second']:,.0f}"),
            ("commits a second", f"{r['commits_per_second']:,.0f} of {r['events_per_commit']:.0f} events"),
            ("bare inserts of the same rows, events a second", f"{r['bare_inserts_per_second']:,.0f}"),
            ("ratio, pipeline / bare", f"{r['bare_insert_ratio']:.3f}"),
            (f"single event while {r['half_load_events_per_second']:,.0f} a second arrive, p50", f"{r['p50_ms']:.1f} ms"),
            ("the same, p99", f"{r['p99_ms']:.1f} ms"),
        ],
        f"{r['machine']}; {r['date']}; server and client on the same machine, {r['seconds']:.0f} s a load.",
    )


if __name__ == "__main__":
    events(sys.argv[1:])
