"""`nightlight keys`: who may call the API, and for what."""

from __future__ import annotations

from typing import Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.core.ports import AuditEntry
from nightlight.core.services import Scope

app = typer.Typer(help="API keys: shown once, stored hashed.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as chat-server.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; may be repeated.", show_default="events:write")] = None,
    rate: Annotated[int, typer.Option(min=1, help="Requests a minute.")] = 6000,
    as_json: Json = False,
) -> None:
    """Make a key. It is printed here and never again."""
    with opened() as nightlight:
        caller, secret = nightlight.keys.create(name, scope or [Scope.EVENTS_WRITE], operator(), rate_per_minute=rate)
    if as_json:
        emit({"id": caller.id, "name": caller.name, "scopes": sorted(caller.scopes), "secret": secret})
        return
    typer.echo(secret)
    typer.secho(f"Key {caller.id} for {caller.name}: {', '.join(sorted(caller.scopes))}. Keep it now; it is not shown again.", err=True)


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """All keys, without their secrets."""
    with opened() as nightlight:
        known = nightlight.keys.keys()
    if as_json:
        for key in known:
            emit(key)
        return
    rows = [(k.id, k.name, ",".join(k.scopes), k.rate_per_minute, "revoked" if k.revoked_at else "active") for k in known]
    table(("KEY", "NAME", "SCOPES", "PER MINUTE", "STATE"), rows)


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="The key's id.")]) -> None:
    """End a key. Services that run notice within a second."""
    with opened() as nightlight:
        nightlight.keys.revoke(key, operator())
    typer.echo(f"{key} is revoked.")


@app.command("rotate-sealing")
def rotate_sealing() -> None:
    """Add a sealing key to the key file: it seals from now on, older ones still open. Services seal with it after their next start."""
    with opened() as nightlight:
        number = nightlight.sealer.rotate()
        entry = AuditEntry(at=nightlight.clock.now(), actor=operator(), action="sealing_key.rotate", target=str(number))
        nightlight.database.audit.append([entry])
    typer.echo(f"Sealing key {number} is in use. Copy {nightlight.sealer.path} to where you keep your keys: new backups need it.")
