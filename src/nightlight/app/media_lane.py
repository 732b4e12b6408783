"""The media lane: uploads are decoded and hashed beside the pipeline and come back to it as `media_screened` events.

Bytes wait in bounded memory while a caller waits for them; when the caller is told "later" they move to a sealed spool first, so a
crash loses nothing that was promised.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec
import structlog
from msgspec import Struct, structs

from nightlight.adapters.durable import write_private
from nightlight.app.events import Events
from nightlight.app.later import Keeper, Later
from nightlight.core.clock import Clock
from nightlight.core.errors import Busy, Conflict, Invalid, NightlightError, NotFound
from nightlight.core.event import MediaScreened
from nightlight.core.gate import Gate
from nightlight.core.job import Job, JobState
from nightlight.core.ports import JobStore, Outgoing, Sealer
from nightlight.core.services import Answer
from nightlight.senses.media import ScreenedMedia

log = structlog.get_logger("nightlight.media")

MOST_WAITING_BYTES = 256 * 1024 * 1024
"""Upload bytes held in memory at once; beyond it callers are told to come back."""
RETRY_S = 0.5
"""Between tries of a promised upload while the pipeline has no room."""


class _Upload(Struct, frozen=True, kw_only=True):
    """What the spool holds, sealed with context `spool:<event id>`."""

    envelope: bytes
    data: bytes
    notify: str | None


class _Running(Struct):
    event: MediaScreened
    envelope: bytes
    data: bytes
    answer: Future[Answer]
    detached: bool = False
    notify: str | None = None
    outcome: Answer | Exception | None = None


class MediaLane:
    """`core.services.MediaService` in worker threads: decoding and hashing release the interpreter lock."""

    def __init__(
        self,
        events: Events,
        screen: Callable[[bytes], ScreenedMedia],
        gate: Gate,
        jobs: JobStore,
        sealer: Sealer,
        clock: Clock,
        spool: Path,
        *,
        workers: int = 2,
        evidence: Keeper | None = None,
    ) -> None:
        self._later = None if evidence is None else Later(spool, sealer, evidence)
        self._events, self._screen, self._gate, self._jobs = events, screen, gate, jobs
        self._sealer, self._clock, self._spool = sealer, clock, spool
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="nightlight-media")
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._waiting = 0
        self._stopping = threading.Event()

    def screen(self, envelope: bytes, data: bytes) -> Future[Answer]:
        """Queue an upload. The future resolves after the decision's commit."""
        event = self._events.decode_upload(envelope)
        if not data:
            raise Invalid("the file is empty", field="file")
        body = _body(event, data)
        if (decided := self._events.committed(event.id)) is not None:  # known without decoding it again
            if not self._events.is_body(body, decided):
                raise Conflict("this id was used before for an upload with another body", field="id")
            answer = self._events.decision(event.id)
            if answer is not None:
                self._preserve(event, data)  # a crash may have come between the decision and this
                done: Future[Answer] = Future()
                done.set_result(answer)
                return done
        return self._start(_Running(event, envelope, data, Future()))

    def detach(self, event_id: str, notify: str | None) -> Job:
        """Promise the answer for later. The bytes are on disk, sealed, before this returns."""
        with self._lock:
            running = self._running.get(event_id)
        if running is None:
            job = self._jobs.get(event_id)
            if job is None:
                raise NotFound("no such upload is being screened", field="id")
            return job
        self._keep(event_id, _Upload(envelope=running.envelope, data=running.data, notify=notify))
        job = self._jobs.create(Job(id=event_id, state=JobState.WAITING, created_at=self._clock.now()), notify)
        with self._lock:
            running.detached, running.notify = True, notify
            finished = running.outcome
        if isinstance(finished, Busy):  # promised now, so it must not end so
            running.outcome = None
            self._start(running, bounded=False)
        elif finished is not None:  # in the meantime, so nobody else will say so
            self._settle(event_id, notify, finished)
        return self._jobs.get(event_id) or job

    def job(self, event_id: str) -> Job | None:
        return self._jobs.get(event_id)

    def resume(self) -> int:
        """Screen what a crash left in the spool; how many uploads were found."""
        found = 0
        for path in self._spool.glob("*.part"):  # was never promised: the crash came first
            path.unlink(missing_ok=True)
        for path in sorted(self._spool.glob("*.sealed")):
            try:
                upload = self._read(path)
                event = self._events.decode_upload(upload.envelope)
            except (OSError, ValueError, NightlightError) as error:
                log.error("spooled upload unreadable", file=path.name, error=type(error).__name__)
                path.rename(path.with_suffix(".unreadable"))  # kept for a person to look at, and out of the way
                continue
            running = _Running(event, upload.envelope, upload.data, Future(), detached=True, notify=upload.notify)
            self._start(running, bounded=False)
            found += 1
        return found

    def settle(self) -> int:
        """Bytes of uploads for which the second hop opened a case go into the vault; how many uploads are done with."""
        return 0 if self._later is None else self._later.settle()

    def stop(self) -> None:
        """Finish what was accepted, then end. What was promised and finds no room now stays in the spool, for the next start."""
        self._stopping.set()
        self._pool.shutdown(wait=True)

    def _start(self, running: _Running, *, bounded: bool = True) -> Future[Answer]:
        """Raises Busy; Conflict where other bytes under the same id are being screened just now."""
        with self._lock:
            there = self._running.get(running.event.id)
            if there is not None:
                if (there.envelope, there.data) != (running.envelope, running.data):
                    raise Conflict("this id is in use for an upload with another body", field="id")
                return there.answer
            if bounded and self._waiting + len(running.data) > MOST_WAITING_BYTES:
                raise Busy("too much media is waiting; nothing was accepted, try again in a few seconds")
            self._waiting += len(running.data)
            self._running[running.event.id] = running
        self._pool.submit(self._work, running)
        return running.answer

    def _work(self, running: _Running) -> None:
        event, outcome = running.event, self._outcome(running)
        while isinstance(outcome, Busy) and running.detached and not self._stopping.wait(RETRY_S):
            outcome = self._outcome(running)
        with self._lock:
            self._waiting -= len(running.data)
            if self._running.get(event.id) is running:
                del self._running[event.id]
            running.outcome = outcome
            detached = running.detached
        if detached and not isinstance(outcome, Busy):
            self._settle(event.id, running.notify, outcome)
        if running.answer.set_running_or_notify_cancel():
            if isinstance(outcome, Exception):
                running.answer.set_exception(outcome)
            else:
                running.answer.set_result(outcome)

    def _outcome(self, running: _Running) -> Answer | Exception:
        try:
            return self._decide(running.event, running.data)
        except Exception as error:
            log.error("upload failed", event_id=running.event.id, error=type(error).__name__)
            return error

    def _decide(self, event: MediaScreened, data: bytes) -> Answer:
        screened = self._screened(event, data) if self._gate.rule(event).may_read(event) else event
        answer = self._events.submit_screened(screened, _body(event, data)).result()
        # Before anybody is answered: a service that hears nothing sends again, and then it is kept.
        self._preserve(screened, data)
        return answer

    def _preserve(self, event: MediaScreened, data: bytes) -> None:
        if self._later is not None and self._gate.rule(event).may_read(event):
            self._later.keep(event.id, data, event.media_type)

    def _screened(self, event: MediaScreened, data: bytes) -> MediaScreened:
        found = self._screen(data)
        return structs.replace(
            event,
            fingerprints=found.fingerprints,
            media_type=found.media_type,
            size=found.size,
            width=found.width,
            height=found.height,
            unreadable=found.unreadable,
        )

    def _settle(self, event_id: str, notify: str | None, outcome: Answer | Exception) -> None:
        failed = isinstance(outcome, Exception)
        state = JobState.FAILED if failed else JobState.DONE
        detail = outcome.code if isinstance(outcome, NightlightError) else "error" if failed else ""
        message = None
        if notify is not None:
            body = msgspec.json.encode({"type": "media.screened", "event_id": event_id, "state": state, "detail": detail})
            message = Outgoing(key=f"job:{event_id}", endpoint=notify, body=body, not_before=self._clock.now())
        self._jobs.finish(event_id, state, self._clock.now(), detail, message)
        self._path(event_id).unlink(missing_ok=True)

    # -- the spool -------------------------------------------------------------------------------------------------------------

    def _path(self, event_id: str) -> Path:
        # An id may hold anything, a path only what we put there.
        return self._spool / (hashlib.blake2b(event_id.encode(), digest_size=20).hexdigest() + ".sealed")

    def _keep(self, event_id: str, upload: _Upload) -> None:
        path = self._path(event_id)
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        sealed = self._sealer.seal(msgspec.msgpack.encode(upload), f"spool:{event_id}")
        write_private(path, msgspec.msgpack.encode((event_id, sealed)))

    def _read(self, path: Path) -> _Upload:
        event_id, sealed = msgspec.msgpack.decode(path.read_bytes(), type=tuple[str, bytes])
        return msgspec.msgpack.decode(self._sealer.open(sealed, f"spool:{event_id}"), type=_Upload)


def _body(event: MediaScreened, data: bytes) -> bytes:
    """What the caller sent, not what we made of it: a repeat is known as one whatever later versions read from the bytes."""
    return msgspec.json.encode(event) + hashlib.sha256(data).digest()
