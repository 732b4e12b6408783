"""`nightlight report`: from a case to a finished report at the authority."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator, table
from nightlight.core.case import Case as CaseRow
from nightlight.core.case import OrderKind
from nightlight.core.errors import Busy, Conflict, NotFound
from nightlight.core.filing import FILED, Filing
from nightlight.core.report import ReportState

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight

app = typer.Typer(help="Reports to authorities: draft, check, send, follow, correct.", no_args_is_help=True)

Case = Annotated[str, typer.Argument(help="The case's id.")]
Why = Annotated[str, typer.Option(help="Why; kept in the audit.")]
_MOST = 100_000
_MOST_ORDERS = 1000


class Format(StrEnum):
    CYBERTIPLINE_XML = "cybertipline-xml"


@app.command("list")
def list_reports(
    plain: Annotated[bool, typer.Option("--plain", help="One case id a line, and nothing else.")] = False,
    failing: Annotated[bool, typer.Option("--failing", help="Only those that failed, or are tried again after a fault.")] = False,
    as_json: Json = False,
) -> None:
    """Every report, and every case that has none yet and is open or approved to be reported. Ends with 1 where one has failed."""
    with opened() as nightlight:
        found = nightlight.reports.failing(_MOST) if failing else nightlight.reports.all(most=_MOST)
        reported = {f.report.case for f in nightlight.reports.all(most=_MOST)}
        bare = [] if failing else [c for c in _to_report(nightlight) if c.id not in reported]
    if plain:
        for case in dict.fromkeys((*(f.report.case for f in found), *(c.id for c in bare))):
            typer.echo(case)
    elif as_json:
        for filing in found:
            emit(filing)
        for open_case in bare:
            emit({"case": open_case.id, "report": None})
    else:
        rows: list[tuple[object, ...]] = [
            (f.report.case, f.report.id, f.report.state.value, f.report.authority_id or "-", f"{f.updated_at:%Y-%m-%d %H:%M}", standing(f))
            for f in found
        ]
        rows += [(c.id, "-", "no report", "-", f"{c.opened_at:%Y-%m-%d %H:%M}", "") for c in bare]
        table(("CASE", "REPORT", "STATE", "ID THERE", "CHANGED (UTC)", ""), rows)
    if any(f.report.state is ReportState.FAILED for f in found):
        raise typer.Exit(Exit.FOUND)


@app.command()
def draft(case: Case, anew: Annotated[bool, typer.Option("--anew", help="In place of the draft that is there.")] = False) -> None:
    """Put a draft together from the case as it is now, and say what it lacks."""
    with opened() as nightlight:
        here = _latest(nightlight, case) if anew else None
        if here is not None:
            filing = nightlight.reports.redraft(here.report.id, operator(), version=here.version)
        else:
            try:
                filing = nightlight.reports.draft(case, operator())
            except Conflict as error:
                raise Conflict(f"{error.message} (`report draft --anew`)", field=error.field) from None
        made = nightlight.reports.read(filing.report.id, operator())
    typer.echo(f"{filing.report.id}: {made.completeness.score} of 100, {len(made.files)} files, {len(made.faults)} faults.")
    for missing in made.completeness.missing:
        typer.echo(f"    {'needs' if missing.required else 'lacks'}: {missing.what.get('en', missing.field)}")
    for fault in made.faults:
        typer.echo(f"    {fault}")
    for name in filing.by_hand:
        typer.echo(f"    to be told by hand: {name}")
    if not made.ready:
        raise typer.Exit(Exit.FOUND)


@app.command()
def submit(
    case: Case,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Send it now; else the service does, within seconds.")] = True,
) -> None:
    """Send the case's report. Also after it failed: what the authority may hold is asked about first."""
    with opened() as nightlight:
        filing = nightlight.reports.submit(_one(nightlight, case).report.id, operator())
        if wait:
            filing = _run(nightlight, filing)
    _say(filing)


@app.command()
def status(
    case: Case,
    words: Annotated[bool, typer.Option("--words", help="With what the authority said, which may quote the report.")] = False,
    as_json: Json = False,
) -> None:
    """Where the case's reports stand, and every call to the authority."""
    with opened() as nightlight:
        found = nightlight.reports.of_case(case)
        if not found:
            raise NotFound("this case has no report", field="case")
        told = [(filing, nightlight.reports.steps(filing.report.id, words=words)) for filing in found]
    for filing, steps in told:
        if as_json:
            emit({"filing": filing, "steps": steps})
            continue
        typer.secho(f"{filing.report.id}  {filing.report.state.value}  {filing.report.authority_id or '-'}  {filing.place}", bold=True)
        if said := standing(filing):
            typer.echo(f"    {said}")
        for step in steps:
            what = f"{step.call.value} {step.file + 1}" if step.file is not None else step.call.value
            answer = step.outcome.value if step.outcome is not None else "under way, or cut off"
            code = f" code {step.code}" if step.code is not None else ""
            typer.echo(f"      {step.began_at:%Y-%m-%d %H:%M:%S}  {what:<10} {answer}{code}  {step.request_id or ''}".rstrip())
            if step.detail:
                typer.echo(f"          {step.detail}")
    if any(filing.report.state is ReportState.FAILED for filing, _ in told):
        raise typer.Exit(Exit.FOUND)


