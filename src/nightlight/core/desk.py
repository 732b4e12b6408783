"""`CaseDesk`: everything that console, command line and API do with cases. `adapters.store` fills it.

Each call names who acts. It raises Denied for a role that may not, NotFound for what is not there, Invalid naming the field, Conflict
where the state of the case, a lock or an approval forbids it. What changes anything, and every opening of a case, is one audit entry in
the same transaction. Accounts are pseudonyms; `Who.name` is the service's own id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field

from nightlight.core.assessment import Assessment
from nightlight.core.bank import Match
from nightlight.core.case import (
    Appeal,
    Case,
    CaseState,
    Child,
    Consequence,
    Finding,
    Lane,
    Note,
    NoteKind,
    Opinion,
    Order,
    Peers,
    Review,
    Step,
    SupportState,
    Verdict,
    View,
)
from nightlight.core.decision import Decision
from nightlight.core.event import AgeBand, Assurance, EventBase
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.ports import AuditEntry, CaseOpening, ContactLimit, Outgoing, StoredEvent
from nightlight.core.signal import Subject
from nightlight.core.staff import Staff
from nightlight.core.user_report import UserReported

SAFEGUARDING = "safeguarding"
"""The queue of cases between minors."""
USER_REPORTS = "user-reports"
"""The queue of what only an unverified or anonymous report says."""

# -- what a queue shows ------------------------------------------------------------------------------------------------------------


class QueueCount(Struct, frozen=True, kw_only=True):
    queue: str
    lane: Lane
    waiting: int
    """Cases that a person must look at and nobody has."""
    taken: int
    overdue: int
    oldest: datetime | None
    """Since when the one that waits longest waits."""


class Overview(Struct, frozen=True, kw_only=True):
    queues: tuple[QueueCount, ...]
    states: Mapping[CaseState, int]
    steps_waiting: int
    """Consequences that wait for another signature."""
    opinions_waiting: int
    appeals_waiting: int
    reviews_waiting: int
    support_overdue: int
    """Children to whom help should have been offered by now."""
    load: Mapping[str, int]
    """Cases locked or assigned, by person."""


class QueuePage(Struct, frozen=True, kw_only=True):
    cases: tuple[Case, ...]
    next: str | None
    """Hand it in as `cursor` for what follows; None: that was all."""


class Day(Struct, frozen=True, kw_only=True):
    """One day of the trend charts, UTC."""

    day: str
    """`2026-03-01`."""
    opened: int
    confirmed: int
    declined: int
    filed: int


# -- what a case page needs --------------------------------------------------------------------------------------------------------


class Who(Struct, frozen=True, kw_only=True):
    """One account of a case, as its latest event there described it."""

    account: str
    name: str | None
    """The service's own id; None where the person was erased."""
    part: str
    """`suspected`, `child` or `other`."""
    age_band: AgeBand
    assurance: Assurance
    account_age_days: float | None = None
    place: str | None = None


class Mark(Struct, frozen=True, kw_only=True):
    """Why a line counts."""

    reason: str
    harm: Harm
    detector: str
    span: tuple[int, int] | None = None
    """Characters of the line's text, half open. None: the whole line."""
    stages: tuple[Stage, ...] = ()
    score: float = 0.0
    """The detector's belief after this line, uncalibrated."""
    match: Match | None = None


class Line(Struct, frozen=True, kw_only=True):
    """One event of a conversation, opened."""

    event: str
    at: datetime
    kind: str
    by: str
    to: tuple[str, ...]
    text: str
    """Empty where the event has none, or where its content may not be kept."""
    marks: tuple[Mark, ...] = ()
    decisive: bool = False
    """One of the lines at which the risk rose by a level."""
    decision: tuple[str, ...] = ()
    """What was done about it: the tags of the actions."""
    level: Level = Level.NONE
    media: str | None = None
    """SHA-256 of the picture or video, where it had one."""
    media_type: str | None = None
    payload: EventBase | None = None
    """The event itself, for what no field above has."""


class Conversation(Struct, frozen=True, kw_only=True):
    id: str
    lines: tuple[Line, ...]
    """In order; the latest 2,000 or fewer."""
    more: int
    """Earlier lines that are not shown."""


class RiskPoint(Struct, frozen=True, kw_only=True):
    at: datetime
    event: str
    harm: Harm
    score: float
    """Uncalibrated, unless the assessment says otherwise."""
    stages: tuple[Stage, ...]


class Elsewhere(Struct, frozen=True, kw_only=True):
    """Another conversation of the same account: how risky, and nothing of what was said, until a reason to read is recorded."""

    subject: Subject
    harm: Harm
    level: Level
    score: float
    at: datetime
    protects: str | None
    read: bool
    """Somebody recorded a reason to read it for this case."""


