"""What each party is told of a decision, in neutral codes. Nothing here tells anybody that they are suspected."""

from __future__ import annotations

from nightlight.core.decision import BlockContent, Decision, HoldContent, Instruction, LimitContact, LimitReach, Nudge, SlowDown
from nightlight.core.event import EventBase, Party

ACCEPT = "accept"
"""To the sender's side: show it as sent. Also where it is held: the sender is not told."""
DO_NOT_SEND = "do_not_send"
"""To the sender's side: it was not sent. Given for blocked content, with no reason."""
DELIVER = "deliver"
WITHHOLD = "withhold"
LIMITED = "limited"
"""For some hours let this account start and continue no contact with minors; say no more than "not available right now"."""

REACH_LIMITED = "reach_limited"
"""For some hours let this account neither look up nor write to the contacts and followers of those whom `shields` names, nor to other
accounts that may be minors'. Show what a search without results shows."""
RATE_LIMITED = "rate_limited"
"""To the sender's side, once delivered: apply the rate limit that applies to anybody who sends too much, and show its usual words."""


def instruct(event: EventBase, decision: Decision) -> tuple[Instruction, tuple[Instruction, ...]]:
    """What the service does for the sender, and for each recipient, in the order of the event's targets.

    `event` and `decision` must speak of accounts by the same names. A pure function of both, so a repeated event gets the same
    answer.
    """
    blocked = any(isinstance(a, BlockContent) for a in decision.actions)
    kept_back = blocked or any(isinstance(a, HoldContent) for a in decision.actions)
    sender = _for(event.actor, DO_NOT_SEND if blocked else ACCEPT, event, decision)
    others = {party.account: party for party in event.targets if party.account != event.actor.account}
    return sender, tuple(_for(party, WITHHOLD if kept_back else DELIVER, event, decision) for party in others.values())


def _for(party: Party, code: str, event: EventBase, decision: Decision) -> Instruction:
    is_sender = party.account == event.actor.account
    codes, shields = [code], dict[str, None]()
    for action in decision.actions:
        if isinstance(action, LimitContact | LimitReach) and (action.account or event.actor.account) == party.account:
            codes.append(LIMITED if isinstance(action, LimitContact) else REACH_LIMITED)
            if isinstance(action, LimitReach):
                shields |= dict.fromkeys(action.protects)
        elif isinstance(action, SlowDown) and is_sender:
            codes.append(RATE_LIMITED)
    # One message a party: nudges stand in order of urgency, and three boxes at once help no child.
    nudge = next((a for a in decision.actions if isinstance(a, Nudge) and a.reaches(party, is_sender=is_sender)), None)
    return Instruction(
        account=party.account,
        codes=tuple(dict.fromkeys(codes)),
        messages=(nudge.message,) if nudge is not None else (),
        show=nudge.show if nudge is not None else None,
        shields=tuple(shields),
    )
