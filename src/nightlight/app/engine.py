"""Feeds the pipeline: one thread, whatever has queued up is the next batch.

So commits group themselves under load (while one batch is written the next gathers) and nothing waits when idle.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import structlog
from msgspec import Struct

from nightlight.app.passage import Admitted
from nightlight.core.errors import Busy, NightlightError
from nightlight.core.services import Answer

log = structlog.get_logger("nightlight.engine")

Answers = list[Answer | NightlightError]

MOST_QUEUED = 20_000
"""Events that may wait; beyond it the caller is told to come back. About ten seconds of work on two cores."""
MOST_A_BATCH = 256
"""Events a transaction: larger ones hardly commit faster, and everyone in them waits for the last."""
FACTS_EVERY = 8
"""Under unbroken load the second hop runs after so many batches; when idle, at once."""

RETRY_S = 1.0
"""Between tries of a second hop that fails as a whole, such as while the database is away."""


class _Group(Struct, frozen=True):
    """What one caller sent together."""

    admitted: Sequence[Admitted]
    future: Future[Answers]
    since: float


class Engine:
    def __init__(
        self,
        process: Callable[[Sequence[Admitted]], Answers],
        second_hop: Callable[[], int],
        on_batch: Callable[[Sequence[Admitted], Answers, float], None] = lambda _a, _b, _c: None,
    ) -> None:
        self._process, self._second_hop, self._on_batch = process, second_hop, on_batch
        self._queue: deque[_Group] = deque()
        self._queued = 0
        self._wake = threading.Condition()
        self._stopping = False
        self.batches = 0
        self.hop_problem: str | None = None
        """The type of the error that keeps the second hop from its work, for readiness."""
        self._thread = threading.Thread(target=self._run, name="nightlight-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish what was accepted, then end. Safe to call twice."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._stopping

    @property
    def queued(self) -> int:
        return self._queued

    def submit(self, admitted: Sequence[Admitted]) -> Future[Answers]:
        """Queue events; answers come by position, after commit. Raises Busy, and then none was queued."""
        future: Future[Answers] = Future()
        with self._wake:
            if self._stopping:
                raise Busy("the service is shutting down; nothing was accepted")
            if self._queued + len(admitted) > MOST_QUEUED:
                raise Busy("too many events are waiting; nothing was accepted, try again in a second")
            self._queued += len(admitted)
            self._queue.append(_Group(admitted, future, time.perf_counter()))
            self._wake.notify()
        return future

    def _run(self) -> None:
        facts_may_wait = True  # some may be left from before a crash
        while True:
            groups = self._take(None if not facts_may_wait else RETRY_S if self.hop_problem else 0.0)
            if groups:
                self._handle(groups)
                facts_may_wait = True
                self.batches += 1
            elif self._stopping and not facts_may_wait:
                return
            if facts_may_wait and (not self._queue or self.batches % FACTS_EVERY == 0):
                facts_may_wait = self._hop()

    def _take(self, wait_s: float | None) -> list[_Group]:
        """What is queued. Where nothing is, waits so long for something; None: until there is."""
        with self._wake:
            self._wake.wait_for(lambda: self._queue or self._stopping, wait_s)
            taken: list[_Group] = []
            size = 0
            while self._queue and (not taken or size + len(self._queue[0].admitted) <= MOST_A_BATCH):
                taken.append(self._queue.popleft())
                size += len(taken[-1].admitted)
            self._queued -= size
            return taken

    def _handle(self, groups: Sequence[_Group]) -> None:
        batch = [a for group in groups for a in group.admitted]
        wanted = [group.future.set_running_or_notify_cancel() for group in groups]  # who hung up is processed, not answered
        try:
            answers = self._process(batch)
        except BaseException as error:  # nobody may wait for ever, whatever broke
            log.error("pipeline broke", error=type(error).__name__)
            answers = [Busy("the event could not be processed; it may be sent again")] * len(batch)
        now, start = time.perf_counter(), 0
        for group, waiting in zip(groups, wanted, strict=True):
            end = start + len(group.admitted)
            if waiting:
                group.future.set_result(answers[start:end])
            self._tell(group, answers[start:end], now - group.since)
            start = end

    def _tell(self, group: _Group, answers: Answers, seconds: float) -> None:
        try:
            self._on_batch(group.admitted, answers, seconds)
        except Exception as error:  # who counts must not be able to stop the service
            log.error("observer failed", error=type(error).__name__)

    def _hop(self) -> bool:
        """Whether facts may be left."""
        try:
            left = self._second_hop() > 0
        except Exception as error:  # the facts stay where they are, and it is tried again
            log.error("second hop failed", error=type(error).__name__)
            self.hop_problem = type(error).__name__
            return not self._stopping
        self.hop_problem = None
        return left
