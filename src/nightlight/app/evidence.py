"""Uploads that opened a case go into the vault by their bytes: they are at hand now and never again. See `later` for the second hop."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from nightlight.adapters.store import Database
from nightlight.adapters.store.tables import case_events, facts
from nightlight.adapters.vault import SqlVault
from nightlight.core.errors import Conflict
from nightlight.core.vault import ItemKind, NewItem

log = structlog.get_logger("nightlight.vault")


class Evidence:
    """Fills `later.Keeper`."""

    def __init__(self, database: Database, vault: SqlVault) -> None:
        self._database, self._vault = database, vault

    def awaited(self, event_id: str) -> bool:
        """The second hop has still to fold what was found out about it."""
        f = facts.c
        pending = select(f.id).where(f.event_id == event_id, f.absorbed_at.is_(None)).limit(1)
        with self._database.sql.read() as connection:
            return connection.execute(pending).first() is not None

    def keep(self, event_id: str, data: bytes, media_type: str | None) -> int:
        """In every case that the event is linked to. One that was destroyed takes nothing more."""
        linked = select(case_events.c.case_id).where(case_events.c.event_id == event_id).order_by(case_events.c.case_id)
        with self._database.sql.read() as connection:
            cases = connection.execute(linked).scalars().all()
        done = 0
        for case in cases:
            item = NewItem(kind=ItemKind.MEDIA, event=event_id, media_type=media_type)
            try:
                self._vault.keep(case, item, data, "system")
                done += 1
            except Conflict:
                log.info("vault.not_kept", case=case)
        return done
