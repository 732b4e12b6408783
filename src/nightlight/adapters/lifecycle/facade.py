"""`Lifecycle`: the few words that the command line and the retention worker need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nightlight.adapters.lifecycle.backup import Manifest, backup
from nightlight.adapters.lifecycle.persons import Erasure, Person
from nightlight.adapters.lifecycle.restored import Restored, settle
from nightlight.adapters.lifecycle.retention import Periods, retain

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database


class Lifecycle:
    def __init__(self, database: Database) -> None:
        self._database = database

    def after_restore(self, by: str) -> Restored:
        """Tell the audit of restores and erase again what was erased since the backup. All else here does this first."""
        return settle(self._database, by)

    def backup(self, dest: Path, by: str, *, with_keys: Path | None = None) -> Manifest:
        """A folder that `restore` takes back; see `lifecycle.backup`."""
        self.after_restore(by)
        return backup(self._database, dest, by, with_keys=with_keys, vault_keys=self._database.vault_keys)

    def retention(self, now: datetime, periods: Periods | None = None) -> Mapping[str, int]:
        """Delete what is due; how much of what."""
        self.after_restore("system")
        expired = self._database.requests.expire(now)
        kept = self._database.vault.sweep()  # first: what the vault has still to take in must not be deleted before
        gone = retain(self._database, now, periods or Periods())
        ended = {"preservations_expired": expired} if expired else {}
        return {**gone, **ended, **{f"vault_{what}": n for what, n in kept.items()}}

    def erase(self, account: str, by: str) -> Erasure:
        """`account` is the service's own id."""
        self.after_restore(by)
        return Person(self._database, account).erase(by)

    def export(self, account: str, by: str) -> Iterator[bytes]:
        """JSON, one object a line. `account` is the service's own id."""
        self.after_restore(by)
        return Person(self._database, account).export(by)
