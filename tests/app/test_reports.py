"""From a case to a report at the authority's door, through the real graph and a real server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from nightlight.adapters.authorities.cybertipline import NAME
from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.casefile import CaseFiles, Judged
from nightlight.app.cli import app
from nightlight.app.cli.common import Exit
from nightlight.app.filing import Filer
from nightlight.app.reports import FORMS, Access, Reports, VaultEvidence
from nightlight.app.settings import FILE, Settings, authority_password, load
from nightlight.app.sim.cybertipline import Standin
from nightlight.app.sim.faults import Fault, FaultKind
from nightlight.app.sim.held import HeldState
from nightlight.core.case import Case, Finding, Order, OrderKind, Verdict
from nightlight.core.clock import FixedClock
from nightlight.core.desk import Judgement
from nightlight.core.document import Node
from nightlight.core.errors import Conflict, Denied, Invalid, NightlightError, NotFound
from nightlight.core.filing import FILED, Call, Filing, Patience, Wanted
from nightlight.core.report import ReportState
from nightlight.core.staff import Role, Staff
from nightlight.reporting import cybertipline
from nightlight.reporting.draft import draft
from tests.filing import QUICK

from .conftest import EXTORTION, NOW, message

PASSWORD = "not-for-anybody-else"
ANA = "reviewer:ana"


class Desk:
    """The orders of a desk, and what it was told of them."""

    def __init__(self, graph: Nightlight) -> None:
        self.given: list[Order] = []
        self.told: list[tuple[str, str, str]] = []
        self._graph = graph

    def order(self, kind: OrderKind, case: str) -> Order:
        made = Order(id=f"order_{len(self.given)}", case=case, kind=kind, at=self._graph.clock.now(), verdict="v", approved_by=("ana",))
        self.given.append(made)
        return made

    def orders(self, case: str | None = None, most: int = 100) -> Sequence[Order]:
        return [o for o in self.given if (o.done_at is None if case is None else o.case == case)]

    def done(self, order: str, result: str, by: str = "system") -> Order:
        self._tell("done", order, result)
        at = next(n for n, o in enumerate(self.given) if o.id == order)
        self.given[at] = replace(self.given[at], done_at=self._graph.clock.now(), result=result)
        return self.given[at]

    def filed(self, order: str, report: str, by: str) -> Case:
        self.done(order, report)
        return self._case()

    def failing(self, order: str, why: str, by: str = "system") -> Case:
        self._tell("failing", order, why)
        return self._case()

    def retrying(self, order: str, by: str) -> Case:
        self._tell("retrying", order, by)
        return self._case()

    def _tell(self, *what: str) -> None:
        self.told.append((what[0], what[1], what[2]))

    def _case(self) -> Case:
        return self._graph.database.cases.cases()[0]


@pytest.fixture
def standin(clock: FixedClock) -> Iterator[Standin]:
    with Standin(cybertipline.check, password=PASSWORD, now=clock.now) as running:
        yield running


@pytest.fixture
def settings(standin: Standin) -> Settings:
    """As an operator's file has them."""
    said = {
        "service": {"name": "Lanternfall", "reporter": {"first_name": "Rin", "email": "safety@lanternfall.example"}},
        "authorities": {"cybertipline": {"to": standin.place, "username": "sim", "password_env": "SIM_PASSWORD"}},
    }
    return msgspec.convert(said, Settings)


@pytest.fixture
def graph(build: Callable[..., Nightlight], settings: Settings) -> Nightlight:
    made: Nightlight = build(settings=settings)
    made.events.submit(made.events.decode(json.dumps(message(EXTORTION, id="e-first")).encode())).result(60)
    return made


@pytest.fixture
def case(graph: Nightlight) -> str:
    return graph.database.cases.cases()[0].id


