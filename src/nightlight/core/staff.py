"""Who of the service's own people acts, and what their role lets them do to a case."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from nightlight.core.errors import Denied


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    """Runs the service: people, keys, settings. Reads no case."""
    LEAD = "lead"
    """Everything a reviewer does; also assigns, signs off, settles disagreement and answers for service levels."""
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    """Reads everything and changes nothing."""


READERS = frozenset({Role.LEAD, Role.REVIEWER, Role.AUDITOR})
"""Who may open a case."""
DECIDERS = frozenset({Role.LEAD, Role.REVIEWER})
"""Who may take a case and judge it."""
LEADS = frozenset({Role.LEAD})
EVERYBODY = frozenset(Role)
"""Counts name nobody."""


class Staff(Struct, frozen=True, kw_only=True):
    """One of the service's own people. `id` is what cases and the audit name them by: `ana`."""

    id: str
    role: Role

    @property
    def audit(self) -> str:
        """As the audit names them: `reviewer:ana`."""
        return f"{self.role}:{self.id}"

    def must_be(self, allowed: frozenset[Role], what: str) -> None:
        """Raises Denied, naming what was asked and never the case."""
        if self.role not in allowed:
            raise Denied(f"the role {self.role} may not {what}", field="role")
