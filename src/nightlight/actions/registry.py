"""One entry an action: what performs it, and the twin that only says what would happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct, field

from nightlight.actions.messages import AccountSanctioned, Decided, LimitLapsing, body
from nightlight.core.assessment import Assessment
from nightlight.core.decision import (
    Act,
    Allow,
    BlockContent,
    Decision,
    HoldContent,
    LimitContact,
    Notify,
    Nudge,
    OpenCase,
    Preserve,
    ReportAccount,
    SanctionAccount,
    To,
)
from nightlight.core.event import EventBase, UserReport
from nightlight.core.harm import Level
from nightlight.core.ports import CaseOpening, ContactLimit, Outgoing
from nightlight.core.signal import Subject, SubjectKind

REMINDER = timedelta(hours=2)
"""So long before a contact limit lapses unreviewed a lead is paged: time to read a case, not so early that it is put off."""
ENFORCEMENT = "enforcement"
"""The endpoint at which the service itself acts on an account, once a person has confirmed the case."""
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

    def send(self, endpoint: str, name: str, content: bytes, *, not_before: datetime | None = None, cancel_key: str | None = None) -> None:
        """`name`: the rule, with a suffix where one rule sends several. Endpoints and rules hold no slash, so keys are unambiguous."""
        key = f"{self.decision.event_id}/{endpoint}/{name}"
        self.outbox.append(Outgoing(key=key, endpoint=endpoint, body=content, not_before=not_before or self.now, cancel_key=cancel_key))

    def open(self, queue: str, priority: int) -> None:
        about = self.about
        self.cases.append(
            CaseOpening(
                subject=about.subject if about is not None else Subject(SubjectKind.CONVERSATION, self.event.conversation),
                harm=about.harm if about is not None else None,
                level=about.level if about is not None else Level.NONE,
                queue=queue,
                priority=priority,
                event=self.event.id,
                reasons=self.decision.reasons,
                actor=self.conduct,
                protects=about.protects if about is not None else None,
            )
        )


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


_AUDIENCE = {To.SENDER: "the sender", To.RECIPIENTS: "all recipients", To.CHILDREN: "the recipients who may be minors"}


def _say_nudge(action: Nudge, doing: Doing) -> str:
    if action.account is None:
        return f"would show {_AUDIENCE[action.to]} the message {action.message}"
    whom = "the sender" if action.account == doing.event.actor.account else "the recipient"
    return f"would show {whom} who is to be protected the message {action.message}"


def _limit(action: LimitContact, doing: Doing) -> None:
    account = action.account or doing.event.actor.account
    until = doing.now + timedelta(hours=action.hours)
    doing.limits.append(ContactLimit(account=account, until=until, event=doing.event.id, rule=action.rule))
    message = LimitLapsing(
        event_id=doing.event.id,
        decision_id=doing.decision.event_id,
        rule=action.rule,
        at=doing.now,
        account=account,
        until=until,
    )
    doing.send(
        doing.lead,
        f"{action.rule}.lapsing.{account}",
        body(message),
        not_before=max(doing.now, until - REMINDER),
        cancel_key=f"limit:{account}:{doing.event.id}",
    )


def _say_limit(action: LimitContact, doing: Doing) -> str:
    whom = "the sender" if action.account in (None, doing.event.actor.account) else "a recipient"
    return f"would limit {whom}'s contact with minors for {action.hours:g} hours, and page {doing.lead} before that lapses unreviewed"


def _open(action: OpenCase, doing: Doing) -> None:
    doing.open(action.queue, action.priority)


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
        account=account,
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
    Nudge: Handler(_nothing, _say_nudge),
    HoldContent: Handler(_nothing, _say_hold),
    BlockContent: Handler(_nothing, _say_block),
    LimitContact: Handler(_limit, _say_limit),
    OpenCase: Handler(_open, _say_open),
    Notify: Handler(_notify, _say_notify),
    Preserve: Handler(_preserve, _say_preserve),
    SanctionAccount: Handler(_sanction, _say_sanction),
    ReportAccount: Handler(_report, _say_report),
}
