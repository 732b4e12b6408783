"""Signatures, declining, asking for a report after all, and appeals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, select

from nightlight.adapters.store.case_tables import case_appeals, case_steps
from nightlight.adapters.store.cases import perhaps
from nightlight.adapters.store.desk.base import checked, words
from nightlight.adapters.store.desk.verdicts import VerdictDesk
from nightlight.adapters.store.ledger import Ledger
from nightlight.adapters.store.tables import cases, micros, moment
from nightlight.core.case import (
    Appeal,
    AppealState,
    Case,
    CaseState,
    Consequence,
    Finding,
    Step,
    StepState,
    Verdict,
)
from nightlight.core.desk import Happening
from nightlight.core.errors import Conflict
from nightlight.core.ids import new_id
from nightlight.core.staff import DECIDERS, LEADS, Staff

APPEAL_WITHIN = timedelta(hours=24)
"""An appeal is due within a day: somebody may be shut out for nothing."""
_signed = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class ApprovalDesk(VerdictDesk):
    def decline(self, who: Staff, case: str, reason: str) -> Step:
        reason = words(reason, "reason", least=3)
        with self._changing(who, "decline a case", case) as (ledger, found):
            self._free_for(found, who)
            if found.state not in (CaseState.CONFIRMED, CaseState.FAILING):
                raise Conflict(f"a case that is {found.state} is not declined but judged", field="case")
            verdict = self._standing(ledger.connection, found)
            if verdict.mandatory and found.state is CaseState.CONFIRMED:
                raise Conflict("the law asks for this report; where that was wrong, appeal the verdict", field="case")
            return self._ask_for(ledger, who, found, verdict, Consequence.DECLINE, reason)

    def report(self, who: Staff, case: str, reason: str) -> Step:
        reason = words(reason, "reason", least=3)
        with self._changing(who, "report a case", case) as (ledger, found):
            self._free_for(found, who)
            if found.state is not CaseState.CONFIRMED:
                raise Conflict(f"this case is {found.state}", field="case")
            verdict = self._standing(ledger.connection, found)
            if any(s.state is StepState.APPROVED and s.verdict == verdict.id for s in self._steps(ledger.connection, case, "report")):
                raise Conflict("the report is approved already", field="case")
            return self._ask_for(ledger, who, found, verdict, Consequence.REPORT, reason)

    def _ask_for(self, ledger: Ledger, who: Staff, case: Case, verdict: Verdict, what: Consequence, reason: str) -> Step:
        if any(s.state is StepState.WAITING for s in self._steps(ledger.connection, case.id, what.value)):
            raise Conflict("this waits for a signature already", field="case")
        step = self._step(who, case, verdict, what, reason)
        self._put_step(ledger.connection, step)
        self._tell(ledger, who.audit, "step", case.id, step=step.id, consequence=what.value, needs=step.needs)
        self._carry_out(ledger, case, step, self._basis(ledger.connection, case))
        return step

    def _standing(self, connection: Connection, case: Case) -> Verdict:
        confirmed = [v for v in self._verdicts(connection, case.id) if v.finding is Finding.CONFIRMED]
        if not confirmed:
            raise Conflict("nobody confirmed this case", field="case")
        return confirmed[-1]

    # -- signatures ----------------------------------------------------------------------------------------------------------------

    def waiting_steps(self, who: Staff) -> Sequence[Step]:
        who.must_be(DECIDERS, "sign")
        s = case_steps.c
        with self._sql.read() as connection:
            found = connection.execute(select(case_steps).where(s.state == StepState.WAITING.value).order_by(s.asked_at).limit(500)).all()
        return [step for step in map(self._step_of, found) if who.id not in step.signed and self._helps(step, who)]

    def _helps(self, step: Step, who: Staff) -> bool:
        """Whether a signature brings it nearer: where only a lead's is missing, nobody else's does."""
        only_lead = step.needs_lead and not step.lead_signed and len(step.signed) >= step.needs - 1
        return not only_lead or who.role in LEADS

    def approve(self, who: Staff, step: str, *, yes: bool, reason: str) -> Step:
        who.must_be(DECIDERS, "sign")
        checked(step, "step")
        reason = reason.strip() if yes and not reason.strip() else words(reason, "reason")
        with self._audit.transaction("cases") as ledger:
            row = self._one(ledger.connection, case_steps, step, "step")
            case = self._load(ledger.connection, row.case_id)
            known = self._step_of(row)
            if case.appeal is not None:
                raise Conflict("an appeal is open: it is decided first", field="step")
            if yes and not self._helps(known, who):
                raise Conflict("only a lead's signature is missing", field="step")
            signed = self._book.sign(known, who, yes=yes, reason=reason, now=self._clock.now())
            self._put_step(ledger.connection, signed)
            told = {"step": step, "consequence": known.consequence.value, "state": signed.state.value}
            self._tell(ledger, who.audit, "sign" if yes else "refuse", case.id, **told)
            self._carry_out(ledger, case, signed, self._basis(ledger.connection, case))
            return signed

    def _steps(self, connection: Connection, case: str, consequence: str | None = None) -> list[Step]:
        s = case_steps.c
        wanted = select(case_steps).where(s.case_id == case).order_by(s.asked_at, s.id)
        if consequence is not None:
            wanted = wanted.where(s.consequence == consequence)
        return [self._step_of(row) for row in connection.execute(wanted).all()]

    def _step_of(self, row: Any) -> Step:
        return Step(
            id=row.id,
            case=row.case_id,
            verdict=row.verdict,
            consequence=Consequence(row.consequence),
            needs=row.needs,
            needs_lead=bool(row.needs_lead),
            signed=_signed(bytes(row.signed)),
            state=StepState(row.state),
            asked_at=moment(row.asked_at),
            lead_signed=bool(row.lead_signed),
            reason=self._open("step", row.id, row.reason),
            decided_at=perhaps(row.decided_at),
        )

    # -- appeals -------------------------------------------------------------------------------------------------------------------

    def appeal(self, who: Staff, case: str, text: str, account: str | None = None) -> Appeal:
        text = words(text, "text", least=3)
        if account is not None:
            checked(account, "account")
        with self._changing(who, "bring an appeal", case) as (ledger, found):
            if found.appeal is not None:
                raise Conflict("an appeal is open already", field="case")
            if found.state is CaseState.OPEN:
                raise Conflict("nobody has judged this case yet", field="case")
            brought = Appeal(id=new_id("appeal"), case=case, by=account or who.id, at=self._clock.now(), text=text)
            row = {"id": brought.id, "case_id": case, "by": brought.by, "at": micros(brought.at), "state": AppealState.WAITING.value}
            ledger.connection.execute(case_appeals.insert().values(**row, sealed=self._seal("appeal", brought.id, text), answer=b""))
            self._reopen(ledger, replace(found, appeal=brought.id), APPEAL_WITHIN)
            self._tell(ledger, who.audit, "appeal", case, appeal=brought.id)
            return brought

    def _reopen(self, ledger: Ledger, case: Case, within: timedelta, assigned_to: str | None = None) -> Case:
        now = self._clock.now()
        connection = ledger.connection
        opened = replace(
            case,
            state=self._book.after(case.state, Happening.REOPENED),
            updated_at=now,
            due_at=now + within,
            waiting_since=now,
            locked_by=None,
            locked_until=None,
            assigned_to=assigned_to,
            ended_at=None,
            why="",
            flags=tuple(dict.fromkeys((*case.flags, "reopened"))),
        )
        # What came in since has a case of its own, which goes on: one of the two is added to, never both.
        key = f"actor|{case.actor}" if case.actor is not None else None
        taken = key is not None and connection.execute(select(cases.c.id).where(cases.c.merges_by == key)).first() is not None
        return self._save(connection, opened, merges_by=None if taken else key)

    def _appeals(self, connection: Connection, case: str) -> list[Appeal]:
        a = case_appeals.c
        return [
            Appeal(
                id=row.id,
                case=row.case_id,
                by=row.by,
                at=moment(row.at),
                text=self._open("appeal", row.id, row.sealed),
                state=AppealState(row.state),
                decided_at=perhaps(row.decided_at),
                decided_by=row.decided_by,
                answer=self._open("appeal.answer", row.id, row.answer),
            )
            for row in connection.execute(select(case_appeals).where(a.case_id == case).order_by(a.at, a.id)).all()
        ]
