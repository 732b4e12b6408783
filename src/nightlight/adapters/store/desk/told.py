"""What people said and saw of a case, for the report that is drafted of it. Nobody looks: it is no opening."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, select

from nightlight.adapters.store.case_tables import case_seen
from nightlight.adapters.store.desk.base import checked
from nightlight.adapters.store.desk.page import PageDesk
from nightlight.adapters.store.desk.transcript import MOST_LINES
from nightlight.adapters.store.tables import events, micros
from nightlight.core.case import Child, Verdict, View


class Told(Struct, frozen=True, kw_only=True):
    verdicts: tuple[Verdict, ...]
    """The earliest first."""
    views: tuple[View, ...]
    children: tuple[Child, ...]
    around: tuple[str, ...]
    """Events of the conversations of the case that were on the screen of somebody who judged it, in order."""


class ToldDesk(PageDesk):
    def told(self, case: str) -> Told:
        """Raises NotFound. Asks for no role, opens no content but what reviewers wrote, and is not recorded."""
        with self._sql.read() as connection:
            found = self._load(connection, checked(case), change=False)
            verdicts = self._verdicts(connection, case)
            there = self._where(connection, found)
            return Told(
                verdicts=tuple(verdicts),
                views=tuple(self._views(connection, case)),
                children=tuple(self._children(connection, case)),
                around=tuple(self._around(connection, case, there, verdicts)),
            )

    def _around(self, connection: Connection, case: str, there: Sequence[str], verdicts: Sequence[Verdict]) -> list[str]:
        """What came after the last verdict nobody has judged."""
        saw = set(connection.execute(select(case_seen.c.person).where(case_seen.c.case_id == case)).scalars())
        judged = [v.at for v in verdicts if v.reviewer in saw]
        if not judged or not there:
            return []
        e = events.c
        wanted = select(e.id, e.seq).where(e.conversation.in_(there), e.received_at <= micros(max(judged)))
        return [row.id for row in reversed(connection.execute(wanted.order_by(e.seq.desc()).limit(MOST_LINES)).all())]
