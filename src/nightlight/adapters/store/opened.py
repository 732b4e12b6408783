"""Which reports an authority opened, kept outside the database as well: a backup that is put back has forgotten the latest of them, and
they may be finished.

`<home>/reports-opened` is only ever appended to, one JSON object a line. It holds ids and nothing that anybody wrote.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from nightlight.adapters.durable import append_lines

OPENED = "reports-opened"


class Opened(Struct, frozen=True, kw_only=True):
    case: str
    corrects: str
    """Id of the report that it corrects; empty for the first of a case."""
    place: str
    id: str
    """The authority's own."""
    at: datetime


class OpenedFile:
    """Safe to use from several threads and processes of one machine."""

    def __init__(self, home: Path) -> None:
        self.path = home / OPENED

    def remember(self, opened: Opened) -> None:
        """On the disk for good when this returns. Raises OSError."""
        append_lines(self.path, msgspec.json.encode(opened) + b"\n")

    def last(self, case: str, corrects: str, place: str) -> Opened | None:
        """The latest of a case at that place. A line that cannot be read tells nothing."""
        if not self.path.exists():
            return None
        mark, found = case.encode(), None
        with self.path.open("rb") as file:
            for raw in file:
                if mark not in raw:
                    continue
                try:
                    line = msgspec.json.decode(raw, type=Opened)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                found = line if (line.case, line.corrects, line.place) == (case, corrects, place) else found
        return found
