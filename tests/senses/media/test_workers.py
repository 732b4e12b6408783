"""Decoding in processes of its own: the same answers, and whatever happens to a process, the service has a result."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from nightlight.senses.media import Decoders, MediaLimits, screen_bytes, workers
from nightlight.senses.media.confine import Confinement, filter_of
from nightlight.senses.media.look import Looked
from nightlight.senses.media.worker import LENGTH, Request, _put, serve
from tests.senses.media.made import exif, file_of, rectangles
from tests.senses.media.test_screen import BOMBS, BROKEN, FILES

SLOW = MediaLimits(frames=64, animation_pixels=2_000_000_000)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def long() -> bytes:
    """A valid animation whose 60 frames of 4 megapixels take some seconds to decode."""
    frames = [Image.fromarray(rectangles(2000, 2000, seed)).quantize(32) for seed in range(4)]
    return file_of(frames[0], "GIF", save_all=True, append_images=frames[1:] * 20, duration=100)


@pytest.mark.parametrize("name", [*FILES, *BROKEN, *(f"bomb: {name}" for name in BOMBS)])
def test_a_process_answers_as_we_would(decoders: Decoders, name: str) -> None:
    data = ({**FILES, **BROKEN} | {f"bomb: {name}": data for name, data in BOMBS.items()})[name]
    assert decoders.screen(data) == screen_bytes(data)
    assert decoders.screen(data, thorough=True) == screen_bytes(data, thorough=True)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("size", [(30, 20), (1300, 900), (520, 2100)], ids=str)
def test_nothing_is_missing_in_a_confined_process(decoders: Decoders, kind: str, size: tuple[int, int]) -> None:
    # A kernel that was not compiled before, or a codec not loaded, could not be any more: each size and type takes its own way.
    image = Image.fromarray(rectangles(*size, 5))
    data = file_of(image, kind, **({"exif": exif(6)} if kind in ("JPEG", "PNG", "WEBP", "AVIF") else {}))
    found = decoders.screen(data, thorough=True)
    assert found == screen_bytes(data, thorough=True)
    assert found.unreadable is None


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "YCbCr", "LAB"])
def test_nor_for_any_mode(decoders: Decoders, mode: str) -> None:
    image = Image.fromarray(rectangles(700, 600, 5))
    if mode in ("I;16", "F"):
        stored = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16 if mode == "I;16" else np.float32))
    elif mode == "LAB":
        stored = Image.merge("LAB", image.split())
    else:
        stored = image.convert(mode)
    data = file_of(stored, "PNG" if mode == "LA" else "TIFF")
    found = decoders.screen(data, thorough=True)
    assert found == screen_bytes(data, thorough=True)
    assert found.unreadable is None


def test_many_at_once(decoders: Decoders) -> None:
    files = list(FILES.values()) * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(decoders.screen, files)) == [screen_bytes(data) for data in files]


def test_a_process_that_died_while_it_waited_is_replaced() -> None:
    made = Decoders(1)
    made.screen(FILES["png"])
    (first,) = made.pids
    os.kill(first, signal.SIGKILL)
    assert made.screen(FILES["png"]) == screen_bytes(FILES["png"])
    assert made.replaced == 1
    assert made.pids != (first,)
    made.close()


class Killer:
    """Ends processes at work with SIGKILL, as the kernel does when memory is short: the first `times` of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        ask = workers._Process.ask
        killed: list[int] = []

        def killing(process: workers._Process, request: Request, data: bytes, *rest: object) -> Looked:
            if len(killed) < times:
                killed.append(process.pid)
                threading.Timer(0.2, os.kill, (process.pid, signal.SIGKILL)).start()
            return ask(process, request, data, *rest)  # type: ignore[arg-type]

        monkeypatch.setattr(workers._Process, "ask", killing)
        self.killed = killed


def test_a_file_whose_process_was_killed_is_tried_once_more(monkeypatch: pytest.MonkeyPatch, long: bytes) -> None:
    limits = MediaLimits(frames=24, animation_pixels=2_000_000_000)
    made = Decoders(1, limits)
    killer = Killer(monkeypatch, times=1)
    found = made.screen(long)
    assert found == screen_bytes(long, limits)
    assert found.unreadable is None
    assert made.replaced == len(killer.killed) == 1
    made.close()


