"""`Case`: what a person must look at, and everything that people say and decide about it.

A case is about the conduct of one suspected account; each child whom that may harm is a record of its own, with a clock for their
support. A case is never silently closed: it ends `filed`, `declined` with a reason, or stands there as `failing` until a person acts.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from nightlight.core.event import AgeBand, Assurance, Party
from nightlight.core.harm import Harm, Level
from nightlight.core.signal import Subject


class CaseState(StrEnum):
    OPEN = "open"
    """A person must look, or look again."""
    CONFIRMED = "confirmed"
    """A person confirmed the harm: a report, or a signed-off reason for none, is still owed."""
    FILED = "filed"
    """An authority has the finished report."""
    DECLINED = "declined"
    """No report, and the case says why."""
    FAILING = "failing"
    """A report is owed and does not get through. It stays in sight of the leads until it does."""

    @property
    def has_ended(self) -> bool:
        return self in (CaseState.FILED, CaseState.DECLINED)


class Finding(StrEnum):
    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    NEEDS_MORE = "needs_more"


class Lane(StrEnum):
    """How soon a person must have begun."""

    URGENT = "urgent"
    """Fifteen minutes: imminent danger, self-harm, active sextortion."""
    STANDARD = "standard"


class Peers(StrEnum):
    """Whether the account that a case is about may be a child's too."""

    NO = "no"
    STATED = "stated"
    """Only the account says so, and it may be anyone's."""
    ASSURED = "assured"
    """Somebody other than the account holder stands behind it: the safeguarding queue, education first."""


def peers_of(suspected: Party | None, child: Party | None) -> Peers:
    """Whether both may be minors. Who is suspected and says so themselves may be anyone, so that counts as stated only."""
    if suspected is None or not suspected.age_band.is_minor or (child is not None and not child.may_be_minor):
        return Peers.NO
    return Peers.ASSURED if suspected.assurance.is_assured else Peers.STATED


class Verdict(Struct, frozen=True, kw_only=True):
    """A person's judgement. Only this, never a score, can lead to a lasting consequence for anybody."""

    case: str
    reviewer: str
    finding: Finding
    reason: str
    at: datetime
    id: str = ""
    harm: Harm | None = None
    """What they confirmed, where that is another harm than the case was opened for."""
    appeal: str | None = None
    """The appeal that it answers."""
    mandatory: bool = False
    """The law asks for a report, whoever the two are (18 USC 2258A in the United States): no sign-off delays it."""
    danger_ahead: bool = False
    """A child is in danger now: an emergency request goes with the report."""


class SupportState(StrEnum):
    OWED = "owed"
    OFFERED = "offered"
    """Help was offered to the child, by the service or by a person."""
    TAKEN_UP = "taken_up"
    NOT_POSSIBLE = "not_possible"
    """Nobody can be reached; the note says why."""


class Child(Struct, frozen=True, kw_only=True):
    """One child in a case: a record of its own, never merged with another child's."""

    case: str
    account: str
    """Pseudonym."""
    age_band: AgeBand
    assurance: Assurance
    harms: tuple[Harm, ...]
    first_at: datetime
    last_at: datetime
    support: SupportState
    support_due_at: datetime
    """When support must have been offered: a clock of its own, which no verdict stops."""
    supported_at: datetime | None = None
    supported_by: str | None = None


class Case(Struct, frozen=True, kw_only=True):
    """Merged until it has ended: what else is found out about the same account adds to the case that is there. Where nobody is
    suspected, the same subject and harm are one case."""

    id: str
    queue: str
    priority: int
    """0 is looked at first."""
    subject: Subject
    """What it was opened about; the gravest since."""
    harm: Harm | None
    """The gravest. None where a rule failed and nobody knows: a person must look."""
    level: Level
    opened_at: datetime
    updated_at: datetime
    state: CaseState = CaseState.OPEN
    events: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    actor: str | None = None
    """The account whose conduct it is about: a pseudonym."""
    protects: str | None = None
    """The child first named; all of them are `Child` records."""
    subjects: tuple[Subject, ...] = ()
    """Every conversation, picture or pair that it was opened about, the first one first."""
    harms: tuple[Harm, ...] = ()
    """The most urgent first."""
    lane: Lane = Lane.STANDARD
    due_at: datetime | None = None
    """When a person must have begun (in the lane `urgent`) or decided: the service level."""
    waiting_since: datetime | None = None
    """Since when nobody has it; while somebody has, when their lock ends."""
    locked_by: str | None = None
    locked_until: datetime | None = None
    """A lock that has expired binds nobody, whatever `locked_by` says."""
    assigned_to: str | None = None
    peers: Peers = Peers.NO
    opinion: bool = False
    """A second opinion is asked for and not yet given."""
    appeal: str | None = None
    """The appeal that reopened it."""
    ended_at: datetime | None = None
    why: str = ""
    """Why it was declined, or why its report fails, in a person's or an authority's words."""
    flags: tuple[str, ...] = ()
    """`user_report`, `anonymous`, `brigade`, `reopened`, `new_evidence`: what a queue shows beside the harm."""

    def held_by(self, now: datetime) -> str | None:
        """Who has it locked now."""
        return self.locked_by if self.locked_until is not None and now < self.locked_until else None


