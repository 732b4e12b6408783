"""Exchanges: where hash lists come from, and where verdicts on their entries go back to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from nightlight.core.bank import ItemVerdict, NewItem
from nightlight.core.fingerprint import Fingerprint

MOST_REASONS = 50
"""Bad rows of a run that are kept with their reason; all are counted."""


class ExchangeKind(StrEnum):
    FILE = "file"
    """Files on this machine: CSV, JSON lines, text."""
    NCMEC = "ncmec"
    STOPNCII = "stopncii"
    THREATEXCHANGE = "threatexchange"
    ARACHNID = "arachnid"
    """Project Arachnid Shield, which gives no list: it is asked about hashes."""


class Exchange(Struct, frozen=True, kw_only=True):
    """One list that fills one bank. Nothing else fills that bank from a list, so that what is withdrawn is never another's."""

    name: str
    kind: ExchangeKind
    bank: str
    url: str = ""
    """Where it is, without credentials; empty for files."""
    options: Mapping[str, str] = {}
    """By the kind: which environment, group, files. Never a secret."""
    enabled: bool = True
    """False: not fetched on schedule; a person may still run it."""
    interval_minutes: Annotated[int, Meta(ge=1, le=44_640)] = 60
    """From the end of one fetch to the start of the next."""
    credentials: tuple[str, ...] = ()
    """Names of the credentials that are kept. Their values are sealed and nobody is shown them again."""
    created_at: datetime | None = None


class BadRow(Struct, frozen=True):
    """A row or page that could not be used. Never a word of its content."""

    where: str
    """`page 3, row 17`, or `list.csv:12`."""
    reason: str


class Page(Struct, frozen=True, kw_only=True):
    """A part of a list. Applying it twice changes nothing."""

    checkpoint: bytes
    """From where to go on once this page is applied. Only the client reads it; sealed in the store, since a link in it may be secret."""
    puts: tuple[NewItem, ...] = ()
    withdrawals: tuple[str, ...] = ()
    """Ids as in `NewItem.source`."""
    bad: tuple[BadRow, ...] = ()
    whole: bool = False
    """The list was given whole and this is its end: what it did not hold (`ExchangeClient.holds`) is withdrawn."""
    done: float | None = None
    """How much of the list is done, 0 to 1, where the exchange lets one know."""


class Progress(Struct, frozen=True, kw_only=True):
    pages: int = 0
    rows: int = 0
    bad: int = 0
    done: float | None = None
    waiting_s: float = 0.0
    """Above 0: a fault, and the wait until it is tried again."""


class ExchangeRun(Struct, frozen=True, kw_only=True):
    """One fetch, finished or under way."""

    id: int
    started_at: datetime
    by: str
    ended_at: datetime | None = None
    pages: int = 0
    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    bad: int = 0
    told: int = 0
    """Verdicts that were written back."""
    reasons: tuple[BadRow, ...] = ()
    """Of the first bad rows."""
    error: str = ""
    """Why it ended early; empty: it reached the end of the list."""


class ExchangeState(Struct, frozen=True, kw_only=True):
    exchange: Exchange
    running: bool = False
    last: ExchangeRun | None = None
    """The newest fetch, the one under way included."""
    last_good_at: datetime | None = None
    """When a fetch last reached the end of the list."""
    failures: int = 0
    """Fetches that ended early since then."""
    due_at: datetime | None = None
    """When the service fetches it next; None: not on schedule."""


class ExchangeFault(Exception):
    """A fetch or a verdict met a fault. `message` is ours: no word of an answer, no link, no credential."""

    def __init__(self, message: str, *, page: bool = False, final: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.page = page
        """The fault is this page's: the rest of the list may be readable (`ExchangeClient.skip`)."""
        self.final = final
        """Trying the same again cannot help."""
        self.retry_after_s = retry_after_s
        """The exchange asked to be left alone for so long."""


class ExchangeClient(Protocol):
    """Speaks to one exchange. Retries nothing itself: `app.exchanges` asks again, from the last checkpoint."""

    takes_feedback: bool

    def pages(self, checkpoint: bytes | None) -> Iterator[Page]:
        """Everything since the checkpoint; None: from the beginning. Raises ExchangeFault; asking again with the last page's checkpoint
        goes on."""
        ...

    def skip(self, checkpoint: bytes | None) -> bytes | None:
        """A checkpoint behind the page that cannot be read, which is asked for again at the next fetch; None: there is no way past it."""
        ...

    def holds(self, source: str) -> bool:
        """After a `whole` page: whether the list held that id, or it is an id that this exchange never gave."""
        ...

    def tell(self, verdict: ItemVerdict, fingerprints: Sequence[Fingerprint]) -> bool:
        """Write a verdict on an item, which has these fingerprints, back; False where there is nothing it could be told to, now or later.

        Telling twice is as once where the protocol lets it. Raises ExchangeFault.
        """
        ...

    def close(self) -> None: ...
