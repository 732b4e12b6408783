"""The rules of review, as values."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from nightlight.core.case import CaseState, Consequence, Finding, Lane, Peers, Step, StepState
from nightlight.core.desk import SAFEGUARDING, Happening, Rules, Severity
from nightlight.core.errors import Conflict, Denied, Invalid
from nightlight.core.event import AgeBand, ReportCategory
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.ports import CaseOpening
from nightlight.core.signal import Subject, SubjectKind
from nightlight.core.staff import Role, Staff
from nightlight.review import URGENT_WITHIN, ReviewRules, weigh
from nightlight.review.agreement import agreement
from nightlight.review.exposure import exposure
from nightlight.review.priority import within
from nightlight.review.states import NEXT, after
from tests.adapters.works import START

OPENING = CaseOpening(
    subject=Subject(SubjectKind.PAIR, "c|a|b"),
    harm=Harm.GROOMING,
    level=Level.HIGH,
    queue="default",
    priority=5,
    event="e",
    reasons=("asks to keep a secret",),
    actor="a",
    protects="b",
    child_band=AgeBand.A16_17,
)
openings = st.builds(
    lambda harm, level, priority, band, peers: replace(OPENING, harm=harm, level=level, priority=priority, child_band=band, peers=peers),
    st.sampled_from([*Harm, None]),
    st.sampled_from(Level),
    st.integers(0, 9),
    st.sampled_from(AgeBand),
    st.sampled_from(Peers),
)


# -- priority ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "urgent"),
    [
        ({"harm": Harm.IMMEDIATE_DANGER, "level": Level.ELEVATED}, True),
        ({"harm": Harm.LIVESTREAMED_ABUSE}, True),
        ({"harm": Harm.SEXTORTION}, True),
        ({"harm": Harm.SEXTORTION, "level": Level.ELEVATED, "stages": (Stage.COERCION,)}, True),
        ({"harm": Harm.SEXTORTION, "level": Level.ELEVATED}, False),
        ({"harm": Harm.GROOMING}, False),
        ({"harm": None, "level": Level.LOW, "told": ReportCategory.SELF_HARM}, True),
        ({"harm": None, "level": Level.LOW, "told": ReportCategory.UNCOMFORTABLE}, False),
    ],
)
def test_danger_and_extortion_under_way_have_fifteen_minutes(change: dict[str, object], urgent: bool) -> None:
    weighed = weigh(replace(OPENING, **change))
    assert (weighed.lane is Lane.URGENT) is urgent
    assert (weighed.within <= timedelta(minutes=15) == URGENT_WITHIN) is urgent


def test_a_threat_to_life_outranks_all_else() -> None:
    danger = weigh(replace(OPENING, harm=Harm.IMMEDIATE_DANGER, level=Level.ELEVATED, priority=9))
    extortion = weigh(replace(OPENING, harm=Harm.SEXTORTION, level=Level.HIGH, priority=0))
    assert danger.lane is extortion.lane is Lane.URGENT
    assert danger.within < extortion.within


@given(openings)
def test_nothing_makes_a_case_wait_for_ever_and_weighing_twice_changes_nothing(opening: CaseOpening) -> None:
    weighed = weigh(opening)
    assert weigh(weighed) == weighed
    assert weighed.within is not None and timedelta(0) < weighed.within <= timedelta(days=14)
    assert (weighed.queue == SAFEGUARDING) is (opening.peers is Peers.ASSURED)


@given(openings, st.integers(0, 9), st.sampled_from(Level))
def test_what_is_graver_is_never_due_later(opening: CaseOpening, priority: int, level: Level) -> None:
    graver = replace(opening, priority=min(priority, opening.priority), level=max(level, opening.level, key=lambda x: x.rank))
    assert within(graver) <= within(opening)
    assert within(replace(opening, child_band=AgeBand.A7_9)) <= within(replace(opening, child_band=AgeBand.A16_17))


# -- states ------------------------------------------------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Whatever happens in whatever order, a case ends only by a person's word or an authority's, and is never lost."""

    def __init__(self) -> None:
        super().__init__()
        self.state = CaseState.OPEN
        self.happened: list[Happening] = []

    @rule(happening=st.sampled_from(Happening))
    def happens(self, happening: Happening) -> None:
        before = self.state
        try:
            self.state = after(before, happening)
        except Conflict:
            assert (before, happening) not in NEXT
            return
        self.happened.append(happening)

    @precondition(lambda self: self.state.has_ended)
    @rule()
    def an_ended_case_can_be_reopened(self) -> None:
        assert after(self.state, Happening.REOPENED) is CaseState.OPEN

    @invariant()
    def an_end_has_a_cause(self) -> None:
        if self.state is CaseState.FILED:
            assert Happening.FILED in self.happened
        if self.state is CaseState.DECLINED:
            assert self.happened[-1] in (Happening.NOT_CONFIRMED, Happening.DECLINE_SIGNED, Happening.CARRIED_OUT)
        if self.state is CaseState.FAILING:
            assert Happening.FAILING in self.happened

    @invariant()
    def there_is_always_a_way_on(self) -> None:
        assert any(state is self.state for state, _ in NEXT)


TestLife = Life.TestCase


def test_a_case_that_is_open_or_confirmed_does_not_end_by_itself() -> None:
    ends = {(state, h) for (state, h), to in NEXT.items() if to.has_ended and not state.has_ended}
    by_people = {Happening.NOT_CONFIRMED, Happening.DECLINE_SIGNED}
    assert {h for _, h in ends} == {*by_people, Happening.FILED, Happening.CARRIED_OUT}
    assert (CaseState.OPEN, Happening.DECLINE_SIGNED) not in ends, "what nobody judged is not declined"
    assert (CaseState.OPEN, Happening.FAILING) not in NEXT


