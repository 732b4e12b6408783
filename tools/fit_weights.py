"""Fits the weights of the detectors of conversations on the training folder, and prints their tables with what they reach.

Run after `build_text_models.py`, in the same environment:

    .cache/tools/bin/python tools/fit_weights.py --chat ubuntu-irc.jsonl.gz

Every line's cues are those of heads and encoders that had not seen its author. Harmless conversations are taken as they are; the courses of
`training/courses.jsonl`, which hold no text, are filled with lines that show the same cues.
"""

from __future__ import annotations

import argparse
import json
import pickle
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from msgspec.structs import replace

from nightlight.app.training import chat_rows, train
from nightlight.core.detect import KeyKind
from nightlight.core.features import Features, TextFeatures
from nightlight.detectors import discover
from nightlight.kit.corpus import Conversation, Line, Role, load, stream, to_events
from nightlight.kit.run import Sensed, run
from nightlight.kit.train.heads import Fitted
from nightlight.kit.train.lines import filled
from nightlight.kit.train.weights import Sides, cross_fitted, figures, fit, scaled
from nightlight.senses.text import MeaningSensor, TextSensor
from nightlight.senses.text.fold import fold, words
from nightlight.senses.text.heads import DEEP_MOST, LIGHT_MOST, strengths
from nightlight.senses.text.learned import cues_of, strongest
from nightlight.senses.text.sensor import default_lexicon

ROOT = Path(__file__).parents[1]
TRAINING = ROOT / "training"
PARTS, PENALTY = 5, 3.0
COPIES = 4
FALSE_ALARMS = 0.002
WINDOW, WINDOWS = 40, 3
"""Messages of one window of a long chat, and windows taken of it."""


class Reader:
    """Cues of texts by heads that had not seen them; of other texts by those that ship."""

    def __init__(self, heads: Any) -> None:
        light, both = heads.unseen()
        self._light, self._both, self.names = light, both, heads.cues
        self.place = {row.text: i for i, row in enumerate(heads.rows)}
        self._lexicon = default_lexicon()
        self._phrases, self._text, self._deep = TextSensor(self._lexicon), TextSensor(), MeaningSensor()

    def read(self, text: str, tail: str) -> tuple[TextFeatures, TextFeatures]:
        place = self.place.get(text)
        if place is None or np.isnan(self._both[place]).any():
            known = self._text.read(text, tail)
            return known, self._deep.read(text, known)
        known = self._phrases.read(text, tail)
        factors = self._lexicon.factors(words(fold(text)))
        span = (0, len(text))
        light, both = (strengths(x[place]) for x in (self._light, self._both))
        hint = float(light.max())
        known = replace(known, hint=hint, cues=strongest([*known.cues, *cues_of(self.names, LIGHT_MOST * light, span, factors)]))
        return known, replace(known, cues=strongest([*known.cues, *cues_of(self.names, DEEP_MOST * both, span, factors)]))

    def sensed(self, talk: Conversation) -> list[Sensed]:
        tails: dict[str, str] = {}
        out = []
        for event in to_events(talk):
            light, full = self.read(event.content, tails.get(event.actor.account, ""))
            tails[event.actor.account] = light.tail
            out.append(Sensed(event, Features(text=light), Features(text=full)))
        return out


