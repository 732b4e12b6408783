"""A report is filed once, whatever becomes of the process that sends it, of the calls and of their answers: never twice, never not at all
and unseen."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from nightlight.adapters.store import Database
from nightlight.app.sim.cybertipline import Standin
from nightlight.app.sim.faults import Fault, FaultKind
from nightlight.app.sim.held import HeldState
from nightlight.core.filing import FILED, Call, Filing, asked_again
from nightlight.core.report import ReportState
from nightlight.reporting import cybertipline
from tests.crash.filing_driver import drive
from tests.filing import asked, client, draft, filer, open_store, until_ended

RUNS = 200
STARTS = 15
"""Processes that one report may take: most are killed."""
PLACES = 34
"""Places in the way of an undisturbed report with one file, and a few more."""
CODES = (1000, 1100, 1110, 1300, 2000, 3100, 4100, 4110, 4200, 5001, 5002)


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin(cybertipline.check) as running:
        yield running


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = open_store(home)
    yield opened
    opened.close()


def finished(standin: Standin, case: str) -> list[str]:
    """Ids at the authority of the case's finished reports."""
    return [r.id for r in standin.reports(HeldState.FINISHED) if f">{case}<".encode() in r.document]


def check(standin: Standin, filing: Filing) -> str:
    """How it ended; whatever that is, it is one of the two ways that are right."""
    there, report = finished(standin, filing.report.case), filing.report
    assert len(there) <= 1, f"filed {len(there)} times"
    if report.state in FILED:
        assert there == [report.authority_id]
        return "filed"
    assert report.state is ReportState.FAILED, f"neither filed nor failed: {report.state}"
    assert report.reason
    if (
        there
    ):  # finished, and every answer that could have told so was lost: the reason names the call, and the id is still here to ask with
        assert report.authority_id == there[0]
    return "failed"


def again(standin: Standin, database: Database, filing: Filing) -> None:
    """A person submits it again, when all is well: it is filed, once."""
    standin.faults.waiting.clear()
    id = filing.report.id
    database.reports.change(id, "reviewer:ana", "report.submit", lambda f: asked_again(f, database.clock.now()))
    ended = until_ended(filer(database, client(standin.place)), database, id)
    assert ended.report.state in FILED
    assert finished(standin, ended.report.case) == [ended.report.authority_id]


FAULTS = [
    *((kind, call) for kind in (FaultKind.CUT_AFTER, FaultKind.ERROR_AFTER) for call in (Call.SUBMIT, Call.UPLOAD, Call.FINISH)),
    (FaultKind.TIMEOUT_AFTER, Call.FINISH),
    (FaultKind.CUT_MIDWAY, Call.FINISH),
    (FaultKind.EXPIRE, Call.FINISH),
    (FaultKind.UNAUTHORISED, Call.FILEINFO),
    (FaultKind.CODE, Call.SUBMIT),
    (FaultKind.MD5, Call.UPLOAD),
]


def test_a_fault_at_a_call_files_once_or_fails_visibly(standin: Standin, database: Database) -> None:
    for number, (kind, call) in enumerate(FAULTS):
        case = f"case_{number}"
        standin.inject(Fault(kind=kind, call=call, code=4100, seconds=30.0), Fault(kind=FaultKind.CUT_AFTER, call=Call.RETRACT))
        filing = asked(database, standin.place, draft(case, note=case))
        # However slow the machine, an answer that did not come in time is only asked about once more.
        seconds = 1.0 if kind is FaultKind.TIMEOUT_AFTER else 60.0
        ended = until_ended(filer(database, client(standin.place, seconds)), database, filing.report.id)
        how = check(standin, ended)
        assert how == ("failed" if kind is FaultKind.CODE else "filed"), (kind, call)
        if how == "failed":
            again(standin, database, ended)
        standin.faults.waiting.clear()
    assert database.audit.verify().ok


def test_killed_at_each_end_of_a_call_it_files_once(standin: Standin, database: Database, home: Path) -> None:
    """The four places where an answer is on its way and not yet kept, or kept and not yet acted on."""
    for number, kill_at in enumerate((7, 8, 25, 26)):
        case = f"case_{number}"
        filing = asked(database, standin.place, draft(case, note=case))
        _drive(home, standin, filing, kill_at)
        assert database.reports.get(filing.report.id).in_motion, "it was to be killed before the end"
        _drive(home, standin, filing, None)
        assert check(standin, database.reports.get(filing.report.id)) == "filed"


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_two_hundred_kills_and_faults_at_every_call(standin: Standin, database: Database, home: Path) -> None:
    ends: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for number in range(RUNS):
        case = f"case_{number}"
        rng = random.Random(number)
        filing = asked(database, standin.place, draft(case, note=case, files=rng.choice((0, 1, 1, 2))))
        _disturb(standin, rng, met)
        ended, starts = database.reports.get(filing.report.id), 0
        while ended.in_motion and starts < STARTS:
            calm = starts >= 4
            how = "calm" if calm else rng.choice(("place", "place", "before", "after", "whenever", "calm"))
            met[f"kill:{how}"] += how != "calm"
            kill_at = (number + starts * 7) % PLACES if how == "place" else None
            _drive(home, standin, filing, kill_at, how, rng)
            ended, starts = database.reports.get(filing.report.id), starts + 1
        end = check(standin, ended)
        ends[end] += 1
        if end == "failed":
            again(standin, database, ended)
        standin.faults.waiting.clear()
    assert sum(ends.values()) == RUNS
    assert ends["filed"] > RUNS // 2, "the runs met so much that they say little"
    codes = Counter(f"{call.value}:{code}" for call, code in standin.calls)
    print(dict(ends), dict(met), dict(codes), sep="\n")
    assert database.audit.verify().ok


def _disturb(standin: Standin, rng: random.Random, met: Counter[str]) -> None:
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        kind, call = rng.choice(list(FaultKind)), rng.choice([*Call, Call.FINISH])
        met[f"{kind.value}@{call.value}"] += 1
        standin.inject(
            Fault(kind=kind, call=call, code=rng.choice(CODES), skip=rng.choice((0, 0, 1)), times=rng.choice((1, 1, 2)), seconds=1.5)
        )


def _gone(pid: int) -> None:
    """No answer may reach a process that is still there."""
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)
            time.sleep(0.005)


def _drive(home: Path, standin: Standin, filing: Filing, kill_at: int | None, how: str = "", rng: random.Random | None = None) -> None:
    """One process, to its end or until it is killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.filing_driver"])
    process = context.Process(
        target=drive, args=(home, standin.place, filing.report.id, kill_at, 60.0 if rng is None else 1.0), daemon=True
    )
    left = rng.randrange(6) if rng is not None else 0

    def hook(phase: str, call: Call) -> None:
        nonlocal left
        if phase == how and process.pid is not None:
            if left == 0:
                os.kill(process.pid, signal.SIGKILL)
                _gone(process.pid)
            left -= 1

    standin.hook = hook if how in ("before", "after") else None
    process.start()
    if how == "whenever" and rng is not None:
        process.join(rng.uniform(0.05, 0.6))
        if process.is_alive():
            process.kill()
    process.join(250)
    standin.hook = None
    assert process.exitcode in (0, -signal.SIGKILL)
    process.close()
