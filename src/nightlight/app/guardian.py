"""The guardian summary's way: made, seen by the child, opened by the guardian. It travels in a sealed ticket and is stored nowhere."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec import Struct

from nightlight.core.clock import Clock
from nightlight.core.errors import Conflict, Invalid, Tampered
from nightlight.core.guardian import MadeSummary, NewSummary, Summary, Ticket
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry, Sealer
from nightlight.protect.guardian import summarise

GOOD_FOR = timedelta(days=30)
TO_CHILD, TO_GUARDIAN = "guardian-summary/child", "guardian-summary/guardian"
"""What the seal is bound to: a ticket of one kind does not open as the other."""


class _Held(Struct, frozen=True):
    id: str
    until: datetime
    summary: Summary


class _Audit(Protocol):
    def append(self, entries: list[AuditEntry]) -> object: ...


_decode = msgspec.json.Decoder(_Held)


class Guardians:
    """`core.guardian.GuardianSummaries`. It is handed a sealer, an audit and a clock, so that it can look nothing up about anybody."""

    def __init__(self, sealer: Sealer, audit: _Audit, clock: Clock) -> None:
        self._sealer, self._audit, self._clock = sealer, audit, clock

    def make(self, new: NewSummary, by: str) -> MadeSummary:
        summary = summarise(new)
        held = _Held(new_id("gs"), self._clock.now() + GOOD_FOR, summary)
        self._note("guardian_summary.make", held, by)
        return MadeSummary(held.id, summary, self._seal(held, TO_CHILD))

    def seen(self, ticket: str, by: str) -> Ticket:
        held = self._held(ticket, TO_CHILD)
        if held is None:
            raise Invalid("no ticket of a summary that was made here, or one that was seen already", field="ticket")
        self._note("guardian_summary.seen", held, by)
        return Ticket(self._seal(held, TO_GUARDIAN))

    def open(self, ticket: str, by: str) -> Summary:
        held = self._held(ticket, TO_GUARDIAN)
        if held is None:
            if self._held(ticket, TO_CHILD) is not None:
                raise Conflict("the child has not seen it yet")
            raise Invalid("no ticket that opens a summary", field="ticket")
        self._note("guardian_summary.open", held, by)
        return held.summary

    def _seal(self, held: _Held, context: str) -> str:
        return base64.urlsafe_b64encode(self._sealer.seal(msgspec.json.encode(held), context)).decode()

    def _held(self, ticket: str, context: str) -> _Held | None:
        """None where it is no ticket of that kind. Raises Invalid where it is too old."""
        try:
            sealed = base64.b64decode(ticket.encode("ascii"), altchars=b"-_", validate=True)
            held = _decode.decode(self._sealer.open(sealed, context))
        except (binascii.Error, UnicodeEncodeError, Tampered):
            return None
        if self._clock.now() > held.until:
            raise Invalid("this ticket is too old; make the summary anew", field="ticket")
        return held

    def _note(self, action: str, held: _Held, by: str) -> None:
        self._audit.append([AuditEntry(at=self._clock.now(), actor=by, action=action, target=held.id)])
