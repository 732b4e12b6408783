"""Decoding in processes of its own, so that no file can harm the service: each is confined, watched, ended and replaced.

The service hashes the bytes itself while a decoder looks at the pixels, so the byte hashes never depend on a process that reads hostile
files. What a decoder answers is checked for its types and its size, and holds numbers and hexadecimal digits only.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TypeVar

import msgspec

from nightlight.core.fingerprint import Fingerprint, FingerprintKind, Variant
from nightlight.senses.media.confine import Confinement
from nightlight.senses.media.containers import is_video, media_type
from nightlight.senses.media.crops import MOST
from nightlight.senses.media.limits import DEFAULT_LIMITS, MediaLimits
from nightlight.senses.media.look import Looked
from nightlight.senses.media.rendition import Rendered, checked
from nightlight.senses.media.screen import ScreenedMedia, identify, with_look
from nightlight.senses.media.worker import LENGTH, MAX_ANSWER, Ready, Request

STARTS_WITHIN_S = 120.0
"""The first process on a machine compiles; on a busy one that takes half a minute."""
TRIES = 2
FILES_A_PROCESS = 5000
"""Then it is replaced: whatever a decoder leaks ends with it."""
_PASSED_ON = ("HOME", "LANG", "PATH", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""Of the environment; secrets live in other variables."""

available = hasattr(os, "posix_spawn")
"""False on Windows, which has neither this way to start a process nor these limits."""

Answer = TypeVar("Answer", Looked, Rendered)


class Ended(Exception):
    """The process ended before it answered. `signal`: what ended it, 0 where it left by itself."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


class TooSlow(Exception):
    """No answer by the deadline."""


class Decoders:
    """A fixed number of decoding processes, each started when it is first needed. Safe to use from many threads."""

    def __init__(self, count: int = 2, limits: MediaLimits = DEFAULT_LIMITS, confinement: Confinement | None = None) -> None:
        self._limits, self._confinement = limits, confinement or Confinement()
        self._changed = threading.Condition()
        self._idle: list[_Process | None] = [None] * count
        self._count, self._closed = count, False
        self.replaced = 0
        """Processes that ended before their time, since the start."""
        self.enforced: tuple[str, ...] = ()
        """What the system granted the process started last; empty before the first."""

    def screen(self, data: bytes, *, thorough: bool = False) -> ScreenedMedia:
        """As `screen_bytes`. Never raises on account of the bytes; waits for a process that is free. RuntimeError once closed."""
        hashed: list[ScreenedMedia] = []
        looked = self._look(data, Request(self._limits, thorough), hashed)
        return _checked(with_look(hashed[0] if hashed else identify(data), looked))

    def derived_crops(self, data: bytes) -> tuple[Fingerprint, ...]:
        """As `crops.derived_crops`. Never raises on account of the bytes. RuntimeError once closed."""
        looked = self._look(data, Request(self._limits, thorough=False, crops=True), [identify(b"")])
        kept = [f for f in looked.fingerprints if f.kind is FingerprintKind.PDQ and len(f.value) == f.kind.hex_digits]
        return tuple(f for f in kept if f.variant is Variant.INNER and f.quality is not None)[:MOST]

    def render(self, data: bytes, *, blurred: bool) -> Rendered:
        """As `rendition.render`, checked. Never raises on account of the bytes. RuntimeError once closed."""
        request = Request(self._limits, thorough=False, render="blurred" if blurred else "clear")
        return checked(self._asked(data, request, [identify(b"")], Rendered))

    def warm_up(self) -> None:
        """Start every process now."""
        slots = [self._take() for _ in range(self._count)]
        for place, slot in enumerate(slots):
            try:
                slots[place] = slot or self._start()
            finally:
                self._give(slots[place])

    def close(self) -> None:
        """End every process. What is being decoded just now is finished first."""
        with self._changed:
            self._closed = True
            while len(self._idle) < self._count:
                self._changed.wait()
            idle, self._idle = self._idle, [None] * self._count
            self._changed.notify_all()
        for process in filter(None, idle):
            process.end()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that wait for work just now."""
        with self._changed:
            return tuple(process.pid for process in self._idle if process is not None)

    def _look(self, data: bytes, request: Request, hashed: list[ScreenedMedia]) -> Looked:
        return self._asked(data, request, hashed, Looked)

    def _asked(self, data: bytes, request: Request, hashed: list[ScreenedMedia], answer: type[Answer]) -> Answer:
        why = ""
        for _ in range(TRIES):
            slot = self._take()
            process, keep = None, None
            try:
                process = slot if slot is not None and slot.alive else self._replacing(slot)
                looked = process.ask(request, data, self._deadline(data), hashed, answer)
                keep = process if process.asked < FILES_A_PROCESS else None
                return looked
            except Ended as error:
                self.replaced += 1
                if error.signal == signal.SIGXCPU:
                    return answer(unreadable="takes more processor time than a decoder may take")
                why = f"its decoder crashed twice ({_name(error.signal)})"
            except TooSlow:
                self.replaced += 1
                why = "its decoder did not answer in time, twice"
            except msgspec.DecodeError:  # a decoder that a file has taken over may say anything
                self.replaced += 1
                why = "its decoder gave a senseless answer twice"
            finally:
                if process is not None and keep is None:
                    process.end()
                self._give(keep)
        return answer(unreadable=why)

    def _deadline(self, data: bytes) -> float:
        c = self._confinement
        return time.monotonic() + (c.video_wall_s if is_video(media_type(data)) else c.wall_s)

    def _take(self) -> _Process | None:
        with self._changed:
            while not self._idle and not self._closed:
                self._changed.wait()
            if self._closed:
                raise RuntimeError("the decoders are closed")
            # One that is warm before one that is yet to be started.
            self._idle.sort(key=lambda process: process is not None)
            return self._idle.pop()

    def _give(self, process: _Process | None) -> None:
        with self._changed:
            self._idle.append(process)
            self._changed.notify_all()

    def _replacing(self, dead: _Process | None) -> _Process:
        if dead is not None:  # somebody ended it while it waited: nobody's file is to blame
            self.replaced += 1
            dead.end()
        return self._start()

    def _start(self) -> _Process:
        process = _Process(self._confinement)
        try:
            self.enforced = process.ready(time.monotonic() + STARTS_WITHIN_S)
        except BaseException:
            process.end()
            raise
        return process


