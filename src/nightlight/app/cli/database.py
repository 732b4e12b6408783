"""`nightlight migrate | backup | restore | retention | erase | export`: the life of what is stored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, emit, opened, operator

Account = Annotated[str, typer.Argument(help="The account, by the service's own id.")]


def migrate() -> None:
    """Bring the database to this version's shape. The embedded database does so by itself."""
    from nightlight.app.bootstrap import bootstrap
    from nightlight.app.settings import home_folder

    with bootstrap(home_folder(), migrate=True):
        typer.echo("The database is up to date.")


def backup(
    destination: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Also copy the keys that open sealed content. Guard such a backup.")
    ] = False,
) -> None:
    """Copy the database and the audit heads while the service runs."""
    with opened() as nightlight:
        keys = nightlight.sealer.path if with_keys else None
        nightlight.database.lifecycle.backup(destination, operator(), with_keys=keys)
    typer.echo(f"Backed up to {destination}.")
    if not with_keys:
        typer.echo("The keys are not in it: without them it cannot be read. Keep a copy of the key file elsewhere.")


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `nightlight backup` made.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a home folder that already holds a database.")] = False,
) -> None:
    """Put a backup in place of the home folder's database, after checking every byte of it."""
    from nightlight.adapters.lifecycle import restore as put_back
    from nightlight.app.settings import home_folder, load

    home = home_folder()
    put_back(source, home, url=load(home).database, force=force)
    typer.echo(f"Restored into {home}.")


def retention() -> None:
    """Delete what is due. The service does so by itself every hour."""
    with opened() as nightlight:
        emit(nightlight.database.lifecycle.retention(nightlight.clock.now()))


def erase(account: Account, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Erase what is held about a person; the audit keeps commitments only. Evidence under preservation is refused and listed."""
    if not yes:
        typer.confirm("This cannot be undone. Erase?", abort=True)
    with opened() as nightlight:
        result = nightlight.database.lifecycle.erase(account, operator())
    emit(result)
    if not result.complete:
        typer.secho("Some of it is evidence and was kept; the list says what and why.", err=True, fg="yellow")
        raise typer.Exit(Exit.FOUND)


def export(account: Account) -> None:
    """Everything held about a person, as JSON lines on standard output."""
    found = False
    with opened() as nightlight:
        for line in nightlight.database.lifecycle.export(account, operator()):
            found = True
            sys.stdout.buffer.write(line.rstrip(b"\n") + b"\n")
    if not found:
        typer.secho("Nothing is held about this account.", err=True)
        raise typer.Exit(Exit.NOT_FOUND)
