"""Which erasures were made, kept outside the database: a backup that is put back brings the erased back with it.

`<home>/erasures` is only ever appended to, one JSON object a line. A commitment is a keyed mac: whoever has the file without the
key file learns how many erasures there were and when, and nothing of whose.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from nightlight.adapters.durable import append_lines

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
        append_lines(self.path, b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

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
