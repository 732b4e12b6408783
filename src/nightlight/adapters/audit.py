"""The audit chain and its signed heads. Knows no database: `adapters.store.ledger` keeps the rows.

Each partition is a chain: a row's mac is HMAC-SHA256 over the mac before it and the row itself, so a row cannot be changed,
moved, dropped or slipped in without the key. What a chain alone cannot show is that its end was cut off; for that the head
(how many rows, and the mac of the last) is signed and kept in a file outside the database. The file is written after each
commit, without waiting for the disk (but for once, when the file is made: a power cut must not leave an empty one): a head older
than the database is harmless, and newer it can never be. It is one sector,
written in place by one call: replacing it by renaming would be as safe, but ext4 flushes the disk at each such rename (2 ms).

Whoever holds both the database and the files of the service can put old copies of both back. Against that, copy the heads to
another machine now and then (`<home>/audit/*.head`); verification accepts any head that the chain has passed through.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct

from nightlight.core.errors import Tampered

GENESIS = bytes(32)
"""The mac before the first row."""

SUFFIX = ".head"
"""Of a head's file, after its partition's quoted name."""
_SECTOR = 512
_CONTESTED = ".contested-"
_encode = msgspec.msgpack.Encoder().encode


class Row(Struct, frozen=True, array_like=True):
    """One row as it is authenticated. `at` in microseconds since 1970, `detail` the stored JSON text."""

    partition: str
    seq: int
    at: int
    actor: str
    action: str
    target: str
    detail: str


class ChainHead(Struct, frozen=True):
    partition: str
    seq: int
    mac: bytes


class SignedHead(Struct, frozen=True, forbid_unknown_fields=True):
    partition: str
    seq: int
    mac: bytes
    signature: bytes


class Chain:
    """Links rows. Holds the key and nothing else."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def link(self, previous: bytes, row: Row) -> bytes:
        # msgpack of fixed types has one encoding, and every field carries its length: no two rows have the same bytes.
        return hmac.digest(self._key, previous + _encode(row), "sha256")


