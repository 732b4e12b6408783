"""`nightlight audit`: the keyed chain of everything that was decided or changed."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, Json, emit, opened, operator
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.ports import AuditEntry

app = typer.Typer(help="The keyed chain of everything that was decided or changed.", no_args_is_help=True)


@app.command()
def checkpoint() -> None:
    """Print a signed checkpoint of every chain, to be kept on another machine: `nightlight audit checkpoint > 2026-11-23.json`."""
    from nightlight.adapters.checkpoint import KEY, CheckpointKey, make

    with opened() as nightlight:
        made = make(nightlight.database.audit, CheckpointKey(nightlight.home / KEY), nightlight.clock.now())
        detail = {"sha256": hashlib.sha256(made).hexdigest()}
        entry = AuditEntry(at=nightlight.clock.now(), actor=operator(), action="audit.checkpoint", target="audit", detail=detail)
        nightlight.database.audit.append([entry])
    sys.stdout.buffer.write(made)


@app.command()
def verify(
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A file that `audit checkpoint` wrote and that was kept elsewhere; may be repeated."),
    ] = None,
    public_key: Annotated[
        str | None, typer.Option("--public-key", help="The key that must have signed the checkpoints, where you noted it: 64 hex digits.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every row against the chain and the signed heads. Exit code 5 and the first bad row where anything was touched.

    With a checkpoint that was kept elsewhere, a history is found out that was rewritten with all keys of the home folder.
    """
    from nightlight.adapters import checkpoint as checkpoints

    kept = [checkpoints.read(_bytes(path), public_key) for path in checkpoint or ()]
    with opened() as nightlight:
        result = checkpoints.verify(nightlight.database.audit, kept)
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


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", field="--checkpoint") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", field="--checkpoint") from None
