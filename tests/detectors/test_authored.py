"""The authored data: it can be read, its two authors stay apart, and harmless conversations set off next to nothing."""

from __future__ import annotations

import json
from pathlib import Path

from nightlight.app.scoring import scorer
from nightlight.app.settings import Settings
from nightlight.core.harm import Level
from nightlight.detectors import discover
from nightlight.kit.corpus import load, to_events

ROOT = Path(__file__).parents[2]
HELDOUT = ROOT / "benchmarks" / "heldout"
TRAINING = ROOT / "training"
KNOWN = {"benign-trash-talk-en-02", "games-053"}
"""False alarms that stand: two friends, 45 and 47, of whom one jokes "I know where you live"; and a child who tells a friend what somebody
demanded from the friend's stolen account. Another one is looked at before it ships."""


def lines() -> dict[str, list[dict[str, str]]]:
    return {
        f"{path.parent.name}/{path.stem}": [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in sorted((TRAINING / "lines").glob("*/*.jsonl"))
    }


def test_every_line_says_its_family_and_style_and_none_comes_twice() -> None:
    found = lines()
    assert {name.partition("/")[0] for name in found} == {"en", "es"}
    for name, said in found.items():
        assert all(set(line) == {"family", "style", "text"} and line["text"].strip() for line in said), name
        assert len({line["text"].casefold() for line in said}) == len(said), name
        assert len({line["family"] for line in said}) >= 5, f"{name}: a split by family needs several"


def test_held_out_conversations_are_a_corpus_and_share_no_line_with_training() -> None:
    risk, benign = load(HELDOUT / "risk.jsonl"), load(HELDOUT / "benign.jsonl")
    assert not risk.bad_lines and not benign.bad_lines
    assert all(c.positive for c in risk.conversations) and not any(c.positive for c in benign.conversations)
    assert len({c.source for c in risk.conversations}) >= 18 and len({c.source for c in benign.conversations}) >= 20
    trained = {line["text"].casefold() for said in lines().values() for line in said if len(line["text"]) > 30}
    held = {m.text.casefold() for c in (*risk.conversations, *benign.conversations) for m in c.messages}
    assert not trained & held


def test_harmless_conversations_set_off_nothing_high() -> None:
    # A tenth of them: the whole is a benchmark.
    levels = Settings().levels
    score = scorer(discover().detectors, levels)
    talks = [talk for path in sorted((TRAINING / "conversations").glob("*.jsonl")) for talk in load(path).conversations]
    assert len(talks) >= 600 and not any(talk.positive for talk in talks)
    high = {talk.conversation for talk in talks[::10] if max(score(list(to_events(talk)))) >= levels[Level.HIGH]}
    assert high <= KNOWN
