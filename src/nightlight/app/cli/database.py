"""`nightlight migrate | backup | restore | retention | erase | export`: the life of what is stored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, emit, opened, operator
from nightlight.core.errors import NightlightError

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
    from nightlight.adapters.lifecycle.erasures import ERASURES
    from nightlight.app.settings import home_folder, load

    home = home_folder()
    remembers = (home / ERASURES).exists()
    settings = load(home)
    put_back(source, home, url=settings.database, force=force, vault_keys=home / settings.vault.keys)
    typer.echo(f"Restored into {home}.")
    _settle_restore(home)
    if not remembers:
        _warn("This home folder does not know what was erased since the backup: people who were erased since then must be erased again.")


def _settle_restore(home: Path) -> None:
    """What needs the keys: the audit row, and the erasures made since the backup."""
    from nightlight.app.bootstrap import KEY_FILE

    later = "the audit does not tell of this restore yet, and who was erased since the backup is back. `nightlight retention` does both"
    if not (home / KEY_FILE).exists():
        _warn(f"There is no key file in {home}, so {later} once the key file is put back, and so does a service that runs.")
        return
    try:
        with opened() as nightlight:
            done = nightlight.database.lifecycle.after_restore(operator())
    except NightlightError as error:
        _warn(f"The database is in place but cannot be opened ({error.message}), so {later} once it can be.")
        return
    typer.echo("The audit tells of this restore.")
    if done.erased_again:
        typer.echo(f"Erased again, since they were erased after the backup: {done.erased_again}; evidence is kept of {done.evidence_kept}.")
    if done.unreadable:
        _warn(f"{done.unreadable} lines of the file of erasures cannot be read: those erasures must be made again.")


def _warn(text: str) -> None:
    typer.secho(text, err=True, fg="yellow")


def retention() -> None:
    """Delete what is due. The service does so by itself every hour."""
    with opened() as nightlight:
        done = dict(nightlight.database.lifecycle.retention(nightlight.clock.now()))
        if reports := nightlight.self_reports.expire(nightlight.clock.now()):
            done["self_reports"] = reports
        emit(done)
        nightlight.lasting.forget()


def erase(account: Account, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Erase what is held about a person; the audit keeps commitments only. Evidence under preservation is refused and listed."""
    if not yes:
        typer.confirm("This cannot be undone. Erase?", abort=True)
    with opened() as nightlight:
        result = nightlight.database.lifecycle.erase(account, operator())
    emit(result)
    if result.journal_cleared is False:
        _warn("The database was in use: its journal still holds what was erased, sealed. Run this again when there is less to do.")
    if not result.complete:
        _warn("Some of it is evidence and was kept; the list says what and why.")
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
