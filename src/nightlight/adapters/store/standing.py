"""`SqlStanding`: what the gates ask the store about many accounts at once. Four indexed reads a call, whatever they find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct, field
from sqlalchemy import bindparam, func, select, text

from nightlight.adapters.store import rows
from nightlight.adapters.store.case_tables import case_verdicts
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.prepared import Prepared, among, listed
from nightlight.adapters.store.tables import assessments, cases, limits, micros, moment
from nightlight.adapters.store.trust_tables import trusted_contacts
from nightlight.core.assessment import Assessment
from nightlight.core.case import Finding
from nightlight.core.ports import ContactLimit

_assessment = msgspec.msgpack.Decoder(Assessment).decode
_RISKY = text("assessments.actor IS NOT NULL AND assessments.level <> 'none'")


class Held(Struct, frozen=True):
    """Accounts are pseudonyms."""

    limits: Mapping[str, Sequence[ContactLimit]] = field(default_factory=dict)
    """In force."""
    assessments: Sequence[Assessment] = ()
    """Of these accounts' conduct, as they were written, but for those that a person has since judged and not confirmed."""
    trusted: frozenset[tuple[str, str]] = frozenset()
    """Pairs of which one was asked about, each in order."""


class SqlStanding:
    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        x = limits.c
        in_force = select(*(x[n] for n in rows.LIMIT)).where(among(sql, x.account), x.until > bindparam("now"), x.lifted_by.is_(None))
        self._limits = Prepared(sql, in_force)
        a = assessments.c
        self._risky = Prepared(sql, select(a.body).where(_RISKY, among(sql, a.actor)))
        t = trusted_contacts.c
        self._trusted = Prepared(sql, select(t.first, t.second).where(among(sql, t.first)))
        v = case_verdicts.c
        cleared = select(cases.c.actor, func.max(v.at)).join_from(case_verdicts, cases, cases.c.id == v.case_id)
        cleared = cleared.where(among(sql, cases.c.actor), v.finding == Finding.NOT_CONFIRMED.value)
        self._cleared = Prepared(sql, cleared.group_by(cases.c.actor))

    def held(self, accounts: Iterable[str], now: datetime) -> Held:
        """`accounts`: pseudonyms. Each read sees what was committed when it began."""
        ids = listed(self._sql, accounts)
        with self._sql.read() as connection:
            found = [rows.limit_of(row) for row in self._limits.rows(connection, ids=ids, now=micros(now))]
            risky = self._risky.rows(connection, ids=ids)
            trusted = self._trusted.rows(connection, ids=ids)
            judged = self._cleared.rows(connection, ids=ids)
        by_account: dict[str, list[ContactLimit]] = {}
        for limit in found:
            if limit.binds(now):
                by_account.setdefault(limit.account, []).append(limit)
        cleared = {actor: moment(at) for actor, at in judged}
        read = [_assessment(body) for (body,) in risky]
        return Held(
            limits=by_account,
            # A person's word stands over a machine's, until something new is found.
            assessments=[one for one in read if one.actor not in cleared or one.at > cleared[one.actor]],
            trusted=frozenset((first, second) for first, second in trusted),
        )
