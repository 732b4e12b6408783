"""Bodies that only the API knows. Events, decisions and banks travel as core defines them."""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from nightlight.core.bank import Bank, BankAction, BankItem, BankKind, BankVersion, Category, ItemVerdict, Match, Standing
from nightlight.core.case import Case
from nightlight.core.catalogue import Words
from nightlight.core.decision import Decision, Helpline, Instruction
from nightlight.core.event import EVENT_TYPES, EventBase, Id, MediaScreened
from nightlight.core.exchange import ExchangeState
from nightlight.core.fingerprint import FOREIGN_KIND, MAX_FINGERPRINTS, PDQ_THRESHOLD, Fingerprint, FingerprintKind
from nightlight.core.services import Answer, Caller, DeadLetter, Job, Scope, Screening

MAX_QUERIES = 100
"""Look-ups of one request."""

BankName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Note = Annotated[str, Meta(max_length=500)]
Label = Annotated[str, Meta(min_length=1, max_length=80)]
Labels = Annotated[tuple[Label, ...], Meta(max_length=32)]
Source = Annotated[str, Meta(min_length=1, max_length=200)]
Threshold = Annotated[int, Meta(ge=0, le=PDQ_THRESHOLD)]
Fingerprints = Annotated[tuple[Fingerprint, ...], Meta(min_length=1, max_length=MAX_FINGERPRINTS)]
BankedFingerprints = Annotated[tuple[Fingerprint, ...], Meta(min_length=1, max_length=1024)]
"""A video's item has those of its frames."""
Kinds = Annotated[tuple[FingerprintKind, ...], Meta(max_length=32, extra_json_schema={"uniqueItems": True})]
ForeignName = Annotated[str, Meta(pattern=f"^{FOREIGN_KIND}$")]
Thresholds = Annotated[dict[ForeignName, Annotated[int, Meta(ge=0, le=1_000_000)]], Meta(max_length=32)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Provenance = Annotated[str, Meta(max_length=500)]
Ends = Annotated[datetime, Meta(tz=True)]


def one_of(*names: str) -> Meta:
    """A schema for any of these: msgspec knows no union of untagged objects, and none of them needs to be read back."""
    return Meta(extra_json_schema={"anyOf": [{"$ref": f"#/components/schemas/{one}"} for one in names]})


def or_problem(name: str) -> Meta:
    return one_of(name, "Problem")


SENT_EVENT: Any = reduce(or_, (kind for kind in EVENT_TYPES if kind is not MediaScreened))
"""What may be sent as an event: every kind but the one that Nightlight makes itself from an upload."""


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what callers send: a misspelt field is an error, never lost in silence."""


class EventBatch(Body, frozen=True, kw_only=True):
    """Described here; read by the ingest service, event by event."""

    events: Annotated[tuple[Annotated[Any, Meta(extra_json_schema={"$ref": "#/components/schemas/Event"})], ...], Meta(min_length=1)]


class UploadEvent(EventBase, frozen=True, kw_only=True, tag="media_screened"):
    """The part `event` of an upload: everything about the sharing but the fingerprints, which come of the bytes."""

    media_id: Id | None = None


class MediaBatch(Body, frozen=True, kw_only=True):
    """Events of kind `media`; described here, read event by event."""

    events: Annotated[tuple[Annotated[Any, Meta(extra_json_schema={"$ref": "#/components/schemas/Media"})], ...], Meta(min_length=1)]


class MediaJob(Struct, frozen=True, kw_only=True):
    """In the place of an answer: this upload is screened as a job."""

    event_id: Id
    job: Job


class MediaResults(Struct, frozen=True):
    """One result an upload or event, in the order they were sent: an answer, a job, or a problem (it has `status` and `code`)."""

    results: tuple[Annotated[Any, one_of("EventAnswer", "MediaJob", "Problem")], ...]


class EventAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service is to do. `decision` is there only for keys with `safety:read`."""

    event_id: Id
    for_sender: Instruction
    for_recipients: tuple[Instruction, ...]
    decision: Decision | None = None
    media: Screening | None = None
    """For an upload, whatever the decision."""


class MessageList(Struct, frozen=True, kw_only=True):
    """What to show under each message key. How it may be shown stands in the answer that names the key."""

    language: str
    languages: tuple[str, ...]
    """All there are."""
    messages: dict[str, Words]
    helplines: tuple[Helpline, ...]
    """All that the operator set; an answer has those for the party's place."""


class BatchAnswer(Struct, frozen=True):
    """One result an event, in the order they were sent: an answer, or a problem (it has `status` and `code`)."""

    results: tuple[Annotated[Any, or_problem("EventAnswer")], ...]


class NewBank(Body, frozen=True, kw_only=True):
    name: BankName
    kind: BankKind = BankKind.OWN
    threshold: Threshold = PDQ_THRESHOLD
    enabled: bool = True
    note: Note = ""
    action: BankAction = BankAction.BLOCK
    kinds: Kinds = ()
    thresholds: Thresholds = {}
    share: Share = 1.0
    authority: bool = False
    expires_after_days: Days | None = None


class BankChange(Body, frozen=True, kw_only=True):
    threshold: Threshold | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    note: Note | UnsetType = UNSET
    action: BankAction | UnsetType = UNSET
    kinds: Kinds | UnsetType = UNSET
    thresholds: Thresholds | UnsetType = UNSET
    share: Share | UnsetType = UNSET
    authority: bool | UnsetType = UNSET
    expires_after_days: Days | UnsetType | None = UNSET
    """null: items stay."""


class BankList(Struct, frozen=True):
    banks: tuple[Bank, ...]


class NewItem(Body, frozen=True, kw_only=True):
    fingerprints: BankedFingerprints
    labels: Labels = ()
    source: Source | None = None
    category: Category | None = None
    generated: bool | None = None
    provenance: Provenance = ""
    expires_at: Ends | None = None


class UploadedItem(Body, frozen=True, kw_only=True):
    """The part `item` of an upload."""

    labels: Labels = ()
    source: Source | None = None
    category: Category | None = None
    generated: bool | None = None
    provenance: Provenance = ""
    expires_at: Ends | None = None


class ItemChange(Body, frozen=True, kw_only=True):
    enabled: bool


class ItemState(Struct, frozen=True):
    item: BankItem
    standing: Standing
    verdicts: tuple[ItemVerdict, ...]
    """Each person's latest."""


class NewApproval(Body, frozen=True, kw_only=True):
    lead: bool = False
    """It also overrides authorities' lists: needs a key with `banks:lead`."""


class NewVerdict(Body, frozen=True, kw_only=True):
    confirm: bool
    note: Note = ""


class Judged(Struct, frozen=True):
    verdict: ItemVerdict
    derived: BankItem | None
    """Fingerprints of parts of the picture that came with the verdict, where it confirms and they are worth keeping."""


class NewPause(Body, frozen=True, kw_only=True):
    note: Note = ""


class NewRollback(Body, frozen=True, kw_only=True):
    version: Annotated[int, Meta(ge=0, le=2**62)]


class VersionList(Struct, frozen=True):
    versions: tuple[BankVersion, ...]


class ItemList(Struct, frozen=True):
    items: tuple[BankItem, ...]
    next: str | None
    """Give it as `after` for the page that follows; null on the last."""


class FileQuery(Body, frozen=True, kw_only=True):
    """The fingerprints of one file."""

    fingerprints: Fingerprints


class FingerprintQuery(Body, frozen=True, kw_only=True):
    """One of the two."""

    fingerprints: Fingerprints | UnsetType = UNSET
    queries: Annotated[tuple[FileQuery, ...], Meta(min_length=1, max_length=MAX_QUERIES)] | UnsetType = UNSET


class MatchList(Struct, frozen=True):
    matches: tuple[Match, ...]


class MatchResults(Struct, frozen=True):
    """One list a query, in the order they were sent."""

    results: tuple[MatchList, ...]


ExchangeName = BankName
ShortText = Annotated[str, Meta(min_length=1, max_length=4000)]
Url = Annotated[str, Meta(min_length=8, max_length=500)]
Options = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=40)], ShortText], Meta(max_length=20)]
Minutes = Annotated[int, Meta(ge=1, le=44_640)]


