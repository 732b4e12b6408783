from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.assess.fuse import HALF_LIFE, MAX_EVIDENCE, assess, faded, level_of
from nightlight.core.assessment import DEFAULT_LEVELS, Assessment
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

T0 = datetime(2026, 3, 1, 20, tzinfo=UTC)
SUBJECT = Subject(SubjectKind.CONVERSATION, "c_1")


def signal(score: float, detector: str = "one", minutes: float = 0, stages: tuple[Stage, ...] = (), **more: object) -> Signal:
    at = T0 + timedelta(minutes=minutes)
    evidence = (Evidence(f"e{minutes}", "asks to keep a secret"),)
    values: dict[str, object] = {"subject": SUBJECT, "harm": Harm.GROOMING, "score": score, "evidence": evidence, "at": at}
    values |= {"detector": detector, "version": "1", "stages": stages, **more}
    return Signal(**values)  # type: ignore[arg-type]


def over_time(signals: list[Signal], end: datetime) -> Assessment:
    """Folds one signal at a time, then looks at the end: as the pipeline does."""
    current: Assessment | None = None
    for s in sorted(signals, key=lambda s: s.at):
        current = assess(current, [s], s.at)
    return assess(current, [], end)


def in_this_order(signals: list[Signal], end: datetime) -> Assessment:
    """The log's order is the fold's order, whatever clocks say."""
    current: Assessment | None = None
    for s in signals:
        current = assess(current, [s], s.at)
    return assess(current, [], end)


def test_two_witnesses_are_stronger_than_one() -> None:
    both = assess(None, [signal(0.5, "one"), signal(0.5, "two")], T0)
    assert both.score == pytest.approx(0.75)
    assert both.level is Level.HIGH
    assert {c.detector for c in both.contributions} == {"one", "two"}


def test_a_detector_does_not_witness_twice() -> None:
    first = assess(None, [signal(0.5)], T0)
    assert assess(first, [signal(0.5)], T0).score == pytest.approx(0.5)


def test_fades_by_half_in_a_half_life_and_a_clock_running_backwards_changes_nothing() -> None:
    first = assess(None, [signal(0.8)], T0)
    assert assess(first, [], T0 + HALF_LIFE).score == pytest.approx(0.4)
    assert assess(first, [], T0 - timedelta(days=400)).score == pytest.approx(0.8)


def test_remembers_when_it_first_crossed_each_level() -> None:
    later = T0 + timedelta(hours=2)
    first = assess(None, [signal(0.3)], T0)
    second = assess(first, [signal(0.9, minutes=120)], later)
    third = assess(second, [], later + timedelta(days=300))
    assert second.crossed == {Level.LOW: T0, Level.ELEVATED: later, Level.HIGH: later}
    assert third.level is Level.NONE
    assert third.crossed == second.crossed


def test_abstaining_keeps_evidence_and_adds_no_score() -> None:
    found = assess(None, [signal(0.9, abstained=True)], T0)
    assert (found.score, found.abstained, len(found.contributions[0].evidence)) == (0.0, True, 1)
    assert not assess(found, [signal(0.9, "two")], T0).abstained


def test_evidence_and_stages_are_kept_once_and_bounded() -> None:
    current = None
    for n in range(30):
        current = assess(current, [signal(0.5, minutes=n, stages=(Stage.TRUST, Stage.ISOLATION))], T0 + timedelta(minutes=n))
    assert current is not None
    assert current.stages == (Stage.TRUST, Stage.ISOLATION)
    assert [e.event for e in current.contributions[0].evidence] == [f"e{n}" for n in range(30 - MAX_EVIDENCE, 30)]


def test_refuses_to_mix_subjects_and_to_assess_nothing() -> None:
    with pytest.raises(ValueError, match="nothing to assess"):
        assess(None, [], T0)
    with pytest.raises(ValueError, match="other subjects"):
        assess(None, [signal(0.1), signal(0.1, harm=Harm.SEXTORTION)], T0)


def test_who_leads_now_is_who_it_is_about_and_both_names_come_from_one_finding() -> None:
    first = assess(None, [signal(0.3, actor="child", protects="offender")], T0)
    second = assess(first, [signal(0.9, minutes=1, actor="offender", protects="child")], T0 + timedelta(minutes=1))
    assert (second.actor, second.protects) == ("offender", "child")
    weaker = assess(second, [signal(0.2, "two", minutes=2, actor="child", protects="offender")], T0 + timedelta(minutes=2))
    assert (weaker.actor, weaker.protects) == ("offender", "child"), "a weaker witness does not say whom it is about"
    nameless = assess(weaker, [signal(0.99, "three", minutes=3)], T0 + timedelta(minutes=3))
    assert (nameless.actor, nameless.protects) == ("offender", "child")


def test_a_finding_with_an_older_clock_never_lowers_what_is_known() -> None:
    now = assess(None, [signal(0.8)], T0)
    long_ago = -60 * 24 * 500
    more = assess(now, [signal(0.85, minutes=long_ago)], T0 + timedelta(minutes=long_ago))
    assert assess(more, [signal(0.05, "two")], T0).score >= assess(now, [signal(0.05, "two")], T0).score


@given(st.floats(0, 1))
def test_level_is_the_highest_reached(score: float) -> None:
    level = level_of(score, DEFAULT_LEVELS)
    assert level is Level.NONE or score >= DEFAULT_LEVELS[level]
    assert all(score < DEFAULT_LEVELS[other] for other in DEFAULT_LEVELS if other.rank > level.rank)


_signals = st.lists(
    st.builds(signal, st.floats(0, 1), st.sampled_from(["one", "two", "three"]), st.integers(0, 60 * 24 * 60)), min_size=1, max_size=12
)


@given(_signals, st.builds(signal, st.floats(0, 1), st.sampled_from(["one", "two", "new"]), st.integers(0, 60 * 24 * 60)))
def test_one_more_signal_never_lowers_the_final_risk(signals: list[Signal], extra: Signal) -> None:
    end = T0 + timedelta(days=61)
    assert in_this_order([*signals, extra], end).score >= in_this_order(signals, end).score - 1e-12
    assert over_time([*signals, extra], end).score >= over_time(signals, end).score - 1e-12


@given(st.floats(0, 1), st.integers(0, 10**9))
def test_fading_never_raises(score: float, seconds: int) -> None:
    assert 0 <= faded(score, T0, T0 + timedelta(seconds=seconds)) <= score


def test_a_detector_that_corrects_itself_is_believed_where_it_says_less_and_no_other_is_touched() -> None:
    before = in_this_order([signal(0.9), signal(0.4, "two")], T0)
    lower = assess(before, [signal(0.2, minutes=1, corrects=True)], T0 + timedelta(minutes=1))
    assert {c.detector: round(c.score, 6) for c in lower.contributions} == {"one": 0.2, "two": 0.4}
    assert lower.level.rank < before.level.rank and lower.crossed[Level.HIGH] == before.crossed[Level.HIGH]
    again = assess(lower, [signal(0.7, minutes=2)], T0 + timedelta(minutes=2))
    assert again.score > lower.score