class CasePage(Struct, frozen=True, kw_only=True):
    """Everything one page shows. Opening it is recorded."""

    case: Case
    children: tuple[Child, ...]
    people: tuple[Who, ...]
    conversations: tuple[Conversation, ...]
    assessments: tuple[Assessment, ...]
    risk: tuple[RiskPoint, ...]
    """Over time, for the chart."""
    elsewhere: tuple[Elsewhere, ...]
    prior: tuple[Case, ...]
    """Other cases of the same account, the latest first, without content."""
    limits: tuple[ContactLimit, ...]
    """In force now, on the account that the case is about."""
    notes: tuple[Note, ...]
    opinions: tuple[Opinion, ...]
    verdicts: tuple[Verdict, ...]
    """Empty for whoever reviews it blindly."""
    steps: tuple[Step, ...]
    appeals: tuple[Appeal, ...]
    orders: tuple[Order, ...]
    views: tuple[View, ...]
    decisions: tuple[Decision, ...]
    """The latest hundred that led here, the earliest first."""
    reports: tuple[UserReported, ...]
    """What people told us, with how far each item can be relied on."""
    may: tuple[str, ...]
    """What whoever asks may do now: names of this Protocol's methods, so that a page offers no button that would be refused."""


# -- deciding ----------------------------------------------------------------------------------------------------------------------


class LimitChange(Struct, frozen=True, kw_only=True):
    """What becomes of the reversible limits on the account: exactly one of the two."""

    lift: bool = False
    extend_to: datetime | None = None


class Judgement(Struct, frozen=True, kw_only=True):
    finding: Finding
    reason: str
    """At least a few words: a case never ends without one."""
    harm: Harm | None = None
    """None: the harm of the case."""
    mandatory: bool = False
    danger_ahead: bool = False
    limit: LimitChange | None = None
    """None: a case that is not confirmed lifts them, one that is extends them by the service's rule."""
    report: bool | None = None
    """Whether a confirmed case is to be reported. None: yes, but for peers who are minors where the law does not ask for it."""


class Outcome(Struct, frozen=True, kw_only=True):
    case: Case
    verdict: Verdict
    steps: tuple[Step, ...]
    """What waits for more people."""
    orders: tuple[Order, ...]
    actions: tuple[str, ...]
    """What the policy did at once: tags of actions."""
    withheld: tuple[Consequence, ...] = ()
    """Asked for, and not done: nothing but an unverified or anonymous report stands behind the case."""
    review_drawn: bool = False


class Agreement(Struct, frozen=True, kw_only=True):
    """How well blind second reviews agree with the first verdicts."""

    pairs: int
    observed: float
    """Share that agree, 0 to 1."""
    expected: float
    """Share that would by chance."""
    kappa: float | None
    """Cohen 1960: (observed - expected) / (1 - expected). None where chance alone would always agree, or there are no pairs."""


class Precision(Struct, frozen=True, kw_only=True):
    """How often people confirmed what a detector raised; each case counts once, by its latest verdict."""

    detector: str
    version: str
    harm: Harm
    confirmed: int
    not_confirmed: int
    needs_more: int

    @property
    def precision(self) -> float | None:
        judged = self.confirmed + self.not_confirmed
        return self.confirmed / judged if judged else None


class Severity(StrEnum):
    """How much looking at something costs the one who looks."""

    TEXT = "text"
    BLURRED = "blurred"
    CLEAR = "clear"
    """A picture or video, unblurred."""


class Exposure(Struct, frozen=True, kw_only=True):
    """What one person was exposed to today (UTC), and whether it is time to stop for a while."""

    person: str
    cases: int
    seconds: Mapping[Severity, float]
    spent: float
    """Weighted minutes: seconds by severity, over sixty."""
    budget: float
    """Weighted minutes a day."""
    over: bool
    break_due: bool
    """Time for a break: offered, and the next case waits until it was taken."""
    break_until: datetime | None = None


APPROVALS: Mapping[Consequence, int] = {
    Consequence.REPORT: 1,
    Consequence.SUSPENSION: 1,
    Consequence.BAN: 2,
    Consequence.DECLINE: 2,
}
WEIGHTS: Mapping[Severity, float] = {Severity.TEXT: 1.0, Severity.BLURRED: 2.0, Severity.CLEAR: 5.0}


class Rules(Struct, frozen=True, kw_only=True):
    """What the operator sets."""

    lock: timedelta = timedelta(minutes=30)
    approvals: Mapping[Consequence, int] = field(default_factory=lambda: dict(APPROVALS))
    """People a consequence takes, whoever gave the verdict among them."""
    sample: float = 0.1
    """Share of verdicts that a second person reviews blindly."""
    limit: timedelta = timedelta(days=7)
    """How long the reversible limits on a confirmed account last from the verdict on, unless a person says otherwise."""
    budget: float = 180.0
    """Weighted minutes a day that one person may be exposed to."""
    weights: Mapping[Severity, float] = field(default_factory=lambda: dict(WEIGHTS))
    """What a minute of each counts."""
    stretch: float = 60.0
    """Weighted minutes after which a break is due."""
    pause: timedelta = timedelta(minutes=15)
    """How long a break is."""


