"""What the schema alone cannot say: times, control characters, who may address whom, lengths that depend on a kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.event import EVENT_TYPES, ContactRequest, EventBase, Id, Message, Transcript, fields_of
from nightlight.core.fingerprint import check_written
from nightlight.core.ids import fit_for_id
from nightlight.ingest.limits import Limits

E = TypeVar("E", bound=EventBase)

NEEDS_CHANNEL = (Message, Transcript)
"""Kinds that belong to a conversation: without a channel their risk would add up in nobody's memory."""
NEVER_TO_SELF = (Message, ContactRequest)
"""Kinds that reach another person. A report about oneself ("I am in danger") must always get through, so it is not among them."""

_BASE = set(EventBase.__struct_fields__)
_OWN_FIELDS = {kind: tuple(f for f in kind.__struct_fields__ if f not in _BASE) for kind in EVENT_TYPES}
_OWN_IDS = {kind: frozenset(name for name, annotation in fields_of(kind).items() if annotation in (Id, Id | None)) for kind in EVENT_TYPES}


def check(event: E, limits: Limits, now: datetime) -> E:
    """The event with its time in UTC. Raises Invalid or TooLarge naming the field.

    Expects an event that fits its schema; `now` is aware. Made for every event, so the usual one passes in a few microseconds.
    """
    fit_for_id(event.id, "id")
    fit_for_id(event.actor.account, "actor.account")
    _check_place(event.actor.place, "actor.place")
    channel = event.channel
    if channel is not None:
        fit_for_id(channel.id, "channel.id")
    elif isinstance(event, NEEDS_CHANNEL):
        raise Invalid(f"a {event.kind} needs a channel: its id says which conversation it belongs to", field="channel")
    _check_targets(event)
    _check_own(event, limits)
    return _check_time(event, limits, now)


def _check_place(place: str | None, field: str) -> None:
    # The schema's pattern ends in `$`, which in Python lets a trailing newline by.
    if place is not None and not place.isprintable():
        raise Invalid("expected an ISO 3166-1 alpha-2 code, with an optional subdivision", field=field)


def _check_targets(event: EventBase) -> None:
    if not event.targets:
        return
    seen: set[str] = set()
    to_self = isinstance(event, NEVER_TO_SELF)
    for i, target in enumerate(event.targets):
        account = target.account
        fit_for_id(account, f"targets[{i}].account")
        _check_place(target.place, f"targets[{i}].place")
        if account in seen:
            raise Invalid("this account is already among the targets", field=f"targets[{i}].account")
        if to_self and account == event.actor.account:
            raise Invalid(f"a {event.kind} may not address its own actor", field=f"targets[{i}].account")
        seen.add(account)


def _check_own(event: EventBase, limits: Limits) -> None:
    kind = type(event)
    for name in _OWN_FIELDS[kind]:
        value = getattr(event, name)
        if isinstance(value, str):
            if name in _OWN_IDS[kind]:
                fit_for_id(value, name)
            else:
                _check_text(value, name, limits)
        elif isinstance(value, tuple):
            check_written(value, name)


def _check_text(text: str, field: str, limits: Limits) -> None:
    if field == "text" and len(text) > limits.text:
        raise TooLarge(f"at most {limits.text} characters", field=field)
    # Refused rather than stripped: what is screened must be what is delivered, and a NUL ends the string in many a reader.
    if "\0" in text:
        raise Invalid("may not hold the character U+0000", field=field)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid("may not hold half of a surrogate pair", field=field) from None


def _check_time(event: E, limits: Limits, now: datetime) -> E:
    at = event.at
    if at < limits.earliest:
        raise Invalid(f"is before {limits.earliest:%Y-%m-%d}: is the clock or the unit right?", field="at")
    if at - now > limits.ahead:
        hours = limits.ahead.total_seconds() / 3600
        raise Invalid(f"is more than {hours:g} hours in the future: is the clock or the time zone right?", field="at")
    if at.tzinfo is UTC:
        return event
    # One moment has one spelling from here on, so that a retry that spells its offset differently is still the same body.
    return msgspec.structs.replace(event, at=at.astimezone(UTC))
