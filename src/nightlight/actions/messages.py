"""The messages that leave by webhook: what they say, always in the same bytes, and never content.

They are neutral on purpose: an endpoint is often a chat room or a pager, so it learns which event to look at and no more. Harm,
level and reasons are read from the API with the scope `safety:read`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

from nightlight.core.decision import Display


class _Message(Struct, frozen=True, kw_only=True, tag_field="type"):
    event_id: str
    decision_id: str
    """The event's id, with a suffix where the decision came later (second hop)."""
    rule: str
    at: datetime


class Decided(_Message, frozen=True, kw_only=True, tag="decision"):
    """A rule asked for somebody to be told of a decision."""

    policy: str


class LimitLapsing(_Message, frozen=True, kw_only=True, tag="contact_limit.lapsing"):
    """Nobody has reviewed a contact limit and it is about to end."""

    account: str
    """The pseudonym, as cases show it."""
    until: datetime


class ReachLimitLapsing(_Message, frozen=True, kw_only=True, tag="reach_limit.lapsing"):
    """Nobody has reviewed a limit on an account's reach and it is about to end."""

    account: str
    """The pseudonym, as cases show it."""
    until: datetime


class ShowMessage(_Message, frozen=True, kw_only=True, tag="message.show"):
    """Show somebody a message of the catalogue, in the way that `show` says and in no other."""

    account: str
    """The service's own id."""
    message: str
    show: Display


class AccountSanctioned(_Message, frozen=True, kw_only=True, tag="account.sanction"):
    """A person confirmed a case and the policy asks the service to act on the account."""

    account: str
    """The service's own id."""
    permanent: bool


class AccountRestored(Struct, frozen=True, kw_only=True, tag_field="type", tag="account.restore"):
    """A person found on appeal that a case was not what it was taken for: whatever was done to the account because of it is undone."""

    case: str
    verdict: str
    at: datetime
    account: str
    """The service's own id."""


Message = Decided | LimitLapsing | ReachLimitLapsing | ShowMessage | AccountSanctioned | AccountRestored


def body(message: Message) -> bytes:
    """JSON in UTF-8: equal messages give equal bytes."""
    return msgspec.json.encode(message)
