"""Many rules may ask for many things: what is done in the end, and for whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.assessment import Assessment
from nightlight.core.bank import BankAction
from nightlight.core.case import Finding
from nightlight.core.decision import (
    Action,
    AddFriction,
    Allow,
    BlockContent,
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
from nightlight.core.event import EventBase, UserReport
from nightlight.core.harm import Harm, Level
from nightlight.policy.judged import Judged
from nightlight.policy.schema import assured_minor, is_about_actor

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
    another: bool = False
    """With this event the assessment came to protect somebody else."""
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


def resolve(asked: Sequence[Asked], judged: Judged) -> tuple[Action, ...]:
    """The actions of a decision, in a fixed order: content, nudges, limits, cases, notifications, preservation, consequences.

    Block outranks hold outranks allow. One nudge a recipient group, the most urgent; one limit of a kind an account, the longest; one
    case a queue for each whose conduct it is about, the first in line; one notification an endpoint.
    """
    event = judged.event
    confirmed = judged.verdict is not None and judged.verdict.finding is Finding.CONFIRMED
    ordered = sorted(asked, key=lambda a: a.urgency)
    actions = [action for a in ordered if (action := a.bounded) is not None]
    cases = _cases(ordered)
    content = _content(actions)
    if isinstance(content[0], HoldContent) and not cases:
        cases = [replace(HELD, rule=content[0].rule)]
    return (
        *content,
        *[a for a in actions if isinstance(a, SlowDown)][:1],
        *_nudges(ordered, event, confirmed=confirmed),
        *_limits(ordered, judged),
        *cases,
        *_notifications(actions),
        *[a for a in actions if isinstance(a, Preserve)][:1],
        *(_consequences(actions) if confirmed else ()),
    )


def _content(actions: Iterable[Action]) -> tuple[Action, ...]:
    held: Action | None = None
    for action in actions:
        if isinstance(action, BlockContent):
            return (action,)
        if isinstance(action, HoldContent) and held is None:
            held = action
    return (held,) if held is not None else ALLOW


def _nudges(ordered: Iterable[Asked], event: EventBase, *, confirmed: bool) -> list[Action]:
    found: dict[tuple[To, str | None], Action] = {}
    for asked in ordered:
        if not isinstance(asked.action, Nudge) or (asked.action.to is To.PEER and not confirmed):
            continue
        if (nudge := addressed(asked.action, event, asked.about)) is not None:
            found.setdefault((nudge.to, nudge.account), nudge)
    return list(found.values())


def addressed(nudge: Nudge, event: EventBase, about: Assessment | None) -> Nudge | None:
    """The nudge with the party it is for. "Children" means whom the assessment protects, whoever wrote this event.

    None where it would reach the one whose conduct is assessed: a warning to a child must never warn the one it is about. The
    recipients of a report are those who were reported, so of them only one who is to be protected, and may be a minor, hears of it.
    """
    if nudge.to is To.SENDER:
        return nudge
    if nudge.to is To.PEER:
        peer = assured_minor(event, about.actor) if about is not None else None
        return replace(nudge, account=peer.account) if peer is not None else None
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


Limiting = LimitContact | LimitReach | AddFriction


def _limits(ordered: Iterable[Asked], judged: Judged) -> list[Action]:
    event = judged.event
    found: dict[tuple[type[Limiting], str], Limiting] = {}
    for asked in ordered:
        if not isinstance(asked.action, Limiting) or asked.spared:
            continue
        if isinstance(event, UserReport) and not _conduct_of(asked.about):
            continue  # to report somebody is no conduct to limit
        account = event.actor.account if is_about_actor(event, asked.about) else _conduct_of(asked.about)
        # A machine's limit ends when it said it would, and only a person extends it; what begins now gets a limit of its own. Whether
        # one binds somebody else than the sender is not known here, so theirs are only ever given afresh.
        if not _begins(asked, judged) and (_in_force(asked.action, judged) or account != event.actor.account):
            continue
        if asked.about is not None and account == asked.about.protects:
            continue
        named = _named(asked, account, event)
        at = type(named), account
        longest = named if at not in found or named.hours > found[at].hours else found[at]
        if isinstance(named, LimitReach) and isinstance(longest, LimitReach):
            before = found.get(at)
            children = (*(before.protects if isinstance(before, LimitReach) else ()), *named.protects)
            longest = replace(longest, protects=tuple(dict.fromkeys(children)))
        found[at] = longest
    return sorted(found.values(), key=lambda limit: _ORDER.index(type(limit)))


_ORDER: tuple[type[Limiting], ...] = (LimitContact, LimitReach, AddFriction)


def _begins(asked: Asked, judged: Judged) -> bool:
    """Another child's contacts are others: unlike a limit on contact, one on reach does not cover them until it names that child."""
    child = asked.about.protects if asked.about is not None else None
    return asked.fresh or (isinstance(asked.action, LimitReach) and asked.another and child not in (judged.reach or ()))


def _in_force(action: Limiting, judged: Judged) -> bool:
    if isinstance(action, LimitContact):
        return judged.limited
    return judged.reach is not None if isinstance(action, LimitReach) else judged.slowed


def _named(asked: Asked, account: str, event: EventBase) -> Limiting:
    """With those whom it is about, which rules never say."""
    action = asked.action
    child = asked.about.protects if asked.about is not None else None
    if isinstance(action, LimitReach):
        action = replace(action, protects=(child,) if child is not None else ())
    elif isinstance(action, AddFriction):
        action = replace(action, protects=child)
    elif not isinstance(action, LimitContact):
        raise TypeError("not a limit")
    return action if account == event.actor.account else replace(action, account=account)


def _conduct_of(about: Assessment | None) -> str:
    return (about.actor if about is not None else None) or ""


def _cases(ordered: Iterable[Asked]) -> list[OpenCase]:
    found: dict[tuple[str, str | None], OpenCase] = {}
    for asked in ordered:
        if not isinstance(asked.action, OpenCase):
            continue
        # One event may show two people's conduct, and one person may be endangered here and endanger there: neither hides the other.
        case = replace(asked.action, account=_conduct_of(asked.about) or None)
        at = case.queue, case.account
        if at not in found or case.priority < found[at].priority:
            found[at] = case
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
