"""Faults that the stand-in makes on purpose, and the parts of a form."""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from nightlight.core.filing import Call


class FaultKind(StrEnum):
    """`..._after`: the call took effect, and its answer is lost."""

    CUT = "cut"
    """The connection is closed before anything is done."""
    CUT_AFTER = "cut_after"
    CUT_MIDWAY = "cut_midway"
    """Done, and half of the answer arrives."""
    TIMEOUT = "timeout"
    """Nothing is done and nothing is answered for `seconds`."""
    TIMEOUT_AFTER = "timeout_after"
    ERROR = "500"
    ERROR_AFTER = "500_after"
    UNAUTHORISED = "401"
    """With no body, as the authority's own."""
    CODE = "code"
    """Nothing is done; the answer is `code` with HTTP 200."""
    GARBAGE = "garbage"
    """Done, and the answer is no XML."""
    SLOW = "slow"
    """Done, and answered a byte at a time, over `seconds`."""
    EXPIRE = "expire"
    """Every open report is gone before the call is looked at."""
    MD5 = "md5"
    """Of an upload: done, and the answer names another MD5."""
    OTHER = "other"
    """Done, and the answer names another report."""


class Fault(Struct, kw_only=True, forbid_unknown_fields=True):
    kind: FaultKind
    call: Call | None = None
    """None: at any."""
    skip: int = 0
    """Calls that pass before it."""
    times: int = 1
    code: int = 1000
    seconds: float = 5.0


class Faults:
    """Those that wait for their call."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def due(self, call: Call) -> Fault | None:
        """The fault of this call; counts the call."""
        for fault in self.waiting:
            if fault.call is not None and fault.call is not call:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
            return fault
        return None


def multipart(content_type: str, body: bytes) -> dict[str, tuple[str | None, bytes]] | None:
    """Name to file name and bytes of each part; None where it is no well-formed `multipart/form-data` (RFC 7578)."""
    found = re.fullmatch(r'multipart/form-data;\s*boundary="?([^";\s]{1,70})"?', content_type.strip(), re.IGNORECASE)
    if found is None:
        return None
    mark = b"--" + found[1].encode("ascii", "replace")
    if not body.startswith(mark + b"\r\n") or not body.rstrip(b"\r\n").endswith(b"\r\n" + mark + b"--"):
        return None
    inner = body.rstrip(b"\r\n")[len(mark) + 2 : -len(mark) - 4]
    out: dict[str, tuple[str | None, bytes]] = {}
    for part in inner.split(b"\r\n" + mark + b"\r\n"):
        head, gap, data = part.partition(b"\r\n\r\n")
        name = re.search(rb'content-disposition:[^\r\n]*;\s*name="([^"\r\n]*)"', head, re.IGNORECASE)
        if not gap or name is None or name[1].decode("utf-8", "replace") in out:
            return None
        file = re.search(rb'content-disposition:[^\r\n]*;\s*filename="([^"\r\n]*)"', head, re.IGNORECASE)
        out[name[1].decode("utf-8", "replace")] = (file[1].decode("utf-8", "replace") if file else None, data)
    return out
