"""The laws, and what is this detector's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from nightlight.app.harness import senses
from nightlight.core.detect import MAX_STATE_BYTES, Fact, Key, decode_state, encode_state
from nightlight.core.event import (
    AgeBand,
    Assurance,
    Channel,
    ChannelKind,
    ContactOutcome,
    ContactRequest,
    EventBase,
    Follow,
    Gift,
    MediaScreened,
    Message,
    Party,
    Relation,
    Reward,
)
from nightlight.core.features import AccountSummary, Features
from nightlight.core.gate import DataKind
from nightlight.core.harm import Level, Stage
from nightlight.core.signal import Signal
from nightlight.kit import check_detector
from nightlight.kit.examples import ExampleKind, read_examples
from nightlight.kit.golden import golden_line, read_golden_states
from nightlight.kit.run import Sensed, Trace, run
from nightlight.kit.workbench import reaches

from . import build
from .belief import GROUP, Part, Wide, belief, towards_several
from .states import MOST_PEOPLE, Person, Reach, Side, Tie, short
from .weights import ONE_KIND

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
ADULT = Party(account="vell", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED)
CHILD = Party(account="brin", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
PEER = Party(account="vell", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
HERE = Path(__file__).parent
HIGH, ELEVATED, LOW = reaches(Level.HIGH), reaches(Level.ELEVATED), reaches(Level.LOW)
DECLINED, BLOCKED, IGNORED, ACCEPTED = (
    ContactOutcome.DECLINED,
    ContactOutcome.BLOCKED,
    ContactOutcome.IGNORED,
    ContactOutcome.ACCEPTED,
)


class Script:
    """A few deeds after each other, a minute apart."""

    def __init__(self, me: Party = ADULT, relation: Relation = Relation.STRANGER, where: ChannelKind = ChannelKind.DIRECT) -> None:
        self.me, self.relation, self.where = me, relation, where
        self.at = START
        self.events: list[EventBase] = []

    def do(self, kind: type[EventBase], to: Party = CHILD, *, after: float = 60.0, back: bool = False, **more: Any) -> Script:
        self.at += timedelta(seconds=after)
        actor, target = (to, self.me) if back else (self.me, to)
        self.events.append(
            kind(
                id=f"e{len(self.events)}",
                at=self.at,
                actor=actor,
                targets=(target,),
                relation=more.pop("relation", self.relation),
                channel=Channel(id=f"with-{to.account}", kind=self.where),
                **({"text": ""} if kind is Message else {"name": "officer"} if kind is Reward else {}),
                **more,
            )
        )
        return self

    def ask(self, to: Party = CHILD, outcome: ContactOutcome = ContactOutcome.SENT, **more: Any) -> Script:
        return self.do(ContactRequest, to, outcome=outcome, **more)

    def fold(self) -> Trace:
        return fold(self.events)


def fold(events: Sequence[EventBase]) -> Trace:
    return run(build(), [Sensed(event) for event in events])


def signals(trace: Trace) -> list[Signal]:
    return [signal for step in trace.steps for signal in step.all_signals]


def child(number: int) -> Party:
    return structs.replace(CHILD, account=f"child-{number}")


def spree(me: Party = ADULT, relation: Relation = Relation.STRANGER, children: int = 12) -> Script:
    """The same approach to many children: gifts, requests, messages, and every third says no."""
    script = Script(me, relation)
    for number in range(children):
        one = child(number)
        script.do(Gift, one, value=10.0).ask(one).do(Message, one)
        if number % 3 == 0:
            script.ask(one, BLOCKED)
        elif number % 3 == 1:
            script.ask(one, DECLINED)
    return script.ask(child(1), after=600)


def test_laws() -> None:
    check_detector(build(), senses())


def test_there_are_enough_examples_of_what_it_must_leave_alone() -> None:
    kinds = [example.kind for example in read_examples(HERE / "examples.jsonl")]
    assert kinds.count(ExampleKind.HIT) >= 8
    assert kinds.count(ExampleKind.NEAR_MISS) >= 10
    assert kinds.count(ExampleKind.BENIGN) >= 5


def test_the_gate_rules_it_as_traffic_and_it_reads_no_sense() -> None:
    card = build().card
    assert set(card.data) == {DataKind.TRAFFIC, DataKind.ACCOUNT}
    assert card.senses == ()


def test_what_is_written_makes_no_difference() -> None:
    empty = spree().events
    written = [structs.replace(e, text="how old are you? send me a pic") if isinstance(e, Message) else e for e in empty]
    assert [s.score for s in signals(fold(written))] == [s.score for s in signals(fold(empty))]


def test_the_same_approach_to_many_children_is_high_with_its_reasons() -> None:
    found = signals(spree().fold())
    best = max(found, key=lambda s: s.score)
    assert best.score >= HIGH
    assert best.actor == "vell"
    assert best.protects is not None and best.protects.startswith("child-")
    assert {e.cue for s in found for e in s.evidence} >= {"gifts", "quick", "gifts_to_several", "blocked", "asks_again"}
    assert {Stage.CONTACT, Stage.TRUST, Stage.TESTING} <= {stage for s in found for stage in s.stages}


@pytest.mark.parametrize("cue", [*GROUP])
def test_no_single_kind_of_conduct_is_elevated(cue: str) -> None:
    assert belief([Part(cue, 5.0, "x")]) < ELEVATED


def test_fan_out_alone_is_not_worth_a_signal_however_wide() -> None:
    script = Script(relation=Relation.UNKNOWN)
    for number in range(200):
        script.ask(child(number), after=30).ask(child(number), ACCEPTED, after=5)
    assert signals(script.fold()) == []
    assert belief([Part("approaches_many", 1.0, "x")]) == belief([Part("approaches_many", ONE_KIND, "x")]) < LOW


def test_high_takes_three_kinds_one_of_them_clear() -> None:
    clear, weak, other = Part("gifts", 3.0, "x"), Part("quick", 3.0, "x"), Part("media", 3.0, "x")
    assert belief([weak, other, Part("rank", 3.0, "x"), Part("approaches_many", 3.0, "x")]) < ELEVATED
    assert ELEVATED <= belief([clear, weak]) < HIGH
    assert belief([clear, weak, other]) >= HIGH


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*GROUP]), st.floats(0.0, 1.0)), max_size=10),
    st.tuples(st.sampled_from([*GROUP]), st.floats(0.0, 1.0)),
)
def test_another_part_never_lowers_belief(parts: list[tuple[str, float]], more: tuple[str, float]) -> None:
    before = [Part(cue, value, "x") for cue, value in parts]
    assert belief([*before, Part(*more, "x")]) >= belief(before)


RISKY: tuple[tuple[type[EventBase], dict[str, Any]], ...] = (
    (ContactRequest, {}),
    (ContactRequest, {"outcome": DECLINED}),
    (ContactRequest, {"outcome": BLOCKED}),
    (ContactRequest, {"outcome": IGNORED}),
    (Gift, {"value": 5.0}),
    (Reward, {}),
    (Follow, {}),
    (MediaScreened, {}),
    (Message, {}),
)
deeds = st.tuples(st.sampled_from(RISKY), st.integers(0, 4), st.sampled_from((5.0, 60.0, 3000.0, 50_000.0)))


def scripted(drawn: Sequence[tuple[tuple[type[EventBase], dict[str, Any]], int, float]]) -> Script:
    script = Script()
    for (kind, more), who, after in drawn:
        script.do(kind, child(who), after=after, **more)
    return script


@settings(max_examples=60, deadline=None)
@given(st.lists(deeds, min_size=3, max_size=25), deeds, st.integers(0, 30))
def test_another_risky_deed_never_lowers(drawn: list[Any], more: Any, where: int) -> None:
    """Among the same children, at a time already there."""
    events = scripted(drawn).events
    where %= len(events)
    (kind, fields), who, _ = more
    [extra] = Script().do(kind, child(who), **fields).events
    more_events = [*events[:where], structs.replace(extra, id="more", at=events[where].at), *events[where:]]
    after = fold(more_events).final
    for about, score in fold(events).final.items():
        assert after.get(about, 0.0) >= score - 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_harmless_deeds_between_never_hide_a_spree(seed: int, ratio: int) -> None:
    from random import Random

    chance = Random(seed)
    padded: list[EventBase] = []
    for event in spree(children=16).events:
        for n in range(ratio):
            one, back = child(chance.randrange(30)), chance.random() < 0.5
            kind, more = chance.choice(((Message, {}), (ContactRequest, {"outcome": ACCEPTED}), (Follow, {"following": False})))
            [pad] = Script(relation=Relation.CONTACT).do(kind, one, back=back, **more).events
            padded.append(structs.replace(pad, id=f"{event.id}-{n}", at=event.at))
        padded.append(event)
    assert fold(padded).peak() >= HIGH


def test_who_says_to_be_a_child_weighs_as_much_as_who_says_nothing_and_an_assured_peer_little() -> None:
    said = spree(Party(account="vell", age_band=AgeBand.A13_15, assurance=Assurance.SELF_DECLARED)).fold().peak()
    nothing = spree(Party(account="vell")).fold().peak()
    adult, peer = spree().fold().peak(), spree(PEER).fold().peak()
    assert adult > said == nothing > peer
    assert peer < ELEVATED


def test_an_older_child_weighs_more_towards_a_much_younger_one() -> None:
    older = Party(account="vell", age_band=AgeBand.A16_17, assurance=Assurance.VERIFIED)
    assert spree(older).fold().peak() > spree(structs.replace(older, age_band=AgeBand.A13_15)).fold().peak()


def test_a_new_account_adds_to_conduct_and_is_none_itself() -> None:
    new = structs.replace(ADULT, account_age_days=1.0)
    asked = Script(new).ask().ask(outcome=BLOCKED).ask().fold().peak()
    assert asked > Script().ask().ask(outcome=BLOCKED).ask().fold().peak()
    assert signals(Script(new).ask().do(Message).fold()) == []


def test_it_abstains_where_nobodys_age_is_known_and_says_so() -> None:
    unknown = Party(account="vell")
    script = Script(unknown)
    other = Party(account="brin")
    script.do(Gift, other).do(Reward, other).ask(other).ask(other, BLOCKED).ask(other).ask(other).do(MediaScreened, other)
    trace = script.fold()
    found = signals(trace)
    assert found
    assert all(s.abstained and s.score == 0.0 and "age" in s.evidence[0].reason for s in found)
    assert trace.final == {}
    assert trace.summaries == {}


def test_what_was_done_before_an_age_was_known_counts_once_it_is() -> None:
    unknown, known = Party(account="brin"), CHILD
    before = Script(Party(account="vell")).do(Gift, unknown).ask(unknown).ask(unknown, BLOCKED).ask(unknown)
    assert before.fold().peak() == 0.0
    assert before.ask(known).fold().peak() >= ELEVATED


def test_what_was_held_back_is_said_as_soon_as_an_age_is_known_even_where_the_score_is_no_higher() -> None:
    unknown = Party(account="vell")
    said = structs.replace(unknown, age_band=AgeBand.A13_15, assurance=Assurance.SELF_DECLARED)
    script, other = Script(unknown), Party(account="brin")
    script.do(Message, other).do(Follow, other).do(Gift, other).do(Reward, other)
    script.ask(other).ask(other, BLOCKED).ask(other).ask(other).do(MediaScreened, other)
    assert script.fold().peak() == 0.0
    script.me = said
    assert script.do(Message, other, after=0.0).fold().peak() >= LOW


def test_a_refusal_whose_request_was_not_reported_is_an_approach_all_the_same() -> None:
    script = Script()
    for number in range(6):
        script.ask(child(number), DECLINED)
    assert script.fold().summaries["vell"].values["contact.people_day"] == 6.0
    assert script.fold().summaries["vell"].values["contact.approaches_day"] > 5.0


def test_among_assured_adults_nothing_is_remembered() -> None:
    grown = Party(account="bree", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED)
    assert Script().ask(grown).ask(grown, BLOCKED).ask(grown).do(Gift, grown).fold().states == {}


@pytest.mark.parametrize("relation", [Relation.TRUSTED, Relation.FAMILY, Relation.CONTACT])
def test_the_same_deeds_weigh_less_among_people_who_know_each_other(relation: Relation) -> None:
    def gifts(between: Relation) -> float:
        return Script(relation=between).do(Gift).do(Gift).do(Reward).do(MediaScreened).do(Message).fold().peak()

    assert gifts(relation) < 0.6 * gifts(Relation.STRANGER)
    assert gifts(Relation.FAMILY) == 0.0


def test_a_gift_before_the_two_talk_weighs_more_than_one_after() -> None:
    def talked(script: Script) -> Script:
        for _ in range(4):
            script.do(Message).do(Message, back=True)
        return script

    before, after = (script.do(Gift, after=7200).ask().ask(outcome=DECLINED).ask() for script in (Script(), talked(Script())))
    assert before.fold().peak() > after.fold().peak()
    assert any(e.reason == "sent gifts before the two had begun to talk" for s in signals(before.fold()) for e in s.evidence)


@pytest.mark.parametrize("by_child", [False, True])
def test_an_answer_counts_for_whoever_asked_whichever_way_it_is_sent(by_child: bool) -> None:
    script = Script().ask().ask(outcome=BLOCKED, back=by_child).ask()
    found = signals(script.fold())
    assert {s.actor for s in found} == {"vell"}
    assert script.fold().peak() >= ELEVATED - 0.1


def test_a_child_who_says_no_is_never_the_one_it_is_about() -> None:
    found = signals(Script().ask().ask(outcome=DECLINED, back=True).ask().ask(outcome=BLOCKED, back=True).ask().do(Gift).fold())
    assert {s.actor for s in found} == {"vell"}
    assert {s.protects for s in found} == {"brin"}


def test_ignored_requests_count_less_than_declined_ones() -> None:
    def by_outcome(outcome: ContactOutcome) -> float:
        script = Script()
        for number in range(12):
            script.ask(child(number)).ask(child(number), outcome)
        return script.fold().summaries["vell"].values["contact.refusals"]

    assert 0.0 < by_outcome(IGNORED) < by_outcome(DECLINED)


def test_the_same_deed_under_another_id_counts_once() -> None:
    events = Script().do(Gift).ask().ask(outcome=DECLINED).ask().events
    twice = [structs.replace(e, id=f"{e.id}-{n}") for e in events for n in range(2)]
    assert fold(twice).peak() == pytest.approx(fold(events).peak())


def test_many_kinds_within_an_hour_weigh_more_than_over_days() -> None:
    def deed(after: float) -> float:
        return Script().do(Gift, after=after).ask(after=after).do(Follow, after=after).do(Reward, after=after).fold().peak()

    assert deed(60.0) > deed(90_000.0)


def test_a_clock_that_jumps_back_hides_nothing() -> None:
    script = spree()
    events = [structs.replace(e, at=e.at - timedelta(days=3)) if n % 4 == 1 else e for n, e in enumerate(script.events)]
    assert fold(events).peak() >= HIGH


def test_conversations_are_told_apart() -> None:
    script = Script().ask().ask(outcome=BLOCKED).ask()
    elsewhere = [structs.replace(e, channel=Channel(id=f"room-{n}")) for n, e in enumerate(script.events)]
    assert fold(elsewhere).peak() < script.fold().peak()


def test_a_line_or_gift_to_a_crowd_is_no_approach_to_anybody_in_it() -> None:
    [line, gift] = Script().do(Message).do(Gift).events
    crowd = tuple(child(n) for n in range(40))
    detector = build()
    assert detector.keys(structs.replace(line, targets=crowd), Features()) == ()
    assert detector.keys(structs.replace(gift, targets=crowd), Features()) == ()


def test_talk_that_goes_on_costs_no_write() -> None:
    script = Script()
    for _ in range(4):
        script.do(Message).do(Message, back=True)
    detector, trace = build(), script.fold()
    [line] = Script().do(Message, after=1200.0).events
    [key] = detector.keys(line, Features())
    state = decode_state(detector, detector.card.state_version, trace.states[key], key)
    assert detector.observe({key: state}, line, Features()).states == {}


def test_what_was_done_to_others_is_read_from_the_summary_and_lapses() -> None:
    detector = build()
    trace = spree().fold()
    summary = trace.summaries["vell"]
    [gift] = Script().do(Gift, structs.replace(CHILD, account="another"), after=86_400).events
    key = detector.keys(gift, Features())[0]

    def judged(at: datetime, summaries: dict[str, AccountSummary]) -> float:
        seen = detector.observe({key: detector.new(key)}, structs.replace(gift, at=at), Features(summaries=summaries))
        return max((s.score for s in seen.signals), default=0.0)

    assert judged(gift.at, {"vell": summary}) > judged(gift.at, {})
    assert judged(gift.at + timedelta(days=30), {"vell": summary}) == judged(gift.at, {})
    assert summary.values["contact.people_day"] == 12.0
    assert summary.values["contact.people_blocking"] == 4.0
    assert summary.values["contact.age_bands"] == 1.0
    assert 0.6 < summary.values["contact.refused_share"] < 0.7


def test_another_detectors_summary_is_no_conduct() -> None:
    detector = build()
    [gift] = Script().do(Gift).events
    key = detector.keys(gift, Features())[0]
    other = Features(summaries={"vell": AccountSummary(1, {"grooming.minors_approached": 9.0})})
    assert detector.observe({key: Tie()}, gift, other) == detector.observe({key: Tie()}, gift, Features())


def test_people_met_more_than_a_week_ago_no_longer_count() -> None:
    reach = Reach().adding(Person(1, 0.0, approach=1.0)).adding(Person(2, 8 * 86_400.0, approach=0.5))
    assert [person.who for person in reach.people] == [2]


def test_one_person_in_several_conversations_is_one_person() -> None:
    detector, state = build(), Reach()
    for n, name in enumerate(("approached:10-12", "given:10-12", "blocked:10-12")):
        fact = Fact(key=Key.account("vell"), name=name, at=START, event=f"e{n}", detector="contact", other="brin", value=0.8)
        absorbed = detector.absorb(state, fact)
        state = absorbed.state
    assert absorbed.summary["people_week"] == 1.0
    assert towards_several(Wide(**absorbed.summary), START.timestamp()) == []
    assert absorbed.signals == ()


def test_the_fullest_states_are_small_and_name_nobody() -> None:
    reach = Reach()
    for n in range(300):
        reach = reach.adding(Person(short(f"account-{n}"), 1.7e9 + n, 63, 0.123, 0.456, 0.789, 0.321, 0.654))
    side = Side(1.7e9, 1.3, 1.0, True, 3, 31.7, 32, True, 3, True, 31.5, 32, 0.7, 0.7, 31.1, 0.7, 3.1)
    side = structs.replace(side, kinds=dict.fromkeys(("message", "media", "request", "gift", "rank", "follow"), 1700000000.0))
    side = structs.replace(side, recent=tuple(short(str(n)) for n in range(12)), line=short("x"), said=0.9, said_at=1.7e9, told=1.7e9)
    assert len(reach.people) == MOST_PEOPLE
    assert len(encode_state(reach)) < MAX_STATE_BYTES
    assert len(encode_state(Tie(first=side, second=side))) < MAX_STATE_BYTES / 4
    assert b"child-" not in b"".join(spree().fold().states.values())


def test_reasons_blame_nobody_but_the_one_who_approaches() -> None:
    reasons = {e.reason for s in signals(spree().fold()) for e in s.evidence}
    assert len(reasons) >= 6
    assert not any(word in reason for reason in reasons for word in ("victim", "let ", "should", "failed"))


def test_golden_states_are_of_this_version_and_hold_something() -> None:
    kept = read_golden_states(HERE)
    assert {state.key_kind for state in kept} == {"pair", "account"}
    detector = build()
    for state in kept:
        read = decode_state(detector, state.version, state.raw, state.key)
        assert read != detector.new(state.key)
        assert msgspec.json.decode(golden_line(detector, state.key, read))["hex"] == state.raw.hex()
