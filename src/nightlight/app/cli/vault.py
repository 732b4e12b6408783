"""`nightlight vault`: evidence under a key a case, its clocks and holds, and its end."""

from __future__ import annotations

from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator, table
from nightlight.core.vault import Holding

app = typer.Typer(help="Evidence of cases: what is kept until when, legal holds, destruction, keys.", no_args_is_help=True)

Case = Annotated[str, typer.Argument(help="The case's id.")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit.")]
_PAGE = 500


@app.command("list")
def list_held(
    case: Annotated[str | None, typer.Argument(help="Only this case, with its items.")] = None,
    destroyed: Annotated[bool, typer.Option("--destroyed", help="The records of what was destroyed instead.")] = False,
    as_json: Json = False,
) -> None:
    """What is kept and until when. Shows no content."""
    with opened() as nightlight:
        vault = nightlight.database.vault
        if destroyed:
            after = None
            while records := vault.destructions(after, _PAGE):
                for record in records:
                    if case is not None and record.case != case:
                        continue
                    if as_json:
                        emit(record)
                    else:
                        typer.echo(f"{record.case}  {record.at:%Y-%m-%d %H:%M}  {len(record.items)} items  by {record.by}: {record.reason}")
                after = records[-1].case
            return
        if case is not None:
            held, items = vault.holding(case), vault.items(case)
            if as_json:
                emit({"holding": held, "items": items})
                return
            _say(held)
            table(
                ("NO", "ITEM", "KIND", "BYTES", "TYPE", "ADDED (UTC)", "SHA-256"),
                [(i.number, i.id, i.kind.value, i.size, i.media_type or "-", f"{i.added_at:%Y-%m-%d %H:%M}", i.sha256) for i in items],
            )
            return
        rows, after = [], None
        while page := vault.holdings(after, _PAGE):
            for held in page:
                if as_json:
                    emit(held)
                rows.append((held.case, held.items, held.bytes, f"{held.keep_until:%Y-%m-%d}", len(held.holds), _clocks(held)))
            after = page[-1].case
        unconfirmed = vault.clocks.unconfirmed
    if as_json:
        return
    table(("CASE", "ITEMS", "BYTES", "KEPT UNTIL", "HOLDS", "CLOCKS"), rows)
    if unconfirmed:
        typer.secho(f"Nobody at the operator has confirmed these clocks yet: {', '.join(unconfirmed)}.", err=True, fg="yellow")


@app.command()
def hold(case: Case, reason: Reason) -> None:
    """A legal hold: while it is there, no clock and no person destroys the case."""
    with opened() as nightlight:
        typer.echo(nightlight.database.vault.hold(case, operator(), reason).id)


@app.command()
def release(case: Case, hold: Annotated[str, typer.Argument(help="The hold's id.")], reason: Reason) -> None:
    """End a legal hold; others on the same case stay."""
    with opened() as nightlight:
        _say(nightlight.database.vault.release(case, hold, operator(), reason))


@app.command()
def destroy(case: Case, reason: Reason, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Destroy the key and the evidence of a case that has ended. A record of what and when stays; no backup brings the content back."""
    if not yes:
        typer.confirm("This cannot be undone. Destroy the evidence?", abort=True)
    with opened() as nightlight:
        record = nightlight.database.vault.destroy(case, operator(), reason)
    emit(record)


@app.command()
def rotate() -> None:
    """A new wrapping key: every case key is wrapped anew under it, and the old one is destroyed. No content is rewritten."""
    with opened() as nightlight:
        done = nightlight.database.vault.rotate(operator())
        typer.echo(f"{done} case keys are wrapped anew. Copy {nightlight.database.vault_keys} to where you keep your keys.")


@app.command()
def verify(case: Annotated[str | None, typer.Argument(help="Only this case.")] = None, as_json: Json = False) -> None:
    """Open everything and compare it with what was written down. Exit code 5 where anything was touched."""
    with opened() as nightlight:
        result = nightlight.database.vault.verify(case)
    if as_json:
        emit(result)
    elif result.ok:
        typer.echo(f"{result.items} items of {result.cases} cases: all as they were written.")
    else:
        for flaw in result.flaws:
            where = flaw.case if flaw.item is None else f"{flaw.case}, {flaw.item}"
            typer.secho(f"{where}: {flaw.what}", fg="red", err=True)
    if not result.ok:
        raise typer.Exit(Exit.TAMPERED)


def _clocks(held: Holding) -> str:
    return ",".join(c.name for c in held.clocks) or "-"


def _say(held: Holding) -> None:
    typer.secho(f"{held.case}  {held.items} items, {held.bytes} bytes, kept until {held.keep_until:%Y-%m-%d}", bold=True)
    for clock in held.clocks:
        typer.echo(f"    {'duty' if clock.duty else 'limit'} until {clock.until:%Y-%m-%d}: {clock.law}")
    for one in held.holds:
        typer.echo(f"    held: {one.id} since {one.at:%Y-%m-%d} by {one.by}: {one.reason}")
