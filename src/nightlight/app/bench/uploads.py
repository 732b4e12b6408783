"""`nightlight bench uploads`: pictures of one megapixel over HTTP into a durable store, each decoded, hashed and looked up."""

from __future__ import annotations

import os
import platform
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from nightlight.app.bench.events import Connection, serving
from nightlight.app.bench.pictures import encoded, invented
from nightlight.core.bank import Bank
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

WIDTH, HEIGHT = 1152, 864
"""One megapixel, 4:3."""
PICTURES = 24
BANKED = 2000
"""Hashes in the bank, of no uploaded picture but one."""
WARM_ROUNDS, WARM_S = 8, 0.5
BOUNDARY = "nightlight-bench"


class UploadResult(Struct, frozen=True, kw_only=True):
    uploads_per_second: float
    """Answered after commit, each a request of its own with bytes of its own."""
    p50_ms: float
    """From sending a request until its answer, at full load."""
    p99_ms: float
    jobs: int
    """Uploads that took longer than the service's deadline and were promised for later (202). Not counted in `uploads_per_second`."""
    matched: int
    """Uploads that were found in the bank, as one in `PICTURES` is to be."""
    sent: int
    service_cpu_ms: float | None
    """Processor time of the service and its decoders for one upload: what a busy machine changes least. None where /proc is missing."""
    megapixels: float
    bytes_each: int
    """Of a picture's file, on average."""
    connections: int
    seconds: float
    machine: str
    date: str


def run(seconds: float = 10.0, connections: int = 4, progress: Callable[[str], None] = lambda _: None) -> UploadResult:
    """Starts a server of its own in a temporary home and drives it from this process. Raises RuntimeError where an answer is not as it
    should be, or a picture that is banked is not found."""
    progress("making pictures")
    pictures = [encoded(invented(WIDTH, HEIGHT, seed)) for seed in range(PICTURES)]
    with tempfile.TemporaryDirectory(prefix="nightlight-bench-") as name:
        home = Path(name)
        _bank(home, pictures[0])
        with serving(home) as (port, key):
            progress("warming up")
            _warm_up(port, key, pictures, connections)
            progress("uploading")
            load = _Load(port, key, pictures, "full")
            spent = cpu_of_children()
            took = load.drive(seconds, connections)
            spent = cpu_of_children() - spent
    waits = sorted(load.waits)
    if not waits:
        raise RuntimeError("no upload was answered in time")
    return UploadResult(
        uploads_per_second=len(waits) / took,
        p50_ms=waits[len(waits) // 2] * 1000,
        p99_ms=waits[min(len(waits) - 1, int(len(waits) * 0.99))] * 1000,
        jobs=load.jobs,
        matched=load.matched,
        sent=load.sent,
        service_cpu_ms=spent / load.sent * 1000 if spent > 0 else None,
        megapixels=WIDTH * HEIGHT / 1e6,
        bytes_each=sum(map(len, pictures)) // len(pictures),
        connections=connections,
        seconds=took,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        date=datetime.now(UTC).date().isoformat(),
    )


def _bank(home: Path, known: bytes) -> None:
    """Random hashes, and the first picture as an operator would bank it."""
    import nightlight

    with nightlight.open(home) as engine:
        banks = engine.services.banks
        banks.create(Bank(name="bench"), "bench")
        for _ in range(BANKED // 50):
            banks.add("bench", [Fingerprint(FingerprintKind.PDQ, os.urandom(32).hex()) for _ in range(50)], "bench")
        banks.add_bytes("bench", known, "bench")


def _warm_up(port: int, key: str, pictures: Sequence[bytes], connections: int) -> None:
    """A service that has just started still starts its decoders: until it answers as one that runs, or for some seconds."""
    for number in range(WARM_ROUNDS):
        load = _Load(port, key, pictures, f"warm-{number}")
        load.drive(1.0, connections)
        if load.waits and not load.jobs and max(load.waits) < WARM_S:
            return


def cpu_of_children() -> float:
    """Seconds that all processes below this one have run so far; 0 where that cannot be told."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        pid = int(path.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(ticks.get(pid, 0) for pid in below - {os.getpid()}) / os.sysconf("SC_CLK_TCK")


class _Load:
    """Counts of one load; its connections send one upload after another."""

    def __init__(self, port: int, key: str, pictures: Sequence[bytes], name: str) -> None:
        self._port, self._key, self._pictures, self._name = port, key, pictures, name
        self._lock = threading.Lock()
        self.waits: list[float] = []
        self.sent = self.jobs = self.matched = 0

    def drive(self, seconds: float, connections: int) -> float:
        """How long it took."""
        start = time.perf_counter()
        errors: list[Exception] = []

        def work() -> None:
            connection = Connection(self._port, self._key, f"multipart/form-data; boundary={BOUNDARY}")
            try:
                while time.perf_counter() - start < seconds and not errors:
                    self._send(connection)
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return time.perf_counter() - start

    def _send(self, connection: Connection) -> None:
        with self._lock:
            number = self.sent
            self.sent += 1
        known = number % len(self._pictures) == 0
        body = _body(f"{self._name}-{number}", _of_its_own(self._pictures[number % len(self._pictures)], number))
        began = time.perf_counter()
        status, raw = connection.post("/v1/media:screen", body)
        took = time.perf_counter() - began
        answer = msgspec.json.decode(raw)
        if status == 202:
            with self._lock:
                self.jobs += 1
            return
        if status != 200 or answer["media"] != {"media_type": "image/jpeg", "unreadable": None, "exact_only": False}:
            raise RuntimeError(f"unexpected answer {status}: {raw[:300]!r}")
        held = any(a["action"] in ("block_content", "hold_content") for a in answer["decision"]["actions"])
        if held != known:
            raise RuntimeError("a picture that is banked was not found" if known else "a picture that is not banked was held")
        with self._lock:
            self.waits.append(took)
            self.matched += held


def _of_its_own(jpeg: bytes, number: int) -> bytes:
    """The same picture with a comment in it: no two uploads have the same bytes."""
    comment = f"upload {number} {os.urandom(4).hex()}".encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]


def _body(id: str, data: bytes) -> bytes:
    event = {
        "kind": "media_screened",
        "id": id,
        "at": datetime.now(UTC).isoformat(),
        "actor": {"account": f"sender-{id}", "place": "GB", "age_band": "18+"},
        "channel": {"id": f"pictures-{id}", "kind": "game"},
    }
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="event"\r\n\r\n'.encode() + msgspec.json.encode(event)
    file = f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"\r\n\r\n'.encode()
    return head + file + data + f"\r\n--{BOUNDARY}--\r\n".encode()
