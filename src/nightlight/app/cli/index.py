"""`nightlight index`: the files that known pictures are looked up in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator

if TYPE_CHECKING:
    from nightlight.core.bank import IndexStatus

app = typer.Typer(help="The fingerprint index: its files, merging and checking them.", no_args_is_help=True)


@app.command()
def status(as_json: Json = False) -> None:
    """What the index holds and how its files stand. Exit code 1 where something is wrong with them."""
    with opened() as nightlight:
        _show(nightlight.services.index.status(), as_json)


@app.command()
def merge(as_json: Json = False) -> None:
    """Write the files anew, without what was removed. A running service goes on, and takes the new files over."""
    with opened() as nightlight:
        _show(nightlight.services.index.merge(operator()).result(), as_json)


@app.command()
def verify(as_json: Json = False) -> None:
    """Compare every byte of the files with its checksum. Exit code 1 where one was damaged: it is loaded anew from the database."""
    with opened() as nightlight:
        _show(nightlight.services.index.verify(), as_json)


def _show(status: IndexStatus, as_json: bool) -> None:
    if as_json:
        emit(status)
    else:
        held = ", ".join(f"{count:,} {kind.value}" for kind, count in status.fingerprints.items() if count)
        typer.echo(f"Held: {held or 'nothing'}.")
        files = " and ".join(f"{rows:,}" for rows in status.segments)
        typer.echo(f"Files: {files} hashes, {status.file_bytes / 2**20:,.1f} MiB." if files else "Files: none; a small bank has none.")
        typer.echo(f"Since the last merge: {status.scanned:,} items changed, {status.struck:,} gone whose bytes are still in a file.")
        typer.echo(
            "Every byte was checked." if status.verified and files else "Not checked yet." if files else "There is nothing to check."
        )
        for what, words in (("Mended", status.mended), ("Wrong", status.trouble)):
            if words:
                typer.echo(f"{what}: {words}.")
    if status.trouble is not None or status.mended is not None:  # found by this very command, which may have been quick enough to mend it
        raise typer.Exit(Exit.FOUND)
