"""A person asks what is held about their account, or asks for it to be gone.

Erasure is not a way out for someone who harms children: what a decision preserved and what a person still has to look at stays,
and the answer says so plainly, line by line. All else goes, and ERASED stands where rows of others named the account. In the audit
chain, and in a file beside the database, remain commitments (keyed macs) and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, and_, exists, func, literal, or_, select

from nightlight.adapters.lifecycle.deletion import BATCH, clear_journal, deletable, delete_events, thorough, under_open_case
from nightlight.adapters.lifecycle.erasures import Erasures, Line
from nightlight.adapters.lifecycle.striking import ERASED, holds, struck
from nightlight.adapters.store.case_tables import OF_CASES, case_children, user_reports
from nightlight.adapters.store.cases import CASE, case_of, unended
from nightlight.adapters.store.help_tables import help_keeps
from nightlight.adapters.store.ledger import Ledger
from nightlight.adapters.store.outbox import WAITING
from nightlight.adapters.store.preserved import preserved_case, preserved_event
from nightlight.adapters.store.request_tables import preservations
from nightlight.adapters.store.rows import LIMIT, limit_of, pack
from nightlight.adapters.store.tables import (
    accounts,
    assessments,
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
from nightlight.adapters.store.trust_tables import of_trust, trusted_contacts
from nightlight.adapters.store.vault_tables import identities, vault_cases
from nightlight.core.assessment import Assessment
from nightlight.core.case import CaseState
from nightlight.core.decision import Decision
from nightlight.core.detect import Fact
from nightlight.core.features import AccountSummary
from nightlight.core.ports import AuditEntry
from nightlight.core.signal import Signal
from nightlight.core.vault import KnownIdentity

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database

_PAGE = 200
_PRESERVED = "preserved for an authority"
_WHY_CASE = {CaseState.FILED: "reported: kept as the law asks", CaseState.DECLINED: _PRESERVED}


class Kept(Struct, frozen=True):
    """Something that may not be erased now, and why."""

    what: str
    """`event`, `decision`, `case`, `preservation`, `evidence`, `limit`, or `message`."""
    id: str
    why: str


class Erasure(Struct, frozen=True):
    commitment: str
    """Stands for the account in the audit chain: 64 hex digits."""
    erased: Mapping[str, int]
    """Rows by table."""
    kept: tuple[Kept, ...]
    journal_cleared: bool | None = None
    """False: the database's journal was in use and still holds erased pages, sealed, until it is emptied; erasing again tries again.
    None on PostgreSQL."""

    @property
    def complete(self) -> bool:
        """Nothing was kept. (The audit chain names nobody: commitments stand there.)"""
        return not self.kept


class Place(Struct, frozen=True):
    """Where rows that are not the account's own may name it inside a packed value."""

    table: Table
    packed: str
    texts: tuple[str, ...] = ()
    """Columns that repeat an account of the packed value."""
    event: ColumnElement[str] | None = None
    """Of a row that hangs on an event: which."""


DECISIONS = Place(decisions, "body", event=func.coalesce(decisions.c.late_of, decisions.c.event_id))
SIGNALS = Place(signals, "body", ("actor", "protects"), event=signals.c.event_id)
STATES = Place(states, "raw")
ASSESSMENTS = Place(assessments, "body", ("actor", "protects"))
SUMMARIES = Place(summaries, "body")
FACTS = Place(facts, "body", ("other",))
LIMITS = Place(limits, "protects")


