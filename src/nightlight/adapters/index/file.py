"""The file of an immutable part of the index: named arrays side by side, written once, mapped by every process that reads it.

Layout: a preamble of 64 bytes (magic, format, length of the file, where the header is, its length, BLAKE2b-128 of all that and of the
header); the arrays, each on a page of its own; the header at the end, JSON: what is where, CRC-32 sums over all the rest, and what the
maker wants to remember. No pickle, nothing that could run.

What is checked when: opening checks the digest of preamble and header, that the file is as long as it says, and that every array lies
inside it. `verify` checks every byte against the sums; at ten million hashes that takes a second, so it is done after opening. Written
under another name, forced to disk and renamed: a reader sees a whole file or none. A file is never changed in place.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from nightlight.adapters.durable import sync

MAGIC = b"NLINDEX\0"
FORMAT = 1
PREAMBLE = struct.Struct("<8sIIQQQ8x16s")
"""Magic, format, spare, length of the file, place and length of the header, digest."""
PAGE = 4096
_POPULATE_READ = 22
"""Linux 5.14's MADV_POPULATE_READ; elsewhere refused."""
PIECE = 1 << 24
"""Bytes a sum covers at most: verifying lets go of what it read after each."""

Array = NDArray[Any]


class Damaged(Exception):
    """The file is not what it was when it was written, or not ours. The text says what is wrong; it holds no content."""


class Section(Struct, frozen=True):
    at: int
    type: str
    """numpy's name of the element type, little-endian."""
    shape: tuple[int, ...]


class Sum(Struct, frozen=True, array_like=True):
    at: int
    length: int
    crc: int


class Header(Struct, frozen=True, kw_only=True):
    sections: Mapping[str, Section]
    sums: tuple[Sum, ...]
    about: Mapping[str, Any]
    """What the maker wants to remember: small, JSON."""


def _digest(preamble: tuple[Any, ...], header: bytes) -> bytes:
    packed = PREAMBLE.pack(*preamble, bytes(16))
    return hashlib.blake2b(packed + header, digest_size=16).digest()


class Writer:
    """Writes one file. Sections are reserved with their shape and then filled, in any order and from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._end = PAGE
        self._sections: dict[str, Section] = {}
        self._sums: list[Sum] = []

    def reserve(self, name: str, type: Any, shape: tuple[int, ...]) -> None:
        kind = np.dtype(type).newbyteorder("<")
        self._sections[name] = Section(self._end, kind.str, shape)
        length = prod(shape) * kind.itemsize
        self._end += -(-length // PAGE) * PAGE

    def put(self, name: str, values: Array, first: int = 0) -> None:
        """Fill a part of a section, counted in its first axis."""
        section = self._sections[name]
        whole = np.ascontiguousarray(values, dtype=section.type)
        if whole.shape[1:] != section.shape[1:] or first + len(whole) > section.shape[0]:
            raise ValueError(f"{name}: {whole.shape} at {first} does not fit {section.shape}")
        if not whole.size:
            return
        row = whole.itemsize * prod(section.shape[1:])
        raw = whole.reshape(-1).view(np.uint8).data
        at = section.at + first * row
        for start in range(0, len(raw), PIECE):
            piece = raw[start : start + PIECE]
            self._sums.append(Sum(at + start, len(piece), zlib.crc32(piece)))
            done = 0
            while done < len(piece):
                done += os.pwrite(self._file, piece[done:], at + start + done)

    def add(self, name: str, values: Array) -> None:
        """Reserve a section and fill it."""
        self.reserve(name, values.dtype, values.shape)
        self.put(name, values)

    def mapped(self, name: str) -> Array:
        """What was put, to read from while more is written."""
        return _mapped(self._file, self._sections[name])

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write header and preamble. The file can be opened then; nothing is forced to disk yet."""
        sums = sorted(self._sums, key=lambda s: s.at)
        header = msgspec.json.encode(Header(sections=self._sections, sums=tuple(sums), about=about))
        told = (MAGIC, FORMAT, 0, self._end + len(header), self._end, len(header))
        os.pwrite(self._file, header, self._end)
        os.pwrite(self._file, PREAMBLE.pack(*told, _digest(told, header)), 0)

    def sync(self) -> None:
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)


