"""Bytes -> events, one or a batch. JSON in which a name occurs twice means its last value, as in most readers of JSON."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Raw, Struct

from nightlight.core.errors import Invalid, NightlightError, TooLarge
from nightlight.core.event import EVENT_TYPES, Event, EventBase
from nightlight.core.explain import explain
from nightlight.ingest.check import check
from nightlight.ingest.limits import Limits


class _Batch(Struct, frozen=True, forbid_unknown_fields=True):
    # Raw: an item is only parsed by itself, so that one bad event leaves the others as they are.
    events: list[Raw]


_EVENT: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_BATCH = msgspec.json.Decoder(_Batch)

# What msgspec raises on bytes that are not an event; a UnicodeDecodeError is a ValueError, as is its DecodeError.
_REFUSALS = (ValueError, RecursionError)


def decode(payload: bytes, limits: Limits, now: datetime) -> EventBase:
    """One wire event.

    Raises Invalid (TooLarge where it is only too large) naming the field in path form, such as `targets[0].age_band`.
    """
    return _decode(payload, len(payload), limits, now)


def decode_batch(payload: bytes, limits: Limits, now: datetime) -> list[EventBase | NightlightError]:
    """`{"events": [...]}`: by position, each event or why it was refused. An error's field is a path within its own event.

    Raises Invalid or TooLarge where the envelope itself is bad; then none of it was read. Text that is not JSON anywhere in
    it, or nesting without end, spoils the envelope: it can no longer be told where one event ends and the next begins.
    """
    if len(payload) > limits.batch_bytes:
        raise TooLarge(f"a batch has at most {limits.batch_bytes} bytes")
    try:
        items = _BATCH.decode(payload).events
    except _REFUSALS as error:
        raise explain(error, _Batch) from None
    if not items:
        raise Invalid("a batch holds at least one event", field="events")
    if len(items) > limits.batch_events:
        raise TooLarge(f"a batch holds at most {limits.batch_events} events", field="events")
    return [_decode_item(item, limits, now) for item in items]


def _decode_item(item: Raw, limits: Limits, now: datetime) -> EventBase | NightlightError:
    try:
        return _decode(item, len(memoryview(item)), limits, now)
    except NightlightError as error:
        return error


def _decode(payload: bytes | Raw, size: int, limits: Limits, now: datetime) -> EventBase:
    if size > limits.event_bytes:
        raise TooLarge(f"an event has at most {limits.event_bytes} bytes")
    try:
        event = _EVENT.decode(payload)
    except _REFUSALS as error:
        raise explain(error, *EVENT_TYPES) from None
    return check(event, limits, now)
