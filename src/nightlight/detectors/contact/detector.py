"""A fold over deeds, never words: who approaches whom, in which ways, how fast, against which refusals, and how many others as well.

It reads that a message or a picture was sent, never what is in it, so it works where content may not or cannot be read. Memory of a pair is
in their conversation; memory of an account over all its conversations is a second hop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from nightlight.core.detect import Absorption, BaseDetector, Fact, Key, KeyKind, Observation, load_card
from nightlight.core.event import (
    AgeBand,
    ContactOutcome,
    ContactRequest,
    EventBase,
    Follow,
    Gift,
    Link,
    Media,
    MediaScreened,
    Message,
    Party,
    Relation,
    Reward,
    Transcript,
)
from nightlight.core.features import Features
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

from .belief import WIDE, Part, Wide, belief, towards_one, towards_several, widely
from .states import BANDS, MOST_COUNTED, MOST_RECENT, TALKING, Person, Reach, Side, State, Tie, short
from .weights import CLOSENESS, DAY, HOUR, LEAST, OPENNESS, STAGES, addressed, speaker

MOST_ASKED = 32
"""People one request may go to and still be followed for each; sums are at their most before."""
MOST_GIVEN = 8
MOST_WRITTEN = 3
"""A line to more people is no approach to any of them."""
WORTH_TELLING = 0.1
NO_RELATION = 0.5
"""Closeness from which on a gift is one to somebody whom the account has no relation to, and not in front of everybody."""
JUST_MET = 0.6
"""How much of an approach a gift is to a contact who was won here, by a request, and has not begun to talk."""
WORTH_TELLING_OF_A_LINE = 0.4
"""Weights below which the account's own memory is not told: lines between contacts, and where others look on, are no approach."""
AGAIN_AFTER = 12 * HOUR
"""How long an approach by message is not told to the account's memory anew."""
MOST_EVIDENCE = 6
ANSWERS = {ContactOutcome.ACCEPTED: 0, ContactOutcome.IGNORED: 1, ContactOutcome.DECLINED: 2, ContactOutcome.BLOCKED: 3}
ABSTAINS = "approaches somebody in several ways, but the age of neither is known, so this is not scored"
TOLD = {"approached": "approach", "refused": "refusal", "blocked": "blocked", "given": "gift", "asked_again": "again"}
"""Name of a fact to the field of `Person` that holds its weight."""


class Deed(Struct, frozen=True):
    """One event as one side's deed towards one person."""

    event: EventBase
    kind: str
    by: str
    to: str
    at: float
    closeness: float
    """0 to 1: how much of an approach it is by relation and by where it happens."""


