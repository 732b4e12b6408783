"""`nightlight notice`: what is told to whoever hosts something elsewhere, and what follows when they do not answer."""

from __future__ import annotations

from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator, table
from nightlight.core.notices import NoticeItem, NoticeState

app = typer.Typer(help="Notices to hosts of what lies elsewhere: send, follow up, close.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The notice's id.")]
Outcome = Annotated[str, typer.Option("--outcome", help="What came of it; sealed.")]
_PAGE = 500


@app.command()
def send(
    case: Annotated[str, typer.Argument(help="A case that a person confirmed.")],
    host: Annotated[str, typer.Option("--host", help="Who hosts it.")],
    to: Annotated[str, typer.Option("--to", help="E-mail address of their abuse desk.")],
    url: Annotated[list[str] | None, typer.Option("--url", help="Where it lies; may be given several times.")] = None,
    sha256: Annotated[list[str] | None, typer.Option("--sha256", help="What it hashes to; may be given several times.")] = None,
    language: Annotated[str, typer.Option("--language", help="en or es.")] = "en",
    by_hand: Annotated[bool, typer.Option("--by-hand", help="Print it: you send it yourself. Its clock runs all the same.")] = False,
) -> None:
    """Write a notice and let it leave by the endpoint that the settings name. Prints its id."""
    items = [*(NoticeItem(url=u) for u in url or ()), *(NoticeItem(sha256=s.lower()) for s in sha256 or ())]
    with opened() as nightlight:
        made = nightlight.notices.send(case, operator(), host=host, to=to, items=items, language=language, by_hand=by_hand)
    typer.echo(made.id)
    if by_hand:
        typer.echo(f"\nTo: {made.to}\nSubject: {made.subject}\n\n{made.body}")


@app.command("list")
def list_notices(as_json: Json = False) -> None:
    """Notices without an answer, and what follows. Exit code 1 where a person must act on one."""
    rows, after, stuck = [], None, False
    with opened() as nightlight:
        while page := nightlight.notices.waiting(after=after, most=_PAGE):
            for one in page:
                stuck = stuck or one.state in (NoticeState.ESCALATED, NoticeState.LATE)
                if as_json:
                    emit(one)
                due = f"{one.due_at:%Y-%m-%d %H:%M}" if one.due_at is not None else "-"
                rows.append((one.id, one.case, one.host, one.state.value, f"{one.at:%Y-%m-%d %H:%M}", due))
            after = page[-1].id
    if not as_json:
        table(("NOTICE", "CASE", "HOST", "STATE", "SENT (UTC)", "NEXT STEP (UTC)"), rows)
    if stuck:
        raise typer.Exit(Exit.FOUND)


@app.command()
def show(id: Id, as_json: Json = False) -> None:
    """What a notice says, and every message of it. Recorded."""
    with opened() as nightlight:
        one = nightlight.notices.get(id, operator())
    if as_json:
        emit(one)
        return
    typer.secho(f"{one.id}  {one.state.value}  {one.host}", bold=True)
    for sending in one.sendings:
        typer.echo(f"    {sending.at:%Y-%m-%d %H:%M}  {sending.step}  {sending.key or 'by hand'}")
    typer.echo(f"\nTo: {one.to}\nSubject: {one.subject}\n\n{one.body}")
    if one.outcome:
        typer.echo(f"{one.state.value}: {one.outcome}")


@app.command()
def answered(id: Id, outcome: Outcome) -> None:
    """The host answered: nothing more follows."""
    with opened() as nightlight:
        typer.echo(nightlight.notices.answered(id, operator(), outcome).state.value)


@app.command()
def close(id: Id, outcome: Outcome) -> None:
    """End it without an answer."""
    with opened() as nightlight:
        typer.echo(nightlight.notices.close(id, operator(), outcome).state.value)
