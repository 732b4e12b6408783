"""Small builders for the tests of policy and actions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from nightlight.core.assessment import Assessment, Contribution
from nightlight.core.bank import BankKind, Match
from nightlight.core.event import AgeBand, Assurance, Channel, ChannelKind, Media, Message, Party
from nightlight.core.features import Features, MediaFeatures
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.gate import DataKind, Permission
from nightlight.core.harm import Harm, Level
from nightlight.core.signal import Evidence, Subject, SubjectKind
from nightlight.policy import Policy, load_rules

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = Permission(frozenset(DataKind), ("content/direct/XN: permitted",))
ADULT = Party(account="adult", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED, account_age_days=3.0)
CHILD = Party(account="child", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
UNKNOWN = Party(account="somebody")
PICTURE = Fingerprint(FingerprintKind.SHA256, "ab" * 32)


def message(actor: Party = ADULT, *targets: Party, id: str = "e1", channel: Channel | None = None) -> Message:
    where = channel or Channel(id="room", kind=ChannelKind.DIRECT)
    return Message(id=id, at=NOW, actor=actor, targets=targets or (CHILD,), channel=where, text="plim dorrow")


def media(actor: Party = ADULT, *targets: Party) -> Media:
    return Media(id="m1", at=NOW, actor=actor, targets=targets or (CHILD,), channel=Channel(id="room"), fingerprints=(PICTURE,))


def assessment(
    harm: Harm = Harm.GROOMING,
    level: Level = Level.HIGH,
    *,
    actor: str | None = "adult",
    protects: str | None = "child",
    reasons: tuple[tuple[str, str], ...] = (("e1", "Asked to keep it secret"),),
    **more: Any,
) -> Assessment:
    evidence = tuple(Evidence(event, reason) for event, reason in reasons)
    contribution = Contribution(detector="sample", version="1", score=0.25 * level.rank, at=NOW, evidence=evidence)
    subject = Subject(SubjectKind.CONVERSATION, "room")
    base: dict[str, Any] = {"subject": subject, "harm": harm, "score": 0.25 * level.rank, "calibrated": False, "level": level, "at": NOW}
    return Assessment(**{**base, "contributions": (contribution,), "actor": actor, "protects": protects, **more})


def match(kind: FingerprintKind = FingerprintKind.SHA256, bank: BankKind = BankKind.OWN, distance: int = 0, name: str = "ours") -> Match:
    return Match(bank=name, bank_kind=bank, item="1", kind=kind, distance=distance, threshold=31)


def matched(*matches: Match) -> Features:
    return Features(media=MediaFeatures(fingerprints=(PICTURE,), matches=matches))


def policy(rules: str) -> Policy:
    return Policy(load_rules(f'name = "sample"\n{rules}', "sample.toml"))
