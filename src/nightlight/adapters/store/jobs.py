"""Media jobs whose caller stopped waiting: found again after a restart, so that no picture is forgotten in the spool."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from nightlight.adapters.store import rows
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.prepared import insert_new
from nightlight.adapters.store.tables import jobs, micros, moment, outbox
from nightlight.core.errors import NotFound
from nightlight.core.ports import Outgoing, Sealer
from nightlight.core.services import Job, JobState

_COLUMNS = (jobs.c.id, jobs.c.state, jobs.c.created_at, jobs.c.detail)


class SqlJobs:
    def __init__(self, sql: Sql, sealer: Sealer) -> None:
        self._sql, self._sealer = sql, sealer
        self._send = insert_new(sql, outbox, rows.OUTGOING)

    def create(self, job: Job, notify: str | None = None) -> Job:
        """Keep a job; one with its id that is there already stays as it is and is returned."""
        with self._sql.write() as connection:
            found = connection.execute(select(*_COLUMNS).where(jobs.c.id == job.id)).first()
            if found is not None:
                return _job(found)
            row = {"id": job.id, "state": job.state.value, "created_at": micros(job.created_at), "detail": job.detail}
            connection.execute(jobs.insert().values(**row, notify=notify))
        return job

    def finish(self, id: str, state: JobState, at: datetime, detail: str = "", outgoing: Outgoing | None = None) -> Job:
        """Raises NotFound. A job that is finished stays as it is, and sends nothing again."""
        with self._sql.write() as connection:
            end = jobs.update().where(jobs.c.id == id, jobs.c.state == JobState.WAITING.value)
            ended = connection.execute(end.values(state=state.value, finished_at=micros(at), detail=detail)).rowcount
            if ended and outgoing is not None:
                self._send.many(connection, rows.outgoing((outgoing,), self._sealer, micros(at)))
            found = connection.execute(select(*_COLUMNS).where(jobs.c.id == id)).first()
        if found is None:
            raise NotFound("no such job", field="id")
        return _job(found)

    def get(self, id: str) -> Job | None:
        with self._sql.read() as connection:
            found = connection.execute(select(*_COLUMNS).where(jobs.c.id == id)).first()
        return None if found is None else _job(found)

    def waiting(self, most: int = 1000) -> Sequence[tuple[Job, str | None]]:
        """Unfinished jobs, oldest first, each with the endpoint to notify."""
        wanted = select(*_COLUMNS, jobs.c.notify).where(jobs.c.state == JobState.WAITING.value)
        with self._sql.read() as connection:
            found = connection.execute(wanted.order_by(jobs.c.created_at, jobs.c.id).limit(most)).all()
        return [(_job(row[:4]), row[4]) for row in found]


def _job(row: Any) -> Job:
    id, state, created_at, detail = row
    return Job(id=id, state=JobState(state), created_at=moment(created_at), detail=detail)
