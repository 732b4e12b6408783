"""`CaseFile`: everything that a report may be drafted from, put together by who may open it.

It holds what is sealed elsewhere (names, addresses, IPs, texts), so it lives in memory only while a report is drafted and is never
stored or logged. It has no place for a score of a machine: what is not in it cannot enter a report.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from nightlight.core.bank import Category, Match
from nightlight.core.case import Finding, Verdict
from nightlight.core.event import AgeBand, Assurance, ChannelKind
from nightlight.core.fingerprint import Fingerprint
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import StageSeen


class Role(StrEnum):
    SUSPECT = "suspect"
    """Whose conduct the case is about."""
    CHILD = "child"
    """Who may have been harmed, or was about to be."""
    RECIPIENT = "recipient"
    """Who was meant to get what was sent, and is not known to be harmed by it."""
    WITNESS = "witness"
    """Anybody else, such as who told of it; not named in a report."""


class IpEvent(Struct, frozen=True, kw_only=True):
    address: str
    event: str = "Unknown"
    """In the authority's words: Login, Registration, Purchase, Upload, Other, Unknown."""
    at: datetime | None = None
    proxy: bool | None = None
    """None: nobody looked."""
    port: int | None = None


class Device(Struct, frozen=True, kw_only=True):
    kind: str
    """Such as `IMEI` or `advertising id`."""
    value: str
    event: str | None = None
    at: datetime | None = None


class Email(Struct, frozen=True, kw_only=True):
    address: str
    kind: str | None = None
    verified: bool | None = None
    verified_at: datetime | None = None


class Phone(Struct, frozen=True, kw_only=True):
    number: str
    country_code: str | None = None
    """With its plus: `+34`."""
    extension: str | None = None
    kind: str | None = None
    verified: bool | None = None
    verified_at: datetime | None = None


class Address(Struct, frozen=True, kw_only=True):
    street: str = ""
    city: str = ""
    zip: str = ""
    state: str = ""
    """Of the US, by its two letters."""
    region: str = ""
    """Elsewhere: state, province, county."""
    country: str = ""
    """ISO 3166-1 alpha-2."""
    kind: str | None = None


class Identity(Struct, frozen=True, kw_only=True):
    """Who a person is outside the service, as far as the service knows."""

    first_name: str = ""
    last_name: str = ""
    born: date | None = None
    emails: tuple[Email, ...] = ()
    phones: tuple[Phone, ...] = ()
    addresses: tuple[Address, ...] = ()


class Place(Struct, frozen=True, kw_only=True):
    """Where somebody probably is."""

    country: str
    region: str = ""
    city: str = ""
    verified: bool | None = None
    at: datetime | None = None


class Disabled(Struct, frozen=True, kw_only=True):
    """What the service did to an account."""

    permanent: bool
    at: datetime
    until: datetime | None = None
    told: bool | None = None
    told_at: datetime | None = None


class LinkedAccount(Struct, frozen=True, kw_only=True):
    """Another account of the same person, here or elsewhere."""

    kind: str
    """In the authority's words: Billing, Linked, Business, Creator, Parent/Guardian, Other."""
    platform: str = ""
    elsewhere: bool = False
    account: str = ""
    screen_name: str = ""
    profile_url: str = ""
    emails: tuple[Email, ...] = ()


class PartyFile(Struct, frozen=True, kw_only=True):
    """One person of the case."""

    account: str
    """The service's own id."""
    role: Role
    age_band: AgeBand = AgeBand.UNKNOWN
    assurance: Assurance = Assurance.NONE
    age: int | None = None
    """In years, where it is known better than the band."""
    age_from: str = ""
    """How, in a few words: `profile`, `said in the conversation`."""
    identity: Identity | None = None
    screen_name: str = ""
    display_names: tuple[str, ...] = ()
    profile_url: str = ""
    bio: str = ""
    ip_events: tuple[IpEvent, ...] = ()
    devices: tuple[Device, ...] = ()
    place: Place | None = None
    disabled: tuple[Disabled, ...] = ()
    compromised: bool | None = None
    """The account was probably used by somebody else."""
    group: str = ""
    school: str = ""
    linked: tuple[LinkedAccount, ...] = ()
    all_emails: bool | None = None
    """Whether `identity.emails` holds every address that the service has."""
    prior_reports: tuple[str, ...] = ()
    """The authority's ids of earlier finished reports about the same person, whatever case they came from."""
    note: str = ""


