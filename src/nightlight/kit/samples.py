"""Harmless events that the laws mix in: ordinary chat, a child's refusals, and one event of every kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from nightlight.core.event import (
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
    ReportCategory,
    Reward,
    Search,
    Session,
    StreamFrame,
    Transcript,
    UserReport,
)
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

START = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)

HARMLESS = (
    "good game",
    "that boss took us ages",
    "brb dinner",
    "my team won the match on saturday",
    "the new map is really big",
    "haha nice one",
    "I finished the maths homework",
    "which colour should the castle be?",
    "the bridge needs more stone",
    "ok",
)
"""Ordinary talk around a game. What it pads must be found all the same."""

REFUSALS = (
    "no",
    "stop",
    "i said no",
    "i don't want to",
    "please leave me alone",
    "i am telling my mum",
    "my teacher says not to do that",
    "i will block you",
)
"""What a child may say to protect themselves. Takes nothing from the risk of the other side."""

CHILD = Party(account="sample-child", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN, account_age_days=400, place="GB")
ADULT = Party(account="sample-adult", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED, account_age_days=900, place="GB")
CHANNEL = Channel(id="sample-channel", kind=ChannelKind.GAME)

_PRINT = (
    Fingerprint(FingerprintKind.SHA256, "5a" * 32),
    Fingerprint(FingerprintKind.PDQ, "c3" * 32, quality=90),
)


def chat(texts: tuple[str, ...]) -> tuple[Message, ...]:
    """One message a text, a minute apart, from `ADULT` to `CHILD`."""
    return tuple(
        Message(id=f"sample-{n}", at=START + timedelta(minutes=n), actor=ADULT, targets=(CHILD,), channel=CHANNEL, text=text)
        for n, text in enumerate(texts)
    )


def one_of_every_kind() -> tuple[EventBase, ...]:
    """One harmless event of every kind, and some odd ones: no targets, no channel, empty text."""
    common: dict[str, Any] = {"at": START, "actor": ADULT, "targets": (CHILD,), "channel": CHANNEL}
    return (
        Message(id="k-message", text="good game", **common),
        Media(id="k-media", fingerprints=_PRINT, media_id="m1", **common),
        MediaScreened(id="k-screened", fingerprints=_PRINT, media_type="image/png", size=100, width=10, height=10, **common),
        MediaScreened(id="k-unreadable", unreadable="truncated", size=100, **common),
        Link(id="k-link", url="https://example.test/map", **common),
        *(ContactRequest(id=f"k-contact-{outcome}", outcome=outcome, **common) for outcome in ContactOutcome),
        Gift(id="k-gift", value=5.0, unit="coins", **common),
        Follow(id="k-follow", **common),
        Reward(id="k-reward", name="builder", **common),
        ProfileChange(id="k-profile", field="bio", text="likes castles", **common),
        Session(id="k-session", device="d1", **common),
        StreamFrame(id="k-frame", fingerprints=_PRINT, offset_s=3.0, **common),
        Transcript(id="k-transcript", text="the bridge needs more stone", **common),
        Search(id="k-search", text="castle ideas", **common),
        Prompt(id="k-prompt", text="draw a castle", **common),
        Completion(id="k-completion", text="Here is a castle.", prompt_id="k-prompt", **common),
        UserReport(id="k-report", category=ReportCategory.OTHER, **common),
        Message(id="k-alone", at=START, actor=CHILD, text=""),
        Message(id="k-no-targets", at=START, actor=ADULT, channel=CHANNEL, text="anyone here?"),
    )
