"""Words or reports that say a life is in danger. One is enough: the score is high at once, and never waits for a second.

Manners of speaking ("kms", "ill kill you" in a game) are cues of little strength and stay low however often they are said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from nightlight.core.detect import BaseDetector, Key, Observation, load_card
from nightlight.core.event import ChannelKind, EventBase, ReportCategory, UserReport
from nightlight.core.features import Cue, Features
from nightlight.core.harm import Harm
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

ABOUT_AUTHOR = frozenset({"self_harm", "danger_disclosed"})
"""Cues of somebody who may need help themselves."""
ABOUT_OTHERS = frozenset({"threat_to_life", "self_harm_urged"})
"""Cues of somebody who endangers those they write to."""

REPORTED = {
    ReportCategory.SELF_HARM: "was reported as being at risk of hurting themselves",
    ReportCategory.IN_DANGER: "reported that somebody is in danger",
}
REPORT_SCORE = 0.95
"""Whoever says that a life is in danger is looked at first, and believed until a person has looked."""

GAME_TALK = 0.8
"""Threats are the ordinary talk of a game; those below this strength count half in its chat. Plain ones count in full anywhere."""


HALF_LIFE = 30 * 86_400.0
"""Seconds after which what was said counts half, as in every assessment."""


class Alarms(Struct, frozen=True, tag="alarms"):
    """The gravest thing said by one about another in one conversation, so that a lighter word afterwards takes nothing back."""

    strongest: float = 0.0
    at: float = 0.0
    """Seconds since 1970."""

    def faded(self, at: float) -> float:
        return self.strongest * 0.5 ** (max(0.0, at - self.at) / HALF_LIFE)  # type: ignore[no-any-return]


class ImmediateDanger(BaseDetector):
    card = load_card(Path(__file__).parent)
    state_type: Any = Alarms

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (_key(event, features),) if _reported(event) or _cues(features) else ()

    def new(self, key: Key) -> Alarms:
        return Alarms()

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        key = _key(event, features)
        found = [(_score(cue, event), cue) for cue in _cues(features)]
        evidence = [Evidence(event.id, cue.reason, cue.span, cue.name) for _, cue in sorted(found, key=lambda one: -one[0])]
        score = max((strength for strength, _ in found), default=0.0)
        if isinstance(event, UserReport) and event.category in REPORTED:
            score = max(score, REPORT_SCORE)
            evidence.insert(0, Evidence(event.id, REPORTED[event.category], None, f"reported_{event.category}"))
        if not evidence:
            return Observation()
        at = event.at.timestamp()
        state: Alarms = states[key]
        known = state.faded(at)
        if score >= known:
            state = Alarms(score, max(at, state.at))
        actor, protects = _parties(event, found)
        signal = Signal(
            subject=Subject(SubjectKind.PAIR, key.id),
            harm=Harm.IMMEDIATE_DANGER,
            score=max(score, known),
            evidence=tuple(evidence[:8]),
            at=event.at,
            detector=self.card.name,
            version=self.card.version,
            actor=actor,
            protects=protects,
        )
        return Observation({key: state}, (signal,))


def _key(event: EventBase, features: Features) -> Key:
    """One memory, and one subject, for each person in danger and whoever brings it about: a second child's danger is news of its own."""
    actor, protects = _parties(event, [(_score(cue, event), cue) for cue in _cues(features)])
    return Key.pair(event, actor or "", protects or "")


def _reported(event: EventBase) -> bool:
    return isinstance(event, UserReport) and event.category in REPORTED


def _cues(features: Features) -> list[Cue]:
    if features.text is None:
        return []
    return [cue for cue in features.text.cues if cue.name in ABOUT_AUTHOR or cue.name in ABOUT_OTHERS]


def _score(cue: Cue, event: EventBase) -> float:
    in_game = event.channel is not None and event.channel.kind is ChannelKind.GAME
    if cue.name in ABOUT_OTHERS and in_game and cue.strength < GAME_TALK:
        return cue.strength / 2
    return cue.strength


def _parties(event: EventBase, found: Sequence[tuple[float, Cue]]) -> tuple[str | None, str | None]:
    """Whose conduct it is about, where it is about anybody's, and who may be harmed."""
    author = event.actor.account
    other = next((target.account for target in event.targets if target.may_be_minor), None)
    other = other or (event.targets[0].account if event.targets else None)
    if isinstance(event, UserReport):
        if event.category is ReportCategory.SELF_HARM:
            return None, other or author
        if event.category is ReportCategory.IN_DANGER or not found:
            return None, author  # those named may be who is in danger: a report says nothing of who brings it about
    strongest = max(found, key=lambda one: one[0])[1]
    return (None, author) if strongest.name in ABOUT_AUTHOR else (author, other)
