"""A backup that is put back brings nothing back that was destroyed since."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from nightlight.adapters.lifecycle import restore
from nightlight.adapters.sealer import KeyFileSealer, KeysMissing
from nightlight.adapters.store import Database, open_database
from nightlight.core.clock import FixedClock

from .vaulting import ANA, WHY, end, filled, talk
from .works import Writer


@pytest.mark.parametrize("with_keys", [False, True])
def test_a_destroyed_case_does_not_come_back(
    database: Database, store_url: str | None, home: Path, sealer: KeyFileSealer, clock: FixedClock, tmp_path: Path, with_keys: bool
) -> None:
    vault, case = filled(database)
    other = talk(database, actor="oran", channel="hall")
    vault.promote()
    dest = tmp_path / "backup"
    database.lifecycle.backup(dest, "cli", with_keys=sealer.path if with_keys else None)
    assert (dest / "vault-keys").exists() == with_keys
    end(database, case)
    clock.advance(timedelta(hours=1))
    vault.destroy(case, "cli", "no longer needed")
    database.close()
    restore(dest, home, url=store_url, force=True)
    again = open_database(store_url, home, KeyFileSealer(home / "keys.json", create=False), clock, migrate=False)
    try:
        with pytest.raises(KeysMissing):  # before anybody settled anything: the rows are back, and open for nobody
            again.vault.read(case, who=ANA, reason=WHY)
        assert again.lifecycle.after_restore("cli").restores == 1
        assert again.vault.items(case) == [] and [d.case for d in again.vault.destructions()] == [case]
        for gone in ("vell-room-b0", "vell-room-e"):
            assert again.pipeline.event(gone) is None
        assert again.pipeline.event("oran-hall-e") is not None and again.vault.read(other, who=ANA, reason=WHY)
        assert again.vault.verify().ok and again.audit.verify().ok
    finally:
        again.close()


def test_a_copy_of_the_key_folder_brings_no_secret_back(database: Database, clock: FixedClock, tmp_path: Path) -> None:
    vault, case = filled(database)
    shutil.copytree(database.vault_keys, tmp_path / "copy")
    end(database, case)
    vault.destroy(case, "cli", "no longer needed")
    shutil.copytree(tmp_path / "copy", database.vault_keys, dirs_exist_ok=True)
    assert list(vault.secrets.names()) == [vault.name_of(case)]
    assert database.lifecycle.retention(clock.now()) == {"vault_secrets_again": 1}
    assert list(vault.secrets.names()) == []


def test_a_backup_from_before_the_case_does_not_bring_its_messages_back(
    database: Database, store_url: str | None, home: Path, clock: FixedClock, tmp_path: Path
) -> None:
    writer = Writer(database)
    database.pipeline.commit(writer.chat("vell-room-b0", "vell-room-b1", "vell-room-b2"))
    database.pipeline.commit(writer.chat("calm", channel="elsewhere"))
    database.lifecycle.backup(tmp_path / "backup", "cli")
    case = talk(database, before=0)
    database.vault.promote()
    end(database, case)
    clock.advance(timedelta(hours=1))
    assert database.vault.destroy(case, "cli", "no longer needed").events == 4
    database.close()
    restore(tmp_path / "backup", home, url=store_url, force=True)
    again = open_database(store_url, home, KeyFileSealer(home / "keys.json", create=False), clock, migrate=False)
    try:
        again.lifecycle.after_restore("cli")
        assert again.pipeline.event("vell-room-b0") is None and again.pipeline.event("calm") is not None
    finally:
        again.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_evidence_comes_back_with_keys_on_another_machine(
    database: Database, clock: FixedClock, sealer: KeyFileSealer, tmp_path: Path
) -> None:
    vault, case = filled(database)
    database.lifecycle.backup(tmp_path / "backup", "cli", with_keys=sealer.path)
    vault.rotate("cli")
    elsewhere = tmp_path / "elsewhere"
    restore(tmp_path / "backup", elsewhere)
    again = open_database(None, elsewhere, KeyFileSealer(elsewhere / "keys.json", create=False), clock, migrate=False)
    try:
        again.lifecycle.after_restore("cli")
        assert len(again.vault.read(case, who=ANA, reason=WHY)) == 4 and again.vault.verify().ok
    finally:
        again.close()
