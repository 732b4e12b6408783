"""A verdict, from a message to what the operator's own policy makes of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from nightlight.app.bootstrap import bootstrap
from nightlight.app.cli import app
from nightlight.app.settings import Cases, EndpointSettings, Settings
from nightlight.core.case import CaseState, Consequence, Finding, OrderKind
from nightlight.core.decision import Mode
from nightlight.core.desk import Judgement
from nightlight.core.event import AgeBand, Party, ReportCategory
from nightlight.core.staff import Role, Staff
from nightlight.core.user_report import Item, UserReportIn

ANA, LEA = Staff(id="ana", role=Role.REVIEWER), Staff(id="lea", role=Role.LEAD)
YES = Judgement(finding=Finding.CONFIRMED, reason="read it all; it is what it looks like")
NO = Judgement(finding=Finding.NOT_CONFIRMED, reason="it was a play at school")
POLICY = """
name = "own"
[[rule]]
id = "after-verdict"
requires_verdict = true
condition = 'verdict.finding == "confirmed"'
actions = [{ action = "sanction_account", permanent = true }, { action = "report_account" }, { action = "preserve" }]
"""


def test_the_policys_verdict_rules_are_carried_out_signed_and_undone(home: Path) -> None:
    endpoint = EndpointSettings(url="http://127.0.0.1:9/hook", secret="s" * 24)
    settings = Settings(place="GB", endpoints={"enforcement": endpoint}, cases=Cases(sample=0))
    with bootstrap(home, settings=settings, start=True) as graph:
        graph.database.policies.activate(POLICY, Mode.LIVE, "cli")
        graph.policies.refresh()
        line = {
            "kind": "message",
            "id": "e1",
            "at": graph.clock.now(),
            "actor": {"account": "vell", "age_band": "18+"},
            "targets": [{"account": "brin", "age_band": "13-15"}],
            "channel": {"id": "room"},
            "text": "zantle brisp",
        }
        graph.events.submit(graph.events.decode(msgspec.json.encode(line))).result(30)
        report = UserReportIn(
            id="r1",
            category=ReportCategory.WANTS_TO_MEET,
            about=(Party(account="vell", age_band=AgeBand.ADULT),),
            reporter=Party(account="brin", age_band=AgeBand.A13_15),
            conversation="room",
            items=(Item(event="e1"),),
        )
        code = graph.user_reports.submit(report).code
        case = graph.desk.take(ANA)
        assert case is not None
        outcome = graph.desk.verdict(ANA, case.id, YES)
        assert [o.kind for o in outcome.orders] == [OrderKind.FILE] and "preserve" in outcome.actions
        assert not outcome.withheld, "we hold what was reported"
        stored = graph.database.pipeline.event("e1")
        assert stored is not None and stored.preserved
        assert not graph.database.outbox.due(graph.clock.now(), 10)
        [step] = graph.desk.waiting_steps(LEA)
        assert step.consequence is Consequence.BAN
        graph.desk.approve(LEA, step.id, yes=True, reason="")
        [sent] = graph.database.outbox.due(graph.clock.now(), 10)
        told = msgspec.json.decode(sent.body)
        assert (told["type"], told["account"], told["permanent"]) == ("account.sanction", "vell", True)
        graph.desk.appeal(LEA, case.id, "they act in a play")
        graph.desk.lock(LEA, case.id)
        assert graph.desk.verdict(LEA, case.id, NO).case.state is CaseState.DECLINED
        undone = [msgspec.json.decode(d.body) for d in graph.database.outbox.due(graph.clock.now(), 10)]
        assert [(m["type"], m["account"]) for m in undone if m["type"] != "account.sanction"] == [("account.restore", "vell")]
        assert graph.user_reports.told(code).message == "report.answered"
        assert graph.database.audit.verify().ok


def test_a_case_from_the_command_line(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bootstrap(home, settings=Settings(cases=Cases(sample=0)), start=True) as graph:
        about = (Party(account="vell"),)
        graph.user_reports.submit(UserReportIn(id="r1", category=ReportCategory.OTHER, about=about, text="zantle"))
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    runner = CliRunner()

    def run(*words: str, code: int = 0) -> str:
        result = runner.invoke(app, ["cases", *words])
        assert result.exit_code == code, result.output
        return result.output

    case = run("list", "--plain").strip()
    assert case.startswith("case_")
    assert "user-reports" in run("queues") and "1 open" in run("queues")
    assert case in run("take")
    assert "Nothing waits" in run("take", "--queue", "default")
    assert run("note", case, "seen before").startswith("note_")
    assert "declined" in run("verdict", case, "not_confirmed", "--reason", "it is a game")
    assert run("list", "--plain") == ""
    assert run("list", "--plain", "--state", "declined").strip() == case
    assert "case.verdict" in run("history", case)
    assert run("appeal", case, "look again", "--account", "vell").startswith("appeal_")
    assert run("list", "--plain").strip() == case
    with pytest.raises(Exception, match="may not"):
        runner.invoke(app, ["cases", "take", "--role", "auditor"], catch_exceptions=False, standalone_mode=False)
    assert "0 reviewed twice" in run("quality")