def desk_of(
    graph: Nightlight, orders: Desk | None = None, *, verdict: bool = True, password: str = PASSWORD, patience: Patience = QUICK
) -> Reports:
    """As `bootstrap` builds it, with a reviewer's verdict on every case."""
    database, now = graph.database, graph.clock.now

    def judged(id: str) -> Judged:
        said = Verdict(case=id, reviewer="ana", finding=Finding.CONFIRMED, reason="asks for money and threatens", at=now())
        return Judged(verdicts=(said,) if verdict else ())

    access = Access(graph.settings.authorities.cybertipline, lambda: password)
    service = graph.settings.service
    files = CaseFiles(database.cases.case, database.pipeline, graph.sealer, database.history.signals, service, judged=judged)
    filer = Filer(database.reports, access, FORMS, VaultEvidence(None), now, patience)
    return Reports(database.reports, database.audit, files, draft, filer, now, place=access.place, cases=database.cases.case, orders=orders)


def finished(standin: Standin) -> list[str]:
    return [r.id for r in standin.reports(HeldState.FINISHED)]


def actions(graph: Nightlight) -> list[str]:
    return [e.action for _, e in graph.database.audit.entries(most=1000) if e.action.startswith("report.")]


def rounds(reports: Reports, filing: Filing) -> Filing:
    for _ in range(20):
        reports.run_due()
        if not reports.get(filing.report.id).in_motion:
            break
    return reports.get(filing.report.id)


# -- the way -----------------------------------------------------------------------------------------------------------------------


def test_a_case_of_words_alone_becomes_a_report_that_the_authority_acknowledges(graph: Nightlight, case: str, standin: Standin) -> None:
    reports = desk_of(graph)
    made = reports.draft(case, ANA)
    shown = reports.read(made.report.id, ANA)
    assert shown.completeness.ready, shown.completeness.missing
    assert not shown.faults
    preview = reports.preview(made.report.id, ANA)
    filed = reports.run(reports.submit(made.report.id, ANA).report.id)
    assert filed.report.state is ReportState.ACKNOWLEDGED
    there = standin.reports(HeldState.FINISHED)
    assert [r.id for r in there] == [filed.report.authority_id]
    assert there[0].document == preview.report, "what is shown is what is sent"
    assert b"grown" in there[0].document, "the service's own id of the reported account"
    assert EXTORTION.encode() in there[0].document
    assert b"talk-1" in there[0].document, "and of the place where it was written"
    assert actions(graph)[:4] == ["report.draft", "report.read", "report.read", "report.submit"]
    assert actions(graph).count("report.call") == actions(graph).count("report.answer") == len(standin.calls)
    assert graph.database.audit.verify().ok


def test_no_names_and_no_words_are_in_the_database_in_clear(graph: Nightlight, case: str, tmp_path: Path) -> None:
    reports = desk_of(graph)
    made = reports.draft(case, ANA)
    reports.run(reports.submit(made.report.id, ANA).report.id)
    raw = b"".join(p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file())
    for secret in (EXTORTION, "send me a gift card", "safety@lanternfall.example", PASSWORD, "<incidentSummary>", "asks for money"):
        assert secret.encode() not in raw, secret


def test_why_a_report_is_corrected_is_kept_sealed_and_goes_with_its_case(graph: Nightlight, case: str) -> None:
    reports = desk_of(graph)
    first = reports.draft(case, ANA)
    reports.run(reports.submit(first.report.id, ANA).report.id)
    with pytest.raises(Conflict, match="acknowledged cannot be edited"):
        reports.redraft(first.report.id, ANA, version=first.version)
    made = reports.correct(case, ANA, "the plumwick was another's")
    assert reports.get(made.report.id).why.endswith("the plumwick was another's")
    assert reports.redraft(made.report.id, ANA, version=made.version).why == made.why
    with graph.database.audit.transaction() as ledger:
        assert graph.database.reports.forget(ledger.connection, case) == 2
    assert reports.get(made.report.id).why == "" and reports.get(made.report.id).corrects == first.report.id