class Happening(StrEnum):
    """What moves a case from one state to the next."""

    CONFIRMED = "confirmed"
    NOT_CONFIRMED = "not_confirmed"
    NEEDS_MORE = "needs_more"
    FILED = "filed"
    FAILING = "failing"
    RETRIED = "retried"
    DECLINE_SIGNED = "decline_signed"
    CARRIED_OUT = "carried_out"
    """A retraction or correction that had failed was carried out after all."""
    REOPENED = "reopened"


class Need(Struct, frozen=True):
    people: int
    lead: bool
    """One of them must be a lead."""


class Rulebook(Protocol):
    """The rules of the review room, as the store calls them. Pure."""

    rules: Rules

    def after(self, state: CaseState, happening: Happening) -> CaseState:
        """Raises Conflict where there is no such way."""
        ...

    def needed(self, consequence: Consequence, peers: Peers, *, mandatory: bool) -> Need: ...

    def begin(self, step: Step, by: Staff) -> Step:
        """With the first signature, and settled where that is enough."""
        ...

    def sign(self, step: Step, by: Staff, *, yes: bool, reason: str, now: datetime) -> Step: ...

    def agreement(self, pairs: Iterable[tuple[Finding, Finding]]) -> Agreement: ...

    def exposure(
        self,
        person: str,
        now: datetime,
        *,
        cases: int,
        seconds: Mapping[Severity, float],
        since_break: Mapping[Severity, float],
        break_until: datetime | None,
    ) -> Exposure: ...


class Consequences(Struct, frozen=True, kw_only=True):
    """The effects of a decision: values, which the desk writes with the verdict or the signature that they follow from."""

    limits: tuple[ContactLimit, ...] = ()
    outbox: tuple[Outgoing, ...] = ()
    cases: tuple[CaseOpening, ...] = ()
    preserve: bool = False


class VerdictRules(Protocol):
    """The policy engine, as the desk knows it; `app` fills it. Pure."""

    def judge(
        self, case: Case, verdict: Verdict, event: StoredEvent, assessments: Sequence[Assessment], limits: Sequence[ContactLimit]
    ) -> Decision:
        """All that the policy asks for, before anybody counted signatures. `event`: the latest act that the case is about. `limits`: in
        force on who did it."""
        ...

    def perform(
        self, case: Case, event: StoredEvent, decision: Decision, assessments: Sequence[Assessment], names: Mapping[str, str]
    ) -> Consequences:
        """The effects of a decision, or of the part of it that was approved. `names`: pseudonyms and the service's own ids."""
        ...

    def restore(self, case: Case, verdict: Verdict, name: str) -> Sequence[Outgoing]:
        """Tells the service to undo what it did to the account: a person found that it was wrong. `name`: its own id."""
        ...


