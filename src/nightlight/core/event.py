"""`Event`: an immutable fact from the service, a tagged union on `kind`.

These structs are also the wire format of `POST /v1/events`, so the published schema and the code cannot drift apart.
Lengths given here are hard limits, enforced while decoding.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, Struct

from nightlight.core.fingerprint import MAX_FINGERPRINTS, Fingerprint
from nightlight.core.ids import ID_PATTERN

MAX_TEXT = 20_000
"""Characters of text in one event. Longer messages exist on no chat that we know of; a service splits a document."""
MAX_SCREENED = 512
"""Fingerprints that the media lane takes of one file: a picture's views are about thirty, a video's different frames 480 at most."""
MAX_TARGETS = 200
"""Parties one event may address. A larger room names those present."""

Id = Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"pattern": ID_PATTERN})]
"""An id of the service's own. `fit_for_id` holds it to the pattern, naming the field; the schema only tells of it."""
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Place = Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$", description="ISO 3166-1 alpha-2, with an optional subdivision")]
Moment = Annotated[datetime, Meta(tz=True)]


class AgeBand(StrEnum):
    A0_6 = "0-6"
    A7_9 = "7-9"
    A10_12 = "10-12"
    A13_15 = "13-15"
    A16_17 = "16-17"
    ADULT = "18+"
    UNKNOWN = "unknown"

    @property
    def is_minor(self) -> bool:
        """True for every band under 18; an unknown age is neither minor nor adult here."""
        return self not in (AgeBand.ADULT, AgeBand.UNKNOWN)


class Assurance(StrEnum):
    """How an age band is known, weakest first (after ISO/IEC 27566-1:2025's kinds of age assurance)."""

    NONE = "none"
    SELF_DECLARED = "self_declared"
    INFERRED = "inferred"
    """Inferred by the service from behaviour."""
    ESTIMATED = "estimated"
    """Estimated by a method made for it."""
    GUARDIAN = "guardian"
    """Stated by a verified guardian."""
    VERIFIED = "verified"

    @property
    def is_assured(self) -> bool:
        """True where somebody other than the account holder stands behind it."""
        return self in (Assurance.ESTIMATED, Assurance.GUARDIAN, Assurance.VERIFIED)


class Relation(StrEnum):
    """What the service knows of how actor and targets stand to each other."""

    STRANGER = "stranger"
    CONTACT = "contact"
    """Connected on the service."""
    TRUSTED = "trusted"
    """A contact confirmed in person or by a guardian."""
    FAMILY = "family"
    UNKNOWN = "unknown"


class ChannelKind(StrEnum):
    DIRECT = "direct"
    GROUP = "group"
    GAME = "game"
    STREAM = "stream"
    COMMENT = "comment"
    EMAIL = "email"
    SMS = "sms"


