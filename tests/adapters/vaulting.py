"""A case with evidence, for the vault's tests. Invented words: nobody ever wrote them."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from sqlalchemy import select

from nightlight.adapters.store import Database
from nightlight.adapters.store.tables import cases
from nightlight.adapters.vault import SqlVault
from nightlight.core.vault import ItemKind, NewItem, Reader

from .works import START, Writer

ANA = Reader(name="reviewer:ana", role="reviewer")
AUDITOR = Reader(name="auditor:ilo", role="auditor")
ADMINISTRATOR = Reader(name="administrator:max", role="administrator")
WHY = "to judge the case"
PICTURE = b"\xff\xd8" + bytes(range(256)) * 40
MEDIA = NewItem(kind=ItemKind.MEDIA, event="e9", media_type="image/jpeg", name="holiday.jpg")


def talk(database: Database, *, before: int = 3, after: int = 2, actor: str = "vell", target: str = "brin", channel: str = "room") -> str:
    """A conversation whose middle opens a case; the case's id."""
    writer = Writer(database)
    name = f"{actor}-{channel}"
    early = [f"{name}-b{n}" for n in range(before)]
    if early:
        database.pipeline.commit(writer.chat(*early, actor=actor, target=target, channel=channel))
    database.pipeline.commit(msgspec.structs.replace(writer.full(f"{name}-e", actor=actor, target=target, channel=channel), outbox=[]))
    late = [f"{name}-a{n}" for n in range(after)]
    if late:
        database.pipeline.commit(writer.chat(*late, actor=actor, target=target, channel=channel, at=START + timedelta(minutes=1)))
    with database.sql.read() as connection:
        return str(connection.execute(select(cases.c.id).order_by(cases.c.id.desc()).limit(1)).scalar_one())


def end(database: Database, case: str, state: str = "declined") -> None:
    with database.sql.write() as connection:
        connection.execute(cases.update().where(cases.c.id == case).values(state=state))


def filled(database: Database, **more: int | str) -> tuple[SqlVault, str]:
    """A case whose conversation and picture are in the vault."""
    case = talk(database, **more)  # type: ignore[arg-type]
    database.vault.promote()
    database.vault.keep(case, MEDIA, PICTURE, "system")
    return database.vault, case
