"""The folder that an index keeps its parts in: which files belong together, who may write, and what is left of a writer that was killed.

A generation is one file, `<number>.nli`, and the older files that it says it stands on. The newest whole one counts. Files are for their
owner alone; what of a fingerprint is in them, `veil` says.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from nightlight.adapters.index.file import Damaged, publish
from nightlight.adapters.index.segment import Segment
from nightlight.adapters.index.veil import PLAIN, Veil

SUFFIX, UNFINISHED, PRIVATE, LOCK = ".nli", ".part", ".own", "lock"
STALE_S = 86_400
"""Age at which a private file is one that a killed process left."""


class Folder:
    """`path` None: a private temporary folder, made when first needed and removed with this object."""

    def __init__(self, path: Path | None, veil: Veil = PLAIN) -> None:
        self._path, self._veil = path, veil

    @property
    def path(self) -> Path:
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="nightlight-index-"))
            weakref.finalize(self, rmtree, self._path, ignore_errors=True)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._path

    def generations(self) -> list[int]:
        """The numbers of the files that are there, the newest first."""
        if self._path is None or not self._path.is_dir():
            return []
        return sorted((int(file.stem) for file in self._path.glob(f"*{SUFFIX}") if file.stem.isdecimal()), reverse=True)

    def newest(self) -> int:
        return next(iter(self.generations()), 0)

    def open(self) -> tuple[list[Segment], list[str]]:
        """The parts of the newest whole generation, the oldest part first, and what is wrong with newer ones."""
        while True:
            there = self.generations()
            wrong: list[str] = []
            for number in there:
                try:
                    return self.parts(number), wrong
                except Damaged as damage:
                    wrong.append(str(damage))
                except OSError as error:
                    wrong.append(f"{number:08}{SUFFIX} or what it stands on cannot be read: {error.strerror}")
            if self.generations() == there:  # else a writer has just replaced them
                return [], wrong

    def parts(self, number: int) -> list[Segment]:
        """Of one generation. Raises Damaged or OSError."""
        head = Segment(self.file(number), self._veil)
        older = [str(name) for name in head.file.about.get("older", ())]
        if any(Path(name).name != name for name in older):
            raise Damaged(f"{head.file.path.name}: stands on files elsewhere")
        parts = [*(Segment(self.path / name, self._veil) for name in older), head]
        for place, part in enumerate(parts):
            for newer in parts[place + 1 :]:
                part.strike_all_of(newer)
        return parts

    def file(self, number: int) -> Path:
        return self.path / f"{number:08}{SUFFIX}"

    def unfinished(self, *, private: bool) -> Path:
        """A name that nobody else uses; `private` where another process is the writer, who clears away what is unfinished."""
        return self.path / f"{os.getpid()}-{os.urandom(6).hex()}{PRIVATE if private else UNFINISHED}"

    def publish(self, unfinished: Path, number: int, keep: set[str]) -> None:
        """Give a finished file its number, and remove what no generation needs any more. Call while `writing`.

        Processes that still read what is removed keep it until they let go.
        """
        final = self.file(number)
        publish(unfinished, final)
        for file in (*self.path.glob(f"*{SUFFIX}"), *self.path.glob(f"*{UNFINISHED}")):
            if file.name not in keep | {final.name}:
                file.unlink(missing_ok=True)
        for file in self.path.glob(f"*{PRIVATE}"):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > STALE_S:
                    file.unlink()

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """True while this is the one writer of the folder; False at once where another process is."""
        file = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(file)
