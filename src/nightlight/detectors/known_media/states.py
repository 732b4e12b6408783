"""What the detector remembers: counts and marks of items and accounts, never a hash of a picture and never content."""

from __future__ import annotations

import hashlib
from datetime import datetime

from msgspec import Struct

WINDOW_S = 3600
"""A flood is looked for in the last hour."""
SLICE_S = 300
"""The hour slides in steps of five minutes, so an item's memory holds at most thirteen counts."""
FLOOD_MATCHES, FLOOD_ACCOUNTS = 50, 20
"""Matches of one item, and different accounts among them, within the window. Chosen, not measured: abuse is passed on by few at a time,
while a harmless picture that got into a list, or that somebody wants others punished for, comes from everywhere at once."""
ACCOUNTS_MARKED = 32
"""Different accounts remembered of the window, the latest; more change nothing."""


class Sharing(Struct, frozen=True, tag="direction"):
    """What one author shared in one conversation."""

    matches: int


class Met(Struct, frozen=True, tag="conversation"):
    """What was met in one conversation, whoever shared it."""

    items: tuple[tuple[int, float], ...]
    """Mark and highest score of the items met last, at most eight."""


class Uploader(Struct, frozen=True, tag="account"):
    """What one account shared in all of them. What nobody has reviewed does not count here: anybody can report anything."""

    matches: int
    items: tuple[int, ...]
    """Marks of the different items, at most 32."""


class Seen(Struct, frozen=True, tag="media"):
    """How often one banked item was met, and by how many of late."""

    times: int
    counts: tuple[tuple[int, int], ...] = ()
    """Slices of the last hour (number since 1970, oldest first) and the matches in each."""
    accounts: tuple[tuple[int, int], ...] = ()
    """Marks of the accounts met last, and the slice in which each was."""
    told: bool = False
    """That these are a flood was said."""
    paused: bool = False
    """The last match said that the item is paused, or a flood paused it since."""

    @property
    def recent(self) -> tuple[int, int]:
        """Matches and different accounts within the window."""
        return sum(count for _, count in self.counts), len(self.accounts)

    @property
    def flooded(self) -> bool:
        matches, accounts = self.recent
        return matches >= FLOOD_MATCHES and accounts >= FLOOD_ACCOUNTS


def met_again(seen: Seen, account: str, at: datetime, *, paused: bool) -> Seen:
    """One more match of the item. A clock that runs backwards counts as no time at all.

    Where it was paused and is not any more, a person has looked and resumed it: what came before is no flood now.
    """
    counts, accounts = ((), ()) if seen.paused and not paused else (seen.counts, seen.accounts)
    now = max([int(at.timestamp()) // SLICE_S, *(number for number, _ in counts[-1:])])
    first = now - WINDOW_S // SLICE_S
    known = dict(counts)
    known[now] = known.get(now, 0) + 1
    marked = mark(account)
    others = [(m, n) for m, n in accounts if m != marked and n > first]
    new = Seen(
        times=seen.times + 1,
        counts=tuple((n, c) for n, c in sorted(known.items()) if n > first),
        accounts=tuple([*others, (marked, now)][-ACCOUNTS_MARKED:]),
        paused=paused,
    )
    return new if not new.flooded or paused else Seen(new.times, new.counts, new.accounts, told=True)


def mark(name: str) -> int:
    """48 bits that stand for an item or an account: two of a few dozen are the same less than once in 10^11."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=6).digest(), "big")
