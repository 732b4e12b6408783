"""What the detector remembers: numbers, times and short hashes, never words. Every state is bounded however long it goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.harm import Stage
from nightlight.core.signal import StageSeen, Unread

MONTH = 30 * 86_400.0
QUIET_HALF_LIFE = 40.0
"""Own messages that show nothing after which a cue counts half (`docs/explanation/conversations.md` has the experiment)."""
QUIET_STEP = 600.0
"""Seconds within which any number of harmless lines fade a cue as one would: a burst of chit-chat around each risky line hides nothing, and
most lines of somebody who showed something cost no write either. Chosen."""
QUIET_SHARE = 0.5
"""What padding can never take from a cue: this share of its greatest strength."""
PEAK_SHARE = 0.85
"""What padding can never take from the whole: this share of the greatest sum. Ten harmless lines to one change no level by much."""
COUNTED_EACH, COUNTED_EVERY = 16, 8
"""Harmless lines that are counted one by one; from then on every eighth, by its event's id, so that most cost no write. Chosen."""
MOST_LINES = 100_000
REPEAT = 0.1
"""What the same cue again adds, as a share of what is left to full strength: the same line a hundred times is no hundred findings."""
MOST_PEOPLE = 16
MOST_NOES = 4
MOST_COUNTED = 999
UNREAD_WORDS = 12
"""Words in a language that is not read before an assessment says so: a guess from fewer is too unsure. Chosen."""
LONGEST_ID = 64
"""Characters of an event's id that are kept; a longer id is kept as a hash, so that the memory stays small."""


def short(account: str) -> int:
    """48 bits that stand for an account: enough to tell a few dozen apart, useless for finding one."""
    return int.from_bytes(blake2b(account.encode(), digest_size=6).digest(), "big")


def mark(event: str) -> str:
    """An event's id as memories keep it."""
    return event if len(event) <= LONGEST_ID else "#" + blake2b(event.encode(), digest_size=15).hexdigest()


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


class Shown(Struct, frozen=True, array_like=True):
    """When one side showed a theme, and in which events."""

    first: float
    """Seconds since 1970."""
    last: float
    first_event: str
    """Event ids; empty where an older version did not keep them."""
    last_event: str
    count: int = 1
    """Events, counted to `MOST_COUNTED`."""

    def seen(self, stage: Stage) -> StageSeen:
        first, last = (datetime.fromtimestamp(at, UTC) for at in (self.first, self.last))
        return StageSeen(stage=stage, first=first, last=last, first_event=self.first_event, last_event=self.last_event, count=self.count)

    def again(self, at: float, event: str) -> Shown:
        if event == self.last_event:
            return self
        last, last_event = max((self.last, self.last_event), (at, event), key=lambda seen: seen[0])
        return replace(self, last=last, last_event=last_event, count=min(MOST_COUNTED, self.count + 1))


class Side(Struct, frozen=True, kw_only=True, tag="side"):
    """One author in one conversation."""

    at: float = 0.0
    cues: dict[str, Held] = {}
    role: float = 0.0
    """The most that who speaks to whom has made it weigh. A maximum: what was said before somebody's age was known counts in full after."""
    most: float = 0.0
    """The greatest sum so far, faded by time only."""
    themes: dict[str, Shown] = {}
    """Stage to when it was first and last shown."""
    unread: dict[str, int] = {}
    """Why lines could not be read to how many words that were, counted to `UNREAD_WORDS`."""
    around: tuple[str, ...] = ()
    """Names of circumstances that were told."""
    quiet: float = 0.0
    """When harmless lines last faded the cues."""
    lines: int = 0
    """About how many harmless lines of its own came after the first cue, counted to `MOST_LINES`."""
    told: dict[int, int] = {}
    """People of whom a fact was derived, with how much was said: a fact is not derived anew for every message."""

    def aged(self, at: float) -> Side:
        """The same memory at a later time; a clock that ran backwards counts as no time at all."""
        share = 0.5 ** (max(0.0, at - self.at) / MONTH) if self.cues else 1.0
        return replace(
            self,
            at=max(self.at, at),
            cues={name: held.faded(share) for name, held in self.cues.items()},
            most=self.most * share,
        )

    def harmless(self, event: str) -> Side:
        """After one more harmless line, where it is counted."""
        if not self.cues:
            return self
        step = 1 if self.lines < COUNTED_EACH else COUNTED_EVERY
        if step > 1 and short(event) % step:
            return self
        return replace(self, lines=min(MOST_LINES, self.lines + step))

    def quieter(self, at: float) -> Side:
        """After a line of its own that shows nothing; the same memory where another one has just faded it."""
        if not self.cues or at - self.quiet < QUIET_STEP:
            return self
        aged = self.aged(at)
        return replace(aged, quiet=at, cues={name: held.quieter() for name, held in aged.cues.items()})

    def towards(self, role: float) -> Side:
        return replace(self, role=max(self.role, role))

    def seen(self, name: str, strength: float, at: float) -> Side:
        held = self.cues.get(name)
        new = held.again(strength, at) if held is not None else Held(strength, strength, at, at)
        return replace(self, cues={**self.cues, name: new})

    def shown(self, stage: Stage, at: float, event: str) -> Side:
        known, named = self.themes.get(stage.value), mark(event)
        new = known.again(at, named) if known is not None else Shown(at, at, named, named)
        return replace(self, themes={**self.themes, stage.value: new})

    def missed(self, why: Unread, words: int) -> Side:
        return replace(self, unread={**self.unread, why.value: min(UNREAD_WORDS, self.unread.get(why.value, 0) + words)})

    @property
    def lacks(self) -> tuple[Unread, ...]:
        """Why lines of this side could not be read, where it is sure enough to say so."""
        return tuple(why for why in Unread if self.unread.get(why.value, 0) >= UNREAD_WORDS)

    @property
    def timeline(self) -> tuple[StageSeen, ...]:
        return tuple(self.themes[stage.value].seen(stage) for stage in self.stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The themes shown, in the order in which each was first seen."""
        order = list(Stage)
        return tuple(sorted(map(Stage, self.themes), key=lambda stage: (self.themes[stage.value].first, order.index(stage))))


class Talk(Struct, frozen=True, kw_only=True, tag="talk"):
    """What both sides of a conversation have in common."""

    minors: tuple[int, ...] = ()
    """Who said to be under 18."""
    uneasy: dict[int, float] = {}
    """Who last refused or was afraid, and when."""
    noes: dict[int, int] = {}
    """How often each of them did, counted to `MOST_NOES`."""
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
        noes = {who: self.noes.get(who, 1 if who in self.uneasy else 0) + (who == person) for who in uneasy}
        return replace(self, uneasy=uneasy, noes={who: min(MOST_NOES, count) for who, count in noes.items()})
