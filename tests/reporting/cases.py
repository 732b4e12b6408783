"""Cases to draft reports from. Texts are invented words, or single lines that show a risk by their structure alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from msgspec.structs import replace

from nightlight.core.bank import BankKind, Category, Match
from nightlight.core.case import Finding, Verdict
from nightlight.core.casefile import (
    Address,
    CaseFile,
    ChannelFile,
    Device,
    Disabled,
    Email,
    Escalation,
    Identity,
    IpEvent,
    LawEnforcement,
    LineFile,
    LinkedAccount,
    MediaFile,
    PartyFile,
    Phone,
    Place,
    Role,
    ServiceFile,
    Viewed,
)
from nightlight.core.event import AgeBand, Assurance, ChannelKind
from nightlight.core.fingerprint import Fingerprint, FingerprintKind, Variant
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import StageSeen

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = datetime(2026, 2, 27, 18, tzinfo=UTC)
SHA = "ab" * 32

SERVICE = ServiceFile(
    name="Lanternfield",
    company="Lanternfield Games Ltd",
    reporter=Identity(first_name="Sam", last_name="Okoro", emails=(Email(address="safety@lanternfield.example", kind="Business"),)),
    contact=Identity(first_name="Night", last_name="Desk", emails=(Email(address="le@lanternfield.example"),)),
    template="Legal process: legal@lanternfield.example. Data is kept for one year.",
    terms_url="https://lanternfield.example/terms",
    legal_url="https://lanternfield.example/legal",
)
SUSPECT = PartyFile(
    account="u-811",
    role=Role.SUSPECT,
    age_band=AgeBand.ADULT,
    assurance=Assurance.SELF_DECLARED,
    screen_name="dorrow",
    identity=Identity(
        first_name="Rowan",
        born=date(1990, 4, 2),
        emails=(Email(address="rowan@mail.example", kind="Home", verified=True, verified_at=START),),
        phones=(Phone(number="600123123", country_code="+34", kind="Mobile"),),
        addresses=(Address(street="1 Zantle St", city="Brisp", region="Quell", country="ES", kind="Billing"),),
    ),
    ip_events=(IpEvent(address="203.0.113.7", event="Login", at=START, proxy=False, port=51000), IpEvent(address="2001:db8::7")),
    devices=(Device(kind="advertising id", value="0f3c", event="Login", at=START),),
    place=Place(country="ES", city="Brisp", verified=False, at=START),
    disabled=(Disabled(permanent=False, at=START, until=NOW + timedelta(days=3), told=False),),
    linked=(LinkedAccount(kind="Linked", platform="otherapp", elsewhere=True, screen_name="d0rrow"),),
    prior_reports=("100234",),
)
CHILD = PartyFile(
    account="u-94",
    role=Role.CHILD,
    age_band=AgeBand.A13_15,
    assurance=Assurance.SELF_DECLARED,
    age=13,
    age_from="said so in the conversation",
    screen_name="fenny",
    ip_events=(IpEvent(address="198.51.100.4", event="Login", at=START),),
    place=Place(country="GB"),
    school="Otchet School",
)
ROOM = ChannelFile(id="room-7", kind=ChannelKind.GAME, name="Harbour", game="Lanternfield Online", console="PC")


def line(minutes: float, author: str, text: str, **more: Any) -> LineFile:
    return LineFile(event=f"e{minutes:g}", at=START + timedelta(minutes=minutes), author=author, channel="room-7", text=text, **more)


def sextortion() -> CaseFile:
    """In words alone: no file anywhere."""
    lines = (
        line(0, "u-811", "plim dorrow zantle"),
        line(4, "u-811", "keep this secret", decisive=True, stage=Stage.ISOLATION, harm=Harm.SEXTORTION, reason="asks for secrecy"),
        line(5, "u-94", "brisp?", decisive=False),
        line(31, "u-811", "pay or I tell", decisive=True, stage=Stage.COERCION, harm=Harm.SEXTORTION, reason="threatens and demands"),
    )
    return CaseFile(
        case="case-1",
        opened_at=START + timedelta(hours=1),
        service=SERVICE,
        harms=(Harm.SEXTORTION,),
        parties=(SUSPECT, CHILD),
        channels=(ROOM,),
        lines=lines,
        stages=(StageSeen(stage=Stage.COERCION, first=START, last=START, first_event="e31", last_event="e31", count=1),),
        verdicts=(Verdict(case="case-1", reviewer="r1", finding=Finding.CONFIRMED, reason="clear", at=NOW - timedelta(hours=2)),),
        financial=True,
    )


def match(**more: Any) -> Match:
    base: dict[str, Any] = {"bank": "list-a", "bank_kind": BankKind.PARTNER, "item": "i1", "kind": FingerprintKind.SHA256}
    return Match(**{**base, "distance": 0, "threshold": 0, "authority": True, **more})


def media(**more: Any) -> MediaFile:
    base: dict[str, Any] = {
        "id": "m1",
        "event": "e9",
        "at": START + timedelta(minutes=9),
        "author": "u-811",
        "channel": "room-7",
        "sha256": SHA,
        "hashes": (
            Fingerprint(FingerprintKind.MD5, "cd" * 16),
            Fingerprint(FingerprintKind.PDQ, "ef" * 32, 90),
            Fingerprint(FingerprintKind.PDQ, "12" * 32, 90, Variant.MIRRORED),
        ),
        "name": "m1.jpg",
        "original_name": "holiday.jpg",
        "held": True,
    }
    return MediaFile(**{**base, **more})


def view(**more: Any) -> Viewed:
    base: dict[str, Any] = {"by": "r1", "at": NOW - timedelta(hours=3), "sha256": SHA, "whole": True, "unblurred": True}
    return Viewed(**{**base, **more})


def known_material(**more: Any) -> CaseFile:
    """A listed file that nobody looked at."""
    return replace(
        sextortion(), harms=(Harm.KNOWN_MATERIAL,), lines=(), stages=(), financial=False, media=(media(matches=(match(),), **more),)
    )


# -- arbitrary cases, also such as no service should send ------------------------------------------------------------------------------

_TEXTS = ("", " ", "plim", "dorrow & <zantle>", "a\x00b", "\ud800", "brisp\r\n\u2028quell", "x" * 5000, "🌒" * 300, "score 0.93", "> fenny")
_ADDRESSES = ("203.0.113.7", "2001:db8::1", "300.1.1.1", "", "10.0.0.1:80", "fe80::1%1")
_EMAILS = ("a@example.com", "nobody", "", "a@b", "é@example.com")
_WORDS = ("", "Login", "Home", "Mobile", "Linked", "nonsense", "advertising id")
_COUNTRIES = ("ES", "US", "XX", "", "es", "Spain")


def anything(seed: int) -> CaseFile:
    """A case of whatever a service may hold: malformed addresses, times to come, control characters, nothing at all."""
    r = Random(seed)

    def text() -> str:
        return r.choice(_TEXTS)

    def at() -> datetime:
        return NOW + timedelta(minutes=r.choice((-5000, -60, -1, 0, 1, 90_000)))

    def maybe(value: Any) -> Any:
        return value if r.random() < 0.6 else None

    def some(make: Any, most: int = 3) -> tuple[Any, ...]:
        return tuple(make() for _ in range(r.randrange(most + 1)))

    def truth() -> bool:
        return r.random() < 0.5

    def email() -> Email:
        return Email(address=r.choice(_EMAILS), kind=maybe(r.choice(_WORDS)), verified=maybe(truth()), verified_at=maybe(at()))

    def phone() -> Phone:
        return Phone(number=text(), country_code=maybe(r.choice(("+1", "34"))), extension=maybe(text()), kind=maybe(r.choice(_WORDS)))

    def identity() -> Identity:
        return Identity(
            first_name=text(),
            last_name=text(),
            born=maybe(date(r.choice((1980, 2013, 2100)), 1, 1)),
            emails=some(email),
            phones=some(phone),
            addresses=some(
                lambda: Address(street=text(), city=text(), state=text(), country=r.choice(_COUNTRIES), kind=maybe(r.choice(_WORDS)))
            ),
        )

    def ip() -> IpEvent:
        return IpEvent(
            address=r.choice(_ADDRESSES),
            event=r.choice(_WORDS),
            at=maybe(at()),
            proxy=maybe(truth()),
            port=maybe(r.choice((0, 443, 70_000))),
        )

    def device() -> Device:
        return Device(kind=r.choice(_WORDS), value=text(), event=maybe(r.choice(_WORDS)), at=maybe(at()))

    def party() -> PartyFile:
        return PartyFile(
            account=text(),
            role=r.choice(tuple(Role)),
            age_band=r.choice(tuple(AgeBand)),
            assurance=r.choice(tuple(Assurance)),
            age=maybe(r.choice((-1, 13, 40, 999))),
            age_from=text(),
            identity=maybe(identity()),
            screen_name=text(),
            display_names=some(text),
            profile_url=text(),
            bio=text(),
            ip_events=some(ip),
            devices=some(device),
            place=maybe(Place(country=r.choice(_COUNTRIES), region=text(), city=text(), verified=maybe(truth()), at=maybe(at()))),
            disabled=some(lambda: Disabled(permanent=truth(), at=at(), until=maybe(at()), told=maybe(truth()), told_at=maybe(at()))),
            compromised=maybe(truth()),
            group=text(),
            school=text(),
            linked=some(lambda: LinkedAccount(kind=r.choice(_WORDS), platform=text(), emails=some(email), screen_name=text())),
            all_emails=maybe(truth()),
            prior_reports=some(lambda: r.choice(("100", "x", "0", ""))),
        )

    def file() -> MediaFile:
        return media(
            id=f"m{r.randrange(99)}",
            at=at(),
            sha256=r.choice((SHA, SHA.upper(), "short", "")),
            matches=some(
                lambda: match(
                    kind=r.choice((FingerprintKind.SHA256, FingerprintKind.PDQ)),
                    bank_kind=r.choice(tuple(BankKind)),
                    generated=maybe(truth()),
                )
            ),
            views=some(lambda: view(at=at(), sha256=r.choice((SHA, "cd" * 32)), whole=truth(), unblurred=truth())),
            exif_viewed=maybe(truth()),
            name=text(),
            original_name=text(),
            url=text(),
            ip=maybe(ip()),
            devices=some(device),
            exif=some(lambda: (text(), text())),
            held=truth(),
            reported=truth(),
            finding=maybe(r.choice(tuple(Finding))),
            classification=maybe(r.choice(tuple(Category))),
            annotations=some(lambda: r.choice(("generativeAi", "potentialMeme", "nonsense"))),
        )

    return CaseFile(
        case="case-x",
        opened_at=at(),
        service=replace(SERVICE, name=text() or "Lanternfield", may_classify=truth(), terms=text()),
        harms=tuple(r.sample(tuple(Harm), r.randrange(4))),
        parties=some(party, 4),
        channels=some(
            lambda: ChannelFile(id=r.choice(("room-7", "")), kind=r.choice(tuple(ChannelKind)), name=text(), url=text(), encrypted=truth())
        ),
        lines=some(
            lambda: line(
                r.randrange(5000),
                r.choice(("u-811", "u-94")),
                text(),
                decisive=truth(),
                unread=truth(),
                stage=maybe(r.choice(tuple(Stage))),
                reason=text(),
            ),
            8,
        ),
        media=some(file),
        verdicts=some(lambda: Verdict(case="c", reviewer="r", finding=r.choice(tuple(Finding)), reason="", at=at())),
        escalation=maybe(Escalation(reason=r.choice(("", "plim " * 1000, "in danger")), by="r1", at=at())),
        law_enforcement=maybe(
            LawEnforcement(agency=text(), case_number=text(), officer=maybe(identity()), legal_process_country=r.choice(_COUNTRIES))
        ),
        prior_reports=some(lambda: r.choice(("7", "nine"))),
        incident_type=r.choice(("", "", "nonsense")),
        annotations=some(lambda: r.choice(("spam", "nonsense"))),
        happened_at=maybe(at()),
        generated=truth(),
        livestreamed=truth(),
        note=r.choice(("", "plim", "x" * 5000)),
    )
