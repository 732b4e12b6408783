"""What the detector remembers: numbers, times and short hashes, never words. Every state is bounded however long it goes on."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

MONTH = 30 * 86_400.0
QUIET_HALF_LIFE = 40.0
"""Own messages that show nothing after which a cue counts half (the experiment in this folder's README)."""
QUIET_SHARE = 0.5
"""What padding can never take from a cue: this share of its greatest strength."""
PEAK_SHARE = 0.85
"""What padding can never take from the whole: this share of the greatest sum. Ten harmless lines to one change no level by much."""
REPEAT = 0.1
"""What the same cue again adds, as a share of what is left to full strength: the same line a hundred times is no hundred findings."""
MOST_PEOPLE = 16
MOST_MET = 32
WEEK = 7 * 86_400.0


def short(account: str) -> int:
    """48 bits that stand for an account: enough to tell a few dozen apart, useless for finding one."""
    return int.from_bytes(blake2b(account.encode(), digest_size=6).digest(), "big")


class Held(Struct, frozen=True, array_like=True):
    """One cue of one side."""

    strength: float
    peak: float
    first: float
    """Seconds since 1970."""
    last: float
    count: int = 1

    def faded(self, share: float) -> Held:
        """After time has left that share."""
        return replace(self, strength=self.strength * share, peak=self.peak * share)

    def quieter(self) -> Held:
        """After one more own message that showed nothing."""
        return replace(self, strength=max(self.strength * 0.5 ** (1 / QUIET_HALF_LIFE), self.peak * QUIET_SHARE))

    def again(self, strength: float, at: float) -> Held:
        """After the cue was seen once more. Grows with each argument, so more evidence never lowers risk."""
        most = max(self.strength, strength)
        now = most + REPEAT * strength * max(0.0, 1.0 - most)
        return replace(self, strength=now, peak=max(self.peak, now), last=max(self.last, at), count=self.count + 1)


class Side(Struct, frozen=True, kw_only=True, tag="side"):
    """One author in one conversation."""

    at: float = 0.0
    cues: dict[str, Held] = {}
    role: float = 0.0
    """The most that who speaks to whom has made it weigh. A maximum: what was said before somebody's age was known counts in full after."""
    grooming: float = 0.0
    """The greatest sum so far, faded by time only."""
    sextortion: float = 0.0
    told: dict[int, int] = {}
    """People of whom a fact was derived, with how much was said: a fact is not derived anew for every message."""

    def aged(self, at: float) -> Side:
        """The same memory at a later time; a clock that ran backwards counts as no time at all."""
        share = 0.5 ** (max(0.0, at - self.at) / MONTH) if self.cues else 1.0
        return replace(
            self,
            at=max(self.at, at),
            cues={name: held.faded(share) for name, held in self.cues.items()},
            grooming=self.grooming * share,
            sextortion=self.sextortion * share,
        )

    def quieter(self) -> Side:
        return replace(self, cues={name: held.quieter() for name, held in self.cues.items()})

    def towards(self, role: float) -> Side:
        return replace(self, role=max(self.role, role))

    def seen(self, name: str, strength: float, at: float) -> Side:
        held = self.cues.get(name)
        new = held.again(strength, at) if held is not None else Held(strength, strength, at, at)
        return replace(self, cues={**self.cues, name: new})


class Talk(Struct, frozen=True, kw_only=True, tag="talk"):
    """What both sides of a conversation have in common."""

    minors: tuple[int, ...] = ()
    """Who said to be under 18."""
    uneasy: dict[int, float] = {}
    """Who last refused or was afraid, and when."""
    media: float = 0.0
    """When a picture or video was last shared."""

    def declared(self, person: int) -> Talk:
        if person in self.minors:
            return self
        return replace(self, minors=(*self.minors, person)[-MOST_PEOPLE:])

    def refused(self, person: int, at: float) -> Talk:
        uneasy = {**self.uneasy, person: max(at, self.uneasy.get(person, 0.0))}
        if len(uneasy) > MOST_PEOPLE:
            del uneasy[min(uneasy, key=lambda who: (uneasy[who], who))]
        return replace(self, uneasy=uneasy)


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


class _TalkV1(Struct, tag="talk"):
    minors: tuple[int, ...] = ()


class _ReachV1(Struct, tag="reach"):
    met: dict[int, float] = {}


def upgraded(raw: bytes) -> State:
    """A state of version 1 as this version knows it. What it could not know is taken so that risk does not fall."""
    old: Any = msgspec.msgpack.decode(raw, type=_SideV1 | _TalkV1 | _ReachV1)
    if isinstance(old, _SideV1):
        return Side(at=old.at, role=1.0, cues={name: Held(strength, strength, last, last) for name, (strength, last) in old.cues.items()})
    if isinstance(old, _TalkV1):
        return Talk(minors=old.minors[-MOST_PEOPLE:])
    # Version 1 kept no scores: 0.25 is the least at which it derived a fact.
    return Reach(met=tuple(Met(person, at, 0.25) for person, at in sorted(old.met.items()))[:MOST_MET])
