"""What the reviewers' desk tells the reports' desk of a case."""

from __future__ import annotations

from nightlight.adapters.store.desk import SqlCaseDesk
from nightlight.app.casefile import Judged
from nightlight.core.vault import ItemKind, Vault


def judged(desk: SqlCaseDesk, vault: Vault, case: str) -> Judged:
    """Raises NotFound. Of the talk around the case, what the vault keeps of it: that much a report may show, and no whole history."""
    told = desk.told(case)
    kept = {item.event for item in vault.items(case) if item.kind is ItemKind.EVENT} if told.around else set()
    read = tuple(id for id in told.around if id in kept)
    return Judged(verdicts=told.verdicts, views=told.views, children=tuple(c.account for c in told.children), events=read)
