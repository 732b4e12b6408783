"""From messages to one finished report, over the real pipeline, one SQLite file and a real stand-in for the authority."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from nightlight.adapters.store.reviewer_tables import reviewers
from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.cli import app
from nightlight.app.judged import judged
from nightlight.app.settings import FILE, Settings, load
from nightlight.core.bank import Bank, BankKind
from nightlight.core.case import CaseState, Finding, OrderKind
from nightlight.core.clock import FixedClock
from nightlight.core.desk import Judgement
from nightlight.core.errors import Denied, NotFound
from nightlight.core.filing import Wanted
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.report import ReportState
from nightlight.core.staff import Role, Staff
from nightlight.core.vault import ClockStart
from nightlight.reporting import cybertipline

from .conftest import EXTORTION, NOW, message

PASSWORD = "of-the-stand-in"
ANA, LEA = Staff(id="ana", role=Role.REVIEWER), Staff(id="lea", role=Role.LEAD)
YES = Judgement(finding=Finding.CONFIRMED, reason="asks for money and threatens")
NO = Judgement(finding=Finding.NOT_CONFIRMED, reason="they know each other from school and play it")
BEFORE, AFTER = "shall we play the second level again", "see you at the castle tomorrow"


class Sim:
    """`nightlight sim cybertipline`, as an operator starts it."""

    def __init__(self, place: str) -> None:
        self.place, self._root = place, place.removesuffix("/ispws")

    def _get(self, path: str) -> bytes:
        token = base64.b64encode(f"sim:{PASSWORD}".encode()).decode()
        asked = urllib.request.Request(f"{self._root}{path}", headers={"Authorization": f"Basic {token}"})  # noqa: S310 - loopback
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read())

    def reports(self, state: str | None = None) -> list[dict[str, Any]]:
        return [r for r in json.loads(self._get("/_sim/reports")) if state in (None, r["state"])]

    def document(self, id: str) -> bytes:
        return self._get(f"/_sim/reports/{id}")


@contextmanager
def _sim() -> Iterator[Sim]:
    command = [sys.executable, "-m", "nightlight", "sim", "cybertipline", "--port", "0", "--password", PASSWORD]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    try:
        yield Sim(next(word for word in running.stdout.readline().split() if word.startswith("http://")))
    finally:
        running.terminate()
        running.wait(20)
        running.stdout.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Sim]:
    with _sim() as sim:
        yield sim


@pytest.fixture
def sim(running: Sim) -> Sim:
    """Each test counts what came since it began."""
    known = {r["id"] for r in running.reports()}
    fresh = Sim(running.place)
    every = fresh.reports
    fresh.reports = lambda state=None: [r for r in every(state) if r["id"] not in known]  # type: ignore[method-assign]
    return fresh


def configured(home: Path, sim: Sim, monkeypatch: pytest.MonkeyPatch, *, console: bool = True) -> Settings:
    home.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    monkeypatch.setenv("SIM_PASSWORD", PASSWORD)
    (home / FILE).write_text(
        '[service]\nname = "Lanternfall"\n[service.reporter]\nemail = "safety@lanternfall.example"\n[vault]\nplaces = ["US"]\n'
        f"[console]\nenabled = {str(console).lower()}\n[cases]\nsample = 0\n"
        f'[authorities.cybertipline]\nto = "{sim.place}"\nusername = "sim"\npassword_env = "SIM_PASSWORD"\n'
    )
    return load(home)


def told(graph: Nightlight, *texts: str, at: datetime | None = None) -> str:
    """Messages come in; the case that they open."""
    for text in texts:
        event = message(text, at=(at or graph.clock.now()).isoformat())
        graph.events.submit(graph.events.decode(json.dumps(event).encode())).result(60)
    graph.vault.promote()  # as the chore does
    return graph.database.cases.cases()[0].id


def cli(*words: str, code: int = 0) -> bytes:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout_bytes


def chores(graph: Nightlight, rounds: int = 3) -> None:
    for _ in range(rounds):
        graph.reports.run_due()


def in_the_trail(graph: Nightlight, log: str, target: str) -> list[str]:
    return [entry.action for _, entry in graph.database.trail.search(log, target=target, most=200)]


@pytest.mark.parametrize("console", [True, False])
def test_a_case_becomes_one_report_and_an_appeal_corrects_it(
    home: Path, sim: Sim, monkeypatch: pytest.MonkeyPatch, *, console: bool
) -> None:
    settings = configured(home, sim, monkeypatch, console=console)
    with bootstrap(home, settings=settings, start=True) as graph:
        assert (graph.services.reviewers is not None) is console
        case = told(graph, BEFORE, EXTORTION, AFTER)
        kept = graph.vault.items(case)
        assert len(kept) == 3, "what led here and what was said around it"

        # Before anybody judged it: it can be read as a report, and is not sent.
        draft = cli("report", "export", case, "--format", "cybertipline-xml")
        assert not cybertipline.check(draft, datetime.now(UTC)) and b"grown" in draft
        assert EXTORTION.encode() not in draft, "a report quotes what a person has read"
        assert graph.reports.of_case(case) == []
        assert cli("report", "list", "--plain").split() == [case.encode()]

        taken = graph.desk.take(ANA)
        assert taken is not None and taken.id == case
        graph.desk.open(ANA, case)
        openings = in_the_trail(graph, "cases", case).count("case.open")
        [order] = graph.desk.verdict(ANA, case, YES).orders
        assert order.kind is OrderKind.FILE
        assert cli("report", "list", "--plain").split() == [case.encode()], "approved, and not forgotten while it has no report"
        chores(graph)
        [drafted] = graph.reports.of_case(case)
        assert (drafted.report.state, drafted.wanted, drafted.created_by) == (ReportState.DRAFT, Wanted.NOTHING, "system")
        assert in_the_trail(graph, "cases", case).count("case.open") == openings, "the drafting machine does not look"
        assert sim.reports() == [], "a person reads it before it goes"

        if console:
            graph.services.reports.submit(drafted.report.id, ANA.audit)  # type: ignore[union-attr]
            chores(graph)
        else:
            cli("report", "submit", case)
            chores(graph)
        [there] = sim.reports("finished")
        [filed] = graph.reports.of_case(case)
        assert (filed.report.state, filed.report.authority_id) == (ReportState.ACKNOWLEDGED, there["id"])
        sent = sim.document(there["id"])
        assert not cybertipline.check(sent, datetime.now(UTC))
        assert EXTORTION.encode() in sent and b"grown" in sent
        assert cli("report", "export", case).strip() == sent.strip()
        (home / "report.xml").write_bytes(sent)
        cli("report", "validate", str(home / "report.xml"))
        for number, one in enumerate(x for x in cli("report", "export", case, "--files").split(b"<?xml") if x.strip()):
            (home / f"file-{number}.xml").write_bytes(b"<?xml" + one)
            cli("report", "validate", str(home / f"file-{number}.xml"))

        assert graph.desk.case(LEA, case).state is CaseState.FILED
        [done] = graph.desk.orders(case)
        assert done.result == f"filed {there['id']}"
        holding = graph.vault.holding(case)
        assert holding.starts[ClockStart.REPORTED] == filed.updated_at
        [clock] = [c for c in holding.clocks if c.name == "us-2258a"]
        assert clock.until == filed.updated_at + timedelta(days=365)

        # What was banked of it, and an appeal that another person grants.
        for bank, kind in (("own", BankKind.OWN), ("harmless", BankKind.NEGATIVE)):
            graph.banks.create(Bank(name=bank, kind=kind), ANA.audit)
        sha = [Fingerprint(FingerprintKind.SHA256, digit * 64) for digit in "abc"]
        graph.banks.add("own", sha[:1], ANA.audit, source=f"case:{case}/1")
        graph.banks.add("own", sha[1:2], ANA.audit, source="case:another/1")
        proposed = datetime.now(UTC) + timedelta(days=30)
        graph.banks.add("harmless", sha[2:], ANA.audit, source=f"case:{case}/2", expires_at=proposed)
        assert graph.banks.match(sha[:1])
        graph.desk.appeal(LEA, case, "they play it at school")
        graph.desk.lock(LEA, case)
        ordered = {o.kind for o in graph.desk.verdict(LEA, case, NO).orders}
        assert ordered == {OrderKind.CORRECT, OrderKind.WITHDRAW_HASHES}
        chores(graph, 4)
        first, second = graph.reports.of_case(case)
        assert (first.report.state, second.report.state) == (ReportState.CORRECTED, ReportState.ACKNOWLEDGED)
        assert second.corrects == first.report.id
        assert {r["id"] for r in sim.reports("finished")} == {first.report.authority_id, second.report.authority_id}
        assert there["id"].encode() in sim.document(second.report.authority_id or "")
        assert all(o.done_at is not None for o in graph.desk.orders(case))
        assert not graph.banks.match(sha[:1]) and graph.banks.match(sha[1:2])
        assert [i.source for i in graph.banks.items("own")] == ["case:another/1"]
        assert [i.source for i in graph.banks.items("harmless")] == [f"case:{case}/2"], "that a picture is harmless is not overturned"
        assert graph.desk.case(LEA, case).state is CaseState.DECLINED
        assert graph.vault.holding(case).starts[ClockStart.REPORTED] == second.updated_at, "a later report counts anew"

        # Everything is on the chain, and can be searched there.
        assert "vault.start" in in_the_trail(graph, "vault", case)
        assert {"report.draft", "report.submit", "report.answer"} <= set(in_the_trail(graph, "admin", first.report.id))
        assert "bank.withdraw" in in_the_trail(graph, "admin", "own")
        assert graph.database.audit.verify().ok and graph.vault.verify(case).ok
    for path in home.glob("*.xml"):
        path.unlink()
    raw = b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())
    for words in (EXTORTION, BEFORE, AFTER, YES.reason, PASSWORD):
        assert words.encode() not in raw, words


def test_an_appeal_before_it_is_sent_leaves_nothing_at_the_authority(home: Path, sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(home, sim, monkeypatch)
    with bootstrap(home, settings=settings, start=True) as graph:
        case = told(graph, EXTORTION)
        graph.desk.lock(ANA, case)
        graph.desk.verdict(ANA, case, YES)
        chores(graph)
        [drafted] = graph.reports.of_case(case)
        graph.desk.appeal(LEA, case, "they play it at school")
        graph.desk.lock(LEA, case)
        graph.desk.verdict(LEA, case, NO)
        with pytest.raises(Denied, match="overturned"):
            graph.reports.submit(drafted.report.id, ANA.audit)
        chores(graph)
        assert graph.reports.get(drafted.report.id).report.state is ReportState.RETRACTED
        assert sim.reports() == [] and all(o.done_at is not None for o in graph.desk.orders(case))
        chores(graph)
        assert len(graph.reports.of_case(case)) == 1, "the order of a verdict that does not stand drafts nothing"
        assert ClockStart.REPORTED not in graph.vault.holding(case).starts


def test_what_cannot_be_reported_fails_where_people_see_it(home: Path, sim: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The establishment is elsewhere: no machine may send it, and the case says who is to be told by hand."""
    settings = configured(home, sim, monkeypatch)
    nowhere = replace(settings, authorities=replace(settings.authorities, allowed=()))
    with bootstrap(home, settings=nowhere, start=True) as graph:
        case = told(graph, EXTORTION)
        graph.desk.lock(ANA, case)
        graph.desk.verdict(ANA, case, YES)
        chores(graph)
        failing = graph.desk.case(LEA, case)
        assert failing.state is CaseState.FAILING and "no authority" in failing.why
        assert in_the_trail(graph, "cases", case).count("case.failing") == 1, "said once"
    with bootstrap(home, settings=settings, start=True) as graph:
        chores(graph)
        assert graph.reports.of_case(case)[0].report.state is ReportState.DRAFT
        graph.reports.submit(graph.reports.of_case(case)[0].report.id, ANA.audit)
        chores(graph)
        assert graph.desk.case(LEA, case).state is CaseState.FILED
        assert len(sim.reports("finished")) == 1


