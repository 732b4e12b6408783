"""The shared strategies build what they promise."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, find, given, settings

from nightlight.core.event import EVENT_TYPES, AgeBand, Event, EventBase, Message
from nightlight.core.fingerprint import Fingerprint
from nightlight.kit.samples import one_of_every_kind
from tests.strategies import events, fingerprints, messages, parties, wire_events

FIRST_FOUND = settings(phases=(Phase.generate,), database=None, derandomize=True, max_examples=3000)
"""Any will do: looking for the smallest takes a hundred times as long."""


@given(wire_events())
def test_a_wire_event_is_json_and_decodes(wire: dict[str, Any]) -> None:
    msgspec.json.decode(json.dumps(wire), type=Event)


@given(wire_events(terse=False))
def test_a_full_wire_event_names_every_field(wire: dict[str, Any]) -> None:
    kind = next(t for t in EVENT_TYPES if t.__struct_config__.tag == wire["kind"])
    assert set(wire) == {"kind", *kind.__struct_fields__}


@given(events())
def test_nobody_addresses_themselves(event: EventBase) -> None:
    accounts = [event.actor.account, *(t.account for t in event.targets)]
    assert len(set(accounts)) == len(accounts)


@given(messages())
def test_a_message_is_in_a_channel(message: Message) -> None:
    assert message.channel is not None


@given(fingerprints())
def test_a_fingerprint_has_the_length_of_its_kind(print: Fingerprint) -> None:
    assert len(print.value) == print.kind.hex_digits


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
def test_every_kind_can_be_asked_for_and_is_among_the_samples(kind: type[EventBase]) -> None:
    @settings(max_examples=5)
    @given(events((kind,)))
    def built(event: EventBase) -> None:
        assert type(event) is kind

    built()
    assert any(type(event) is kind for event in one_of_every_kind())


@pytest.mark.parametrize("band", AgeBand)
def test_every_age_band_comes_up(band: AgeBand) -> None:
    find(parties(), lambda party: party.age_band is band, settings=FIRST_FOUND)
