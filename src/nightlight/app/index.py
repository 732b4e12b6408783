"""The fingerprint index as people on duty see it, and look-ups as a service asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from nightlight.adapters.index import MultiIndex
from nightlight.adapters.index.file import Damaged
from nightlight.adapters.store.ledger import AuditLog
from nightlight.core.bank import IndexStatus, Match, Searcher
from nightlight.core.clock import Clock
from nightlight.core.errors import Busy
from nightlight.core.fingerprint import Fingerprint
from nightlight.core.ports import AuditEntry
from nightlight.senses.media import look_up_many


class IndexAdmin:
    """`core.services.IndexService`. Merges run in a thread of their own: among ten million hashes one takes some ten seconds."""

    def __init__(self, index: MultiIndex, audit: AuditLog, clock: Clock) -> None:
        self._index, self._audit, self._clock = index, audit, clock
        self._pool = ThreadPoolExecutor(1, "nightlight-index-admin")

    def status(self) -> IndexStatus:
        return self._index.status()

    def merge(self, by: str) -> Future[IndexStatus]:
        if self._index.status().merging:
            raise _busy()
        return self._pool.submit(self._merge, by)

    def verify(self) -> IndexStatus:
        with suppress(Damaged):  # the status tells, and the banks load everything anew
            self._index.verify()
        return self._index.status()

    def close(self) -> None:
        """Waits for a merge that runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _merge(self, by: str) -> IndexStatus:
        self._index.follow()
        try:
            done = self._index.merge(everything=True)
        except OSError as error:  # such as a full disk: the old files go on answering
            raise Busy(f"the index's files could not be written: {error.strerror}") from None
        if not done:
            raise _busy()
        status = self._index.status()
        detail: dict[str, str | int | float | bool | None] = {"hashes": sum(status.segments), "file_bytes": status.file_bytes}
        self._audit.append([AuditEntry(at=self._clock.now(), actor=by, action="index.merge", target="index", detail=detail)])
        return status


class LookUps:
    """`core.services.LookUpService`: what screening would find, without an event."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def look_up(self, queries: Sequence[Sequence[Fingerprint]]) -> Sequence[Sequence[Match]]:
        asked = [[f for f in prints if f.kind.is_exact or f.is_searchable] for prints in queries]
        return look_up_many(self._searcher.search_many, asked)


def _busy() -> Busy:
    return Busy("the index is being merged just now; try again when that is done")
