"""What became of conversations: one `Outcome` each, and many of them as columns."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from nightlight.core.event import EventBase
from nightlight.kit.corpus import Conversation


class Outcome(Struct, frozen=True, kw_only=True):
    """One conversation at one threshold."""

    positive: bool
    messages: int
    alert: int = 0
    """Messages read when the score first reached the threshold, from 1; 0: it never did."""
    seconds: float = 0.0
    """From the first message to that one."""
    marked: int = 0
    """Lines that annotators marked as telling among those read by then."""
    alarms: int = 0
    """Times the score rose to the threshold."""
    peak: float = 0.0
    """The highest score."""


def outcome(conversation: Conversation, events: Sequence[EventBase], scores: Sequence[float], threshold: float) -> Outcome:
    """`scores` is the running score after each event. Raises ValueError unless there is one finite number an event."""
    if len(scores) != len(events):
        raise ValueError(f"{len(scores)} scores for the {len(events)} messages of {conversation.conversation!r}")
    if not np.isfinite(scores).all():
        raise ValueError(f"a score of {conversation.conversation!r} is no finite number")
    above = [score >= threshold for score in scores]
    rises = [nth for nth, now in enumerate(above, start=1) if now and (nth == 1 or not above[nth - 2])]
    alert = rises[0] if rises else 0
    return Outcome(
        positive=conversation.positive,
        messages=len(scores),
        alert=alert,
        seconds=max(0.0, (events[alert - 1].at - events[0].at).total_seconds()) if alert else 0.0,
        marked=sum(line.marked for line in conversation.messages[:alert]),
        alarms=len(rises),
        peak=max(scores),
    )


class Columns(Struct, frozen=True):
    """Outcomes as arrays of the same length: a figure over any choice of conversations is a sum over rows."""

    positive: npt.NDArray[np.bool_]
    messages: npt.NDArray[np.int64]
    alert: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    marked: npt.NDArray[np.int64]
    alarms: npt.NDArray[np.int64]
    peak: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.positive)

    def rows(self, chosen: npt.NDArray[np.int64]) -> Columns:
        """Those rows, in that order; one may come several times."""
        return Columns(*(getattr(self, name)[chosen] for name in self.__struct_fields__))

    @staticmethod
    def joined(parts: Sequence[Columns]) -> Columns:
        parts = parts or (Gathered().columns(),)
        return Columns(*(np.concatenate([getattr(part, name) for part in parts]) for name in Columns.__struct_fields__))


class Gathered:
    """Outcomes as they come, at 49 bytes each: an evaluation may be of millions."""

    def __init__(self) -> None:
        self._columns = {name: array(code) for name, code in zip(Columns.__struct_fields__, "bqqdqqd", strict=True)}

    def add(self, one: Outcome) -> None:
        for name, column in self._columns.items():
            column.append(getattr(one, name))

    def columns(self) -> Columns:
        kinds = {"b": np.bool_, "q": np.int64, "d": np.float64}
        return Columns(*(np.array(column, dtype=kinds[column.typecode]) for column in self._columns.values()))
