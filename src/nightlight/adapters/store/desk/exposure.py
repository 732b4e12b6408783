"""What each person was exposed to, kept by day, and the breaks they took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from nightlight.adapters.store.case_tables import case_breaks, case_exposure, case_seen
from nightlight.adapters.store.desk.base import Desk, checked
from nightlight.adapters.store.ledger import CASES, Ledger
from nightlight.adapters.store.prepared import insert_new, upsert
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.desk import Exposure, Severity
from nightlight.core.errors import Invalid
from nightlight.core.staff import LEADS, READERS, Staff

MOST_SECONDS = 600.0


class ExposureDesk(Desk):
    @contextmanager
    def _changes(self) -> Iterator[Ledger]:
        with self._audit.transaction(CASES) as ledger:
            yield ledger

    def exposed(self, who: Staff, case: str, seconds: float, severity: Severity) -> Exposure:
        who.must_be(READERS, "look at a case")
        if not isinstance(seconds, int | float) or not math.isfinite(seconds) or not 0 <= seconds <= MOST_SECONDS:
            raise Invalid(f"0 to {MOST_SECONDS:g} seconds at a time", field="seconds")
        checked(case)
        x = case_exposure.c
        # No audit entry: that the case was opened has one, and a page says this every few seconds.
        with self._sql.write() as connection:
            self._saw(connection, who, case)
            this = (x.day == self._today(), x.person == who.id, x.severity == severity.value)
            known = connection.execute(select(x.seconds, x.since_break).where(*this).with_for_update()).first()
            total, since = (known.seconds + seconds, known.since_break + seconds) if known is not None else (seconds, seconds)
            put = upsert(self._sql, case_exposure, ("day", "person", "severity", "seconds", "since_break"))
            put.many(connection, [(self._today(), who.id, severity.value, total, since)])
            return self._exposure(connection, who.id)

    def exposure(self, who: Staff) -> Sequence[Exposure]:
        who.must_be(READERS, "see exposure")
        x = case_exposure.c
        with self._sql.read() as connection:
            if who.role not in LEADS:
                return [self._exposure(connection, who.id)]
            people = connection.execute(select(x.person).where(x.day == self._today()).distinct().order_by(x.person)).scalars().all()
            return [self._exposure(connection, person) for person in people]

    def take_break(self, who: Staff) -> Exposure:
        who.must_be(READERS, "take a break")
        until = self._clock.now() + self._book.rules.pause
        x = case_exposure.c
        with self._changes() as ledger:
            connection = ledger.connection
            upsert(self._sql, case_breaks, ("person", "until")).many(connection, [(who.id, micros(until))])
            connection.execute(case_exposure.update().where(x.person == who.id, x.day == self._today()).values(since_break=0.0))
            self._tell(ledger, who.audit, "break", who.id, until=until.isoformat())
            return self._exposure(connection, who.id)

    def _saw(self, connection: Connection, who: Staff, case: str) -> None:
        insert_new(self._sql, case_seen, ("day", "person", "case_id")).many(connection, [(self._today(), who.id, case)])

    def _should_rest(self, connection: Connection, who: Staff) -> bool:
        found = self._exposure(connection, who.id)
        return found.over or found.break_due or found.break_until is not None

    def _exposure(self, connection: Connection, person: str) -> Exposure:
        x, s, b = case_exposure.c, case_seen.c, case_breaks.c
        rows = connection.execute(select(x.severity, x.seconds, x.since_break).where(x.day == self._today(), x.person == person)).all()
        seen = select(func.count()).select_from(case_seen).where(s.day == self._today(), s.person == person)
        until = connection.execute(select(b.until).where(b.person == person)).scalar_one_or_none()
        return self._book.exposure(
            person,
            self._clock.now(),
            cases=int(connection.execute(seen).scalar_one()),
            seconds={Severity(severity): given for severity, given, _ in rows},
            since_break={Severity(severity): since for severity, _, since in rows},
            break_until=None if until is None else moment(until),
        )

    def _today(self) -> str:
        return f"{self._clock.now():%Y-%m-%d}"
