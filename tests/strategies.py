"""Hypothesis strategies for the core types, shared by every test.

All of them build values that ingest accepts: ids of ordinary characters, times within June 2025, nobody addressing themselves,
text without control characters. A test of bad input breaks one of these on purpose, so what it breaks can be seen in the test.
Texts are random characters or invented words: nothing here says anything about anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import strategies as st

from nightlight.core.event import (
    EVENT_TYPES,
    AgeBand,
    Assurance,
    Channel,
    ChannelKind,
    Completion,
    ContactOutcome,
    ContactRequest,
    EventBase,
    Follow,
    Gift,
    Link,
    Media,
    MediaScreened,
    Message,
    Party,
    ProfileChange,
    Prompt,
    Relation,
    ReportCategory,
    Reward,
    Search,
    Session,
    StreamFrame,
    Transcript,
    UserReport,
)
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

FIRST = datetime(2025, 6, 1)
LAST = datetime(2025, 6, 30)
WORDS = ("plim", "dorrow", "zantle", "brisp", "quell", "fenny", "otchet", "murl", "savik", "treen", "nolly", "wexa")
"""Invented words: a text of them means nothing in any language we know."""


def ids(prefix: str = "") -> st.SearchStrategy[str]:
    """Ids as services write them: 1 to 24 letters, digits, dots, dashes and underscores after `prefix`."""
    return st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", min_size=1, max_size=24).map(prefix.__add__)


def moments(first: datetime = FIRST, last: datetime = LAST) -> st.SearchStrategy[datetime]:
    """Times between `first` and `last` (both naive, read as UTC), to the microsecond."""
    return st.datetimes(first, last, timezones=st.just(UTC))


def texts(max_size: int = 120) -> st.SearchStrategy[str]:
    """Text in any script, of at most `max_size` characters, without control characters or lone surrogates."""
    anything = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), max_size=max_size)
    invented = st.lists(st.sampled_from(WORDS), max_size=max(1, max_size // 8)).map(lambda words: " ".join(words)[:max_size])
    return st.one_of(invented, anything)


def places() -> st.SearchStrategy[str]:
    return st.sampled_from(("GB", "US", "US-CA", "DE", "FR", "JP", "BR", "IN", "AU-NSW"))


@st.composite
def parties(
    draw: st.DrawFn,
    account: st.SearchStrategy[str] | None = None,
    age_band: st.SearchStrategy[AgeBand] | None = None,
) -> Party:
    return Party(
        account=draw(ids("a") if account is None else account),
        age_band=draw(st.sampled_from(AgeBand) if age_band is None else age_band),
        assurance=draw(st.sampled_from(Assurance)),
        account_age_days=draw(st.none() | st.floats(0, 5000, allow_nan=False)),
        place=draw(st.none() | places()),
    )


def channels(id: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Channel]:
    return st.builds(Channel, id=ids("c") if id is None else id, kind=st.sampled_from(ChannelKind), encrypted=st.booleans())


def _hexadecimal(digits: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=digits // 2, max_size=digits // 2).map(bytes.hex)


@st.composite
def fingerprints(draw: st.DrawFn, kinds: Sequence[FingerprintKind] = tuple(FingerprintKind)) -> Fingerprint:
    """A fingerprint of one of `kinds`, of the length its kind has; quality only where the kind is PDQ."""
    kind = draw(st.sampled_from(kinds))
    quality = draw(st.integers(0, 100)) if kind is FingerprintKind.PDQ else None
    return Fingerprint(kind=kind, value=draw(_hexadecimal(kind.hex_digits)), quality=quality)


def _fingerprint_tuples(min_size: int) -> st.SearchStrategy[tuple[Fingerprint, ...]]:
    return st.lists(fingerprints(), min_size=min_size, max_size=4).map(tuple)


def _amounts() -> st.SearchStrategy[float]:
    return st.floats(0, 1e6, allow_nan=False)


_OWN_FIELDS: dict[type[EventBase], Callable[[], dict[str, st.SearchStrategy[Any]]]] = {
    Message: lambda: {"text": texts()},
    Media: lambda: {"fingerprints": _fingerprint_tuples(1), "media_id": st.none() | ids("m")},
    MediaScreened: lambda: {
        "fingerprints": _fingerprint_tuples(0),
        "media_id": st.none() | ids("m"),
        "media_type": st.none() | st.sampled_from(("image/jpeg", "image/png", "image/gif", "image/webp")),
        "size": st.integers(0, 10**9),
        "width": st.integers(0, 10_000),
        "height": st.integers(0, 10_000),
        "unreadable": st.none() | st.just("truncated"),
    },
    Link: lambda: {"url": ids().map("https://example.test/".__add__)},
    ContactRequest: lambda: {"outcome": st.sampled_from(ContactOutcome), "mutual_contacts": st.none() | st.integers(0, 500)},
    Gift: lambda: {"value": _amounts(), "unit": st.sampled_from(("", "coins", "gems"))},
    Follow: lambda: {"following": st.booleans()},
    Reward: lambda: {"name": st.sampled_from(WORDS)},
    ProfileChange: lambda: {"field": st.sampled_from(("name", "bio")), "text": texts()},
    Session: lambda: {"started": st.booleans(), "device": st.none() | ids("d")},
    StreamFrame: lambda: {"fingerprints": _fingerprint_tuples(1), "offset_s": _amounts()},
    Transcript: lambda: {"text": texts()},
    Search: lambda: {"text": texts()},
    Prompt: lambda: {"text": texts()},
    Completion: lambda: {"text": texts(), "prompt_id": st.none() | ids("e")},
    UserReport: lambda: {"category": st.sampled_from(ReportCategory), "text": texts()},
}


@st.composite
def events(
    draw: st.DrawFn,
    kinds: Sequence[type[EventBase]] = EVENT_TYPES,
    *,
    id: st.SearchStrategy[str] | None = None,
    at: st.SearchStrategy[datetime] | None = None,
    actor: st.SearchStrategy[Party] | None = None,
    channel: st.SearchStrategy[Channel | None] | None = None,
    max_targets: int = 3,
) -> Any:
    """An event of one of `kinds` (every kind by default). Targets are distinct accounts and never the actor."""
    kind = draw(st.sampled_from(kinds))
    sender = draw(parties() if actor is None else actor)
    others = draw(st.lists(parties(), max_size=max_targets, unique_by=lambda party: party.account))
    return kind(
        id=draw(ids("e") if id is None else id),
        at=draw(moments() if at is None else at),
        actor=sender,
        targets=tuple(party for party in others if party.account != sender.account),
        relation=draw(st.sampled_from(Relation)),
        channel=draw(st.none() | channels() if channel is None else channel),
        **{name: draw(values) for name, values in _OWN_FIELDS[kind]().items()},
    )


def messages(**given: Any) -> st.SearchStrategy[Message]:
    """A message; takes the keywords of `events`. Without `channel` it is always in one: a message nobody hears is no message."""
    given.setdefault("channel", channels())
    return events((Message,), **given)


@st.composite
def wire_events(draw: st.DrawFn, kinds: Sequence[type[EventBase]] = EVENT_TYPES, *, terse: bool | None = None) -> dict[str, Any]:
    """The JSON-able object a service would send for an event. `terse` leaves out optional fields at their defaults; None: either way."""
    event = draw(events(kinds))
    wire: dict[str, Any] = msgspec.to_builtins(event)
    if terse if terse is not None else draw(st.booleans()):
        return _without_defaults(event, wire)
    return wire


def _without_defaults(value: msgspec.Struct, wire: dict[str, Any]) -> dict[str, Any]:
    defaults = {f.encode_name: f.default for f in msgspec.structs.fields(value) if f.default is not msgspec.NODEFAULT}
    kept = {}
    for name, plain in wire.items():
        inner = getattr(value, name, None)
        if name in defaults and inner == defaults[name]:
            continue
        kept[name] = _without_defaults(inner, plain) if isinstance(inner, Party | Channel) else plain
    return kept
