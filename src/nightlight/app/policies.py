"""The rule sets in force: what the store says, else the default that ships. Looked at again now and then, so changes need no restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

from nightlight.core.decision import Mode
from nightlight.policy import Policy, PolicyError, default_rules, load_rules

if TYPE_CHECKING:
    from nightlight.adapters.store.policies import SqlPolicies

log = structlog.get_logger("nightlight.policies")


class InForce(Protocol):
    """What the pipeline asks: read at every batch, so a change takes effect with the next one."""

    @property
    def live(self) -> Policy: ...
    @property
    def shadow(self) -> Policy | None: ...


class Policies:
    """`InForce` over the store. A stored text that this version cannot read leaves what was in force, and says so in readiness."""

    def __init__(self, store: SqlPolicies) -> None:
        self._store = store
        self._hashes: dict[Mode, str | None] = {Mode.LIVE: None, Mode.SHADOW: None}
        self.live: Policy = Policy(default_rules())
        self.shadow: Policy | None = None
        self.problem: str | None = None
        self.refresh()

    def refresh(self) -> bool:
        """Load what changed; True where anything did."""
        changed = False
        problem: str | None = None
        for mode in Mode:
            current = self._store.current(mode)
            if current is not None and current.hash == self._hashes[mode]:
                continue
            if current is None and self._hashes[mode] is None:
                continue
            try:
                policy = None if current is None else Policy(load_rules(current.text, current.name or f"{mode} policy"), mode)
            except PolicyError as error:
                log.error("stored policy unreadable", mode=mode, problems=len(error.problems))
                problem = f"the stored {mode} policy does not pass this version's check: {error.problems[0]}"
                continue
            self._hashes[mode] = None if current is None else current.hash
            if mode is Mode.LIVE:
                self.live = policy or Policy(default_rules())
            else:
                self.shadow = policy
            changed = True
        self.problem = problem
        return changed
