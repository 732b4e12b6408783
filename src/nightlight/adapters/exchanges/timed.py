"""What the exchanges that are read by time have in common: ranges, links to the next page, parts that cannot be read.

A list is a number of ranges of time still to be read. A range is read page by page. A page that cannot be read at all is closed in on:
the range is halved until the part that is left out is a minute, or where the exchange knows no end of a range, stepped over. What is
left out is asked for again at the next fetch, so that nothing is lost for good and one bad page stops nothing else.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
from msgspec import Struct

from nightlight.adapters.exchanges.rows import digest
from nightlight.core.bank import ItemVerdict, NewItem
from nightlight.core.exchange import BadRow, ExchangeFault, Page
from nightlight.core.fingerprint import Fingerprint

Range = tuple[int, int]
"""Seconds since 1970; an end of 0 is the present."""
_LEAST_S = 60
_MOST_LINK = 20_000
_FIRST_STEP_S = 3600
_CLOCKS_S = 900
"""By how much the exchange's clock may be behind ours."""


class Cursor(Struct, frozen=True, kw_only=True):
    """A checkpoint. Old ones must stay readable: give new fields a default."""

    ranges: tuple[Range, ...] = ((0, 0),)
    """Still to be read; the first is under way."""
    next: str = ""
    """Of its next page."""
    next_at: int = 0
    """When that was given: it does not stay good for ever."""
    left: tuple[Range, ...] = ()
    """Could not be read."""
    reached: int = 0
    """The latest time that the exchange spoke of: from where the next fetch begins."""
    step: int = _FIRST_STEP_S
    fetched_at: int = 0
    """When the end of the list was last reached."""
    anew: bool = False
    """The list is read from its beginning because the old place in it is too old to know of every deletion."""


class Got(Struct, kw_only=True):
    """One page, read."""

    rows: dict[str, NewItem | None] = {}
    """By id; None: withdrawn. The last of one id stands."""
    bad: list[BadRow] = []
    next: str = ""
    reached: int = 0
    too_many: bool = False
    """The range holds more than should be read in one go."""
    done: float | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cursor).decode