def test_without_a_verdict_nothing_is_sent(graph: Nightlight, case: str, standin: Standin) -> None:
    reports = desk_of(graph, verdict=False)
    made = reports.draft(case, ANA)
    with pytest.raises(Invalid, match="lacks"):
        reports.submit(made.report.id, ANA)
    approved = desk_of(graph, Desk(graph))
    approved.redraft(made.report.id, ANA, version=1)
    with pytest.raises(Denied, match="approved"):
        approved.submit(made.report.id, ANA)
    assert standin.calls == []


def test_one_case_has_one_report_and_a_withdrawn_one_makes_room(graph: Nightlight, case: str) -> None:
    reports = desk_of(graph)
    first = reports.draft(case, ANA)
    with pytest.raises(Conflict):
        reports.draft(case, ANA)
    with pytest.raises(NotFound):
        reports.draft("case_nowhere", ANA)
    back = reports.run(reports.retract(first.report.id, ANA, "not ours to send").report.id)
    assert back.report.state is ReportState.RETRACTED
    with pytest.raises(Conflict):
        reports.submit(first.report.id, ANA)
    assert reports.draft(case, ANA).report.id != first.report.id


def test_an_edited_report_is_checked_again_and_an_older_edit_is_refused(graph: Nightlight, case: str, standin: Standin) -> None:
    reports = desk_of(graph)
    made = reports.draft(case, ANA)
    shown = reports.read(made.report.id, ANA)
    broken = replace(shown, document=replace(shown.document, children=(*shown.document.children, Node("unheardOf", "x"))))
    edited = reports.edit(made.report.id, broken, ANA, version=made.version)
    assert reports.read(made.report.id, ANA).faults
    with pytest.raises(Invalid):
        reports.submit(made.report.id, ANA)
    with pytest.raises(Conflict, match="meanwhile"):
        reports.edit(made.report.id, shown, ANA, version=made.version)
    reports.edit(made.report.id, shown, ANA, version=edited.version)
    with pytest.raises(Invalid):
        reports.edit(made.report.id, replace(shown, case="case_other"), ANA, version=3)
    reports.run(reports.submit(made.report.id, ANA).report.id)
    with pytest.raises(Conflict):
        reports.edit(made.report.id, shown, ANA, version=3)
    assert len(finished(standin)) == 1


def test_a_correction_names_the_report_that_it_corrects(graph: Nightlight, case: str, standin: Standin) -> None:
    reports = desk_of(graph)
    with pytest.raises(Conflict, match="filed"):
        reports.correct(case, ANA, "the time was wrong")
    first = reports.run(reports.submit(reports.draft(case, ANA).report.id, ANA).report.id)
    second = reports.correct(case, ANA, "the time was wrong")
    with pytest.raises(Conflict):
        reports.correct(case, ANA, "once more")
    filed = reports.run(reports.submit(second.report.id, ANA).report.id)
    assert filed.report.state is ReportState.ACKNOWLEDGED
    assert reports.get(first.report.id).report.state is ReportState.CORRECTED
    document = standin.held.reports[filed.report.authority_id or ""].document
    assert (first.report.authority_id or "?").encode() in document
    third = reports.run(reports.submit(reports.correct(case, ANA, "and the place").report.id, ANA).report.id)
    assert third.corrects == second.report.id
    assert len(finished(standin)) == 3


def test_an_earlier_report_of_the_same_person_is_linked(graph: Nightlight, case: str, standin: Standin) -> None:
    reports = desk_of(graph)
    first = reports.run(reports.submit(reports.draft(case, ANA).report.id, ANA).report.id)
    other = replace(first, report=replace(first.report, id="report_0", case="case_0"))
    assert [f.report.id for f in graph.database.reports.about(first.about or "")] == [first.report.id]
    made = reports._files.open(case, about={first.about or "": [other.report.authority_id or ""]})
    assert made.parties[0].prior_reports == (first.report.authority_id,)


