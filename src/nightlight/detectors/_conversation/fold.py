"""The fold over conversations: which themes one side has shown, how strongly, how fast, towards whom.

Themes interleave (Aitken 2018; Black 2015), so they are a set with velocity and not a ladder. Evidence is a sum over different cues,
each counted for its strength and fading slowly; what a child says to protect themselves takes nothing from the other side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.detect import BaseDetector, Fact, Key, KeyKind, Observation
from nightlight.core.event import EventBase, Media, MediaScreened, Message, Party, Transcript, UserReport
from nightlight.core.features import Cue, Features, Sense, TextFeatures
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import NOT_READ, Evidence, Signal, Subject, SubjectKind, Unread

from .circumstances import Circumstance, circumstances, multiplied
from .parties import closeness, direction, protected, reported, role
from .states import MONTH, PEAK_SHARE, UNREAD_WORDS, Side, Talk, short
from .weights import ASKS, CONDUCT, DECLARES_AGE, PERSISTS, REPORTS, UNEASE, Weight

LEAST = 0.2
"""Below this a finding is not worth a signal."""
MOST_EVIDENCE = 8
ENCODE_NEW, ENCODE_KNOWN = 0.15, 0.1
"""How near the cheap features must come to a cue before the encoder is asked: of somebody of whom nothing is known, and of others."""
SURE = 0.3
"""A refusal or fear weaker than this is too unsure to be held against whoever goes on asking."""
SHOWN = 0.2
"""A finding weaker than this adds to the score, but says of no stage that it was seen."""
LIKENESS_FADES, LIKENESS_FROM, LIKENESS_LOSES = 0.12, 3, 0.2
"""What a learned likeness loses for each e-fold of harmless lines of its author beyond so many, and at most: who writes for long will
sooner or later write a line that is like a risky one by chance. A phrase loses nothing, nor does what was held before, and a strong
likeness counts after any number of lines. Chosen on authors that heads and encoder had not seen, plain and with ten lines of others to
each."""
UNTOLD = "und"
NOT_READ_BECAUSE = {
    Unread.LANGUAGE: "writes in a language that is not read, so it was not judged",
    Unread.NO_TEXT: "wrote something that could not be read, so it was not judged",
}
GOES_ON = "goes on asking after the other person said no or was afraid"


class Finding(Struct, frozen=True):
    """One thing this event shows about one side."""

    cue: str
    strength: float
    evidence: Evidence


class ConversationFold(BaseDetector):
    """Subclasses set `card`, `harm` and `weights`, and say in `total` what the cues held come to."""

    state_type: Any = Side | Talk
    harm: Harm
    weights: Mapping[str, Weight]

    fan_out: float
    """What each person approached elsewhere adds, see `circumstances`."""

    def total(self, side: Side, at: float) -> float:
        """What this side's lines come to, as a sum from 0 up; 0 where it is not this harm. Never falls where a cue grows."""
        raise NotImplementedError

    def around(self, features: Features, actor: Party, people: Sequence[Party], talk: Talk, at: float) -> list[Circumstance]:
        """What else is known, and multiplies that sum."""
        return circumstances(features, actor, people, at, self.fan_out)

    def facts(self, event: EventBase, actor: str, side: Side, score: float) -> tuple[Side, tuple[Fact, ...]]:
        """What the account's own memory should know, and the side that remembers having told it."""
        return side, ()

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        if isinstance(event, Message | Transcript) and (event.channel is not None or event.targets):
            # A line that shows nothing touches its author's memory only: most lines are such, and a look-up costs.
            shows = features.text is not None and (self._heeds(features.text) or _may_ask(features.text))
            return (Key.direction(event), Key.conversation(event)) if shows else (Key.direction(event),)
        if isinstance(event, Media | MediaScreened) and event.channel is not None:
            return (Key.conversation(event),)
        if isinstance(event, UserReport) and event.channel is not None and self._report_of(event) is not None:
            return (*(direction(event, target.account) for target in reported(event)), Key.conversation(event))
        return ()

    def new(self, key: Key) -> Any:
        return Talk() if key.kind is KeyKind.CONVERSATION else Side()

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        """The encoder, where the cheap features come near a cue; less near is enough once something is known of this side."""
        text = features.text
        if not isinstance(event, Message | Transcript) or text is None or not _may_ask(text):
            return frozenset()
        if _among_adults(event):
            return frozenset()  # among assured adults hardly any line weighs enough
        side = states.get(Key.direction(event))
        known = isinstance(side, Side) and bool(side.cues)
        return frozenset({Sense.MEANING}) if text.hint >= (ENCODE_KNOWN if known else ENCODE_NEW) else frozenset()

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        if isinstance(event, UserReport):
            return self._report(states, event, features)
        if isinstance(event, Media | MediaScreened):
            talk: Talk = states[Key.conversation(event)]
            return Observation({Key.conversation(event): replace(talk, media=max(talk.media, event.at.timestamp()))})
        return self._line(states, event, features)

    def _heeds(self, text: TextFeatures) -> bool:
        """Whether a cue changes more than how its author's earlier ones fade."""
        return any(cue.name in self.weights or cue.name in ASKS or cue.name in UNEASE or cue.name == DECLARES_AGE for cue in text.cues)

    def _report_of(self, event: UserReport) -> tuple[str, str] | None:
        cue, reason = REPORTS.get(event.category, ("", ""))
        return (cue, reason) if cue in self.weights else None

    def _line(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        """One thing somebody wrote or said."""
        at = event.at.timestamp()
        own, shared = Key.direction(event), Key.conversation(event)
        before: Side = states[own]
        cues = features.text.cues if features.text is not None else ()
        unread = self._unread(event, features)
        # What could not be read is no harmless line.
        conduct = [cue for cue in cues if cue.name in CONDUCT]
        after = before
        if unread is None and not any(cue.strength >= SHOWN for cue in conduct):
            after = after.harmless(event.id)
            if not conduct:
                after = after.quieter(at)
        faded = {own: after} if after is not before else {}
        # Without its memory nothing of this line can be weighed: the cheap features came near no cue, so another detector had it read.
        if shared not in states or not cues:
            return Observation(faded) if unread is None else self._abstain(event, unread, features, own, before)
        talk: Talk = states[shared]
        me = short(event.actor.account)
        for cue in cues:
            if cue.name == DECLARES_AGE:
                talk = talk.declared(me)
            elif cue.name in UNEASE and cue.strength >= SURE:
                talk = talk.refused(me, at)
        found = [
            Finding(
                cue.name,
                strength * closeness(event.relation, cue.name, len(event.targets)),
                Evidence(event.id, cue.reason, cue.span, cue.name, at=event.at),
            )
            for cue in conduct
            if (strength := _counted(cue, before.lines)) > 0
        ]
        found.extend(_persists(event, talk, found))
        found = [finding for finding in found if finding.cue in self.weights]
        if not found:
            seen = Observation(faded) if unread is None else self._abstain(event, unread, features, own, before)
            return replace(seen, states={**seen.states, shared: talk}) if talk is not states[shared] else seen
        weighs = max(role(event.actor, target, talk) for target in event.targets or (Party(account=""),))
        side = after.aged(at).towards(weighs)
        if unread is not None:
            side = side.missed(unread, _words(unread, features))
        around = self.around(features, event.actor, event.targets, talk, at)
        seen = self._judge(event, event.actor.account, protected(event, talk), own, side, talk, found, around)
        return replace(seen, unread=unread)

    def _unread(self, event: EventBase, features: Features) -> Unread | None:
        """Why the line could not be read, where it could not. A language that cannot be told is taken for one that is read."""
        if features.text is None:
            return Unread.NO_TEXT if event.content.strip() else None
        language = features.text.language
        return None if language == UNTOLD or language.partition("-")[0] in self.card.languages else Unread.LANGUAGE

    def _abstain(self, event: EventBase, why: Unread, features: Features, own: Key, before: Side) -> Observation:
        """A line that nobody could judge. Said of this event each time, and of the side once, when it is sure."""
        side = before.missed(why, _words(why, features))
        if side == before:
            return Observation(unread=why)
        if side.lacks == before.lacks:
            return Observation({own: side}, unread=why)
        asked = () if _among_adults(event) else protected(event, Talk())
        signals = tuple(
            Signal(
                subject=Subject(SubjectKind.PAIR, Key.pair(event, event.actor.account, person or "").id),
                harm=self.harm,
                score=0.0,
                evidence=(Evidence(event.id, NOT_READ_BECAUSE[why], None, NOT_READ, at=event.at),),
                at=event.at,
                detector=self.card.name,
                version=self.card.version,
                stages=side.stages,
                timeline=side.timeline,
                unread=side.lacks,
                actor=event.actor.account,
                protects=person,
                abstained=True,
            )
            for person in asked
        )
        return Observation({own: side}, signals, unread=why)

    def _report(self, states: Mapping[Key, Any], event: UserReport, features: Features) -> Observation:
        """Somebody told us about others: it weighs on those, as far as one person's word can."""
        told = self._report_of(event)
        if told is None:
            return Observation()
        cue, reason = told
        shared = Key.conversation(event)
        talk: Talk = states[shared]
        changed: dict[Key, Any] = {}
        signals: list[Signal] = []
        facts: list[Fact] = []
        for target in reported(event):
            own = direction(event, target.account)
            before: Side = states[own]
            side = before.aged(event.at.timestamp()).towards(role(target, event.actor, talk))
            found = [Finding(cue, 1.0, Evidence(event.id, reason, None, cue, at=event.at))]
            around = self.around(features, target, (event.actor,), talk, event.at.timestamp())
            seen = self._judge(event, target.account, (event.actor.account,), own, side, talk, found, around)
            talk = seen.states[shared]
            changed.update(seen.states)
            signals.extend(seen.signals)
            facts.extend(seen.facts)
        return Observation(changed, tuple(signals), tuple(facts))

    def _judge(
        self,
        event: EventBase,
        actor: str,
        protects: Sequence[str | None],
        own: Key,
        side: Side,
        talk: Talk,
        found: Sequence[Finding],
        around: Sequence[Circumstance],
    ) -> Observation:
        """Fold findings about one side; say what is now believed."""
        at = event.at.timestamp()
        for finding in found:
            side = side.seen(finding.cue, finding.strength, at)
        for stage in dict.fromkeys(self.weights[finding.cue].stage for finding in found if finding.strength >= SHOWN):
            side = side.shown(stage, at, event.id)
        total = self.total(side, at) * multiplied(around)
        side = replace(side, most=max(side.most, total))
        score = 1.0 - math.exp(-max(total, PEAK_SHARE * side.most))
        signals: tuple[Signal, ...] = ()
        if score >= LEAST:
            new = [one for one in around if one.name not in side.around]
            side = replace(side, around=(*side.around, *(one.name for one in new)))
            also = (Evidence(event.id, one.reason, None, one.name, at=event.at) for one in new)
            # The lines last: where an assessment keeps only the latest, those are what a person reads.
            evidence = (*also, *(finding.evidence for finding in found))[-MOST_EVIDENCE:]
            # One subject for each person that one side turns to: each offender is judged alone, and each child is protected alone.
            signals = tuple(
                Signal(
                    subject=Subject(SubjectKind.PAIR, Key.pair(event, actor, person or "").id),
                    harm=self.harm,
                    score=score,
                    evidence=evidence,
                    at=event.at,
                    detector=self.card.name,
                    version=self.card.version,
                    stages=side.stages,
                    timeline=side.timeline,
                    unread=side.lacks,
                    actor=actor,
                    protects=person,
                )
                for person in protects
            )
        side, facts = self.facts(event, actor, side, score)
        return Observation({own: side, Key.conversation(event): talk}, signals, facts)

    def summed(self, side: Side) -> float:
        """The cues held, each for its strength and its weight, for who says it to whom."""
        return sum(self.weights[name].weight * held.strength for name, held in side.cues.items() if name in self.weights) * side.role

    def held(self, side: Side, least: float) -> list[tuple[Stage, float]]:
        """The theme of each cue that is at least so strong, and when that cue was last seen."""
        return [(self.weights[name].stage, h.last) for name, h in side.cues.items() if name in self.weights and h.strength >= least]


def _counted(cue: Cue, lines: int) -> float:
    """How strong a cue is after so many harmless lines of its author."""
    if not cue.likeness:
        return cue.strength
    return cue.strength - min(LIKENESS_LOSES, LIKENESS_FADES * math.log(max(1.0, lines / LIKENESS_FROM)))


def _words(why: Unread, features: Features) -> int:
    """How much an unread line adds. A failure is sure at once; a script without spaces has words of its own length."""
    if why is Unread.NO_TEXT or features.text is None or features.text.language.startswith(f"{UNTOLD}-"):
        return UNREAD_WORDS
    return features.text.words


def _among_adults(event: EventBase) -> bool:
    """Whether everybody addressed is assured to be an adult."""
    return bool(event.targets) and all(not target.may_be_minor and target.assurance.is_assured for target in event.targets)


def _may_ask(text: TextFeatures) -> bool:
    return text.hint >= ENCODE_KNOWN


def _persists(event: EventBase, talk: Talk, found: Sequence[Finding]) -> list[Finding]:
    """Asking on after somebody addressed said no, or was afraid, within a month."""
    asks = [finding for finding in found if finding.cue in ASKS]
    addressed = {short(t.account) for t in event.targets} or set(talk.uneasy) - {short(event.actor.account)}
    at = event.at.timestamp()
    refusing = [who for who, since in talk.uneasy.items() if who in addressed and at - since <= MONTH]
    if not asks or not refusing:
        return []
    strongest = max(asks, key=lambda finding: finding.strength)
    pressed = min(1.0, strongest.strength * (0.75 + 0.25 * max(talk.noes.get(who, 1) for who in refusing)))
    return [Finding(PERSISTS, pressed, Evidence(event.id, GOES_ON, strongest.evidence.span, PERSISTS, at=event.at))]
