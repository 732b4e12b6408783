"""`nightlight bench conversations`: what reading conversations costs, and Sentinel's method on the same messages beside it.

What the pipeline does between gate and policy, a message at a time on one core: the senses, what detectors want, the encoder, and the
folds of every detector that reads text, their states decoded and encoded as the store keeps them. No database. Times are processor time.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec
from msgspec import Struct

from nightlight.adapters.index import FlatIndex
from nightlight.app.bench import sentinel
from nightlight.app.bench.mix import Mix, checked, checkout, mix
from nightlight.app.fold import Folder, Memory
from nightlight.app.harness import sensors
from nightlight.app.passage import Admitted, Passage, move
from nightlight.app.scoring import ALL_PERMITTED
from nightlight.app.senses import Sensed, Senses
from nightlight.core.assessment import DEFAULT_LEVELS, Assessment
from nightlight.core.detect import Detector, Key
from nightlight.core.event import Message
from nightlight.core.features import Features, Sense, SenseInput, Sensor
from nightlight.core.harm import Harm
from nightlight.core.ports import PipelineStore, SavedState
from nightlight.core.signal import Subject
from nightlight.kit.corpus import to_events

STARTS = 3
"""Fresh processes; the middle one is reported."""


class Result(Struct, frozen=True, kw_only=True):
    messages_per_second: float
    """On one core, by processor time."""
    mean_ms: float
    p99_ms: float
    encoder_share: float
    """Messages that the encoder read."""
    first_message_s: float
    """From the start of a fresh `nightlight screen` to its first answer, by the clock, from outside; the home folder exists."""
    ratio_to_sentinel: float | None
    """Its mean processor time / ours on the same messages; None where it is not installed, and `message` says how to get it."""
    sentinel_ms: float | None
    sentinel_examples: tuple[int, int] | None
    """Risky and common lines of its index."""
    message: str | None
    messages: int
    benign_share: float
    composition: Mapping[str, int]
    """Messages of the mix, by where they are from."""
    detectors: tuple[str, ...]
    machine: str
    date: str


def run(
    corpus: Path | None = None,
    shared: Path | None = None,
    weights: Path | None = None,
    peer: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Result:
    """`corpus`: a checkout, by default the one this runs from. Raises Invalid where the mix cannot be made of it."""
    from nightlight.detectors import discover

    folder = checked(corpus) if corpus is not None else checkout()
    chosen = mix(folder, shared)
    reading = {name: one for name, one in discover().detectors.items() if Sense.TEXT in one.card.senses}
    progress("warming up")
    cascade = Cascade(reading)
    for talk in chosen.spare:
        cascade.through(to_events(talk))
    cascade.read_by_encoder(to_events(chosen.spare[0])[0])
    progress(f"{chosen.messages} messages")
    cascade = Cascade(reading, cascade.sensors)
    spent: list[float] = []
    for talk in chosen.conversations:
        spent += cascade.through(to_events(talk))
    if cascade.failures:
        raise RuntimeError(f"a part failed on {len(cascade.failures)} messages: {cascade.failures[0]}")
    spent.sort()
    mean = statistics.fmean(spent)
    progress("first message")
    first = _first_message(chosen)
    theirs, examples = _peer(folder, chosen, weights, progress) if peer and sentinel.available() else (None, None)
    risky = sum(count for source, count in chosen.composition.items() if source.startswith("risk"))
    return Result(
        messages_per_second=1 / mean,
        mean_ms=1000 * mean,
        p99_ms=1000 * spent[min(len(spent) - 1, int(0.99 * len(spent)))],
        encoder_share=cascade.encoded / len(spent),
        first_message_s=first,
        ratio_to_sentinel=theirs / mean if theirs is not None else None,
        sentinel_ms=1000 * theirs if theirs is not None else None,
        sentinel_examples=examples,
        message=None if theirs is not None else sentinel.MISSING if peer else "the peer was not asked for",
        messages=chosen.messages,
        benign_share=1 - risky / chosen.messages,
        composition=chosen.composition,
        detectors=tuple(reading),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        date=datetime.now(UTC).date().isoformat(),
    )


class Cascade:
    """Messages through senses and detectors, timed one by one."""

    def __init__(self, detectors: Mapping[str, Detector], built: Sequence[Sensor] | None = None) -> None:
        self.sensors = [one for one in (built or sensors(FlatIndex())) if one.sense in (Sense.TEXT, Sense.MEANING)]
        self.encoded = 0
        self.failures: list[str] = []
        self._senses = Senses([_Counted(one, self) if one.costly else one for one in self.sensors])
        self._folder = Folder(detectors, self._senses)

    def through(self, events: Sequence[Message]) -> list[float]:
        """Seconds of each message of one conversation."""
        store, tails, spent = _States(), dict[str, str](), []
        current: dict[tuple[Subject, Harm], Assessment] = {}
        for event in events:
            admitted = Admitted(event=event, names={}, body_mac=b"", received_at=event.at)
            began = time.thread_time()
            memory = Memory(cast(PipelineStore, store))
            sensed = Sensed(event, Features(), tails.get(event.actor.account, ""))
            self._senses.first([sensed])
            passage = Passage(admitted=admitted, permission=ALL_PERMITTED, features=sensed.features, tail=sensed.tail)
            self._folder.fold([passage], memory)
            move(current, passage.signals, DEFAULT_LEVELS)
            spent.append(time.thread_time() - began)
            store.held.update(memory.changes())
            tails[event.actor.account] = sensed.features.text.tail if sensed.features.text is not None else ""
            self.failures += [*sensed.failures, *passage.failures]
        return spent

    def read_by_encoder(self, event: Message) -> None:
        """So that loading it is not counted on the first message that wants it."""
        sensed = Sensed(event, Features())
        self._senses.first([sensed])
        self._senses.second([(sensed, frozenset({Sense.MEANING}))])


class _Counted:
    """A costly sensor, with the messages it read counted."""

    costly = True

    def __init__(self, inner: Sensor, cascade: Cascade) -> None:
        self.sense, self._inner, self._cascade = inner.sense, inner, cascade
        self.applies = inner.applies

    def batch(self, inputs: Sequence[SenseInput]) -> list[Features]:
        self._cascade.encoded += len(inputs)
        return self._inner.batch(inputs)


class _States:
    """Saved states in a dictionary: all that `Memory` asks of a store."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, Key], SavedState] = {}

    def states(self, wanted: Sequence[tuple[str, Key]]) -> Mapping[tuple[str, Key], SavedState]:
        return {at: self.held[at] for at in wanted if at in self.held}


