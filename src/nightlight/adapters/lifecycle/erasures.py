"""Which erasures were made, kept outside the database: a backup that is put back brings the erased back with it.

`<home>/erasures` is only ever appended to, one JSON object a line. A commitment is a keyed mac: whoever has the file without the
key file learns how many erasures there were and when, and nothing of whose.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

ERASURES = "erasures"


class Line(Struct, frozen=True):
    commitment: str
    """64 hex digits, as in the audit chain."""
    at: datetime


class Erasures:
    """Safe to use from several threads and processes of one machine."""

    def __init__(self, home: Path) -> None:
        self.path = home / ERASURES

    def remember(self, *lines: Line) -> None:
        """On the disk for good when this returns."""
        new = not self.path.exists()
        fd = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "r+b", buffering=0) as file:
            fcntl.flock(fd, fcntl.LOCK_EX)  # let go of when the file is closed
            size = os.fstat(fd).st_size
            # A line that a power cut left unfinished must not swallow the next one.
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            raw = b"\n" * torn + b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            if file.write(raw) != len(raw):
                raise OSError(f"the file {ERASURES} could not be written to its end")
            os.fsync(fd)
        if new:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def read(self) -> tuple[list[Line], int]:
        """Every line, oldest first, and how many could not be read."""
        lines, bad = [], 0
        for raw in self.path.read_bytes().splitlines() if self.path.exists() else []:
            try:
                lines.append(msgspec.json.decode(raw, type=Line))
            except (msgspec.DecodeError, UnicodeDecodeError):
                bad += bool(raw.strip())
        return lines, bad

    def merge(self, lines: Iterable[Line]) -> None:
        """Append those that are not there yet."""
        there = set(self.read()[0])
        if missing := [line for line in lines if line not in there]:
            self.remember(*missing)