class Contact(BaseDetector):
    card = load_card(Path(__file__).parent)
    state_type: Any = Tie | Reach

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return tuple(_tie(event, target.account) for target in _people(event))

    def new(self, key: Key) -> State:
        return Reach() if key.kind is KeyKind.ACCOUNT else Tie()

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        changed: dict[Key, Any] = {}
        signals: list[Signal] = []
        facts: list[Fact] = []
        for target in _people(event):
            key = _tie(event, target.account)
            old: Tie = states[key]
            new = self._between(old, event, target, features, signals, facts)
            if new is not old:
                changed[key] = new
        return Observation(changed, tuple(signals), tuple(facts))

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        """The second hop: towards whom this account did what, over all its conversations within seven days."""
        name, _, band = fact.name.partition(":")
        bit = 1 << BANDS.index(band) if band in BANDS else 0
        person = Person(who=short(fact.other or ""), at=fact.at.timestamp(), band=bit)
        reach: Reach = state.adding(replace(person, **{TOLD[name]: fact.value}))
        wide = widely(reach)
        parts = towards_several(wide, wide.at)
        score = belief(parts)
        signals: tuple[Signal, ...] = ()
        if score >= LEAST:
            signals = (self._signal(SubjectKind.ACCOUNT, fact.key.id, score, parts, fact.event, fact.at, fact.key.id, fact.other),)
        return Absorption(reach, {name: float(value) for name, value in asdict(wide).items()}, signals)

    def _between(self, tie: Tie, event: EventBase, target: Party, features: Features, signals: list[Signal], facts: list[Fact]) -> Tie:
        """One event between two people: what is remembered of them after it."""
        at = event.at.timestamp()
        actor_first = event.actor.account <= target.account
        own, other = (tie.first, tie.second) if actor_first else (tie.second, tie.first)
        aged = AgeBand.UNKNOWN not in (event.actor.age_band, target.age_band) or event.actor.age_band is not target.age_band
        mine = own.awake(at).known(speaker(event.actor, target), addressed(target), aged)
        theirs = other.awake(at).known(speaker(target, event.actor), addressed(event.actor), aged)

        if isinstance(event, ContactRequest) and event.outcome in ANSWERS:
            # The actor is whoever asked; where only the other side did, whoever answered. Where both did, it counts for both.
            i_asked, they_asked = mine.asked or not theirs.asked, theirs.asked
            closeness = _closeness(event, accepted=mine.accepted or theirs.accepted)
            if i_asked:
                deed = Deed(event, "answer", event.actor.account, target.account, at, closeness)
                mine = self._judge(self._answered(mine, deed, event.actor, target, facts), deed, mine, features, signals)
            if they_asked:
                deed = Deed(event, "answer", target.account, event.actor.account, at, closeness)
                theirs = self._judge(self._answered(theirs, deed, target, event.actor, facts), deed, theirs, features, signals)
        else:
            kind = _kind(event)
            closeness = _closeness(event, accepted=mine.accepted or theirs.accepted)
            if kind == "gift" and event.relation in (Relation.UNKNOWN, Relation.CONTACT) and mine.requests and theirs.wrote < TALKING:
                closeness = max(closeness, JUST_MET)
            closeness *= _openness(event)
            deed = Deed(event, kind, event.actor.account, target.account, at, closeness)
            mark = _mark(event)
            if mark == mine.line or mark in mine.recent:  # the same deed under another id
                return tie
            before = mine
            mine = _done(mine, theirs, deed, mark)
            if mine.aged:
                mine = self._tell(mine, before, theirs, deed, event.actor, target, facts)
            mine = self._judge(mine, deed, before, features, signals)
            if kind == "message" and theirs == other and _same(mine, own, at):
                return tie
        mine = replace(mine, at=max(mine.at, at))
        first, second = (mine, theirs) if actor_first else (theirs, mine)
        return Tie(first=first, second=second)

    def _answered(self, side: Side, deed: Deed, asker: Party, target: Party, facts: list[Fact]) -> Side:
        """A request of this side was answered, or left without an answer."""
        grade = ANSWERS[deed.event.outcome] if isinstance(deed.event, ContactRequest) else 0
        new = replace(side, refused=max(side.refused, grade), accepted=side.accepted or grade == 0)
        if grade and side.aged:
            weight = speaker(asker, target) * addressed(target)
            # A refusal by somebody whom one knows says little; a block, and asking again, say the same of anybody.
            value = weight if grade == 3 else weight * deed.closeness * (0.3 if grade == 1 else 1.0)
            self._fact(facts, deed.event, asker, target, "blocked" if grade == 3 else "refused", value)
            if not side.asked:  # the request itself was not reported, or in another channel
                self._fact(facts, deed.event, asker, target, "approached", weight * deed.closeness)
        return new

    def _tell(self, side: Side, before: Side, theirs: Side, deed: Deed, actor: Party, target: Party, facts: list[Fact]) -> Side:
        """What the account's own memory should know of it."""
        weight = speaker(actor, target) * addressed(target)
        if side.again > before.again:
            self._fact(facts, deed.event, actor, target, "asked_again", weight * min(1.0, side.again - before.again))
        if deed.kind == "gift" and deed.closeness >= NO_RELATION:
            self._fact(facts, deed.event, actor, target, "given", weight * deed.closeness)
        approach = weight * deed.closeness * (0.3 if deed.kind == "follow" else 1.0)
        if approach < WORTH_TELLING or not target.may_be_minor:
            return side
        if deed.kind == "message":
            if approach < WORTH_TELLING_OF_A_LINE or theirs.wrote >= TALKING or (side.told and deed.at - side.told < AGAIN_AFTER):
                return side
            side = replace(side, told=max(side.told, deed.at))
        self._fact(facts, deed.event, actor, target, "approached", approach)
        return side

    def _fact(self, facts: list[Fact], event: EventBase, actor: Party, target: Party, name: str, value: float) -> None:
        if value >= WORTH_TELLING and target.may_be_minor:
            facts.append(
                Fact(
                    key=Key.account(actor.account),
                    name=f"{name}:{target.age_band}",
                    at=event.at,
                    event=event.id,
                    detector=self.card.name,
                    other=target.account,
                    value=value,
                )
            )

    def _judge(self, side: Side, deed: Deed, before: Side, features: Features, signals: list[Signal]) -> Side:
        """What is now believed of one side towards one person."""
        line = deed.kind == "message"
        known = deed.by in features.summaries
        if line and not known and (side.alone, side.quick) == (before.alone, before.quick):
            return side  # most lines: nothing new to weigh
        own = towards_one(side)
        wide = towards_several(self._wide(features, deed.by), deed.at, side.toward) if known else []
        score = belief([*own, *wide])
        held = side.believed(deed.at)
        if max(score, held) < LEAST:
            return side
        if not side.aged:
            if score <= held:
                return side
            signals.append(self._abstention(deed))
            return side.saying(score, deed.at)
        had = {part.cue: part.value for part in towards_one(before)}
        fresh = [] if line else [part for part in own if had.get(part.cue, 0.0) < part.value]
        parts = list(dict.fromkeys((*fresh, *sorted((*own, *wide), key=lambda p: -p.value))))
        if not parts or (score <= held and not fresh):
            return side
        believed = max(score, held)
        subject = Key.pair(deed.event, deed.by, deed.to).id
        signals.append(self._signal(SubjectKind.PAIR, subject, believed, parts, deed.event.id, deed.event.at, deed.by, deed.to))
        return side.saying(believed, deed.at)

    def _wide(self, features: Features, account: str) -> Wide:
        return Wide(**{name: features.summary(account, f"{self.card.name}.{name}") for name in WIDE})

    def _signal(
        self, kind: SubjectKind, subject: str, score: float, parts: Sequence[Part], event: str, at: Any, actor: str, protects: str | None
    ) -> Signal:
        stages = dict.fromkeys((Stage.CONTACT, *(STAGES[part.cue] for part in parts if part.cue in STAGES)))
        return Signal(
            subject=Subject(kind, subject),
            harm=Harm.GROOMING,
            score=score,
            evidence=tuple(Evidence(event, part.reason, None, part.cue) for part in parts[:MOST_EVIDENCE]),
            at=at,
            detector=self.card.name,
            version=self.card.version,
            stages=tuple(stages),
            actor=actor,
            protects=protects,
        )

    def _abstention(self, deed: Deed) -> Signal:
        return Signal(
            subject=Subject(SubjectKind.PAIR, Key.pair(deed.event, deed.by, deed.to).id),
            harm=Harm.GROOMING,
            score=0.0,
            evidence=(Evidence(deed.event.id, ABSTAINS),),
            at=deed.event.at,
            detector=self.card.name,
            version=self.card.version,
            actor=deed.by,
            protects=deed.to,
            abstained=True,
        )


