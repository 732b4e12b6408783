"""An explanation on its way to whoever looks: the answer, the store, `screen` and `cases show`. Real graph, real SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from nightlight.app.bootstrap import Nightlight
from nightlight.app.cli import app
from nightlight.core.explanation import explain_assessment
from nightlight.core.harm import Harm, Stage
from nightlight.core.signal import Unread
from tests.app.conftest import EXTORTION, message

FRENCH = "tu es une fille et je suis un homme mais nous sommes dans le meme jeu avec les autres"


def ask(graph: Nightlight, wire: dict[str, Any]) -> Any:
    return graph.events.submit(graph.events.decode(msgspec.json.encode(wire))).result(30)


def call(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def test_the_answer_explains_in_the_services_own_ids_and_gives_the_same_again(graph: Nightlight) -> None:
    answer = ask(graph, message(EXTORTION))
    told = {one.harm: one for one in answer.decision.explanations}[Harm.SEXTORTION]
    assert (told.actor, told.protects) == ("grown", "kid")
    assert [seen.stage for seen in told.stages] == [Stage.COERCION]
    assert told.stages[0].first_event == answer.event_id
    assert {line.event for line in told.lines} == {answer.event_id}
    assert "threatened or demanded" in told.summary["en"]
    assert EXTORTION not in msgspec.json.encode(answer.decision).decode()
    assert graph.events.decision(answer.event_id) == answer


def test_harmless_chat_is_explained_by_nothing(graph: Nightlight) -> None:
    decision = ask(graph, message("did you win the last round?")).decision
    assert (decision.explanations, decision.unread) == ((), ())


def test_a_language_that_is_not_read_is_no_silent_zero(graph: Nightlight) -> None:
    decision = ask(graph, message(FRENCH)).decision
    assert decision.score == 0.0
    assert {why for _, why in decision.unread} == {Unread.LANGUAGE}
    assert {one.harm for one in decision.explanations if one.abstained} == {Harm.GROOMING, Harm.SEXTORTION}
    assert dict(ask(graph, message(FRENCH)).decision.unread)["grooming"] is Unread.LANGUAGE


def test_what_was_not_read_stays_beside_what_is_found_later(graph: Nightlight) -> None:
    ask(graph, message(FRENCH))
    told = {one.harm: one for one in ask(graph, message(EXTORTION)).decision.explanations}[Harm.SEXTORTION]
    assert (told.abstained, told.unread) == (False, (Unread.LANGUAGE,))
    assert "Not read: language" in told.summary["en"]
    assert all(line.cue != "not_read" for line in told.lines)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path / "home"))
    return tmp_path


def test_screen_explains_and_says_what_it_did_not_read(home: Path) -> None:
    events = home / "events.jsonl"
    events.write_bytes(b"\n".join(msgspec.json.encode(message(text)) for text in (EXTORTION, FRENCH, "good game")))
    shown = call("screen", events)
    assert "threatened or demanded" in shown.output
    assert "coercion" in shown.output
    assert "1 events were not read: language" in shown.output
    assert EXTORTION not in shown.output
    again = [json.loads(line) for line in call("screen", events, "--json").stdout.splitlines()]
    assert again[0]["explanations"][0]["summary"]["es"]
    assert again[1]["unread"] == [["grooming", "language"], ["sextortion", "language"]]


def test_a_case_is_shown_redacted_unless_somebody_has_to_read(home: Path) -> None:
    events = home / "events.jsonl"
    wire = message(EXTORTION)
    events.write_bytes(msgspec.json.encode(wire))
    call("screen", events)
    case = next(c for c in map(json.loads, call("cases", "--json").stdout.splitlines()) if c["harm"] == "sextortion")
    hidden, lines = call("cases", "show", case["id"]).output, call("cases", "show", case["id"], "--lines").output
    assert "threatened or demanded" in hidden
    assert wire["id"] in lines and "characters" in lines
    for private in (f"in {wire['id']}", "characters", "2026-03", case["actor"], EXTORTION):
        assert private not in hidden
    given = json.loads(call("cases", "show", case["id"], "--json").stdout)["explanation"]
    assert given["stages"] == {"coercion": 1}
    assert "actor" not in given and given["lines"] >= 2


def test_an_older_assessment_without_a_timeline_is_still_explained(graph: Nightlight) -> None:
    ask(graph, message(EXTORTION))
    [case] = [c for c in graph.database.cases.cases() if c.harm is Harm.SEXTORTION]
    held = graph.database.pipeline.assessments([case.subject])[case.subject, Harm.SEXTORTION]
    bare = msgspec.structs.replace(
        held, contributions=tuple(msgspec.structs.replace(c, timeline=(), unread=()) for c in held.contributions)
    )
    assert explain_assessment(bare).stages == ()
    assert explain_assessment(bare).lines == explain_assessment(held).lines
