"""`SqlExchanges`: settings, sealed credentials and checkpoints of exchanges, the history of their fetches, and who is fetching."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.lease import holder, is_dead
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.rows import pack
from nightlight.adapters.store.tables import bank_items, banks, exchange_runs, exchanges, micros, moment
from nightlight.core.bank import Applied
from nightlight.core.clock import Clock
from nightlight.core.errors import Conflict, Invalid, NotFound
from nightlight.core.exchange import MOST_REASONS, BadRow, Exchange, ExchangeKind, ExchangeRun, ExchangeState
from nightlight.core.ports import AuditEntry, Sealer

LEASE = timedelta(minutes=3)
"""A fetch that has not said for so long that it goes on is over. Longer than the longest wait for one answer (a minute)."""
KEEP_RUNS = 200
"""Fetches of an exchange that are remembered."""
_AGAIN = timedelta(minutes=5)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_reasons = msgspec.msgpack.Decoder(tuple[BadRow, ...]).decode
_options = msgspec.msgpack.Decoder(dict[str, str]).decode
Detail = Mapping[str, str | int | float | bool | None]
_x, _r = exchanges.c, exchange_runs.c


class Begun(Struct, frozen=True):
    """A fetch that this process holds."""

    run: int
    exchange: Exchange
    credentials: Mapping[str, str]
    checkpoint: bytes | None


class Told(Struct, frozen=True, kw_only=True):
    """What is added to a run's counts."""

    applied: Applied = Applied()
    pages: int = 0
    bad: tuple[BadRow, ...] = ()
    told: int = 0