def _kind(event: EventBase) -> str:
    """The way of approach; empty for events that are none."""
    if isinstance(event, Message | Transcript | Link):
        return "message"
    if isinstance(event, Media | MediaScreened):
        return "media"
    if isinstance(event, ContactRequest):
        return "request"
    if isinstance(event, Gift):
        return "gift"
    if isinstance(event, Reward):
        return "rank"
    return "follow" if isinstance(event, Follow) and event.following else ""


def _people(event: EventBase) -> list[Party]:
    """Towards whom the event is a deed of its actor, each once; nobody where both are assured to be adults, or where it is to a crowd."""
    kind = _kind(event)
    most = {"": 0, "request": MOST_ASKED, "gift": MOST_GIVEN, "rank": MOST_GIVEN, "follow": MOST_ASKED}.get(kind, MOST_WRITTEN)
    if not most or (len(event.targets) > most and kind != "request"):
        return []
    grown = event.actor.age_band is AgeBand.ADULT and event.actor.assurance.is_assured
    people = {t.account: t for t in event.targets[:most] if t.account != event.actor.account}
    return [t for t in people.values() if not (grown and not t.may_be_minor and t.assurance.is_assured)]


def _tie(event: EventBase, target: str) -> Key:
    """One memory for both directions, whoever acts."""
    first, second = sorted((event.actor.account, target))
    return Key.pair(event, first, second)


