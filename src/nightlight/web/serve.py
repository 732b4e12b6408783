"""Running the app: granian embedded in this very process.

The engine lives where its answers are waited for, so there is one process: HTTP is read and written by granian's own threads, handlers
run in one asyncio loop, the engine in its threads. Granian's usual server starts workers as processes of their own, each of which would
need an engine and a database of its own; that is what the cluster is for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

log = structlog.get_logger(__name__)

READY_WITHIN_S = 30.0
DRAIN_S = 10
"""How long requests under way may take to finish once the server was told to stop."""
HEADER_TIMEOUT_MS = 10_000
BACKLOG = 1024
MOST_CONNECTIONS = 768
"""Held at once; more wait in the backlog. Granian keeps a place for a connection that has not sent a byte for as long as it is open, so its
own default of 128 lets a hundred silent clients shut everybody out. Below the usual limit of 1,024 open files. On an open network a proxy
belongs in front."""
SETTLE_S = 0.25
"""Granian's runtime thread ends just after its last callback. If the interpreter is torn down under it, it aborts the process."""


class AddressInUse(OSError):
    """Another process already listens there."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on just now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def check_free(host: str, port: int) -> None:
    """Raises AddressInUse. Granian shares ports (SO_REUSEPORT), so a second server would silently take half of the first one's requests."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AddressInUse(error.errno, f"{host}:{port} cannot be listened on: {os.strerror(error.errno or 0)}") from None


def address(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run_server(
    app: Litestar,
    host: str = "127.0.0.1",
    port: int = 8420,
    on_ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve until Ctrl-C, SIGTERM or `stop`; then finish the requests under way and return.

    `port` 0 takes a free one. `on_ready` is called once with the address when it accepts connections, from the server's thread.
    Signals are handled where this runs in the main thread; elsewhere use `stop`. Raises AddressInUse, and RuntimeError where the server
    ended by itself.
    """
    asyncio.run(serve(app, host, port, on_ready, stop))


async def serve(
    app: Litestar,
    host: str = "127.0.0.1",
    port: int = 8420,
    on_ready: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """As `run_server`, inside a loop that is already running."""
    port = port or free_port(host)
    check_free(host, port)
    # Granian's own log lines say nothing an operator needs, and its tracebacks could carry a message; problems are logged by the app.
    logging.getLogger("_granian").setLevel(logging.CRITICAL)
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        backlog=BACKLOG,
        backpressure=MOST_CONNECTIONS,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        log_enabled=False,
    )
    server.workers_kill_timeout = DRAIN_S
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    handled = [number for number in (signal.SIGINT, signal.SIGTERM) if listen(loop, number, stopping)]
    watchers: list[asyncio.Task[Any]] = [asyncio.create_task(stopping.wait())]
    if stop is not None:
        watchers.append(asyncio.create_task(poll(stop)))
    serving = asyncio.create_task(server.serve())
    try:
        await until_accepting(host, port, serving)
        if on_ready is not None:
            on_ready(address(host, port))
        await asyncio.wait([serving, *watchers], return_when=asyncio.FIRST_COMPLETED)
        if serving.done() and not stopping.is_set() and not (stop and stop.is_set()):
            raise RuntimeError("the HTTP server ended by itself")
    finally:
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        with suppress(asyncio.CancelledError):
            await serving
        for watcher in watchers:
            watcher.cancel()
        for number in handled:
            loop.remove_signal_handler(number)
        await asyncio.sleep(SETTLE_S)


def listen(loop: asyncio.AbstractEventLoop, number: signal.Signals, stopping: asyncio.Event) -> bool:
    """True where the signal now stops the server; False outside the main thread."""
    try:
        loop.add_signal_handler(number, stopping.set)
    except (ValueError, RuntimeError, NotImplementedError):
        return False
    return True


async def poll(stop: threading.Event) -> None:
    # A threading.Event cannot be awaited, and a thread that waits for it could not be cancelled.
    while not stop.is_set():
        await asyncio.sleep(0.05)


async def until_accepting(host: str, port: int, serving: asyncio.Task[None]) -> None:
    reach = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    end = asyncio.get_running_loop().time() + READY_WITHIN_S
    while asyncio.get_running_loop().time() < end:
        if serving.done():
            serving.result()
            raise RuntimeError("the HTTP server did not start")
        try:
            _, writer = await asyncio.open_connection(reach, port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return
    raise RuntimeError(f"the HTTP server did not accept connections within {READY_WITHIN_S:g} s")
