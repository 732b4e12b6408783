"""The laws, and what this detector does at the second hop."""

from __future__ import annotations

from pathlib import Path

from nightlight.app.harness import senses
from nightlight.kit import check_detector
from nightlight.kit.examples import read_examples
from nightlight.kit.run import run, sense

from . import build


def test_laws() -> None:
    check_detector(build(), senses())


def test_repeats_to_other_children_raise_the_score() -> None:
    examples = {e.name: e for e in read_examples(Path(__file__).parent / "examples.jsonl")}
    trace = run(build(), sense(senses(), examples["asks several children again"].events))
    scores = [signal.score for step in trace.steps for signal in step.signals]
    assert scores == sorted(set(scores)), "each of the three children's first repeat should weigh more than the one before"
    assert trace.summaries["vell"].values == {f"{build().card.name}.repeats": 3.0}
