"""Many rules may ask for many things: what is done in the end, and for whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.assessment import Assessment
from nightlight.core.bank import BankAction
from nightlight.core.case import Finding, Verdict
from nightlight.core.decision import (
    Action,
    Allow,
    BlockContent,
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
from nightlight.core.harm import Harm, Level
from nightlight.policy.schema import is_about_actor

ALLOW = (Allow(),)
HELD = OpenCase(queue="held", priority=6)
"""Added where content is held and no rule opened a case: held content that nobody looks at would be a block in all but name."""


class Asked(Struct, frozen=True):
    """An action that a rule asked for, and the assessment that made it ask."""

    action: Action
    about: Assessment | None
    level: Level = Level.NONE
    """From which level on the rule is asked: between two rules about the same, the one made for the higher level speaks."""
    fresh: bool = False
    """The assessment reached the rule's level, or another account came to lead it, with this very event; or a person judged it."""
    spared: bool = False
    """It follows from what may not count against an account, so it limits nobody."""
    most: BankAction = BankAction.BLOCK
    """What may be done to the content at most: where it follows from a match, what that allows."""

    @property
    def bounded(self) -> Action | None:
        """The action, no stronger than it may be."""
        if not isinstance(self.action, BlockContent | HoldContent) or self.most is BankAction.BLOCK:
            return self.action
        return HoldContent(rule=self.action.rule) if self.most is BankAction.HOLD else None

    @property
    def urgency(self) -> tuple[bool, int, int, int]:
        """Smaller is more urgent: danger to life outranks all, then the level, then the harm, then the rule's own level."""
        if self.about is None:
            return True, 0, len(Harm), 0
        danger = self.about.harm is Harm.IMMEDIATE_DANGER
        return not danger, -self.about.level.rank, self.about.harm.urgency, -self.level.rank


def resolve(asked: Sequence[Asked], event: EventBase, *, limited: bool, verdict: Verdict | None) -> tuple[Action, ...]:
    """The actions of a decision, in a fixed order: content, nudges, limits, cases, notifications, preservation, consequences.

    Block outranks hold outranks allow. One nudge a recipient group, the most urgent; one limit an account, the longest; one case a
    queue, the first in line; one notification an endpoint.
    """
    ordered = sorted(asked, key=lambda a: a.urgency)
    actions = [action for a in ordered if (action := a.bounded) is not None]
    cases = _cases(actions)
    content = _content(actions)
    if isinstance(content[0], HoldContent) and not cases:
        cases = [replace(HELD, rule=content[0].rule)]
    return (
        *content,
        *_nudges(ordered, event),
        *_limits(ordered, event, limited),
        *cases,
        *_notifications(actions),
        *[a for a in actions if isinstance(a, Preserve)][:1],
        *(_consequences(actions) if verdict is not None and verdict.finding is Finding.CONFIRMED else ()),
    )


def _content(actions: Iterable[Action]) -> tuple[Action, ...]:
    held: Action | None = None
    for action in actions:
        if isinstance(action, BlockContent):
            return (action,)
        if isinstance(action, HoldContent) and held is None:
            held = action
    return (held,) if held is not None else ALLOW


def _nudges(ordered: Iterable[Asked], event: EventBase) -> list[Action]:
    found: dict[tuple[To, str | None], Action] = {}
    for asked in ordered:
        if isinstance(asked.action, Nudge) and (nudge := addressed(asked.action, event, asked.about)) is not None:
            found.setdefault((nudge.to, nudge.account), nudge)
    return list(found.values())


def addressed(nudge: Nudge, event: EventBase, about: Assessment | None) -> Nudge | None:
    """The nudge with the party it is for. "Children" means whom the assessment protects, whoever wrote this event.

    None where it would reach the one whose conduct is assessed: a warning to a child must never warn the one it is about. The
    recipients of a report are those who were reported, so of them only one who is to be protected, and may be a minor, hears of it.
    """
    if nudge.to is To.SENDER:
        return nudge
    is_report = isinstance(event, UserReport)
    if about is None:
        return None if is_report else nudge
    if about.protects is not None and about.protects != about.actor:
        party = next((p for p in (event.actor, *event.targets) if p.account == about.protects), None)
        if party is None:
            return None
        # Where nobody is named, a child who speaks of their own danger is helped, and an adult's own act warns no adult.
        own_act = party.account == event.actor.account and is_about_actor(event, about)
        return replace(nudge, account=party.account) if party.may_be_minor or not (own_act or is_report) else None
    if is_about_actor(event, about):
        return None if is_report else nudge
    # The one it is about is among those addressed, and nobody says whom to protect: the writer, unless an adult.
    return replace(nudge, account=event.actor.account) if event.actor.may_be_minor else None


def _limits(ordered: Iterable[Asked], event: EventBase, limited: bool) -> list[Action]:
    found: dict[str, LimitContact] = {}
    for asked in ordered:
        if not isinstance(asked.action, LimitContact) or asked.spared:
            continue
        if isinstance(event, UserReport) and not _conduct_of(asked.about):
            continue  # to report somebody is no conduct to limit
        account = event.actor.account if is_about_actor(event, asked.about) else _conduct_of(asked.about)
        # A machine's limit ends when it said it would, and only a person extends it; what begins now gets a limit of its own. Whether
        # one binds somebody else than the sender is not known here, so theirs are only ever given afresh.
        if not asked.fresh and (limited or account != event.actor.account):
            continue
        if asked.about is not None and account == asked.about.protects:
            continue
        named = asked.action if account == event.actor.account else replace(asked.action, account=account)
        if account not in found or named.hours > found[account].hours:
            found[account] = named
    return list(found.values())


def _conduct_of(about: Assessment | None) -> str:
    return (about.actor if about is not None else None) or ""


def _cases(actions: Iterable[Action]) -> list[OpenCase]:
    found: dict[str, OpenCase] = {}
    for action in actions:
        if isinstance(action, OpenCase) and (action.queue not in found or action.priority < found[action.queue].priority):
            found[action.queue] = action
    return sorted(found.values(), key=lambda case: (case.priority, case.queue))


def _consequences(actions: Sequence[Action]) -> list[Action]:
    sanctions = [a for a in actions if isinstance(a, SanctionAccount)]
    lasting = [a for a in sanctions if a.permanent] or sanctions
    return [*lasting[:1], *[a for a in actions if isinstance(a, ReportAccount)][:1]]


def _notifications(actions: Iterable[Action]) -> list[Action]:
    found: dict[str, Action] = {}
    for action in actions:
        if isinstance(action, Notify):
            found.setdefault(action.endpoint, action)
    return list(found.values())
