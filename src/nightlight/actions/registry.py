"""One entry an action: what performs it, and the twin that only says what would happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct, field

from nightlight.actions.friction import Draw, begins
from nightlight.actions.messages import AccountSanctioned, Decided, LimitLapsing, ReachLimitLapsing, ShowMessage, body
from nightlight.core.assessment import Assessment
from nightlight.core.case import peers_of
from nightlight.core.decision import (
    Act,
    AddFriction,
    Allow,
    BlockContent,
    Decision,
    HoldContent,
    LimitContact,
    LimitReach,
    Notify,
    Nudge,
    OpenCase,
    Preserve,
    ReportAccount,
    SanctionAccount,
    SlowDown,
    To,
)
from nightlight.core.event import AgeBand, Assurance, EventBase, Party, UserReport
from nightlight.core.harm import Level
from nightlight.core.ports import CaseOpening, ContactLimit, LimitKind, Outgoing
from nightlight.core.signal import Subject, SubjectKind

REMINDER = timedelta(hours=2)
"""So long before a contact limit lapses unreviewed a lead is paged: time to read a case, not so early that it is put off."""
ENFORCEMENT = "enforcement"
"""The endpoint at which the service itself acts on an account, once a person has confirmed the case."""
MESSAGES = "messages"
"""The endpoint at which the service shows people messages. They are in the answer too, but the answer goes to whoever sent the event, and
once a person has decided there is no answer any more."""
REPORTING = "reporting"
"""The queue from which people draft reports to an authority."""


class Doing(Struct, kw_only=True):
    """One decision being carried out: what it rests on, and the effects gathered so far."""

    event: EventBase
    decision: Decision
    about: Assessment | None
    """What the case is filed under; None where no assessment moved."""
    now: datetime
    lead: str
    assessments: Sequence[Assessment] = ()
    names: Mapping[str, str] = {}
    """Pseudonyms of the event's parties and the service's own ids for them."""
    draw: Draw | None = None
    """What the wait before friction is drawn with."""
    cases: list[CaseOpening] = field(default_factory=list)
    outbox: list[Outgoing] = field(default_factory=list)
    limits: list[ContactLimit] = field(default_factory=list)
    preserve: bool = False

    @property
    def conduct(self) -> str | None:
        """Whose conduct it is about. An assessment that names nobody accuses nobody, and who reports somebody is not accused either:
        the sender stands in only where no risk moved and the sender's own act is all there is."""
        if self.about is not None:
            return self.about.actor
        return self.event.actor.account if not isinstance(self.event, UserReport) else None

    def key(self, endpoint: str, name: str) -> str:
        return f"{self.decision.event_id}/{endpoint}/{name}"

    def send(self, endpoint: str, name: str, content: bytes, *, not_before: datetime | None = None, cancel_key: str | None = None) -> None:
        """`name`: the rule, with a suffix where one rule sends several. Endpoints and rules hold no slash, so keys are unambiguous."""
        key = self.key(endpoint, name)
        self.outbox.append(Outgoing(key=key, endpoint=endpoint, body=content, not_before=not_before or self.now, cancel_key=cancel_key))

    def open(self, queue: str, priority: int, account: str | None = None) -> None:
        """`account`: whose conduct, so that a case is filed under what was found out about them and not under somebody else's."""
        about = self.about
        if account is not None and (about is None or about.actor != account):
            about = gravest([a for a in self.assessments if a.actor == account]) or about
        actor = about.actor if about is not None else self.conduct
        protects = about.protects if about is not None else None
        child = self._party(protects)
        told = self.event if isinstance(self.event, UserReport) else None
        self.cases.append(
            CaseOpening(
                subject=about.subject if about is not None else Subject(SubjectKind.CONVERSATION, self.event.conversation),
                harm=about.harm if about is not None else None,
                level=about.level if about is not None else Level.NONE,
                queue=queue,
                priority=priority,
                event=self.event.id,
                reasons=self.decision.reasons,
                actor=actor,
                protects=protects,
                stages=about.stages if about is not None else (),
                child_band=child.age_band if child is not None else AgeBand.UNKNOWN,
                child_assurance=child.assurance if child is not None else Assurance.NONE,
                peers=peers_of(self._party(actor), child),
                told=told.category if told is not None else None,
                flags=("user_report",) if told is not None else (),
            )
        )

    def _party(self, account: str | None) -> Party | None:
        return next((p for p in (self.event.actor, *self.event.targets) if p.account == account), None)


