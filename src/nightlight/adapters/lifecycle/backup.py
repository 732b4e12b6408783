"""Online backup and crash-safe restore.

A backup is a folder: the database, the audit heads, the file of erasures, and `manifest.json` with the SHA-256 of each file. The keys
are left out unless asked for, those of the vault too: a copy that holds both the sealed content and its keys is content in the clear to
whoever finds it, and backups travel further than the machines that they come from. Keep the keys somewhere else, and know that without
them the content of every backup is gone for good, which is also how it is destroyed on purpose. Evidence of a case that was destroyed
opens from no backup that was made without keys, whatever keys are left; one that was made with them must be destroyed as well.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from sqlalchemy.engine import URL

from nightlight.adapters.durable import sync
from nightlight.adapters.lifecycle.erasures import ERASURES, Erasures
from nightlight.adapters.lifecycle.restored import Note, leave
from nightlight.adapters.store.engine import DATABASE_FILE, INDEX_FOLDER, RESTORE_PENDING, make_home, resolve
from nightlight.adapters.store.migrate import HEAD
from nightlight.adapters.vault.keys import KEY_FOLDER, put_back
from nightlight.core.errors import Conflict, Invalid, NotFound, Tampered
from nightlight.core.ports import AuditEntry

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database

MANIFEST = "manifest.json"
_DUMP = "nightlight.pgdump"
_KEYS = "keys.json"
_PAGES = 1000


class Manifest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: int
    created_at: datetime
    engine: str
    """`sqlite` or `postgresql`."""
    revision: str
    """Of the schema."""
    key_ids: tuple[int, ...]
    """Which sealing keys are needed to open the content."""
    files: Mapping[str, str]
    """Path inside the folder to SHA-256, 64 hex digits."""
    with_keys: bool


def backup(database: Database, dest: Path, by: str, *, with_keys: Path | None = None, vault_keys: Path | None = None) -> Manifest:
    """Write a backup to the folder `dest` while the service runs. Raises Conflict where `dest` exists.

    `with_keys` is the key file to put beside it, and then `vault_keys` the vault's key folder. The folder appears whole or not at all.
    """
    if dest.exists():
        raise Conflict(f"{dest.name} exists already; a backup never writes over anything", field="dest")
    now = database.clock.now()
    staged = dest.with_name(f".{dest.name}.{os.urandom(4).hex()}")
    staged.mkdir(mode=0o700, parents=True)
    try:
        # Heads first: a head that is older than its database is in order, a newer one would look like rows cut off.
        (staged / "audit").mkdir(mode=0o700)
        database.audit.heads.copy(staged / "audit")
        if database.sql.is_sqlite:
            _copy_sqlite(Path(str(database.sql.url.database)), staged / DATABASE_FILE)
        else:
            _pg(database.sql.url, ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={staged / _DUMP}"])
        if (database.home / ERASURES).exists():
            shutil.copyfile(database.home / ERASURES, staged / ERASURES)
        if with_keys is not None:
            shutil.copyfile(with_keys, staged / _KEYS)
            if vault_keys is not None and vault_keys.exists():
                # Hidden names are files that somebody is just writing.
                shutil.copytree(vault_keys, staged / KEY_FOLDER, ignore=shutil.ignore_patterns(".*"))
        files = {}
        for path in sorted(p for p in staged.rglob("*") if p.is_file()):
            path.chmod(0o600)
            files[path.relative_to(staged).as_posix()] = _settle(path)
        manifest = Manifest(
            format=1,
            created_at=now,
            engine="sqlite" if database.sql.is_sqlite else "postgresql",
            revision=HEAD,
            key_ids=database.sealer.key_ids,
            files=files,
            with_keys=with_keys is not None,
        )
        (staged / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        _settle(staged / MANIFEST)
        staged.rename(dest)
        sync(dest.parent)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    detail: dict[str, str | int | float | bool | None] = {"with_keys": manifest.with_keys, "manifest": _sha256(dest / MANIFEST)}
    database.audit.append([AuditEntry(at=now, actor=by, action="backup", target=dest.name, detail=detail)])
    return manifest


def read_manifest(src: Path) -> Manifest:
    """The manifest of a backup, every file checked against it. Raises NotFound, Invalid or Tampered."""
    try:
        manifest = msgspec.json.decode((src / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise NotFound(f"{src.name} is no backup: it has no {MANIFEST}", field="src") from None
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Invalid(f"the manifest of {src.name} cannot be read", field="src") from None
    if manifest.format != 1 or manifest.revision > HEAD:
        raise Invalid("this backup was made by a newer Nightlight: upgrade this one first", field="src")
    held = {p.relative_to(src).as_posix() for p in src.rglob("*") if p.is_file()} - {MANIFEST}
    if held != set(manifest.files):
        raise Tampered("the files of the backup are not those of its manifest: " + ", ".join(sorted(held ^ set(manifest.files))))
    for name, expected in manifest.files.items():
        if _sha256(src / name) != expected:
            raise Tampered(f"{name} of the backup is not as it was written")
    return manifest


def restore(src: Path, home: Path, *, url: str | None = None, force: bool = False, vault_keys: Path | None = None) -> Manifest:
    """Put a backup in the place of the database. Stop the service first.

    Raises Conflict where there is a database already and not `force`, or where it is in use; Tampered where the backup does not
    match its manifest. Stopped at any moment, either the old database is there whole or the new one; run it again to finish.
    """
    manifest = read_manifest(src)
    target = resolve(url, home)
    if target.get_backend_name() != manifest.engine:
        raise Invalid(f"this is a backup of {manifest.engine}, which cannot go into {target.get_backend_name()}", field="url")
    make_home(home)
    if manifest.engine == "sqlite":
        _restore_sqlite(src, home, Path(str(target.database)), manifest, force)
    else:
        _restore_postgres(src, home, target, manifest, force)
    if manifest.with_keys and (src / KEY_FOLDER).exists():
        gone = {line.commitment for line in Erasures(home).read()[0]}
        put_back(src / KEY_FOLDER, vault_keys or home / KEY_FOLDER, frozenset(gone))
    return manifest


def _restore_sqlite(src: Path, home: Path, target: Path, manifest: Manifest, force: bool) -> None:
    if target.exists() and not force:
        raise Conflict("there is a database already; say force to replace it", field="home")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.restoring")
    shutil.copyfile(src / DATABASE_FILE, staged)
    staged.chmod(0o600)
    _settle(staged)
    if target.exists():
        _fold_journal(target)
    strays, replaced = _restore_files(src, home, manifest)
    # A head of the old database must not outlive it, nor go before it: what is left to do is written down, and `finish_restore`
    # does it here or, should this process be killed first, when the database is next opened.
    pending = home / RESTORE_PENDING
    pending.write_bytes(msgspec.json.encode(Pending(staged.name, tuple(strays), _note(src, manifest, replaced))))
    _settle(pending)
    sync(home)
    staged.replace(target)
    sync(target.parent)
    finish_restore(home, target)


class Pending(Struct, frozen=True):
    staged: str
    """The new database until it takes its place: gone once it has."""
    strays: tuple[str, ...]
    """Heads that belong to the old one alone."""
    note: Note | None = None
    """To be left once the new one is in place."""


def finish_restore(home: Path, target: Path) -> None:
    """End a restore that was stopped: on to the new database where that is in place, back to the old one where it is not."""
    path = home / RESTORE_PENDING
    pending = msgspec.json.decode(path.read_bytes(), type=Pending)
    if not target.with_name(pending.staged).exists():
        for name in pending.strays:
            (home / "audit" / name).unlink(missing_ok=True)
        if pending.note is not None:
            leave(home, pending.note)
    path.unlink()
    target.with_name(pending.staged).unlink(missing_ok=True)  # after its note: without it the note would read as done


def _fold_journal(target: Path) -> None:
    """Bring the old database into its one file. A journal left beside the new one would be played into it and ruin it."""
    try:
        with closing(sqlite3.connect(target, timeout=1, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise Conflict("the database is in use: stop the service first", field="home") from None
        _drop_journal(target)
    except sqlite3.DatabaseError:  # damaged, which may be why it is being replaced
        _drop_journal(target)


def _drop_journal(target: Path) -> None:
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _restore_files(src: Path, home: Path, manifest: Manifest) -> tuple[list[str], str | None]:
    """The heads of the backup take the place of those there: older than either database, so they fit whichever is in place.

    Returns the names of the heads that the backup does not have, and of the folder with those that were replaced.
    """
    shutil.rmtree(home / INDEX_FOLDER, ignore_errors=True)  # of the banks that go; the next start makes it anew
    folder, replaced = home / "audit", None
    folder.mkdir(mode=0o700, exist_ok=True)
    if there := sorted(folder.glob("*.head*")):  # what they vouch for may still be asked about
        replaced = folder / f"replaced-{os.urandom(4).hex()}"
        replaced.mkdir(mode=0o700)
        for head in there:
            shutil.copyfile(head, replaced / head.name)
    wanted = {Path(name).name for name in manifest.files if name.startswith("audit/")}
    for name in sorted(wanted):
        staged = folder / f".{name}.restoring"
        shutil.copyfile(src / "audit" / name, staged)
        _settle(staged)
        staged.replace(folder / name)
    keys = home / _KEYS
    if manifest.with_keys and not keys.exists():  # keys that are there are never written over: they may be newer
        staged = home / f".{_KEYS}.restoring"
        os.close(os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        staged.write_bytes((src / _KEYS).read_bytes())
        _settle(staged)
        staged.replace(keys)
    sync(folder)
    if ERASURES in manifest.files:  # of whom the home knows less than the backup, should it be a fresh one
        Erasures(home).merge(Erasures(src).read()[0])
    strays = sorted(p.name for p in folder.glob("*.head*") if p.name not in wanted)
    return strays, None if replaced is None else replaced.name


def _note(src: Path, manifest: Manifest, replaced: str | None) -> Note:
    return Note(
        id=os.urandom(8).hex(),
        source=src.name,
        manifest=_sha256(src / MANIFEST),
        backed_up_at=manifest.created_at,
        replaced=replaced,
    )


def _restore_postgres(src: Path, home: Path, target: URL, manifest: Manifest, force: bool) -> None:
    from nightlight.adapters.store.engine import Sql
    from nightlight.adapters.store.migrate import revision

    sql = Sql(target)
    try:
        with sql.read() as connection:
            there = revision(connection) is not None
    finally:
        sql.close()
    if there and not force:
        raise Conflict("there is a database already; say force to replace it", field="url")
    # One transaction: the old tables go and the new ones come at the same moment, or neither.
    strays, replaced = _restore_files(src, home, manifest)
    # Before it, or a crash just after would leave a restore that nobody is told of: one told of that did not end is the lesser harm.
    note = leave(home, _note(src, manifest, replaced))
    try:
        _pg(target, ["pg_restore", "--single-transaction", "--clean", "--if-exists", "--no-owner", "--no-privileges", str(src / _DUMP)])
    except BaseException:
        note.unlink(missing_ok=True)
        raise
    for name in strays:
        (home / "audit" / name).unlink(missing_ok=True)


def _pg(url: URL, command: list[str]) -> None:
    """Run a tool of PostgreSQL. Where to connect goes by the environment: arguments are for every user of the machine to see."""
    tool = shutil.which(command[0])
    if tool is None:
        raise NotFound(f"{command[0]} is not installed; it comes with PostgreSQL's client tools")
    query = {k: v for k, v in url.query.items() if isinstance(v, str)}
    said = {
        "PGHOST": url.host or query.get("host"),
        "PGPORT": str(url.port) if url.port else query.get("port"),
        "PGUSER": url.username or query.get("user"),
        "PGPASSWORD": url.password or query.get("password"),
        "PGDATABASE": url.database or query.get("dbname"),
        "PGSSLMODE": query.get("sslmode"),
        "PGSSLROOTCERT": query.get("sslrootcert"),
    }
    arguments = [*command[1:], f"--dbname={url.database}"] if command[0] == "pg_restore" else command[1:]
    environment = {**os.environ, **{k: v for k, v in said.items() if v}}
    done = subprocess.run([tool, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    if done.returncode != 0:
        raise Conflict(f"{command[0]} failed: {done.stderr.strip().splitlines()[0] if done.stderr.strip() else 'no reason given'}")


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's own online backup: a consistent copy, readers and the writer going on meanwhile."""
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.execute("BEGIN")
        old.execute("SELECT count(*) FROM sqlite_master").fetchone()  # one snapshot, or a busy writer would make it begin again for ever
        old.backup(new, pages=_PAGES)
        old.rollback()
        new.execute("PRAGMA journal_mode=DELETE")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _settle(path: Path) -> str:
    """On the disk for good; its SHA-256."""
    sync(path)
    return _sha256(path)
