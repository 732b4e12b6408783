"""Verdicts, and what follows from them: at once, or once as many people signed as the service's rules ask for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, select

from nightlight.adapters.store import rows
from nightlight.adapters.store.case_tables import (
    case_appeals,
    case_findings,
    case_orders,
    case_reviews,
    case_steps,
    case_verdicts,
    user_reports,
)
from nightlight.adapters.store.desk.base import words
from nightlight.adapters.store.desk.work import WorkDesk
from nightlight.adapters.store.ledger import Ledger
from nightlight.adapters.store.prepared import AnySelect, insert, insert_new, upsert
from nightlight.adapters.store.tables import assessments, case_events, cases, decisions, events, limits, micros, outbox
from nightlight.core.assessment import Assessment
from nightlight.core.case import (
    AppealState,
    Case,
    CaseState,
    Consequence,
    Finding,
    Order,
    OrderKind,
    Peers,
    Step,
    StepState,
    Verdict,
)
from nightlight.core.decision import LATE, Action, Decision, ReportAccount, SanctionAccount
from nightlight.core.desk import Consequences, Happening, Judgement, Outcome
from nightlight.core.errors import Conflict, Denied, Invalid
from nightlight.core.ids import new_id
from nightlight.core.ports import ContactLimit, Head, StoredEvent, Work
from nightlight.core.staff import Staff
from nightlight.core.user_report import UserReportState

LONGEST_LIMIT = timedelta(days=366)
CONFIRMED_KEPT = timedelta(days=365)
"""What a report points at is kept this long once a person confirmed it (18 USC 2258A(h): one year)."""
OVERTURNED = "overturned"
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_decision = msgspec.msgpack.Decoder(Decision).decode
_assessment = msgspec.msgpack.Decoder(Assessment).decode
_texts = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_SANCTIONS = frozenset({Consequence.SUSPENSION, Consequence.BAN})


_NOWHERE = Head("")


def _linked(case: str) -> AnySelect:
    """Every event of a case: more than the latest that its row lists."""
    return select(case_events.c.event_id).where(case_events.c.case_id == case)


class Basis(Struct, frozen=True, kw_only=True):
    """What a verdict is carried out on."""

    event: StoredEvent | None
    """The latest act that the case is about. None: nothing of it is kept any more."""
    assessments: tuple[Assessment, ...]
    limits: tuple[ContactLimit, ...]


class VerdictDesk(WorkDesk):
    def verdict(self, who: Staff, case: str, judgement: Judgement) -> Outcome:
        reason = words(judgement.reason, "reason", least=3)
        self._check_limit(judgement)
        with self._changing(who, "judge a case", case) as (ledger, found):
            self._held(found, who)
            before = self._verdicts(ledger.connection, found.id)
            self._may_judge(found, who, before)
            verdict = Verdict(
                case=case,
                reviewer=who.id,
                finding=judgement.finding,
                reason=reason,
                at=self._clock.now(),
                id=new_id("verdict"),
                harm=judgement.harm or found.harm,
                appeal=found.appeal,
                mandatory=judgement.mandatory and judgement.finding is Finding.CONFIRMED,
                danger_ahead=judgement.danger_ahead,
            )
            return self._judged(ledger, who, found, verdict, judgement, before)

    def _check_limit(self, judgement: Judgement) -> None:
        change, now = judgement.limit, self._clock.now()
        if change is None:
            return
        if change.lift == (change.extend_to is not None):
            raise Invalid("lift it or extend it, one of the two", field="limit")
        if change.extend_to is not None and not now < change.extend_to <= now + LONGEST_LIMIT:
            raise Invalid("a limit can be extended into the future, a year at most", field="limit.extend_to")
        if change.lift and judgement.finding is Finding.CONFIRMED and judgement.danger_ahead:
            raise Invalid("a child is in danger: the limit stays", field="limit.lift")

    def _may_judge(self, case: Case, who: Staff, before: Sequence[Verdict]) -> None:
        if case.opinion:
            raise Conflict("a second opinion is asked for and not yet given", field="case")
        if case.appeal is not None and any(v.reviewer == who.id for v in before):
            raise Denied("an appeal goes to somebody who has not judged the case", field="case")

    def _judged(self, ledger: Ledger, who: Staff, case: Case, verdict: Verdict, judgement: Judgement, before: Sequence[Verdict]) -> Outcome:
        connection, now = ledger.connection, self._clock.now()
        last = next((v.finding for v in reversed(before) if v.finding is not Finding.NEEDS_MORE), None)
        state = self._book.after(case.state, Happening(verdict.finding.value))
        if verdict.finding is Finding.NEEDS_MORE:
            self._keep(connection, verdict, None)
            saved = self._save(connection, replace(self._unlocked(case), updated_at=now))
            self._tell(ledger, who.audit, "verdict", case.id, verdict=verdict.id, finding=verdict.finding.value)
            return Outcome(case=saved, verdict=verdict, steps=(), orders=(), actions=())
        basis = self._basis(connection, case)
        again = verdict.finding is Finding.CONFIRMED and last is Finding.CONFIRMED
        decision = None if again or basis.event is None or self._policy is None else self._ask(case, verdict, basis)
        self._keep(connection, verdict, decision)
        if not again:
            self._drop_steps(ledger, case.id)
        orders = self._overturn(ledger, case, verdict) if last is Finding.CONFIRMED and not again else ()
        asked, withheld = self._asked(connection, case, verdict, judgement, decision) if not again else (frozenset(), frozenset())
        at_once = self._at_once(ledger, case, basis, decision)
        steps, more = self._begin_steps(ledger, who, case, verdict, asked, basis)
        self._limit(ledger, who, case, verdict, judgement)
        ended = state.has_ended
        if again and self._was_filed(connection, case.id):
            state, ended = self._book.after(case.state, Happening.FILED), True
        saved = self._save(
            connection,
            replace(
                case,
                state=state,
                updated_at=now,
                locked_by=None,
                locked_until=None,
                waiting_since=None if ended else now,
                appeal=None,
                ended_at=now if ended else None,
                why=verdict.reason if state is CaseState.DECLINED else "",
                harm=verdict.harm,
                queue="reporting" if state is CaseState.CONFIRMED else case.queue,
            ),
            merges_by=None,
        )
        self._answer(ledger, case, verdict, last)
        self._count(connection, case, verdict, basis.assessments)
        drawn = verdict.appeal is None and self._draw(connection, verdict)
        actions = tuple(dict.fromkeys(str(a.__struct_config__.tag) for a in at_once))
        self._tell(
            ledger,
            who.audit,
            "verdict",
            case.id,
            verdict=verdict.id,
            finding=verdict.finding.value,
            harm=verdict.harm.value if verdict.harm is not None else None,
            mandatory=verdict.mandatory,
            actions=",".join(actions),
            withheld=",".join(sorted(withheld)),
        )
        return Outcome(
            case=saved,
            verdict=verdict,
            steps=steps,
            orders=(*orders, *more),
            actions=actions,
            withheld=tuple(sorted(withheld)),
            review_drawn=drawn,
        )

    # -- what it is carried out on -------------------------------------------------------------------------------------------------

    def _basis(self, connection: Connection, case: Case) -> Basis:
        e = events.c
        whole = [e[n] for n in rows.EVENT]
        mine = select(*whole).where(e.id.in_(_linked(case.id))).order_by(e.seq.desc())
        found = connection.execute(mine.where(e.actor == case.actor).limit(1)).first() if case.actor is not None else None
        found = found or connection.execute(mine.limit(1)).first()
        a = assessments.c
        about = select(a.body).where(a.subject_id.in_([s.id for s in case.subjects]))
        read = [_assessment(body) for (body,) in connection.execute(about).all()]
        account = case.actor
        held = select(*(limits.c[n] for n in rows.LIMIT)).where(limits.c.account == account, limits.c.lifted_by.is_(None))
        held = held.where(limits.c.until > micros(self._clock.now()))
        return Basis(
            event=rows.stored_event(found) if found is not None else None,
            assessments=tuple(x for x in read if x.subject in case.subjects and (case.actor is None or x.actor in (None, case.actor))),
            limits=tuple(rows.limit_of(row) for row in connection.execute(held).all()) if account is not None else (),
        )

    def _ask(self, case: Case, verdict: Verdict, basis: Basis) -> Decision:
        if self._policy is None or basis.event is None:
            raise RuntimeError("nothing to ask")
        decision = self._policy.judge(case, verdict, basis.event, basis.assessments, basis.limits)
        return replace(decision, event_id=f"{basis.event.id}{LATE}{verdict.id}")

    def _keep(self, connection: Connection, verdict: Verdict, decision: Decision | None) -> None:
        sealed = self._sealer.seal(rows.pack(verdict), f"verdict:{verdict.id}")
        row = {"id": verdict.id, "case_id": verdict.case, "reviewer": verdict.reviewer, "finding": verdict.finding.value}
        packed = rows.pack(decision) if decision is not None else b""
        connection.execute(case_verdicts.insert().values(**row, at=micros(verdict.at), sealed=sealed, decision=packed))
        if decision is not None:
            insert(self._sql, decisions, rows.DECISION).many(
                connection, rows.decisions(Work(head=_NOWHERE, advance=0, decisions=[decision]))
            )

    def _verdicts(self, connection: Connection, case: str) -> list[Verdict]:
        v = case_verdicts.c
        found = connection.execute(select(v.id, v.sealed).where(v.case_id == case).order_by(v.at, v.id)).all()
        return [_verdict(self._sealer.open(bytes(sealed), f"verdict:{id}")) for id, sealed in found]

    # -- consequences --------------------------------------------------------------------------------------------------------------

    def _asked(
        self, connection: Connection, case: Case, verdict: Verdict, judgement: Judgement, decision: Decision | None
    ) -> tuple[frozenset[Consequence], frozenset[Consequence]]:
        """What waits for signatures, and what is not done at all."""
        if verdict.finding is not Finding.CONFIRMED:
            return frozenset(), frozenset()
        actions = decision.actions if decision is not None else ()
        asked = {Consequence.BAN if a.permanent else Consequence.SUSPENSION for a in actions if isinstance(a, SanctionAccount)}
        by_rule = any(isinstance(a, ReportAccount) for a in actions)
        report = judgement.report if judgement.report is not None else case.peers is not Peers.ASSURED or by_rule
        if report or verdict.mandatory:
            asked.add(Consequence.REPORT)
        withheld = asked & _SANCTIONS if self._rests_on_words_alone(connection, case) else set()
        return frozenset(asked - withheld), frozenset(withheld)

    def _rests_on_words_alone(self, connection: Connection, case: Case) -> bool:
        """Nothing but unverified or anonymous reports stands behind it: then nobody is sanctioned, whoever confirms it."""
        r = user_reports.c
        found = connection.execute(select(r.event_id, r.verified).where(r.case_id == case.id)).all()
        told = {event for event, _ in found}
        return bool(found) and not any(verified for _, verified in found) and all(event in told for event in case.events)

    def _at_once(self, ledger: Ledger, case: Case, basis: Basis, decision: Decision | None) -> tuple[Action, ...]:
        if decision is None:
            return ()
        part = tuple(a for a in decision.actions if not isinstance(a, SanctionAccount | ReportAccount))
        self._perform(ledger, case, basis, replace(decision, actions=part))
        return part

    def _perform(self, ledger: Ledger, case: Case, basis: Basis, decision: Decision) -> None:
        if self._policy is None or basis.event is None or not decision.actions:
            return
        connection, now = ledger.connection, micros(self._clock.now())
        names = self._names(connection, basis.event.accounts)
        done: Consequences = self._policy.perform(case, basis.event, decision, basis.assessments, names)
        work = Work(head=_NOWHERE, advance=0, limits=done.limits)
        insert_new(self._sql, limits, rows.LIMIT).many(connection, rows.limits(work))
        insert_new(self._sql, outbox, rows.OUTGOING).many(connection, rows.outgoing(done.outbox, self._sealer, now))
        self._writer.write(connection, done.cases, now)
        if done.preserve:
            connection.execute(events.update().where(events.c.id.in_(_linked(case.id))).values(preserved=True))

    def _begin_steps(
        self, ledger: Ledger, who: Staff, case: Case, verdict: Verdict, asked: frozenset[Consequence], basis: Basis
    ) -> tuple[tuple[Step, ...], tuple[Order, ...]]:
        steps, orders = [], []
        for consequence in sorted(asked):
            step = self._step(who, case, verdict, consequence)
            self._put_step(ledger.connection, step)
            self._tell(ledger, who.audit, "step", case.id, step=step.id, consequence=consequence.value, needs=step.needs)
            steps.append(step)
            orders.extend(self._carry_out(ledger, case, step, basis))
        return tuple(steps), tuple(orders)

    def _step(self, who: Staff, case: Case, verdict: Verdict, consequence: Consequence, reason: str = "") -> Step:
        need = self._book.needed(consequence, case.peers, mandatory=verdict.mandatory)
        step = Step(
            id=new_id("step"),
            case=case.id,
            verdict=verdict.id,
            consequence=consequence,
            needs=need.people,
            needs_lead=need.lead,
            signed=(),
            state=StepState.WAITING,
            asked_at=self._clock.now(),
            reason=reason,
        )
        return self._book.begin(step, who)

    def _put_step(self, connection: Connection, step: Step) -> None:
        columns = ("id", "case_id", "verdict", "consequence", "needs", "needs_lead", "signed", "lead_signed", "state", "asked_at")
        first = (step.id, step.case, step.verdict, step.consequence.value, step.needs, step.needs_lead, rows.pack(step.signed))
        decided = micros(step.decided_at) if step.decided_at is not None else None
        rest = (step.lead_signed, step.state.value, micros(step.asked_at), decided, self._seal("step", step.id, step.reason))
        upsert(self._sql, case_steps, (*columns, "decided_at", "reason")).many(connection, [(*first, *rest)])

    def _carry_out(self, ledger: Ledger, case: Case, step: Step, basis: Basis) -> list[Order]:
        """What an approved step brings about; nothing while it waits."""
        if step.state is not StepState.APPROVED:
            return []
        if step.consequence is Consequence.REPORT:
            return [self._order(ledger, case.id, OrderKind.FILE, step.verdict, step.signed)]
        if step.consequence is Consequence.DECLINE:
            self._end_declined(ledger, case, step)
            return []
        decision = self._decided(ledger.connection, step.verdict)
        if decision is not None:
            part = tuple(a for a in decision.actions if isinstance(a, SanctionAccount))
            self._perform(ledger, case, basis, replace(decision, actions=part))
        return []

    def _decided(self, connection: Connection, verdict: str) -> Decision | None:
        v = case_verdicts.c
        packed = bytes(connection.execute(select(v.decision).where(v.id == verdict)).scalar_one())
        return _decision(packed) if packed else None

    def _end_declined(self, ledger: Ledger, case: Case, step: Step) -> None:
        now = self._clock.now()
        state = self._book.after(case.state, Happening.DECLINE_SIGNED)
        self._finish_orders(ledger.connection, case.id, "declined")
        ended = replace(case, state=state, ended_at=now, updated_at=now, waiting_since=None, why=step.reason)
        self._save(ledger.connection, replace(ended, locked_by=None, locked_until=None), merges_by=None)
        self._tell(ledger, "system", "declined", case.id, step=step.id)

    # -- orders --------------------------------------------------------------------------------------------------------------------

    def _order(self, ledger: Ledger, case: str, kind: OrderKind, verdict: str, by: Sequence[str]) -> Order:
        order = Order(id=new_id("order"), case=case, kind=kind, at=self._clock.now(), verdict=verdict, approved_by=tuple(by))
        row = {"id": order.id, "case_id": case, "kind": kind.value, "at": micros(order.at), "verdict": verdict, "result": ""}
        ledger.connection.execute(case_orders.insert().values(**row, approved_by=rows.pack(order.approved_by)))
        self._tell(ledger, "system", "order", case, order=order.id, kind=kind.value)
        return order

    def _finish_orders(self, connection: Connection, case: str, result: str) -> None:
        o = case_orders.c
        undone = case_orders.update().where(o.case_id == case, o.kind == OrderKind.FILE.value, o.done_at.is_(None))
        connection.execute(undone.values(done_at=micros(self._clock.now()), result=result))

    def _was_filed(self, connection: Connection, case: str) -> bool:
        o = case_orders.c
        filed = select(o.id).where(o.case_id == case, o.kind == OrderKind.FILE.value, o.result.startswith("filed "))
        return connection.execute(filed).first() is not None

    def _overturn(self, ledger: Ledger, case: Case, verdict: Verdict) -> tuple[Order, ...]:
        """What was found before does not stand: undo what followed from it."""
        connection, orders = ledger.connection, []
        o = case_orders.c
        known = connection.execute(select(o.id, o.done_at, o.result).where(o.case_id == case.id, o.kind == OrderKind.FILE.value)).all()
        self._finish_orders(connection, case.id, OVERTURNED)
        if any(row.done_at is None for row in known):
            orders.append(self._order(ledger, case.id, OrderKind.RETRACT, verdict.id, (verdict.reviewer,)))
        if any(row.result.startswith("filed ") for row in known):
            orders.append(self._order(ledger, case.id, OrderKind.CORRECT, verdict.id, (verdict.reviewer,)))
        orders.append(self._order(ledger, case.id, OrderKind.WITHDRAW_HASHES, verdict.id, (verdict.reviewer,)))
        self._restore(connection, case, verdict)
        return tuple(orders)

    def _restore(self, connection: Connection, case: Case, verdict: Verdict) -> None:
        s = case_steps.c
        sanctioned = select(s.id).where(s.case_id == case.id, s.state == StepState.APPROVED.value)
        sanctioned = sanctioned.where(s.consequence.in_([c.value for c in _SANCTIONS]))
        if case.actor is None or self._policy is None or connection.execute(sanctioned).first() is None:
            return
        name = self._names(connection, [case.actor]).get(case.actor)
        if name is not None:
            messages = self._policy.restore(case, verdict, name)
            insert_new(self._sql, outbox, rows.OUTGOING).many(connection, rows.outgoing(messages, self._sealer, micros(self._clock.now())))

    # -- what else a verdict changes -----------------------------------------------------------------------------------------------

    def _limit(self, ledger: Ledger, who: Staff, case: Case, verdict: Verdict, judgement: Judgement) -> None:
        if case.actor is None:
            return
        change, confirmed = judgement.limit, verdict.finding is Finding.CONFIRMED
        if change is not None:
            until = change.extend_to
        elif confirmed:
            until = self._clock.now() + self._book.rules.limit
        elif self._stands_elsewhere(ledger.connection, case):
            return  # another case about the same account was confirmed: its limit is not this one's to lift
        else:
            until = None
        self._limits.judged(ledger, case.actor, until, who.audit, case.id)

    def _stands_elsewhere(self, connection: Connection, case: Case) -> bool:
        standing = [s.value for s in (CaseState.CONFIRMED, CaseState.FAILING, CaseState.FILED)]
        other = select(cases.c.id).where(cases.c.actor == case.actor, cases.c.id != case.id, cases.c.state.in_(standing))
        return connection.execute(other.limit(1)).first() is not None

    def _answer(self, ledger: Ledger, case: Case, verdict: Verdict, last: Finding | None) -> None:
        """Who appealed, and who told us, hear that a person has decided."""
        connection, now = ledger.connection, micros(self._clock.now())
        if case.appeal is not None:
            state = AppealState.UPHELD if verdict.finding is last else AppealState.OVERTURNED
            this = case_appeals.update().where(case_appeals.c.id == case.appeal)
            answer = self._seal("appeal.answer", case.appeal, verdict.reason)
            connection.execute(this.values(state=state.value, decided_at=now, decided_by=verdict.reviewer, answer=answer))
            self._tell(ledger, "system", f"appeal.{state.value}", case.id, appeal=case.appeal)
        r = user_reports.c
        told = user_reports.update().where(r.case_id == case.id)
        connection.execute(told.values(state=UserReportState.ANSWERED.value, changed_at=now))
        if verdict.finding is Finding.CONFIRMED:
            until = micros(self._clock.now() + CONFIRMED_KEPT)
            connection.execute(told.where(r.keep_until < until).values(keep_until=until))
            kept = events.update().where(events.c.id.in_(_linked(case.id)), events.c.expires_at < until)
            connection.execute(kept.values(expires_at=until))

    def _count(self, connection: Connection, case: Case, verdict: Verdict, found: Sequence[Assessment]) -> None:
        """By detector, for its precision: the latest verdict on a case is the one that counts."""
        connection.execute(case_findings.delete().where(case_findings.c.case_id == case.id))
        raised = {(c.detector, a.harm): c.version for a in found for c in a.contributions if c.score > 0}
        columns = ("case_id", "detector", "harm", "version", "finding", "at")
        values = [
            (case.id, detector, harm.value, version, verdict.finding.value, micros(verdict.at))
            for (detector, harm), version in sorted(raised.items())
        ]
        insert(self._sql, case_findings, columns).many(connection, values)

    def _draw(self, connection: Connection, verdict: Verdict) -> bool:
        """Whether a second person reviews it blindly. Nobody can foresee it: it hangs on a key and on a name that is made now."""
        if int.from_bytes(self._sealer.mac(f"sample:{verdict.id}".encode())[:8]) / 2**64 >= self._book.rules.sample:
            return False
        first = {"first_by": verdict.reviewer, "first_finding": verdict.finding.value, "drawn_at": micros(verdict.at)}
        connection.execute(case_reviews.insert().values(id=new_id("review"), case_id=verdict.case, verdict=verdict.id, **first))
        return True

    def _drop_steps(self, ledger: Ledger, case: str) -> None:
        s = case_steps.c
        waiting = case_steps.update().where(s.case_id == case, s.state == StepState.WAITING.value)
        ledger.connection.execute(waiting.values(state=StepState.WITHDRAWN.value, decided_at=micros(self._clock.now())))
