"""A fold over conversations that sees grooming and sextortion: which themes one side has shown, how strongly, how fast, towards whom.

Themes interleave (Aitken 2018; Black 2015), so they are a set with velocity and not a ladder. Evidence is a sum over different cues,
each counted for its strength and fading slowly; what a child says to protect themselves takes nothing from the other side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.detect import Absorption, BaseDetector, Fact, Key, KeyKind, Observation, load_card
from nightlight.core.event import AgeBand, EventBase, Media, MediaScreened, Message, Party, Relation, Transcript, UserReport
from nightlight.core.features import Features
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

from .states import MONTH, PEAK_SHARE, Reach, Side, State, Talk, short, upgraded
from .weights import ASKS, REPORTS, UNEASE, WEIGHTS

LEAST = 0.2
"""Below this a finding is not worth a signal."""
FACT_STEPS = (0.15, 0.5, 0.75)
"""Scores at which the account's own memory is told about a person."""
MOST_EVIDENCE = 8
MOST_TARGETS = 8
"""People one report is taken to be about, and people of whom one side's memory derives facts."""
HOUR = 3600.0
DAY = 86_400.0
HELD = 0.15
"""A cue weaker than this no longer counts as a theme of the conversation."""
PERSISTED = "goes on asking after the other person said no or was afraid"


class Finding(Struct, frozen=True):
    """One thing this event shows about one side."""

    cue: str
    strength: float
    evidence: Evidence


