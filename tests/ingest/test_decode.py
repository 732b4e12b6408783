"""Good events arrive whole, one at a time or by the batch."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.errors import Invalid, NightlightError, TooLarge
from nightlight.core.event import Event, EventBase, Message
from nightlight.ingest import DEFAULT_LIMITS, Limits, check, decode, decode_batch
from tests.strategies import wire_events

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)


def message(**changes: Any) -> dict[str, Any]:
    """A wire message that is right in everything but `changes`."""
    plain: dict[str, Any] = {
        "kind": "message",
        "id": "evt-1",
        "at": "2025-06-30T20:00:00Z",
        "actor": {"account": "mo", "age_band": "18+"},
        "targets": [{"account": "kit", "age_band": "13-15"}],
        "channel": {"id": "lobby", "kind": "game"},
        "text": "zantle brisp",
    }
    return {name: value for name, value in (plain | changes).items() if value is not ...}


def body(wire: Any) -> bytes:
    return json.dumps(wire).encode()


def in_a_channel(wire: dict[str, Any]) -> dict[str, Any]:
    """Messages and transcripts need a channel, which the shared strategy leaves out at times."""
    return wire if wire.get("channel") else wire | {"channel": {"id": "somewhere"}}


@given(wire_events().map(in_a_channel))
def test_a_good_event_of_any_kind_comes_through_whole(wire: dict[str, Any]) -> None:
    event = decode(body(wire), DEFAULT_LIMITS, NOW)
    assert event.kind == wire["kind"]
    again = msgspec.json.encode(event)
    assert decode(again, DEFAULT_LIMITS, NOW) == event
    # Every field that was sent is there, and says what was sent.
    sent, kept = msgspec.json.decode(msgspec.json.encode(wire)), msgspec.json.decode(again)
    assert {name: kept[name] for name in sent if name not in ("at", "actor", "targets", "channel")} == {
        name: value for name, value in sent.items() if name not in ("at", "actor", "targets", "channel")
    }
    assert kept["actor"].items() >= sent["actor"].items()
    assert [t["account"] for t in kept["targets"]] == [t["account"] for t in sent.get("targets", [])]


@given(st.lists(wire_events().map(in_a_channel), min_size=1, max_size=6), st.data())
def test_one_bad_event_spoils_only_its_own_position(wires: list[dict[str, Any]], data: st.DataObject) -> None:
    bad = data.draw(st.integers(0, len(wires) - 1))
    broken = list(wires)
    broken[bad] = wires[bad] | {"actor": {"account": 7}}
    results = decode_batch(body({"events": broken}), DEFAULT_LIMITS, NOW)
    for i, result in enumerate(results):
        if i == bad:
            assert isinstance(result, Invalid)
            assert result.field == "actor.account"
        else:
            assert result == decode(body(wires[i]), DEFAULT_LIMITS, NOW)


def test_a_batch_of_a_hundred_with_one_bad_keeps_ninety_nine() -> None:
    wires = [message(id=f"evt-{i}") for i in range(100)]
    wires[41]["actor"]["age_band"] = "old"
    results = decode_batch(body({"events": wires}), DEFAULT_LIMITS, NOW)
    assert [i for i, r in enumerate(results) if isinstance(r, NightlightError)] == [41]
    assert [r.id for r in results if isinstance(r, EventBase)] == [f"evt-{i}" for i in range(100) if i != 41]


def test_an_offset_is_turned_into_utc_so_that_one_moment_has_one_spelling() -> None:
    there = decode(body(message(at="2025-06-30T22:00:00+02:00")), DEFAULT_LIMITS, NOW)
    assert there == decode(body(message()), DEFAULT_LIMITS, NOW)
    assert there.at.utcoffset() == timedelta(0)
    assert msgspec.json.encode(there) == msgspec.json.encode(decode(body(message()), DEFAULT_LIMITS, NOW))


def test_a_repeated_name_means_its_last_value() -> None:
    twice = body(message()).replace(b'"text"', b'"text": "first", "text"')
    event = decode(twice, DEFAULT_LIMITS, NOW)
    assert isinstance(event, Message)
    assert event.text == "zantle brisp"


def test_a_smiley_beyond_the_basic_plane_is_welcome_escaped_or_not() -> None:
    for wire in (
        body(message(text="\N{SLIGHTLY SMILING FACE}")),
        json.dumps(message(text="\N{SLIGHTLY SMILING FACE}"), ensure_ascii=False).encode(),
    ):
        event = decode(wire, DEFAULT_LIMITS, NOW)
        assert event.content == "\N{SLIGHTLY SMILING FACE}"


def test_a_report_about_oneself_gets_through() -> None:
    wire = message(kind="user_report", category="self_harm", targets=[{"account": "mo"}], channel=...)
    assert decode(body(wire), DEFAULT_LIMITS, NOW).kind == "user_report"


@given(wire_events().map(in_a_channel))
def test_check_holds_an_event_built_in_python_to_the_same_rules(wire: dict[str, Any]) -> None:
    event: EventBase = msgspec.convert(wire, Event)
    assert check(event, DEFAULT_LIMITS, NOW) == event
    with pytest.raises(Invalid) as caught:
        check(msgspec.structs.replace(event, id="a\0b"), DEFAULT_LIMITS, NOW)
    assert caught.value.field == "id"


@pytest.mark.parametrize(
    ("envelope", "field", "error"),
    [
        (b"[]", None, Invalid),
        (b'{"events": {}}', "events", Invalid),
        (b'{"events": []}', "events", Invalid),
        (b'{"event": [{}]}', "event", Invalid),
        (b"{}", "events", Invalid),
        (b'{"events": [{}, {]}', None, Invalid),
        (b'{"events": [' + b"[" * 10_000 + b"]" * 10_000 + b"]}", None, Invalid),
        (b'{"events": [' + b"{}," * 500 + b"{}]}", "events", TooLarge),
        (b'{"events": [' + b" " * DEFAULT_LIMITS.batch_bytes + b"]}", None, TooLarge),
    ],
)
def test_a_bad_envelope_is_refused_whole(envelope: bytes, field: str | None, error: type[Invalid]) -> None:
    with pytest.raises(error) as caught:
        decode_batch(envelope, DEFAULT_LIMITS, NOW)
    assert caught.value.field == field


def test_an_operator_may_lower_the_limits() -> None:
    small = Limits(event_bytes=300, batch_bytes=700, batch_events=2, text=5)
    with pytest.raises(TooLarge, match="at most 5 characters") as caught:
        decode(body(message()), small, NOW)
    assert caught.value.field == "text"
    with pytest.raises(TooLarge, match="at most 300 bytes"):
        decode(body(message(text="x" * 300)), small, NOW)
    with pytest.raises(TooLarge, match="at most 700 bytes"):
        decode_batch(body({"events": [message(), message(), message()]}), small, NOW)
    results = decode_batch(body({"events": [message(text="brisp"), message(text="x" * 200)]}), small, NOW)
    assert isinstance(results[0], Message)
    assert isinstance(results[1], TooLarge)
