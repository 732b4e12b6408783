"""`nightlight serve`: the HTTP service, on the embedded engine."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8420", min=0, max=65535)] = None,
) -> None:
    """Serve the HTTP API and the live page until Ctrl-C."""
    from nightlight.app.bootstrap import bootstrap
    from nightlight.app.serving import serve_until_stopped
    from nightlight.app.settings import home_folder
    from nightlight.core.errors import Unavailable

    with bootstrap(home_folder()) as nightlight:
        server = nightlight.settings.server
        nightlight.senses.warm()
        try:
            serve_until_stopped(nightlight, host or server.host, server.port if port is None else port, on_ready=_ready)
        except OSError as error:
            raise Unavailable(f"{error}; choose another with --host or --port") from None


def _ready(address: str) -> None:
    # First, and flushed: scripts that start us read the port from this line.
    typer.echo(f"Nightlight is serving on {address}", nl=True)
    import sys

    sys.stdout.flush()
