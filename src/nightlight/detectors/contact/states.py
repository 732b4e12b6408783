"""What the detector remembers: counts, times and short hashes. Every state is bounded however long it goes on, and nothing in it but
the times ever falls: more of such conduct never lowers what is believed."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from .weights import DAY, HOUR, MONTH, PAUSE, WEEK

TALKING = 3
"""Messages by the other side from which on two people are taken to talk with each other."""
MOST_COUNTED = 32
MOST_PEOPLE = 48
"""People one account's memory tells apart. Every sum over them is at its most long before."""
MOST_RECENT = 12
BANDS = ("unknown", "0-6", "7-9", "10-12", "13-15", "16-17")
"""Age bands by their bit in `Person.band`."""


def short(*parts: str) -> int:
    """48 bits that stand for an account or a deed: enough to tell a few dozen apart, useless for finding one."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=6).digest(), "big")


class Side(Struct, frozen=True, array_like=True):
    """What one of two people did towards the other in one conversation."""

    at: float = 0.0
    """When this side last did anything, in seconds since 1970."""
    role: float = 0.0
    """The most that who does it made it weigh: what was done before somebody's age was known counts in full after."""
    toward: float = 0.0
    """The same of whom it is done to."""
    aged: bool = False
    """Whether the age of either was ever known."""
    wrote: int = 0
    """Own messages, counted to `TALKING`."""
    alone: float = 0.0
    """How much of an approach own messages were while the other side had not begun to talk."""
    requests: int = 0
    """Sent while none was accepted."""
    asked: bool = False
    """Whether any request was sent: tells who asked where an answer names whoever answered."""
    refused: int = 0
    """0 no, 1 ignored, 2 declined, 3 blocked: the most that a request of this side met."""
    accepted: bool = False
    again: float = 0.0
    """Requests sent after the other had declined or blocked; within a family, and among people who know each other, each is a half."""
    gifts: int = 0
    gift: float = 0.0
    """How much of an approach the gift was that was most of one."""
    early_gift: float = 0.0
    ranks: float = 0.0
    media: float = 0.0
    """How much of an approach a picture soon after a request, a follow or a gift was."""
    quick: float = 0.0
    """The most different kinds of approach within one hour, beyond two, each for how much of an approach it was."""
    kinds: dict[str, float] = {}
    """Kind of approach to when it was last made."""
    recent: tuple[int, ...] = ()
    """The latest deeds, to know one that comes again..."""
    line: int = 0
    """...and the latest message that nobody had answered."""
    said: float = 0.0
    """The highest score given, as of `said_at`; fades as assessments do."""
    said_at: float = 0.0
    told: float = 0.0
    """When the account's own memory was last told of an approach by message."""

    def awake(self, at: float) -> Side:
        """The side as it counts now: after a long pause only that a request was refused is remembered."""
        if not self.at or at - self.at <= PAUSE:
            return self
        refused = self.refused if self.refused > 1 else 0
        return Side(
            at=self.at, role=self.role, toward=self.toward, aged=self.aged, asked=self.asked, refused=refused, accepted=self.accepted
        )

    def known(self, role: float, toward: float, aged: bool) -> Side:
        if role <= self.role and toward <= self.toward and self.aged >= aged:
            return self
        # What was held back while no age was known was never said.
        said = self.said if self.aged or not aged else 0.0
        return replace(self, role=max(self.role, role), toward=max(self.toward, toward), aged=self.aged or aged, said=said)

    def believed(self, at: float) -> float:
        """The highest score given, as it counts at that time; a clock that ran backwards counts as no time at all."""
        kept: float = 0.5 ** (max(0.0, at - self.said_at) / MONTH)
        return self.said * kept

    def saying(self, score: float, at: float) -> Side:
        return replace(self, said=score, said_at=max(at, self.said_at))

    def doing(self, kind: str, at: float, closeness: float) -> Side:
        """After one more approach of a kind; `closeness` is how much of an approach it was."""
        kinds = {**self.kinds, kind: max(at, self.kinds.get(kind, 0.0))}
        within = sum(at - when <= HOUR for when in kinds.values())
        return replace(self, kinds=kinds, quick=max(self.quick, max(0, within - 2) * closeness))


class Tie(Struct, frozen=True, kw_only=True, tag="tie"):
    """Two people in one conversation: `first` is the one whose account sorts first."""

    first: Side = Side()
    second: Side = Side()


class Person(Struct, frozen=True, array_like=True):
    """One person whom the account approached. Weights are after who does it to whom."""

    who: int
    at: float
    band: int = 0
    approach: float = 0.0
    refusal: float = 0.0
    blocked: float = 0.0
    gift: float = 0.0
    again: float = 0.0

    @property
    def most(self) -> float:
        return self.approach + 2 * self.refusal + 2 * self.blocked + 2 * self.gift + 3 * self.again


class Reach(Struct, frozen=True, kw_only=True, tag="reach"):
    """Whom one account approached, over all its conversations."""

    people: tuple[Person, ...] = ()
    """Of the last seven days, the 48 towards whom its conduct weighs most."""

    def adding(self, new: Person) -> Reach:
        known = {person.who: person for person in self.people}
        old = known.get(new.who)
        if old is not None:
            new = Person(
                new.who,
                max(old.at, new.at),
                old.band | new.band,
                max(old.approach, new.approach),
                max(old.refusal, new.refusal),
                max(old.blocked, new.blocked),
                max(old.gift, new.gift),
                max(old.again, new.again),
            )
        known[new.who] = new
        now = max(person.at for person in known.values())
        recent = [person for person in known.values() if now - person.at <= WEEK]
        return Reach(people=tuple(sorted(recent, key=lambda p: (-p.most, -p.at, p.who))[:MOST_PEOPLE]))

    def within_a_day(self) -> list[Person]:
        now = max((person.at for person in self.people), default=0.0)
        return [person for person in self.people if now - person.at <= DAY]


State = Tie | Reach
