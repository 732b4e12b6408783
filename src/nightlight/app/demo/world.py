"""An evening on Lanternfall: conversations, friends found and gifts given, pictures shared, and a few shapes of risk among them.

Everything is drawn from the seed, so an evening can be told again to the byte. Nothing here knows the pipeline: it makes what a
service would send, and the demo sends it.
"""

from __future__ import annotations

import gzip
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

from msgspec import Struct

from nightlight.app.demo import pictures

HOURS = 3.0
"""How long the evening lasts, in the world's own time."""
CHAT = Path("benign-chat") / "ubuntu-irc.jsonl.gz"
START = datetime(2025, 6, 13, 18, tzinfo=UTC)
MOST_TEXT = 2000
MOST_PRESENT = 8
"""People in one conversation: in a channel of hundreds, those who spoke in the last minutes."""

Wire = dict[str, Any]

_AGES = (
    ("10-12", "guardian"), ("10-12", "self_declared"), ("13-15", "estimated"), ("13-15", "self_declared"), ("16-17", "self_declared"),
    ("16-17", "estimated"), ("18+", "verified"), ("18+", "verified"), ("18+", "self_declared"), ("unknown", "none"),
)  # fmt: skip
"""Who plays: half of them children, a tenth of unknown age."""
_PLACES = ("GB", "US")
"""Both permit the processing that the demo shows; a place that nobody has decided on would show the gate and nothing else."""
_CHANNELS = ("game", "game", "game", "direct", "group")
_SYLLABLES = ("lu", "mo", "ri", "ta", "fen", "ko", "bri", "sol", "wen", "ash", "pip", "dor", "nim", "quill")


class Send(Struct, frozen=True):
    """A wire event for `POST /v1/events`."""

    at: float
    """Seconds since the evening began."""
    event: Wire
    story: str | None = None
    """The shape of risk it belongs to; None: benign."""


class Upload(Struct, frozen=True):
    """A picture for `POST /v1/media:screen`, with its envelope."""

    at: float
    envelope: Wire
    data: bytes
    name: str
    banked: bool = False
    """True where a picture like it is in the demo's bank."""


DemoStep = Send | Upload


class _Line(Struct, frozen=True):
    at: float
    author: str
    text: str


def evening(
    seed: int = 1, conversations: int = 300, shared: Path | None = None, start: datetime = START, shared_pictures: int = 24
) -> Iterator[DemoStep]:
    """The steps of an evening in the order of their time.

    `conversations` benign ones (the real chat under `shared` when it is there, else those that ship, again and again with other
    people), every story once, and `shared_pictures` harmless pictures beside those that are banked. `start` is when the evening
    begins; give a time `HOURS` ago for an evening that ends now. 300 conversations are 7,000 to 9,000 events.
    """
    chance = Random(f"evening {seed}")
    world = _World(chance, start, seed)
    chats = _real_chat(shared, chance) or _sample_chat(chance)
    for number in range(conversations):
        world.chat(number, chats[number % len(chats)])
    for story in stories():
        world.story(story)
    for picture in pictures.shown(seed, shared_pictures, shared):
        world.picture(picture)
    yield from sorted(world.steps, key=lambda step: step.at)


def stories() -> Sequence[Mapping[str, Any]]:
    """The conversations of `stories.toml`."""
    told: list[Mapping[str, Any]] = tomllib.loads(_text("stories.toml"))["story"]
    return told


