"""One fetch of a list, with everything that may go wrong.

A page is applied and the place behind it committed in one transaction, so that a fetch that is killed anywhere goes on where it was and
repeats nothing that counts. Whatever goes wrong with a page is the client's to name and this module's to answer: wait and ask again, go
round it, or end with the reason.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from nightlight.adapters.store.exchanges import Begun, SqlExchanges, Told
from nightlight.core.bank import Applied, NewItem
from nightlight.core.errors import Invalid
from nightlight.core.exchange import BadRow, ExchangeClient, ExchangeFault, Page, Progress
from nightlight.core.services import BankService

log = structlog.get_logger("nightlight.exchanges")

MOST_ROWS = 5000
"""Rows in one transaction: other writers of a SQLite database wait that long."""
_NOTE_EVERY_S = 30.0
_SWEEP = 2000


class Patience(Struct, frozen=True, kw_only=True):
    """How long faults are borne. Chosen, not measured: a page's faults cost at most about four minutes before they are answered."""

    attempts: int = 6
    """At one page, before it is gone round or the fetch ends."""
    attempts_after_skip: int = 2
    """Until a page is good again: what follows a bad page is often bad too."""
    base_s: float = 2.0
    cap_s: float = 120.0
    skips: int = 60
    """In a row; halving all time since 1970 down to a minute takes 25."""
    whole: timedelta = timedelta(hours=6)
    """For a fetch. What is left is for the next."""

    def wait(self, attempt: int, jitter: float) -> float:
        """Seconds after so many failed attempts (1 or more): doubling, of which between half and all is waited."""
        return min(self.cap_s, self.base_s * 2.0 ** (attempt - 1)) * (0.5 + jitter / 2)


Watch = Callable[[Progress], None]


class Stopped(Exception):
    """The fetch ended between pages because the service ends."""


class Fetch:
    """The pages of one fetch, with everything that may go wrong."""

    def __init__(
        self,
        store: SqlExchanges,
        banks: BankService,
        client: ExchangeClient,
        begun: Begun,
        patience: Patience,
        stopping: threading.Event,
        watch: Watch,
    ) -> None:
        self._store, self._banks, self._client, self._begun = store, banks, client, begun
        self._patience, self._stopping, self._watch = patience, stopping, watch
        self._progress = Progress()
        self._until = time.monotonic() + patience.whole.total_seconds()

    def run(self) -> None:
        """Raises ExchangeFault where the end of the list was not reached."""
        checkpoint, attempts, skips = self._begun.checkpoint, 0, 0
        while True:
            try:
                for page in self._client.pages(checkpoint):
                    self._apply(page)
                    checkpoint, attempts, skips = page.checkpoint, 0, 0
                    self._go_on()
                return
            except ExchangeFault as fault:
                attempts += 1
                most = self._patience.attempts_after_skip if skips else self._patience.attempts
                if not fault.final and attempts < most:
                    self._wait(fault, attempts)
                    continue
                past = self._client.skip(checkpoint) if fault.page and skips < self._patience.skips else None
                if past is None:
                    raise
                log.warning("exchange: a page is left out", exchange=self._begun.exchange.name, reason=fault.message)
                told = Told(bad=(BadRow("a page", fault.message),)) if not skips else Told()
                self._store.note(self._begun, told, past)
                checkpoint, attempts, skips = past, 0, skips + 1
                self._go_on()

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise Stopped
        if time.monotonic() > self._until:
            raise ExchangeFault("it takes longer than a fetch may; the next one goes on from here", final=True)

    def _wait(self, fault: ExchangeFault, attempts: int) -> None:
        self._go_on()
        seconds = max(self._patience.wait(attempts, random.random()), fault.retry_after_s or 0.0)
        if time.monotonic() + seconds > self._until:
            raise fault
        self._watch(msgspec.structs.replace(self._progress, waiting_s=seconds))
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if self._stopping.wait(min(left, _NOTE_EVERY_S)):
                self._go_on()
            self._store.note(self._begun)

    def _apply(self, page: Page) -> None:
        bank, by = self._begun.exchange.bank, f"exchange:{self._begun.exchange.name}"
        rows: list[NewItem | str] = [*page.puts, *page.withdrawals]
        parts = [rows[at : at + MOST_ROWS] for at in range(0, len(rows), MOST_ROWS)]
        for part in parts[:-1]:
            self._part(bank, part, by, Told(), None)
        if page.whole:
            self._sweep(bank, by, parts.pop() if parts else [])
        told = Told(pages=1, bad=page.bad)
        self._part(bank, parts[-1] if parts else [], by, told, page.checkpoint)
        p = self._progress
        self._progress = Progress(pages=p.pages + 1, rows=p.rows + len(rows), bad=p.bad + len(page.bad), done=page.done)
        self._watch(self._progress)

    def _part(self, bank: str, rows: Sequence[NewItem | str], by: str, told: Told, checkpoint: bytes | None) -> None:
        """Rows, their counts and the place behind them in one transaction. A row that the bank refuses is left out, the others stand."""
        put = [r for r in rows if not isinstance(r, str)]
        gone = [r for r in rows if isinstance(r, str)]

        def keep(connection: Any, applied: Applied) -> None:
            self._store.write(connection, self._begun, msgspec.structs.replace(told, applied=applied), checkpoint)

        try:
            self._banks.apply(bank, put, gone, by, keep)
        except Invalid:
            if len(rows) <= 1:
                bad = (*told.bad, BadRow("a row", "the bank does not take it"))
                self._store.note(self._begun, msgspec.structs.replace(told, bad=bad), checkpoint)
                return
            half = len(rows) // 2
            self._part(bank, rows[:half], by, Told(), None)
            self._part(bank, rows[half:], by, told, checkpoint)

    def _sweep(self, bank: str, by: str, last: Sequence[NewItem | str]) -> None:
        """The list was read whole: what it does not hold goes. The end of the list is applied first, for it is in the list."""
        if last:
            self._part(bank, last, by, Told(), None)
        after = ""
        while found := self._store.sources(bank, after, _SWEEP):
            after = found[-1][0]
            if gone := [source for _, source in found if not self._client.holds(source)]:
                self._part(bank, gone, by, Told(), None)