# -- signatures --------------------------------------------------------------------------------------------------------------------

PEOPLE = [Staff(id=f"{role}{n}", role=role) for role in Role for n in range(3)]
REVIEWER, LEAD = Staff(id="r", role=Role.REVIEWER), Staff(id="l", role=Role.LEAD)


def step(book: ReviewRules, consequence: Consequence, peers: Peers, *, mandatory: bool = False, by: Staff = REVIEWER) -> Step:
    need = book.needed(consequence, peers, mandatory=mandatory)
    new = Step(
        id="s",
        case="c",
        verdict="v",
        consequence=consequence,
        needs=need.people,
        needs_lead=need.lead,
        signed=(),
        state=StepState.WAITING,
        asked_at=START,
    )
    return book.begin(new, by)


def test_by_default_one_reports_and_two_ban() -> None:
    book = ReviewRules()
    assert step(book, Consequence.REPORT, Peers.NO).state is StepState.APPROVED
    assert step(book, Consequence.SUSPENSION, Peers.NO).state is StepState.APPROVED
    assert step(book, Consequence.BAN, Peers.NO).state is StepState.WAITING
    assert step(book, Consequence.BAN, Peers.NO, by=LEAD).state is StepState.WAITING
    assert step(book, Consequence.DECLINE, Peers.NO, by=LEAD).state is StepState.WAITING


def test_between_minors_a_lead_signs_but_for_what_the_law_asks_for() -> None:
    book = ReviewRules()
    for consequence in (Consequence.BAN, Consequence.SUSPENSION, Consequence.REPORT):
        need = book.needed(consequence, Peers.ASSURED, mandatory=False)
        assert need.lead and need.people >= 2
    assert step(book, Consequence.REPORT, Peers.ASSURED, mandatory=True).state is StepState.APPROVED
    assert step(book, Consequence.BAN, Peers.ASSURED, mandatory=True).state is StepState.WAITING
    assert step(book, Consequence.REPORT, Peers.STATED).state is StepState.APPROVED, "whoever says so may be anyone"


@given(
    st.sampled_from(Consequence),
    st.sampled_from(Peers),
    st.integers(1, 5),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(PEOPLE), st.booleans()), max_size=10),
)
def test_nothing_is_approved_by_fewer_people_than_it_takes(
    consequence: Consequence, peers: Peers, people: int, mandatory: bool, signatures: list[tuple[Staff, bool]]
) -> None:
    book = ReviewRules(Rules(approvals=dict.fromkeys(Consequence, people)))
    found = step(book, consequence, peers, mandatory=mandatory)
    for who, yes in signatures:
        try:
            found = book.sign(found, who, yes=yes, reason="no" if not yes else "", now=START)
        except (Conflict, Denied):
            continue
    assert len(set(found.signed)) == len(found.signed)
    roles = {p.id: p.role for p in [*PEOPLE, REVIEWER]}
    assert all(roles[name] in (Role.REVIEWER, Role.LEAD) for name in found.signed)
    if found.state is StepState.APPROVED:
        assert len(found.signed) >= max(people, found.needs)
        assert not found.needs_lead or any(roles[name] is Role.LEAD for name in found.signed)


def test_a_refusal_says_why() -> None:
    book = ReviewRules()
    with pytest.raises(Invalid):
        book.sign(step(book, Consequence.BAN, Peers.NO), LEAD, yes=False, reason=" ", now=START)


# -- agreement ---------------------------------------------------------------------------------------------------------------------

YES, NO = Finding.CONFIRMED, Finding.NOT_CONFIRMED


def test_kappa_is_cohens() -> None:
    # The example of Cohen's table in its usual textbook form: 20 and 15 agree, 5 and 10 do not; kappa 0.4.
    pairs = [(YES, YES)] * 20 + [(YES, NO)] * 5 + [(NO, YES)] * 10 + [(NO, NO)] * 15
    found = agreement(pairs)
    assert (found.pairs, found.observed, found.expected) == (50, 0.7, 0.5)
    assert found.kappa == pytest.approx(0.4)
    assert agreement([]).kappa is None and agreement([(YES, YES)] * 9).kappa is None
    assert agreement([(YES, YES), (NO, NO)]).kappa == 1.0


@given(st.lists(st.tuples(st.sampled_from(Finding), st.sampled_from(Finding)), max_size=60))
def test_kappa_stays_in_its_bounds_whoever_is_called_first(pairs: list[tuple[Finding, Finding]]) -> None:
    found, turned = agreement(pairs), agreement([(b, a) for a, b in pairs])
    assert found.kappa is None or -1 - 1e-9 <= found.kappa <= 1 + 1e-9
    assert found.observed == turned.observed and found.kappa == pytest.approx(turned.kappa) if found.kappa is not None else True
    if pairs and all(a is b for a, b in pairs) and len(Counter(pairs)) > 1:
        assert found.kappa == pytest.approx(1.0)


# -- exposure ----------------------------------------------------------------------------------------------------------------------


def test_a_clear_picture_weighs_five_times_a_text() -> None:
    rules = Rules(budget=10, stretch=5)
    seconds = {Severity.TEXT: 60.0, Severity.CLEAR: 60.0}
    found = exposure(rules, "ana", START, cases=2, seconds=seconds, since_break=seconds, break_until=None)
    assert (found.spent, found.over, found.break_due) == (6.0, False, True)
    resting = exposure(rules, "ana", START, cases=2, seconds=seconds, since_break=seconds, break_until=START + timedelta(minutes=1))
    assert not resting.break_due and resting.break_until is not None
    assert exposure(rules, "a", START, cases=0, seconds={Severity.CLEAR: 120.0}, since_break={}, break_until=START).over
