"""Scores conversations as the pipeline would, without a store: for evaluation."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import cast

from nightlight.adapters.index import FlatIndex
from nightlight.app.fold import Folder, Memory
from nightlight.app.harness import sensors
from nightlight.app.passage import Admitted, Passage, move
from nightlight.app.senses import Sensed, Senses
from nightlight.core.assessment import Assessment
from nightlight.core.detect import Detector, Fact, Key, KeyKind
from nightlight.core.event import EventBase
from nightlight.core.features import AccountSummary, Features
from nightlight.core.gate import DataKind, Permission
from nightlight.core.harm import Harm, Level
from nightlight.core.ports import PipelineStore, SavedState
from nightlight.core.signal import Signal, Subject
from nightlight.kit.corpus import Conversation, to_events

ALL_PERMITTED = Permission(frozenset(DataKind), ())
"""Who evaluates on data that they hold has settled beforehand that they may."""
AHEAD = 4
"""Conversations that wait for each process: enough to keep it busy, few enough to hold."""

Levels = Mapping[Level, float]


def scorer(detectors: Mapping[str, Detector], levels: Levels) -> LiveScorer:
    return LiveScorer(detectors, levels)


class LiveScorer:
    """The running risk after each event of a conversation: the highest assessment of any subject and harm, all detectors fused.

    Every conversation begins with empty memories. Costly senses run where a detector wants them, as they do in the service.
    """

    def __init__(self, detectors: Mapping[str, Detector], levels: Levels) -> None:
        self._detectors, self._levels = detectors, levels
        self._senses = Senses(sensors(FlatIndex()))
        self._folder = Folder(detectors, self._senses)
        self.failures: Counter[str] = Counter()
        """Events on which a sense or a detector failed, by name: their scores lack what it would have said."""

    def __call__(self, events: Sequence[EventBase]) -> list[float]:
        memory = Memory(cast(PipelineStore, _Empty()))
        summaries: dict[str, AccountSummary] = {}
        tails: dict[str, str] = {}
        current: dict[tuple[Subject, Harm], Assessment] = {}
        scores = []
        for event in events:
            passage = self._through(event, memory, summaries, tails)
            signals = [*passage.signals, *(signal for fact in passage.facts for signal in self._absorb(fact, memory, summaries))]
            move(current, signals, self._levels)
            self.failures.update(passage.failures)
            scores.append(max((a.score for a in current.values()), default=0.0))
        return scores

    def _through(self, event: EventBase, memory: Memory, summaries: Mapping[str, AccountSummary], tails: dict[str, str]) -> Passage:
        admitted = Admitted(event=event, names={}, body_mac=b"", received_at=event.at)
        own = {party.account: summaries[party.account] for party in (event.actor, *event.targets) if party.account in summaries}
        author = event.actor.account
        sensed = Sensed(event, Features(summaries=own), tails.get(author, ""))
        self._senses.first([sensed])
        passage = Passage(admitted=admitted, permission=ALL_PERMITTED, features=sensed.features, tail=sensed.tail)
        passage.failures.extend(sensed.failures)
        if sensed.features.text is not None:
            tails[author] = sensed.features.text.tail
        self._folder.fold([passage], memory)
        return passage

    def _absorb(self, fact: Fact, memory: Memory, summaries: dict[str, AccountSummary]) -> tuple[Signal, ...]:
        detector = self._detectors[fact.detector]
        absorbed = detector.absorb(memory.get(detector, [fact.key])[fact.key], fact)
        memory.put(detector, {fact.key: absorbed.state})
        if absorbed.summary and fact.key.kind is KeyKind.ACCOUNT:
            old = summaries.get(fact.key.id, AccountSummary())
            values = {**old.values, **{f"{fact.detector}.{name}": value for name, value in absorbed.summary.items()}}
            if values != old.values:
                summaries[fact.key.id] = AccountSummary(old.version + 1, values)
        return absorbed.signals


class _Empty:
    """All that `Memory` asks of a store."""

    def states(self, wanted: Sequence[tuple[str, Key]]) -> Mapping[tuple[str, Key], SavedState]:
        return {}


Scores = tuple[Conversation, list[EventBase], list[float]]


class Scoring:
    """Scores conversations in order, in this process or over several; `failures` counts as they come."""

    def __init__(self, detectors: Mapping[str, Detector], levels: Levels, *, jobs: int = 1) -> None:
        """With `jobs` above 1 the processes load the detectors anew by name: they must be installed ones."""
        self._detectors, self._levels, self._jobs = detectors, dict(levels), jobs
        self.failures: Counter[str] = Counter()

    def over(self, conversations: Iterable[Conversation]) -> Iterator[Scores]:
        """Each conversation with its events and the score after each. Few are held at a time, however many there are."""
        return self._here(conversations) if self._jobs == 1 else self._in_processes(conversations)

    def _here(self, conversations: Iterable[Conversation]) -> Iterator[Scores]:
        score = LiveScorer(self._detectors, self._levels)
        self.failures = score.failures
        for conversation in conversations:
            events: list[EventBase] = list(to_events(conversation))
            yield conversation, events, score(events)

    def _in_processes(self, conversations: Iterable[Conversation]) -> Iterator[Scores]:
        # Spawned, not forked: the numeric libraries' threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self._jobs, context, _begin, (tuple(self._detectors), self._levels))
        waiting: deque[tuple[Conversation, Future[tuple[list[float], Counter[str]]]]] = deque()
        try:
            for conversation in conversations:
                waiting.append((conversation, pool.submit(_score, conversation)))
                if len(waiting) >= AHEAD * self._jobs:
                    yield self._taken(*waiting.popleft())
            while waiting:
                yield self._taken(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _taken(self, conversation: Conversation, coming: Future[tuple[list[float], Counter[str]]]) -> Scores:
        scores, failures = coming.result()
        self.failures.update(failures)
        return conversation, list(to_events(conversation)), scores


_scorer: LiveScorer | None = None


def _begin(names: Sequence[str], levels: Levels) -> None:
    """In each process, once."""
    from nightlight.detectors import discover

    global _scorer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us
    found = discover().detectors
    _scorer = LiveScorer({name: found[name] for name in names}, levels)


def _score(conversation: Conversation) -> tuple[list[float], Counter[str]]:
    if _scorer is None:
        raise RuntimeError("the process was not set up")
    _scorer.failures.clear()
    return _scorer(list(to_events(conversation))), Counter(_scorer.failures)
