"""`SqlPipelineStore`: the store of the pipeline. One micro-batch, one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, func, select
from sqlalchemy.exc import IntegrityError

from nightlight.adapters.store import rows
from nightlight.adapters.store.cases import CaseWriter
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.prepared import Prepared, Values, among, insert, insert_new, listed, upsert
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
    outbox,
    partitions,
    signals,
    states,
    summaries,
    tails,
)
from nightlight.core.assessment import Assessment
from nightlight.core.clock import Clock
from nightlight.core.decision import Decision, Mode
from nightlight.core.detect import Fact, Key, KeyKind
from nightlight.core.errors import Conflict, StaleHead
from nightlight.core.features import AccountSummary
from nightlight.core.harm import Harm
from nightlight.core.ports import ContactLimit, Decided, Head, SavedState, Sealer, StoredEvent, Work
from nightlight.core.signal import Subject

_LATEST_SIGNALS = 100_000

_decision = msgspec.msgpack.Decoder(Decision).decode
_assessment = msgspec.msgpack.Decoder(Assessment).decode
_summary = msgspec.msgpack.Decoder(AccountSummary).decode
_fact = msgspec.msgpack.Decoder(Fact).decode


class Writes:
    """Every statement of a commit, compiled; `batches` pairs them with the rows of a `Work`, in the order they are run."""

    def __init__(self, sql: Sql) -> None:
        self.events = insert(sql, events, rows.EVENT)
        self.event_accounts = insert(sql, event_accounts, rows.EVENT_ACCOUNT)
        self.decisions = insert(sql, decisions, rows.DECISION)
        self.signals = insert(sql, signals, rows.SIGNAL)
        self.states = upsert(sql, states, rows.STATE)
        self.assessments = upsert(sql, assessments, rows.ASSESSMENT)
        self.summaries = upsert(sql, summaries, rows.SUMMARY)
        self.facts = insert(sql, facts, rows.FACT)
        self.tails = upsert(sql, tails, rows.TAIL)
        self.limits = insert_new(sql, limits, rows.LIMIT)
        self.outbox = insert_new(sql, outbox, rows.OUTGOING)
        self.accounts = insert_new(sql, accounts, rows.ACCOUNT)
        absorbed = facts.update().where(facts.c.id == bindparam("fact")).values(absorbed_at=bindparam("now"))
        self.absorbed = Prepared(sql, absorbed)

    def batches(self, work: Work, sealer: Sealer, now: int) -> Iterator[tuple[Prepared, list[Values]]]:
        yield self.events, rows.events(work)
        yield self.event_accounts, rows.event_accounts(work)
        yield self.decisions, rows.decisions(work)
        yield self.signals, rows.signals(work)
        yield self.states, rows.states(work, now)
        yield self.assessments, rows.assessments(work)
        yield self.summaries, rows.summaries(work, now)
        yield self.facts, rows.facts(work)
        yield self.absorbed, [(now, id) for id in work.absorbed]
        yield self.tails, rows.tails(work)
        yield self.limits, rows.limits(work)
        yield self.outbox, rows.outgoing(work.outbox, sealer, now)
        yield self.accounts, rows.accounts(work, now)


class SqlPipelineStore:
    """Fills `core.ports.PipelineStore`, and lets stored events be read back. Safe to use from several threads."""

    def __init__(self, sql: Sql, audit: AuditLog, sealer: Sealer, clock: Clock) -> None:
        self._sql, self._audit, self._sealer, self._clock = sql, audit, sealer, clock
        self._writes = Writes(sql)
        self._cases = CaseWriter(sql, sealer)
        c = partitions.c
        self._head = Prepared(sql, select(c.name, c.position, c.epoch).where(c.name == bindparam("name")))
        e, d = events.c, decisions.c
        both = select(e.id, e.body_mac, d.body).join_from(events, decisions, e.id == d.event_id)
        self._decided = Prepared(sql, both.where(among(sql, e.id), d.mode == Mode.LIVE.value))
        taken = select(e.id).where(among(sql, e.id)).union_all(select(d.event_id).where(among(sql, d.event_id)))
        self._taken = Prepared(sql, taken)
        s = states.c
        self._states = Prepared(sql, select(s.detector, s.kind, s.id, s.version, s.raw).where(among(sql, s.id)))
        self._assessments = Prepared(sql, select(assessments.c.body).where(among(sql, assessments.c.subject_id)))
        self._summaries = Prepared(sql, select(summaries.c.account, summaries.c.body).where(among(sql, summaries.c.account)))
        t = tails.c
        self._tails = Prepared(sql, select(t.direction, t.sealed).where(among(sql, t.direction), t.expires_at > bindparam("now")))
        x = limits.c
        in_force = select(*(x[n] for n in rows.LIMIT)).where(among(sql, x.account), x.until > bindparam("now"), x.lifted_by.is_(None))
        self._limits = Prepared(sql, in_force.order_by(x.until))
        pending = select(facts.c.id, facts.c.body).where(facts.c.absorbed_at.is_(None)).order_by(facts.c.id)
        self._pending = Prepared(sql, pending.limit(bindparam("most")))
        whole = [e[n] for n in rows.EVENT]
        self._event = Prepared(sql, select(*whole).where(e.id == bindparam("id")))
        self._log = Prepared(sql, select(e.seq, *whole).where(e.seq > bindparam("after")).order_by(e.seq).limit(bindparam("most")))
        g = signals.c
        last = select(func.coalesce(func.max(g.seq), 0)).scalar_subquery()
        about = select(g.actor, g.event_id).where(g.seq > last - _LATEST_SIGNALS, g.subject_id == bindparam("id"), g.actor.is_not(None))
        about = about.where(g.subject_kind == bindparam("kind"), g.at >= bindparam("since"))
        self._sharers = Prepared(sql, about.order_by(g.seq))
        self._names = Prepared(sql, select(accounts.c.pseudonym, accounts.c.sealed).where(among(sql, accounts.c.pseudonym)))

    # -- the port ------------------------------------------------------------------------------------------------------------------

    def head(self, partition: str) -> Head:
        with self._sql.read() as connection:
            found = self._head.first(connection, name=partition)
        return Head(partition) if found is None else Head(*found)

    def claim(self, partition: str) -> Head:
        """Take over a partition: the epoch moves on, and whatever an earlier writer still computes is stale."""
        with self._audit.transaction(partition) as ledger:
            ledger.epoch += 1
        return Head(partition, ledger.position, ledger.epoch)

    def decided(self, ids: Sequence[str]) -> Mapping[str, Decided]:
        with self._sql.read() as connection:
            found = self._decided.rows(connection, ids=listed(self._sql, ids))
        return {id: Decided(bytes(mac), _decision(body)) for id, mac, body in found}

    def states(self, wanted: Sequence[tuple[str, Key]]) -> Mapping[tuple[str, Key], SavedState]:
        ids = listed(self._sql, dict.fromkeys(key.id for _, key in wanted))
        with self._sql.read() as connection:
            found = self._states.rows(connection, ids=ids)
        asked = set(wanted)
        saved = {(detector, Key(KeyKind(kind), id)): SavedState(version, bytes(raw)) for detector, kind, id, version, raw in found}
        return {at: state for at, state in saved.items() if at in asked}

    def assessments(self, subjects: Sequence[Subject]) -> Mapping[tuple[Subject, Harm], Assessment]:
        with self._sql.read() as connection:
            found = self._assessments.rows(connection, ids=listed(self._sql, dict.fromkeys(s.id for s in subjects)))
        asked = set(subjects)
        read = [_assessment(body) for (body,) in found]
        return {(a.subject, a.harm): a for a in read if a.subject in asked}

    def summaries(self, accounts: Sequence[str]) -> Mapping[str, AccountSummary]:
        with self._sql.read() as connection:
            found = self._summaries.rows(connection, ids=listed(self._sql, accounts))
        return {account: _summary(body) for account, body in found}

    def tails(self, directions: Sequence[str], now: datetime) -> Mapping[str, bytes]:
        with self._sql.read() as connection:
            found = self._tails.rows(connection, ids=listed(self._sql, directions), now=micros(now))
        return {direction: bytes(sealed) for direction, sealed in found}

    def limits(self, accounts: Sequence[str], now: datetime) -> Mapping[str, Sequence[ContactLimit]]:
        with self._sql.read() as connection:
            found = self._limits.rows(connection, ids=listed(self._sql, accounts), now=micros(now))
        by_account: dict[str, list[ContactLimit]] = {}
        for limit in map(rows.limit_of, found):
            if limit.binds(now):
                by_account.setdefault(limit.account, []).append(limit)
        return by_account

    def pending_facts(self, most: int) -> Sequence[tuple[int, Fact]]:
        with self._sql.read() as connection:
            return [(id, _fact(body)) for id, body in self._pending.rows(connection, most=most)]

    def commit(self, work: Work) -> None:
        """One transaction. Raises StaleHead where another writer moved the partition, and Conflict where an event id is taken
        (by another partition: within one, `decided` shows it first). Nothing was written then."""
        now = micros(self._clock.now())
        try:
            with self._audit.transaction(work.head.partition) as ledger:
                if (ledger.position, ledger.epoch) != (work.head.position, work.head.epoch):
                    raise StaleHead(work.head.partition)
                for statement, values in self._writes.batches(work, self._sealer, now):
                    statement.many(ledger.connection, values)
                self._cases.write(ledger.connection, work.cases, now)
                ledger.append(*work.audit)
                ledger.advance(work.advance)
        except IntegrityError as error:
            raise self._clash(work, error) from error

    # -- reading back --------------------------------------------------------------------------------------------------------------

    def event(self, id: str) -> StoredEvent | None:
        with self._sql.read() as connection:
            found = self._event.first(connection, id=id)
        return None if found is None else rows.stored_event(found)

    def sharers(self, subject: Subject, since: datetime) -> Mapping[str, str]:
        with self._sql.read() as connection:
            found = self._sharers.rows(connection, id=subject.id, kind=subject.kind.value, since=micros(since))
        return {str(actor): str(event) for actor, event in found}

    def events(self, after: int = 0, most: int = 1000) -> Sequence[tuple[int, StoredEvent]]:
        """A page of the log, in log order, with each event's number: pass the last one as `after` to go on."""
        with self._sql.read() as connection:
            return [(seq, rows.stored_event(row)) for seq, *row in self._log.rows(connection, after=after, most=most)]

    def original_accounts(self, pseudonyms: Sequence[str]) -> Mapping[str, bytes]:
        """The service's own ids, each sealed with context `account:<pseudonym>`; unknown pseudonyms are absent."""
        with self._sql.read() as connection:
            found = self._names.rows(connection, ids=listed(self._sql, pseudonyms))
        return {pseudonym: bytes(sealed) for pseudonym, sealed in found}

    def counts(self) -> Mapping[str, int]:
        """For a status page: cheap, since nothing large is counted row by row. `events` were ever committed, by position."""
        with self._sql.read() as connection:
            return _counts(connection)

    def _clash(self, work: Work, error: IntegrityError) -> Exception:
        """Two transactions wrote the same new thing. An id that is taken will not become free; a case that two partitions opened at
        once is there when the batch is computed again."""
        ids = [e.id for e in work.events]
        deciding = [(d.event_id, d.mode) for d in work.decisions]
        if len(set(ids)) < len(ids) or len(set(deciding)) < len(deciding):
            return Conflict("one batch holds the same event id twice", field="id")
        with self._sql.read() as connection:
            asked = listed(self._sql, dict.fromkeys((*ids, *(id for id, _ in deciding))))
            if self._taken.first(connection, ids=asked) is not None:
                return Conflict("this event id is taken", field="id")
        return StaleHead(work.head.partition) if work.cases else error


def _counts(connection: Connection) -> Mapping[str, int]:
    waiting = outbox.c.state
    found = {
        "positions": select(func.coalesce(func.sum(partitions.c.position), 0)),
        "open_cases": select(func.count()).select_from(cases).where(cases.c.state == "open"),
        "outbox_waiting": select(func.count()).select_from(outbox).where(waiting == "waiting"),
        "outbox_dead": select(func.count()).select_from(outbox).where(waiting == "dead"),
        "facts_pending": select(func.count()).select_from(facts).where(facts.c.absorbed_at.is_(None)),
    }
    return {name: int(connection.execute(statement).scalar_one()) for name, statement in found.items()}
