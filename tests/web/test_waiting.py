"""Waiting for other threads without holding or cancelling what they do."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from nightlight.core.errors import Busy
from nightlight.web.waiting import outcome, settled


def test_a_future_that_is_done_is_settled_at_once() -> None:
    future: Future[int] = Future()
    future.set_result(3)
    assert asyncio.run(settled(future, 0.001))
    assert outcome(future) == 3


def test_another_thread_wakes_the_loop() -> None:
    future: Future[int] = Future()

    async def wait() -> bool:
        threading.Timer(0.05, future.set_result, [4]).start()
        return await settled(future, 30)

    assert asyncio.run(wait())
    assert outcome(future) == 4


def test_the_deadline_cancels_nothing_and_a_late_result_disturbs_nobody() -> None:
    future: Future[int] = Future()
    assert not asyncio.run(settled(future, 0.01))
    assert not future.cancelled()
    future.set_result(5)  # the loop is closed by now: the callback must not raise
    assert outcome(future) == 5


def test_a_caller_that_is_cancelled_leaves_the_work_alone() -> None:
    future: Future[int] = Future()

    async def give_up() -> None:
        waiting = asyncio.create_task(settled(future, 30))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(give_up())
    assert future.set_running_or_notify_cancel()


def test_a_cancelled_future_says_that_the_service_stops() -> None:
    future: Future[int] = Future()
    future.cancel()
    with pytest.raises(Busy):
        outcome(future)