class _Process:
    """One decoding process and the two pipes to it."""

    def __init__(self, confinement: Confinement) -> None:
        self.asked = 0
        self._signal: int | None = None
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        command = [sys.executable, "-P", "-m", "nightlight.senses.media.worker", msgspec.json.encode(confinement).decode()]
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # One thread a library: a process has one core's work, and each thread maps memory that the limit counts.
        environment |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        try:
            self.pid = os.posix_spawn(
                sys.executable,
                command,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),  # what a decoder complains of could quote the file
                ],
                setpgroup=0,  # Ctrl-C in a terminal is the service's to handle: it lets uploads finish
            )
        except BaseException:
            os.close(self._to)
            os.close(self._from)
            raise
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)

    @property
    def alive(self) -> bool:
        """False where it ended while it waited."""
        waiting = select.poll()
        waiting.register(self._from, select.POLLIN)
        return not waiting.poll(0)  # it says nothing unasked, so anything to read is its end

    def ready(self, deadline: float) -> tuple[str, ...]:
        """Waits until it is confined and warm. Raises RuntimeError where it cannot be started."""
        try:
            return msgspec.msgpack.decode(self._receive(deadline), type=Ready).enforced
        except (Ended, TooSlow) as error:
            raise RuntimeError(f"no decoding process could be started: {type(error).__name__}") from None

    def ask(self, request: Request, data: bytes, deadline: float, hashed: list[ScreenedMedia], answer: type[Answer]) -> Answer:
        """Raises Ended, TooSlow or DecodeError. Hashes the bytes while the other process decodes them."""
        self.asked += 1
        head = msgspec.msgpack.encode(request)
        for part in (LENGTH.pack(len(head)) + head + LENGTH.pack(len(data)), data):
            self._send(part, deadline)
        if not hashed:
            hashed.append(identify(data))
        return msgspec.msgpack.decode(self._receive(deadline), type=answer)

    def end(self) -> None:
        for descriptor in (self._to, self._from):
            with suppress(OSError):
                os.close(descriptor)
        self._to = self._from = -1
        self._reap(kill=True)

    def _reap(self, *, kill: bool) -> int:
        """How it ended: the signal, or 0."""
        if self._signal is None:
            if kill:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            try:
                status = os.waitpid(self.pid, 0)[1]
            except ChildProcessError:  # an embedding program reaps all children itself
                status = 0
            self._signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        return self._signal

    def _send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(self._to, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._to, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise Ended(self._reap(kill=False)) from None

    def _receive(self, deadline: float) -> bytes:
        size = LENGTH.unpack(self._read(LENGTH.size, deadline))[0]
        if size > MAX_ANSWER:
            raise msgspec.DecodeError("an answer beyond every bound")
        return self._read(size, deadline)

    def _read(self, size: int, deadline: float) -> bytes:
        parts: list[bytes] = []
        while size:
            self._wait(self._from, select.POLLIN, deadline)
            try:
                part = os.read(self._from, min(size, 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                raise Ended(self._reap(kill=False))
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _wait(self, descriptor: int, events: int, deadline: float) -> None:
        waiting = select.poll()
        waiting.register(descriptor, events)
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TooSlow


def _checked(found: ScreenedMedia) -> ScreenedMedia:
    """The types were checked; a hash of another length than its kind's would be refused by every index, so it is left out here."""
    kept = tuple(f for f in found.fingerprints if len(f.value) == f.kind.hex_digits)
    exact = kept[:3]
    return msgspec.structs.replace(found, fingerprints=exact + tuple(f for f in kept[3:] if f.kind is FingerprintKind.PDQ))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "it left by itself"


__all__ = ["Confinement", "Decoders", "available"]
