"""Waiting in the event loop for what other threads finish."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import CancelledError, Future
from typing import TypeVar

from nightlight.core.errors import Busy

T = TypeVar("T")


async def settled(future: Future[T], deadline_s: float) -> bool:
    """True once the future is done, False where the deadline came first. Never cancels it: what was queued stays queued.

    `asyncio.wrap_future` under a time limit would cancel the work itself.
    """
    if future.done():
        return True
    loop = asyncio.get_running_loop()
    woken = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    def finished(_: Future[T]) -> None:
        # The loop may be closed by then, when the server stopped before the engine did.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(wake)

    future.add_done_callback(finished)
    try:
        async with asyncio.timeout(deadline_s):
            await woken
    except TimeoutError:
        return future.done()
    return True


def outcome(future: Future[T]) -> T:
    """The result of a future that is done. Raises what it failed with."""
    try:
        return future.result(timeout=0)
    except CancelledError:
        raise Busy("the service is stopping; sending the same id again is safe") from None
