"""Scores conversations as the pipeline would, without a store: for evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.app.harness import senses
from nightlight.app.passage import move
from nightlight.core.assessment import Assessment
from nightlight.core.detect import Detector
from nightlight.core.event import EventBase
from nightlight.core.harm import Harm, Level
from nightlight.core.signal import Subject
from nightlight.kit.evaluate import Scorer
from nightlight.kit.run import run, sense


def scorer(detectors: Mapping[str, Detector], levels: Mapping[Level, float]) -> Scorer:
    """The running risk after each event: the highest assessment of any subject and harm, all detectors fused."""
    engine = senses()

    def score(events: list[EventBase]) -> list[float]:
        sensed = sense(engine, events)
        traces = [run(detector, sensed, saved=False) for detector in detectors.values()]
        current: dict[tuple[Subject, Harm], Assessment] = {}
        scores: list[float] = []
        for n in range(len(events)):
            move(current, [signal for trace in traces for signal in trace.steps[n].all_signals], levels)
            scores.append(max((a.score for a in current.values()), default=0.0))
        return scores

    return score