# -- what goes wrong ---------------------------------------------------------------------------------------------------------------


def test_a_refused_report_fails_visibly_and_goes_once_it_is_mended(graph: Nightlight, case: str, standin: Standin) -> None:
    orders = Desk(graph)
    reports = desk_of(graph, orders)
    order = orders.order(OrderKind.FILE, case)
    made = reports.draft(case, ANA)
    standin.inject(Fault(kind=FaultKind.CODE, call=Call.SUBMIT, code=4100))
    failed = reports.run(reports.submit(made.report.id, ANA).report.id)
    assert failed.report.state is ReportState.FAILED
    assert [f.report.id for f in reports.failing()] == [made.report.id]
    reports.run_due()
    assert [t for t in orders.told if t[0] == "failing"] == [("failing", order.id, failed.report.reason)], "told once"
    filed = reports.run(reports.submit(made.report.id, ANA).report.id)
    assert filed.report.state is ReportState.ACKNOWLEDGED
    assert orders.told[-1] == ("done", order.id, filed.report.authority_id)
    assert not reports.failing()


def test_a_wrong_password_fails_after_a_few_tries_and_is_shown_nowhere(
    graph: Nightlight, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "guessed-wrongly-here"
    reports = desk_of(graph, password=wrong)
    failed = rounds(reports, reports.submit(reports.draft(case, ANA).report.id, ANA))
    assert failed.report.state is ReportState.FAILED
    assert "user name and password" in failed.report.reason
    assert failed.attempts == QUICK.credentials
    assert wrong not in "".join(capsys.readouterr())
    entries = graph.database.audit.entries(most=1000)
    assert wrong not in repr(entries)


def test_an_id_means_nothing_at_another_host(graph: Nightlight, case: str, standin: Standin) -> None:
    """Else the other host's "no such report" would be leave to file it a second time."""
    reports = desk_of(graph, patience=Patience())
    made = reports.submit(reports.draft(case, ANA).report.id, ANA)
    standin.inject(Fault(kind=FaultKind.CUT_AFTER, call=Call.FINISH))
    stuck = reports.run(made.report.id)
    reports.submit(made.report.id, ANA)
    assert stuck.report.authority_id in finished(standin)
    with Standin(cybertipline.check, password=PASSWORD) as elsewhere:
        access = replace(graph.settings.authorities.cybertipline, to=elsewhere.place)
        moved = Filer(graph.database.reports, Access(access, lambda: PASSWORD), FORMS, VaultEvidence(None), graph.clock.now, QUICK)
        failed = moved.run(made.report.id)
        assert failed.report.state is ReportState.FAILED
        assert standin.place in failed.report.reason
        assert elsewhere.calls == []
    assert rounds(reports, reports.submit(made.report.id, ANA)).report.state is ReportState.FINISHED
    assert len(finished(standin)) == 1


def test_a_backup_that_is_put_back_files_nothing_twice(
    graph: Nightlight, case: str, standin: Standin, build: Callable[..., Nightlight], tmp_path: Path
) -> None:
    reports = desk_of(graph)
    made = reports.submit(reports.draft(case, ANA).report.id, ANA)
    graph.database.lifecycle.backup(tmp_path / "kept", "cli:ana")
    assert reports.run(made.report.id).report.state is ReportState.ACKNOWLEDGED
    settings = graph.settings
    graph.close()
    for name in ("nightlight.db", "nightlight.db-wal", "nightlight.db-shm"):
        (tmp_path / "home" / name).unlink(missing_ok=True)
    found = next((tmp_path / "kept").rglob("nightlight.db"))
    shutil.copy(found, tmp_path / "home" / "nightlight.db")
    again = build(settings=settings, start=False)
    assert again.database.reports.get(made.report.id).report.authority_id is None, "the backup knows nothing of it"
    ended = rounds(desk_of(again), made)
    assert ended.report.state is ReportState.FINISHED
    assert finished(standin) == [ended.report.authority_id]


def test_what_was_left_open_expires_and_is_not_filed(graph: Nightlight, case: str, standin: Standin, clock: FixedClock) -> None:
    reports = desk_of(graph)
    made = reports.submit(reports.draft(case, ANA).report.id, ANA)
    standin.inject(Fault(kind=FaultKind.CUT_AFTER, call=Call.SUBMIT), Fault(kind=FaultKind.ERROR, call=Call.FINISH))
    for _ in range(4):
        reports.run_due()
    clock.advance(timedelta(hours=25))
    assert rounds(reports, made).report.state in FILED
    assert len(finished(standin)) == 1
    assert HeldState.OPEN not in {r.state for r in standin.reports()}


def test_a_report_goes_only_to_an_authority_that_is_allowed(graph: Nightlight, case: str) -> None:
    reports = desk_of(graph)
    nobody = Reports(
        graph.database.reports,
        graph.database.audit,
        reports._files,
        draft,
        reports.filer,
        graph.clock.now,
        cases=graph.database.cases.case,
        allowed=(),
    )
    with pytest.raises(Invalid, match="no authority"):
        nobody.draft(case, ANA)


# -- appeals -----------------------------------------------------------------------------------------------------------------------


def test_an_appeal_before_the_end_retracts_and_afterwards_corrects(graph: Nightlight, case: str, standin: Standin) -> None:
    orders = Desk(graph)
    reports = desk_of(graph, orders)
    orders.order(OrderKind.FILE, case)
    made = reports.submit(reports.draft(case, ANA).report.id, ANA)
    retract = orders.order(OrderKind.RETRACT, case)
    reports.run_due()
    assert reports.get(made.report.id).report.state is ReportState.RETRACTED
    assert ("done", retract.id, "retracted before it was finished") in orders.told
    assert finished(standin) == []
    with pytest.raises(Denied, match="overturned"):
        reports.submit(reports.draft(case, ANA).report.id, ANA)


def test_an_appeal_after_the_end_sends_one_correction(graph: Nightlight, case: str, standin: Standin) -> None:
    orders = Desk(graph)
    reports = desk_of(graph, orders)
    orders.order(OrderKind.FILE, case)
    first = reports.run(reports.submit(reports.draft(case, ANA).report.id, ANA).report.id)
    order = orders.order(OrderKind.CORRECT, case)
    for _ in range(3):
        reports.run_due()
    corrected, correction = reports.of_case(case)
    assert (corrected.report.id, corrected.report.state) == (first.report.id, ReportState.CORRECTED)
    assert correction.report.state is ReportState.ACKNOWLEDGED
    assert ("done", order.id, f"corrected by {correction.report.authority_id}") in orders.told
    assert len(finished(standin)) == 2


def test_a_retraction_that_comes_too_late_tells_the_desk_that_the_report_went_out(graph: Nightlight, case: str, standin: Standin) -> None:
    orders = Desk(graph)
    reports = desk_of(graph, orders)
    file = orders.order(OrderKind.FILE, case)
    filed = reports.filer.run(reports.submit(reports.draft(case, ANA).report.id, ANA).report.id)  # and nobody was told yet
    orders.done(file.id, "overturned")
    orders.order(OrderKind.RETRACT, case)
    reports.run_due()
    assert ("done", file.id, filed.report.authority_id) in orders.told
    assert reports.get(filed.report.id).report.state is ReportState.ACKNOWLEDGED


# -- settings and commands -----------------------------------------------------------------------------------------------------------


def test_the_password_comes_from_a_private_file_or_a_variable(home: Path) -> None:
    (home / FILE).write_text('[authorities.cybertipline]\nto = "test"\nusername = "u"\npassword_file = "secret"\n')
    access = load(home).authorities.cybertipline
    with pytest.raises(Invalid, match="cannot be read"):
        authority_password(access, home)
    (home / "secret").write_text(f"{PASSWORD}\n")
    (home / "secret").chmod(0o644)
    with pytest.raises(Invalid, match="chmod 600"):
        authority_password(access, home)
    (home / "secret").chmod(0o600)
    assert authority_password(access, home) == PASSWORD
    by_name = replace(access, password_file=None, password_env="P")
    assert authority_password(by_name, home, {"P": "x y"}) == "x y"
    for bad in ({}, {"P": ""}, {"P": "a\nb"}):
        with pytest.raises(Invalid):
            authority_password(by_name, home, bad)
    (home / FILE).write_text('[authorities.cybertipline]\nusrname = "u"\n')
    with pytest.raises(Invalid, match="did you mean 'username'"):
        load(home)


def cli(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["report", *words])
    if isinstance(done.exception, NightlightError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def test_the_commands(tmp_path: Path, standin: Standin, monkeypatch: pytest.MonkeyPatch, clock: FixedClock) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    monkeypatch.setenv("SIM_PASSWORD", PASSWORD)
    (home / FILE).write_text(
        '[service]\nname = "Lanternfall"\n[service.reporter]\nemail = "safety@lanternfall.example"\n'
        f'[authorities.cybertipline]\nto = "{standin.place}"\nusername = "sim"\npassword_env = "SIM_PASSWORD"\n'
    )
    with bootstrap(home, clock=clock, start=True) as made:
        made.events.submit(made.events.decode(json.dumps(message(EXTORTION)).encode())).result(60)
        case = made.database.cases.cases()[0].id
    assert cli("list", "--plain").split() == [case]
    assert "no report" in cli("list")
    xml = CliRunner().invoke(app, ["report", "export", case]).stdout_bytes
    assert not cybertipline.check(xml, NOW + timedelta(days=3650))
    assert "needs: No person has confirmed the case" in cli("draft", case, code=Exit.FOUND)
    with pytest.raises(Conflict, match="--anew"):
        cli("draft", case)
    cli("draft", case, "--anew", code=Exit.FOUND)
    with pytest.raises(Invalid, match="lacks"):
        cli("submit", case)
    with bootstrap(home) as made:
        ana = Staff(id="ana", role=Role.REVIEWER)
        made.desk.lock(ana, case)
        made.desk.verdict(ana, case, Judgement(finding=Finding.CONFIRMED, reason="asks for money and threatens"))
        made.reports.redraft(made.reports.of_case(case)[0].report.id, ANA, version=2)
    standin.inject(Fault(kind=FaultKind.CODE, call=Call.SUBMIT, code=4100))
    assert "code 4100" in cli("submit", case, code=Exit.FOUND)
    assert "failed" in cli("list", "--failing", code=Exit.FOUND)
    assert "acknowledged 1000001" in cli("submit", case)
    assert CliRunner().invoke(app, ["report", "export", case]).stdout_bytes.strip() == standin.held.reports["1000001"].document.strip()
    told = json.loads(cli("status", case, "--json"))
    assert [s["call"] for s in told["steps"]][:2] == ["submit", "submit"]
    assert "finish" in cli("status", case, "--words")
    with pytest.raises(Conflict, match="correction"):
        cli("retract", case, "--reason", "too late")
    assert f"report submit {case}" in cli("correct", case, "--reason", "the time was wrong")
    with pytest.raises(NotFound):
        cli("status", "case_nowhere")
    cli("export", case, "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "report.xml").stat().st_mode & 0o077 == 0
    with bootstrap(home) as made:
        number = len(made.reports.preview_of_case(case, ANA)[1].files)
    files = CliRunner().invoke(app, ["report", "export", case, "--files"]).stdout_bytes
    assert files.count(b"<fileDetails") == number
    assert made.reports.place == standin.place
    assert NAME in cli("list", "--json")
    assert Wanted.NOTHING.value in cli("list", "--json")
