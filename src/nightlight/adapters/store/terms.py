"""`SqlTerms`: lists of restricted terms as keyed hashes, in versions that can be gone back to; and counts of what met them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, select

from nightlight.adapters.store.deterrence_tables import search_counts, term_lists, term_macs, term_versions
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.prepared import AnySelect, insert
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.clock import Clock
from nightlight.core.deterrence import SMALL, ListVersion, SearchAction, SearchCount, TermList
from nightlight.core.errors import Conflict, Invalid, NotFound
from nightlight.core.ports import AuditEntry

VERSIONS = 5
"""Of a list, that are kept."""
COUNTS_FOR = timedelta(days=400)
MOST_LISTS = 100


class TermRow(Struct, frozen=True):
    """One term to keep: its category, and its hashes."""

    category: str
    macs: tuple[bytes, ...]
    words: int


class InForce(Struct, frozen=True):
    """All that searches are looked up in."""

    state: tuple[tuple[str, int, int], ...]
    """Changes whenever anything here does."""
    rows: Sequence[tuple[bytes, str, str]]
    """Hash, list, category."""
    longest: int
    expires: dict[str, datetime | None]

    def __repr__(self) -> str:
        return f"<InForce {len(self.expires)} lists>"


class SqlTerms:
    """Safe to use from several threads and processes."""

    def __init__(self, sql: Sql, audit: AuditLog, clock: Clock) -> None:
        self._sql, self._audit, self._clock = sql, audit, clock
        self._put = insert(sql, term_macs, ("list", "version", "category", "mac"))

    # -- lists ---------------------------------------------------------------------------------------------------------------------

    def load(self, name: str, terms: Sequence[TermRow], expires_at: datetime | None, by: str) -> TermList:
        """The list's next version, in force at once. Raises Invalid for a time that has passed, Conflict for one list too many."""
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Invalid("this time has passed", field="expires")
        with self._audit.transaction() as ledger:
            connection = ledger.connection
            known = _version(connection, name)
            if known is None and connection.execute(select(func.count()).select_from(term_lists)).scalar_one() >= MOST_LISTS:
                raise Conflict(f"there are {MOST_LISTS} lists, which is as many as there may be", field="list")
            newest = select(func.max(term_versions.c.version)).where(term_versions.c.list == name)
            version = int(connection.execute(newest).scalar_one() or 0) + 1
            row = {
                "list": name,
                "version": version,
                "terms": len(terms),
                "longest": max((term.words for term in terms), default=1),
                "expires_at": None if expires_at is None else micros(expires_at),
                "created_at": micros(now),
                "created_by": by,
            }
            connection.execute(term_versions.insert().values(row))
            macs = sorted({(term.category, mac) for term in terms for mac in term.macs})
            self._put.many(connection, [(name, version, category, mac) for category, mac in macs])
            self._switch(ledger, name, version, known is None)
            _forget(connection, name, term_versions.c.version <= version - VERSIONS)
            until = None if expires_at is None else expires_at.isoformat()
            detail = {"version": version, "terms": len(terms), "expires": until}
            ledger.append(AuditEntry(at=now, actor=by, action="terms.load", target=name, detail=detail))
        return self.one(name)

    def rollback(self, name: str, version: int, by: str) -> TermList:
        """An earlier version is in force again; the newer ones stay."""
        now = self._clock.now()
        v = term_versions.c
        with self._audit.transaction() as ledger:
            known = _version(ledger.connection, name)
            if known is None:
                raise NotFound("there is no such list", field="list")
            found = ledger.connection.execute(select(v.expires_at).where(v.list == name, v.version == version)).first()
            if found is None:
                raise NotFound("there is no such version of it, or it is no longer kept", field="version")
            if found.expires_at is not None and found.expires_at <= micros(now):
                raise Conflict("that version has expired", field="version")
            if known != version:
                self._switch(ledger, name, version, False)
                detail = {"version": version, "before": known}
                ledger.append(AuditEntry(at=now, actor=by, action="terms.rollback", target=name, detail=detail))
        return self.one(name)

    def remove(self, name: str, by: str) -> None:
        """The list and all its versions."""
        with self._audit.transaction() as ledger:
            if _version(ledger.connection, name) is None:
                raise NotFound("there is no such list", field="list")
            self._remove(ledger, name, by, "terms.remove")

    def lists(self) -> list[TermList]:
        with self._sql.read() as connection:
            names = connection.execute(select(term_lists.c.name).order_by(term_lists.c.name)).scalars().all()
        return [self.one(name) for name in names]

    def one(self, name: str) -> TermList:
        v, m = term_versions.c, term_macs.c
        with self._sql.read() as connection:
            version = _version(connection, name)
            rows = connection.execute(_versions().where(v.list == name).order_by(v.version.desc())).all()
            here = (m.list == name, m.version == version)
            categories = connection.execute(select(m.category).where(*here).distinct().order_by(m.category)).scalars().all()
        versions = tuple(_told(row) for row in rows)
        now = next((one for one in versions if one.version == version), None)
        if version is None or now is None:
            raise NotFound("there is no such list", field="list")
        return TermList(
            name=name, version=version, terms=now.terms, categories=tuple(categories), expires_at=now.expires_at, versions=versions
        )

    # -- for searches --------------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """Cheap: one row a list."""
        t = term_lists.c
        with self._sql.read() as connection:
            return tuple((n, int(v), int(at)) for n, v, at in connection.execute(select(t.name, t.version, t.changed_at).order_by(t.name)))

    def in_force(self) -> InForce:
        """Read again whenever `state` is another."""
        t, v, m = term_lists.c, term_versions.c, term_macs.c
        state = self.state()
        now = micros(self._clock.now())
        current = select(v.list, v.longest, v.expires_at).join_from(
            term_lists, term_versions, (v.list == t.name) & (v.version == t.version)
        )
        current = current.where(v.expires_at.is_(None) | (v.expires_at > now))
        hashes = select(m.mac, m.list, m.category).join_from(term_lists, term_macs, (m.list == t.name) & (m.version == t.version))
        with self._sql.read() as connection:
            lists = connection.execute(current).all()
            rows = [(bytes(mac), list_, category) for mac, list_, category in connection.execute(hashes)]
        expires = {row.list: None if row.expires_at is None else moment(row.expires_at) for row in lists}
        longest = max((int(row.longest) for row in lists), default=0)
        return InForce(state, [row for row in rows if row[1] in expires], longest, expires)

    def count(self, connection: Connection, met: Sequence[tuple[str, str]], action: SearchAction, now: datetime) -> None:
        """Within a transaction: one more for each list and category, on this day."""
        for list_, category in met:
            key = {"day": f"{now:%Y-%m-%d}", "list": list_, "category": category, "action": action.value}
            add_one(self._sql, connection, search_counts, key)

    def counts(self, since: datetime | None = None) -> list[SearchCount]:
        """By day, list and category; small counts are not told."""
        c = search_counts.c
        wanted = select(c.day, c.list, c.category, c.action, c.count).order_by(c.day, c.list, c.category, c.action)
        if since is not None:
            wanted = wanted.where(c.day >= f"{since:%Y-%m-%d}")
        with self._sql.read() as connection:
            rows = connection.execute(wanted).all()
        return [
            SearchCount(day=day, list=list_, category=category, action=SearchAction(action), count=n if n >= SMALL else None)
            for day, list_, category, action, n in rows
        ]

    # -- for the sweep -------------------------------------------------------------------------------------------------------------

    def expire(self, now: datetime) -> int:
        """Remove lists whose version in force has expired, versions that have, and old counts; how many lists."""
        t, v = term_lists.c, term_versions.c
        current = (v.list == t.name) & (v.version == t.version)
        due = select(t.name).join_from(term_lists, term_versions, current).where(v.expires_at <= micros(now))
        late = select(v.list, v.version).where(v.expires_at <= micros(now))
        old = search_counts.c.day < f"{now - COUNTS_FOR:%Y-%m-%d}"
        with self._sql.read() as connection:
            nothing = connection.execute(late.limit(1)).first() is None
            nothing = nothing and connection.execute(select(search_counts.c.day).where(old).limit(1)).first() is None
        if nothing:
            return 0
        with self._audit.transaction() as ledger:
            gone = ledger.connection.execute(due).scalars().all()
            for name in gone:
                self._remove(ledger, name, "system", "terms.expire")
            for list_, version in ledger.connection.execute(late).all():
                _forget(ledger.connection, list_, term_versions.c.version == version)
            ledger.connection.execute(search_counts.delete().where(old))
        return len(gone)

    # -- inside --------------------------------------------------------------------------------------------------------------------

    def _switch(self, ledger: Ledger, name: str, version: int, new: bool) -> None:
        values = {"version": version, "changed_at": micros(self._clock.now())}
        change: Any = term_lists.insert().values(name=name, **values)
        if not new:
            change = term_lists.update().where(term_lists.c.name == name).values(**values)
        ledger.connection.execute(change)

    def _remove(self, ledger: Ledger, name: str, by: str, action: str) -> None:
        _forget(ledger.connection, name, term_versions.c.version >= 0)
        ledger.connection.execute(term_lists.delete().where(term_lists.c.name == name))
        ledger.append(AuditEntry(at=self._clock.now(), actor=by, action=action, target=name))


