"""Lists in files: CSV, JSON lines, and the text formats of python-threatexchange. See `filerows` for what a line may be.

A fetch reads all files anew where any of them changed, line by line, and at the end withdraws what is in none of them any more; unless
one of them could not be read, or there was none: a folder that is not mounted must not empty a bank.
"""

from __future__ import annotations

import glob
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from nightlight.adapters.exchanges.filerows import Lines, read_line
from nightlight.adapters.exchanges.kinds import Banked
from nightlight.adapters.exchanges.rows import digest, kind_of
from nightlight.core.bank import ItemVerdict, NewItem
from nightlight.core.errors import Invalid
from nightlight.core.exchange import BadRow, Exchange, ExchangeFault, Page
from nightlight.core.fingerprint import Fingerprint

PAGE = 1000
"""Rows in a page."""
MOST_FILES = 10_000
MOST_LINE = 1024 * 1024
_SUFFIXES = frozenset((".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".hashes", ".lst", ""))


class Seen(Struct, frozen=True):
    """A file as it was when the pass began."""

    path: str
    size: int
    changed_ns: int


class Cursor(Struct, frozen=True, kw_only=True):
    files: tuple[Seen, ...] = ()
    file: int = 0
    offset: int = 0
    """Bytes of that file that are done."""
    line: int = 0
    unread: bool = False
    """A file of this pass could not be read to its end."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cursor).decode


def client(exchange: Exchange, credentials: Mapping[str, str], banked: Banked | None) -> Files:
    return Files(exchange)


class Files:
    takes_feedback = False

    def __init__(self, exchange: Exchange) -> None:
        self._pattern, self._name = exchange.options["path"], exchange.name
        named = exchange.options.get("hash", "")
        self._kind = kind_of(named) if named else None
        if named and self._kind is None:
            raise Invalid("the kind of hash of lines that do not name one, such as pdq or md5", field="options.hash")
        self._sorted: np.ndarray | None = None

    def pages(self, checkpoint: bytes | None) -> Iterator[Page]:
        """See `ExchangeClient`."""
        there = self._files()
        if not there:
            raise ExchangeFault("no file fits the path", final=True)
        try:
            c = Cursor() if checkpoint is None else _decode(checkpoint)
        except msgspec.MsgspecError:
            c = Cursor()
        if c.files != there:
            c = Cursor(files=there)
        elif c.file >= len(there) and not c.unread:
            return  # nothing changed since they were all read
        elif c.file >= len(there):
            c = Cursor(files=there)
        total = sum(f.size for f in there) or 1
        before = sum(f.size for f in there[: c.file])
        while c.file < len(there):
            file = there[c.file]
            for page, c in self._file(file, c):  # noqa: B020 - the cursor moves with each page
                yield msgspec.structs.replace(page, done=min(1.0, (before + c.offset) / total))
            before += file.size
            c = msgspec.structs.replace(c, file=c.file + 1, offset=0, line=0)
        changed = self._files() != there
        self._sorted = None if c.unread or changed else self._held(there)
        if self._sorted is not None and not self._sorted.size:  # cut to nothing, or not written yet, rather than a list without entries
            self._sorted = None
            c = msgspec.structs.replace(c, unread=True)
            yield Page(checkpoint=_encode(c), done=1.0)
            raise ExchangeFault("the files hold no entry, so nothing was withdrawn", final=True)
        yield Page(checkpoint=_encode(c), whole=self._sorted is not None, done=1.0)
        if c.unread:
            raise ExchangeFault("a file could not be read, so nothing was withdrawn", final=True)

    def _file(self, file: Seen, c: Cursor) -> Iterator[tuple[Page, Cursor]]:
        puts: dict[str, NewItem] = {}
        bad: list[BadRow] = []
        rows = 0
        name = Path(file.path).name
        try:
            with Path(file.path).open("rb") as stream:
                lines = Lines.of(stream.readline(MOST_LINE), file.path)
                stream.seek(c.offset)
                while raw := stream.readline(MOST_LINE):
                    c = msgspec.structs.replace(c, offset=stream.tell(), line=c.line + 1)
                    rows += 1
                    item, reason = read_line(raw, c.line, lines, self._kind, self._name)
                    if reason:
                        bad.append(BadRow(f"{name}:{c.line}", reason))
                    if item is not None:
                        puts[str(item.source)] = item
                    if rows >= PAGE:
                        yield Page(checkpoint=_encode(c), puts=tuple(puts.values()), bad=tuple(bad)), c
                        puts, bad, rows = {}, [], 0
        except OSError as error:
            c = msgspec.structs.replace(c, unread=True)
            bad.append(BadRow(name, f"cannot be read: {error.strerror or type(error).__name__}"))
        if rows or bad:
            yield Page(checkpoint=_encode(c), puts=tuple(puts.values()), bad=tuple(bad)), c

    def _held(self, files: tuple[Seen, ...]) -> np.ndarray | None:
        """Every id in the files, read once more: a fetch that was taken up in the middle did not see them all. None: one failed."""
        held = array("Q")
        for file in files:
            try:
                with Path(file.path).open("rb") as stream:
                    lines = Lines.of(stream.readline(MOST_LINE), file.path)
                    stream.seek(0)
                    for number, raw in enumerate(iter(lambda s=stream: s.readline(MOST_LINE), b""), 1):  # type: ignore[misc]
                        item, _ = read_line(raw, number, lines, self._kind, self._name)
                        if item is not None:
                            held.append(_short(str(item.source)))
            except OSError:
                return None
        return np.sort(np.frombuffer(held, dtype=np.uint64)) if held else np.empty(0, np.uint64)

    def _files(self) -> tuple[Seen, ...]:
        """What the path means now: a file, a folder with all below it, or a pattern."""
        found = [Path(p) for p in glob.glob(str(Path(self._pattern).expanduser()), recursive=True)]  # noqa: PTH207 - `Path.glob` takes no absolute pattern
        inside = [p for top in found if top.is_dir() for p in top.rglob("*") if p.suffix.lower() in _SUFFIXES]
        out: dict[str, Seen] = {}
        for path in sorted({*inside, *found}):
            if path.name.startswith(".") or not path.is_file():
                continue
            stat = path.stat()
            out[str(path.resolve())] = Seen(str(path.resolve()), stat.st_size, stat.st_mtime_ns)
            if len(out) > MOST_FILES:
                raise ExchangeFault(f"more than {MOST_FILES:,} files fit the path", final=True)
        return tuple(out.values())

    def skip(self, checkpoint: bytes | None) -> bytes | None:
        return None

    def holds(self, source: str) -> bool:
        if self._sorted is None or not source.startswith("file:"):
            return True
        at = int(np.searchsorted(self._sorted, np.uint64(_short(source))))
        return at < len(self._sorted) and int(self._sorted[at]) == _short(source)

    def tell(self, verdict: ItemVerdict, fingerprints: Sequence[Fingerprint]) -> bool:
        return False

    def close(self) -> None:
        return None


def _short(source: str) -> int:
    return int(digest(source)[:16], 16)