def gravest(assessments: Sequence[Assessment]) -> Assessment | None:
    """What a case is filed under: the highest level, and between equals the most urgent harm. Danger to life outranks both."""
    risky = [a for a in assessments if a.level is not Level.NONE]
    return min(risky, key=lambda a: (a.harm.urgency > 0, -a.level.rank, a.harm.urgency), default=None)


class Handler(NamedTuple):
    perform: Callable[[Any, Doing], None]
    simulate: Callable[[Any, Doing], str]


def _nothing(action: Act, doing: Doing) -> None:
    """The answer to the service carries it: nothing else changes."""


def _say_allow(action: Allow, doing: Doing) -> str:
    return "would deliver the content"


def _say_hold(action: HoldContent, doing: Doing) -> str:
    return "would hold the content until a person has looked; the sender would see it as sent"


def _say_block(action: BlockContent, doing: Doing) -> str:
    return "would not deliver the content; the sender would see that it was not sent, without a reason"


_AUDIENCE = {
    To.SENDER: "the sender",
    To.RECIPIENTS: "all recipients",
    To.CHILDREN: "the recipients who may be minors",
    To.PEER: "the minor whose conduct was confirmed",
}


def _nudge(action: Nudge, doing: Doing) -> None:
    event = doing.event
    parties = {party.account: party for party in (*event.targets, event.actor)}
    for party in parties.values():
        name = f"show.{party.account}"
        key = doing.key(MESSAGES, name)
        # As in the answer, each sees one message: nudges stand in order of urgency.
        if action.reaches(party, is_sender=party.account == event.actor.account) and all(m.key != key for m in doing.outbox):
            message = ShowMessage(
                event_id=event.id,
                decision_id=doing.decision.event_id,
                rule=action.rule,
                at=doing.now,
                account=doing.names.get(party.account, party.account),
                message=action.message,
                show=action.show,
            )
            doing.send(MESSAGES, name, body(message))


def _say_nudge(action: Nudge, doing: Doing) -> str:
    if action.to is To.PEER:
        return f"would show {_AUDIENCE[action.to]} the message {action.message}"
    if action.account is None:
        return f"would show {_AUDIENCE[action.to]} the message {action.message}"
    whom = "the sender" if action.account == doing.event.actor.account else "the recipient"
    return f"would show {whom} who is to be protected the message {action.message}"


def _limit(action: LimitContact | LimitReach, doing: Doing) -> None:
    account = action.account or doing.event.actor.account
    until = doing.now + timedelta(hours=action.hours)
    reach = isinstance(action, LimitReach)
    doing.limits.append(
        ContactLimit(
            account=account,
            until=until,
            event=doing.event.id,
            rule=action.rule,
            kind=LimitKind.REACH if reach else LimitKind.CONTACT,
            protects=action.protects if isinstance(action, LimitReach) else (),
        )
    )
    message = (ReachLimitLapsing if reach else LimitLapsing)(
        event_id=doing.event.id,
        decision_id=doing.decision.event_id,
        rule=action.rule,
        at=doing.now,
        account=account,
        until=until,
    )
    doing.send(
        doing.lead,
        f"{action.rule}.{'reach-lapsing' if reach else 'lapsing'}.{account}",
        body(message),
        not_before=max(doing.now, until - REMINDER),
        cancel_key=f"limit:{account}:{doing.event.id}",
    )


def _say_limit(action: LimitContact, doing: Doing) -> str:
    whom = "the sender" if action.account in (None, doing.event.actor.account) else "a recipient"
    return f"would limit {whom}'s contact with minors for {action.hours:g} hours, and page {doing.lead} before that lapses unreviewed"


