"""A sample of every kind of event and every harm, on which each rule is run before it goes live. All invented."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from nightlight.core.assessment import Assessment
from nightlight.core.bank import BankAction, BankKind, Match
from nightlight.core.case import Finding, Verdict
from nightlight.core.event import EVENT_TYPES, AgeBand, Assurance, Channel, ChannelKind, EventBase, Party, Relation, ReportCategory
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.gate import DataKind, Permission
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import Subject, SubjectKind
from nightlight.policy.judged import Judged, Moved

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_PICTURE = (Fingerprint(FingerprintKind.SHA256, "0" * 64), Fingerprint(FingerprintKind.PDQ, "0" * 64, 90))
_MATCHES = tuple(
    Match(bank="sample", bank_kind=bank, item="1", kind=kind, distance=0 if kind.is_exact else 20, threshold=31, action=action)
    for bank in BankKind
    for kind in (*FingerprintKind, FingerprintKind("x-sample"))
    for action in BankAction
)
_LEVELS = tuple(Level)


@cache
def sample_events() -> tuple[EventBase, ...]:
    """One event of each kind, with as much as it can hold, and one of each kind with as little."""
    adult = Party(account="a", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED, account_age_days=400.5, place="XN")
    child = Party(account="c", age_band=AgeBand.A10_12)
    extra: dict[str, Any] = {
        "text": "plim dorrow",
        "fingerprints": _PICTURE,
        "url": "https://example.test/plim",
        "name": "plim",
        "field": "name",
        "category": ReportCategory.OTHER,
    }
    events = []
    for kind in EVENT_TYPES:
        own = {name: value for name, value in extra.items() if name in kind.__struct_fields__}
        channel = Channel(id="x", kind=ChannelKind.DIRECT)
        events.append(kind(id="full", at=_AT, actor=adult, targets=(child,), channel=channel, relation=Relation.STRANGER, **own))
        events.append(kind(id="bare", at=_AT, actor=child, **own))
    return tuple(events)


def _moved(harm: Harm, level: Level) -> Moved:
    subject = Subject(SubjectKind.CONVERSATION, "x")

    def at(reached: Level, score: float) -> Assessment:
        stages = tuple(Stage) if reached is Level.HIGH else ()
        return Assessment(subject=subject, harm=harm, score=score, calibrated=False, level=reached, at=_AT, contributions=(), stages=stages)

    previous = at(_LEVELS[level.rank - 1], 0.1) if level.rank > 1 else None
    return previous, at(level, 0.25 + 0.2 * level.rank)


@cache
def samples() -> tuple[Judged, ...]:
    """Each event without an assessment, and with one of each harm; media matched and not, with and without a verdict, in turn."""
    return tuple(_samples())


def _samples() -> Iterator[Judged]:
    verdict = Verdict(case="case", reviewer="reviewer", finding=Finding.CONFIRMED, reason="sample", at=_AT)
    permission = Permission(frozenset(DataKind), ())
    turn = 0
    for event in sample_events():
        for harm in (None, *Harm):
            turn += 1
            match = _MATCHES[turn // 2 % len(_MATCHES)]
            yield Judged(
                event=event,
                at=_AT,
                permission=permission,
                moved=() if harm is None else (_moved(harm, _LEVELS[turn % len(_LEVELS)]),),
                matches=(match,) if turn % 2 else (),
                unreadable=turn % 3 == 0,
                limited=turn % 5 == 0,
                reach=frozenset({"c"}) if turn % 4 == 0 else None,
                slowed=turn % 6 == 0,
                verdict=verdict if turn % 7 == 0 else None,
            )
