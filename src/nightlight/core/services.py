"""Service Protocols: what `web` calls and `app` injects. The faces know these and nothing behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from nightlight.core.case import Case
from nightlight.core.decision import Decision, Instruction
from nightlight.core.errors import NightlightError
from nightlight.core.event import EventBase
from nightlight.core.features import Features
from nightlight.core.fingerprint import Bank, BankItem, Fingerprint, FingerprintKind, Match
from nightlight.core.job import Job as Job
from nightlight.core.job import JobState as JobState


class Scope(StrEnum):
    EVENTS_WRITE = "events:write"
    """Send events and media, and get neutral instructions."""
    SAFETY_READ = "safety:read"
    """See harm, level, reasons and cases."""
    BANKS_READ = "banks:read"
    BANKS_WRITE = "banks:write"
    ADMIN = "admin"
    """Policy, dead letters, limits. Does not include `safety:read`."""


class Caller(Struct, frozen=True, kw_only=True):
    """Who is asking."""

    id: str
    name: str
    scopes: frozenset[Scope]
    rate_per_minute: int


class Screening(Struct, frozen=True, kw_only=True):
    """What came of decoding an upload: for the service that sent it, whatever the decision."""

    media_type: str | None
    """Read from the bytes: `image/jpeg`; None where they are of no known kind."""
    unreadable: str | None
    """Why the picture could not be decoded, so that only its exact bytes could be looked up; None: it was."""


class Answer(Struct, frozen=True, kw_only=True):
    """What the pipeline says about one event, after commit, in the service's own account ids."""

    event_id: str
    for_sender: Instruction
    for_recipients: tuple[Instruction, ...]
    decision: Decision
    media: Screening | None = None
    """What was read of an upload's bytes."""


class EventService(Protocol):
    def submit(self, event: EventBase) -> Future[Answer]:
        """Queue one event, in the service's own ids. The future resolves after commit.

        Raises Busy where the bounded queue is full. The future raises Conflict where the id was used for another body.
        """
        ...

    def submit_many(self, events: Sequence[EventBase]) -> Future[list[Answer | NightlightError]]:
        """Queue several events at once, answered together and by position: one future a batch is far cheaper than one an event.

        Raises Busy, and then none was queued.
        """
        ...

    def decode(self, payload: bytes) -> EventBase:
        """One wire event. Raises Invalid naming the field."""
        ...

    def decode_batch(self, payload: bytes) -> list[EventBase | NightlightError]:
        """`{"events": [...]}`, by position: a bad one becomes its error. Raises Invalid where the envelope itself is bad."""
        ...

    def decision(self, event_id: str) -> Answer | None: ...


class MediaService(Protocol):
    def screen(self, envelope: bytes, data: bytes) -> Future[Answer]:
        """Decode and hash the bytes on the media lane, then process the `media_screened` event that comes of it.

        `envelope` is a wire event of kind `media_screened` without fingerprints. Raises Invalid, TooLarge or Busy.
        """
        ...

    def detach(self, event_id: str, notify: str | None) -> Job:
        """The caller stopped waiting: keep the bytes in the sealed spool until the job is done, and notify that endpoint then."""
        ...

    def job(self, event_id: str) -> Job | None: ...


class BankService(Protocol):
    def banks(self) -> Sequence[Bank]: ...
    def create(self, bank: Bank, by: str) -> Bank: ...
    def change(self, name: str, by: str, *, threshold: int | None = None, enabled: bool | None = None, note: str | None = None) -> Bank: ...
    def items(self, bank: str, after: str | None = None, most: int = 100) -> Sequence[BankItem]: ...
    def add(
        self, bank: str, fingerprints: Sequence[Fingerprint], by: str, *, labels: Sequence[str] = (), source: str | None = None
    ) -> BankItem: ...
    def add_bytes(self, bank: str, data: bytes, by: str, *, labels: Sequence[str] = (), source: str | None = None) -> BankItem:
        """Hash the bytes and bank their fingerprints; the bytes are not kept."""
        ...

    def set_item_enabled(self, bank: str, item: str, enabled: bool, by: str) -> BankItem: ...
    def remove(self, bank: str, item: str, by: str) -> None: ...
    def match(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Match]: ...
    def sizes(self) -> Mapping[FingerprintKind, int]: ...


class KeyService(Protocol):
    def create(self, name: str, scopes: Sequence[Scope], by: str, rate_per_minute: int = 6000) -> tuple[Caller, str]:
        """A new key; the secret is shown here once and stored hashed."""
        ...

    def revoke(self, key_id: str, by: str) -> None: ...
    def keys(self) -> Sequence[KeyInfo]: ...

    def authenticate(self, secret: str) -> Caller:
        """Raises Unauthenticated."""
        ...


class KeyInfo(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    scopes: tuple[Scope, ...]
    rate_per_minute: int
    created_at: datetime
    revoked_at: datetime | None


class CaseService(Protocol):
    def cases(self, most: int = 100) -> Sequence[Case]:
        """Open cases, the most urgent first."""
        ...


class DeadLetter(Struct, frozen=True, kw_only=True):
    key: str
    endpoint: str
    attempts: int
    error: str
    created_at: datetime


class OutboxService(Protocol):
    def dead_letters(self) -> Sequence[DeadLetter]: ...
    def replay(self, key: str, by: str) -> None: ...


class ReadyCheck(Struct, frozen=True, kw_only=True):
    name: str
    ok: bool
    detail: str
    blocking: bool = True
    """False: shown as a warning, the service is ready all the same."""


class Live(Struct, frozen=True, kw_only=True):
    """What the live page shows; counts since the process started."""

    at: datetime
    uptime_s: float
    events: int
    events_per_second: float
    """Over the last five seconds."""
    decisions: Mapping[str, int]
    """By the strongest action."""
    levels: Mapping[str, int]
    harms: Mapping[str, int]
    alerts: Sequence[Mapping[str, Any]]
    """Each of the last conversations' first decision of high level: event id, `at` (when it was decided, ISO 8601), harms, level, actions
    with the strongest first, detectors as `Decision` has them, seconds since the first event."""
    open_cases: int
    commits: int
    p50_ms: float
    p99_ms: float
    history: Sequence[int] = ()
    """Events decided in each of the last whole seconds, the oldest first: 120, or as many as the process is old."""


class StatusService(Protocol):
    def ready(self) -> Sequence[ReadyCheck]: ...
    def live(self) -> Live: ...
    def metrics(self) -> bytes:
        """Prometheus text exposition."""
        ...


class Services(Struct, frozen=True, kw_only=True):
    """Everything the faces may call."""

    events: EventService
    media: MediaService
    banks: BankService
    keys: KeyService
    cases: CaseService
    outbox: OutboxService
    status: StatusService
    now: Callable[[], datetime]
    endpoints: frozenset[str] = frozenset()
    """Names of the configured webhook endpoints; empty: none is, so that nothing can be told to any."""


class SenseEngine(Protocol):
    """The real senses over an in-memory index, for the test kit: `app.harness` fills it."""

    def put_bank(self, bank: Bank, items: Sequence[BankItem]) -> None: ...

    def features(self, events: Sequence[EventBase], *, costly: bool = True) -> list[Features]:
        """Every applicable sense on the events in order, the tails followed as the pipeline would."""
        ...