def harmless(chats: Sequence[Path], calm: Sequence[Any]) -> Iterator[tuple[Conversation, str]]:
    """Harmless conversations, made as long as those that hold risk by lines that show nothing: else their length would tell them apart."""
    for path in sorted((TRAINING / "conversations").glob("*.jsonl")):
        for number, talk in enumerate(load(path).conversations, start=1):
            random = Random(f"{path.stem} {number}")
            said = [replace(m, text=filled(m.text, Random(f"{number} {k}")).strip()) for k, m in enumerate(talk.messages)]
            said = [m for m in said if m.text]
            pool = [row.text for row in calm if row.group == path.stem and row.language == talk.language]
            while pool and len(said) < WINDOW // 2:
                said.append(replace(said[len(said) % 2], at=said[-1].at + 30.0, text=random.choice(pool), cues=()))
            talk = replace(talk, messages=tuple(said))
            yield talk, path.stem
            yield unknown(talk), path.stem
    for path in chats:
        for number, talk in enumerate(one for one in stream(path) if isinstance(one, Conversation)):
            if number % 2:
                continue
            said = [m for m in talk.messages if m.text.strip()]
            step = max(WINDOW, len(said) // WINDOWS)
            for start in range(0, len(said) - WINDOW + 1, step):
                yield replace(talk, conversation=f"{number}-{start}", messages=tuple(said[start : start + WINDOW])), "chat"


def unknown(talk: Conversation) -> Conversation:
    """The same where nobody knows who is how old."""
    return replace(talk, conversation=f"{talk.conversation}-u", messages=tuple(replace(m, role=Role.UNKNOWN) for m in talk.messages))


def courses(heads: Any, copies: int = COPIES) -> Iterator[tuple[Conversation, str, str]]:
    pools: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    either: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in heads.rows:
        if "/" not in row.group:
            pools[row.language, tuple(sorted(row.cues))].append(row.text)
            for cue in row.cues:
                either[row.language, cue].append(row.text)
    for raw in (TRAINING / "courses.jsonl").read_text("utf-8").splitlines():
        course = json.loads(raw)
        for copy in range(copies):
            random, said = Random(f"{course['course']} {copy}"), []
            for message in course["messages"]:
                cues, language = tuple(sorted(message.get("cues", ()))), course["language"]
                pool = pools[language, cues]
                if len(pool) < 4:
                    pool = either[language, random.choice(cues)]
                role = Role(course["roles"][message["author"]]) if copy % 2 == 0 else Role.UNKNOWN
                said.append(Line(at=message["at"], author=message["author"], text=random.choice(pool), role=role))
            talk = Conversation(conversation=f"{course['course']}-{copy}", source="course", label=1, messages=tuple(said))
            yield talk, course["harm"], course["course"].rpartition("-")[0]


def sides(detector: Any, names: Sequence[str], sensed: Sequence[tuple[list[Sensed], str | None]], harm: str) -> Sides:
    held, risky, conversation, calm = [], [], [], []
    for number, (events, of) in enumerate(sensed):
        calm.append(of is None)
        trace = run(detector, events, saved=False)
        for key, raw in trace.states.items():
            if key.kind is not KeyKind.DIRECTION:
                continue
            side = msgspec.msgpack.decode(raw, type=type(detector.new(key)))
            if not side.cues:
                continue
            at = events[-1].event.at.timestamp()
            plain = sum(detector.weights[name].weight * h.strength for name, h in side.cues.items() if name in detector.weights)
            factor = detector.total(side, at) / plain if plain > 0 else 0.0
            held.append([side.cues[name].strength * factor if name in side.cues else 0.0 for name in names])
            risky.append(of == harm and key.id.endswith("|a"))
            conversation.append(number)
    return Sides(np.array(held), np.array(risky), np.array(conversation), np.array(calm))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fits the weights of the detectors of conversations.")
    parser.add_argument("--chat", type=Path, action="append", default=[])
    parser.add_argument("--risk", type=Path, action="append", default=[], help="conversations of one's own that hold risk, side `a` risky")
    given = parser.parse_args()
    with np.load(ROOT / ".cache" / "tuned.npz") as parts:
        tuned = Fitted(parts["weights"], parts["bias"], parts["unseen"])
    heads = train(TRAINING, chat_rows(given.chat, (0, 2)), ROOT / ".cache" / "heads", tuned=tuned)
    reader = Reader(heads)
    calm = [row for row in heads.rows if "/" not in row.group and row.rest == 1.0 and not row.cues]
    talks: list[tuple[Conversation, str | None, str]] = [(talk, None, group) for talk, group in harmless(given.chat, calm)]
    if given.risk:
        for path in given.risk:
            for talk in load(path).conversations:
                harm = "sextortion" if talk.source.startswith("sextortion") else "grooming"
                talks += [(talk, harm, path.stem), (unknown(talk), harm, path.stem)]
    else:
        talks += list(courses(heads))
    print(len(talks), "conversations")
    sensed = [(reader.sensed(talk), harm) for talk, harm, _ in talks]
    parts_of = np.array([crc32(talk.conversation.removesuffix("-u").encode()) % PARTS for talk, _, _ in talks])
    pickle.dump((talks, sensed), (ROOT / ".cache" / "sensed.pkl").open("wb"))
    for name in ("grooming", "sextortion"):
        detector = discover().detectors[name]
        names = list(detector.weights)
        prior = np.array([detector.weights[cue].weight for cue in names])
        own = sides(detector, names, sensed, name)
        print(name, "as it is", figures(own, own.held @ prior))
        for penalty in (1.0, 3.0, 10.0):
            part = [int(parts_of[c]) for c in own.conversation]
            print(name, penalty, figures(own, cross_fitted(own, prior, part, penalty)))
        weights = scaled(fit(own, prior, np.ones(len(own.risky), bool), PENALTY), own, 0.75, FALSE_ALARMS)
        for cue, weight in zip(names, weights, strict=True):
            print(f'    "{cue}": Weight(Stage.{detector.weights[cue].stage.name}, {weight:.2f}),')


if __name__ == "__main__":
    main()