class Wire(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of everything a service sends: unknown fields are an error, so a misspelt one is never silently lost."""


class Party(Wire, frozen=True, kw_only=True):
    account: Id
    age_band: AgeBand = AgeBand.UNKNOWN
    assurance: Assurance = Assurance.NONE
    account_age_days: Annotated[float, Meta(ge=0, le=50_000)] | None = None
    place: Place | None = None

    @property
    def may_be_minor(self) -> bool:
        """An unknown age is treated as a child's until assured."""
        return self.age_band is not AgeBand.ADULT

    @property
    def may_be_adult(self) -> bool:
        """True unless somebody other than the account holder says this is a child: a self-declared minor may be anyone."""
        return not (self.age_band.is_minor and self.assurance.is_assured)


class Channel(Wire, frozen=True, kw_only=True):
    id: Id
    """The conversation: all events of one conversation carry the same id."""
    kind: ChannelKind = ChannelKind.DIRECT
    encrypted: bool = False


class EventBase(Wire, frozen=True, kw_only=True, tag_field="kind"):
    """What every event carries. `id` is the idempotency key: the same id with the same body always gets the same decision."""

    id: Id
    at: Moment
    actor: Party
    targets: Annotated[tuple[Party, ...], Meta(max_length=MAX_TARGETS)] = ()
    relation: Relation = Relation.UNKNOWN
    channel: Channel | None = None

    media_bearing: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        tag = self.__struct_config__.tag
        return str(tag)

    @property
    def conversation(self) -> str:
        """The partition key: the channel's id, or the actor's own stream where there is no channel."""
        return self.channel.id if self.channel is not None else f"{self.actor.account}@"

    @property
    def content(self) -> str:
        """The text a person wrote in this event, or the empty string."""
        return ""


class Message(EventBase, frozen=True, kw_only=True, tag="message"):
    text: Text

    @property
    def content(self) -> str:
        return self.text


class Media(EventBase, frozen=True, kw_only=True, tag="media"):
    """A picture or video was shared and the service computed the fingerprints itself."""

    fingerprints: Annotated[tuple[Fingerprint, ...], Meta(min_length=1, max_length=MAX_FINGERPRINTS)]
    media_id: Id | None = None


class MediaScreened(EventBase, frozen=True, kw_only=True, tag="media_screened"):
    """Nightlight decoded and hashed the bytes on the media lane; this is what came of it. The bytes themselves are not in it."""

    fingerprints: Annotated[tuple[Fingerprint, ...], Meta(max_length=MAX_SCREENED)] = ()
    """No service sends these: they are what the media lane made of the bytes, the views for a lookup and a video's frames among them."""
    media_id: Id | None = None
    media_type: Annotated[str, Meta(max_length=100)] | None = None
    """Read from the bytes, never from a name: `image/jpeg`."""
    size: Annotated[int, Meta(ge=0)] = 0
    width: Annotated[int, Meta(ge=0)] = 0
    height: Annotated[int, Meta(ge=0)] = 0
    unreadable: Annotated[str, Meta(max_length=300)] | None = None
    """Why the bytes could not be decoded. Byte hashes are there all the same."""


class Link(EventBase, frozen=True, kw_only=True, tag="link"):
    url: Annotated[str, Meta(min_length=1, max_length=8192)]


class ContactOutcome(StrEnum):
    SENT = "sent"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    BLOCKED = "blocked"
    IGNORED = "ignored"
    """Left unanswered until it lapsed or was taken back."""


class ContactRequest(EventBase, frozen=True, kw_only=True, tag="contact_request"):
    """`actor` asked to reach `targets`; a later event of the same kind carries how it ended.

    In that later event, too, `actor` is whoever asked. A service may name whoever answered instead, if the request was sent in the same
    channel and only one of the two had asked.
    """

    outcome: ContactOutcome = ContactOutcome.SENT
    mutual_contacts: Annotated[int, Meta(ge=0)] | None = None


class Gift(EventBase, frozen=True, kw_only=True, tag="gift"):
    value: Annotated[float, Meta(ge=0)] = 0.0
    """In the service's own currency unit."""
    unit: Annotated[str, Meta(max_length=32)] = ""


class Follow(EventBase, frozen=True, kw_only=True, tag="follow"):
    following: bool = True


class Reward(EventBase, frozen=True, kw_only=True, tag="reward"):
    """A rank or reward that `actor` gave to, or holds over, `targets`."""

    name: Annotated[str, Meta(max_length=100)]


class ProfileChange(EventBase, frozen=True, kw_only=True, tag="profile_change"):
    field: Annotated[str, Meta(max_length=64)]
    text: Text = ""

    @property
    def content(self) -> str:
        return self.text


class Session(EventBase, frozen=True, kw_only=True, tag="session"):
    started: bool = True
    device: Annotated[str, Meta(max_length=200)] | None = None


class StreamFrame(EventBase, frozen=True, kw_only=True, tag="stream_frame"):
    fingerprints: Annotated[tuple[Fingerprint, ...], Meta(min_length=1, max_length=MAX_FINGERPRINTS)]
    offset_s: Annotated[float, Meta(ge=0)] = 0.0


class Transcript(EventBase, frozen=True, kw_only=True, tag="transcript"):
    """Speech turned to text by the service."""

    text: Text

    @property
    def content(self) -> str:
        return self.text


class Search(EventBase, frozen=True, kw_only=True, tag="search"):
    text: Text

    @property
    def content(self) -> str:
        return self.text


class Prompt(EventBase, frozen=True, kw_only=True, tag="prompt"):
    """What a person asked a generative model."""

    text: Text

    @property
    def content(self) -> str:
        return self.text


class Completion(EventBase, frozen=True, kw_only=True, tag="completion"):
    """What a generative model answered; `prompt_id` is the event it answers."""

    text: Text
    prompt_id: Id | None = None

    @property
    def content(self) -> str:
        return self.text


class ReportCategory(StrEnum):
    """Child-friendly reasons to report somebody."""

    UNCOMFORTABLE = "uncomfortable"
    ASKED_FOR_PICTURES = "asked_for_pictures"
    THREATENED = "threatened"
    WANTS_TO_MEET = "wants_to_meet"
    SELF_HARM = "self_harm"
    IN_DANGER = "in_danger"
    OTHER = "other"


class UserReport(EventBase, frozen=True, kw_only=True, tag="user_report"):
    """`actor` tells us about `targets`."""

    category: ReportCategory
    text: Text = ""

    @property
    def content(self) -> str:
        return self.text


Event = (
    Message
    | Media
    | MediaScreened
    | Link
    | ContactRequest
    | Gift
    | Follow
    | Reward
    | ProfileChange
    | Session
    | StreamFrame
    | Transcript
    | Search
    | Prompt
    | Completion
    | UserReport
)


def without_content(event: EventBase) -> EventBase:
    """The event with nothing left of what a person wrote, said or showed: what is kept where content may not be processed."""
    if isinstance(event, Media | StreamFrame | MediaScreened):
        base = {name: getattr(event, name) for name in EventBase.__struct_fields__}
        return MediaScreened(**base)
    if isinstance(event, Link):
        return msgspec.structs.replace(event, url="about:blank")
    return msgspec.structs.replace(event, text="") if hasattr(event, "text") else event


EVENT_TYPES: tuple[type[EventBase], ...] = Event.__args__
KINDS: tuple[str, ...] = tuple(str(t.__struct_config__.tag) for t in EVENT_TYPES)


def fields_of(kind: type[EventBase]) -> dict[str, Any]:
    """Field name to annotation, for schemas and checks."""
    return {f.name: f.type for f in msgspec.structs.fields(kind)}
