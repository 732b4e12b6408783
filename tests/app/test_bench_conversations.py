"""The mix is fixed and what it says it is; the cascade measured is the pipeline's; the peer's method is the published one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nightlight.app.bench import mix as mixing
from nightlight.app.bench import sentinel
from nightlight.app.bench.conversations import Cascade, _first_message
from nightlight.app.bench.mix import Mix, checkout, mix
from nightlight.app.scoring import LiveScorer
from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.errors import Invalid
from nightlight.core.features import Sense
from nightlight.detectors import discover
from nightlight.kit.corpus import Conversation, Line, Role, to_events

ROOT = Path(__file__).parents[2]
TALK = Conversation(
    conversation="c1",
    source="invented",
    label=1,
    messages=(
        Line(at=0, author="a", text="how old are you", role=Role.ADULT),
        Line(at=9, author="b", text="13 why", role=Role.MINOR),
        Line(at=20, author="a", text="dont tell your mom we talk, send me a pic of you", role=Role.ADULT),
    ),
)


def test_the_mix_is_the_same_each_time_and_nineteen_in_twenty_are_harmless() -> None:
    made = mix(checkout())
    assert made == mix(checkout())
    assert made.messages == sum(len(talk.messages) for talk in made.conversations) > 1000
    risky = sum(len(talk.messages) for talk in made.conversations if talk.positive)
    assert made.composition["risk, held out"] == risky
    assert 0.04 < risky / made.messages < 0.06
    assert not {talk.conversation for talk in made.spare} & {talk.conversation for talk in made.conversations}


def test_irc_chat_is_of_logs_that_no_training_saw(tmp_path: Path) -> None:
    lines = [{"at": n, "author": "abc"[n % 3], "text": f"line {n}"} for n in range(200)]
    import gzip

    with gzip.open(tmp_path / "ubuntu-irc.jsonl.gz", "wt") as file:
        for n in range(30):
            file.write(json.dumps({"conversation": f"log-{n}", "source": "irc", "label": 0, "messages": lines}) + "\n")
    made = mix(checkout(), tmp_path)
    numbers = {int(talk.conversation.split("-")[1]) for talk in made.conversations if talk.source == "irc"}
    assert numbers and all(number % 2 for number in numbers)
    assert made.composition["IRC"] >= mixing.WINDOW


def test_a_folder_without_what_is_needed_is_said(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="checkout of Nightlight"):
        mixing.checked(tmp_path)
    with pytest.raises(Invalid, match="ubuntu-irc"):
        mix(checkout(), tmp_path)


def test_the_cascade_measured_does_the_pipelines_work() -> None:
    """The states it keeps are those that lead to the scores of an evaluation, and the encoder is counted where it is wanted."""
    reading = {name: one for name, one in discover().detectors.items() if Sense.TEXT in one.card.senses}
    assert len(reading) >= 2
    cascade = Cascade(reading)
    spent = cascade.through(to_events(TALK))
    assert len(spent) == len(TALK.messages) and all(second > 0 for second in spent)
    assert not cascade.failures
    assert 1 <= cascade.encoded <= len(TALK.messages)
    assert max(LiveScorer(reading, DEFAULT_LEVELS)(to_events(TALK))) > 0


def test_a_fresh_process_answers_its_first_message() -> None:
    assert _first_message(Mix((TALK,), {"invented": 3}, ()), starts=0) > 0.1


def test_the_peers_method(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = object.__new__(sentinel.Sentinel)
    assert peer.affinity([0.0] * 9) == 0.0, "it needs ten messages"
    assert peer.affinity([0.0] * 10) == 0.0
    scores = [0.0] * 9 + [1.0]
    assert peer.affinity(scores) == pytest.approx((0.1 - 0.0) / np.std(scores))


def test_weights_that_are_not_the_published_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="holds no model"):
        sentinel._same_weights(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"others")
    with pytest.raises(Invalid, match="published"):
        sentinel._same_weights(tmp_path)


def test_the_policys_evaluator_brings_no_command_line() -> None:
    import subprocess

    code = (
        "import sys, nightlight.policy; assert 'prompt_toolkit' not in sys.modules; from cel import cli; assert cli.__file__; "
        "import cel; assert cel.evaluate('1 + 1') == 2"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