class ChannelFile(Struct, frozen=True, kw_only=True):
    id: str
    kind: ChannelKind
    name: str = ""
    """Of the room or group."""
    client: str = ""
    """Of the chat, where it is not the service itself."""
    game: str = ""
    console: str = ""
    url: str = ""
    encrypted: bool = False


class LineFile(Struct, frozen=True, kw_only=True):
    """One message of the conversation, and why it counts where it does."""

    event: str
    at: datetime
    author: str
    """The account."""
    channel: str
    text: str
    decisive: bool = False
    harm: Harm | None = None
    stage: Stage | None = None
    reason: str = ""
    """Why, in a detector's or a reviewer's plain words."""
    unread: bool = False
    """No person has read it yet; it may be in the attached transcript, never quoted in the report."""


class Viewed(Struct, frozen=True, kw_only=True):
    """A recorded look of a person at a file."""

    by: str
    at: datetime
    sha256: str
    """Of the very bytes that were shown."""
    whole: bool
    """All of it: a video to its end, a picture uncropped."""
    unblurred: bool
    """In the end shown as it is."""


class MediaFile(Struct, frozen=True, kw_only=True):
    id: str
    event: str
    at: datetime
    author: str
    channel: str = ""
    sha256: str = ""
    hashes: tuple[Fingerprint, ...] = ()
    matches: tuple[Match, ...] = ()
    views: tuple[Viewed, ...] = ()
    exif_viewed: bool | None = None
    name: str = ""
    """As the service stores it."""
    original_name: str = ""
    """As whoever uploaded it named it."""
    media_type: str = ""
    size: int = 0
    url: str = ""
    public: bool | None = None
    ip: IpEvent | None = None
    devices: tuple[Device, ...] = ()
    exif: tuple[tuple[str, str], ...] = ()
    held: bool = False
    """Its bytes are in the vault and can be sent."""
    reported: bool = True
    """False: supplemental, such as a profile picture that shows nothing wrong."""
    finding: Finding | None = None
    """What a person said of this file."""
    classification: Category | None = None
    """A person's, never a machine's."""
    annotations: tuple[str, ...] = ()
    """A person's, in the authority's words: `generativeAi`, `liveStreaming`."""
    note: str = ""


class Escalation(Struct, frozen=True, kw_only=True):
    """A person's word that a child is in immediate danger."""

    reason: str
    by: str
    at: datetime


class LawEnforcement(Struct, frozen=True, kw_only=True):
    agency: str
    case_number: str = ""
    officer: Identity | None = None
    already_reported: bool | None = None
    legal_process_domestic: bool | None = None
    legal_process_international: bool | None = None
    legal_process_country: str = ""


class ServiceFile(Struct, frozen=True, kw_only=True):
    """The service's own data, from its settings."""

    name: str
    """Of the product: what the authority knows it by."""
    company: str = ""
    establishment: str = "US"
    """ISO 3166-1 alpha-2: where it is established."""
    reporter: Identity = Identity()
    contact: Identity | None = None
    template: str = ""
    """What every report says about the company."""
    terms: str = ""
    terms_url: str = ""
    legal_url: str = ""
    console: str = ""
    may_classify: bool = False
    """It signed the industry's hash-sharing agreement, so it may send A1 to B2."""


class CaseFile(Struct, frozen=True, kw_only=True):
    case: str
    opened_at: datetime
    service: ServiceFile
    harms: tuple[Harm, ...]
    """In any order. Where no person has looked, `verdicts` is empty and the draft says so."""
    parties: tuple[PartyFile, ...]
    channels: tuple[ChannelFile, ...] = ()
    lines: tuple[LineFile, ...] = ()
    media: tuple[MediaFile, ...] = ()
    stages: tuple[StageSeen, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    escalation: Escalation | None = None
    law_enforcement: LawEnforcement | None = None
    prior_reports: tuple[str, ...] = ()
    """The authority's ids of earlier reports of this very case, such as one that this corrects."""
    incident_type: str = ""
    """In the authority's words, where a person chose it; empty: by the harms."""
    annotations: tuple[str, ...] = ()
    """In the authority's words, where a person adds to those that follow from the harms."""
    happened_at: datetime | None = None
    """When, where a person knows it better than the lines and files do."""
    generated: bool = False
    """A person found that material was made by a generative model."""
    livestreamed: bool = False
    financial: bool = False
    """Money was demanded."""
    note: str = ""
    """The reviewer's own words for the authority."""