class CaseDesk(Protocol):
    # -- looking -------------------------------------------------------------------------------------------------------------------

    def overview(self, who: Staff) -> Overview: ...

    def queues(self, who: Staff) -> Sequence[str]:
        """Names of the queues in which open cases are, in order."""
        ...

    def trend(self, who: Staff, days: int = 30) -> Sequence[Day]: ...

    def queue(
        self,
        who: Staff,
        queue: str | None = None,
        *,
        state: CaseState = CaseState.OPEN,
        mine: bool = False,
        cursor: str | None = None,
        most: int = 50,
    ) -> QueuePage:
        """The most urgent first: the lane `urgent`, then by when each is due. `mine`: locked by, or assigned to, who asks. No content.
        Ended cases come the latest first."""
        ...

    def case(self, who: Staff, case: str) -> Case:
        """The row alone, without content; not recorded as an opening."""
        ...

    def open(self, who: Staff, case: str) -> CasePage:
        """All that a case page needs."""
        ...

    def read(self, who: Staff, case: str, conversation: str, reason: str) -> Conversation:
        """Another conversation of the same account, once a reason is given; the reason is kept."""
        ...

    def viewed(self, who: Staff, view: View) -> None:
        """Record that a file was looked at. `view.by` must be who asks; needs the lock."""
        ...

    def history(self, who: Staff, case: str, most: int = 200) -> Sequence[AuditEntry]:
        """What was done to the case, the latest first."""
        ...

    # -- taking --------------------------------------------------------------------------------------------------------------------

    def take(self, who: Staff, queue: str | None = None) -> Case | None:
        """Lock the next case: assigned to who asks first, then the most urgent that nobody has. None: nothing waits. Of two who
        take at once each gets another one. Who is on a break, due for one or over their budget gets the lane `urgent` only."""
        ...

    def lock(self, who: Staff, case: str) -> Case:
        """Take this one, or hold on to it longer."""
        ...

    def release(self, who: Staff, case: str, hand_over: str = "") -> Case:
        """Give it back to its queue. A lead may release another's."""
        ...

    def assign(self, who: Staff, case: str, to: str | None) -> Case:
        """Leads assign to anybody (None: to nobody), a reviewer to themselves."""
        ...

    def move(self, who: Staff, case: str, queue: str, reason: str) -> Case:
        """To another queue. It keeps its lane and its clock."""
        ...

    def note(self, who: Staff, case: str, text: str, kind: NoteKind = NoteKind.NOTE) -> Note: ...

    def ask_opinion(self, who: Staff, case: str, question: str) -> Opinion:
        """The case stays where it is; nobody may give a verdict who has not read the answer."""
        ...

    def waiting_opinions(self, who: Staff) -> Sequence[Opinion]:
        """Those that wait and that who asks may answer."""
        ...

    def give_opinion(self, who: Staff, opinion: str, finding: Finding, reason: str) -> Opinion: ...

    def support(self, who: Staff, case: str, child: str, state: SupportState, note: str) -> Child:
        """What was done for one child. Only `owed` needs no note."""
        ...

    # -- deciding ------------------------------------------------------------------------------------------------------------------

    def verdict(self, who: Staff, case: str, judgement: Judgement) -> Outcome:
        """Judge a case that one has locked. What the policy asks for is done at once, or waits for signatures, as the rules say."""
        ...

    def report(self, who: Staff, case: str, reason: str) -> Step:
        """Ask that a confirmed case be reported after all: between minors, where it was not at once."""
        ...

    def decline(self, who: Staff, case: str, reason: str) -> Step:
        """No report although the harm was confirmed (between minors: education did it). Takes a sign-off; the case ends with it."""
        ...

    def waiting_steps(self, who: Staff) -> Sequence[Step]:
        """Those that wait and that who asks may sign."""
        ...

    def approve(self, who: Staff, step: str, *, yes: bool, reason: str) -> Step:
        """Sign, or refuse with a reason. Nobody signs twice."""
        ...

    def appeal(self, who: Staff, case: str, text: str, account: str | None = None) -> Appeal:
        """Reopens the case for another reviewer than those who judged it. One appeal at a time."""
        ...

    # -- the sample ----------------------------------------------------------------------------------------------------------------

    def next_review(self, who: Staff) -> tuple[Review, CasePage] | None:
        """A case to review blindly, judged by somebody else; its page shows no verdict, note, opinion, step or order."""
        ...

    def review(self, who: Staff, review: str, finding: Finding, reason: str) -> Review: ...

    def disagreements(self, who: Staff) -> Sequence[Review]: ...

    def settle(self, who: Staff, review: str, finding: Finding, reason: str) -> Review:
        """A lead who gave neither finding decides. Where the first verdict does not stand, the case is reopened for that lead."""
        ...

    def agreement(self, who: Staff, since: datetime) -> Agreement: ...

    def precision(self, who: Staff, since: datetime) -> Sequence[Precision]: ...

    # -- looking after who looks -----------------------------------------------------------------------------------------------------

    def exposed(self, who: Staff, case: str, seconds: float, severity: Severity) -> Exposure:
        """So long, since the last call, something of this severity was on who asks' screen: at most 600 seconds a call."""
        ...

    def exposure(self, who: Staff) -> Sequence[Exposure]:
        """Leads see everybody who looked at anything today, others themselves."""
        ...

    def take_break(self, who: Staff) -> Exposure:
        """A break begins now. `take` gives no case until it is over."""
        ...

    # -- for the reports' desk -----------------------------------------------------------------------------------------------------

    def orders(self, case: str | None = None, most: int = 100) -> Sequence[Order]:
        """Not yet done, the oldest first; of one case also those that are. For runners: asks for no role, shows no content."""
        ...

    def done(self, order: str, result: str, by: str = "system") -> Order:
        """An order other than `file` was carried out: a short result such as `retracted 4564654`."""
        ...

    def filed(self, order: str, report: str, by: str) -> Case:
        """The authority has acknowledged the finish. `report` is its id there. Saying it twice changes nothing."""
        ...

    def failing(self, order: str, why: str, by: str = "system") -> Case:
        """The report does not get through. Also after `filed` of a correction that fails: nothing hides it."""
        ...

    def retrying(self, order: str, by: str) -> Case:
        """A person set it going again: `failing` back to `confirmed`."""
        ...