def _mapped(file: int, section: Section) -> Array:
    """A read-only array over a part of an open file; the mapping lives as long as the array."""
    kind = np.dtype(section.type)
    count = prod(section.shape)
    if not count:
        made: Array = np.zeros(section.shape, kind)
        made.flags.writeable = False
        return made
    mapping = mmap.mmap(file, count * kind.itemsize, offset=section.at, access=mmap.ACCESS_READ)
    return np.frombuffer(mapping, kind).reshape(section.shape)


def _viewed(mapping: mmap.mmap, section: Section) -> Array:
    count = prod(section.shape)
    return np.frombuffer(mapping, np.dtype(section.type), count, section.at).reshape(section.shape)


class Mapped:
    """An opened file. Arrays are read-only views of the mapping and stay valid when the file is renamed or deleted."""

    def __init__(self, path: Path) -> None:
        """Raises Damaged where it is not a whole file of ours, OSError where it cannot be opened."""
        self.path = path
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._header = self._checked()
            self._map = mmap.mmap(self._file, 0, access=mmap.ACCESS_READ)
            arrays = {name: _viewed(self._map, section) for name, section in self._header.sections.items()}
        except BaseException:
            os.close(self._file)
            raise
        self.arrays: Mapping[str, Array] = MappingProxyType(arrays)

    @property
    def about(self) -> Mapping[str, Any]:
        return self._header.about

    @property
    def size(self) -> int:
        """Bytes."""
        return os.fstat(self._file).st_size

    def _checked(self) -> Header:
        name, size = self.path.name, os.fstat(self._file).st_size
        raw = os.pread(self._file, PREAMBLE.size, 0)
        if len(raw) < PREAMBLE.size or not raw.startswith(MAGIC):
            raise Damaged(f"{name}: not an index file, or its first bytes are lost")
        *told, digest = PREAMBLE.unpack(raw)
        _, format, _, length, at, header_length = told
        if format != FORMAT:
            raise Damaged(f"{name}: written in format {format}; this version reads {FORMAT}")
        if length != size or at + header_length != size:
            raise Damaged(f"{name}: {size} bytes long and should be {length}: cut off, or written to")
        raw = os.pread(self._file, header_length, at)
        if _digest(tuple(told), raw) != digest:
            raise Damaged(f"{name}: the header does not match its checksum")
        try:
            header = msgspec.json.decode(raw, type=Header)
            for section in header.sections.values():
                extent = prod(section.shape) * np.dtype(section.type).itemsize
                if section.at % PAGE or min((section.at, *section.shape)) < 0 or section.at + extent > at:
                    raise ValueError
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError):
            raise Damaged(f"{name}: the header makes no sense") from None
        return header

    def raw(self, name: str, start: int, length: int) -> bytes:
        """Bytes of an array, without mapping their pages; none where that is not inside it."""
        section = self._header.sections[name]
        if start < 0 or length < 0 or start + length > self.arrays[name].nbytes:
            return b""
        return os.pread(self._file, length, section.at + start)

    def release(self, names: Iterable[str]) -> None:
        """Let go of the mapped pages of those arrays; they come back when they are next read. Piece by piece: Python's lock is held."""
        for name in names:
            self._advise(name, mmap.MADV_DONTNEED, lambda: False)

    def verify(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Read everything and compare with the sums. Raises Damaged naming the array. Ends early once `stop` says so."""
        for total in self._header.sums:
            if stop():
                return
            if zlib.crc32(os.pread(self._file, total.length, total.at)) != total.crc:
                inside = [n for n, s in self._header.sections.items() if s.at <= total.at]
                raise Damaged(f"{self.path.name}: {inside[-1] if inside else 'the file'} does not match its checksum")

    def populate(self, names: Iterable[str], stop: Callable[[], bool] = lambda: False) -> None:
        """Have the kernel map the pages of those arrays now, not one fault at a time. Where it cannot, nothing is lost but that."""
        for name in names:
            self._advise(name, _POPULATE_READ, stop)

    def _advise(self, name: str, advice: int, stop: Callable[[], bool]) -> None:
        section = self._header.sections[name]
        end = section.at + self.arrays[name].nbytes
        for start in range(section.at, end, PIECE):
            if stop():
                return
            with suppress(OSError, ValueError):
                self._map.madvise(advice, start, min(PIECE, end - start))

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            os.close(self._file)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new file at `path`; removed again where the block fails."""
    writer = Writer(path)
    try:
        yield writer
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        writer.close()


def publish(path: Path, final: Path) -> None:
    """Force a finished file to disk and give it its name; it replaces what had it."""
    sync(path)
    path.replace(final)
    sync(final.parent)