class HeadFiles:
    """`<folder>/<partition>.head`. Safe to use from several threads and processes of one machine."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self._key = key
        self._known: dict[str, ChainHead] = {}
        self._turns: dict[str, tuple[Lock, int]] = {}
        self._files: dict[str, tuple[int, int]] = {}
        """Open head files: descriptor and inode."""
        self._guard = Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def turn(self, partition: str) -> Iterator[None]:
        """Commit and head file belong together: without this, a slower thread or process could put an older head over a newer."""
        with self._guard:
            if partition not in self._turns:
                path = self.folder / f"{quote(partition, safe='')}.lock"
                self._turns[partition] = (Lock(), os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            lock, fd = self._turns[partition]
        with lock:
            fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def begin(self, partition: str) -> None:
        """Before the first row of a partition is committed: from then on a missing head is always news."""
        if partition not in self._known and not self._path(partition).exists():
            self._write(ChainHead(partition, 0, GENESIS))

    def advance(self, before: ChainHead, after: ChainHead) -> None:
        """After a commit that took the chain from `before` to `after`. Where the head on file does not fit `before`, rows were
        taken away or changed since: it is set aside, as evidence, and never overwritten."""
        known = self._known.get(before.partition)
        if known is not None and not self._in_place(before.partition):
            self._set_aside(before.partition)
            known = before
        try:
            known = known or self.read(before.partition)
        except Tampered:
            self._set_aside(before.partition)
        else:
            if known is None:
                if before.seq > 0:
                    self._set_aside(before.partition)
            elif known.seq > before.seq or (known.seq == before.seq and known.mac != before.mac):
                self._set_aside(before.partition)
        self._write(after)

    def read(self, partition: str) -> ChainHead | None:
        """Raises Tampered where the file is not one that we signed."""
        try:
            return read_head(self._path(partition), self._key)
        except FileNotFoundError:
            return None

    def settled(self, partition: str) -> ChainHead | None:
        """As `read`, but never in the middle of a write."""
        with self.turn(partition):
            return self.read(partition)

    def copy(self, dest: Path) -> None:
        """A copy of each head into the folder `dest`, none of them in the middle of a write."""
        for partition in self.partitions():
            with self.turn(partition):
                shutil.copyfile(self._path(partition), dest / self._path(partition).name)

    def partitions(self) -> list[str]:
        return sorted(unquote(p.name.removesuffix(SUFFIX)) for p in self.folder.glob(f"*{SUFFIX}"))

    def contested(self) -> dict[str, list[str]]:
        """Heads that were set aside, by partition: names of files that a person must look into, then remove."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.folder.glob(f"*{_CONTESTED}*")):
            found.setdefault(unquote(path.name.split(SUFFIX + _CONTESTED)[0]), []).append(path.name)
        return found

    def close(self) -> None:
        with self._guard:
            for fd in [fd for _, fd in self._turns.values()] + [fd for fd, _ in self._files.values()]:
                os.close(fd)
            self._turns.clear()
            self._files.clear()
            self._known.clear()

    def _path(self, partition: str) -> Path:
        return self.folder / f"{quote(partition, safe='')}{SUFFIX}"

    def _sign(self, head: ChainHead) -> bytes:
        return _signature(self._key, head)

    def _write(self, head: ChainHead) -> None:
        raw = _written(SignedHead(head.partition, head.seq, head.mac, self._sign(head)))
        if head.partition not in self._files or not self._in_place(head.partition):
            self._drop(head.partition)
            path = self._path(head.partition)
            if not path.exists():
                _make(path, raw)
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._files[head.partition] = fd, os.fstat(fd).st_ino
        fd, _ = self._files[head.partition]
        os.pwrite(fd, raw, 0)
        self._known[head.partition] = head

    def _in_place(self, partition: str) -> bool:
        """Whether the file that we hold open is still the one of that name: writing to one that was removed would be lost."""
        try:
            return partition not in self._files or self._path(partition).stat().st_ino == self._files[partition][1]
        except FileNotFoundError:
            return False

    def _drop(self, partition: str) -> None:
        if partition in self._files:
            os.close(self._files.pop(partition)[0])

    def _set_aside(self, partition: str) -> None:
        self._drop(partition)
        path = self._path(partition)
        aside = path.with_name(f"{path.name}{_CONTESTED}{os.urandom(4).hex()}")
        try:
            path.rename(aside)
        except FileNotFoundError:
            aside.write_text("there was no head where there must have been one\n")


def read_head(path: Path, key: bytes) -> ChainHead:
    """The head in a file that bears its partition's name. Raises FileNotFoundError, or Tampered where it is not one that we signed."""
    partition = unquote(path.name.removesuffix(SUFFIX))
    raw = path.read_bytes()
    try:
        signed = msgspec.json.decode(raw, type=SignedHead)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise Tampered(f"the head of audit partition {partition} cannot be read") from None
    head = ChainHead(signed.partition, signed.seq, signed.mac)
    if head.partition != partition or not hmac.compare_digest(_signature(key, head), signed.signature):
        raise Tampered(f"the head of audit partition {partition} does not authenticate")
    if raw != _written(signed):
        raise Tampered(f"the head of audit partition {partition} was rewritten")
    return head


def _signature(key: bytes, head: ChainHead) -> bytes:
    return hmac.digest(key, _encode(head), "sha256")


def _make(path: Path, raw: bytes) -> None:
    """A new file, whole and on the disk or not there: an empty head would look like one that somebody emptied."""
    staged = path.with_name(f".{path.name}.new")
    fd = os.open(staged, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, raw)
        os.fsync(fd)
    finally:
        os.close(fd)
    staged.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _written(signed: SignedHead) -> bytes:
    raw = msgspec.json.encode(signed)
    return raw.ljust(-(-(len(raw) + 1) // _SECTOR) * _SECTOR - 1) + b"\n"