def test_a_draft_from_before_the_verdict_is_made_anew_unless_a_person_worked_on_it(
    home: Path, sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = configured(home, sim, monkeypatch)
    with bootstrap(home, settings=settings, start=True) as graph:
        case = told(graph, EXTORTION)
        early = graph.reports.draft(case, ANA.audit)
        assert not graph.reports.read(early.report.id, ANA.audit).ready
        graph.desk.lock(ANA, case)
        graph.desk.verdict(ANA, case, YES)
        chores(graph)
        later = graph.reports.get(early.report.id)
        assert later.version == 2 and graph.reports.read(early.report.id, ANA.audit).ready
        chores(graph)
        assert graph.reports.get(early.report.id).version == 2


def test_a_destroyed_case_takes_what_its_report_said_with_it_and_its_clock_is_made_up(
    build: Callable[..., Nightlight], sim: Sim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: FixedClock
) -> None:
    graph = build(settings=configured(tmp_path / "home", sim, monkeypatch))
    case = told(graph, EXTORTION, at=NOW)
    graph.desk.lock(ANA, case)
    graph.desk.verdict(ANA, case, YES)
    chores(graph)
    [filing] = graph.reports.of_case(case)
    graph.reports.submit(filing.report.id, ANA.audit)
    graph.reports.filer._finished = None  # as if this process died just then
    chores(graph)
    assert graph.desk.case(LEA, case).state is CaseState.FILED
    assert ClockStart.REPORTED not in graph.vault.holding(case).starts
    graph.vault.sweep()
    assert graph.vault.holding(case).starts[ClockStart.REPORTED] == graph.reports.get(filing.report.id).updated_at
    assert "clocks" not in graph.vault.sweep(), "once"
    clock.advance(timedelta(days=366))
    graph.vault.destroy(case, "cli", "a year is over")
    with pytest.raises(NotFound, match="destroyed"):
        graph.reports.read(filing.report.id, ANA.audit)
    assert graph.reports.get(filing.report.id).report.authority_id == sim.reports("finished")[0]["id"], "that it was reported stays"
    assert graph.database.audit.verify().ok


def test_only_what_somebody_judged_counts_as_read(build: Callable[..., Nightlight], clock: FixedClock) -> None:
    graph = build()
    case = told(graph, BEFORE, EXTORTION, at=NOW)
    assert {line.text: line.unread for line in graph.reports._files.open(case).lines} == {BEFORE: True, EXTORTION: True}
    assert graph.desk.told(case).around == ()
    graph.desk.lock(ANA, case)
    graph.desk.verdict(ANA, case, YES)
    clock.advance(timedelta(minutes=1))
    told_of = judged(graph.desk, graph.vault, case)
    file = graph.reports._files.open(case)
    assert {line.text: line.unread for line in file.lines} == {BEFORE: False, EXTORTION: False}
    assert [v.reason for v in file.verdicts] == [YES.reason]
    assert len(told_of.children) == 1 and len(told_of.events) == 2
    with pytest.raises(NotFound):
        judged(graph.desk, graph.vault, "case_nowhere")


def test_readiness_names_what_the_vault_waits_for_and_clocks_nobody_confirmed(build: Callable[..., Nightlight], clock: FixedClock) -> None:
    graph = build()

    def ready(name: str) -> tuple[bool, str]:
        return next((c.ok, c.detail) for c in graph.status.ready() if c.name == name)

    ok, detail = ready("clocks-confirmed")
    assert not ok and "us-2258a" in detail
    assert not next(c for c in graph.status.ready() if c.name == "clocks-confirmed").blocking
    event = message(EXTORTION)
    graph.events.submit(graph.events.decode(json.dumps(event).encode())).result(60)
    ok, detail = ready("vault")
    assert ok and "1 events" in detail
    clock.advance(timedelta(hours=1))
    assert not ready("vault")[0], "stuck"
    graph.vault.promote()
    assert ready("vault") == (True, "holds every event of its cases")
    assert ready("reports")[0]
    case = graph.database.cases.cases()[0].id
    graph.desk.lock(ANA, case)
    graph.desk.verdict(ANA, case, YES)
    clock.advance(timedelta(days=2))
    assert ready("reports") == (False, "0 are tried again; 1 approved and not sent for more than a day")


def test_a_restore_ends_every_session_and_puts_the_vaults_keys_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, keys = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir(mode=0o700)
    (home / FILE).write_text(f"[vault]\nkeys = {json.dumps(str(keys))}\n")
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    with bootstrap(home, start=True) as graph:
        case = told(graph, EXTORTION)
        person, _ = graph.reviewers.add("ana", "Ana", Role.REVIEWER, "cli")
        with graph.database.sql.write() as connection:
            connection.execute(reviewers.update().values(password="x"))
            graph.reviewers._held.begin(connection, person.id, "browser")
        assert len(graph.reviewers.sessions()) == 1
    cli("backup", str(tmp_path / "kept"), "--with-keys")
    for path in sorted(keys.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    cli("restore", str(tmp_path / "kept"), "--force")
    assert not (home / "vault-keys").exists()
    with bootstrap(home) as graph:
        assert len(graph.vault.items(case)) == 1 and graph.vault.verify(case).ok
        assert graph.reviewers.sessions() == []
        assert "restore.sessions" in in_the_trail(graph, "admin", "sessions")
        assert graph.database.audit.verify().ok
    assert msgspec.json.decode(cli("audit", "verify", "--json"))["ok"]