class Grooming(BaseDetector):
    card = load_card(Path(__file__).parent)
    state_type: Any = Side | Talk | Reach

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        if isinstance(event, Message | Transcript) and (event.channel is not None or event.targets):
            # A line that shows nothing touches its author's memory only: most lines are such, and a look-up costs.
            shows = features.text is not None and bool(features.text.cues)
            return (Key.direction(event), Key.conversation(event)) if shows else (Key.direction(event),)
        if isinstance(event, Media | MediaScreened) and event.channel is not None:
            return (Key.conversation(event),)
        if isinstance(event, UserReport) and event.channel is not None and event.category in REPORTS:
            return (*(_direction(event, target.account) for target in _reported(event)), Key.conversation(event))
        return ()

    def new(self, key: Key) -> State:
        if key.kind is KeyKind.ACCOUNT:
            return Reach()
        return Talk() if key.kind is KeyKind.CONVERSATION else Side()

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        if isinstance(event, UserReport):
            return self._report(states, event, features)
        if isinstance(event, Media | MediaScreened):
            talk: Talk = states[Key.conversation(event)]
            return Observation({Key.conversation(event): replace(talk, media=max(talk.media, event.at.timestamp()))})
        return self._line(states, event, features)

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        """The second hop: whom this account approached over all its conversations within seven days."""
        reach: Reach = state.adding(short(fact.other or ""), fact.at.timestamp(), fact.value)
        count = len(reach.met)
        signals: tuple[Signal, ...] = ()
        if count >= 3:
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
        if version != 1:
            return super().upgrade(version, raw, key)  # type: ignore[no-any-return]
        return upgraded(raw)

    def _line(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        """One thing somebody wrote or said."""
        at = event.at.timestamp()
        own = Key.direction(event)
        before: Side = states[own]
        cues = features.text.cues if features.text is not None else ()
        if not cues:
            return Observation({own: before.aged(at).quieter()} if before.cues else {})
        shared = Key.conversation(event)
        talk: Talk = states[shared]
        me = short(event.actor.account)
        for cue in cues:
            if cue.name == "self_declared_age":
                talk = talk.declared(me)
            elif cue.name in UNEASE:
                talk = talk.refused(me, at)
        role = max(_role(event.actor, target, talk) for target in event.targets or (Party(account=""),))
        found = [
            Finding(cue.name, cue.strength * _closeness(event.relation, cue.name), Evidence(event.id, cue.reason, cue.span, cue.name))
            for cue in cues
            if cue.name in WEIGHTS
        ]
        asks = [finding for finding in found if finding.cue in ASKS]
        addressed = {short(t.account) for t in event.targets} or set(talk.uneasy) - {me}
        if asks and any(who in addressed and at - since <= MONTH for who, since in talk.uneasy.items()):
            strongest = max(asks, key=lambda finding: finding.strength)
            found.append(Finding("persists", strongest.strength, Evidence(event.id, PERSISTED, strongest.evidence.span, "persists")))
        if not found:
            changed: dict[Key, Any] = {own: before.aged(at).quieter()} if before.cues else {}
            return Observation({**changed, shared: talk} if talk is not states[shared] else changed)
        side = before.aged(at).towards(role)
        return self._judge(event, features, event.actor.account, _protected(event, talk), own, side, talk, found)

    def _report(self, states: Mapping[Key, Any], event: UserReport, features: Features) -> Observation:
        """Somebody told us about others: it weighs on those, as far as one person's word can."""
        cue, reason = REPORTS[event.category]
        shared = Key.conversation(event)
        talk: Talk = states[shared]
        changed: dict[Key, Any] = {}
        signals: list[Signal] = []
        facts: list[Fact] = []
        for target in _reported(event):
            own = _direction(event, target.account)
            before: Side = states[own]
            side = before.aged(event.at.timestamp()).towards(_role(target, event.actor, talk))
            found = [Finding(cue, 1.0, Evidence(event.id, reason, None, cue))]
            seen = self._judge(event, features, target.account, (event.actor.account,), own, side, talk, found)
            talk = seen.states[shared]
            changed.update(seen.states)
            signals.extend(seen.signals)
            facts.extend(seen.facts)
        return Observation(changed, tuple(signals), tuple(facts))

    def _judge(
        self,
        event: EventBase,
        features: Features,
        actor: str,
        protected: Sequence[str | None],
        own: Key,
        side: Side,
        talk: Talk,
        found: Sequence[Finding],
    ) -> Observation:
        """Fold findings about one side; say what is now believed."""
        at = event.at.timestamp()
        for finding in found:
            side = side.seen(finding.cue, finding.strength, at)
        # Approaching several children is itself a sign (Thorn/NCMEC 2024), read from what the second hop last committed.
        others = 1.0 + 0.08 * min(5.0, max(0.0, features.summary(actor, f"{self.card.name}.minors_approached") - 1.0))
        fresh_media = 1.25 if talk.media and at - talk.media <= DAY else 1.0
        held = [(WEIGHTS[name], one.strength) for name, one in side.cues.items() if name in WEIGHTS]
        grooming = sum(weight.grooming * strength for weight, strength in held) * side.role * _pace(side, at) * others
        sextortion = sum(weight.sextortion * strength for weight, strength in held) * side.role * fresh_media
        side = replace(side, grooming=max(side.grooming, grooming), sextortion=max(side.sextortion, sextortion))
        sums = {
            Harm.GROOMING: max(grooming, PEAK_SHARE * side.grooming),
            # Asking for a picture is no extortion: without a threat or a demand the sum stays below what is worth saying.
            Harm.SEXTORTION: max(sextortion, PEAK_SHARE * side.sextortion) if _coerces(side) else 0.0,
        }
        signals: list[Signal] = []
        for harm, total in sums.items():
            score = 1.0 - math.exp(-total)
            evidence = tuple(f.evidence for f in found if _counts(f.cue, harm))[:MOST_EVIDENCE]
            if not evidence or score < LEAST:
                continue
            # One subject for each person that one side turns to: each offender is judged alone, and each child is protected alone.
            signals.extend(
                Signal(
                    subject=Subject(SubjectKind.PAIR, Key.pair(event, actor, protects or "").id),
                    harm=harm,
                    score=score,
                    evidence=evidence,
                    at=event.at,
                    detector=self.card.name,
                    version=self.card.version,
                    stages=_stages(side, harm),
                    actor=actor,
                    protects=protects,
                )
                for protects in protected
            )
        side, facts = self._facts(event, actor, side, 1.0 - math.exp(-max(sums.values())))
        return Observation({own: side, Key.conversation(event): talk}, tuple(signals), facts)

    def _facts(self, event: EventBase, actor: str, side: Side, score: float) -> tuple[Side, tuple[Fact, ...]]:
        """What the account's own memory should know: each person once, and again where it has grown graver."""
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
            if told.get(who, 0) < step and (who in told or len(told) < MOST_TARGETS):
                told[who] = step
                facts.append(
                    Fact(
                        key=Key.account(actor),
                        name="minor_approached",
                        at=event.at,
                        event=event.id,
                        detector=self.card.name,
                        other=person.account,
                        value=value,
                    )
                )
        return replace(side, told=told), tuple(facts)


def _direction(event: EventBase, account: str) -> Key:
    return Key(KeyKind.DIRECTION, f"{event.conversation}|{account}")


def _protected(event: EventBase, talk: Talk) -> tuple[str | None, ...]:
    """Whom a line may harm: those addressed who may be children, the likeliest first; where there is none, the one it weighs most on."""
    ranked = sorted(event.targets, key=lambda target: -_role(event.actor, target, talk))
    children = [target.account for target in ranked if target.may_be_minor][:MOST_TARGETS]
    return tuple(children) or ((ranked[0].account,) if ranked else (None,))


def _reported(event: UserReport) -> list[Party]:
    """The people a report is about, each once; more than a few is no report about anybody."""
    return list({target.account: target for target in event.targets}.values())[:MOST_TARGETS]


def _role(actor: Party, target: Party, talk: Talk) -> float:
    """How much a line weighs by who says it to whom. What an account says of its own age never makes it weigh less."""
    told_young = short(target.account) in talk.minors
    if not target.may_be_minor and target.assurance.is_assured:
        towards = 0.15
    elif not target.may_be_minor and not told_young:
        # Children say they are older than they are.
        towards = 0.6
    else:
        towards = 1.0
    if actor.age_band is AgeBand.ADULT:
        return 1.25 * towards
    if actor.may_be_adult:
        return towards
    # Assured to be a child: a mild lowering among peers, none where the other is much younger.
    bands = list(AgeBand)
    much_younger = target.age_band.is_minor and bands.index(actor.age_band) - bands.index(target.age_band) >= 2
    return (1.0 if much_younger else 0.75) * towards


def _closeness(relation: Relation, cue: str) -> float:
    """Family asks where a child is and picks them up. Secrecy, isolation and coercion weigh the same from anybody."""
    if not WEIGHTS[cue].innocent:
        return 1.0
    return {Relation.FAMILY: 0.5, Relation.TRUSTED: 0.7}.get(relation, 1.0)


def _pace(side: Side, at: float) -> float:
    """More for several themes, and more again for several within an hour (WeProtect 2023: 45 minutes on average)."""
    held = [(WEIGHTS[name].stage, h) for name, h in side.cues.items() if name in WEIGHTS and h.strength >= HELD]
    themes = len({stage for stage, _ in held})
    quick = len({stage for stage, h in held if at - h.last <= HOUR})
    return (1.0 + 0.15 * max(0, themes - 1)) * (1.0 + 0.08 * max(0, quick - 2))


def _coerces(side: Side) -> bool:
    return any(WEIGHTS[name].stage is Stage.COERCION for name in side.cues if name in WEIGHTS)


def _counts(cue: str, harm: Harm) -> bool:
    weight = WEIGHTS[cue]
    return (weight.sextortion if harm is Harm.SEXTORTION else weight.grooming) > 0.0


def _stages(side: Side, harm: Harm) -> tuple[Stage, ...]:
    """The themes shown, in the order in which each was first seen."""
    first: dict[Stage, float] = {}
    for name, held in side.cues.items():
        if name in WEIGHTS and _counts(name, harm):
            stage = WEIGHTS[name].stage
            first[stage] = min(held.first, first.get(stage, math.inf))
    return tuple(sorted(first, key=lambda stage: (first[stage], list(Stage).index(stage))))
