"""Opening a database, and the two ways to use it: `read` (no transaction to speak of) and `write` (exactly one)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from nightlight.core.errors import Invalid, Unavailable

DATABASE_FILE = "nightlight.db"
RESTORE_PENDING = ".restore-pending"
"""In the home folder while a restore is under way: see `lifecycle.backup.finish_restore`."""
INDEX_FOLDER = "index"
"""Files of the fingerprint index, made from the banks: never backed up, and removed by a restore."""

BUSY_MS = 10_000
"""How long a connection waits for another process's lock, in milliseconds."""

# synchronous=FULL: with WAL, NORMAL may lose acknowledged commits when power fails.
# wal_autocheckpoint: 16 MB rather than 4 between checkpoints, since each one is paid for by the commit that meets it.
# secure_delete=FAST: what is replaced is overwritten where that costs no extra writing; deletion asks for ON (`thorough`).
PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA secure_delete=FAST",
)


def resolve(url: str | None, home: Path) -> URL:
    """The database meant: the embedded one in `home` where no URL is given. Raises Invalid for anything but SQLite or PostgreSQL."""
    if url is None:
        return URL.create("sqlite", database=str(home / DATABASE_FILE))
    try:
        parsed = make_url(url)
    except Exception:  # its message may repeat the URL, and a URL may hold a password
        raise Invalid("the database URL cannot be read; it looks like postgresql://user:password@host/name", field="url") from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite")
    raise Invalid("the database must be a SQLite file or PostgreSQL", field="url")


def database_exists(url: str | None, home: Path) -> bool:
    """Whether there may be sealed data already, so that no fresh key file must be made. A server's database always counts: ask it."""
    resolved = resolve(url, home)
    if resolved.get_backend_name() == "sqlite":
        return Path(str(resolved.database)).exists()
    from sqlalchemy import inspect

    engine = create_engine(resolved)
    try:
        with reached(resolved):
            return inspect(engine).has_table("meta")
    finally:
        engine.dispose()


@contextmanager
def reached(url: URL) -> Iterator[None]:
    """Raises Unavailable where the database does not answer: never with the URL or the driver's words, which may hold a password."""
    try:
        yield
    except OperationalError as error:
        where = url.host or url.database or url.get_backend_name()
        raise Unavailable(f"the database at {where} cannot be reached: {type(error.orig).__name__}") from None


class Sql:
    """One database. Safe to use from several threads; every thread that uses it holds a connection only while it does."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        # Positional parameters in both, so that rows are plain tuples on their way to the driver.
        self.engine: Engine = create_engine(url, paramstyle="qmark" if self.is_sqlite else "format", pool_size=8, max_overflow=24)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _set_up_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            self._reader: Engine = self.engine
            self._writer: Engine = self.engine.execution_options(nightlight_write=True)
        else:
            self._reader = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            self._writer = self.engine
        # SQLite has one writer. Waiting here wakes the next thread at once; SQLite's own waiting sleeps up to 100 ms.
        self._one_writer = Lock() if self.is_sqlite else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Each statement sees what was committed when it began."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._one_writer or nullcontext(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def make_home(home: Path) -> None:
    """The home folder, for its owner alone: it holds keys and a database of what people wrote."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_file(path: Path) -> None:
    """An empty database file that only its owner may read; SQLite gives its journal files the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _set_up_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver must not begin transactions behind our back: see `_begin_sqlite`
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
    _keep_a_log(connection)
    for pragma in PRAGMAS:
        connection.execute(pragma)


def _keep_a_log(connection: Any) -> None:
    """Switch the file to a write-ahead log, which it then stays in.

    Two that open a new file at once each wait for the other, and SQLite answers "locked" to one of them without waiting
    (https://sqlite.org/c3ref/busy_handler.html): that one asks again.
    """
    until = monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > until:
                raise
            sleep(0.005)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that reads first and then finds the lock taken could not wait for it, only fail.
    if connection.get_execution_options().get("nightlight_write"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
