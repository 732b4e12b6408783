"""The messages that `nightlight bench conversations` measures on: a fixed mix, most of it harmless, the same on every run.

It is made of a checkout's own files: `benchmarks/heldout`, the harmless conversations of `training`, and public IRC chat where a
folder with it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.errors import Invalid
from nightlight.kit.corpus import Conversation, Line, Role, load, stream
from nightlight.kit.train.lines import filled

RISK_SHARE = 0.05
"""Of the messages. Real traffic holds far less; a mix without any would never ask the encoder for what it is there for."""
MOST_RISK = 200
"""Messages of risk conversations, at least: with the harmless ones 4,000, enough for a 99th percentile and few enough for the peer."""
WINDOW = 60
"""Messages of one piece of an IRC log, which runs over a whole day."""
SEED = 4


class Mix(Struct, frozen=True):
    conversations: tuple[Conversation, ...]
    composition: dict[str, int]
    """Messages by where they are from."""
    spare: tuple[Conversation, ...]
    """Others of the same kinds, to warm up on."""

    @property
    def messages(self) -> int:
        return sum(self.composition.values())


def checkout() -> Path:
    """The folder with `benchmarks` and `training`, where this runs from a checkout. Raises Invalid elsewhere."""
    return checked(Path(__file__).parents[4])


def checked(folder: Path) -> Path:
    if not (folder / "benchmarks" / "heldout" / "risk.jsonl").exists():
        raise Invalid("holds no benchmarks/heldout/risk.jsonl: name a checkout of Nightlight", field="--corpus")
    return folder


def mix(folder: Path, shared: Path | None = None) -> Mix:
    """`folder`: a checkout; `shared`: a folder with `ubuntu-irc.jsonl.gz` in it. Raises Invalid where IRC chat is missing there."""
    calm = [("authored, held out", one) for one in load(folder / "benchmarks" / "heldout" / "benign.jsonl").conversations]
    calm += [("authored, of the training folder", one) for one in training_benign(folder / "training")]
    if shared is not None:
        calm += [("IRC", one) for one in _irc(shared)]
    risk = [("risk, held out", one) for one in load(folder / "benchmarks" / "heldout" / "risk.jsonl").conversations]
    chance = Random(SEED)
    chance.shuffle(calm)
    chance.shuffle(risk)
    at_hand = sum(len(one.messages) for _, one in calm)
    risky, more_risk = _until(risk, min(MOST_RISK, round(at_hand * RISK_SHARE / (1 - RISK_SHARE))))
    wanted = round(sum(len(one.messages) for _, one in risky) * (1 - RISK_SHARE) / RISK_SHARE)
    harmless, more_calm = _until(calm, wanted)
    chosen = [*risky, *harmless]
    chance.shuffle(chosen)
    composition: dict[str, int] = {}
    for source, one in chosen:
        composition[source] = composition.get(source, 0) + len(one.messages)
    spare = [one for _, one in (*more_risk[:3], *more_calm[:10])] or [one for _, one in chosen[:5]]
    return Mix(tuple(one for _, one in chosen), dict(sorted(composition.items())), tuple(spare))


Sourced = tuple[str, Conversation]


def _until(talks: Sequence[Sourced], messages: int) -> tuple[list[Sourced], list[Sourced]]:
    """Whole conversations that hold as many messages, the last one cut to fit; and those that are left."""
    chosen: list[Sourced] = []
    for number, (source, one) in enumerate(talks):
        if messages <= 0:
            return chosen, list(talks[number:])
        cut = one.messages[:messages]
        chosen.append((source, replace(one, messages=cut)))
        messages -= len(cut)
    return chosen, []


def training_benign(folder: Path) -> Iterator[Conversation]:
    """The harmless conversations of a training folder, their ages as roles."""
    path = folder / "conversations" / "benign.jsonl"
    for raw in path.read_bytes().splitlines() if path.exists() else ():
        talk = json.loads(raw)
        ages = talk.get("ages", {})
        yield Conversation(
            conversation=talk["conversation"],
            source=talk["family"],
            label=0,
            language=talk["language"],
            messages=tuple(
                Line(
                    at=message["at"],
                    author=message["author"],
                    text=filled(message["text"], Random(number)),
                    role=_role(ages.get(message["author"])),
                )
                for number, message in enumerate(talk["messages"])
            ),
        )


def _role(age: object) -> Role:
    if not isinstance(age, int):
        return Role.UNKNOWN
    return Role.MINOR if age < 18 else Role.ADULT


def _irc(shared: Path) -> Iterator[Conversation]:
    """Pieces of the odd-numbered logs, which no training saw."""
    found = sorted(shared.rglob("ubuntu-irc.jsonl.gz"))
    if not found:
        raise Invalid("holds no ubuntu-irc.jsonl.gz", field="--shared")
    for number, talk in enumerate(one for one in stream(found[0]) if isinstance(one, Conversation)):
        if number % 2:
            lines = [line for line in talk.messages if line.text.strip()]
            for at in range(0, min(len(lines) - WINDOW, 4 * WINDOW), WINDOW * 2):
                yield replace(talk, conversation=f"{talk.conversation}-{at}", messages=tuple(lines[at : at + WINDOW]))
