"""The port of the vault: where the evidence of a case is kept, each case under a key of its own.

Nothing is in the clear on a disk at any moment. Who opens something says why, and that is on the audit chain before they have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from nightlight.core.casefile import Device, Identity, IpEvent
from nightlight.core.staff import DECIDERS, READERS, Staff


class ItemKind(StrEnum):
    EVENT = "event"
    """One event as msgpack, as the store held it: `msgspec.msgpack.decode(content, type=core.event.Event)`."""
    MEDIA = "media"
    """The bytes of a picture or video, known by their SHA-256."""
    FILE = "file"
    """Anything else that belongs to the case: a report as it was sent, an authority's letter."""


class Reader(Struct, frozen=True, kw_only=True):
    """Who wants to open something."""

    name: str
    """As the audit names them: `reviewer:ana`, `system:filing`."""
    role: str
    """A role of `core.staff.Role`, or `filing`: the machinery that sends what a person approved."""

    @classmethod
    def of(cls, staff: Staff) -> Reader:
        return cls(name=staff.audit, role=staff.role.value)


FILING = Reader(name="system:filing", role="filing")
MAY_OPEN: Mapping[ItemKind, frozenset[str]] = {
    ItemKind.EVENT: frozenset({*(r.value for r in READERS), FILING.role}),
    ItemKind.MEDIA: frozenset({*(r.value for r in DECIDERS), FILING.role}),
    ItemKind.FILE: frozenset({*(r.value for r in READERS), FILING.role}),
}
"""An auditor reads what was said; pictures and videos are opened by those only who have to judge them, or to send them."""
MAY_RESOLVE: frozenset[str] = frozenset({*(r.value for r in DECIDERS), FILING.role})
"""Who may ask who somebody is outside the service."""


class NewItem(Struct, frozen=True, kw_only=True):
    """What is to be kept, without its bytes."""

    kind: ItemKind
    event: str | None = None
    """The event that it is, or came with."""
    media_type: str | None = None
    """Read from the bytes: `image/jpeg`."""
    name: str = ""
    """As the service, or whoever put it here, calls it. Sealed."""
    verified: bool = True
    """Held by this service itself. False: a person brought it, and nobody can say where it is from."""


class EvidenceItem(Struct, frozen=True, kw_only=True):
    """What is kept, without its bytes. Listing needs no reason: nothing here was written by a person but `name`."""

    case: str
    id: str
    number: int
    """In the case, from 1, without gaps."""
    kind: ItemKind
    sha256: str
    """Of the bytes, 64 hex digits."""
    size: int
    """In bytes."""
    added_at: datetime
    added_by: str
    event: str | None = None
    media_type: str | None = None
    name: str = ""
    verified: bool = True


class ClockStart(StrEnum):
    """What a retention clock counts from. `opened` is set by the vault itself."""

    OPENED = "opened"
    CONFIRMED = "confirmed"
    REPORTED = "reported"
    """The authority has the finished report."""
    ENDED = "ended"
    """The case was declined or filed."""


class Clock(Struct, frozen=True, kw_only=True):
    """One retention rule that applies to a case."""

    name: str
    """As in the table of clocks: `us-2258a`."""
    law: str
    until: datetime
    duty: bool
    """True: it must be kept until then. False: it may be kept no longer, unless a duty says so."""


class Hold(Struct, frozen=True, kw_only=True):
    """A legal hold: while one is there, no clock and no person destroys the case."""

    id: str
    by: str
    at: datetime
    reason: str


class Holding(Struct, frozen=True, kw_only=True):
    """What the vault keeps for one case."""

    case: str
    opened_at: datetime
    items: int
    bytes: int
    keep_until: datetime
    """Destroyed by the sweep after that, unless there is a hold or the case has not ended."""
    clocks: tuple[Clock, ...]
    extended_until: datetime | None
    holds: tuple[Hold, ...]
    starts: Mapping[ClockStart, datetime]
    places: tuple[str, ...]
    """Of the parties and of the service, as far as they are known: which clocks apply."""
    destroying: bool = False
    """Somebody decided to destroy it and that was cut off; the next sweep ends it."""


class DestroyedItem(Struct, frozen=True, kw_only=True):
    id: str
    kind: ItemKind
    size: int
    mac: str
    """Keyed MAC of the SHA-256, 64 hex digits: whoever shows us the same bytes again can be told that it was these."""


class Destruction(Struct, frozen=True, kw_only=True):
    """The record that stays: what was destroyed and when, with nothing to read in it."""

    case: str
    at: datetime
    by: str
    reason: str
    opened_at: datetime
    items: tuple[DestroyedItem, ...]
    clocks: tuple[Clock, ...]
    events: int
    """Rows of events, the copies outside the vault, that went with it."""


class VaultFlaw(Struct, frozen=True, kw_only=True):
    case: str
    item: str | None
    what: str


class VaultResult(Struct, frozen=True, kw_only=True):
    ok: bool
    cases: int
    items: int
    """How many were opened and found whole."""
    flaws: tuple[VaultFlaw, ...]


