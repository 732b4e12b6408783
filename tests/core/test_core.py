"""The shared types: what they promise beyond holding fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.clock import FixedClock, SystemClock
from nightlight.core.decision import event_of, late_id
from nightlight.core.errors import Conflict, Invalid
from nightlight.core.event import (
    EVENT_TYPES,
    KINDS,
    AgeBand,
    Assurance,
    ContactOutcome,
    ContactRequest,
    Event,
    EventBase,
    MediaScreened,
    Party,
    without_content,
)
from nightlight.core.gate import DataKind, Permission
from nightlight.core.harm import Harm, Level
from nightlight.core.ids import Pseudonymiser, new_id
from nightlight.core.report import NEXT, Report, ReportState
from tests.strategies import events

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@given(events())
def test_every_event_survives_both_codecs(event: EventBase) -> None:
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event


@given(events())
def test_without_content_nothing_a_person_made_is_left_and_the_rest_is(event: EventBase) -> None:
    bare = without_content(event)
    assert bare.content == ""
    assert getattr(bare, "fingerprints", ()) == ()
    assert (bare.id, bare.at, bare.actor, bare.targets, bare.channel) == (event.id, event.at, event.actor, event.targets, event.channel)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(bare), type=Event) == bare
    assert without_content(bare) == bare
    if isinstance(event, MediaScreened):
        assert bare == MediaScreened(**{name: getattr(event, name) for name in EventBase.__struct_fields__})


def test_a_request_that_nobody_answered_is_told_from_one_that_was_declined() -> None:
    wire = b'{"kind":"contact_request","id":"e","at":"2025-06-01T12:00:00Z","actor":{"account":"a"},"outcome":"ignored"}'
    event = msgspec.json.decode(wire, type=Event)
    assert isinstance(event, ContactRequest)
    assert event.outcome is ContactOutcome.IGNORED
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event


def test_a_request_from_before_there_was_ignored_has_the_bytes_it_had() -> None:
    """Bodies are compared by them, and stored events are read back by them."""
    at = datetime(2025, 6, 1, 12, tzinfo=UTC)
    event = ContactRequest(id="e", at=at, actor=Party(account="a"), outcome=ContactOutcome.DECLINED)
    assert msgspec.json.encode(event) == (
        b'{"kind":"contact_request","id":"e","at":"2025-06-01T12:00:00Z","actor":{"account":"a","age_band":"unknown","assurance":"none",'
        b'"account_age_days":null,"place":null},"targets":[],"relation":"unknown","channel":null,"outcome":"declined","mutual_contacts":null}'
    )


def test_kinds_are_the_tags() -> None:
    assert len(set(KINDS)) == len(EVENT_TYPES) == 16


@pytest.mark.parametrize("assurance", list(Assurance))
def test_a_minor_by_their_own_word_may_be_an_adult_and_an_unknown_may_be_a_child(assurance: Assurance) -> None:
    said = Party(account="a", age_band=AgeBand.A10_12, assurance=assurance)
    assert said.may_be_minor
    assert said.may_be_adult is not assurance.is_assured
    unknown = Party(account="a", assurance=assurance)
    assert unknown.may_be_minor
    assert unknown.may_be_adult
    adult = Party(account="a", age_band=AgeBand.ADULT, assurance=assurance)
    assert adult.may_be_adult
    assert not adult.may_be_minor


def test_danger_outranks_all_and_levels_rise() -> None:
    assert min(Harm, key=lambda harm: harm.urgency) is Harm.IMMEDIATE_DANGER
    assert [level.rank for level in (Level.NONE, Level.LOW, Level.ELEVATED, Level.HIGH)] == [0, 1, 2, 3]


def test_what_a_user_reports_is_ruled_as_reported() -> None:
    only_reports = Permission(frozenset({DataKind.REPORTED}), ())
    assert only_reports.allows([DataKind.CONTENT], reported=True)
    assert not only_reports.allows([DataKind.CONTENT])
    assert not only_reports.allows([DataKind.CONTENT, DataKind.TRAFFIC], reported=True)


def test_ids_sort_by_age_and_do_not_repeat() -> None:
    made = [new_id("case") for _ in range(2000)]
    assert len(set(made)) == 2000
    assert [id[:15] for id in made] == sorted(id[:15] for id in made)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_pseudonyms_are_stable_keyed_and_say_nothing(one: str, other: str) -> None:
    mine, theirs = Pseudonymiser(b"k" * 32), Pseudonymiser(b"l" * 32)
    assert mine("account", one) == mine("account", one)
    assert (mine("account", one) == mine("account", other)) is (one == other)
    assert mine("account", one) != theirs("account", one)
    assert mine("account", one)[2:] != mine("conversation", one)[2:]
    assert len(mine("account", one)) == 22


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), min_size=1), st.integers(0, 10**9))
def test_a_late_decision_leads_back_to_its_event(event: str, number: int) -> None:
    assert event_of(late_id(event, number)) == event
    assert event_of(event) == event


def test_clocks() -> None:
    clock = FixedClock(NOW)
    clock.advance(timedelta(hours=1))
    assert clock.now() == NOW + timedelta(hours=1)
    assert abs((SystemClock().now() - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize("before", list(ReportState))
@pytest.mark.parametrize("after", list(ReportState))
def test_a_report_moves_only_as_an_authority_allows(before: ReportState, after: ReportState) -> None:
    report = Report(id="r", case="c", authority="a", state=before, at=NOW, authority_id="7")
    if after in NEXT[before]:
        moved = report.move(after, NOW + timedelta(hours=1))
        assert (moved.state, moved.authority_id) == (after, "7"), "the authority's id is never lost"
    else:
        with pytest.raises(Conflict):
            report.move(after, NOW)


def test_a_finished_report_is_corrected_and_never_retracted() -> None:
    for state in (ReportState.FINISHED, ReportState.ACKNOWLEDGED):
        assert ReportState.RETRACTED not in NEXT[state]
        assert ReportState.CORRECTED in NEXT[state]


def test_an_error_names_its_field() -> None:
    error = Invalid("too long", field="text")
    assert (error.code, error.field, str(error)) == ("invalid", "text", "too long")
