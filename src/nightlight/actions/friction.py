"""When friction begins: at a moment that nobody can tie to what a child did.

Whoever harms a child watches for a sign that the child told somebody. So the wait depends on nothing in the conversation: time is cut
into slots, the same for everybody, and friction begins within the slot after the one in which it was asked for, at a point drawn from a
secret key, the pair and the day. Whichever message, refusal, block or report came within a slot, the moment is the same; whoever does not
hold the key cannot foretell it; and whoever replays the event finds it again, because no clock and no chance take part.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Draw = Callable[[bytes], bytes]
"""A keyed pseudorandom function: at least 8 bytes for any input, the same for the same. The sealer's `mac` is one."""

SLOT = timedelta(hours=1)
"""Length of a slot, so that the wait is up to two hours and one on average. A choice, not a measurement: shorter, and it would follow on
what the child did closely enough to be noticed; longer, and extortion, which takes minutes, is over. It is not what protects the child:
the word to the child and the limits do, and they come at once."""


def begins(now: datetime, actor: str, protects: str | None, draw: Draw) -> datetime:
    """When friction for `actor` over `protects` begins that is asked for at `now`: after it, by less than two slots."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    number = (now - day) // SLOT + 1
    seed = "\x1f".join(("friction", actor, protects or "", day.date().isoformat(), str(number)))
    share = int.from_bytes(draw(seed.encode())[:8], "big") / 2**64
    return day + SLOT * number + timedelta(seconds=int(share * SLOT.total_seconds()))
