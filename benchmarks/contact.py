"""Invented populations for the detector `contact`: how often it is wrong about people who do nothing wrong, and what it costs.

    python -m benchmarks.contact --accounts 1000 --seed 2

Everything here is simulated: nobody was measured, and every rate is a guess. What it shows is how the detector's numbers work together on
conduct that looks alike; an operator's own accounts will differ. One account at a time acts for two weeks, and those it meets answer. Ages,
relations and outcomes are reported as patchily as services report them. The weights were chosen while looking at seed 1.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from msgspec import Struct

from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.detect import Detector
from nightlight.core.event import (
    AgeBand,
    Assurance,
    Channel,
    ChannelKind,
    ContactOutcome,
    ContactRequest,
    EventBase,
    Follow,
    Gift,
    MediaScreened,
    Message,
    Party,
    Relation,
    Reward,
)
from nightlight.core.harm import Level
from nightlight.detectors.contact import build
from nightlight.kit.evaluate import upper_bound
from nightlight.kit.run import Sensed, run

START = datetime(2025, 6, 1, tzinfo=UTC)
DAYS = 14
DAY = 86_400.0
YOUNG = (AgeBand.A10_12, AgeBand.A13_15, AgeBand.A13_15, AgeBand.A16_17)
ORDINARY = {"accepted": 0.55, "ignored": 0.27, "declined": 0.16, "blocked": 0.02}
"""How requests between strangers of like age end."""
INVITED = {"accepted": 0.4, "ignored": 0.4, "declined": 0.18, "blocked": 0.02}
"""How invitations by people with something to offer end."""
KNOWN = {"accepted": 0.95, "ignored": 0.05}
UNWELCOME = {"accepted": 0.25, "ignored": 0.3, "declined": 0.3, "blocked": 0.15}


class Life:
    """One account's two weeks, and the answers of those it meets."""

    def __init__(self, chance: Random, band: AgeBand, assurance: Assurance, days_old: float | None, account: str = "somebody") -> None:
        self.chance = chance
        self.me = Party(account=account, age_band=band, assurance=assurance, account_age_days=days_old)
        self.events: list[EventBase] = []
        self._met = 0

    def child(self, bands: Sequence[AgeBand] = YOUNG) -> Party:
        """Somebody young, whose age the service may know from a guardian, from themselves, or not at all."""
        assurance = self.chance.choice((Assurance.SELF_DECLARED, Assurance.SELF_DECLARED, Assurance.GUARDIAN, Assurance.NONE))
        band = AgeBand.UNKNOWN if assurance is Assurance.NONE else self.chance.choice(list(bands))
        return self._party(band, assurance)

    def adult(self) -> Party:
        return self._party(AgeBand.ADULT, self.chance.choice((Assurance.SELF_DECLARED, Assurance.VERIFIED)))

    def _party(self, band: AgeBand, assurance: Assurance) -> Party:
        self._met += 1
        return Party(account=f"other-{self._met}", age_band=band, assurance=assurance, account_age_days=self.chance.uniform(1, 900))

    def when(self) -> float:
        return self.chance.uniform(0, DAYS * DAY)

    def often(self, a_week: float) -> int:
        """A whole number around that many a week over the two weeks, with the long tail that people have."""
        return int(self.chance.expovariate(1 / (a_week * DAYS / 7)) + self.chance.random())

    def add(
        self,
        kind: type[EventBase],
        at: float,
        other: Party | tuple[Party, ...],
        relation: Relation,
        *,
        by_other: bool = False,
        where: ChannelKind = ChannelKind.DIRECT,
        **more: Any,
    ) -> None:
        others = other if isinstance(other, tuple) else (other,)
        actor, targets = (others[0], (self.me,)) if by_other else (self.me, others)
        room = f"{where}-{others[0].account}" if len(others) == 1 else f"{where}-all"
        moment = START + timedelta(seconds=round(at))
        channel = Channel(id=room, kind=where)
        self.events.append(
            kind(id=f"e{len(self.events)}", at=moment, actor=actor, targets=targets, relation=relation, channel=channel, **more)
        )

    def ask(
        self, at: float, other: Party, relation: Relation, ends: dict[str, float], mutual: int | None = None, again: float = 0.05
    ) -> ContactOutcome:
        """A request and its end; who was declined sometimes tries once more."""
        outcome = ContactOutcome(self.chance.choices(list(ends), list(ends.values()))[0])
        self.add(ContactRequest, at, other, relation, mutual_contacts=mutual)
        end = at + self.chance.uniform(20, DAY / 2)
        self.add(ContactRequest, end, other, relation, mutual_contacts=mutual, outcome=outcome)
        if outcome in (ContactOutcome.DECLINED, ContactOutcome.BLOCKED) and self.chance.random() < again:
            self.add(ContactRequest, end + self.chance.uniform(60, 3 * DAY), other, relation, mutual_contacts=mutual)
        return outcome

    def talk(self, at: float, other: Party, relation: Relation, lines: int, answered: float = 0.9, **where: Any) -> None:
        for _ in range(lines):
            at += self.chance.uniform(5, 120)
            self.add(Message, at, other, relation, text="", **where)
            if self.chance.random() < answered:
                self.add(Message, at + 3, other, relation, text="", by_other=True, **where)

    def shown(self, relation: Relation) -> Relation:
        """The relation as a service reports it: a third of them do not."""
        return relation if self.chance.random() < 2 / 3 else Relation.UNKNOWN

    def friends(self, count: int, gifts: float, *, young: bool = True) -> None:
        """People it is connected with: talk, pictures, gifts both ways."""
        for _ in range(count):
            friend = self.child() if young else self.adult()
            relation = self.shown(Relation.CONTACT)
            for _ in range(self.often(1.0)):
                self.talk(self.when(), friend, relation, self.chance.randint(2, 8))
            for _ in range(self.often(gifts)):
                self.add(Gift, self.when(), friend, relation, value=self.chance.uniform(1, 50), by_other=self.chance.random() < 0.5)
            for _ in range(self.often(0.4)):
                self.add(MediaScreened, self.when(), friend, relation)


