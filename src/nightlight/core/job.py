"""A promise to answer about an upload later."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class JobState(StrEnum):
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class Job(Struct, frozen=True, kw_only=True):
    id: str
    """The event's id."""
    state: JobState
    created_at: datetime
    detail: str = ""
