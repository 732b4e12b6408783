"""`nightlight sim`: local stand-ins for services outside, to try things on."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Local stand-ins for services outside, to try things on.", no_args_is_help=True)


@app.callback()
def _sim() -> None:
    """Keeps `cybertipline` a command of its own while it is the only one."""


@app.command()
def cybertipline(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8480,
    username: Annotated[str, typer.Option(help="Whom it lets in.")] = "sim",
    password: Annotated[str, typer.Option(help="Of a stand-in: never the authority's own.")] = "sim",  # noqa: S107
) -> None:
    """A strict stand-in for the CyberTipline's reporting API, on this machine alone, until Ctrl-C. It reports nothing to anybody."""
    from nightlight.app.sim.cybertipline import Standin
    from nightlight.core.errors import Conflict
    from nightlight.reporting import cybertipline as form

    try:
        standin = Standin(form.check, username=username, password=password, port=port)
    except OSError as error:
        raise Conflict(f"port {port} cannot be used: {error.strerror}", field="--port") from None
    typer.echo(f"CyberTipline stand-in on {standin.place} (user {username}); what it holds: http://127.0.0.1:{standin.port}/_sim/reports")
    try:
        standin.serve()
    finally:
        standin.stop()