class NewExchange(Body, frozen=True, kw_only=True):
    name: ExchangeName
    # Not `file`: a key of the API may not choose which files of the machine are read.
    kind: Literal["ncmec", "stopncii", "threatexchange", "arachnid"]
    bank: BankName
    """Made where there is none."""
    url: Url | UnsetType = UNSET
    options: Options = {}
    enabled: bool = True
    interval_minutes: Minutes = 60
    credentials: Options = {}
    """Kept sealed; no answer holds them."""


class ExchangeChange(Body, frozen=True, kw_only=True):
    url: Url | UnsetType = UNSET
    options: Options | UnsetType = UNSET
    """All of them: what is not here is gone."""
    enabled: bool | UnsetType = UNSET
    interval_minutes: Minutes | UnsetType = UNSET
    credentials: Options | UnsetType = UNSET


class ExchangeList(Struct, frozen=True):
    exchanges: tuple[ExchangeState, ...]


class CaseList(Struct, frozen=True):
    cases: tuple[Case, ...]


class DeadLetterList(Struct, frozen=True):
    dead_letters: tuple[DeadLetter, ...]


LetterKey = Annotated[str, Meta(min_length=1, max_length=300)]


class Replay(Body, frozen=True, kw_only=True):
    keys: Annotated[tuple[LetterKey, ...], Meta(min_length=1, max_length=100)]


class Replayed(Struct, frozen=True, kw_only=True):
    key: str
    replayed: bool = True


class ReplayAnswer(Struct, frozen=True):
    """One result a key, in the order they were sent."""

    results: tuple[Annotated[Any, or_problem("Replayed")], ...]


class AskedReport(Body, frozen=True, kw_only=True):
    code: Annotated[str, Meta(min_length=1, max_length=100)]
    """As it was given out, however it was typed."""


def answer_for(caller: Caller, answer: Answer) -> EventAnswer:
    """An answer as far as this caller may know it."""
    decision = answer.decision if Scope.SAFETY_READ in caller.scopes else None
    return EventAnswer(
        event_id=answer.event_id,
        for_sender=answer.for_sender,
        for_recipients=answer.for_recipients,
        decision=decision,
        media=answer.media,
    )
