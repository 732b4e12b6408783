"""`nightlight terms`: lists of restricted search terms. Their words go in and never come out."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.core.deterrence import SMALL, Hidden, TermList
from nightlight.core.errors import Invalid

app = typer.Typer(help="Restricted search terms, kept as keyed hashes: nobody can read them again.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The list's name. It is shown and logged: choose one that holds no term.")]
_MOST = 8 << 20


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="UTF-8, one term a line or CSV with the columns term and category; - reads standard input.")],
    list_name: Annotated[str, typer.Option("--list", help="The list's name. It is shown and logged: choose one that holds no term.")],
    category: Annotated[str, typer.Option(help="Of terms that have none of their own; a category of the table of answers.")],
    expires: Annotated[
        str | None, typer.Option(help="When the list ends by itself, such as 2027-01-31 (UTC).", show_default="never")
    ] = None,
    as_json: Json = False,
) -> None:
    """Put a list in force in place of its former version. Prints how many terms, and none of them."""
    until = None if expires is None else _day(expires)
    raw = _read(file)
    with opened() as nightlight:
        loaded = nightlight.deterrence.load(list_name, raw, category, until, operator())
    if as_json:
        emit(loaded)
        return
    typer.echo(f"{loaded.name}: version {loaded.version} is in force, with {loaded.terms} terms.")
    if str(file) != "-":
        typer.secho("The words are in your file only, now: keep it where you keep what must not be read, or delete it.", err=True)


@app.command("list")
def list_lists(as_json: Json = False) -> None:
    """Names, versions, numbers of terms, categories, expiry."""
    with opened() as nightlight:
        known = nightlight.terms.lists()
    if as_json:
        for one in known:
            emit(one)
        return
    table(
        ("LIST", "VERSION", "KEPT", "TERMS", "CATEGORIES", "EXPIRES (UTC)"),
        [(one.name, one.version, _kept(one), one.terms, " ".join(one.categories), _when(one.expires_at)) for one in known],
    )


@app.command()
def rollback(name: Name, version: Annotated[int, typer.Argument(help="As `terms list` shows them.")]) -> None:
    """Put an earlier version in force again. The last five are kept."""
    with opened() as nightlight:
        now = nightlight.terms.rollback(name, version, operator())
    typer.echo(f"{now.name}: version {now.version} is in force, with {now.terms} terms.")


@app.command()
def remove(name: Name) -> None:
    """Delete a list with all its versions."""
    with opened() as nightlight:
        nightlight.terms.remove(name, operator())
    typer.echo(f"{name} is removed.")


@app.command()
def counts(
    since: Annotated[str | None, typer.Option(help="First day, such as 2026-03-01.", show_default="all")] = None, as_json: Json = False
) -> None:
    """Searches that met a list, by day and category. Fewer than five are shown as such, with no number."""
    with opened() as nightlight:
        found = nightlight.terms.counts(None if since is None else _day(since))
    if as_json:
        for one in found:
            emit(one)
        return
    table(
        ("DAY", "LIST", "CATEGORY", "ACTION", "SEARCHES"),
        [(c.day, c.list, c.category, c.action, f"<{SMALL}" if c.count is None else c.count) for c in found],
    )


def _read(file: Path) -> Hidden:
    """No more than a list may have, and a byte: the rest is told by its size."""
    try:
        if str(file) == "-":
            return Hidden(sys.stdin.buffer.read(_MOST + 1))
        with file.open("rb") as opened_file:
            return Hidden(opened_file.read(_MOST + 1))
    except OSError as error:
        raise Invalid(f"the list cannot be read: {error.strerror}", field="file") from None


def _day(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("a date such as 2027-01-31", field="date") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _when(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M}"


def _kept(one: TermList) -> str:
    return " ".join(str(v.version) for v in one.versions)
