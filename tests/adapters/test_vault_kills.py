"""Killed at every step of moving evidence in, wrapping its keys anew and destroying it: nothing is lost, nothing is half there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from nightlight.adapters.lifecycle.erasures import Erasures
from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.vault.keys import CaseSecrets, FileWrapper
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Conflict, NotFound

from .vaulting import ANA, WHY, end, filled, talk
from .works import START

KILLED = 9


def open_home(home: Path) -> Database:
    return open_database(None, home, KeyFileSealer(home / "keys.json"), FixedClock(START), migrate=False)


def killed_at(home: Path, step: int, work: Callable[[Database], object]) -> bool:
    """Do it in a process of its own that dies just before its `step`-th statement or file; whether it died."""
    pid = os.fork()
    if pid == 0:  # the child: it leaves by `os._exit` only, as a killed process would
        try:
            database, steps = open_home(home), 0

            def count(*_: object) -> None:
                nonlocal steps
                steps += 1
                if steps == step:
                    os._exit(KILLED)

            event.listen(database.sql.engine, "before_cursor_execute", count)
            event.listen(database.sql.engine, "commit", count)
            for kind, name in (
                (Erasures, "remember"),
                (CaseSecrets, "destroy"),
                (CaseSecrets, "make"),
                (FileWrapper, "rotate"),
                (FileWrapper, "forget"),
            ):
                _counted(kind, name, count)
            work(database)
            os._exit(0)
        except BaseException:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, KILLED), status
    return status == KILLED


def _counted(kind: type, name: str, count: Callable[[], None]) -> None:
    real = getattr(kind, name)

    def wrapped(*given: object, **named: object) -> object:
        count()
        done = real(*given, **named)
        count()
        return done

    setattr(kind, name, wrapped)


def storm(home: Path, tmp_path: Path, work: Callable[[Database], object], after: Callable[[Database], None], every: int) -> int:
    """How many steps there were."""
    step = 1
    while True:
        copy = tmp_path / f"at-{step}"
        shutil.copytree(home, copy)
        died = killed_at(copy, step, work)
        database = open_home(copy)
        try:
            after(database)
            assert database.vault.verify().ok and database.audit.verify().ok, step
        finally:
            database.close()
        shutil.rmtree(copy)
        if not died:
            return step
        step += every


@pytest.fixture(params=[pytest.param(7), pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def every(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def made(home: Path, *, promoted: bool) -> str:
    database = open_database(None, home, KeyFileSealer(home / "keys.json"), FixedClock(START), migrate=True)
    case = filled(database)[1] if promoted else talk(database)
    database.close()
    return case


def test_killed_while_evidence_moves_in(home: Path, tmp_path: Path, every: int) -> None:
    case = made(home, promoted=False)

    def after(database: Database) -> None:
        database.lifecycle.retention(START)
        read = database.vault.read(case, who=ANA, reason=WHY)
        assert list(read) == ["vell-room-b0", "vell-room-b1", "vell-room-b2", "vell-room-e"]

    assert storm(home, tmp_path, lambda d: d.vault.promote(), after, every) > 15


def test_killed_while_keys_are_wrapped_anew(home: Path, tmp_path: Path, every: int) -> None:
    case = made(home, promoted=True)

    def after(database: Database) -> None:
        assert len(database.vault.read(case, who=ANA, reason=WHY)) == 4
        database.vault.rotate("cli")
        assert len(database.vault.read(case, who=ANA, reason=WHY)) == 4
        assert (database.vault_keys / "wrapping.json").read_text().count('"id"') == 1

    assert storm(home, tmp_path, lambda d: d.vault.rotate("cli"), after, every) > 10


def test_killed_while_evidence_is_destroyed(home: Path, tmp_path: Path, every: int) -> None:
    case = made(home, promoted=True)
    database = open_home(home)
    end(database, case)
    database.close()
    seen = set()

    def after(database: Database) -> None:
        vault = database.vault
        try:
            state = "kept" if len(vault.read(case, who=ANA, reason=WHY)) == 4 else "half"
        except Conflict:
            state = "destroying"
        except NotFound:
            state = "gone"
        seen.add(state)
        vault.sweep()
        if state == "kept":
            assert len(vault.read(case, who=ANA, reason=WHY)) == 4 and database.pipeline.event("vell-room-e") is not None
            vault.destroy(case, "cli", "no longer needed")
        (record,) = vault.destructions()
        assert (record.case, record.by, record.reason, len(record.items), record.events) == (case, "cli", "no longer needed", 5, 4)
        assert list(vault.secrets.names()) == [] and vault.items(case) == []
        assert database.pipeline.event("vell-room-e") is None and database.pipeline.event("vell-room-b0") is None

    assert storm(home, tmp_path, lambda d: d.vault.destroy(case, "cli", "no longer needed"), after, every) > 25
    assert seen == {"kept", "destroying", "gone"}