class Person:
    """One account, known by the service's own id."""

    def __init__(self, database: Database, account: str) -> None:
        self._db = database
        self._name: str | None = account
        self._id = database.pseudonymiser("account", account)
        self._commitment = commitment(database, self._id)

    @classmethod
    def known_as(cls, database: Database, pseudonym: str) -> Person:
        """One whose own id may be known no more."""
        person = cls(database, "")
        person._id, person._commitment = pseudonym, commitment(database, pseudonym)
        sealed = database.pipeline.original_accounts([pseudonym]).get(pseudonym)
        person._name = None if sealed is None else database.sealer.open(sealed, f"account:{pseudonym}").decode()
        return person

    # -- erasure -------------------------------------------------------------------------------------------------------------------

    def erase(self, by: str) -> Erasure:
        """Erase what may be. May be called again: it goes on where it was stopped, and takes what has become free since."""
        total: Counter[str] = Counter()
        # Before the first row goes and again after the last: a backup made meanwhile may hold what is half erased.
        self._remember()
        for step in (self._own_events, self._named_in):
            while True:
                with self._db.audit.transaction() as ledger, thorough(ledger.connection):
                    done = step(ledger.connection)
                    self._tell(ledger, "erase.step", by, done)
                if not done:
                    break
                total.update(done)
        refused = self._sweep([DECISIONS, SIGNALS], by, total)
        with self._db.sql.read() as connection:
            free = not _rests(self._kept(connection))
        if free:
            self._sweep([STATES, ASSESSMENTS, SUMMARIES, FACTS, LIMITS], by, total)
        with self._db.audit.transaction() as ledger, thorough(ledger.connection):
            found = list(self._kept(ledger.connection))
            listed = {k.id for k in found if k.what == "event"}
            kept = (*found, *(Kept("decision", id, "names the account in another's evidence") for id in refused if id not in listed))
            done = self._rest(ledger.connection, kept)
            total.update(done)
            detail = {**done, "kept": len(kept)}
            ledger.append(AuditEntry(at=self._db.clock.now(), actor=by, action="erase", target=self._commitment, detail=detail))
        self._remember()
        cleared = clear_journal(self._db.sql)
        if cleared is False:
            detail = {"cleared": False}
            entry = AuditEntry(at=self._db.clock.now(), actor=by, action="erase.journal", target=self._commitment, detail=detail)
            self._db.audit.append([entry])
        return Erasure(self._commitment, {t: n for t, n in total.items() if n}, kept, cleared)

    def _remember(self) -> None:
        Erasures(self._db.home).remember(Line(self._commitment, self._db.clock.now()))

    def _tell(self, ledger: Ledger, action: str, by: str, done: Mapping[str, int]) -> None:
        if done:
            ledger.append(AuditEntry(at=self._db.clock.now(), actor=by, action=action, target=self._commitment, detail=dict(done)))

    def _own_events(self, connection: Connection) -> dict[str, int]:
        """What the account did: the whole event goes, with its decisions, signals and folded facts. What it asked to be kept goes first."""
        mine_kept = help_keeps.c.account_mac == bytes.fromhex(self._commitment)
        if gone := connection.execute(help_keeps.delete().where(mine_kept)).rowcount:
            return {"help_keeps": gone}
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
        return {"events_stripped": len(found)} if found else {}

    def _strike(self, body: dict[str, Any]) -> dict[str, Any]:
        targets = [{"account": ERASED} if t.get("account") == self._id else t for t in body.get("targets", ())]
        return {**body, "targets": targets} if "targets" in body else body

    def _sweep(self, places: Sequence[Place], by: str, total: Counter[str]) -> list[str]:
        """Rows of others that name the account: looked for outside any transaction, struck in batches. Returns the events whose rows
        are evidence and stay as they are."""
        refused: dict[str, None] = {}
        for place in places:
            keys, event = list(place.table.primary_key.columns), place.event if place.event is not None else literal("")
            bound: ColumnElement[bool] = literal(False)
            if place.event is not None:
                of_event = or_(events.c.preserved.is_(True), under_open_case(), preserved_event())
                bound = exists(select(events.c.id).where(events.c.id == place.event, of_event))
            found = self._read(select(event, bound, *keys).where(self._left_in(place)))
            refused.update(dict.fromkeys(id for id, is_bound, *_ in found if is_bound))
            free = [tuple(key) for _, is_bound, *key in found if not is_bound]
            for begin in range(0, len(free), _PAGE):
                with self._db.audit.transaction() as ledger, thorough(ledger.connection):
                    done = self._strike_rows(ledger.connection, place, free[begin : begin + _PAGE], ~bound)
                    self._tell(ledger, "erase.step", by, done)
                total.update(done)
        return list(refused)

    def _strike_rows(
        self, connection: Connection, place: Place, wanted: Sequence[tuple[Any, ...]], free: ColumnElement[bool]
    ) -> dict[str, int]:
        t, keys = place.table, list(place.table.primary_key.columns)
        changed = gone = 0
        for key in wanted:
            this = and_(*(k == v for k, v in zip(keys, key, strict=True)), self._left_in(place), free)
            about = self._about(place).label("about")
            row = connection.execute(select(t.c[place.packed], about, *(t.c[n] for n in place.texts)).where(this)).first()
            if row is None:
                continue
            packed, is_about, *texts = row
            clean = struck(bytes(packed), self._id)
            if clean is None or (is_about and t is signals):
                gone += connection.execute(t.delete().where(this)).rowcount
                continue
            named = {n: ERASED for n, value in zip(place.texts, texts, strict=True) if value == self._id}
            changed += connection.execute(t.update().where(this).values({place.packed: clean, **named})).rowcount
        return {name: n for name, n in ((f"{t.name}_stripped", changed), (t.name, gone)) if n}

    def _left_in(self, place: Place) -> ColumnElement[bool]:
        """Rows for `_sweep`: whatever names the account, but for memories that `_rest` deletes whole."""
        t, about = place.table, self._about(place)
        inside = holds(self._db.sql, t.c[place.packed], self._id)
        if t is signals:
            return or_(about, inside)
        return or_(inside, *(t.c[n] == self._id for n in place.texts)) & ~about

    def _about(self, place: Place) -> ColumnElement[bool]:
        """Of a row: it is about the account itself, so that striking the name would leave nothing worth keeping."""
        t = place.table.c
        if place.table in (signals, assessments):
            named = or_(func.coalesce(t.actor, "") == self._id, func.coalesce(t.protects, "") == self._id)
            if place.table is assessments:
                at = (cases.c.subject_kind == t.subject_kind) & (cases.c.subject_id == t.subject_id) | (cases.c.actor == t.actor)
                named &= ~exists(select(cases.c.id).where(unended(), at))
            return or_(named, self._names(t.subject_id))
        if place.table is states:
            return self._names(t.id)
        if place.table is summaries:
            return t.account == self._id
        if place.table is facts:
            return or_(t.key_id == self._id, func.coalesce(t.other, "") == self._id, self._names(t.key_id))
        return literal(False)

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
        for table, mine in of_trust(self._id):
            delete(table, mine)
        if not _rests(kept):
            delete(identities, identities.c.account == self._id)
            for place in (STATES, ASSESSMENTS, SUMMARIES, FACTS):
                delete(place.table, self._about(place))
            delete(tails, self._names(tails.c.direction))
            # What an authority was told of is kept as the law asks; what it rests on with it.
            closed = select(cases.c.id).where(cases.c.state == CaseState.DECLINED.value, self._concerned(), ~preserved_case())
            for table in OF_CASES:
                delete(table, table.c.case_id.in_(closed))
            delete(cases, cases.c.id.in_(closed))
            # Another's case stays; that this child was in it does not.
            delete(case_children, case_children.c.account == self._id)
            open_ = exists(select(cases.c.id).where(cases.c.id == user_reports.c.case_id, unended()))
            delete(user_reports, user_reports.c.reporter_mac == bytes.fromhex(self._commitment), ~open_)
        if not kept:
            delete(accounts, accounts.c.pseudonym == self._id)
        return done

    def _kept(self, connection: Connection) -> Iterator[Kept]:
        ea = event_accounts.c
        mine = select(events.c.id, events.c.preserved, preserved_event() & ~under_open_case())
        mine = mine.join_from(events, event_accounts, ea.event_id == events.c.id)
        for id, preserved, asked_for in connection.execute(mine.where(ea.account == self._id).order_by(events.c.seq)).all():
            yield Kept("event", id, "preserved as evidence" if preserved else _PRESERVED if asked_for else "part of an open case")
        stays = or_(cases.c.state != CaseState.DECLINED.value, preserved_case())
        kept_cases = select(cases.c.id, cases.c.state).where(stays, self._concerned())
        for id, state in connection.execute(kept_cases.order_by(cases.c.id)).all():
            why = _WHY_CASE.get(CaseState(state), "open: a person has still to decide")
            yield Kept("case", id, why)
        asked = select(preservations.c.id, preservations.c.until).where(preservations.c.account == self._id)
        for id, until in connection.execute(asked.where(preservations.c.state == "active").order_by(preservations.c.id)).all():
            yield Kept("preservation", id, f"an authority asked to preserve it until {moment(until).date()}")
        v = vault_cases.c
        evidence = select(v.id, v.keep_until).where(holds(self._db.sql, v.facts, self._id)).order_by(v.id)
        for id, until in connection.execute(evidence).all():
            yield Kept("evidence", id, f"in the vault until {moment(until).date()}, or longer under a legal hold")
        r = user_reports.c
        told = select(r.id).join_from(user_reports, cases, cases.c.id == r.case_id)
        told = told.where(r.reporter_mac == bytes.fromhex(self._commitment), unended()).order_by(r.id)
        for id in connection.execute(told).scalars():
            yield Kept("case", id, "a report that a person has still to answer")
        in_force = limits.c.until > micros(self._db.clock.now()), limits.c.lifted_by.is_(None)
        for id in connection.execute(select(limits.c.event_id).where(limits.c.account == self._id, *in_force).distinct()).scalars():
            yield Kept("limit", id, "in force: lift it first")
        for key in self._messages(connection, waiting=True):
            yield Kept("message", key, "waiting to be delivered")

    def _messages(self, connection: Connection, *, waiting: bool) -> list[str]:
        """Outbox rows whose sealed body names the account, under either id, or whose key does.

        Reads them all, one page at a time: it is asked rarely.
        """
        o = outbox.c
        names = [msgspec.json.encode(n) for n in (self._id, self._name) if n is not None]
        state = o.state == WAITING if waiting else o.state != WAITING
        found, after = [], ""
        while page := connection.execute(
            select(o.key, o.cancel_key, o.sealed).where(state, o.key > after).order_by(o.key).limit(_PAGE)
        ).all():
            for key, cancel, sealed in page:
                body = self._db.sealer.open(bytes(sealed), f"outbox:{key}")
                if self._id in key or self._id in (cancel or "") or any(name in body for name in names):
                    found.append(key)
            after = page[-1][0]
        return found

    def _names(self, column: ColumnElement[str]) -> ColumnElement[bool]:
        """Keys name accounts between bars (`conversation|author|target`), or before an `@` (an account's own stream)."""
        padded = literal("|").op("||")(func.replace(column, "@", "|")).op("||")("|")
        return padded.contains(f"|{self._id}|", autoescape=True)

    def _concerned(self) -> ColumnElement[bool]:
        c, sql = cases.c, self._db.sql
        inside = holds(sql, c.events, self._id), holds(sql, c.reasons, self._id)
        named = holds(sql, c.subjects, self._id)
        child = exists(select(case_children.c.case_id).where(case_children.c.case_id == c.id, case_children.c.account == self._id))
        return or_(c.actor == self._id, c.protects == self._id, self._names(c.subject_id), child, named, *inside)

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
        for (body,) in self._all(assessments, [assessments.c.body], self._anywhere(ASSESSMENTS)):
            yield {"type": "assessment", "assessment": msgspec.msgpack.decode(body, type=Assessment)}
        s = states.c
        for id, kind, detector, version, raw in self._all(states, [s.id, s.kind, s.detector, s.version, s.raw], self._anywhere(STATES)):
            line = {"type": "memory", "detector": detector, "version": version, "kind": kind, "key": id}
            try:
                yield {**line, "state": _plain(msgspec.msgpack.decode(raw))}
            except (msgspec.DecodeError, UnicodeDecodeError):  # one that is damaged must not hide all that follows it
                yield {**line, "damaged": bytes(raw).hex()}
        for (body,) in self._all(summaries, [summaries.c.body], summaries.c.account == self._id):
            yield {"type": "summary", "summary": msgspec.msgpack.decode(body, type=AccountSummary)}
        for (body,) in self._all(facts, [facts.c.body], self._anywhere(FACTS)):
            yield {"type": "fact", "fact": msgspec.msgpack.decode(body, type=Fact)}
        for direction, sealed in self._all(tails, [tails.c.direction, tails.c.sealed], self._names(tails.c.direction)):
            yield {"type": "tail", "key": direction, "text": self._db.sealer.open(bytes(sealed), f"tail:{direction}").decode()}
        for row in self._all(limits, [limits.c[n] for n in LIMIT], limits.c.account == self._id):
            yield {"type": "limit", "limit": limit_of(row)}
        for first, second, since in self._all(trusted_contacts, list(trusted_contacts.c), of_trust(self._id)[0][1]):
            yield {"type": "trusted_contact", "other": second if first == self._id else first, "since": moment(since)}
        for row in self._all(cases, [cases.c[n] for n in CASE], self._concerned()):
            yield {"type": "case", "case": case_of(row, self._db.sealer)}
        for account, sealed in self._all(identities, [identities.c.account, identities.c.sealed], identities.c.account == self._id):
            yield {"type": "identity", "identity": msgspec.Raw(_known(self._db.sealer.open(bytes(sealed), f"identity:{account}")))}
        v = vault_cases.c
        for id, until, items in self._all(vault_cases, [v.id, v.keep_until, v["items"]], holds(self._db.sql, v.facts, self._id)):
            yield {"type": "evidence", "case": id, "items": items, "until": moment(until)}
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
                of_event = or_(decisions.c.event_id == id, decisions.c.late_of == id)
                for mode, raw in self._read(select(decisions.c.mode, decisions.c.body).where(of_event).order_by(*decisions.primary_key)):
                    yield {"type": "decision", "mode": mode, "decision": msgspec.msgpack.decode(raw, type=Decision)}
                for (raw,) in self._read(select(signals.c.body).where(signals.c.event_id == id).order_by(signals.c.seq)):
                    yield {"type": "signal", "event": id, "signal": msgspec.msgpack.decode(raw, type=Signal)}

        yield from self._named_elsewhere()

    def _named_elsewhere(self) -> Iterator[dict[str, Any]]:
        """What was decided and found about events that the account has no part in."""
        for place in (DECISIONS, SIGNALS):
            t, event = place.table, place.event
            linked = exists(
                select(event_accounts.c.event_id).where(event_accounts.c.account == self._id, event_accounts.c.event_id == event)
            )
            for (raw,) in self._all(t, [t.c.body], self._left_in(place) & ~linked):
                if t is decisions:
                    decision = msgspec.msgpack.decode(raw, type=Decision)
                    yield {"type": "decision", "mode": decision.mode, "decision": decision}
                else:
                    yield {"type": "signal", "signal": msgspec.msgpack.decode(raw, type=Signal)}

    def _anywhere(self, place: Place) -> ColumnElement[bool]:
        return or_(self._about(place), self._left_in(place))

    def _all(self, table: Table, columns: Sequence[ColumnElement[Any]], where: ColumnElement[bool]) -> Sequence[Any]:
        return self._read(select(*columns).where(where).order_by(*table.primary_key.columns))

    def _read(self, statement: Any) -> Sequence[Any]:
        with self._db.sql.read() as connection:
            return connection.execute(statement).all()


def commitment(database: Database, pseudonym: str) -> str:
    """Stands for an account where its pseudonym must not: 64 hex digits."""
    return database.sealer.mac(f"account:{pseudonym}".encode()).hex()


def _known(packed: bytes) -> bytes:
    return msgspec.json.encode(msgspec.msgpack.decode(packed, type=KnownIdentity))


def _rests(kept: Iterable[Kept]) -> bool:
    """Whether something is kept that the memories of the account are part of."""
    return any(k.what in ("event", "case", "preservation") for k in kept)


def _plain(value: Any) -> Any:
    """A decoded msgpack value as JSON can show it: keys as text."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, msgspec.msgpack.Ext):
        return {"extension": value.code, "data": bytes(value.data).hex()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
