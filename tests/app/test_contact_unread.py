"""Where content may not be read, conduct is still seen: from the event over the second hop to what the policy does."""

from __future__ import annotations

import itertools
from datetime import timedelta

import msgspec
import pytest

from nightlight.app.bootstrap import Nightlight
from nightlight.core.clock import FixedClock
from nightlight.core.harm import Harm, Level
from nightlight.core.services import Answer
from tests.app.conftest import ADULT, CHILD, NOW, Wire

_ids = itertools.count()


class Encrypted:
    """Deeds of one adult towards children in conversations that are end-to-end encrypted."""

    def __init__(self, graph: Nightlight, clock: FixedClock, place: str = "GB") -> None:
        self.graph, self.clock, self.place = graph, clock, place
        self.answers: list[Answer] = []

    def child(self, number: int) -> Wire:
        return CHILD | {"account": f"kid-{number}", "place": self.place}

    def do(self, kind: str, number: int, *, relation: str = "stranger", **more: object) -> Answer:
        self.clock.advance(timedelta(seconds=30))
        event = {
            "kind": kind,
            "id": f"x{next(_ids)}",
            "at": self.clock.now().isoformat(),
            "actor": ADULT | {"place": self.place},
            "targets": [self.child(number)],
            "relation": relation,
            "channel": {"id": f"dm-{number}", "kind": "direct", "encrypted": True},
        }
        answer = self.graph.events.submit(self.graph.events.decode(msgspec.json.encode(event | more))).result(30)
        self.graph.second_hop.run()
        self.answers.append(answer)
        return answer

    def approach(self, number: int, relation: str = "stranger") -> None:
        self.do("gift", number, value=20, relation=relation)
        self.do("contact_request", number, relation=relation)
        self.do("message", number, text="good game quibblesnatch", relation=relation)

    def tags(self) -> set[str]:
        return {str(a.__struct_config__.tag) for answer in self.answers for a in answer.decision.actions}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


def test_elevated_is_a_kind_word_to_the_child_and_nothing_to_the_other_side(graph: Nightlight, clock: FixedClock) -> None:
    one = Encrypted(graph, clock)
    one.do("contact_request", 1)
    one.do("contact_request", 1, outcome="blocked")
    last = one.do("contact_request", 1)
    assert last.decision.level is Level.ELEVATED
    assert last.decision.harms == (Harm.GROOMING,)
    assert last.decision.detectors == ("contact 1.0.0",)
    assert last.for_recipients[0].messages == ("grooming.elevated.child",)
    assert last.for_sender.messages == ()
    assert one.tags() <= {"allow", "nudge", "add_friction"}
    assert graph.database.cases.cases() == []


def test_only_several_kinds_of_conduct_together_become_a_case_and_a_limit(graph: Nightlight, clock: FixedClock) -> None:
    one = Encrypted(graph, clock)
    for number in range(8):
        one.approach(number)
        if number % 2:
            one.do("contact_request", number, outcome="blocked")
            one.do("contact_request", number)
    assert {"limit_contact", "open_case", "preserve", "nudge"} <= one.tags()
    high = next(answer for answer in one.answers if answer.decision.level is Level.HIGH)
    assert len(high.decision.reasons) >= 3
    assert high.for_recipients[0].messages == ("grooming.high.child",)
    assert set(high.for_sender.codes) <= {"accept", "limited"}
    assert graph.database.cases.cases()
    stored = graph.database.pipeline.event(one.answers[2].event_id)
    assert stored is not None
    assert b"quibblesnatch" not in graph.sealer.open(stored.sealed, f"event:{stored.id}"), "what was written was not kept"


def test_a_coach_of_many_children_is_left_alone(graph: Nightlight, clock: FixedClock) -> None:
    coach = Encrypted(graph, clock)
    for number in range(25):
        coach.do("contact_request", number, relation="trusted")
        coach.do("contact_request", number, relation="trusted", outcome="accepted")
        coach.do("message", number, relation="trusted", text="")
    assert coach.tags() == {"allow"}


def test_where_traffic_may_not_be_processed_conduct_is_not_either(graph: Nightlight, clock: FixedClock) -> None:
    """Nobody has decided whether traffic data of direct conversations may be processed there, so it is not."""
    one = Encrypted(graph, clock, place="DE")
    for number in range(8):
        one.approach(number)
    assert one.tags() == {"allow"}
    account = graph.pseudonymiser("account", "grown")
    assert graph.database.pipeline.summaries([account]) == {}
    assert any(cell.startswith("traffic/") and "undecided" in cell for cell in one.answers[-1].decision.gate)
