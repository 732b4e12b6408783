"""`ReportDesk`: everything that console, command line and API do with reports. `app` fills it.

`by` names who acts, as the audit does (`reviewer:ana`, `cli:ana`). Raises NotFound, Invalid naming the field, Conflict where the state of
a report forbids it. Every call that changes or opens something is one audit entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from nightlight.core.document import Fault, Node, Row
from nightlight.core.draft import Draft
from nightlight.core.filing import Filing, Taken
from nightlight.core.report import ReportState


class Preview(Struct, frozen=True):
    """Exactly what would be sent, but for the ids that the authority gives."""

    report: bytes
    """XML."""
    files: tuple[bytes, ...]
    """`fileDetails` of each file, XML, in the draft's order."""


class ReportDesk(Protocol):
    def all(self, states: Sequence[ReportState] | None = None, *, most: int = 100, after: str | None = None) -> Sequence[Filing]:
        """By age, the earliest first, without content; pass the last id as `after` to go on."""
        ...

    def failing(self, most: int = 100) -> Sequence[Filing]:
        """Those that failed, or are tried again after a fault."""
        ...

    def of_case(self, case: str) -> Sequence[Filing]:
        """Every report of a case, the earliest first; one that corrects another comes after it."""
        ...

    def get(self, report: str) -> Filing: ...

    def steps(self, report: str, *, words: bool = False) -> Sequence[Taken]:
        """Every call to the authority. `words`: with its own words, which may quote the report."""
        ...

    def draft(self, case: str, by: str) -> Filing:
        """Put a draft together from the case as it is now. Raises Conflict where there is a report already."""
        ...

    def redraft(self, report: str, by: str, *, version: int) -> Filing:
        """The same from the case as it is now, in place of what a person may have edited."""
        ...

    def read(self, report: str, by: str) -> Draft:
        """What it says, opened. Recorded."""
        ...

    def edit(self, report: str, draft: Draft, by: str, *, version: int) -> Filing:
        """`version` is the Filing's that was shown: Conflict where somebody else was quicker, or it is on its way."""
        ...

    def preview(self, report: str, by: str) -> Preview:
        """Recorded, as `read` is."""
        ...

    def submit(self, report: str, by: str) -> Filing:
        """Let it be sent, by a runner; also after it failed. Raises Invalid where something is wrong or missing, Denied where nobody
        approved it."""
        ...

    def retract(self, report: str, by: str, reason: str) -> Filing:
        """Before it is finished. Raises Conflict afterwards: then only `correct`."""
        ...

    def correct(self, case: str, by: str, reason: str) -> Filing:
        """The draft of a correction of the case's latest filed report, which names that one. Conflict where none is filed."""
        ...

    def run(self, report: str) -> Filing:
        """Send now and wait for the end of this try. Raises Busy where a runner has it."""
        ...


class ReportLayout(Protocol):
    """A document as people read it, for faces that know no authority's format. The room `reporting` fills it; it reads nothing else."""

    def rows(self, document: Node, faults: Sequence[Fault] = (), language: str = "en") -> Sequence[Row]:
        """One row an element, in the order in which it is sent, each fault at the row that it is about or the nearest around it."""
        ...

    def may_add(self, document: Node, path: str, language: str = "en") -> Sequence[tuple[str, str]]:
        """Name and label of what the group at the path may still be given."""
        ...