def _closeness(event: EventBase, *, accepted: bool) -> float:
    relation = event.relation
    # The service's own word holds; where it has none, an accepted request makes a contact.
    if relation is Relation.UNKNOWN and accepted:
        relation = Relation.CONTACT
    mutual = event.mutual_contacts if isinstance(event, ContactRequest) else None
    return CLOSENESS[relation] * (1.0 if not mutual else 0.7 if mutual < 5 else 0.5)


def _openness(event: EventBase) -> float:
    if event.channel is None or isinstance(event, ContactRequest | Follow):
        return 1.0
    return OPENNESS[event.channel.kind]


def _mark(event: EventBase) -> int:
    """Stands for a deed, so that the same one under another id is known."""
    return short(event.kind, str(event.at), event.relation, str(getattr(event, "value", "")), str(getattr(event, "unit", "")))


def _done(side: Side, theirs: Side, deed: Deed, mark: int) -> Side:
    """The side after its deed."""
    closeness = deed.closeness
    talking = theirs.wrote >= TALKING
    if deed.kind == "message":
        side = replace(side, wrote=min(TALKING, side.wrote + 1))
        if talking:
            return side
        alone = min(float(MOST_COUNTED), side.alone + closeness)
        return replace(side, alone=alone, line=mark).doing("message", deed.at, closeness)
    if deed.kind == "request":
        again = 0.0 if side.refused < 2 else 0.5 if deed.event.relation in (Relation.FAMILY, Relation.TRUSTED) else 1.0
        side = replace(
            side,
            requests=min(MOST_COUNTED, side.requests + (not side.accepted)),
            asked=True,
            again=min(float(MOST_COUNTED), side.again + again),
        )
    elif deed.kind == "gift":
        early = side.early_gift if talking else max(side.early_gift, closeness)
        side = replace(side, gifts=min(MOST_COUNTED, side.gifts + 1), gift=max(side.gift, closeness), early_gift=early)
    elif deed.kind == "rank":
        side = replace(side, ranks=min(float(MOST_COUNTED), side.ranks + closeness))
    elif deed.kind == "media":
        opened = max(side.kinds.get(kind, 0.0) for kind in ("request", "follow", "gift"))
        if deed.at - opened <= DAY:
            side = replace(side, media=max(side.media, closeness))
    return replace(side, recent=(*side.recent, mark)[-MOST_RECENT:]).doing(deed.kind, deed.at, closeness)


def _same(new: Side, old: Side, at: float) -> bool:
    """Whether a message left nothing to remember: most are such, and must cost no write."""
    return at - old.at < DAY and replace(new, at=old.at) == old