def test_a_file_that_ends_two_processes_is_unreadable_and_the_next_one_is_read(monkeypatch: pytest.MonkeyPatch, long: bytes) -> None:
    made = Decoders(1, SLOW)
    Killer(monkeypatch, times=2)
    found = made.screen(long)
    assert found.unreadable == "its decoder crashed twice (SIGKILL)"
    assert [f.kind.value for f in found.fingerprints] == ["sha256", "sha1", "md5"], "its bytes are known all the same"
    assert made.replaced == 2
    assert made.screen(FILES["png"]).unreadable is None
    made.close()


def test_time_is_bounded_from_outside(long: bytes) -> None:
    made = Decoders(1, SLOW, Confinement(wall_s=0.5))
    assert made.screen(long).unreadable == "its decoder did not answer in time, twice"
    assert made.screen(FILES["png"]).unreadable is None
    made.close()


def test_processor_time_is_bounded(long: bytes) -> None:
    made = Decoders(1, SLOW, Confinement(cpu_s=0))
    began = time.monotonic()
    assert made.screen(long).unreadable == "takes more processor time than a decoder may take"
    assert time.monotonic() - began < 30
    assert made.replaced == 1, "it is known whose fault it was, so it is not tried again"
    made.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's address space for its limit")
def test_memory_is_bounded() -> None:
    made = Decoders(1, MediaLimits(), Confinement(memory_bytes=60_000_000))
    assert made.screen(file_of(np.zeros((5000, 6000, 3), np.uint8), "PNG")).unreadable == "needs more memory than a decoder may take"
    assert made.screen(FILES["png"]).unreadable is None
    made.close()


def test_closing_ends_every_process() -> None:
    made = Decoders(2)
    made.warm_up()
    pids = made.pids
    assert len(pids) == 2
    made.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="closed"):
        made.screen(FILES["png"])


