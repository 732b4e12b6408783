"""Service Protocols: what `web` calls and `app` injects. The faces know these and nothing behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import UNSET, Struct, UnsetType

from nightlight.core.bank import (
    Applied,
    Bank,
    BankAction,
    BankItem,
    BankVersion,
    Category,
    IndexStatus,
    ItemVerdict,
    Match,
    NewItem,
    Standing,
)
from nightlight.core.case import Case
from nightlight.core.catalogue import Catalogue
from nightlight.core.decision import Decision, Instruction
from nightlight.core.desk import CaseDesk
from nightlight.core.deterrence import DeterrenceService
from nightlight.core.errors import NightlightError
from nightlight.core.event import EventBase
from nightlight.core.exchange import Exchange, ExchangeState
from nightlight.core.family import FamilyMaterial
from nightlight.core.features import Features
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.gates import GateService, TrustService
from nightlight.core.guardian import GuardianSummaries
from nightlight.core.help import HelpService
from nightlight.core.helplines import HelplineBook
from nightlight.core.job import Job as Job
from nightlight.core.job import JobState as JobState
from nightlight.core.moment import Moments
from nightlight.core.notices import NoticeDesk
from nightlight.core.protections import ProtectionService
from nightlight.core.provider import ProviderSignIn
from nightlight.core.report_desk import ReportDesk, ReportLayout
from nightlight.core.requests import RequestDesk
from nightlight.core.reveal import Reveal
from nightlight.core.reviewers import AuditTrail, ReviewerService
from nightlight.core.rulebook import PolicyDesk
from nightlight.core.self_report import SelfReport, SelfReportState
from nightlight.core.user_report import UserReportService
from nightlight.core.vault import Identities, Vault


class Scope(StrEnum):
    EVENTS_WRITE = "events:write"
    """Send events and media, and get neutral instructions."""
    SAFETY_READ = "safety:read"
    """See harm, level, reasons and cases."""
    BANKS_READ = "banks:read"
    BANKS_WRITE = "banks:write"
    BANKS_LEAD = "banks:lead"
    """Approve that a known false match overrides an authority's list, and say that a list is no authority's any more."""
    IDENTITIES_WRITE = "identities:write"
    """Put and remove who an account is outside the service. Reads nothing back."""
    GATES_ASK = "gates:ask"
    """Ask what is protected by age, and who may reach, give to, add, be suggested to and see whom: neutral codes only."""
    TRUST_WRITE = "trust:write"
    """Let two people become trusted contacts, list them, end it."""
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
    exact_only: bool = False
    """It was decoded and has too little structure to be told from other pictures: only its exact bytes are looked up."""


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
    """Banks and their items. Every change is a version that can be gone back to, and an entry of the audit log.

    Raises NotFound for a bank or item that is not there, Invalid naming the field, Conflict where the rules of the bank forbid it.
    """

    def banks(self) -> Sequence[Bank]: ...
    def create(self, bank: Bank, by: str) -> Bank: ...

    def change(
        self,
        name: str,
        by: str,
        *,
        threshold: int | None = None,
        enabled: bool | None = None,
        note: str | None = None,
        action: BankAction | None = None,
        kinds: Sequence[FingerprintKind] | None = None,
        thresholds: Mapping[str, int] | None = None,
        share: float | None = None,
        authority: bool | None = None,
        expires_after_days: int | UnsetType | None = UNSET,
        lead: bool = False,
    ) -> Bank:
        """Only what is given changes. `expires_after_days` None: items stay. A bank's kind never changes.

        `lead`: a lead does it. Raises Denied where anybody else would say of an authority's list that it is none: known false matches
        would override it.
        """
        ...

    def items(self, bank: str, after: str | None = None, most: int = 100) -> Sequence[BankItem]: ...
    def item(self, bank: str, item: str) -> BankItem: ...

    def add(
        self,
        bank: str,
        fingerprints: Sequence[Fingerprint],
        by: str,
        *,
        labels: Sequence[str] = (),
        source: str | None = None,
        category: Category | None = None,
        generated: bool | None = None,
        provenance: str = "",
        expires_at: datetime | None = None,
    ) -> BankItem:
        """One new item. In a negative bank it is a proposal, SHA-256 only, that another person must approve."""
        ...

    def add_bytes(
        self,
        bank: str,
        data: bytes,
        by: str,
        *,
        labels: Sequence[str] = (),
        source: str | None = None,
        category: Category | None = None,
        generated: bool | None = None,
        provenance: str = "",
        expires_at: datetime | None = None,
    ) -> BankItem:
        """Hash the bytes and bank their fingerprints; the bytes are not kept."""
        ...

    def apply(
        self, bank: str, put: Sequence[NewItem], withdraw: Sequence[str], by: str, also: Callable[[Any, Applied], None] | None = None
    ) -> Applied:
        """Many changes of one list at once: one transaction, one version, one audit entry; at most 5,000 rows.

        Items are known by `source`, the list's own id: an unchanged one is left, a changed one replaced. `withdraw` lists such ids;
        those that are not there are passed over. `also` is called with the store's connection and the outcome just before the commit;
        what it raises undoes everything. Raises NotFound, Invalid or TooLarge.
        """
        ...

    def set_item_enabled(self, bank: str, item: str, enabled: bool, by: str) -> BankItem: ...

    def remove(self, bank: str, item: str, by: str, *, forget: bool = False) -> None:
        """`forget`: keep no history of it either; no version that is gone back to brings it back."""
        ...

    def approve(self, bank: str, item: str, by: str, *, lead: bool = False) -> BankItem:
        """The second person's word on an item of a negative bank. `lead`: it also overrides authorities' lists.

        Raises Denied where `by` proposed it.
        """
        ...

    def verdict(self, bank: str, item: str, confirm: bool, by: str, note: str = "") -> ItemVerdict: ...
    def verdicts(self, bank: str, item: str) -> Sequence[ItemVerdict]:
        """Those that count, one a person, the oldest first."""
        ...

    def standing(self, bank: str, items: Sequence[str]) -> Mapping[str, Standing]:
        """By item id; what was never met nor judged is there too."""
        ...

    def unsent_verdicts(self, bank: str, most: int = 100) -> Sequence[ItemVerdict]:
        """Latest verdicts on items with a source that were not written back, the oldest first."""
        ...

    def mark_sent(self, bank: str, verdicts: Sequence[int]) -> None:
        """By `ItemVerdict.id`: they were written back."""
        ...

    def pause(self, bank: str, item: str, by: str, note: str = "") -> BankItem:
        """A flood of matches: until it is resumed, it holds for review and has no consequence for any account."""
        ...

    def resume(self, bank: str, item: str, by: str, note: str = "") -> BankItem:
        """Raises Conflict where nobody gave a verdict since it was paused and there is no note."""
        ...

    def derive(self, bank: str, item: str, data: bytes, by: str) -> BankItem | None:
        """Bank fingerprints of parts of a confirmed picture of an own bank, whose bytes are at hand; None where none is worth it.

        Raises Conflict where nobody confirmed it or the bank is not an own one, Invalid where the bytes are not the item's.
        """
        ...

    def versions(self, bank: str, most: int = 100) -> Sequence[BankVersion]:
        """Those that can be gone back to, the newest first."""
        ...

    def rollback(self, bank: str, version: int, by: str) -> Bank:
        """Settings and items as they were then, as a new version. In a negative bank, what is not approved now comes back as a
        proposal."""
        ...

    def expire(self, now: datetime) -> int:
        """Remove what is due; how many items."""
        ...

    def match(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Match]: ...
    def sizes(self) -> Mapping[FingerprintKind, int]: ...


class LookUpService(Protocol):
    def look_up(self, queries: Sequence[Sequence[Fingerprint]]) -> Sequence[Sequence[Match]]:
        """The matches of each file's fingerprints, as screening would find them: by position, each with the view that matched."""
        ...