Born = Callable[[Random], Life]


def player(chance: Random) -> Life:
    band = chance.choice(YOUNG)
    how = chance.choice((Assurance.SELF_DECLARED, Assurance.SELF_DECLARED, Assurance.GUARDIAN, Assurance.NONE))
    life = Life(chance, AgeBand.UNKNOWN if how is Assurance.NONE else band, how, chance.uniform(0, 900))
    life.friends(chance.randint(2, 8), 0.3)
    for _ in range(life.often(4)):
        other, at, relation = life.child(), life.when(), life.shown(Relation.STRANGER)
        if chance.random() < 0.5:
            life.talk(at - 600, other, relation, 4, where=ChannelKind.GAME)
        if life.ask(at, other, relation, ORDINARY, chance.choice((None, 0, 1, 3, 8))) is ContactOutcome.ACCEPTED:
            life.talk(at + DAY / 2, other, life.shown(Relation.CONTACT), chance.randint(1, 8), 0.8)
            if chance.random() < 0.1:
                life.add(Gift, at + DAY / 2, other, life.shown(Relation.CONTACT), value=5.0)
    return life


def outgoing(chance: Random) -> Life:
    """A child who adds everybody."""
    life = player(chance)
    for _ in range(life.often(30)):
        if life.ask(life.when(), other := life.child(), life.shown(Relation.STRANGER), ORDINARY, chance.choice((None, 0, 1, 3))) is (
            ContactOutcome.ACCEPTED
        ):
            life.talk(life.when(), other, life.shown(Relation.CONTACT), chance.randint(1, 4), 0.6)
    return life