ATTEMPTS = {
    "a socket": "import socket; socket.socket()",
    "a file": "open('/etc/hostname').read()",
    "a program": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "a child": "import os; os.fork()",
    "a descriptor python knows nothing of": (
        "assert libc.open(b'/etc/hostname', 0) == -1 and ctypes.get_errno() in (1, 24); raise OSError"
    ),
    "a socket python knows nothing of": "assert libc.socket(2, 1, 0) == -1 and ctypes.get_errno() in (1, 24); raise OSError",
    "a socket in place of an open descriptor": (
        "os.close(0); assert 'system calls' not in granted or libc.socket(2, 1, 0) == -1; raise OSError"
    ),
    "a program python knows nothing of": (
        "assert 'system calls' not in granted or libc.execve(b'/bin/true', None, None) == -1 and ctypes.get_errno() == 1; raise OSError"
    ),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_confined_process_may_not_have(name: str) -> None:
    code = f"""
import ctypes, os, socket
from nightlight.senses.media.confine import Confinement, confine
libc = ctypes.CDLL(None, use_errno=True)
granted = confine(Confinement())
try:
    {ATTEMPTS[name]}
except OSError:
    os.write(1, b"refused")
os._exit(0)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stdout) == (0, "refused"), ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="what other systems grant differs")
def test_a_confined_process_leaves_files_and_other_processes_alone(tmp_path: Path) -> None:
    """One that a file has taken over could else empty the database, or end the service."""
    (tmp_path / "kept").write_text("kept")
    code = f"""
import ctypes, os, resource, signal
from nightlight.senses.media.confine import Confinement, confine
libc = ctypes.CDLL(None, use_errno=True)
os.chdir({str(tmp_path)!r})
granted = confine(Confinement())
assert "system calls" in granted
parent = os.getppid()
limits = ctypes.create_string_buffer(16)
tries = dict(
    unlink=libc.unlink(b"kept"), rename=libc.rename(b"kept", b"lost"), truncate=libc.truncate(b"kept", ctypes.c_long(0)),
    mkdir=libc.mkdir(b"new", 0o700), rmdir=libc.rmdir(b"."), symlink=libc.symlink(b"kept", b"new"), link=libc.link(b"kept", b"new"),
    chmod=libc.chmod(b"kept", 0), chown=libc.chown(b"kept", 1, 1), mkfifo=libc.mkfifo(b"new", 0o600), chdir=libc.chdir(b"/"),
    utimes=libc.utimes(b"kept", None), tgkill=libc.tgkill(parent, parent, 0),
    prlimit=libc.prlimit(parent, resource.RLIMIT_CORE, None, limits),
    setpriority=libc.setpriority(0, parent, 10), shmget=libc.shmget(0, ctypes.c_size_t(4096), 0o1600),
)
resource.setrlimit(resource.RLIMIT_CPU, (5, resource.getrlimit(resource.RLIMIT_CPU)[1]))  # its own it may
os.write(1, ",".join(name for name, result in tries.items() if result != -1).encode() + b".")
os._exit(0)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert (ran.returncode, ran.stdout) == (0, "."), ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.skipif(sys.platform != "linux", reason="what other systems grant differs")
def test_what_is_enforced_is_reported(decoders: Decoders) -> None:
    decoders.warm_up()
    assert {"core", "written files", "memory", "open files", "cpu", "audit"} <= set(decoders.enforced)


def test_the_environment_of_the_service_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHT_DATABASE", "postgresql://somebody:word@host/db")
    seen: dict[str, str] = {}
    spawn = os.posix_spawn

    def recording(path: str, command: list[str], environment: dict[str, str], **more: object) -> int:
        seen.update(environment)
        return spawn(path, command, environment, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "posix_spawn", recording)
    made = Decoders(1)
    assert made.screen(FILES["png"]).unreadable is None
    made.close()
    assert seen
    assert not [name for name in seen if name.startswith("NIGHTLIGHT")]


def test_a_senseless_answer_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Decoders(1)
    monkeypatch.setattr(workers._Process, "_receive", lambda process, deadline: b"\x81\xa3pdq\xc3")
    monkeypatch.setattr(workers._Process, "ready", lambda process, deadline: ())
    found = made.screen(FILES["png"])
    assert found.unreadable == "its decoder gave a senseless answer twice"
    assert found.sha256 == screen_bytes(FILES["png"]).sha256
    made.close()


def test_a_program_that_does_not_start_is_an_error_and_no_slot_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Decoders(1)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        for _ in range(3):
            with pytest.raises(RuntimeError, match="could be started"):
                made.screen(FILES["png"])
    assert made.screen(FILES["png"]).unreadable is None
    made.close()


def test_the_loop_ends_with_its_pipe() -> None:
    theirs, to = os.pipe()
    source, ours = os.pipe()
    data = file_of(rectangles(100, 80), "PNG")
    _put(to, msgspec.msgpack.encode(Request(MediaLimits(), False)))
    _put(to, data)
    os.write(to, LENGTH.pack(100) + b"cut")
    os.close(to)
    limits = resource.getrlimit(resource.RLIMIT_CPU)
    try:
        serve(theirs, ours, Confinement(cpu_s=100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, limits)
    answer = os.read(source, 1 << 16)
    assert msgspec.msgpack.decode(answer[LENGTH.size :], type=Looked).pdq == screen_bytes(data).pdq
    for descriptor in (theirs, source, ours):
        os.close(descriptor)


def test_the_filter_jumps_where_it_should() -> None:
    # Run the program by hand: each refused number, another, another architecture, and the x32 range.
    def verdict(program: bytes, architecture: int, number: int, first: int = 0) -> int:
        steps = [program[n : n + 8] for n in range(0, len(program), 8)]
        at, value = 0, 0
        while True:
            code, yes, no = int.from_bytes(steps[at][:2], "little"), steps[at][2], steps[at][3]
            k = int.from_bytes(steps[at][4:], "little")
            if code == 0x06:
                return k
            if code == 0x20:
                value = {0: number, 4: architecture, 16: first}[k]
            elif code in (0x15, 0x35):
                at += yes if (value == k if code == 0x15 else value >= k) else no
            at += 1

    program = filter_of(7, [3, 5, 400])
    assert [verdict(program, 7, n) == 0x7FFF0000 for n in (0, 3, 4, 5, 6, 400, 401, 0x40000000, 0x40000003)] == [
        True, False, True, False, True, False, True, False, False,
    ]  # fmt: skip
    assert verdict(program, 8, 0) != 0x7FFF0000
    program = filter_of(7, [3, 5], own=9)
    asked = [(3, 0), (4, 1), (5, 0), (9, 0), (9, 1), (10, 1), (0x40000009, 0)]
    assert [verdict(program, 7, *call) == 0x7FFF0000 for call in asked] == [False, True, False, True, False, True, False]
