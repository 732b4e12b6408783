"""`MultiIndex`: multi-index hashing over mapped files, and a small scanned part for what changed since.

What a search sees hangs on one immutable `Parts`: immutable segments, the oldest first, and a `FlatIndex` that holds what was put since
the last merge. Readers take no lock. A writer puts an item into the scanned part first and strikes it out of the segments then; a reader
looks at the segments first and at the scanned part then. So an item that is being replaced is found as it was or as it is, and is never
missed. A merge copies what is live into a new segment while all goes on, and replaces `Parts` in one assignment; a reader that sees it
replaced looks again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from msgspec import Struct

from nightlight.adapters.index.build import LayoutOf, Source, build
from nightlight.adapters.index.columns import GONE, PAGE, Columns, Spool, columns
from nightlight.adapters.index.file import Damaged, writing
from nightlight.adapters.index.flat import FlatIndex
from nightlight.adapters.index.folder import Folder
from nightlight.adapters.index.layout import layout
from nightlight.adapters.index.parts import Parts, apply, parts_of
from nightlight.adapters.index.segment import Segment
from nightlight.adapters.index.shared import Item, check, usable
from nightlight.adapters.index.veil import Veil
from nightlight.core.bank import Bank, BankItem, IndexPosition, IndexStatus, Match
from nightlight.core.errors import NotFound
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

TRIES = 3
"""Searches that merges may spoil before a reader makes them wait."""

STEP = 8192
"""Items struck out at a time."""
FEW = 64
"""Changes that are applied while other writers wait."""


class Tuning(Struct, frozen=True, kw_only=True):
    """Sizes at which things happen; tests make them small."""

    scanned: int = 8192
    """Items in the scanned part from which it is merged away: a scan of as many hashes takes about 10 microseconds."""
    share: int = 8
    """What was merged since the largest segment was made may grow to this part of it before all becomes one again: a merge of ten
    million is worth its seconds only now and then."""
    layout_of: LayoutOf = layout
    background: bool = True
    """False: merges happen in the thread that makes them due."""
    workers: int = 1
    """Threads of a merge beside the searches; a first load takes all processors."""


class MultiIndex:
    """Fills `FingerprintIndex` and `LastingIndex`. Close it when done; nothing is lost that the store does not have.

    `folder`: where the files are kept and shared with other processes; None: in a temporary folder of its own. `key`: what the files hold
    is disguised with it, see `Veil`; files that were written with another are not believed.
    """

    def __init__(self, folder: Path | None = None, tuning: Tuning | None = None, *, key: bytes | None = None) -> None:
        self._tuning = tuning or Tuning()
        self._veil = Veil(key)
        self._folder = Folder(folder, self._veil)
        self._lock = threading.RLock()
        self._merging = threading.Lock()
        self._banks: dict[str, Bank] = {}
        self._entries: dict[Item, BankItem] = {}
        self._gone: set[Item] = set()
        self._covered: dict[Item, int] = {}
        """At which position the last change of an entry is certain to be part of the bank; absent: not yet."""
        self._unmarked: list[Item] = []
        self._changed: set[Item] | None = None
        """Items changed since the running merge began."""
        self._position: IndexPosition | None = None
        self._generation = 0
        self._retry_at = 0
        self._closed = False
        segments, wrong = self._folder.open()
        self._trouble = "; ".join(wrong) or None
        self._mended: str | None = None
        self._parts = Parts((), (), (), FlatIndex())
        self._adopt(segments)
        self._thread: threading.Thread | None = None

    # Searching

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        return self.search_many([fingerprints])[0]

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        """The matches of each question, as `search` gives them; hundreds at once cost less than one by one."""
        asked = [usable(fingerprints) for fingerprints in queries]
        for _ in range(TRIES):
            parts = self._parts
            results = parts.search(asked)
            if self._parts is parts:
                return results
        with self._lock:
            return self._parts.search(asked)

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        asked = [f for f in usable(fingerprints) if f.kind.is_exact]
        for _ in range(TRIES):
            parts = self._parts
            matches = parts.search_exact(asked)
            if self._parts is parts:
                return matches
        with self._lock:
            return self._parts.search_exact(asked)

    def sizes(self) -> Mapping[FingerprintKind, int]:
        with self._lock:
            scanned = self._parts.scanned.sizes()
            return {kind: scanned[kind] + sum(s.held[kind] for s in self._parts.segments) for kind in FingerprintKind}

    # Writing

    def put_bank(self, bank: Bank) -> None:
        with self._lock:
            self._parts.scanned.put_bank(bank)
            self._banks[bank.name] = bank
            self._parts = parts_of(self._banks, self._parts.segments, self._parts.scanned)

    def put_item(self, item: BankItem) -> None:
        check(item)
        with self._lock:
            if item.bank not in self._banks:
                raise NotFound(f"there is no bank {item.bank!r}", field="bank")
            key = item.bank, item.id
            self._parts.scanned.put_item(item)
            for segment in self._parts.segments:
                segment.strike([key])
            self._entries[key] = item
            self._gone.discard(key)
            self._note(key)
        self._merge_when_due()

    def remove_item(self, bank: str, item: str) -> None:
        with self._lock:
            key = bank, item
            if self._entries.pop(key, None) is not None:
                self._parts.scanned.remove_item(bank, item)
            for segment in self._parts.segments:
                segment.strike([key])
            self._gone.add(key)  # even where no segment has it: another process may just have written one that does
            self._note(key)
        self._merge_when_due()

    def put_items(self, items: Iterable[BankItem]) -> int:
        """Put many, the last of one id winning; how many there were. Thousands go into a file at once and show together, at the end."""
        stream = iter(items)
        first = list(islice(stream, self._tuning.scanned))
        if len(first) < self._tuning.scanned:
            for item in first:
                self.put_item(item)
            return len(first)
        return self._load(_pages(first, stream), fresh=False, position=None)

    def _note(self, key: Item) -> None:
        self._covered.pop(key, None)
        self._unmarked.append(key)
        if self._changed is not None:
            self._changed.add(key)

    # Lasting

    def position(self) -> IndexPosition | None:
        """Up to where it holds all changes; None where nobody has said so yet, or where a file is not to be trusted."""
        with self._lock:
            return None if any(segment.damaged for segment in self._parts.segments) else self._position

    def mark(self, position: IndexPosition) -> None:
        """All changes up to there have been put. Files that are written from now on say so."""
        with self._lock:
            for key in self._unmarked:
                self._covered[key] = position.number
            self._unmarked.clear()
            self._position = position

    def rebuild(self, items: Iterable[BankItem], position: IndexPosition) -> int:
        """Replace everything by these items, which are the banks as of `position`; what is put meanwhile is kept. Searches go on.

        A few items in an index that holds nothing are put one by one: a small bank has no file. Where there is one that nobody can read,
        it is replaced by one that says what is so.
        """
        stream = iter(items)
        first = list(islice(stream, self._tuning.scanned))
        if self._parts.segments or self._entries or len(first) == self._tuning.scanned or self._folder.newest():
            return self._load(_pages(first, stream), fresh=True, position=position)
        for item in first:
            self.put_item(item)
        with self._lock:
            self._position = position
        return len(first)

    def status(self) -> IndexStatus:
        with self._lock:
            segments = self._parts.segments
            return IndexStatus(
                fingerprints=self.sizes(),
                segments=tuple(segment.rows for segment in segments),
                scanned=len(self._entries),
                struck=sum(int((segment.state == GONE).sum()) for segment in segments),
                file_bytes=sum(segment.file.size for segment in segments),
                veiled=bool(self._veil.check),
                merging=self._changed is not None,
                verified=all(segment.verified for segment in segments),
                trouble=self._trouble,
                mended=self._mended,
            )

    def verify(self) -> None:
        """Compare every byte of the files with its checksum. Raises Damaged; `position` is None from then on, so that the store loads
        everything anew, and what is damaged is never copied into a new file."""
        for segment in self._parts.segments:
            try:
                segment.verify(lambda: self._closed)
            except Damaged as damage:
                self._trouble = str(damage)
                raise

    def close(self) -> None:
        """Let a running merge or check end, and go. Searches that run still finish."""
        self._closed = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # Merging

    def merge(self, *, everything: bool = False) -> bool:
        """Merge the scanned part away now, in this thread; `everything`: into one segment.

        False where another thread or process is at it.
        """
        if not self._merging.acquire(blocking=False):
            return False
        try:
            with self._folder.writing() as alone:
                if not alone:
                    return False
                self._catch_up()
                with self._noting():
                    self._merge(everything)
                return True
        finally:
            self._merging.release()

    def forget(self) -> bool:
        """Where anything was removed or replaced, write the files anew without it: only then have its bytes left the disk.

        False where there was nothing to do, or another thread or process is at it.
        """
        with self._lock:
            segments = self._parts.segments
            due = bool(segments) and (bool(self._gone) or any((segment.state == GONE).any() for segment in segments))
        return due and self.merge(everything=True)

    def tend(self, *, forget: bool = False) -> None:
        """What belongs to a service, in a thread of its own: `follow`, and with `forget` that too. Does nothing while that thread works."""

        def work() -> None:
            try:
                self.follow()
                if forget:
                    self.forget()
            except Exception as error:
                self._trouble = f"merging failed: {type(error).__name__}: {error}"

        self._start(work)

    def follow(self) -> bool:
        """Take over what another process has written since, so that the files it replaced can leave the disk; whether there was any."""
        if self._folder.newest() <= self._generation or not self._merging.acquire(blocking=False):
            return False
        try:
            before = self._generation
            with self._folder.writing() as alone:
                if alone:
                    self._catch_up()
            return self._generation > before
        finally:
            self._merging.release()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Within it, what is changed is noted, to be applied to what is being built."""
        with self._lock:
            self._changed = set()
        try:
            yield
        finally:
            with self._lock:
                self._changed = None

    def _merge(self, everything: bool) -> None:
        with self._lock:
            fresh = len(self._entries) + len(self._gone)
            segments = self._parts.segments
        first = self._first_absorbed(segments, fresh, everything)
        with self._lock:
            changes = list(self._entries.values()), list(self._gone)
            sources = [Source(s.columns, s.state.copy(), s.release) for s in segments[first:]]
            position = self._position
        if any(changes) or len(sources) > 1 or any((source.state == GONE).any() for source in sources):
            new = columns(*changes, veil=self._veil)
            self._replace(segments[:first], [*sources, Source(new, new.state)], position, self._tuning.workers, lasting=True)

    def _load(self, pages: Iterator[list[BankItem]], *, fresh: bool, position: IndexPosition | None) -> int:
        with self._merging, self._folder.writing() as alone, self._noting(), Spool(self._folder.path) as spool:
            for page in pages:
                made = columns(page, veil=self._veil)
                if unknown := set(made.banks) - set(self._banks):
                    raise NotFound(f"there is no bank {min(unknown)!r}", field="bank")
                spool.add(made)
            self._take(spool.columns(), fresh=fresh, position=position, lasting=alone)
            if position is not None:
                with self._lock:
                    self._position = position
                    if fresh:
                        self._mended, self._trouble = self._trouble or self._mended, None
            return spool.items

    def load(self, made: Columns) -> None:
        """As `put_items`, of arrays that the caller has made, veiled as this index veils; their banks must be known."""
        with self._merging, self._folder.writing() as alone, self._noting():
            self._take(made, fresh=False, position=None, lasting=alone)

    def _take(self, made: Columns, *, fresh: bool, position: IndexPosition | None, lasting: bool) -> None:
        segments = self._parts.segments
        first = 0 if fresh else self._first_absorbed(segments, len(made.group), False)
        with self._lock:
            entries, gone = list(self._entries.values()), list(self._gone)
            sources = [] if fresh else [Source(s.columns, s.state.copy(), s.release) for s in segments[first:]]
        before = columns(() if fresh else entries, () if fresh else gone, veil=self._veil)
        sources += [Source(before, before.state), Source(made, made.state)]
        self._replace(segments[:first], sources, position or self._position, os.cpu_count() or 1, lasting=lasting)
        # What a load replaces in older segments is struck out once it shows, so that nobody misses it: a reader of the old parts looks
        # again. Step by step, so that other writers wait for milliseconds only.
        newest = self._parts.segments[-1]
        for segment in segments[:first]:
            for start in range(0, newest.items, STEP):
                with self._lock:
                    segment.strike_all_of(newest, slice(start, start + STEP))

    def _first_absorbed(self, segments: Sequence[Segment], fresh: int, everything: bool) -> int:
        """The place of the oldest segment to be merged with what is new. What is damaged is not copied."""
        newer = sum(segment.items for segment in segments[1:]) + fresh
        first = 0 if everything or not segments or self._tuning.share * newer > segments[0].items else 1
        unpublished = (place for place, segment in enumerate(segments) if not segment.published)
        first = min(first, next(unpublished, first))  # no file may stand on one that only this process has
        try:
            for segment in segments[first:]:
                segment.verify()
        except Damaged as damage:
            self._trouble = str(damage)
            return len(segments)
        return first

    def _replace(
        self, kept: Sequence[Segment], sources: Sequence[Source], position: IndexPosition | None, workers: int, *, lasting: bool
    ) -> None:
        """Build a segment of the sources, put it in the place of all segments but `kept`, and give its file a name."""
        unfinished = self._folder.unfinished(private=not lasting)
        older = [segment.file.path.name for segment in kept]
        about = {"older": older, "position": [position.number, position.fence] if position else None, "veil": self._veil.check}
        with writing(unfinished) as writer:
            build(writer, sources, full=not kept, workers=workers, about=about, layout_of=self._tuning.layout_of)
        segment = Segment(unfinished, self._veil)
        segment.verified = True  # its bytes were summed up on their way to the disk
        replaced = [part for part in self._parts.segments if part not in kept]
        self._show([*kept, segment], set())
        for part in replaced:
            part.file.release(part.file.arrays)  # gently: unmapping a gigabyte at once would hold up all threads
        lasting = lasting and all(part.published for part in kept)
        if lasting:
            number = max(self._generation, self._folder.newest()) + 1
            self._folder.publish(unfinished, number, set(older))
            segment.file.path, segment.published = self._folder.file(number), True
            self._generation = number
        else:
            unfinished.unlink()  # this process has it mapped, and takes over what the writer makes later

    def _show(self, segments: Sequence[Segment], changed: set[Item]) -> None:
        """Put those segments in the place of all, and beside them only what they do not have: the items in `changed`, and those that were
        noted. What has piled up is applied first, and the lock is taken for the last few only: other writers wait for a millisecond."""
        scanned, applied = FlatIndex(), set(changed)
        todo = changed
        while True:
            with self._lock:
                if self._changed:
                    todo = todo | self._changed
                    applied |= self._changed
                    self._changed = set()
                items = {key: self._entries.get(key) for key in todo}
                banks = list(self._banks.values())
                if len(items) <= FEW:
                    apply(segments, scanned, banks, items)
                    self._entries = {key: item for key, item in self._entries.items() if key in applied}
                    self._gone = applied - self._entries.keys()
                    self._covered = {key: at for key, at in self._covered.items() if key in applied}
                    self._retry_at = 0
                    self._parts = parts_of(self._banks, tuple(segments), scanned)
                    return
            apply(segments, scanned, banks, items)
            todo = set()

    def _catch_up(self) -> None:
        """Take over what another process has merged. Call while `writing`."""
        number = self._folder.newest()
        if number <= self._generation:
            return
        try:
            segments = self._folder.parts(number)
        except (Damaged, OSError) as error:
            self._trouble = str(error)
            return
        self._adopt(segments)

    def _adopt(self, segments: Sequence[Segment]) -> None:
        if not segments:
            return
        told = segments[-1].file.about.get("position")
        try:
            position = IndexPosition(int(told[0]), str(told[1])) if told else None
        except (TypeError, ValueError, IndexError):
            position = None
        with self._lock:  # seldom, and then what this process has changed since is little
            reached = position.number if position else -1
            keys = {*self._entries, *self._gone}
            self._show(segments, {key for key in keys if not (key in self._covered and self._covered[key] <= reached)})
            if self._position is None or (position is not None and position.number > self._position.number):
                self._position = position
            self._generation = int(segments[-1].file.path.stem)
        if self._tuning.background:
            threading.Thread(target=self._verify_quietly, name="nightlight-index-check", daemon=True).start()

    def _verify_quietly(self) -> None:
        try:
            self.verify()
        except Damaged:
            return  # `status` and `position` tell

    def _merge_when_due(self) -> None:
        due = len(self._entries) + len(self._gone)
        if due < max(self._tuning.scanned, self._retry_at) or self._changed is not None or self._closed:
            return
        if not self._tuning.background:
            self._merge_quietly()
            return
        self._start(self._merge_quietly)

    def _start(self, work: Callable[[], None]) -> None:
        with self._lock:
            if not self._closed and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=work, name="nightlight-index-merge", daemon=True)
                self._thread.start()

    def _merge_quietly(self) -> None:
        try:
            done = self.merge()
            self._trouble = None if done and self.position() is not None else self._trouble
        except Exception as error:
            # Such as a full disk. The scanned part goes on growing, which costs time but no match; tried again when it has grown.
            self._trouble, done = f"merging failed: {type(error).__name__}: {error}", False
        if not done:
            self._retry_at = 5 * (len(self._entries) + len(self._gone)) // 4


def _pages(first: list[BankItem], rest: Iterator[BankItem]) -> Iterator[list[BankItem]]:
    for start in range(0, len(first), PAGE):
        yield first[start : start + PAGE]
    while page := list(islice(rest, PAGE)):
        yield page


def warm_up() -> None:
    """Compile what searches and merges need now, and not with the first of them: some seconds the first time on a machine."""
    index = MultiIndex(tuning=Tuning(background=False))
    index.put_bank(Bank(name="warm"))
    prints = Fingerprint(FingerprintKind.PDQ, "0" * 64), Fingerprint(FingerprintKind.MD5, "0" * 32)
    index.put_item(BankItem(id="up", bank="warm", fingerprints=prints))
    index.search(prints)
    index.merge()
    index.search(prints)
    index.remove_item("warm", "up")
