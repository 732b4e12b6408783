"""After a restore: the audit chain, which went back with the database, is told of it, and what was erased since is erased again.

Putting files in place needs no key; both of these do. So `restore` leaves a note in the home folder, and whoever opens the database
next with its key file settles it: the command line at once, or else whatever of `Lifecycle` is called next.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, select

from nightlight.adapters.audit import SUFFIX, read_head
from nightlight.adapters.durable import write_private
from nightlight.adapters.lifecycle.deletion import thorough
from nightlight.adapters.lifecycle.erasures import Erasures
from nightlight.adapters.lifecycle.persons import Person, commitment
from nightlight.adapters.store.banks.rows import item_commitment
from nightlight.adapters.store.reviewer_tables import sessions
from nightlight.adapters.store.tables import (
    accounts,
    assessments,
    audit,
    bank_changes,
    bank_history,
    bank_items,
    bank_verdicts,
    cases,
    facts,
    limits,
    states,
    summaries,
    tails,
)
from nightlight.core.errors import Tampered
from nightlight.core.ports import AuditEntry

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database

_NOTE = ".restored-"


class Note(Struct, frozen=True, kw_only=True):
    """What `restore` did, until the audit chain has it."""

    id: str
    source: str
    """Name of the backup's folder."""
    manifest: str
    """SHA-256 of the backup's manifest, 64 hex digits."""
    backed_up_at: datetime
    replaced: str | None
    """Folder below `audit` with the heads that the restore replaced."""


class Restored(Struct, frozen=True):
    """What `settle` did."""

    restores: int = 0
    """How many restores were written to the audit chain."""
    erased_again: int = 0
    """Accounts that were erased after the backup, were back, and were erased again."""
    evidence_kept: int = 0
    """Among those: of how many something is kept, as evidence or for a person's decision."""
    unreadable: int = 0
    """Lines of the file of erasures that cannot be read: whose erasures they were, nobody can tell."""


def leave(home: Path, note: Note) -> Path:
    """Idempotent; on the disk for good when this returns."""
    path = home / f"{_NOTE}{note.id}"
    write_private(path, msgspec.json.encode(note))
    return path


def unsettled(home: Path) -> list[Path]:
    return sorted(home.glob(f"{_NOTE}*"))


def settle(database: Database, by: str) -> Restored:
    """Tell the audit chain of every restore it was not told of, then erase again. Nothing to do is the usual case, and costs nothing.

    Stopped anywhere, the next call goes on: the note goes last.
    """
    done = Restored()
    for path in unsettled(database.home):
        note = msgspec.json.decode(path.read_bytes(), type=Note)
        _tell(database, note, by)
        _end_sessions(database, by)
        again, kept, bad = _erase_again(database, note.backed_up_at, by)
        done = Restored(done.restores + 1, done.erased_again + again, done.evidence_kept + kept, bad)
        path.unlink(missing_ok=True)
    return done


def _tell(database: Database, note: Note, by: str) -> None:
    detail: dict[str, str | int | float | bool | None] = {
        "manifest": note.manifest,
        "backed_up_at": note.backed_up_at.isoformat(),
        "note": note.id,
        "replaced": note.replaced,
    }
    if note.replaced is not None:
        for path in sorted((database.home / "audit" / note.replaced).glob(f"*{SUFFIX}")):
            try:
                head = read_head(path, database.sealer.derive("audit-heads"))
            except Tampered:
                detail[f"head.{path.name}"] = "does not authenticate"
            else:
                detail[f"head.{head.partition}"] = head.seq
    a = audit.c
    with database.audit.transaction() as ledger:
        known = select(a.seq).where(a.action == "restore", a.detail.contains(f'"note":"{note.id}"', autoescape=True)).limit(1)
        if ledger.connection.execute(known).first() is None:
            ledger.append(AuditEntry(at=database.clock.now(), actor=by, action="restore", target=note.source, detail=detail))


def _end_sessions(database: Database, by: str) -> None:
    """A session of the console that was ended since the backup was made is in it again: everybody signs in anew."""
    with database.audit.transaction() as ledger:
        ended = ledger.connection.execute(sessions.delete()).rowcount
        if ended:
            ledger.append(
                AuditEntry(at=database.clock.now(), actor=by, action="restore.sessions", target="sessions", detail={"ended": ended})
            )


def _erase_again(database: Database, since: datetime, by: str) -> tuple[int, int, int]:
    """What was erased before the backup was made is not in it; an account of that name that came later is somebody's own."""
    from nightlight.adapters.vault.destroying import destroy_again

    lines, bad = Erasures(database.home).read()
    wanted = {line.commitment for line in lines if line.at >= since}
    again = kept = 0
    found = {p for p in _pseudonyms(database) if commitment(database, p) in wanted} if wanted else set()
    for pseudonym in sorted(found):
        result = Person.known_as(database, pseudonym).erase(by)
        again += 1
        kept += not result.complete
    items = _forget_again(database, wanted) if wanted else 0
    evidence = destroy_again(database.vault, lines, by) if lines else 0
    if again or items or evidence or bad:
        detail: dict[str, str | int | float | bool | None] = {
            "erased": again,
            "evidence_kept": kept,
            "bank_items": items,
            "evidence": evidence,
            "unreadable": bad,
        }
        entry = AuditEntry(at=database.clock.now(), actor=by, action="restore.erasures", target="erasures", detail=detail)
        database.audit.append([entry])
    return again, kept, bad


def _forget_again(database: Database, wanted: Set[str]) -> int:
    """Items of banks that were forgotten since the backup was made: a child's own report, withdrawn."""
    back: set[tuple[str, str]] = set()
    for table in (bank_items, bank_history):
        with database.sql.read() as connection:
            for bank, id in connection.execute(select(table.c.bank, table.c.id).distinct()):
                if item_commitment(database.sealer, bank, id) in wanted:
                    back.add((bank, id))
    for bank, id in sorted(back):
        with database.audit.transaction() as ledger, thorough(ledger.connection):
            for table, column in ((bank_items, bank_items.c.id), (bank_history, bank_history.c.id), (bank_verdicts, bank_verdicts.c.item)):
                ledger.connection.execute(table.delete().where(table.c.bank == bank, column == id))
            ledger.connection.execute(bank_changes.insert().values(bank=bank, item=id))
    return len(back)


def _pseudonyms(database: Database) -> Iterator[str]:
    """Every account that a row may be about. Memories outlive the name of their account, so its table is not enough."""
    columns: list[ColumnElement[Any]] = [accounts.c.pseudonym, summaries.c.account, limits.c.account, states.c.id, tails.c.direction]
    columns += [t.c[name] for t in (assessments, cases) for name in ("subject_id", "actor", "protects")]
    columns += [facts.c.key_id, facts.c.other]
    for column in columns:
        with database.sql.read() as connection:
            for value in connection.execute(select(column).where(column.is_not(None)).distinct()).scalars():
                yield from (part for part in str(value).replace("@", "|").split("|") if part)