class SqlExchanges:
    """Safe to use from several threads and processes."""

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Sealer, clock: Clock) -> None:
        self._sql, self._audit, self._sealer, self._clock = sql, audit, sealer, clock

    # -- settings ------------------------------------------------------------------------------------------------------------------

    def states(self) -> Sequence[ExchangeState]:
        with self._sql.read() as connection:
            rows = connection.execute(select(exchanges).order_by(_x.name)).all()
            return [self._state(row, self._last(connection, row.name)) for row in rows]

    def state(self, name: str) -> ExchangeState:
        """Raises NotFound."""
        with self._sql.read() as connection:
            row = _found(connection, name)
            return self._state(row, self._last(connection, name))

    def runs(self, name: str, most: int = 20) -> Sequence[ExchangeRun]:
        """The newest first."""
        with self._sql.read() as connection:
            rows = connection.execute(select(exchange_runs).where(_r.exchange == name).order_by(_r.id.desc()).limit(most)).all()
        return [_run(row) for row in rows]

    def create(self, exchange: Exchange, credentials: Mapping[str, str], by: str) -> Exchange:
        """Raises Invalid, NotFound for the bank, Conflict where the name is taken or another list fills the bank."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            connection = ledger.connection
            self._check_free(connection, exchange)
            if connection.execute(select(banks.c.name).where(banks.c.name == exchange.bank)).first() is None:
                raise NotFound("no such bank", field="bank")
            row = {"name": exchange.name, "kind": exchange.kind.value, "bank": exchange.bank, **self._set(exchange, credentials)}
            filled = select(bank_items.c.id).where(bank_items.c.bank == exchange.bank, bank_items.c.source.is_not(None)).limit(1)
            if connection.execute(filled).first() is not None:
                row["checkpoint"] = self._forgotten(exchange.name)
            connection.execute(exchanges.insert().values(**row, created_at=micros(now), failures=0, due_at=micros(now)))
            detail: Detail = {
                "kind": exchange.kind.value,
                "bank": exchange.bank,
                "url": exchange.url,
                "credentials": ",".join(sorted(credentials)),
            }
            ledger.append(AuditEntry(at=now, actor=by, action="exchange.create", target=exchange.name, detail=detail))
        return self.state(exchange.name).exchange

    def check_new(self, exchange: Exchange) -> None:
        """Whether it could be created, before its bank is made for it. Raises Invalid or Conflict."""
        with self._sql.read() as connection:
            self._check_free(connection, exchange)

    def _check_free(self, connection: Connection, exchange: Exchange) -> None:
        if _NAME.fullmatch(exchange.name) is None:
            raise Invalid("an exchange's name is 1 to 64 of a-z, 0-9, `_`, `.`, `-`, beginning with a letter or digit", field="name")
        if connection.execute(select(_x.name).where(_x.name == exchange.name)).first() is not None:
            raise Conflict("there is an exchange of this name", field="name")
        if connection.execute(select(_x.name).where(_x.bank == exchange.bank)).first() is not None:
            raise Conflict("another exchange fills this bank: give each its own", field="bank")

    def change(self, new: Exchange, credentials: Mapping[str, str] | None, by: str, *, anew: bool) -> Exchange:
        """Write the settings of `new` over those of its name; `anew` forgets the checkpoint. Raises NotFound, or Conflict while it is
        being fetched: the fetch would go on with the old settings, and credentials."""
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            row = _found(ledger.connection, new.name)
            if self._held(row):
                raise _busy()
            kept = self._opened(row) if credentials is None else credentials
            values = (
                self._set(new, kept)
                | ({"checkpoint": self._forgotten(new.name)} if anew and row.checkpoint is not None else {})
                | {"due_at": micros(now)}
            )
            ledger.connection.execute(exchanges.update().where(_x.name == new.name).values(**values))
            detail: Detail = {
                "url": new.url,
                "enabled": new.enabled,
                "interval_minutes": new.interval_minutes,
                "credentials_changed": credentials is not None,
                "anew": anew,
            }
            ledger.append(AuditEntry(at=now, actor=by, action="exchange.change", target=new.name, detail=detail))
        return self.state(new.name).exchange

    def remove(self, name: str, by: str) -> None:
        """Raises NotFound, or Conflict while it is being fetched."""
        with self._audit.transaction() as ledger:
            if self._held(_found(ledger.connection, name)):
                raise _busy()
            ledger.connection.execute(exchanges.delete().where(_x.name == name))
            ledger.connection.execute(exchange_runs.delete().where(_r.exchange == name))
            ledger.append(AuditEntry(at=self._clock.now(), actor=by, action="exchange.remove", target=name))

    # -- a fetch -------------------------------------------------------------------------------------------------------------------

    def begin(self, name: str, by: str) -> Begun:
        """Take the exchange. Raises NotFound, or Conflict while another holds it. A holder of this machine that is dead holds nothing."""
        now = self._clock.now()
        with self._sql.write() as connection:
            row = connection.execute(select(exchanges).where(_x.name == name).with_for_update()).first()
            if row is None:
                raise _missing()
            if self._held(row):
                raise _busy()
            dead = exchange_runs.update().where(_r.exchange == name, _r.ended_at.is_(None))
            connection.execute(dead.values(ended_at=micros(now), error="it was stopped before it could say why"))
            values = {"exchange": name, "started_at": micros(now), "by": by, "reasons": pack(()), "error": ""}
            counts = dict.fromkeys(("pages", "added", "changed", "withdrawn", "unchanged", "bad", "told"), 0)
            made = connection.execute(exchange_runs.insert().values(**values, **counts).returning(_r.id)).scalar_one()
            old = select(_r.id).where(_r.exchange == name).order_by(_r.id.desc()).offset(KEEP_RUNS)
            connection.execute(exchange_runs.delete().where(_r.id.in_(old)))
            lease = {"run": made, "lease_by": holder(), "lease_until": micros(now + LEASE)}
            connection.execute(exchanges.update().where(_x.name == name).values(**lease))
        sealed = row.checkpoint
        checkpoint = None if sealed is None else self._sealer.open(bytes(sealed), _context(name, "checkpoint"))
        return Begun(made, _exchange(row, self._opened(row)), self._opened(row), checkpoint)

    def write(self, connection: Connection, begun: Begun, told: Told, checkpoint: bytes | None) -> None:
        """In somebody's transaction: add to the counts, keep the checkpoint (None: as it is), go on holding.

        Raises Conflict where the exchange was taken from this fetch, so that the whole transaction is undone.
        """
        name = begun.exchange.name
        values: dict[str, Any] = {"lease_until": micros(self._clock.now() + LEASE)}
        if checkpoint is not None:
            values["checkpoint"] = self._sealer.seal(checkpoint, _context(name, "checkpoint"))
        held = exchanges.update().where(_x.name == name, _x.run == begun.run)
        if connection.execute(held.values(**values)).rowcount == 0:
            raise Conflict("another process fetches this exchange now")
        a = told.applied
        more = {"pages": told.pages, "added": a.added, "changed": a.changed, "withdrawn": a.withdrawn, "unchanged": a.unchanged}
        more |= {"bad": len(told.bad), "told": told.told}
        sums: dict[str, Any] = {key: _r[key] + value for key, value in more.items() if value}
        if told.bad:
            known = _reasons(connection.execute(select(_r.reasons).where(_r.id == begun.run)).scalar_one())
            sums["reasons"] = pack((known + told.bad)[:MOST_REASONS])
        if sums:
            connection.execute(exchange_runs.update().where(_r.id == begun.run).values(**sums))

    def note(self, begun: Begun, told: Told | None = None, checkpoint: bytes | None = None) -> None:
        """`write` in a transaction of its own: where nothing is applied, and to go on holding."""
        with self._sql.write() as connection:
            self.write(connection, begun, told or Told(), checkpoint)

    def end(self, begun: Begun, error: str, *, stopped: bool = False) -> ExchangeRun:
        """Let go, and say when it is due again: after its interval, or sooner after a failure, later after each further one.

        `stopped`: it was ended in the middle by whoever ran it, which is no failure; it is due at once.
        """
        error = error or ("stopped; the next fetch goes on from here" if stopped else "")
        name, now = begun.exchange.name, self._clock.now()
        with self._audit.transaction() as ledger:
            connection = ledger.connection
            connection.execute(exchange_runs.update().where(_r.id == begun.run).values(ended_at=micros(now), error=error))
            run = _run(connection.execute(select(exchange_runs).where(_r.id == begun.run)).one())
            row = connection.execute(select(exchanges).where(_x.name == name, _x.run == begun.run)).first()
            if row is not None:
                wait = timedelta(minutes=row.interval_minutes)
                free: dict[str, Any] = {"run": None, "lease_by": None, "lease_until": None, "failures": 0, "last_good_at": micros(now)}
                if stopped:
                    free |= {"failures": row.failures, "last_good_at": row.last_good_at}
                    wait = timedelta()
                elif error:
                    free |= {"failures": row.failures + 1, "last_good_at": row.last_good_at}
                    wait = min(wait, _AGAIN * 2 ** min(row.failures, 16))
                connection.execute(exchanges.update().where(_x.name == name).values(**free, due_at=micros(now + wait)))
            detail: Detail = {"added": run.added, "changed": run.changed, "withdrawn": run.withdrawn, "bad": run.bad, "error": error}
            ledger.append(AuditEntry(at=now, actor=run.by, action="exchange.run", target=name, detail=detail))
        return run

    def sources(self, bank: str, after: str, most: int) -> Sequence[tuple[str, str]]:
        """Ids of a bank's items that have a source's id, with that, in order."""
        i = bank_items.c
        page = select(i.id, i.source).where(i.bank == bank, i.id > after, i.source.is_not(None)).order_by(i.id).limit(most)
        with self._sql.read() as connection:
            return [(id, source) for id, source in connection.execute(page).all()]

    # -- rows ----------------------------------------------------------------------------------------------------------------------

    def _set(self, exchange: Exchange, credentials: Mapping[str, str]) -> dict[str, Any]:
        sealed = self._sealer.seal(pack(dict(credentials)), _context(exchange.name, "credentials")) if credentials else None
        return {
            "url": exchange.url,
            "options": pack(dict(exchange.options)),
            "enabled": exchange.enabled,
            "interval_minutes": exchange.interval_minutes,
            "credentials": sealed,
        }

    def _forgotten(self, name: str) -> bytes:
        """A checkpoint that no client can read: the list is read from its beginning, and what it does not hold any more is withdrawn."""
        return self._sealer.seal(b"", _context(name, "checkpoint"))

    def _opened(self, row: Any) -> dict[str, str]:
        if row.credentials is None:
            return {}
        return _options(self._sealer.open(bytes(row.credentials), _context(row.name, "credentials")))

    def _held(self, row: Any) -> bool:
        return row.run is not None and row.lease_until > micros(self._clock.now()) and not is_dead(row.lease_by)

    def _last(self, connection: Connection, name: str) -> ExchangeRun | None:
        row = connection.execute(select(exchange_runs).where(_r.exchange == name).order_by(_r.id.desc()).limit(1)).first()
        return None if row is None else _run(row)

    def _state(self, row: Any, last: ExchangeRun | None) -> ExchangeState:
        return ExchangeState(
            exchange=_exchange(row, self._opened(row)),
            running=self._held(row),
            last=last,
            last_good_at=_maybe(row.last_good_at),
            failures=row.failures,
            due_at=moment(row.due_at) if row.enabled else None,
        )


def _exchange(row: Any, credentials: Mapping[str, str]) -> Exchange:
    return Exchange(
        name=row.name,
        kind=ExchangeKind(row.kind),
        bank=row.bank,
        url=row.url,
        options=_options(row.options),
        enabled=bool(row.enabled),
        interval_minutes=row.interval_minutes,
        credentials=tuple(sorted(credentials)),
        created_at=moment(row.created_at),
    )


def _run(row: Any) -> ExchangeRun:
    counts = {key: getattr(row, key) for key in ("pages", "added", "changed", "withdrawn", "unchanged", "bad", "told")}
    return ExchangeRun(
        id=row.id,
        started_at=moment(row.started_at),
        ended_at=_maybe(row.ended_at),
        by=row.by,
        reasons=_reasons(row.reasons),
        error=row.error,
        **counts,
    )


def _maybe(stored: int | None) -> datetime | None:
    return None if stored is None else moment(stored)


def _found(connection: Connection, name: str) -> Any:
    row = connection.execute(select(exchanges).where(_x.name == name)).first()
    if row is None:
        raise _missing()
    return row


def _context(name: str, what: str) -> str:
    return f"exchange:{name}:{what}"


def _missing() -> NotFound:
    return NotFound("no such exchange", field="name")


def _busy() -> Conflict:
    return Conflict("it is being fetched just now", field="name")
