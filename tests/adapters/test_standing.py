"""What the gates read of the store about many accounts at once."""

from __future__ import annotations

from datetime import timedelta

from nightlight.adapters.store import Database
from nightlight.core.clock import FixedClock
from nightlight.core.harm import Level

from .casework import ANA, NO, YES, Casework, Policy
from .works import START, Writer


def test_limits_and_assessments_of_those_who_are_asked_about(database: Database, writer: Writer, clock: FixedClock) -> None:
    database.pipeline.commit(writer.full("e1"))
    vell, brin, other = (writer.name(n) for n in ("vell", "brin", "other"))
    held = database.standing.held([vell, brin, other, ""], clock.now())
    assert list(held.limits) == [vell] and [a.actor for a in held.assessments] == [vell]
    assert held.assessments[0].level is Level.HIGH and held.assessments[0].protects == brin
    assert database.standing.held([brin, other], clock.now()) == database.standing.held([], clock.now())
    assert database.standing.held([vell], START + timedelta(hours=25)).limits == {}
    database.limits.lift(vell, "lea", "looked at it")
    assert database.standing.held([vell], clock.now()).limits == {}


def test_a_persons_word_stands_over_what_was_assessed_before(database: Database, writer: Writer, clock: FixedClock) -> None:
    vell = writer.name("vell")
    for judgement, left in ((YES, 1), (NO, 0)):
        id = f"e-{judgement.finding.value}"
        database.pipeline.commit(writer.full(id, at=clock.now()))
        work = Casework(database, writer, clock, Policy())
        clock.advance(timedelta(minutes=1))
        case = work.desk.take(ANA)
        assert case is not None
        work.desk.verdict(ANA, case.id, judgement)
        assert len(database.standing.held([vell], clock.now()).assessments) == left
        clock.advance(timedelta(minutes=1))
    database.pipeline.commit(writer.full("e-new", at=clock.now()))
    assert len(database.standing.held([vell], clock.now()).assessments) == 1, "until something new is found"
