"""A person asks what is held about their account, or asks for it to be gone.

Erasure is not a way out for someone who harms children: what a decision preserved and what a person still has to look at stays,
and the answer says so plainly, line by line. All else goes; in the audit chain remain commitments (keyed macs) and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Table, and_, func, literal, or_, select

from nightlight.adapters.lifecycle.deletion import BATCH, deletable, delete_events, thorough
from nightlight.adapters.store.cases import CASE, case_of
from nightlight.adapters.store.ledger import Ledger
from nightlight.adapters.store.outbox import WAITING
from nightlight.adapters.store.rows import LIMIT, limit_of, pack
from nightlight.adapters.store.tables import (
    accounts,
    assessments,
    case_events,
    cases,
    decisions,
    event_accounts,
    events,
    facts,
    limits,
    micros,
    moment,
    outbox,
    signals,
    states,
    summaries,
    tails,
)
from nightlight.core.assessment import Assessment
from nightlight.core.case import CaseState
from nightlight.core.decision import Decision
from nightlight.core.detect import Fact
from nightlight.core.features import AccountSummary
from nightlight.core.ports import AuditEntry
from nightlight.core.signal import Signal

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database

ERASED = "erased"
"""Stands in the events of others where the account stood."""

_PAGE = 200


class Kept(Struct, frozen=True):
    """Something that may not be erased now, and why."""

    what: str
    """`event`, `case`, `limit`, `message` or `account`."""
    id: str
    why: str


class Erasure(Struct, frozen=True):
    commitment: str
    """Stands for the account in the audit chain: 64 hex digits."""
    erased: Mapping[str, int]
    """Rows by table."""
    kept: tuple[Kept, ...]

    @property
    def complete(self) -> bool:
        return not self.kept


class Person:
    """One account, known by the service's own id."""

    def __init__(self, database: Database, account: str) -> None:
        self._db = database
        self._name = account
        self._id = database.pseudonymiser("account", account)
        self._commitment = database.sealer.mac(f"account:{self._id}".encode()).hex()

    # -- erasure -------------------------------------------------------------------------------------------------------------------

    def erase(self, by: str) -> Erasure:
        """Erase what may be. May be called again: it goes on where it was stopped, and takes what has become free since."""
        total: Counter[str] = Counter()
        for step in (self._own_events, self._named_in):
            while True:
                with self._db.audit.transaction() as ledger, thorough(ledger.connection):
                    done = step(ledger.connection)
                    self._tell(ledger, "erase.step", by, done)
                if not done:
                    break
                total.update(done)
        with self._db.audit.transaction() as ledger, thorough(ledger.connection):
            kept = tuple(self._kept(ledger.connection))
            done = self._rest(ledger.connection, kept)
            total.update(done)
            detail = {**done, "kept": len(kept)}
            ledger.append(AuditEntry(at=self._db.clock.now(), actor=by, action="erase", target=self._commitment, detail=detail))
        return Erasure(self._commitment, {t: n for t, n in total.items() if n}, kept)

    def _tell(self, ledger: Ledger, action: str, by: str, done: Mapping[str, int]) -> None:
        if done:
            ledger.append(AuditEntry(at=self._db.clock.now(), actor=by, action=action, target=self._commitment, detail=dict(done)))

    def _own_events(self, connection: Connection) -> dict[str, int]:
        """What the account did: the whole event goes, with its decisions, signals and folded facts."""
        mine = select(events.c.id).join_from(events, event_accounts, event_accounts.c.event_id == events.c.id)
        mine = mine.where(event_accounts.c.account == self._id, events.c.actor == self._id, *deletable())
        ids = connection.execute(mine.limit(BATCH)).scalars().all()
        if not ids:
            return {}
        conversations = connection.execute(select(events.c.conversation).where(events.c.id.in_(ids)).distinct()).scalars().all()
        done = delete_events(connection, ids)
        left = select(events.c.conversation).where(events.c.conversation.in_(conversations))
        for conversation in set(conversations) - set(connection.execute(left).scalars()):
            self._forget(connection, conversation, done)
        return done

    def _forget(self, connection: Connection, conversation: str, done: dict[str, int]) -> None:
        """The memories of a conversation of which nothing is left."""
        for table, column in ((states, states.c.id), (assessments, assessments.c.subject_id), (tails, tails.c.direction)):
            # `}` follows `|` bytewise: the range is every key that begins with the conversation and a bar.
            within = or_(column == conversation, and_(column >= f"{conversation}|", column < f"{conversation}}}"))
            done[table.name] = done.get(table.name, 0) + connection.execute(table.delete().where(within)).rowcount

    def _named_in(self, connection: Connection) -> dict[str, int]:
        """What others did towards the account is theirs and stays; the account's part in it is struck out."""
        e = events.c
        theirs = select(e.id, e.sealed, e.accounts).join_from(events, event_accounts, event_accounts.c.event_id == e.id)
        theirs = theirs.where(event_accounts.c.account == self._id, e.actor != self._id, *deletable())
        found = connection.execute(theirs.limit(_PAGE)).all()
        for id, sealed, parties in found:
            body = msgspec.msgpack.decode(self._db.sealer.open(bytes(sealed), f"event:{id}"))
            others = tuple(a for a in msgspec.msgpack.decode(parties, type=tuple[str, ...]) if a != self._id)
            stripped = self._db.sealer.seal(msgspec.msgpack.encode(self._strike(body)), f"event:{id}")
            connection.execute(events.update().where(e.id == id).values(sealed=stripped, accounts=pack(others)))
            connection.execute(event_accounts.delete().where(event_accounts.c.account == self._id, event_accounts.c.event_id == id))
            self._strike_decisions(connection, id)
        ids = [id for id, *_ in found]
        about = or_(signals.c.actor == self._id, signals.c.protects == self._id, self._names(signals.c.subject_id))
        gone = connection.execute(signals.delete().where(signals.c.event_id.in_(ids), about)).rowcount if ids else 0
        return {"events_stripped": len(ids), "signals": gone} if ids else {}

    def _strike(self, body: dict[str, Any]) -> dict[str, Any]:
        targets = [{"account": ERASED} if t.get("account") == self._id else t for t in body.get("targets", ())]
        return {**body, "targets": targets} if "targets" in body else body

    def _strike_decisions(self, connection: Connection, event: str) -> None:
        """Decisions list the account summaries that they read."""
        d = decisions.c
        for mode, raw in connection.execute(select(d.mode, d.body).where(d.event_id == event)).all():
            decision = msgspec.msgpack.decode(raw, type=Decision)
            if any(account == self._id for account, _ in decision.summaries):
                rest = tuple(s for s in decision.summaries if s[0] != self._id)
                changed = decisions.update().where(d.event_id == event, d.mode == mode)
                connection.execute(changed.values(body=pack(replace(decision, summaries=rest))))

    def _rest(self, connection: Connection, kept: Sequence[Kept]) -> dict[str, int]:
        """What hangs on the account itself. While a case about it is open its memories stay: they are what the case rests on."""
        done: dict[str, int] = {}

        def delete(table: Table, *where: ColumnElement[bool]) -> None:
            if rows := connection.execute(table.delete().where(*where)).rowcount:
                done[table.name] = done.get(table.name, 0) + rows

        delete(limits, limits.c.account == self._id, limits.c.until <= micros(self._db.clock.now()))
        delete(limits, limits.c.account == self._id, limits.c.lifted_by.is_not(None))
        for key in self._messages(connection, waiting=False):
            delete(outbox, outbox.c.key == key)
        if not any(k.what in ("event", "case") for k in kept):
            a, f = assessments.c, facts.c
            delete(states, self._names(states.c.id))
            delete(assessments, or_(a.actor == self._id, a.protects == self._id, self._names(a.subject_id)))
            delete(summaries, summaries.c.account == self._id)
            delete(tails, self._names(tails.c.direction))
            delete(facts, or_(f.key_id == self._id, f.other == self._id, self._names(f.key_id)))
            closed = select(cases.c.id).where(cases.c.state != CaseState.OPEN.value, self._concerned())
            delete(case_events, case_events.c.case_id.in_(closed))
            delete(cases, cases.c.id.in_(closed))
        if not kept:
            delete(accounts, accounts.c.pseudonym == self._id)
        return done

    def _kept(self, connection: Connection) -> Iterator[Kept]:
        ea = event_accounts.c
        mine = select(events.c.id, events.c.preserved).join_from(events, event_accounts, ea.event_id == events.c.id)
        for id, preserved in connection.execute(mine.where(ea.account == self._id).order_by(events.c.seq)).all():
            yield Kept("event", id, "preserved as evidence" if preserved else "part of an open case")
        open_cases = select(cases.c.id).where(cases.c.state == CaseState.OPEN.value, self._concerned()).order_by(cases.c.id)
        for id in connection.execute(open_cases).scalars():
            yield Kept("case", id, "open: a person has still to decide")
        in_force = limits.c.until > micros(self._db.clock.now()), limits.c.lifted_by.is_(None)
        for id in connection.execute(select(limits.c.event_id).where(limits.c.account == self._id, *in_force)).scalars():
            yield Kept("limit", id, "in force: lift it first")
        for key in self._messages(connection, waiting=True):
            yield Kept("message", key, "waiting to be delivered")

    def _messages(self, connection: Connection, *, waiting: bool) -> list[str]:
        """Outbox rows whose sealed body names the account, under either id. Reads them all, one page at a time: it is asked rarely."""
        o = outbox.c
        names = [msgspec.json.encode(n) for n in (self._id, self._name)]
        state = o.state == WAITING if waiting else o.state != WAITING
        found, after = [], ""
        while page := connection.execute(select(o.key, o.sealed).where(state, o.key > after).order_by(o.key).limit(_PAGE)).all():
            for key, sealed in page:
                body = self._db.sealer.open(bytes(sealed), f"outbox:{key}")
                if any(name in body for name in names):
                    found.append(key)
            after = page[-1][0]
        return found

    def _names(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Keys name accounts between bars (`conversation|author|target`), or before an `@` (an account's own stream)."""
        padded = literal("|").op("||")(func.replace(column, "@", "|")).op("||")("|")
        return padded.contains(f"|{self._id}|", autoescape=True)

    def _concerned(self) -> ColumnElement[bool]:
        return or_(cases.c.actor == self._id, cases.c.protects == self._id, self._names(cases.c.subject_id))

    # -- export --------------------------------------------------------------------------------------------------------------------

    def export(self, by: str) -> Iterator[bytes]:
        """Everything held about the account, opened: one JSON object a line, each with `type`; no line where nothing is held.

        Recorded in the audit before the first line.
        """
        entry = AuditEntry(at=self._db.clock.now(), actor=by, action="export", target=self._commitment)
        self._db.audit.append([entry])
        known = bool(self._db.pipeline.original_accounts([self._id]))
        header = msgspec.json.encode({"type": "account", "account": self._name, "pseudonym": self._id}) + b"\n"
        if known:
            yield header
        for line in self._lines():
            if not known:
                yield header
                known = True
            yield msgspec.json.encode(line) + b"\n"

    def _lines(self) -> Iterator[dict[str, Any]]:
        yield from self._event_lines()
        a, f = assessments.c, facts.c
        where = or_(a.actor == self._id, a.protects == self._id, self._names(a.subject_id))
        for (body,) in self._all(assessments, [a.body], where):
            yield {"type": "assessment", "assessment": msgspec.msgpack.decode(body, type=Assessment)}
        s = states.c
        for id, kind, detector, version, raw in self._all(states, [s.id, s.kind, s.detector, s.version, s.raw], self._names(s.id)):
            state = msgspec.msgpack.decode(raw)
            yield {"type": "memory", "detector": detector, "version": version, "kind": kind, "key": id, "state": _plain(state)}
        for (body,) in self._all(summaries, [summaries.c.body], summaries.c.account == self._id):
            yield {"type": "summary", "summary": msgspec.msgpack.decode(body, type=AccountSummary)}
        for (body,) in self._all(facts, [f.body], or_(f.key_id == self._id, f.other == self._id, self._names(f.key_id))):
            yield {"type": "fact", "fact": msgspec.msgpack.decode(body, type=Fact)}
        for direction, sealed in self._all(tails, [tails.c.direction, tails.c.sealed], self._names(tails.c.direction)):
            yield {"type": "tail", "key": direction, "text": self._db.sealer.open(bytes(sealed), f"tail:{direction}").decode()}
        for row in self._all(limits, [limits.c[n] for n in LIMIT], limits.c.account == self._id):
            yield {"type": "limit", "limit": limit_of(row)}
        for row in self._all(cases, [cases.c[n] for n in CASE], self._concerned()):
            yield {"type": "case", "case": case_of(row)}
        with self._db.sql.read() as connection:
            keys = sorted([*self._messages(connection, waiting=True), *self._messages(connection, waiting=False)])
            sent = connection.execute(select(outbox.c.key, outbox.c.endpoint, outbox.c.sealed).where(outbox.c.key.in_(keys))).all()
        for key, endpoint, sealed in sent:
            body = msgspec.Raw(self._db.sealer.open(bytes(sealed), f"outbox:{key}"))
            yield {"type": "message", "key": key, "endpoint": endpoint, "body": body}

    def _event_lines(self) -> Iterator[dict[str, Any]]:
        e, after = events.c, 0
        mine = select(e.seq, e.id, e.received_at, e.expires_at, e.preserved, e.sealed)
        mine = mine.join_from(events, event_accounts, event_accounts.c.event_id == e.id).where(event_accounts.c.account == self._id)
        while page := self._read(mine.where(e.seq > after).order_by(e.seq).limit(_PAGE)):
            for seq, id, received_at, expires_at, preserved, sealed in page:
                after = seq
                body = msgspec.msgpack.decode(self._db.sealer.open(bytes(sealed), f"event:{id}"))
                times = {"received_at": moment(received_at), "expires_at": moment(expires_at)}
                yield {"type": "event", "event": body, "preserved": bool(preserved), **times}
                for mode, raw in self._read(select(decisions.c.mode, decisions.c.body).where(decisions.c.event_id == id)):
                    yield {"type": "decision", "mode": mode, "decision": msgspec.msgpack.decode(raw, type=Decision)}
                for (raw,) in self._read(select(signals.c.body).where(signals.c.event_id == id).order_by(signals.c.seq)):
                    yield {"type": "signal", "event": id, "signal": msgspec.msgpack.decode(raw, type=Signal)}

    def _all(self, table: Table, columns: Sequence[ColumnElement[Any]], where: ColumnElement[bool]) -> Sequence[Any]:
        return self._read(select(*columns).where(where).order_by(*table.primary_key.columns))

    def _read(self, statement: Any) -> Sequence[Any]:
        with self._db.sql.read() as connection:
            return connection.execute(statement).all()


def _plain(value: Any) -> Any:
    """A decoded msgpack value as JSON can show it: keys as text."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value
