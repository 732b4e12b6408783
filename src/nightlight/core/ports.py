"""Ports that the engines of `adapters` fill: sealing, the store of the pipeline, effects.

One test suite runs over every implementation of a port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from nightlight.core.assessment import Assessment
from nightlight.core.case import Lane, Peers
from nightlight.core.decision import Decision
from nightlight.core.detect import Fact, Key
from nightlight.core.event import AgeBand, Assurance, ReportCategory
from nightlight.core.features import AccountSummary
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.job import Job, JobState
from nightlight.core.signal import Signal, Subject


class Sealer(Protocol):
    """Authenticated encryption of whatever is content. `context` is bound to the ciphertext: a blob moved to another row does not open."""

    def seal(self, plain: bytes, context: str) -> bytes: ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises Tampered where it does not authenticate."""
        ...

    def mac(self, data: bytes) -> bytes:
        """A keyed 32-byte commitment: equal for equal data, and says nothing without the key."""
        ...


class Head(Struct, frozen=True):
    """Where a partition's log stands. A commit names the head it was computed from; if another writer moved it, nothing is written."""

    partition: str
    position: int = 0
    """Events (or facts) committed so far."""
    epoch: int = 0
    """Of the writer's lease."""


class StoredEvent(Struct, frozen=True, kw_only=True):
    id: str
    at: datetime
    received_at: datetime
    kind: str
    conversation: str
    actor: str
    accounts: tuple[str, ...]
    """Every account it concerns, the actor first."""
    body_mac: bytes
    sealed: bytes
    """The event as msgpack, sealed with context `event:<id>`."""
    expires_at: datetime
    preserved: bool = False


class Decided(Struct, frozen=True):
    body_mac: bytes
    decision: Decision


class SavedState(Struct, frozen=True):
    """A detector's memory. `version` is the detector's state version that wrote it."""

    version: int
    raw: bytes


class LimitKind(StrEnum):
    CONTACT = "contact"
    """Contact with minors."""
    REACH = "reach"
    """Contact with those whom the account could reach through the child it endangers."""
    FRICTION = "friction"
    """Nothing is kept from it; the service's ordinary rate limit applies."""


class ContactLimit(Struct, frozen=True, kw_only=True):
    account: str
    until: datetime
    event: str
    rule: str
    lifted_by: str | None = None
    reviewed: bool = False
    kind: LimitKind = LimitKind.CONTACT
    since: datetime | None = None
    """When it begins; None: with the event."""
    protects: tuple[str, ...] = ()
    """The children whom it is about, as far as they are named."""

    def binds(self, now: datetime) -> bool:
        """Whether it has begun and has not ended."""
        return (self.since is None or self.since <= now) and now < self.until


class CaseOpening(Struct, frozen=True, kw_only=True):
    """Opens a case, or adds to the one that is open about the same account; where nobody is suspected, about the same subject and harm."""

    subject: Subject
    harm: Harm | None
    level: Level
    queue: str
    priority: int
    event: str
    reasons: tuple[str, ...]
    actor: str | None = None
    protects: str | None = None
    stages: tuple[Stage, ...] = ()
    child_band: AgeBand = AgeBand.UNKNOWN
    """Of whom it protects, as the event says."""
    child_assurance: Assurance = Assurance.NONE
    peers: Peers = Peers.NO
    told: ReportCategory | None = None
    """Where a person told us: in which category."""
    flags: tuple[str, ...] = ()
    lane: Lane = Lane.STANDARD
    """This and `within` are what the review room makes of the others."""
    within: timedelta | None = None
    """How long a person has; None: by its priority alone, two hours a step."""

    @property
    def merges_by(self) -> str:
        """What it has in common with the case that it adds to. Whoever is in danger through nobody else is no suspect."""
        if self.actor is not None and self.actor != self.protects:
            return f"actor|{self.actor}"
        return f"{self.subject.kind}|{self.subject.id}|{self.harm or ''}"


