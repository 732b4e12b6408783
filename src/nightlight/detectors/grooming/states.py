"""What grooming remembers beside the shared fold, and what older versions saved, which held sextortion as well."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.harm import Stage
from nightlight.detectors._conversation.states import MOST_PEOPLE, Held, Shown, Side, Talk

from .weights import WEIGHTS

MOST_MET = 32
WEEK = 7 * 86_400.0


class Met(Struct, frozen=True, array_like=True):
    person: int
    at: float
    score: float


class Reach(Struct, frozen=True, kw_only=True, tag="reach"):
    """Whom one account approached, over all its conversations."""

    met: tuple[Met, ...] = ()
    """Of the last seven days, the riskiest 32."""

    def adding(self, person: int, at: float, score: float) -> Reach:
        now = max([at, *(m.at for m in self.met)])
        known = {m.person: m for m in self.met}
        old = known.get(person)
        known[person] = Met(person, max(at, old.at), max(score, old.score)) if old else Met(person, at, score)
        recent = [m for m in known.values() if now - m.at <= WEEK]
        return Reach(met=tuple(sorted(recent, key=lambda m: (-m.score, -m.at, m.person))[:MOST_MET]))


State = Side | Talk | Reach


class _SideV1(Struct, tag="side"):
    """Version 1: per cue its strength and when it was last seen, and no peaks."""

    at: float = 0.0
    cues: dict[str, tuple[float, float]] = {}


class _SideV3(Struct, tag="side"):
    """Versions 2 and 3: the sums of two harms, and no themes."""

    at: float = 0.0
    cues: dict[str, Held] = {}
    role: float = 0.0
    grooming: float = 0.0
    sextortion: float = 0.0
    told: dict[int, int] = {}


class _TalkV1(Struct, tag="talk"):
    minors: tuple[int, ...] = ()


class _ReachV1(Struct, tag="reach"):
    met: dict[int, float] = {}


def upgraded(version: int, raw: bytes) -> State:
    """A state of an older version as this one knows it. Version 2 did not count refusals, and one is taken for each.

    What was known of sextortion stays with grooming, as far as its cues weigh here: that detector begins anew.
    """
    if version == 1:
        return _of_first(raw)
    old: Any = msgspec.msgpack.decode(raw, type=_SideV3 | Talk | Reach)
    if isinstance(old, _SideV3):
        themes = _themes({name: (held.first, held.last) for name, held in old.cues.items()})
        return Side(at=old.at, cues=old.cues, role=old.role, most=old.grooming, told=old.told, themes=themes)
    kept: State = replace(old, noes=dict.fromkeys(old.uneasy, 1)) if version == 2 and isinstance(old, Talk) else old
    return kept


def _of_first(raw: bytes) -> State:
    """A state of version 1. What it could not know is taken so that risk does not fall."""
    old: Any = msgspec.msgpack.decode(raw, type=_SideV1 | _TalkV1 | _ReachV1)
    if isinstance(old, _SideV1):
        cues = {name: Held(strength, strength, last, last) for name, (strength, last) in old.cues.items()}
        return Side(at=old.at, role=1.0, cues=cues, themes=_themes({name: (held.last, held.last) for name, held in cues.items()}))
    if isinstance(old, _TalkV1):
        return Talk(minors=old.minors[-MOST_PEOPLE:])
    # Version 1 kept no scores: 0.25 is the least at which it derived a fact.
    return Reach(met=tuple(Met(person, at, 0.25) for person, at in sorted(old.met.items()))[:MOST_MET])


def _themes(seen: dict[str, tuple[float, float]]) -> dict[str, Shown]:
    """The themes that cues show, without the events, which older versions did not keep."""
    themes: dict[Stage, tuple[float, float]] = {}
    for name, (first, last) in seen.items():
        if name in WEIGHTS:
            known = themes.get(WEIGHTS[name].stage, (first, last))
            themes[WEIGHTS[name].stage] = (min(first, known[0]), max(last, known[1]))
    return {stage.value: Shown(first, last, "", "") for stage, (first, last) in themes.items()}