def add_one(sql: Sql, connection: Connection, table: Any, key: dict[str, Any]) -> None:
    """Into a table whose last column is `count`."""
    insert_into: Callable[..., Any]
    if sql.is_sqlite:
        from sqlalchemy.dialects.sqlite import insert as insert_into
    else:
        from sqlalchemy.dialects.postgresql import insert as insert_into
    row = insert_into(table).values(**key, count=1)
    connection.execute(row.on_conflict_do_update(index_elements=list(key), set_={"count": table.c.count + 1}))


def _version(connection: Connection, name: str) -> int | None:
    found = connection.execute(select(term_lists.c.version).where(term_lists.c.name == name)).scalar_one_or_none()
    return None if found is None else int(found)


def _forget(connection: Connection, name: str, which: Any) -> None:
    """Versions of a list, but for the one in force unless the list itself goes with them."""
    v, m = term_versions.c, term_macs.c
    versions = connection.execute(select(v.version).where(v.list == name, which)).scalars().all()
    connection.execute(term_macs.delete().where(m.list == name, m.version.in_(versions)))
    connection.execute(term_versions.delete().where(v.list == name, v.version.in_(versions)))


def _versions() -> AnySelect:
    v = term_versions.c
    return select(v.version, v.terms, v.longest, v.expires_at, v.created_at, v.created_by)


def _told(row: Any) -> ListVersion:
    return ListVersion(
        version=int(row.version),
        terms=int(row.terms),
        longest=int(row.longest),
        expires_at=None if row.expires_at is None else moment(row.expires_at),
        at=moment(row.created_at),
        by=row.created_by,
    )
