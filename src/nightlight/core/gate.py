"""What the jurisdiction gate answers with. The table itself is data, in the policy room."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from nightlight.core.event import EventBase, UserReport


class DataKind(StrEnum):
    CONTENT = "content"
    """What people write, say or show."""
    TRAFFIC = "traffic"
    """Who reached whom, when, how often."""
    ACCOUNT = "account"
    """Ages, places, account age."""
    REPORTED = "reported"
    """What a user chose to report to us."""


class Ruling(StrEnum):
    PERMITTED = "permitted"
    UNDECIDED = "undecided"
    """Nobody has decided the cell: treated as forbidden, and shown in readiness."""
    FORBIDDEN = "forbidden"

    @property
    def strictness(self) -> int:
        return _STRICTNESS[self]


_STRICTNESS = {ruling: rank for rank, ruling in enumerate(Ruling)}


class Permission(Struct, frozen=True):
    """Which processing of one event is permitted, and the cells of the table that said so."""

    permitted: frozenset[DataKind]
    cells: tuple[str, ...]
    """One a data kind ruled on, such as `content/direct/GB: permitted`: the strictest cell among the parties' places."""

    def allows(self, data: Iterable[DataKind], *, reported: bool = False) -> bool:
        """Whether all those kinds may be processed. What a user `reported` to us is ruled as reported data, not as content."""
        return all((DataKind.REPORTED if reported and kind is DataKind.CONTENT else kind) in self.permitted for kind in data)

    def may_read(self, event: EventBase) -> bool:
        """Whether anything may look at the event's content."""
        return self.allows((DataKind.CONTENT,), reported=isinstance(event, UserReport))


class Gate(Protocol):
    def rule(self, event: EventBase) -> Permission: ...

    def undecided(self) -> list[str]:
        """Cells that events have met and nobody has decided, for readiness."""
        ...