class Vault(Protocol):
    """Evidence, by case. Raises NotFound for a case or item that is not there (also one that was destroyed), Invalid naming the
    field, Conflict where a hold or a destruction forbids it, Denied for a role that may not, Tampered where something does not
    authenticate. Every call that changes or opens something is one audit entry in the same transaction."""

    def keep(self, case: str, item: NewItem, content: bytes | Iterable[bytes], by: str) -> EvidenceItem:
        """Seal and keep. The same content of the same kind (for an event: the same event) is kept once: the item that is there is
        returned. `content` may come in parts, of which no more than a few MiB are in memory at once. Raises TooLarge."""
        ...

    def items(self, case: str) -> Sequence[EvidenceItem]:
        """In the order they came. Empty for a case of which nothing is kept."""
        ...

    def find(self, case: str, sha256: str) -> EvidenceItem | None:
        """The media or file with exactly those bytes."""
        ...

    def open(self, case: str, item: str, *, who: Reader, reason: str) -> bytes:
        """The bytes of one item. Refusals are recorded as well."""
        ...

    def stream(self, case: str, item: str, *, who: Reader, reason: str) -> Iterator[bytes]:
        """As `open`, in parts of at most 1 MiB, each authenticated before it is handed out. Recorded before this returns."""
        ...

    def read(self, case: str, *, who: Reader, reason: str, events: Sequence[str] | None = None) -> Mapping[str, bytes]:
        """The events of a case, opened, by event id in the order they came: all of them, or those of the ids. One audit entry."""
        ...

    def holding(self, case: str) -> Holding: ...

    def holdings(self, after: str | None = None, most: int = 100) -> Sequence[Holding]:
        """By case id; pass the last one as `after` to go on."""
        ...

    def hold(self, case: str, by: str, reason: str) -> Hold:
        """A legal hold. Several may stand at once; each is released by itself."""
        ...

    def release(self, case: str, hold: str, by: str, reason: str) -> Holding: ...

    def extend(self, case: str, until: datetime, by: str, reason: str) -> Holding:
        """Keep it at least until then. Never shortens."""
        ...

    def start(self, case: str, what: ClockStart, at: datetime, by: str, places: Sequence[str] = ()) -> Holding:
        """Something happened that clocks count from. The first time counts, but for `reported`: there the latest does."""
        ...

    def destroy(self, case: str, by: str, reason: str) -> Destruction:
        """The key first, then the rows. Cut off anywhere, the next call or sweep goes on. Raises Conflict under a hold."""
        ...

    def destructions(self, after: str | None = None, most: int = 100) -> Sequence[Destruction]:
        """By case id."""
        ...

    def rotate(self, by: str) -> int:
        """A new wrapping key, and every case key wrapped anew under it; no content is rewritten. How many case keys. The old wrapping
        key is forgotten at the end. Cut off anywhere, call it again."""
        ...

    def verify(self, case: str | None = None) -> VaultResult:
        """Open everything and compare it with what was written down when it came. Records nothing and hands nothing out."""
        ...


class KeyWrapper(Protocol):
    """Wraps case keys under a key that no database holds: a key file, or the client of a key management service.

    `context` is bound to what is wrapped. Raises Tampered where it does not authenticate, Unavailable where a service does not answer.
    """

    @property
    def current(self) -> str:
        """The id of the wrapping key that wraps now. Says nothing of the key."""
        ...

    def wrap(self, key: bytes, context: str) -> tuple[str, bytes]:
        """The id of the wrapping key, and what only it opens."""
        ...

    def unwrap(self, id: str, wrapped: bytes, context: str) -> bytes: ...

    def rotate(self) -> str:
        """A new wrapping key, which wraps from now on. Its id."""
        ...

    def forget(self, keep: str) -> None:
        """Destroy every wrapping key but that one: nothing is wrapped under them any more."""
        ...


# -- who somebody is outside the service -------------------------------------------------------------------------------------------


class KnownIdentity(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What the service knows of the person behind an account. `core.identity` has it as a service sends it."""

    identity: Identity = Identity()
    screen_name: str = ""
    display_names: tuple[str, ...] = ()
    profile_url: str = ""
    ip_events: tuple[IpEvent, ...] = ()
    devices: tuple[Device, ...] = ()


class Identities(Protocol):
    """Real names, addresses, IPs. Opened only while a report is drafted."""

    def put(self, account: str, known: KnownIdentity, by: str) -> bool:
        """`account` is the service's own id. Replaces what was there; False where it was the same."""
        ...

    def remove(self, account: str, by: str) -> bool:
        """By the service's own id; whether there was one."""
        ...

    def resolve(self, account: str, *, who: Reader, case: str, reason: str) -> KnownIdentity | None:
        """`account` is a pseudonym. Asks the service's resolver where one is configured, else the sealed table; None where neither
        knows. Recorded before it is opened. Raises Denied, Invalid for an empty reason, NotFound for an unknown case, Unavailable where
        the resolver does not answer and the table knows nothing."""
        ...
