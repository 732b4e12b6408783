"""The limits of what a service may send. Those on single fields stand with the types in `core.event`; an operator may only lower them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from nightlight.core.event import MAX_TEXT


class Limits(Struct, frozen=True, kw_only=True):
    """What `decode` and `decode_batch` accept. Depth needs no number: the schema is five levels deep and has no room for more."""

    event_bytes: int = 1024 * 1024
    """One event as JSON. The longest lawful one, all of it escaped, is under half of this."""
    batch_bytes: int = 4 * 1024 * 1024
    """A whole batch as JSON."""
    batch_events: int = 500
    text: int = MAX_TEXT
    """Characters; above `core.event.MAX_TEXT` it has no effect."""
    ahead: timedelta = timedelta(hours=24)
    """How far a service's clock may run ahead of ours: a day forgives a local time that was sent as UTC."""
    earliest: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    """Older than this is a broken clock (1970, year 1), not an archive: no chat service that is still running kept more."""


DEFAULT_LIMITS = Limits()
