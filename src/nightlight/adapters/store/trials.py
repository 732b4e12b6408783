"""`SqlTrials`: trials of messages. Counted are displays and what came of them, by variant; a display is a token of chance for a day."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store.deterrence_tables import trial_counts, trial_displays, trials
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.tables import micros, moment
from nightlight.adapters.store.terms import SqlTerms, add_one
from nightlight.core.clock import Clock
from nightlight.core.deterrence import Outcome, SearchAction, Trial, TrialPlan, TrialState
from nightlight.core.errors import Conflict, NotFound
from nightlight.core.ports import AuditEntry

TOLD_WITHIN = timedelta(days=1)
"""An outcome that comes later is not counted, and the display is forgotten."""
_SHOWN = "shown"


class SqlTrials:
    """Safe to use from several threads and processes."""

    def __init__(self, sql: Sql, audit: AuditLog, keys: Keyring, clock: Clock, terms: SqlTerms) -> None:
        self._sql, self._audit, self._clock, self._terms = sql, audit, clock, terms
        self._key = keys.derive("deterrence-trials")

    def create(self, plan: TrialPlan, by: str) -> Trial:
        """Begins at once. Raises Conflict where the name was used, or the category has a trial already."""
        now = self._clock.now()
        t = trials.c
        with self._audit.transaction() as ledger:
            connection = ledger.connection
            if connection.execute(select(t.name).where(t.name == plan.name)).first() is not None:
                raise Conflict("there is a trial of that name: a new one takes another", field="name")
            if connection.execute(select(t.name).where(t.category == plan.category, t.stopped_at.is_(None))).first() is not None:
                raise Conflict("that category has a trial that runs", field="category")
            row = msgspec.structs.asdict(plan) | {"variants": msgspec.json.encode(plan.variants).decode(), "outcome": plan.outcome.value}
            connection.execute(trials.insert().values(**row, created_at=micros(now), created_by=by))
            detail = {"category": plan.category, "variants": " ".join(plan.variants), "outcome": plan.outcome.value}
            detail |= {"baseline": plan.baseline, "effect": plan.effect, "alpha": plan.alpha, "power": plan.power}  # type: ignore[dict-item]
            ledger.append(AuditEntry(at=now, actor=by, action="trial.create", target=plan.name, detail=detail))
        return self.one(plan.name)

    def stop(self, name: str, by: str) -> Trial:
        """Its messages are shown no more by chance; outcomes of what was shown are counted for a day still. Stopped, it stays so."""
        now = self._clock.now()
        t = trials.c
        with self._audit.transaction() as ledger:
            found = ledger.connection.execute(select(t.stopped_at).where(t.name == name)).first()
            if found is None:
                raise NotFound("there is no such trial", field="name")
            if found.stopped_at is None:
                ledger.connection.execute(trials.update().where(t.name == name).values(stopped_at=micros(now), stopped_by=by))
                ledger.append(AuditEntry(at=now, actor=by, action="trial.stop", target=name))
        return self.one(name)

    def all(self) -> list[Trial]:
        """The newest first."""
        return self._read(select(trials).order_by(trials.c.created_at.desc(), trials.c.name))

    def one(self, name: str) -> Trial:
        found = self._read(select(trials).where(trials.c.name == name))
        if not found:
            raise NotFound("there is no such trial", field="name")
        return found[0]

    def running(self) -> dict[str, TrialPlan]:
        """By category."""
        t = trials.c
        with self._sql.read() as connection:
            return {row.category: _plan(row) for row in connection.execute(select(trials).where(t.stopped_at.is_(None)))}

    def assigned(self, plan: TrialPlan, assignment: str | None) -> int:
        """A variant: by chance, or the same for the same assignment, of which nothing is kept."""
        if assignment is None:
            return secrets.randbelow(len(plan.variants))
        told = f"{plan.name}\0{assignment}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hmac.digest(self._key, b"assign\0" + told, "sha256")) % len(plan.variants)

    def met(self, met: Sequence[tuple[str, str]], action: SearchAction, plan: TrialPlan | None, variant: int) -> str | None:
        """Count a search that met a term and, in a trial, the display. The token; None without a trial, or where it was just stopped."""
        now = self._clock.now()
        with self._sql.write() as connection:
            self._terms.count(connection, met, action, now)
            return self._show(connection, plan, variant, now) if plan is not None else None

    def _show(self, connection: Connection, plan: TrialPlan, variant: int, now: datetime) -> str | None:
        t = trials.c
        if connection.execute(select(t.name).where(t.name == plan.name, t.stopped_at.is_(None))).first() is None:
            return None
        token = secrets.token_hex(16)
        # To the hour: the moment would say which search it was.
        until = (now + TOLD_WITHIN).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        row = {"mac": self._mac(plan.name, token), "trial": plan.name, "variant": variant, "expires_at": micros(until)}
        connection.execute(trial_displays.insert().values(row))
        add_one(self._sql, connection, trial_counts, {"trial": plan.name, "variant": variant, "what": _SHOWN})
        return token

    def outcome(self, trial: str, token: str, outcome: Outcome) -> None:
        """Count it once. Raises NotFound for a token that is not known, was used, or is older than a day."""
        d = trial_displays.c
        this = (d.mac == self._mac(trial, token)) & (d.expires_at > micros(self._clock.now()))
        with self._sql.write() as connection:
            # Of two that come at once one deletes it, and that one counts.
            variant = connection.execute(trial_displays.delete().where(this).returning(d.variant)).scalar_one_or_none()
            if variant is None:
                raise NotFound("this token is not known, was used, or is older than a day", field="token")
            add_one(self._sql, connection, trial_counts, {"trial": trial, "variant": variant, "what": outcome.value})

    def expire(self, now: datetime) -> int:
        """Forget displays whose outcome was never told; how many."""
        due = trial_displays.c.expires_at <= micros(now)
        with self._sql.read() as connection:
            if connection.execute(select(trial_displays.c.variant).where(due).limit(1)).first() is None:
                return 0
        with self._sql.write() as connection:
            return connection.execute(trial_displays.delete().where(due)).rowcount

    def _mac(self, trial: str, token: str) -> bytes:
        return hmac.digest(self._key, f"token\0{trial}\0{token}".encode("utf-8", "surrogatepass"), "sha256")

    def _read(self, wanted: Any) -> list[Trial]:
        c = trial_counts.c
        with self._sql.read() as connection:
            rows = connection.execute(wanted).all()
            names = [row.name for row in rows]
            counted = connection.execute(select(c.trial, c.variant, c.what, c.count).where(c.trial.in_(names))).all()
        counts = {(trial, int(variant), what): int(n) for trial, variant, what, n in counted}
        return [_trial(row, counts) for row in rows]


def _plan(row: Any) -> TrialPlan:
    return TrialPlan(
        name=row.name,
        category=row.category,
        variants=msgspec.json.decode(row.variants, type=tuple[str, ...]),
        outcome=Outcome(row.outcome),
        baseline=row.baseline,
        effect=row.effect,
        alpha=row.alpha,
        power=row.power,
    )


def _trial(row: Any, counts: dict[tuple[str, int, str], int]) -> Trial:
    plan = _plan(row)
    variants = range(len(plan.variants))
    return Trial(
        plan=plan,
        state=TrialState.RUNNING if row.stopped_at is None else TrialState.STOPPED,
        created_at=moment(row.created_at),
        created_by=row.created_by,
        stopped_at=None if row.stopped_at is None else moment(row.stopped_at),
        stopped_by=row.stopped_by,
        shown=tuple(counts.get((plan.name, n, _SHOWN), 0) for n in variants),
        outcomes=tuple({o: counts[plan.name, n, o.value] for o in Outcome if (plan.name, n, o.value) in counts} for n in variants),
    )
