"""Grooming, over the shared fold of conversations: what the cues held come to, and whom one account approached in all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from nightlight.core.detect import Absorption, Fact, Key, KeyKind, load_card
from nightlight.core.event import EventBase, UserReport
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind
from nightlight.detectors._conversation import ConversationFold, Side, Talk, Weight, short

from .states import Reach, State, upgraded
from .weights import WEIGHTS

FACT_STEPS = (0.15, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Scores at which the account's own memory is told about a person, and what it is told: with the score of just then, a side that came to
a step sooner would be remembered with less."""
MOST_TOLD = 8
"""People of whom one side's memory derives facts."""
HOUR = 3600.0
HELD = 0.15
"""A cue weaker than this no longer counts as a theme of the conversation."""
SEVERAL = 3
"""People approached from whom on there is a finding about the account."""


class Grooming(ConversationFold):
    card = load_card(Path(__file__).parent)
    state_type: Any = Side | Talk | Reach
    harm = Harm.GROOMING
    weights: Mapping[str, Weight] = WEIGHTS
    fan_out = 0.08

    def new(self, key: Key) -> State:
        return Reach() if key.kind is KeyKind.ACCOUNT else super().new(key)

    def total(self, side: Side, at: float) -> float:
        return self.summed(side) * self._pace(side, at)

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        """The second hop: whom this account approached over all its conversations within seven days."""
        reach: Reach = state.adding(short(fact.other or ""), fact.at.timestamp(), fact.value)
        count = len(reach.met)
        signals: tuple[Signal, ...] = ()
        if count >= SEVERAL:
            # As independent witnesses, each worth half: the conversations have assessments of their own.
            score = 1.0 - math.prod(1.0 - met.score / 2 for met in reach.met)
            signals = (
                Signal(
                    subject=Subject(SubjectKind.ACCOUNT, fact.key.id),
                    harm=Harm.GROOMING,
                    score=score,
                    evidence=(Evidence(fact.event, f"approached {count} people who may be children in this way within seven days"),),
                    at=fact.at,
                    detector=self.card.name,
                    version=self.card.version,
                    stages=(Stage.CONTACT,),
                    actor=fact.key.id,
                    protects=fact.other,
                ),
            )
        return Absorption(reach, {"minors_approached": float(count)}, signals)

    def upgrade(self, version: int, raw: bytes, key: Key) -> State:
        if version not in (1, 2, 3):
            return super().upgrade(version, raw, key)  # type: ignore[no-any-return]
        return upgraded(version, raw)

    def facts(self, event: EventBase, actor: str, side: Side, score: float) -> tuple[Side, tuple[Fact, ...]]:
        """Each person once, and again where it has grown graver."""
        people = (event.actor,) if isinstance(event, UserReport) else event.targets
        # A line to a whole room is no approach to each who is in it.
        value = score / max(1, len(people))
        step = sum(value >= least for least in FACT_STEPS)
        if not step:
            return side, ()
        told = dict(side.told)
        facts = []
        for person in [p for p in people if p.may_be_minor]:
            who = short(person.account)
            if told.get(who, 0) < step and (who in told or len(told) < MOST_TOLD):
                told[who] = step
                facts.append(
                    Fact(
                        key=Key.account(actor),
                        name="minor_approached",
                        at=event.at,
                        event=event.id,
                        detector=self.card.name,
                        other=person.account,
                        value=FACT_STEPS[step - 1],
                    )
                )
        return replace(side, told=told), tuple(facts)

    def _pace(self, side: Side, at: float) -> float:
        """More for several themes, and more again for several within an hour (WeProtect 2023: 45 minutes on average)."""
        held = self.held(side, HELD)
        themes = len({stage for stage, _ in held})
        quick = len({stage for stage, last in held if at - last <= HOUR})
        return (1.0 + 0.15 * max(0, themes - 1)) * (1.0 + 0.08 * max(0, quick - 2))
