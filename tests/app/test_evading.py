"""`nightlight evaluate evasion`: the suite over real detectors, and what its command prints."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec.structs import replace
from typer.testing import CliRunner

from nightlight.app.cli import app
from nightlight.app.evading import SWITCHED, Suite, changes
from nightlight.core.assessment import DEFAULT_LEVELS
from nightlight.core.harm import Level
from nightlight.detectors import discover
from nightlight.kit.corpus import Conversation, Line, Role

TRAINING = Path(__file__).parents[2] / "training"


def talk(name: str, label: int, *said: str) -> Conversation:
    lines = [Line(at=60 * n, author="ab"[n % 2], text=text, role=(Role.ADULT, Role.MINOR)[n % 2]) for n, text in enumerate(said)]
    return Conversation(conversation=name, source="invented", label=label, messages=tuple(lines))


RISK = talk(
    "r1", 1, "how old are you", "13", "are you home alone", "yes", "dont tell your mom we talk", "ok", "send me a pic of you", "why",
    "add me on snap, nobody reads it there", "hm", "do it or i will show everyone what you sent", "please dont", "pay me $50 or i send it",
    "no", "dont tell your parents or else", "ok",
)  # fmt: skip
CALM = talk("b1", 0, "practice is at five", "ok coach", "bring water and your mum knows", "sure")


def test_plain_scripts_are_found_in_every_disguise_and_calm_ones_stay_calm() -> None:
    suite = Suite(discover().detectors, DEFAULT_LEVELS, DEFAULT_LEVELS[Level.ELEVATED])
    rows = suite.over([RISK, CALM], changes(1, TRAINING))
    assert [row.change for row in rows][-1] == SWITCHED and len(rows) == 10
    assert not suite.failures
    assert {row.change: (row.recall_plain, row.recall) for row in rows} == {row.change: (1.0, 1.0) for row in rows}
    assert {row.alarms_plain for row in rows} == {0}


def test_a_change_counts_only_where_it_changes_something() -> None:
    suite = Suite({}, DEFAULT_LEVELS, 0.5)
    one = replace(CALM, messages=CALM.messages[:1])
    rows = suite.over([RISK, one], {"of risk": lambda talk: talk if talk is one else replace(talk, messages=talk.messages[1:])})
    assert (rows[0].risk, rows[0].benign, rows[0].recall_plain, rows[0].recall) == (1, 0, 0.0, 0.0)


def test_the_command_prints_what_scripts_rely_on(tmp_path: Path) -> None:
    import msgspec

    file = tmp_path / "c.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(one) for one in (replace(RISK, messages=RISK.messages[:5]), CALM)) + b"\nnot json\n")
    done = CliRunner().invoke(app, ["--home", str(tmp_path), "evaluate", "evasion", str(file), "--json", "--detector", "grooming"])
    assert done.exit_code == 2, "a line was bad, and the others were used"
    found = json.loads(done.stdout)
    assert found["goal_points"] == 5.0 and found["threshold"] == DEFAULT_LEVELS[Level.HIGH]
    assert len(found["changes"]) == 9, "no lines to switch the language to"
    assert {"change", "risk", "benign", "recall_plain", "recall", "drop_points", "alarms_plain", "alarms"} == set(found["changes"][0])
    shown = CliRunner().invoke(app, ["--home", str(tmp_path), "evaluate", "evasion", str(file), "--detector", "grooming"])
    assert "letter spacing" in shown.stdout and SWITCHED in shown.stdout
