"""Each table comes from one run of a command that anybody can repeat; nothing is computed here but the layout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
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


def uploads() -> None:
    r = measured("uploads")
    table(
        "Pictures uploaded over HTTP",
        [
            ("uploads a second", f"{r['uploads_per_second']:.1f}"),
            ("answered within, p50 / p99", f"{r['p50_ms']:.0f} / {r['p99_ms']:.0f} ms"),
            ("became jobs", f"{r['jobs']} of {r['sent']}"),
            ("processor time of the service, an upload", f"{r['service_cpu_ms']:.1f} ms" if r["service_cpu_ms"] else "not told here"),
        ],
        f"{r['machine']}; {r['date']}; JPEGs of {r['megapixels']:.1f} megapixels, {r['bytes_each']:,} bytes; "
        f"{r['connections']} connections, {r['seconds']:.0f} s; server and client on the same machine.",
    )


def index(size: int) -> None:
    r = measured("index", "--size", str(size))
    peer = r["ratio_to_faiss_flat"] is not None
    table(
        f"Exact search within 31 bits among {size:,} hashes",
        [
            ("build, to a file forced to disk", f"{r['build_s']:.1f} s"),
            ("open; every byte checked, afterwards", f"{r['open_s'] * 1000:.0f} ms; {r['verify_s']:.1f} s"),
            ("resident; on disk, with ids, bytes a hash", f"{r['bytes_per_hash']:.0f}; {r['file_bytes_per_hash']:.0f}"),
            ("one question, p50 / p99", f"{r['p50_ms']:.3f} / {r['p99_ms']:.2f} ms"),
            ("questions a second in batches, one thread", f"{r['queries_per_second']:,.0f}"),
            ("two threads against one", f"{r['two_thread_speedup']:.2f}"),
            ("recall", f"{r['recall']:.4f}"),
            ("slowest of 300 changes until a search shows it", f"{r['add_visible_ms']:.1f} ms"),
            ("faiss BinaryFlat, one question, p50", f"{r['peer_p50_ms']:.1f} ms" if peer else r["message"]),
            ("its time / ours, one question", f"{r['ratio_to_faiss_flat']:.0f}" if peer else ""),
            ("our rate / its, in batches", f"{r['batch_ratio_to_faiss_flat']:.0f}" if peer else ""),
        ],
        f"{r['machine']}; {r['date']}.",
    )


def hashes() -> None:
    r = measured("hash")

    def beside(name: str) -> str:
        peer, ratio = r[f"peer_ms_{name}"], r[f"ratio_{name}"]
        return f"{r[f'ms_{name}']:.1f} ms; peer {peer:.1f} ms; ratio {ratio:.1f}" if ratio else f"{r[f'ms_{name}']:.1f} ms; no peer here"

    table(
        "Pictures and video hashed",
        [
            ("JPEG of 12 megapixels, one hash", beside("12mp")),
            ("JPEG of 1 megapixel, one hash", beside("1mp")),
            ("bits from the hash at full size, at most", str(r["max_bits"])),
            ("all that a lookup asks of 1 megapixel", f"{r['screen_ms_1mp']:.1f} ms"),
            ("1080p H.264, times real time", f"{r['video_ratio']:.1f}; largest gap {r['video_max_gap_s']:.2f} s"),
        ],
        f"{r['machine']}; {r['date']}; processor time on one core; the peer is python-threatexchange's `PdqSignal.hash_from_bytes`.",
    )


def robust() -> None:
    def percent(share: float | None) -> str:
        return "-" if share is None else f"{share:.0%}"

    rows: Any = measured("robust")
    table(
        "What may be done to a banked picture",
        [(r["transformation"], f"{percent(r['recall'])}; peer {percent(r['peer_recall'])}") for r in rows[:-1]]
        + [
            (
                "unrelated pictures that matched anything",
                f"{percent(rows[-1]['false_matches'])}; peer {percent(rows[-1]['peer_false_matches'])}",
            )
        ],
        f"{rows[0]['pictures']} invented pictures, {rows[-1]['pictures']} unrelated ones; parameters at random; our recall and the peer's.",
    )


def conversations() -> None:
    r = measured("conversations", "--shared", str(SHARED)) if SHARED.is_dir() else measured("conversations")
    ratio = r["ratio_to_sentinel"]
    table(
        "Conversations read for risk",
        [
            ("messages a second on one core", f"{r['messages_per_second']:,.0f}"),
            ("mean / p99 of a message", f"{r['mean_ms']:.2f} / {r['p99_ms']:.1f} ms"),
            ("messages that the encoder read", f"{r['encoder_share']:.1%}"),
            ("first message of a fresh process answered after", f"{r['first_message_s']:.2f} s"),
            ("Sentinel's method, mean of a message", f"{r['sentinel_ms']:.1f} ms" if ratio else r["message"]),
            ("its time / ours", f"{ratio:.1f}" if ratio else ""),
        ],
        f"{r['machine']}; {r['date']}; {r['messages']} messages, {r['benign_share']:.1%} harmless ("
        + ", ".join(f"{count} {source}" for source, count in r["composition"].items())
        + "); processor time but for the first message.",
    )


def evasion() -> None:
    files = [str(HELD_OUT / name) for name in ("risk.jsonl", "benign.jsonl")]
    command = [
        sys.executable,
        "-m",
        "nightlight",
        "evaluate",
        "evasion",
        *files,
        "--lines",
        str(HELD_OUT.parents[1] / "training"),
        "--json",
    ]
    r = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    table(
        "Disguised writing",
        [
            (one["change"], f"{one['recall_plain']:.3f} to {one['recall']:.3f}; alarms {one['alarms_plain']} to {one['alarms']}")
            for one in r["changes"]
        ],
        f"Held-out conversations at a score of {r['threshold']:.2f}: recall, and harmless conversations that alarm, plain and changed.",
    )


HELD_OUT = Path(__file__).parent / "heldout"
SHARED = Path(__file__).parents[2] / "shared" / "data"
"""Public IRC chat, where somebody has it beside the checkout."""


if __name__ == "__main__":
    events(sys.argv[1:])
    conversations()
    evasion()
    uploads()
    for size in (1_000_000, 10_000_000):
        index(size)
    hashes()
    robust()
