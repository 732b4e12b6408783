"""What each party is told of a decision, in neutral codes. Nothing here tells anybody that they are suspected."""

from __future__ import annotations

from nightlight.core.decision import BlockContent, Decision, HoldContent, Instruction, LimitContact, Nudge, To
from nightlight.core.event import EventBase, Party

ACCEPT = "accept"
"""To the sender's side: show it as sent. Also where it is held: the sender is not told."""
DO_NOT_SEND = "do_not_send"
"""To the sender's side: it was not sent. Given for blocked content, with no reason."""
DELIVER = "deliver"
WITHHOLD = "withhold"
LIMITED = "limited"
"""For some hours let this account start and continue no contact with minors; say no more than "not available right now"."""


def instruct(event: EventBase, decision: Decision) -> tuple[Instruction, tuple[Instruction, ...]]:
    """What the service does for the sender, and for each recipient, in the order of the event's targets.

    `event` and `decision` must speak of accounts by the same names. A pure function of both, so a repeated event gets the same
    answer.
    """
    blocked = any(isinstance(a, BlockContent) for a in decision.actions)
    kept_back = blocked or any(isinstance(a, HoldContent) for a in decision.actions)
    limited = {a.account or event.actor.account for a in decision.actions if isinstance(a, LimitContact)}
    sender = _for(event.actor, DO_NOT_SEND if blocked else ACCEPT, event, decision, limited)
    others = {party.account: party for party in event.targets if party.account != event.actor.account}
    return sender, tuple(_for(party, WITHHOLD if kept_back else DELIVER, event, decision, limited) for party in others.values())


def _for(party: Party, code: str, event: EventBase, decision: Decision, limited: set[str]) -> Instruction:
    codes = (code, LIMITED) if party.account in limited else (code,)
    is_sender = party.account == event.actor.account
    # One message a party: nudges stand in order of urgency, and three boxes at once help no child.
    messages = [a.message for a in decision.actions if isinstance(a, Nudge) and _reaches(a, party, is_sender)][:1]
    return Instruction(account=party.account, codes=codes, messages=tuple(messages))


def _reaches(nudge: Nudge, party: Party, is_sender: bool) -> bool:
    if nudge.account is not None:
        return nudge.account == party.account
    if is_sender:
        return nudge.to is To.SENDER
    return nudge.to is To.RECIPIENTS or (nudge.to is To.CHILDREN and party.may_be_minor)