class _World:
    """Collects the steps of one evening; all chance is its own."""

    def __init__(self, chance: Random, start: datetime, seed: int) -> None:
        self.steps: list[DemoStep] = []
        self._seed = seed
        self._chance = chance
        self._start = start
        self._count = 0

    def chat(self, number: int, lines: Sequence[_Line]) -> None:
        chance = self._chance
        kind = chance.choice(_CHANNELS)
        place = chance.choice(_PLACES)
        people = {author: self._player(place) for author in dict.fromkeys(line.author for line in lines)}
        if len(people) > 2 and kind == "direct":
            kind = "group"
        relation = chance.choice(("contact", "contact", "trusted", "stranger"))
        channel = self._channel(f"{kind}-{number:04}", kind)
        begin = chance.uniform(0, HOURS * 3600 * 0.9)
        for person in people.values():
            self._add(begin - chance.uniform(1, 60), {"kind": "session", "actor": person})
        for line in lines:
            event = {"kind": "message", "actor": people[line.author], "targets": _others(people, line.author), "relation": relation}
            self._add(begin + line.at, event | {"channel": channel, "text": line.text})
        if len(people) > 1 and chance.random() < 0.3:
            self._kindness(begin + lines[-1].at, list(people.values()), channel)

    def _kindness(self, at: float, people: list[Wire], channel: Wire) -> None:
        """What friends do after a good game."""
        giver, taker = self._chance.sample(people, 2)
        event: Wire = self._chance.choice(
            (
                {"kind": "gift", "value": float(self._chance.randrange(1, 10)), "unit": "shells"},
                {"kind": "follow"},
                {"kind": "reward", "name": "kind player"},
                {"kind": "contact_request", "outcome": "sent", "mutual_contacts": self._chance.randrange(1, 9)},
            )
        )
        self._add(at + 5, event | {"actor": giver, "targets": [taker], "channel": channel})

    def story(self, told: Mapping[str, Any]) -> None:
        place = self._chance.choice(_PLACES)
        people = {
            label: self._player(place) | {"assurance": "none"} | told_of for label, told_of in told["people"].items()
        }  # what the story says of a person replaces what chance said
        at = self._chance.uniform(HOURS * 180, HOURS * 2700)
        for step in told["steps"]:
            at += step.get("after", 8)
            by = step["by"]
            to = step.get("to") or [label for label in people if label != by]
            own = {name: value for name, value in step.items() if name not in ("by", "to", "after", "kind")}
            pair = "-".join(sorted((by, *to)))
            event = {
                "kind": step.get("kind", "message"),
                "actor": people[by],
                "targets": [people[label] for label in to],
                "relation": told.get("relation", "stranger"),
                "channel": self._channel(f"story-{told['name']}-{pair}", told["channel"]),
            }
            self._add(at, event | own, told["name"])

    def picture(self, picture: pictures.Picture) -> None:
        place = self._chance.choice(_PLACES)
        actor, other = self._player(place), self._player(place)
        at = self._chance.uniform(600, HOURS * 3600 * 0.95)
        envelope = {
            "kind": "media_screened",
            "actor": actor,
            "targets": [other],
            "relation": "contact",
            "channel": self._channel(f"pictures-{picture.name}", "direct"),
        }
        # The reference pictures are the banked bridge turned and mirrored: a lookup knows those views too.
        in_bank = picture.name.startswith(("again-", "bridge-"))
        self.steps.append(Upload(at, self._envelope(at, envelope), picture.data, picture.name, in_bank))

    def _channel(self, name: str, kind: str) -> Wire:
        # The seed in the name: another evening's conversations are other conversations.
        return {"id": f"{self._seed}-{name}", "kind": kind}

    def _add(self, at: float, event: Wire, story: str | None = None) -> None:
        at = max(0.0, at)
        self.steps.append(Send(at, self._envelope(at, event), story))

    def _envelope(self, at: float, event: Wire) -> Wire:
        self._count += 1
        moment = self._start + timedelta(seconds=round(at, 3))
        return {"id": f"lf-{self._count:06}", "at": moment.isoformat(), **event}

    def _player(self, place: str) -> Wire:
        chance = self._chance
        age_band, assurance = chance.choice(_AGES)
        name = "".join(chance.choice(_SYLLABLES) for _ in range(3))
        return {
            "account": f"{name}{chance.randrange(10_000):04}",
            "age_band": age_band,
            "assurance": assurance,
            "account_age_days": float(chance.randrange(1, 1500)),
            "place": place,
        }


def _others(people: Mapping[str, Wire], author: str) -> list[Wire]:
    return [person for name, person in people.items() if name != author]


def _sample_chat(chance: Random) -> list[list[_Line]]:
    """Conversations of two to four of those that ship: the same few people talk, play, and talk again."""
    talks = [_lines(json.loads(line)["messages"]) for line in _text("benign.jsonl").splitlines()]
    evenings = []
    for first in talks:
        joined = list(first)
        for talk in chance.sample(talks, chance.randrange(1, 4)):
            pause = joined[-1].at + chance.uniform(20, 240)
            joined += [_Line(pause + line.at, line.author, line.text) for line in talk]
        evenings.append(joined)
    chance.shuffle(evenings)
    return evenings


def _real_chat(shared: Path | None, chance: Random) -> list[list[_Line]]:
    """Windows of the real chat: a stretch of talk among at most `MOST_PRESENT` people, its times kept."""
    path = shared / CHAT if shared is not None else None
    if path is None or not path.is_file():
        return []
    windows = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            messages = _lines(json.loads(line)["messages"])
            for first in range(0, len(messages) - 20, 40):
                window = messages[first : first + chance.randrange(12, 40)]
                present = list(dict.fromkeys(m.author for m in window))[:MOST_PRESENT]
                kept = [m for m in window if m.author in present]
                windows.append([_Line(m.at - kept[0].at, m.author, m.text) for m in kept])
    chance.shuffle(windows)
    return windows


def _lines(messages: Sequence[Mapping[str, Any]]) -> list[_Line]:
    """The corpus format's messages. Times run within a day; a step back means midnight has passed, and is read as no time at all."""
    out: list[_Line] = []
    clock, before = 0.0, None
    for i, message in enumerate(messages):
        at = float(message["at"])
        # The real chat is stamped to the minute: a few seconds between messages of one minute keep their order.
        clock += max(0.0, at - before) if before is not None else 0.0
        before = at
        out.append(_Line(clock + i * 0.5, str(message["author"]), str(message["text"])[:MOST_TEXT].replace("\0", "")))
    return out


def _text(name: str) -> str:
    return (resources.files("nightlight.app.demo") / name).read_text(encoding="utf-8")
