"""Pseudonyms replace every account and the channel, and can be turned back for the answer."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given

from nightlight.core.event import EventBase
from nightlight.core.ids import Pseudonymiser
from nightlight.ingest import DEFAULT_LIMITS, decode, pseudonymise
from tests.ingest.test_decode import NOW, body, in_a_channel, message
from tests.strategies import wire_events

PSEUDONYMISER = Pseudonymiser(b"k" * 32)


def restored(event: EventBase, originals: dict[str, str]) -> EventBase:
    replace = msgspec.structs.replace
    channel = event.channel and replace(event.channel, id=originals[event.channel.id])
    return replace(
        event,
        actor=replace(event.actor, account=originals[event.actor.account]),
        targets=tuple(replace(t, account=originals[t.account]) for t in event.targets),
        channel=channel,
    )


@given(wire_events().map(in_a_channel))
def test_nothing_but_the_names_changes_and_they_can_be_restored(wire: dict[str, Any]) -> None:
    event = decode(body(wire), DEFAULT_LIMITS, NOW)
    hidden, originals = pseudonymise(event, PSEUDONYMISER)
    assert restored(hidden, originals) == event
    shown = {hidden.actor.account, *(t.account for t in hidden.targets)} | ({hidden.channel.id} if hidden.channel else set())
    assert shown == set(originals)
    assert not shown & set(originals.values())
    assert pseudonymise(event, PSEUDONYMISER) == (hidden, originals)


def test_an_account_and_a_conversation_of_one_name_stay_apart() -> None:
    wire = message(actor={"account": "kit"}, targets=[], channel={"id": "kit"})
    hidden, originals = pseudonymise(decode(body(wire), DEFAULT_LIMITS, NOW), PSEUDONYMISER)
    assert hidden.channel is not None
    assert hidden.actor.account != hidden.channel.id
    assert set(originals.values()) == {"kit"}


def test_another_key_gives_other_pseudonyms() -> None:
    event = decode(body(message()), DEFAULT_LIMITS, NOW)
    mine, _ = pseudonymise(event, PSEUDONYMISER)
    theirs, _ = pseudonymise(event, Pseudonymiser(b"l" * 32))
    assert mine.actor.account != theirs.actor.account
