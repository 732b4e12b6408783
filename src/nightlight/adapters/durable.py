"""Files that are on the disk for good when a call returns, and that only their owner may read."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

PART = ".part"
"""How a file ends that was being written when everything stopped: nobody was promised it."""


def create_private(path: Path, raw: bytes) -> None:
    """Whole or not at all; of two that create at once, the first wins."""
    staged = _stage(path, raw)
    try:
        os.link(staged, path)
    except FileExistsError:
        return
    finally:
        staged.unlink()
    sync(path.parent)


def write_private(path: Path, raw: bytes) -> None:
    """Whole, in place of what was there, or not at all."""
    _stage(path, raw).replace(path)
    sync(path.parent)


def append_lines(path: Path, raw: bytes) -> None:
    """Whole lines at the end, one writer at a time over all processes. Raises OSError."""
    new = not path.exists()
    fd = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "r+b", buffering=0) as file:
        fcntl.flock(fd, fcntl.LOCK_EX)  # let go of when the file is closed
        size = os.fstat(fd).st_size
        # A line that a power cut left unfinished must not swallow the next one.
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        raw = b"\n" * torn + raw
        if file.write(raw) != len(raw):
            raise OSError(f"the file {path.name} could not be written to its end")
        os.fsync(fd)
    if new:
        sync(path.parent)


def sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _stage(path: Path, raw: bytes) -> Path:
    staged = path.with_name(f".{path.name}.{os.urandom(8).hex()}{PART}")
    fd = os.open(staged, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(fd)
    return staged
