"""What a decoding process gives up before it sees a stranger's bytes: memory, processor time, files, programs and the network.

Decoders are written in C and their input is hostile. What is asked of the system here holds for the whole process, whatever the
decoder does; what each system grants is reported, never assumed (`confine` returns it, and readiness can show it).

Enforced by the kernel on Linux: address space, processor time, no file of any size written, no core dump (it would hold the picture),
no new file descriptor of any kind, and by a seccomp filter no socket, no program started, no file opened, no other process looked into.
On other POSIX systems the same but for seccomp, and macOS does not enforce the address space. An audit hook refuses the same from
Python everywhere: it stops mistakes, not an attacker who already runs machine code.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from pathlib import Path
from typing import Any

from msgspec import Struct


class Confinement(Struct, frozen=True, kw_only=True):
    """What one decoding process may use."""

    memory_bytes: int = 1_250_000_000
    """Above what the process has mapped when it is ready: `MediaLimits` bound a picture's needs to about half of it."""
    cpu_s: int = 20
    """Of one picture. The largest that is decoded takes about two."""
    video_cpu_s: int = 300
    """Of one video; what was seen until `MediaLimits.video_s` is kept."""
    wall_s: float = 60.0
    """From sending a picture to having its answer, on a machine however busy."""
    video_wall_s: float = 900.0


def confine(limits: Confinement) -> tuple[str, ...]:
    """Give up everything at once, for good; the names of what the system granted. Load every library before."""
    granted = [*_resources(limits), *_system_calls()]
    sys.addaudithook(_refuse)
    return (*granted, "audit")


def allow_cpu(seconds: int) -> None:
    """From now on so much processor time more: beyond it the kernel ends the process (SIGXCPU)."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


_REFUSED = ("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.system", "os.kill", "ctypes.dlopen", "open")


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(errno.EPERM, "a decoder may not do that")


def _resources(limits: Confinement) -> list[str]:
    import resource

    granted = []
    statm = Path("/proc/self/statm")
    mapped = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0
    wanted = {"core": (resource.RLIMIT_CORE, 0), "written files": (resource.RLIMIT_FSIZE, 0)}
    if mapped:
        wanted["memory"] = resource.RLIMIT_AS, mapped + limits.memory_bytes
    wanted["open files"] = resource.RLIMIT_NOFILE, 3  # the three standard ones: no fourth can come into being
    for name, (kind, most) in wanted.items():
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):
            continue
        granted.append(name)
    return [*granted, "cpu"]


# Numbers of system calls from the kernel's tables (asm/unistd_64.h and asm-generic/unistd.h).
_CALLS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "open": 2, "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50, "socketpair": 53,
            "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "creat": 85, "ptrace": 101, "mount": 165, "openat": 257, "unshare": 272,
            "accept4": 288, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "execveat": 322, "io_uring_setup": 425,
            "pidfd_open": 434, "openat2": 437,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "mount": 40, "openat": 56, "unshare": 97, "ptrace": 117, "kill": 129, "socket": 198, "socketpair": 199, "bind": 200,
            "listen": 201, "accept": 202, "connect": 203, "sendto": 206, "sendmsg": 211, "execve": 221, "accept4": 242,
            "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "execveat": 281, "io_uring_setup": 425, "pidfd_open": 434,
            "openat2": 437,
        },
    ),
}  # fmt: skip
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NO_NEW_PRIVILEGES, _DUMPABLE, _SECCOMP = 38, 4, 22


def filter_of(architecture: int, refused: list[int]) -> bytes:
    """A classic BPF program over `struct seccomp_data`: the refused calls, and those of any other architecture, fail with EPERM."""

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("<HBBI", code, yes, no, value)

    end = len(refused) + 5  # place of the refusal, after the four steps here, one a call and the permission

    def to_end(here: int) -> int:
        return end - here - 1

    program = [step(_LOAD, 4), step(_EQUAL, architecture, 0, to_end(1)), step(_LOAD, 0), step(_AT_LEAST, 0x40000000, to_end(3))]
    program += [step(_EQUAL, number, to_end(place)) for place, number in enumerate(refused, 4)]
    return b"".join([*program, step(_RETURN, _ALLOW), step(_RETURN, _REFUSE)])


def _system_calls() -> list[str]:
    known = _CALLS.get(platform.machine()) if sys.platform == "linux" and struct.calcsize("P") == 8 else None
    if known is None:
        return []
    system = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    system.prctl(_DUMPABLE, zero, zero, zero, zero)
    program = filter_of(known[0], sorted(known[1].values()))
    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    head = ctypes.create_string_buffer(pointer, len(pointer))
    if system.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero) != 0:
        return []
    done = system.prctl(_SECCOMP, ctypes.c_ulong(2), ctypes.c_ulong(ctypes.addressof(head)), zero, zero)
    return ["system calls"] if done == 0 else []
