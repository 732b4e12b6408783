"""Bringing a database to the schema of this code."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from nightlight.adapters.store.engine import Sql
from nightlight.core.errors import Conflict

HEAD = "0014"
"""The newest step, written here so that a database that is up to date is opened without importing Alembic (0.3 s)."""

_LOCK = 0x4E494748  # "NIGH": the advisory lock under which one process migrates at a time


def revision(connection: Connection) -> str | None:
    """The step the database is at; None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def upgrade(sql: Sql) -> bool:
    """Run the steps that are missing, all in one transaction; whether there were any. Two processes may call it at once."""
    with sql.read() as connection:
        if revision(connection) == HEAD:
            return False
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with sql.write() as connection:
        if not sql.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if revision(connection) == HEAD:
            return False
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)
    return True


def require_current(sql: Sql) -> None:
    """Raises Conflict where the database is older or newer than this code."""
    with sql.read() as connection:
        found = revision(connection)
    if found is None:
        raise Conflict("the database is empty: run `nightlight migrate`")
    if found != HEAD:
        known = found < HEAD
        advice = "run `nightlight migrate`" if known else "it was made by a newer Nightlight: upgrade this one"
        raise Conflict(f"the database is at schema {found} and this code at {HEAD}: {advice}")
