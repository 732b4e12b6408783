"""`nightlight audit`: the keyed chain of everything that was decided or changed."""

from __future__ import annotations

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened

app = typer.Typer(help="The keyed chain of everything that was decided or changed.", no_args_is_help=True)


@app.command()
def verify(as_json: Json = False) -> None:
    """Check every row against the chain and the signed heads. Exit code 5 and the first bad row where anything was touched."""
    with opened() as nightlight:
        result = nightlight.database.audit.verify()
    if as_json:
        emit(result)
    elif result.ok:
        typer.echo(f"{result.rows} rows: all authentic.")
    else:
        for flaw in result.flaws:
            where = f"{flaw.partition}, row {flaw.seq}" if flaw.seq is not None else flaw.partition
            typer.secho(f"{where}: {flaw.what}", fg="red", err=True)
    if not result.ok:
        raise typer.Exit(Exit.TAMPERED)