class Timed(ABC):
    """Fills `ExchangeClient` but for `fetch` and `tell`."""

    prefix: str
    """Of the ids it gives."""
    bounded = True
    """A range's end can be asked for."""
    links_last_s = 12 * 3600
    stale_after_s: int | None = None
    """A checkpoint older than this may have missed deletions."""
    overlap_s = 0
    """How far back of the end of a fetch the next one begins."""
    takes_feedback = False

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._first: bytes | None = None
        self._begun = False
        self._links: dict[str, str] = {}
        self._held: array[int] | None = None
        self._sorted: np.ndarray | None = None
        self._page = 0

    @abstractmethod
    def fetch(self, since: int, until: int, next: str) -> Got:
        """One page. Raises ExchangeFault."""

    def tell(self, verdict: ItemVerdict, fingerprints: Sequence[Fingerprint]) -> bool:
        return False

    def close(self) -> None:
        return None

    def holds(self, source: str) -> bool:
        """See `ExchangeClient`."""
        if not source.startswith(f"{self.prefix}:"):
            return True
        if self._sorted is None:
            self._sorted = np.sort(np.frombuffer(self._held or array("Q"), dtype=np.uint64))
        at = int(np.searchsorted(self._sorted, np.uint64(_short(source))))
        return at < len(self._sorted) and int(self._sorted[at]) == _short(source)

    def skip(self, checkpoint: bytes | None) -> bytes | None:
        """See `ExchangeClient`."""
        c = self._at(checkpoint)
        if not c.ranges:
            return None
        (since, until), rest = c.ranges[0], c.ranges[1:]
        end = until or int(self._now())
        changed: dict[str, object] = {"next": "", "next_at": 0}
        if not self.bounded:
            # It begins where the last good page ended, and the step grows while nothing good comes.
            since = c.reached if since <= c.reached < end else since
            over = min(since + c.step, end)
            ranges = ((over, until), *rest) if over < end else rest
            changed |= {"ranges": ranges, "left": (*c.left, (since, over)), "step": c.step * 2}
        elif end - since <= _LEAST_S:
            changed |= {"ranges": rest, "left": (*c.left, (since, end))}
        else:
            half = since + (end - since) // 2
            changed |= {"ranges": ((since, half), (half, end), *rest)}
        return _encode(msgspec.structs.replace(c, **changed))

    def pages(self, checkpoint: bytes | None) -> Iterator[Page]:
        """See `ExchangeClient`."""
        c = self._at(checkpoint)
        while c.ranges:
            (since, until), rest = c.ranges[0], c.ranges[1:]
            end = until or int(self._now())
            self._page += 1
            got = self.fetch(since, end, c.next)
            if got.too_many and not c.next and end - since > _LEAST_S:
                half = since + (end - since) // 2
                c = msgspec.structs.replace(c, ranges=((since, half), (half, end), *rest))
                continue
            self._check_link(c, got.next)
            reached = max(c.reached, got.reached)
            if got.next and not (until and not self.bounded and got.reached > until):
                # The end is fixed with the first page: a link is only good with the range that it was given for.
                c = msgspec.structs.replace(c, ranges=((since, end if self.bounded else until), *rest), next=got.next)
                c = msgspec.structs.replace(c, next_at=int(self._now()), reached=reached, step=_FIRST_STEP_S)
            else:
                if self.overlap_s:
                    reached = max(reached, end - self.overlap_s)
                c = msgspec.structs.replace(c, ranges=rest, next="", next_at=0, reached=reached, step=_FIRST_STEP_S)
            yield self._made(c, got)
        if c.left:
            parts = ", ".join(f"{_time(a)} to {_time(b)}" for a, b in c.left[:5])
            raise ExchangeFault(f"{len(c.left)} part(s) of the list could not be read and are asked for again: {parts}", final=True)

    def _made(self, c: Cursor, got: Got) -> Page:
        if self._held is not None:
            self._held.extend(_short(source) for source, item in got.rows.items() if item is not None)
        ended = not c.ranges
        whole = ended and not c.left and c.anew
        if ended:
            self._sorted = None
            c = msgspec.structs.replace(c, fetched_at=int(self._now()), anew=c.anew and not whole)
        return Page(
            checkpoint=_encode(c),
            puts=tuple(item for item in got.rows.values() if item is not None),
            withdrawals=tuple(source for source, item in got.rows.items() if item is None),
            bad=tuple(got.bad),
            whole=whole,
            done=1.0 if ended else got.done,
        )

    def _at(self, checkpoint: bytes | None) -> Cursor:
        if not self._begun:
            self._begun, self._first = True, checkpoint
        try:
            c = Cursor() if checkpoint is None else _decode(checkpoint)
        except msgspec.MsgspecError:
            c = Cursor(anew=True)  # of another time, or forgotten because the settings changed
        return self._begin(c) if checkpoint == self._first else c

    def _begin(self, c: Cursor) -> Cursor:
        """Where this fetch begins: what was left out is asked for again, and then what is new."""
        now = int(self._now())
        old = self.stale_after_s is not None and c.fetched_at and now - c.fetched_at > self.stale_after_s
        if c.anew or old:
            self._held = array("Q")
            return Cursor(anew=True, fetched_at=c.fetched_at)
        fresh = c.next_at and 0 <= now - c.next_at <= self.links_last_s
        link = c.next if fresh else ""
        head, rest = (c.ranges[:1], c.ranges[1:]) if link else ((), c.ranges)
        if not c.ranges:
            rest = ((c.reached, 0),)
        ranges = (*head, *_merged((*c.left, *rest)))
        if all(until for _, until in ranges):  # an earlier fetch fixed the end, and time went on
            ranges = (*ranges, (max(0, max(until for _, until in ranges) - _CLOCKS_S), 0))
        return msgspec.structs.replace(c, ranges=ranges, left=(), next=link, step=_FIRST_STEP_S)

    def _check_link(self, c: Cursor, next: str) -> None:
        """Asked for again, a page gives the same link. A link that an earlier page gave leads in a circle."""
        if not next:
            return
        if len(next) > _MOST_LINK:
            raise ExchangeFault("a link is longer than any could be", page=True, final=True)
        if self._links.setdefault(f"{c.ranges[0]} {next}", c.next) != c.next or next == c.next:
            raise ExchangeFault("the links of the list lead in a circle", page=True, final=True)

    def where(self, row: int) -> str:
        return f"page {self._page}, row {row}"


def _merged(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """In order, those that touch made one."""
    out: list[Range] = []
    for since, until in sorted(ranges, key=lambda r: (r[0], r[1] or 1 << 62)):
        if out and (not out[-1][1] or since <= out[-1][1]):
            last = out[-1]
            out[-1] = (last[0], max(last[1], until) if last[1] and until else 0)
        else:
            out.append((since, until))
    return tuple(out)


def _short(source: str) -> int:
    return int(digest(source)[:16], 16)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")