def new_pupil(chance: Random) -> Life:
    """A new account that adds a class within days."""
    life = Life(chance, AgeBand.A13_15, Assurance.SELF_DECLARED, chance.uniform(0, 3))
    for _ in range(chance.randint(10, 30)):
        other, at = life.child((AgeBand.A13_15,)), chance.uniform(0, 3 * DAY)
        if life.ask(at, other, Relation.UNKNOWN, {"accepted": 0.8, "ignored": 0.15, "declined": 0.05}, chance.randint(0, 9)) is (
            ContactOutcome.ACCEPTED
        ):
            life.talk(at + DAY / 2, other, life.shown(Relation.CONTACT), chance.randint(1, 6))
    return life


def trader(chance: Random) -> Life:
    """A young player who swaps items with strangers, which the service reports as gifts; most talk about it first, in the game."""
    life = player(chance)
    for _ in range(life.often(6)):
        other, at, relation = life.child(), life.when(), life.shown(Relation.STRANGER)
        life.talk(at, other, relation, chance.randint(1, 4), where=ChannelKind.GAME)
        life.add(Gift, at + 300, other, relation, where=ChannelKind.GAME, value=10.0)
        life.add(Gift, at + 330, other, relation, where=ChannelKind.GAME, value=10.0, by_other=True)
    return life


def giver(chance: Random) -> Life:
    """Somebody who gives a lot, to friends."""
    life = player(chance)
    life.friends(12, 2.0)
    return life


def grown_player(chance: Random) -> Life:
    life = Life(chance, AgeBand.ADULT, chance.choice((Assurance.SELF_DECLARED, Assurance.VERIFIED)), chance.uniform(0, 1500))
    life.friends(chance.randint(2, 8), 0.3, young=False)
    life.friends(chance.randint(0, 2), 0.1)
    for _ in range(life.often(4)):
        other = life.adult() if chance.random() < 0.7 else life.child((AgeBand.A13_15, AgeBand.A16_17))
        relation, at = life.shown(Relation.STRANGER), life.when()
        if life.ask(at, other, relation, ORDINARY, chance.choice((None, 0, 1, 3))) is ContactOutcome.ACCEPTED:
            life.talk(at + DAY / 2, other, life.shown(Relation.CONTACT), chance.randint(1, 6), 0.8)
    return life


def coach(chance: Random) -> Life:
    life = Life(chance, AgeBand.ADULT, chance.choice((Assurance.SELF_DECLARED, Assurance.VERIFIED)), chance.uniform(5, 900))
    for _ in range(chance.randint(10, 30)):
        other, at = life.child(), life.when()
        relation = chance.choice((Relation.TRUSTED, Relation.TRUSTED, Relation.CONTACT, Relation.UNKNOWN))
        life.ask(at, other, relation, KNOWN, chance.randint(0, 12))
        life.talk(at + DAY / 2, other, relation, chance.randint(1, 5), 0.5)
        if chance.random() < 0.3:
            life.add(MediaScreened, at + DAY / 2 + 600, other, relation)
        if chance.random() < 0.2:
            life.add(Reward, at + DAY, other, relation, name="captain")
    return life


def teacher(chance: Random) -> Life:
    """Several classes within days, often on a new account, and no relation reported."""
    life = Life(chance, AgeBand.ADULT, chance.choice((Assurance.SELF_DECLARED, Assurance.VERIFIED)), chance.uniform(0, 300))
    for _ in range(chance.randint(20, 90)):
        other, at = life.child(), chance.uniform(0, 4 * DAY)
        life.ask(at, other, Relation.UNKNOWN, {"accepted": 0.9, "ignored": 0.08, "declined": 0.02}, chance.choice((None, 2, 8)))
        life.talk(at + DAY / 2, other, Relation.UNKNOWN, chance.randint(1, 3), 0.3)
        if chance.random() < 0.3:
            life.add(MediaScreened, at + DAY / 2 + 600, other, Relation.UNKNOWN)
    return life