def _first_message(chosen: Mix, starts: int = STARTS) -> float:
    """The middle of as many fresh processes. Raises RuntimeError where the answer is none."""
    event = msgspec.structs.replace(to_events(chosen.conversations[0])[0], id="first")
    line = msgspec.json.encode(
        {
            "kind": "message",
            "id": event.id,
            "at": event.at,
            "actor": {"account": event.actor.account, "place": "GB"},
            "targets": [{"account": target.account, "place": "GB"} for target in event.targets],
            "channel": {"id": "first", "kind": "direct"},
            "text": event.text,
        }
    )
    command = [sys.executable, "-m", "nightlight", "screen", "-", "--json"]
    took = []
    with tempfile.TemporaryDirectory(prefix="nightlight-bench-") as name:
        environ = {**os.environ, "NIGHTLIGHT_HOME": name}
        for number in range(starts + 1):
            body = line.replace(b'"id":"first"', b'"id":"first-%d"' % number, 1)
            began = time.perf_counter()
            process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
            if process.stdin is None or process.stdout is None:
                raise RuntimeError("the process has no pipes")
            process.stdin.write(body + b"\n")
            process.stdin.close()
            answer = process.stdout.readline()
            took.append(time.perf_counter() - began)
            process.stdout.close()
            if process.wait() or b'"event_id":"first-' not in answer:
                raise RuntimeError("a fresh process did not answer its first message")
    return statistics.median(took[1:] or took)  # the first of all made the home folder


def _peer(folder: Path, chosen: Mix, weights: Path | None, progress: Callable[[str], None]) -> tuple[float, tuple[int, int]]:
    """Its mean seconds a message, and the size of its index."""
    from nightlight.kit.train.lines import read_lines

    progress("building the peer's index")
    peer = sentinel.Sentinel(read_lines(folder / "training"), weights)
    for talk in chosen.spare[:2]:
        for line in talk.messages[:5]:
            peer.score(line.text)
    progress("the peer on the same messages")
    spent = 0.0
    for talk in chosen.conversations:
        scores: dict[str, list[float]] = {}
        for line in talk.messages:
            began = time.thread_time()
            own = scores.setdefault(line.author, [])
            own.append(peer.score(line.text))
            peer.affinity(own)
            spent += time.thread_time() - began
    return spent / chosen.messages, peer.examples
