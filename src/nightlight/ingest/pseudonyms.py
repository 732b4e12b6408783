"""The service's own ids give way to keyed pseudonyms before anything is computed or stored."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from nightlight.core.event import EventBase
from nightlight.core.ids import Pseudonymiser

E = TypeVar("E", bound=EventBase)


def pseudonymise(event: E, pseudonymiser: Pseudonymiser) -> tuple[E, dict[str, str]]:
    """The event under pseudonyms, and each pseudonym's original, to answer in the service's own words.

    Accounts and the channel's id change; everything else stays, the order of the targets with it. Text may name people:
    it is content, and sealed. The event's own id is the service's handle for the decision and stays too.
    """
    originals: dict[str, str] = {}

    def account(value: str) -> str:
        pseudonym = pseudonymiser("account", value)
        originals[pseudonym] = value
        return pseudonym

    actor = replace(event.actor, account=account(event.actor.account))
    targets = tuple(replace(target, account=account(target.account)) for target in event.targets)
    channel = event.channel
    if channel is not None:
        conversation = pseudonymiser("conversation", channel.id)
        originals[conversation] = channel.id
        channel = replace(channel, id=conversation)
    return replace(event, actor=actor, targets=targets, channel=channel), originals
