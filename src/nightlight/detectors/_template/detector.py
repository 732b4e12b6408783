"""Counts contact requests that are sent again, to somebody who may be a child, after that person had declined or blocked.

Platforms report many declined requests to minors as a sign (Thorn/NCMEC 2024; WeProtect 2023). The numbers here are chosen for the
example, not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from nightlight.core.detect import Absorption, BaseDetector, Fact, Key, KeyKind, Observation, load_card
from nightlight.core.event import ContactOutcome, ContactRequest, EventBase, Party
from nightlight.core.features import Features
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

EACH_LEAVES = 0.7
"""Each repeat leaves this share of the doubt: two reach 0.51 (elevated), four 0.76 (high)."""


class Pair(Struct, frozen=True, tag="pair"):
    """What one account asked of one other. Two numbers, however long it goes on."""

    declined: bool = False
    repeats: int = 0


class Account(Struct, frozen=True, tag="account"):
    """What one account did over all its conversations."""

    repeats: int = 0


class AskedAgain(BaseDetector):
    card = load_card(Path(__file__).parent)
    state_type: Any = Pair | Account

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        if not isinstance(event, ContactRequest) or not event.actor.may_be_adult:
            return ()
        return tuple({Key.pair(event, event.actor.account, t.account): None for t in event.targets if t.may_be_minor})

    def new(self, key: Key) -> Pair | Account:
        return Account() if key.kind is KeyKind.ACCOUNT else Pair()

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        if not isinstance(event, ContactRequest):
            return Observation()
        changed: dict[Key, Pair] = {}
        signals, facts = [], []
        for target in event.targets:
            key = Key.pair(event, event.actor.account, target.account)
            old = states.get(key)
            if old is None or key in changed:
                continue
            again = old.declined and event.outcome is ContactOutcome.SENT
            declined = old.declined or event.outcome in (ContactOutcome.DECLINED, ContactOutcome.BLOCKED)
            new = Pair(declined=declined, repeats=old.repeats + again)
            if new != old:
                changed[key] = new
            if again:
                signals.append(self._signal(event, target, new.repeats, features))
                facts.append(self._fact(event, target))
        return Observation(states=changed, signals=tuple(signals), facts=tuple(facts))

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        """The second hop: what the account did in all conversations. Later events read it as a summary."""
        repeats = state.repeats + 1
        return Absorption(state=Account(repeats), summary={"repeats": float(repeats)})

    def _signal(self, event: EventBase, target: Party, repeats: int, features: Features) -> Signal:
        # The account's summary counts the repeats of this pair too; those to others weigh half, as nobody here has seen them.
        others = max(0.0, features.summary(event.actor.account, f"{self.card.name}.repeats") - (repeats - 1))
        return Signal(
            subject=Subject(SubjectKind.PAIR, f"{event.conversation}|{event.actor.account}|{target.account}"),
            harm=Harm.GROOMING,
            score=1.0 - EACH_LEAVES ** (repeats + others / 2),
            evidence=(Evidence(event.id, "Sent a contact request again to someone who had declined it"),),
            at=event.at,
            detector=self.card.name,
            version=self.card.version,
            stages=(Stage.CONTACT,),
            actor=event.actor.account,
            protects=target.account,
        )

    def _fact(self, event: EventBase, target: Party) -> Fact:
        return Fact(
            key=Key.account(event.actor.account),
            name="asked_again",
            at=event.at,
            event=event.id,
            detector=self.card.name,
            other=target.account,
        )