class NoteKind(StrEnum):
    NOTE = "note"
    HAND_OVER = "hand_over"
    """For whoever takes it next."""


class Note(Struct, frozen=True, kw_only=True):
    id: str
    case: str
    by: str
    at: datetime
    kind: NoteKind
    text: str


class Opinion(Struct, frozen=True, kw_only=True):
    """A second pair of eyes: asked for by one, answered by another. It decides nothing."""

    id: str
    case: str
    asked_by: str
    asked_at: datetime
    question: str
    by: str | None = None
    at: datetime | None = None
    finding: Finding | None = None
    reason: str = ""


class Consequence(StrEnum):
    """What may take more than one person."""

    REPORT = "report"
    SUSPENSION = "suspension"
    BAN = "ban"
    """For good."""
    DECLINE = "decline"
    """No report although the harm was confirmed."""


class StepState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """The verdict it rests on was overturned or replaced."""


class Step(Struct, frozen=True, kw_only=True):
    """A consequence that waits for as many people as the service's rules ask for."""

    id: str
    case: str
    verdict: str
    consequence: Consequence
    needs: int
    needs_lead: bool
    """One of them must be a lead: a sign-off."""
    signed: tuple[str, ...]
    """Who agreed, in order; whoever gave the verdict is the first."""
    state: StepState
    asked_at: datetime
    lead_signed: bool = False
    reason: str = ""
    """Of the refusal, or of the decline that is asked for."""
    decided_at: datetime | None = None


class AppealState(StrEnum):
    WAITING = "waiting"
    UPHELD = "upheld"
    """Another reviewer found the same."""
    OVERTURNED = "overturned"


class Appeal(Struct, frozen=True, kw_only=True):
    id: str
    case: str
    by: str
    """Who brought it: the account's pseudonym, or the member of staff who wrote it down."""
    at: datetime
    text: str
    state: AppealState = AppealState.WAITING
    decided_at: datetime | None = None
    decided_by: str | None = None
    answer: str = ""


class OrderKind(StrEnum):
    """What the reports' desk or a runner must do because of what people decided."""

    FILE = "file"
    """Approved: a report may be drafted and sent."""
    RETRACT = "retract"
    """Overturned before the report was finished."""
    CORRECT = "correct"
    """Overturned after: the authority hears that it was wrong."""
    WITHDRAW_HASHES = "withdraw_hashes"
    """Fingerprints banked or shared from this case (items whose source begins `case:<id>`) go."""


class Order(Struct, frozen=True, kw_only=True):
    """Made in the transaction of the decision that it follows from, so none is lost; done once somebody says so."""

    id: str
    case: str
    kind: OrderKind
    at: datetime
    verdict: str
    approved_by: tuple[str, ...]
    done_at: datetime | None = None
    result: str = ""


class Review(Struct, frozen=True, kw_only=True):
    """A blind second review of a verdict that was drawn as a sample. Who reviews sees neither the first finding nor by whom."""

    id: str
    case: str
    drawn_at: datetime
    by: str | None = None
    at: datetime | None = None
    finding: Finding | None = None
    agrees: bool | None = None
    settled_by: str | None = None
    """The lead who decided where the two disagreed."""
    settled_at: datetime | None = None
    settled: Finding | None = None


class View(Struct, frozen=True, kw_only=True):
    """That a person looked at one file, as it happened. A report may say that a file was viewed only because of one of these."""

    case: str
    by: str
    at: datetime
    sha256: str
    """Of the exact bytes shown."""
    whole: bool
    """The whole picture, or the video from its first to its last second."""
    blurred: bool
    greyscale: bool
    seconds: float
    reason: str

    @property
    def counts_as_viewed(self) -> bool:
        """Whether a report may say so: whole and unblurred."""
        return self.whole and not self.blurred