def _say_reach(action: LimitReach, doing: Doing) -> str:
    whom = "the sender" if action.account in (None, doing.event.actor.account) else "a recipient"
    return (
        f"would keep {whom} from looking up and writing to the contacts of the child who is to be protected, and to others who may be "
        f"minors, for {action.hours:g} hours, and page {doing.lead} before that lapses unreviewed"
    )


def _friction(action: AddFriction, doing: Doing) -> None:
    if doing.draw is None:
        raise ValueError("friction needs a key to draw its beginning with")
    account = action.account or doing.event.actor.account
    since = begins(doing.now, account, action.protects, doing.draw)
    until = since + timedelta(hours=action.hours)
    # No page to a lead: it keeps nothing from anybody, and ends by itself.
    limit = ContactLimit(
        account=account,
        until=until,
        event=doing.event.id,
        rule=action.rule,
        kind=LimitKind.FRICTION,
        since=since,
        protects=(action.protects,) if action.protects is not None else (),
    )
    doing.limits.append(limit)


def _say_friction(action: AddFriction, doing: Doing) -> str:
    whom = "the sender" if action.account in (None, doing.event.actor.account) else "a recipient"
    return f"would slow what {whom} sends for {action.hours:g} hours, from a later moment that says nothing of why"


def _say_slow(action: SlowDown, doing: Doing) -> str:
    return "would deliver, and let the service's ordinary rate limit apply to the sender"


def _open(action: OpenCase, doing: Doing) -> None:
    doing.open(action.queue, action.priority, action.account)


def _say_open(action: OpenCase, doing: Doing) -> str:
    about = f" about {doing.about.harm}" if doing.about is not None else ""
    return f"would open a case{about} in the queue {action.queue} with priority {action.priority}, or add to the one that is open"


def _notify(action: Notify, doing: Doing) -> None:
    message = Decided(
        event_id=doing.event.id,
        decision_id=doing.decision.event_id,
        rule=action.rule,
        at=doing.now,
        policy=doing.decision.policy,
    )
    doing.send(action.endpoint, action.rule, body(message))


def _say_notify(action: Notify, doing: Doing) -> str:
    return f"would notify the endpoint {action.endpoint}"


def _preserve(action: Preserve, doing: Doing) -> None:
    doing.preserve = True


def _say_preserve(action: Preserve, doing: Doing) -> str:
    return "would keep the event past its retention, as evidence"


def _sanction(action: SanctionAccount, doing: Doing) -> None:
    account = doing.conduct
    if account is None:
        return
    message = AccountSanctioned(
        event_id=doing.event.id,
        decision_id=doing.decision.event_id,
        rule=action.rule,
        at=doing.now,
        account=doing.names.get(account, account),
        permanent=action.permanent,
    )
    doing.send(ENFORCEMENT, action.rule, body(message))


def _say_sanction(action: SanctionAccount, doing: Doing) -> str:
    if doing.conduct is None:
        return "would act on no account, as none is named for what was confirmed"
    how = "ban the account for good" if action.permanent else "suspend the account"
    return f"would ask the service, at the endpoint {ENFORCEMENT}, to {how}, as a person has confirmed the case"


def _report(action: ReportAccount, doing: Doing) -> None:
    # A person drafts, reads and sends a report: this puts it before them.
    doing.open(REPORTING, 1)


def _say_report(action: ReportAccount, doing: Doing) -> str:
    return f"would open a case in the queue {REPORTING}, for a person to draft a report to an authority"


HANDLERS: Mapping[type[Act], Handler] = {
    Allow: Handler(_nothing, _say_allow),
    Nudge: Handler(_nudge, _say_nudge),
    HoldContent: Handler(_nothing, _say_hold),
    BlockContent: Handler(_nothing, _say_block),
    LimitContact: Handler(_limit, _say_limit),
    LimitReach: Handler(_limit, _say_reach),
    AddFriction: Handler(_friction, _say_friction),
    SlowDown: Handler(_nothing, _say_slow),
    OpenCase: Handler(_open, _say_open),
    Notify: Handler(_notify, _say_notify),
    Preserve: Handler(_preserve, _say_preserve),
    SanctionAccount: Handler(_sanction, _say_sanction),
    ReportAccount: Handler(_report, _say_report),
}
