"""What was found and decided, read back in log order: for replay, for comparing shadow with live, and for tests of the store's laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import literal_column, select, tuple_

from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.rows import LIMIT, limit_of
from nightlight.adapters.store.tables import decisions, limits, micros, outbox, signals
from nightlight.core.decision import Decision, Mode
from nightlight.core.ports import ContactLimit
from nightlight.core.signal import Signal

_PAGE = 500
_signal = msgspec.msgpack.Decoder(Signal).decode
_decision = msgspec.msgpack.Decoder(Decision).decode


class SqlHistory:
    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    def signals(self, events: Sequence[str]) -> Mapping[str, Sequence[Signal]]:
        """The signals of those events, in the order they were given; an event without any is absent."""
        s = signals.c
        found: dict[str, list[Signal]] = {}
        with self._sql.read() as connection:
            for start in range(0, len(events), _PAGE):
                page = select(s.event_id, s.body).where(s.event_id.in_(events[start : start + _PAGE])).order_by(s.seq)
                for event, body in connection.execute(page):
                    found.setdefault(event, []).append(_signal(bytes(body)))
        return found

    def decided_by_both(self) -> Iterator[tuple[Decision, Decision]]:
        """Live and shadow decisions about the same event, by event id."""
        live, shadow = decisions.alias("live"), decisions.alias("shadow")
        both = select(live.c.event_id, live.c.body, shadow.c.body).join_from(live, shadow, live.c.event_id == shadow.c.event_id)
        both = both.where(live.c.mode == Mode.LIVE.value, shadow.c.mode == Mode.SHADOW.value).order_by(live.c.event_id)
        after = ""
        while True:
            with self._sql.read() as connection:
                page = connection.execute(both.where(live.c.event_id > after).limit(_PAGE)).all()
            if not page:
                return
            after = page[-1][0]
            for _, ours, theirs in page:
                yield _decision(bytes(ours)), _decision(bytes(theirs))

    def decided_lately(self, live: str, shadow: str, most: int) -> Iterator[tuple[Decision, Decision]]:
        """Live and shadow decisions of just these two versions about the same event, the latest first, at most so many."""
        ours, theirs = decisions.alias("live"), decisions.alias("shadow")
        both = select(theirs.c.at, theirs.c.event_id, ours.c.body, theirs.c.body)
        both = both.join_from(theirs, ours, ours.c.event_id == theirs.c.event_id)
        # The literals let the partial index on shadow's decisions be seen to fit.
        both = both.where(theirs.c.mode == literal_column("'shadow'"), theirs.c.policy == shadow)
        both = both.where(ours.c.mode == literal_column("'live'"), ours.c.policy == live)
        both = both.order_by(theirs.c.at.desc(), theirs.c.event_id.desc())
        last: tuple[int, str] | None = None
        while most > 0:
            page = both.limit(min(_PAGE, most))
            if last is not None:
                page = page.where(tuple_(theirs.c.at, theirs.c.event_id) < tuple_(*last))
            with self._sql.read() as connection:
                rows = connection.execute(page).all()
            for _, _, one, other in rows:
                yield _decision(bytes(one)), _decision(bytes(other))
            if len(rows) < min(_PAGE, most):
                return
            most -= len(rows)
            last = rows[-1][0], rows[-1][1]

    def limits_of(self, accounts: Sequence[str], at: datetime) -> Mapping[str, Sequence[ContactLimit]]:
        """Limits that ended after `at`, lifted ones too, by account."""
        c = limits.c
        found: dict[str, list[ContactLimit]] = {}
        wanted = select(*(c[n] for n in LIMIT)).where(c.account.in_(accounts), c.until > micros(at))
        with self._sql.read() as connection:
            for row in connection.execute(wanted):
                limit = limit_of(row)
                found.setdefault(limit.account, []).append(limit)
        return found

    def live_decisions(self, events: Sequence[str]) -> Mapping[str, int]:
        """How many live decisions each event has: one, or the store has broken its promise."""
        d = decisions.c
        found: Counter[str] = Counter()
        with self._sql.read() as connection:
            for start in range(0, len(events), _PAGE):
                page = select(d.event_id).where(d.event_id.in_(events[start : start + _PAGE]), d.mode == Mode.LIVE.value)
                found.update(row[0] for row in connection.execute(page))
        return found

    def outbox_keys(self) -> Mapping[str, str]:
        """Every effect that was ever to leave, with its state."""
        with self._sql.read() as connection:
            return {row.key: row.state for row in connection.execute(select(outbox.c.key, outbox.c.state))}
