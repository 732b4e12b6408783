"""What is decided between two calls to an authority: the rules by themselves, against a model of one."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.errors import Conflict
from nightlight.core.filing import (
    FILED,
    MARGIN,
    Answer,
    Call,
    FiledFile,
    Filing,
    Local,
    Outcome,
    Patience,
    Step,
    Wanted,
    asked_again,
    asked_back,
    checked,
    next_step,
    settled,
    stopped,
    withdrawn,
)
from nightlight.core.report import Report, ReportState

NOW = datetime(2026, 3, 1, 19, tzinfo=UTC)
PATIENT = Patience(first=timedelta(0), most=timedelta(0), attempts=1000, credentials=1000)
DONE = Answer(outcome=Outcome.DONE)


def filing(state: ReportState = ReportState.DRAFT, files: int = 1, **more: object) -> Filing:
    report = Report(id="report_1", case="case_1", authority="cybertipline", state=state, at=NOW)
    made = Filing(
        report=report,
        place="http://127.0.0.1/ispws",
        files=tuple(FiledFile(number=n) for n in range(files)),
        created_at=NOW,
        created_by="reviewer:ana",
        updated_at=NOW,
        wanted=Wanted.FILE,
    )
    return replace(made, **more)


def opened(**more: object) -> Filing:
    """As a run has it that has just opened it."""
    began = replace(filing(ReportState.VALIDATED), run=1)
    return replace(settled(began, Step(Call.SUBMIT), replace(DONE, report_id="77"), NOW, PATIENT), **more)


def answered(step: Step, now: Filing, outcome: Outcome = Outcome.DONE, **more: object) -> Filing:
    return settled(now, step, Answer(outcome=outcome, **more), NOW, PATIENT)  # type: ignore[arg-type]


# -- the order ---------------------------------------------------------------------------------------------------------------------


def test_an_undisturbed_report_goes_through_in_the_authoritys_order() -> None:
    now, calls = filing(files=2), []
    given = {
        Call.SUBMIT: {"report_id": "77"},
        Call.UPLOAD: {"report_id": "77", "file_id": "f"},
        Call.FILEINFO: {},
        Call.FINISH: {"report_id": "77", "files": ("f",)},
    }
    while (step := next_step(now, NOW)) is not Local.NOTHING:
        if step is Local.CHECK:
            now = checked(now, [], NOW)
            continue
        assert isinstance(step, Step)
        calls.append((step.call, step.file))
        now = answered(step, now, **given[step.call])  # type: ignore[arg-type]
    order = [(Call.UPLOAD, 0), (Call.FILEINFO, 0), (Call.UPLOAD, 1), (Call.FILEINFO, 1)]
    assert calls == [(Call.SUBMIT, None), *order, (Call.FINISH, None)]
    assert now.report.state is ReportState.ACKNOWLEDGED
    assert (now.report.authority_id, now.wanted, now.expires_at) == ("77", Wanted.NOTHING, None)


def test_expiry_is_a_day_after_opening_or_an_hour_after_the_last_change() -> None:
    now = opened()
    assert now.expires_at == NOW + timedelta(hours=24)
    late = NOW + timedelta(hours=23, minutes=30)
    uploaded = settled(now, Step(Call.UPLOAD, 0), replace(DONE, file_id="f"), late, PATIENT)
    assert uploaded.expires_at == late + timedelta(hours=1)
    assert next_step(uploaded, late) == Step(Call.FILEINFO, 0)
    assert next_step(uploaded, uploaded.expires_at - MARGIN) == Step(Call.RETRACT)


def test_what_another_run_opened_is_retracted_first_whatever_its_state() -> None:
    for state in (ReportState.OPENED, ReportState.UPLOADED):
        held = opened(run=2)
        held = replace(held, report=replace(held.report, state=state))
        assert next_step(held, NOW) == Step(Call.RETRACT)


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.GONE, Outcome.RETRACTED])
def test_after_a_retraction_it_is_checked_and_submitted_anew(outcome: Outcome) -> None:
    again = answered(Step(Call.RETRACT), opened(run=2), outcome)
    assert again.report.authority_id is None
    assert again.report.state is ReportState.DRAFT
    assert next_step(again, NOW) is Local.CHECK
    assert next_step(checked(again, [], NOW), NOW) == Step(Call.SUBMIT)


def test_a_report_that_the_authority_calls_finished_was_filed() -> None:
    filed = answered(Step(Call.RETRACT), opened(run=2), Outcome.FINISHED)
    assert filed.report.state is ReportState.FINISHED
    assert filed.report.authority_id == "77"
    assert "acknowledgement was lost" in filed.note
    assert next_step(filed, NOW) is Local.NOTHING


@pytest.mark.parametrize("call", [Call.UPLOAD, Call.FINISH])
@pytest.mark.parametrize("outcome", [Outcome.LATER, Outcome.GONE, Outcome.CREDENTIALS, Outcome.FILE_GONE, Outcome.RETRACTED])
def test_what_faulted_is_never_gone_on_with(call: Call, outcome: Outcome) -> None:
    faulty = answered(Step(call, 0 if call is Call.UPLOAD else None), opened(), outcome)
    assert faulty.failing
    assert next_step(faulty, NOW) == Step(Call.RETRACT)


def test_an_answer_about_another_report_is_none() -> None:
    assert answered(Step(Call.FINISH), opened(), report_id="78").report.state is ReportState.OPENED
    assert answered(Step(Call.RETRACT), opened(run=2), report_id="78").report.authority_id == "77"


def test_a_finish_that_does_not_list_the_files_is_filed_and_not_acknowledged() -> None:
    done = replace(opened(), files=(FiledFile(number=0, file_id="f", described=True),))
    short = answered(Step(Call.FINISH), done, report_id="77", files=())
    assert short.report.state is ReportState.FINISHED
    assert "compare" in short.note


# -- who must act ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [Outcome.DOCUMENT, Outcome.REFUSED])
def test_a_refused_document_fails_at_once_with_its_reason(outcome: Outcome) -> None:
    began = replace(filing(ReportState.VALIDATED), run=1)
    failed = answered(Step(Call.SUBMIT), began, outcome, reason="the document breaks the authority's rules (code 4100)")
    assert failed.report.state is ReportState.FAILED
    assert "code 4100" in failed.report.reason
    assert failed.fault is outcome
    assert not failed.in_motion
    assert next_step(failed, NOW) is Local.NOTHING


def test_what_fails_after_it_was_opened_is_cleared_away_in_the_same_run() -> None:
    failed = answered(Step(Call.UPLOAD, 0), opened(), Outcome.FILE, reason="no")
    assert failed.report.state is ReportState.FAILED
    assert next_step(failed, NOW) == Step(Call.RETRACT)
    clear = answered(Step(Call.RETRACT), failed)
    assert (clear.report.state, clear.report.authority_id, clear.report.reason) == (ReportState.FAILED, None, "upload (file 1): no")
    kept = answered(Step(Call.RETRACT), failed, Outcome.LATER, reason="down")
    assert (kept.report.authority_id, kept.in_motion, kept.report.reason) == ("77", False, failed.report.reason)
    asked = asked_again(kept, NOW)
    assert next_step(asked, NOW) == Step(Call.RETRACT)
    assert answered(Step(Call.RETRACT), failed, Outcome.FINISHED).report.state is ReportState.FINISHED


def test_patience_ends_sooner_with_credentials_than_with_an_outage() -> None:
    patience = Patience(attempts=5, credentials=2)
    for outcome, most in ((Outcome.LATER, 5), (Outcome.CREDENTIALS, 2)):
        now, tries = replace(filing(ReportState.VALIDATED), run=1), 0
        while now.in_motion:
            now = settled(now, Step(Call.SUBMIT), Answer(outcome=outcome, reason="no"), NOW, patience)
            tries += 1
        assert tries == most
        assert now.report.state is ReportState.FAILED
    assert asked_again(now, NOW).attempts == 0


def test_waits_double_up_to_a_bound_and_heed_what_the_authority_asks() -> None:
    patience = Patience(first=timedelta(seconds=30), most=timedelta(hours=1))
    assert [patience.delay(n, None).total_seconds() for n in (1, 2, 3, 8, 50, 10**9)] == [30, 60, 120, 3600, 3600, 3600]
    assert patience.delay(1, 900.0) == timedelta(minutes=15)
    now = settled(replace(filing(ReportState.VALIDATED), run=1), Step(Call.SUBMIT), Answer(outcome=Outcome.LATER), NOW, patience)
    assert next_step(now, NOW + timedelta(seconds=29)) is Local.WAIT
    assert next_step(now, NOW + timedelta(seconds=30)) == Step(Call.SUBMIT)


def test_a_report_that_breaks_our_own_rules_fails_before_anything_is_sent() -> None:
    failed = checked(filing(), ["/report/a: one", "/report/b: two", "c", "d"], NOW)
    assert failed.report.state is ReportState.FAILED
    assert "and 1 more" in failed.report.reason
    assert not failed.in_motion


def test_what_cannot_be_asked_is_left_alone_or_cleared() -> None:
    assert not stopped(opened(), "elsewhere", NOW).in_motion
    assert next_step(stopped(opened(), "no bytes", NOW, clear=True), NOW) == Step(Call.RETRACT)


# -- people ------------------------------------------------------------------------------------------------------------------------


def test_a_report_is_withdrawn_before_it_is_finished_and_not_after() -> None:
    back = asked_back(filing(), NOW)
    assert next_step(back, NOW) is Local.WITHDRAWN
    assert withdrawn(back, NOW).report.state is ReportState.RETRACTED
    held = asked_back(opened(), NOW)
    assert next_step(held, NOW) == Step(Call.RETRACT)
    gone = answered(Step(Call.RETRACT), held)
    assert (gone.report.state, gone.wanted) == (ReportState.RETRACTED, Wanted.NOTHING)
    late = answered(Step(Call.RETRACT), held, Outcome.FINISHED)
    assert late.report.state is ReportState.FINISHED
    assert "before it could be retracted" in late.note
    for ended in (gone, late):
        with pytest.raises(Conflict):
            asked_back(ended, NOW)
        with pytest.raises(Conflict):
            asked_again(ended, NOW)


def test_a_word_of_a_person_during_a_call_counts_at_the_next_step() -> None:
    uploading = asked_back(opened(), NOW)  # while the upload is under way
    after = answered(Step(Call.UPLOAD, 0), uploading, file_id="f")
    assert next_step(after, NOW) == Step(Call.RETRACT)


# -- a model of an authority, two runners and everything that may be lost --------------------------------------------------------------


class Model(Struct):
    """An authority: the state of each report by its id."""

    reports: dict[str, str]

    def do(self, call: Call, id: str | None, files: tuple[FiledFile, ...]) -> Answer:
        if call is Call.SUBMIT:
            made = str(len(self.reports) + 1)
            self.reports[made] = "open"
            return Answer(outcome=Outcome.DONE, report_id=made)
        state = self.reports.get(id or "", "expired")
        refusals = {"expired": Outcome.GONE, "retracted": Outcome.RETRACTED, "finished": Outcome.FINISHED}
        if state in refusals:
            return Answer(outcome=refusals[state], reason="no")
        if call is Call.RETRACT:
            self.reports[id or ""] = "retracted"
        if call is Call.FINISH:
            self.reports[id or ""] = "finished"
            return Answer(outcome=Outcome.DONE, report_id=id, files=tuple(f.file_id or "" for f in files))
        return Answer(outcome=Outcome.DONE, file_id="f")


class Runner:
    """One runner between two of its steps: what it last read, the call that it has begun and not sent, the answer not kept yet."""

    def __init__(self) -> None:
        self.filing: Filing | None = None
        self.step: Step | None = None
        self.bound: tuple[str | None, tuple[FiledFile, ...]] | None = None
        self.answer: Answer | None = None


ACTS = st.sampled_from([*["go"] * 8, *["lose before", "lose after"] * 2, "take", "die", "expire", "withdraw", "ask again"])


@hypothesis_settings(max_examples=150)
@given(st.integers(0, 1), st.lists(st.tuples(st.sampled_from([0, 0, 0, 1]), ACTS), max_size=90))
def test_never_two_and_never_unseen_whatever_is_lost_and_whoever_runs(files: int, acts: list[tuple[int, str]]) -> None:
    """Two runners, no lease at all between them: the fence, the saved id and the retraction have to be enough."""
    authority, runners = Model({}), (Runner(), Runner())
    kept = filing(files=files)
    for who, act in [(0, "take"), *acts]:
        runner = runners[who]
        if act == "die":
            runners = (Runner(), runners[1]) if who == 0 else (runners[0], Runner())
        elif act == "expire":
            authority.reports |= {id: "expired" for id, state in authority.reports.items() if state == "open"}
        elif act in ("withdraw", "ask again"):
            with suppress(Conflict):
                kept = asked_back(kept, NOW) if act == "withdraw" else asked_again(kept, NOW)
        elif act == "take":
            kept = replace(kept, run=kept.run + 1)
            runner.filing, runner.step, runner.bound, runner.answer = kept, None, None, None
        elif runner.filing is not None:
            kept = _go(authority, runner, kept, act)
        _hold(authority, kept)
    kept = _to_the_end(authority, replace(kept, run=kept.run + 1))
    assert kept.report.state in FILED or kept.report.state in (ReportState.RETRACTED, ReportState.FAILED)
    _hold(authority, kept)


def test_a_lost_finish_and_a_lost_retraction_are_asked_about_until_they_are_known() -> None:
    lost = ["go", "go", "go", "go", "go", "lose after", "go", "go", "lose before", "go"]
    authority, runner, kept = Model({}), Runner(), replace(filing(files=0), run=1)
    runner.filing = kept
    for act in lost:
        kept = _go(authority, runner, kept, act)
        _hold(authority, kept)
    assert authority.reports == {"1": "finished"}
    assert kept.report.authority_id == "1"
    assert _to_the_end(authority, kept).report.state is ReportState.FINISHED


def _hold(authority: Model, kept: Filing) -> None:
    done = [id for id, state in authority.reports.items() if state == "finished"]
    assert len(done) <= 1
    if kept.report.state in FILED:
        assert done == [kept.report.authority_id]
    elif done:  # not known yet: the id to ask with is still kept, and something asks
        assert kept.report.authority_id == done[0]
        assert kept.in_motion or kept.report.state is ReportState.FAILED


def _go(authority: Model, runner: Runner, kept: Filing, act: str) -> Filing:
    """A third of a step of a runner: keep that it begins, send the call, or keep the answer. Between them anything may happen."""
    assert runner.filing is not None
    if runner.bound is not None and runner.step is not None:  # it goes out however late, with the id that it was begun with
        (id, files), runner.bound = runner.bound, None
        lost = Answer(outcome=Outcome.LATER, reason="lost")
        answer = lost if act == "lose before" else authority.do(runner.step.call, id, files)
        runner.answer = lost if act == "lose after" else answer
        return kept
    if runner.answer is not None and runner.step is not None:
        step, answer = runner.step, runner.answer
        runner.step = runner.answer = None
        if kept.run != runner.filing.run:  # fenced
            runner.filing = None
            return kept
        return settled(kept, step, answer, NOW, PATIENT)
    step = next_step(kept, NOW)
    if kept.run != runner.filing.run or step in (Local.NOTHING, Local.WAIT):
        runner.filing = None
        return kept
    if step is Local.CHECK:
        return checked(kept, [], NOW)
    if step is Local.WITHDRAWN:
        return withdrawn(kept, NOW)
    assert isinstance(step, Step)
    runner.step, runner.bound = step, (kept.report.authority_id, kept.files)
    return kept


def _to_the_end(authority: Model, kept: Filing) -> Filing:
    runner = Runner()
    runner.filing = kept
    for _ in range(90):
        if runner.filing is None:
            break
        kept = _go(authority, runner, kept, "go")
    return kept