class IndexService(Protocol):
    def status(self) -> IndexStatus: ...

    def merge(self, by: str) -> Future[IndexStatus]:
        """Write the index's files anew, without what was removed. Lookups and changes go on. Raises Busy, here or from the future."""
        ...

    def verify(self) -> IndexStatus:
        """Compare every byte of the files with its checksum; `trouble` says what is damaged, which is then loaded anew."""
        ...


class ExchangeService(Protocol):
    """Hash lists that are fetched into banks. Credentials go in and never come out."""

    def list(self) -> Sequence[ExchangeState]: ...
    def status(self, name: str) -> ExchangeState: ...
    def create(self, exchange: Exchange, by: str, credentials: Mapping[str, str] | None = None) -> Exchange:
        """The bank is made where there is none. Raises Invalid, or Conflict where the name is taken or another list fills the bank."""
        ...

    def change(
        self,
        name: str,
        by: str,
        *,
        url: str | None = None,
        options: Mapping[str, str] | None = None,
        enabled: bool | None = None,
        interval_minutes: int | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Only what is given changes. Another url or options: the list is fetched from its beginning, and another url forgets the
        credentials, so that whoever may change an exchange cannot have them sent to a place of their choice. Raises NotFound, Invalid."""
        ...

    def remove(self, name: str, by: str) -> None:
        """The bank and what is in it stay. Raises NotFound, or Conflict while it is being fetched."""
        ...

    def start(self, name: str, by: str) -> ExchangeState:
        """Fetch now, in the background. Raises NotFound, or Conflict while it is being fetched."""
        ...


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


class SelfReportService(Protocol):
    """Pictures that young people reported themselves, by fingerprints made on their own device.

    No answer to who sent them tells whether anything matched, before a person looked or after.
    """

    def submit(self, once: str, pictures: Sequence[Sequence[Fingerprint]]) -> str:
        """Bank the fingerprints of each picture for review; the follow-up code, told here only.

        `once` is a random name of the submission, 32 hexadecimal digits: sent again with the same pictures it gets the same code and
        changes nothing. Raises Conflict where it was used with others, Invalid naming the field, Busy where this hour's reports are used
        up.
        """
        ...

    def state(self, code: str) -> SelfReportState:
        """Raises Invalid for what can be no code, NotFound for one that is not known."""
        ...

    def withdraw(self, code: str) -> SelfReportState:
        """Take its fingerprints out of the bank, whatever its state. Raises as `state` does."""
        ...

    def waiting(self, after: str | None = None, most: int = 100) -> Sequence[SelfReport]:
        """Those that no person has finished, the oldest first; pass the last id as `after` to go on."""
        ...

    def look(self, id: str, by: str) -> SelfReport:
        """A person takes it up. Raises NotFound, also for one that was withdrawn; Conflict where it is finished."""
        ...

    def finish(self, id: str, by: str, *, keep: bool) -> SelfReport:
        """A person has looked. `keep` says whether its fingerprints stay in the bank; those taken out cannot come back (Conflict)."""
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
    exchanges: ExchangeService
    keys: KeyService
    cases: CaseService
    outbox: OutboxService
    status: StatusService
    lookups: LookUpService
    index: IndexService
    now: Callable[[], datetime]
    endpoints: frozenset[str] = frozenset()
    """Names of the configured webhook endpoints; empty: none is, so that nothing can be told to any."""
    messages: Catalogue = {}
    """The words behind message keys."""
    self_reports: SelfReportService | None = None
    """None: there is no page for young people, and nothing of it."""
    desk: CaseDesk | None = None
    """None: nobody can judge a case, only list them."""
    user_reports: UserReportService | None = None
    vault: Vault | None = None
    identities: Identities | None = None
    """None: nobody can put or ask who an account is outside the service."""
    reports: ReportDesk | None = None
    reviewers: ReviewerService | None = None
    """None: there is no console."""
    trail: AuditTrail | None = None
    """What was done, for who audits it."""
    layout: ReportLayout | None = None
    """None: a report's document cannot be shown or changed."""
    reveal: Reveal | None = None
    """None: no picture is ever shown, only its hash and what it matched."""
    family: Mapping[str, FamilyMaterial] = {}
    """By language; empty: the pages for families have no material to show."""
    guardians: GuardianSummaries | None = None
    """None: no summary for guardians is made."""
    help: HelpService | None = None
    """None: `/with-you` helps all the same, and neither keeps nor reports anything."""
    helplines: HelplineBook = HelplineBook(())
    """Of all countries; an operator's own come first, and are not in it."""
    moments: Moments = {}
    """The words at moments of decision."""
    requests: RequestDesk | None = None
    """What authorities ask for: to preserve, and to disclose in an emergency."""
    notices: NoticeDesk | None = None
    policies: PolicyDesk | None = None
    """None: the rules cannot be read or changed in the console."""
    gates: GateService | None = None
    trust: TrustService | None = None
    protections: ProtectionService | None = None
    deterrence: DeterrenceService | None = None
    """None: nothing screens searches."""
    provider: ProviderSignIn | None = None
    """None: everybody signs in with a password of the console."""


class SenseEngine(Protocol):
    """The real senses over an in-memory index, for the test kit: `app.harness` fills it."""

    def put_bank(self, bank: Bank, items: Sequence[BankItem]) -> None: ...

    def features(self, events: Sequence[EventBase], *, costly: bool = True) -> list[Features]:
        """Every applicable sense on the events in order, the tails followed as the pipeline would."""
        ...
