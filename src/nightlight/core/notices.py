"""Notices to hosts: that something lies on somebody else's service, and what follows when they do not answer.

A notice leaves by a webhook that the operator configured, from the outbox, or by the hand of a person. Nothing else sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class NoticeState(StrEnum):
    SENT = "sent"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    """The host does not answer: the hotline of its country is to be told."""
    LATE = "late"
    """Everything was tried; a person closes it, with what came of it."""
    ANSWERED = "answered"
    CLOSED = "closed"

    @property
    def has_ended(self) -> bool:
        return self in (NoticeState.ANSWERED, NoticeState.CLOSED)


class NoticeItem(Struct, frozen=True, kw_only=True):
    """One thing that the host has: a URL, a SHA-256, or both."""

    url: str = ""
    sha256: str = ""


class Sending(Struct, frozen=True, kw_only=True):
    """One message that left, or was handed to a person."""

    at: datetime
    step: str
    """`notice`, `remind`, `hotline`, `close`."""
    key: str | None
    """Of the outbox; None: a person sends it."""


class HostNotice(Struct, frozen=True, kw_only=True):
    id: str
    case: str
    host: str
    to: str
    """Address of the host's abuse desk."""
    language: str
    items: tuple[NoticeItem, ...]
    subject: str
    body: str
    at: datetime
    by: str
    reported: bool
    state: NoticeState = NoticeState.SENT
    sendings: tuple[Sending, ...] = ()
    due_at: datetime | None = None
    """When the next step is due; None once it has ended."""
    ended_at: datetime | None = None
    ended_by: str = ""
    outcome: str = ""
    """What the host answered, or why it was closed. Sealed, as everything here."""


class NoticeDesk(Protocol):
    """Raises NotFound, Invalid naming the field, Conflict where the state forbids it. Each change is one audit entry with it."""

    def send(
        self, case: str, by: str, *, host: str, to: str, items: Sequence[NoticeItem], language: str = "en", by_hand: bool = False
    ) -> HostNotice:
        """Write it and let it leave. `by_hand`: a person sends it, and the clock of what follows runs all the same. Raises Conflict where
        the case was not confirmed by a person, and where no endpoint is configured and not `by_hand`."""
        ...

    def answered(self, id: str, by: str, outcome: str) -> HostNotice: ...

    def close(self, id: str, by: str, outcome: str) -> HostNotice:
        """Without an answer."""
        ...

    def get(self, id: str, by: str) -> HostNotice:
        """Opened, which is recorded."""
        ...

    def waiting(self, *, after: str | None = None, most: int = 100) -> Sequence[HostNotice]:
        """Those without an answer, the earliest first, without their words (`subject`, `body` and `items` are empty)."""
        ...

    def of_case(self, case: str) -> Sequence[HostNotice]:
        """Without their words."""
        ...

    def follow_up(self, now: datetime) -> int:
        """Take every step that is due; how many."""
        ...
