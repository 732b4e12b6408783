from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.engine import DATABASE_FILE
from nightlight.core.clock import FixedClock

from .works import START, Writer


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def sealer(home: Path) -> KeyFileSealer:
    return KeyFileSealer(home / "keys.json")


@pytest.fixture
def database(store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock, migrated_file: Path) -> Iterator[Database]:
    if store_url is None:
        shutil.copy(migrated_file, home / DATABASE_FILE)
    opened = open_database(store_url, home, sealer, clock, migrate=True)
    yield opened
    opened.close()


@pytest.fixture
def writer(database: Database) -> Writer:
    return Writer(database)