class Outgoing(Struct, frozen=True, kw_only=True):
    """An effect that leaves at least once, always with the same key and the same bytes."""

    key: str
    endpoint: str
    body: bytes
    """JSON without raw content; sealed in the store all the same (context `outbox:<key>`)."""
    not_before: datetime
    cancel_key: str | None = None
    """Messages with this key are dropped when somebody calls `cancel`, such as a reminder that review made needless."""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One row of the keyed chain: who did what to which thing, when. Never content."""

    at: datetime
    actor: str
    """`system`, or `key:<id>`, `cli`, `reviewer:<id>`."""
    action: str
    """`decision`, `key.create`, `bank.item.add`, `policy.activate`, ..."""
    target: str
    detail: Mapping[str, str | int | float | bool | None] = {}


class Work(Struct, frozen=True, kw_only=True):
    """Everything one micro-batch changes. Committed whole or not at all."""

    head: Head
    """As read before the batch was computed."""
    advance: int
    """By how many positions the partition moves."""
    events: Sequence[StoredEvent] = ()
    decisions: Sequence[Decision] = ()
    """Live and shadow."""
    signals: Sequence[tuple[str, Signal]] = ()
    """With the event (or, at the second hop, the fact's event) each came from."""
    states: Mapping[tuple[str, Key], SavedState] = {}
    """By detector name and key."""
    assessments: Sequence[Assessment] = ()
    summaries: Mapping[str, AccountSummary] = {}
    facts: Sequence[Fact] = ()
    """Derived now, to be folded at the second hop."""
    absorbed: Sequence[int] = ()
    """Ids of the facts that this batch folded."""
    tails: Mapping[str, bytes] = {}
    """Sealed with context `tail:<direction>`, by direction (conversation and author)."""
    tails_expire_at: datetime | None = None
    limits: Sequence[ContactLimit] = ()
    cases: Sequence[CaseOpening] = ()
    outbox: Sequence[Outgoing] = ()
    accounts: Mapping[str, bytes] = {}
    """Pseudonym to the service's own id, sealed with context `account:<pseudonym>`; kept where not yet known."""
    audit: Sequence[AuditEntry] = ()


class PipelineStore(Protocol):
    """What the pipeline needs of a database. Safe to use from several threads."""

    def head(self, partition: str) -> Head: ...

    def decided(self, ids: Sequence[str]) -> Mapping[str, Decided]:
        """Live decisions already given for those event ids."""
        ...

    def states(self, wanted: Sequence[tuple[str, Key]]) -> Mapping[tuple[str, Key], SavedState]: ...

    def assessments(self, subjects: Sequence[Subject]) -> Mapping[tuple[Subject, Harm], Assessment]: ...

    def summaries(self, accounts: Sequence[str]) -> Mapping[str, AccountSummary]: ...

    def tails(self, directions: Sequence[str], now: datetime) -> Mapping[str, bytes]:
        """Sealed tails that have not expired."""
        ...

    def limits(self, accounts: Sequence[str], now: datetime) -> Mapping[str, Sequence[ContactLimit]]:
        """Limits in force, by account, the one that lasts longest last."""
        ...

    def pending_facts(self, most: int) -> Sequence[tuple[int, Fact]]:
        """Facts not yet absorbed, oldest first."""
        ...

    def event(self, id: str) -> StoredEvent | None: ...

    def sharers(self, subject: Subject, since: datetime) -> Mapping[str, str]:
        """The accounts whose own events raised signals about a subject since then, each with its latest such event. Of the latest hundred
        thousand signals only: it is asked while a flood of them is fresh."""
        ...

    def original_accounts(self, pseudonyms: Sequence[str]) -> Mapping[str, bytes]:
        """The service's own ids, sealed with context `account:<pseudonym>`; an erased one is absent."""
        ...

    def commit(self, work: Work) -> None:
        """One transaction. Raises StaleHead where another writer moved the partition; nothing was written then."""
        ...


class Delivery(Struct, frozen=True, kw_only=True):
    """An outbox row that is due."""

    key: str
    endpoint: str
    body: bytes
    attempts: int
    created_at: datetime


class OutboxStore(Protocol):
    def due(self, now: datetime, most: int) -> Sequence[Delivery]: ...

    def delivered(self, key: str, at: datetime) -> None: ...

    def failed(self, key: str, error: str, retry_at: datetime | None) -> None:
        """`retry_at` None: a dead letter, kept and visible until somebody replays it."""
        ...


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where notifications go; the operator configures it."""

    name: str
    url: str
    secret: str


class JobStore(Protocol):
    """Media jobs. How a job ended and the message that tells of it change in one transaction."""

    def create(self, job: Job, notify: str | None = None) -> Job:
        """Keep a waiting job; one with that id is returned as it is."""
        ...

    def finish(self, id: str, state: JobState, at: datetime, detail: str = "", outgoing: Outgoing | None = None) -> Job:
        """Raises NotFound. A job that is finished stays as it is, and sends nothing again."""
        ...

    def get(self, id: str) -> Job | None: ...