def streamer(chance: Random) -> Life:
    life = Life(chance, AgeBand.ADULT, chance.choice((Assurance.SELF_DECLARED, Assurance.VERIFIED)), chance.uniform(100, 2000))
    fans = [life.child() for _ in range(chance.randint(60, 200))]
    for fan in fans:
        life.add(Follow, life.when(), fan, Relation.UNKNOWN, by_other=True)
    for fan in chance.sample(fans, 40):
        life.add(Gift, life.when(), fan, Relation.UNKNOWN, where=ChannelKind.STREAM, value=5.0)
        life.add(Message, life.when(), fan, Relation.UNKNOWN, where=ChannelKind.STREAM, text="")
    for fan in chance.sample(fans, chance.randint(5, 30)):
        # Answers to fans who wrote first.
        at = life.when()
        life.add(Message, at, fan, life.shown(Relation.STRANGER), by_other=True, text="")
        life.talk(at + 60, fan, life.shown(Relation.STRANGER), chance.randint(1, 2), 0.7)
    for fan in chance.sample(fans, chance.randint(0, 10)):
        life.add(Follow, life.when(), fan, Relation.UNKNOWN)
        life.add(Reward, life.when(), fan, Relation.UNKNOWN, where=ChannelKind.STREAM, name="moderator")
    return life


def guild_leader(chance: Random) -> Life:
    """Invites many strangers, gives ranks, and welcomes newcomers with a small gift."""
    band, how = chance.choice(
        ((AgeBand.ADULT, Assurance.SELF_DECLARED), (AgeBand.UNKNOWN, Assurance.NONE), (AgeBand.A16_17, Assurance.SELF_DECLARED))
    )
    life = Life(chance, band, how, chance.uniform(30, 1500))
    life.friends(5, 0.5)
    for _ in range(life.often(30)):
        other = life.child() if chance.random() < 0.6 else life.adult()
        at, relation = life.when(), life.shown(Relation.STRANGER)
        if life.ask(at, other, relation, INVITED, chance.choice((None, 0, 1, 4)), again=0.03) is ContactOutcome.ACCEPTED:
            met = life.shown(Relation.CONTACT)
            life.talk(at + DAY / 2, other, met, chance.randint(1, 4), 0.6, where=ChannelKind.GROUP)
            if chance.random() < 0.5:
                life.add(Reward, at + DAY, other, met, where=ChannelKind.GROUP, name="member")
            if chance.random() < 0.3:
                life.add(Gift, at + DAY, other, met, where=ChannelKind.GROUP, value=3.0)
    return life


def moderator(chance: Random) -> Life:
    life = Life(chance, AgeBand.ADULT, Assurance.VERIFIED, chance.uniform(30, 2000))
    for _ in range(life.often(30)):
        life.talk(life.when(), life.child(), life.shown(Relation.STRANGER), chance.randint(1, 3), 0.3)
    return life


def parent(chance: Random) -> Life:
    """Often a new account; sometimes the child declines by mistake. Half of all services know that they are family."""
    life = Life(chance, AgeBand.ADULT, chance.choice((Assurance.SELF_DECLARED, Assurance.VERIFIED)), chance.uniform(0, 60))
    for _ in range(chance.randint(1, 3)):
        child, relation, at = life.child(), chance.choice((Relation.FAMILY, Relation.UNKNOWN)), life.when()
        life.ask(at, child, relation, {"accepted": 0.9, "declined": 0.05, "ignored": 0.05}, again=1.0)
        for _ in range(6):
            life.talk(life.when(), child, relation, chance.randint(1, 5), 0.6)
        for _ in range(life.often(1.5)):
            life.add(Gift, life.when(), child, relation, value=20.0)
            life.add(MediaScreened, life.when(), child, relation)
    return life


