"""What a decoding process gives up before it sees a stranger's bytes: memory, processor time, files, programs and the network.

Decoders are written in C and their input is hostile. What is asked of the system here holds for the whole process, whatever the
decoder does; what each system grants is reported, never assumed (`confine` returns it, and readiness can show it).

Enforced by the kernel on Linux: address space, processor time, no file of any size written, no core dump (it would hold the picture),
no new file descriptor of any kind, and by a seccomp filter no socket, no program started, no file opened, made,
removed, renamed, cut short or given other rights, no other process looked into, signalled or limited.
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


# `clone` is not among them: some decoders work in a thread of their own. What it makes is as confined as its maker.
# Numbers of system calls from the kernel's tables (asm/unistd_64.h and asm-generic/unistd.h).
_CALLS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {
            "open": 2, "shmget": 29, "shmat": 30, "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "sendmsg": 46, "bind": 49,
            "listen": 50, "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "semget": 64, "msgget": 68,
            "truncate": 76, "chdir": 80, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88,
            "chmod": 90, "chown": 92, "lchown": 94, "ptrace": 101, "rt_sigqueueinfo": 129, "utime": 132, "mknod": 133, "setpriority": 141,
            "pivot_root": 155, "chroot": 161, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
            "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176,
            "setxattr": 188, "lsetxattr": 189, "removexattr": 197, "lremovexattr": 198, "tkill": 200, "sched_setaffinity": 203,
            "clock_settime": 227, "tgkill": 234, "utimes": 235, "mq_open": 240, "kexec_load": 246, "add_key": 248, "request_key": 249,
            "keyctl": 250, "openat": 257, "mkdirat": 258, "mknodat": 259, "fchownat": 260, "futimesat": 261, "unlinkat": 263,
            "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268, "unshare": 272, "utimensat": 280, "accept4": 288,
            "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
            "process_vm_writev": 311, "finit_module": 313, "renameat2": 316, "bpf": 321, "execveat": 322, "userfaultfd": 323,
            "pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434, "openat2": 437, "fchmodat2": 452,
            "setxattrat": 463, "removexattrat": 466,
        },
    ),
    "aarch64": (
        0xC00000B7,
        {
            "setxattr": 5, "lsetxattr": 6, "removexattr": 14, "lremovexattr": 15, "mknodat": 33, "mkdirat": 34, "unlinkat": 35,
            "symlinkat": 36, "linkat": 37, "renameat": 38, "umount2": 39, "mount": 40, "pivot_root": 41, "truncate": 45, "chdir": 49,
            "chroot": 51, "fchmodat": 53, "fchownat": 54, "openat": 56, "utimensat": 88, "acct": 89, "unshare": 97, "kexec_load": 104,
            "init_module": 105, "delete_module": 106, "clock_settime": 112, "ptrace": 117, "sched_setaffinity": 122, "kill": 129,
            "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "setpriority": 140, "reboot": 142, "sethostname": 161,
            "setdomainname": 162, "settimeofday": 170, "mq_open": 180, "msgget": 186, "semget": 190, "shmget": 194, "shmat": 196,
            "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "sendto": 206, "sendmsg": 211,
            "add_key": 217, "request_key": 218, "keyctl": 219, "execve": 221, "swapon": 224, "swapoff": 225,
            "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "accept4": 242, "open_by_handle_at": 265, "setns": 268,
            "process_vm_readv": 270, "process_vm_writev": 271, "finit_module": 273, "renameat2": 276, "bpf": 280, "execveat": 281,
            "userfaultfd": 282, "pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_open": 434, "openat2": 437,
            "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
        },
    ),
}  # fmt: skip
_LIMITS = {"x86_64": 302, "aarch64": 261}
"""`prlimit64`, which is let set this process's own limits only."""
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NO_NEW_PRIVILEGES, _DUMPABLE, _SECCOMP = 38, 4, 22


def filter_of(architecture: int, refused: list[int], own: int | None = None) -> bytes:
    """A classic BPF program over `struct seccomp_data`: the refused calls, and those of any other architecture, fail with EPERM.

    `own`: a call that is refused unless its first argument is 0, which is this process itself.
    """

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("<HBBI", code, yes, no, value)

    # Place of the refusal, after the four steps here, one a call, three for `own`, and the permission.
    end = len(refused) + 5 + (3 if own is not None else 0)

    def to_end(here: int) -> int:
        return end - here - 1

    program = [step(_LOAD, 4), step(_EQUAL, architecture, 0, to_end(1)), step(_LOAD, 0), step(_AT_LEAST, 0x40000000, to_end(3))]
    program += [step(_EQUAL, number, to_end(place)) for place, number in enumerate(refused, 4)]
    if own is not None:
        program += [step(_EQUAL, own, 0, 2), step(_LOAD, 16), step(_EQUAL, 0, 0, 1)]
    return b"".join([*program, step(_RETURN, _ALLOW), step(_RETURN, _REFUSE)])


def _system_calls() -> list[str]:
    known = _CALLS.get(platform.machine()) if sys.platform == "linux" and struct.calcsize("P") == 8 else None
    if known is None:
        return []
    system = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    system.prctl(_DUMPABLE, zero, zero, zero, zero)
    program = filter_of(known[0], sorted(known[1].values()), _LIMITS[platform.machine()])
    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("@HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    head = ctypes.create_string_buffer(pointer, len(pointer))
    if system.prctl(_NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero) != 0:
        return []
    done = system.prctl(_SECCOMP, ctypes.c_ulong(2), ctypes.c_ulong(ctypes.addressof(head)), zero, zero)
    return ["system calls"] if done == 0 else []
