"""The scorer of evaluations against the slow twin of the pipeline, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nightlight.app import scoring
from nightlight.app.harness import senses
from nightlight.app.passage import move
from nightlight.app.scoring import LiveScorer, Scoring
from nightlight.core.assessment import DEFAULT_LEVELS, Assessment
from nightlight.core.detect import BaseDetector, Card, Detector, Key, Observation
from nightlight.core.event import EventBase
from nightlight.core.features import Features, Sense, TextFeatures
from nightlight.core.harm import Harm
from nightlight.core.signal import Subject
from nightlight.detectors import discover
from nightlight.kit.corpus import Conversation, Line, to_events
from nightlight.kit.run import run, sense

RISKY = (
    *("how old are you", "ten", "are your parents home", "no", "dont tell your parents", "ok", "you are so mature for your age", "thanks"),
    *("send me a pic of you or i tell everyone", "no", "send me a gift card now or i will send this to all your friends", "please stop"),
)
PLAIN = ("good game", "you too", "again tomorrow?", "yes, after school", "bring the map")


def talk(name: str, texts: Sequence[str]) -> Conversation:
    lines = tuple(Line(at=30.0 * n, author="ab"[n % 2], text=text) for n, text in enumerate(texts))
    return Conversation(conversation=name, source="made", label=int(texts is RISKY), messages=lines)


TALKS = [talk("risky", RISKY), talk("plain", PLAIN), talk("mixed", PLAIN + RISKY + PLAIN), talk("twice", RISKY + RISKY)]


def slow(detectors: dict[str, Detector], events: list[EventBase]) -> list[float]:
    sensed = sense(senses(), events)
    traces = [run(detector, sensed) for detector in detectors.values()]
    current: dict[tuple[Subject, Harm], Assessment] = {}
    scores = []
    for n in range(len(events)):
        move(current, [signal for trace in traces for signal in trace.steps[n].all_signals], DEFAULT_LEVELS)
        scores.append(max((a.score for a in current.values()), default=0.0))
    return scores


@pytest.mark.parametrize("conversation", TALKS, ids=lambda one: one.conversation)
def test_scores_are_those_of_the_slow_twin(conversation: Conversation) -> None:
    detectors = discover().detectors
    events: list[EventBase] = list(to_events(conversation))
    found = LiveScorer(detectors, DEFAULT_LEVELS)(events)
    assert found == pytest.approx(slow(detectors, events))
    assert (max(found) > 0.5) == (conversation.conversation != "plain")


def test_conversations_do_not_know_of_each_other() -> None:
    score = LiveScorer(discover().detectors, DEFAULT_LEVELS)
    first = score(list(to_events(TALKS[0])))
    score(list(to_events(TALKS[3])))
    assert score(list(to_events(TALKS[0]))) == first


def test_processes_give_the_same_scores_in_the_same_order() -> None:
    detectors = discover().detectors
    one, two = (list(Scoring(detectors, DEFAULT_LEVELS, jobs=jobs).over(iter(TALKS * 4))) for jobs in (1, 2))
    assert [c.conversation for c, _, _ in two] == [c.conversation for c in TALKS * 4]
    assert one == two


class Breaking(BaseDetector):
    """Wants the costly reading of one word, and breaks on another."""

    def __init__(self) -> None:
        self.card = Card(
            name="breaking", version="1", state_version=1, summary="", harms=(), data=(), senses=(), languages=(), limits=(), owner=""
        )

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (Key.conversation(event),)

    def new(self, key: Key) -> Any:
        return None

    def wants(self, states: Any, event: EventBase, features: Features) -> frozenset[Sense]:
        return frozenset({Sense.MATCH_LIKENESS} if event.content == "look" else ())

    def observe(self, states: Any, event: EventBase, features: Features) -> Observation:
        if event.content == "break":
            raise RuntimeError(event.content)
        return Observation({})


def test_a_part_that_fails_is_counted_and_costs_no_conversation() -> None:
    scoring = Scoring({"breaking": Breaking()}, DEFAULT_LEVELS)
    done = list(scoring.over([talk("a", ("x", "break", "y", "break")), talk("b", ("x",))]))
    assert [len(scores) for _, _, scores in done] == [4, 1]
    assert scoring.failures == {"detector:breaking": 2}


class Counting:
    sense = Sense.MATCH_LIKENESS
    costly = True

    def __init__(self) -> None:
        self.read: list[str] = []

    def applies(self, event: EventBase) -> bool:
        return True

    def batch(self, inputs: Sequence[Any]) -> list[Features]:
        self.read += [one.event.content for one in inputs]
        return [one.features for one in inputs]


def test_costly_senses_run_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting()
    monkeypatch.setattr(scoring, "sensors", lambda _index: [counting])
    LiveScorer({"breaking": Breaking()}, DEFAULT_LEVELS)(list(to_events(talk("a", ("x", "look", "y")))))
    assert counting.read == ["look"]


class Tailing:
    sense = Sense.TEXT
    costly = False

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def applies(self, event: EventBase) -> bool:
        return True

    def batch(self, inputs: Sequence[Any]) -> list[Features]:
        self.seen += [(one.event.content, one.tail) for one in inputs]
        return [Features(text=TextFeatures(tail=one.event.content)) for one in inputs]


def test_each_author_is_read_with_the_end_of_what_they_wrote_before(monkeypatch: pytest.MonkeyPatch) -> None:
    tailing = Tailing()
    monkeypatch.setattr(scoring, "sensors", lambda _index: [tailing])
    score = LiveScorer({"breaking": Breaking()}, DEFAULT_LEVELS)
    score(list(to_events(talk("a", ("zan", "plim", "tle", "dorrow")))))
    score(list(to_events(talk("b", ("brisp",)))))
    assert tailing.seen == [("zan", ""), ("plim", ""), ("tle", "zan"), ("dorrow", "plim"), ("brisp", "")]