def approacher(chance: Random) -> Life:
    """The other kind: goes from child to child, quickly, against refusals, with gifts."""
    band, how = chance.choice(
        ((AgeBand.ADULT, Assurance.SELF_DECLARED), (AgeBand.UNKNOWN, Assurance.NONE), (AgeBand.A13_15, Assurance.SELF_DECLARED))
    )
    life = Life(chance, band, how, chance.uniform(0, 60))
    first, within = chance.uniform(0, 10 * DAY), chance.choice((DAY / 8, DAY, 3 * DAY))
    for _ in range(chance.randint(6, 25)):
        child, at, relation = life.child((AgeBand.A10_12, AgeBand.A13_15)), first + chance.uniform(0, within), life.shown(Relation.STRANGER)
        ways = chance.sample(("gift", "follow", "message"), chance.randint(1, 3))
        if "gift" in ways:
            life.add(Gift, at, child, relation, value=20.0)
        if "follow" in ways:
            life.add(Follow, at + 20, child, relation)
        outcome = life.ask(at + 40, child, relation, UNWELCOME, 0, again=0.4)
        if "message" in ways:
            life.talk(at + 60, child, relation, chance.randint(1, 4), 0.1)
        if outcome is ContactOutcome.ACCEPTED:
            life.talk(at + DAY / 2, child, life.shown(Relation.CONTACT), chance.randint(4, 12), 0.7)
            if chance.random() < 0.6:
                life.add(Gift, at + DAY / 2, child, life.shown(Relation.CONTACT), value=50.0)
    return life


BENIGN: dict[str, Born] = {
    "young player": player,
    "child who adds everybody": outgoing,
    "new pupil": new_pupil,
    "young trader of items": trader,
    "gift-giver among friends": giver,
    "grown-up player": grown_player,
    "coach": coach,
    "teacher of several classes": teacher,
    "streamer": streamer,
    "guild leader": guild_leader,
    "moderator": moderator,
    "parent": parent,
}


SHOWN = (Level.LOW, Level.ELEVATED, Level.HIGH)


class Row(Struct, frozen=True):
    name: str
    accounts: int
    reached: tuple[int, int, int]
    """Accounts that came to "low", to "elevated" (a nudge to the child) and to "high" (a case) towards anybody."""
    events: int
    seconds: float


def measured(name: str, born: Born, accounts: int, seed: int, detector: Detector | None = None) -> Row:
    """The same seed gives the same accounts."""
    fold = detector or build()
    events = 0
    reached = [0, 0, 0]
    seconds = 0.0
    for number in range(accounts):
        life = born(Random(f"{name}/{seed}/{number}"))
        sensed = [Sensed(event) for event in sorted(life.events, key=lambda e: e.at)]
        start = time.process_time()
        steps = run(fold, sensed).steps
        seconds += time.process_time() - start
        peak = max((s.score for step in steps for s in step.all_signals if s.actor == life.me.account), default=0.0)
        for place, level in enumerate(SHOWN):
            reached[place] += peak >= DEFAULT_LEVELS[level]
        events += len(sensed)
    return Row(name, accounts, (reached[0], reached[1], reached[2]), events, seconds)


def lines(rows: Sequence[Row]) -> Iterator[str]:
    yield "| simulated accounts | low a 1,000 (95% bound) | elevated | high |"
    yield "|---|---:|---:|---:|"
    for row in rows:
        cells = (f"{1000 * n / row.accounts:.1f} ({1000 * upper_bound(n, row.accounts):.1f})" for n in row.reached)
        yield f"| {row.name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1000, help="of each kind")
    parser.add_argument("--seed", type=int, default=2, help="another seed, other accounts")
    given = parser.parse_args()
    rows = [measured(name, born, given.accounts, given.seed) for name, born in (*BENIGN.items(), ("approacher", approacher))]
    print("\n".join(lines(rows)))
    events, seconds = sum(row.events for row in rows), sum(row.seconds for row in rows)
    print(f"\n{events:,} events, {1e6 * seconds / events:.0f} us each with every memory saved and read back at each step")


if __name__ == "__main__":
    main()
