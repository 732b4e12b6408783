"""Who holds something for a while: a process by its machine's name and its number."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def holder() -> str:
    """This process: `<machine>/<number>/<when it began>`."""
    return f"{socket.gethostname()}/{os.getpid()}/{_began(os.getpid())}"


def is_dead(holder: str | None) -> bool:
    """True where the holder was a process of this machine that is there no more. A machine that shares neither name nor processes with
    ours is given its time."""
    host, _, rest = (holder or "").partition("/")
    pid, _, began = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _began(int(pid)) != began  # another process has got its number since


def _began(pid: int) -> str:
    """In the kernel's ticks since it started, where it tells (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
