"""`nightlight self-reports`: pictures that young people reported themselves, and the person who ends their wait."""

from __future__ import annotations

from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table

app = typer.Typer(help="Pictures that young people reported of themselves.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The report's id.")]


@app.command("list")
def list_waiting(as_json: Json = False) -> None:
    """Reports that wait for a person, the oldest first."""
    rows: list[tuple[object, ...]] = []
    with opened() as nightlight:
        after: str | None = None
        while page := nightlight.self_reports.waiting(after=after, most=500):
            after = page[-1].id
            for report in page:
                if as_json:
                    emit(report)
                else:
                    times = (f"{at:%Y-%m-%d %H:%M}" for at in (report.created_at, report.expires_at))
                    rows.append((report.id, report.state.value, report.pictures, *times))
    if not as_json:
        table(("REPORT", "STATE", "PICTURES", "CAME (UTC)", "GOES (UTC)"), rows)


@app.command()
def look(id: Id) -> None:
    """Say that a person has taken it up; whoever asks with the code is told."""
    with opened() as nightlight:
        report = nightlight.self_reports.look(id, operator())
    typer.echo(f"{report.id} is being looked at.")


@app.command()
def finish(
    id: Id,
    keep: Annotated[
        bool | None, typer.Option("--keep/--take-out", help="Whether its fingerprints stay in the bank. One is required.")
    ] = None,
) -> None:
    """Say that a person has looked; whoever asks with the code learns that, and nothing more."""
    if keep is None:
        raise typer.BadParameter("say --keep or --take-out")
    with opened() as nightlight:
        report = nightlight.self_reports.finish(id, operator(), keep=keep)
    what = "stay until" if report.kept else "are taken out; it goes on"
    typer.echo(f"{report.id} is finished; its fingerprints {what} {report.expires_at:%Y-%m-%d}.")
