"""Bodies that only the API knows. Events, decisions and banks travel as core defines them."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from nightlight.core.case import Case
from nightlight.core.decision import Decision, Instruction
from nightlight.core.errors import Invalid
from nightlight.core.event import EVENT_TYPES, EventBase, Id, MediaScreened
from nightlight.core.fingerprint import PDQ_THRESHOLD, Bank, BankItem, BankKind, Fingerprint, Match
from nightlight.core.services import Answer, Caller, DeadLetter, Scope, Screening

BankName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Note = Annotated[str, Meta(max_length=500)]
Label = Annotated[str, Meta(min_length=1, max_length=80)]
Labels = Annotated[tuple[Label, ...], Meta(max_length=32)]
Source = Annotated[str, Meta(min_length=1, max_length=200)]
Threshold = Annotated[int, Meta(ge=0, le=PDQ_THRESHOLD)]
Fingerprints = Annotated[tuple[Fingerprint, ...], Meta(min_length=1, max_length=64)]


def or_problem(name: str) -> Meta:
    """A schema for "that, or a problem": msgspec knows no union of untagged objects, and neither needs to be read back."""
    return Meta(extra_json_schema={"anyOf": [{"$ref": f"#/components/schemas/{one}"} for one in (name, "Problem")]})


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


class EventAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service is to do. `decision` is there only for keys with `safety:read`."""

    event_id: Id
    for_sender: Instruction
    for_recipients: tuple[Instruction, ...]
    decision: Decision | None = None
    media: Screening | None = None
    """For an upload, whatever the decision."""


class BatchAnswer(Struct, frozen=True):
    """One result an event, in the order they were sent: an answer, or a problem (it has `status` and `code`)."""

    results: tuple[Annotated[Any, or_problem("EventAnswer")], ...]


class NewBank(Body, frozen=True, kw_only=True):
    name: BankName
    kind: BankKind = BankKind.OWN
    threshold: Threshold = PDQ_THRESHOLD
    enabled: bool = True
    note: Note = ""


class BankChange(Body, frozen=True, kw_only=True):
    threshold: Threshold | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    note: Note | UnsetType = UNSET


class BankList(Struct, frozen=True):
    banks: tuple[Bank, ...]


class NewItem(Body, frozen=True, kw_only=True):
    fingerprints: Fingerprints
    labels: Labels = ()
    source: Source | None = None


class UploadedItem(Body, frozen=True, kw_only=True):
    """The part `item` of an upload."""

    labels: Labels = ()
    source: Source | None = None


class ItemChange(Body, frozen=True, kw_only=True):
    enabled: bool


class ItemList(Struct, frozen=True):
    items: tuple[BankItem, ...]
    next: str | None
    """Give it as `after` for the page that follows; null on the last."""


class FingerprintQuery(Body, frozen=True, kw_only=True):
    fingerprints: Fingerprints


class MatchList(Struct, frozen=True):
    matches: tuple[Match, ...]


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


def check_fingerprints(fingerprints: tuple[Fingerprint, ...]) -> None:
    """Raises Invalid where a value has not its kind's length."""
    for position, found in enumerate(fingerprints):
        # The schema's pattern ends in `$`, which lets a last newline by.
        if len(found.value) != found.kind.hex_digits or not found.value.isalnum():
            raise Invalid(f"a {found.kind} has {found.kind.hex_digits} hexadecimal digits", field=f"fingerprints[{position}].value")