@app.command()
def retract(case: Case, reason: Why) -> None:
    """Withdraw a report that is not finished. One that is can only be corrected."""
    with opened() as nightlight:
        filing = nightlight.reports.retract(_one(nightlight, case).report.id, operator(), reason)
        filing = _run(nightlight, filing)
    _say(filing)


@app.command()
def correct(case: Case, reason: Annotated[str, typer.Option(help="What was wrong. The authority reads it.")]) -> None:
    """Draft a correction of the case's filed report, which names that one; `submit` sends it."""
    with opened() as nightlight:
        filing = nightlight.reports.correct(case, operator(), reason)
    typer.echo(f"{filing.report.id} corrects {filing.corrects}; `nightlight report submit {case}` sends it.")


@app.command()
def export(
    case: Case,
    format: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.CYBERTIPLINE_XML,
    files: Annotated[bool, typer.Option("--files", help="The `fileDetails` of each file instead, one document after another.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write report.xml and file-N.xml into this folder instead.")] = None,
) -> None:
    """The report's XML, exactly as it is sent. A case without a report is drafted for this once; nothing is kept or sent."""
    from nightlight.app.reports import FORMS

    with opened() as nightlight:
        filing, made = nightlight.reports.preview_of_case(case, operator())
    form = FORMS[made.authority]
    # The authority gives these ids; until it has, a nought stands for them.
    report_id = (filing.report.authority_id if filing is not None else None) or "0"
    ids = [(f.file_id or "0") for f in filing.files] if filing is not None else ["0"] * len(made.files)
    details = [form.write(form.with_ids(file.details, report_id, id)) for file, id in zip(made.files, ids, strict=True)]
    if out is not None:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, body in (("report.xml", form.write(made.document)), *((f"file-{n}.xml", d) for n, d in enumerate(details, 1))):
            (out / name).touch(mode=0o600)
            (out / name).write_bytes(body)
        return
    for body in details if files else [form.write(made.document)]:
        sys.stdout.buffer.write(body if body.endswith(b"\n") else body + b"\n")
    sys.stdout.buffer.flush()


def standing(filing: Filing) -> str:
    """In a line, for people: why it failed, what is tried again, what to know of it."""
    if filing.report.state is ReportState.FAILED:
        held = filing.report.authority_id
        asks = f"; the authority may hold it as {held}, and submitting again asks first" if held is not None else ""
        return filing.report.reason + asks
    if filing.trouble and filing.due_at is not None:
        return f"{filing.trouble}; try {filing.attempts + 1} at {filing.due_at:%H:%M:%S}"
    return filing.note or filing.trouble


def _to_report(nightlight: Nightlight) -> list[CaseRow]:
    """Open cases, and those of which people approved a report."""
    cases = nightlight.database.cases
    found = {case.id: case for case in cases.cases(most=_MOST)}
    for order in nightlight.desk.orders(most=_MOST_ORDERS):
        if order.kind is OrderKind.FILE and order.case not in found and (case := cases.case(order.case)) is not None:
            found[case.id] = case
    return list(found.values())


def _latest(nightlight: Nightlight, case: str) -> Filing | None:
    """The report of a case that a command is about: the newest that was not withdrawn."""
    found = [f for f in nightlight.reports.of_case(case) if f.report.state is not ReportState.RETRACTED]
    return found[-1] if found else None


def _one(nightlight: Nightlight, case: str) -> Filing:
    found = _latest(nightlight, case)
    if found is None:
        raise NotFound(f"this case has no report: `nightlight report draft {case}` makes one", field="case")
    return found


def _run(nightlight: Nightlight, filing: Filing) -> Filing:
    """Now rather than in its turn; as it stands where somebody runs it already."""
    try:
        return nightlight.reports.run(filing.report.id)
    except Busy:
        return nightlight.reports.get(filing.report.id)


def _say(filing: Filing) -> None:
    said = standing(filing)
    typer.echo(
        f"{filing.report.id}: {filing.report.state.value} {filing.report.authority_id or ''}".rstrip() + (f" ({said})" if said else "")
    )
    if filing.report.state not in FILED and filing.report.state is not ReportState.RETRACTED:
        raise typer.Exit(Exit.FOUND)
