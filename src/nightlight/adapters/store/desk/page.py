"""Everything that a case page shows, read at once; opening one is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, literal_column, select

from nightlight.adapters.store import rows
from nightlight.adapters.store.case_tables import (
    case_children,
    case_notes,
    case_opinions,
    case_reads,
    case_reviews,
    case_views,
    user_reports,
)
from nightlight.adapters.store.cases import case_of, child_of
from nightlight.adapters.store.desk.base import case_columns, checked, words
from nightlight.adapters.store.desk.orders import OrderDesk
from nightlight.adapters.store.desk.transcript import MOST_CONVERSATIONS, MOST_LINES, Transcripts
from nightlight.adapters.store.tables import assessments, case_events, cases, decisions, event_accounts, events, limits, micros, moment
from nightlight.core.assessment import Assessment
from nightlight.core.case import Case, CaseState, Child, Finding, Note, NoteKind, StepState, Verdict, View
from nightlight.core.decision import Decision
from nightlight.core.desk import CasePage, Conversation, Elsewhere
from nightlight.core.errors import NotFound
from nightlight.core.ports import ContactLimit
from nightlight.core.signal import SubjectKind
from nightlight.core.staff import DECIDERS, LEADS, READERS, Staff
from nightlight.core.user_report import UserReported

MOST_PRIOR = 50
MOST_DECISIONS = 100
MOST_ELSEWHERE = 200
MOST_CHILDREN = 1000
MOST_REPORTS = 50
_assessment = msgspec.msgpack.Decoder(Assessment).decode
_decision = msgspec.msgpack.Decoder(Decision).decode
_reported = msgspec.msgpack.Decoder(UserReported).decode


class PageDesk(OrderDesk, Transcripts):
    def open(self, who: Staff, case: str) -> CasePage:
        who.must_be(READERS, "open a case")
        with self._audit.transaction("cases") as ledger:
            found = self._load(ledger.connection, case, change=False)
            self._tell(ledger, who.audit, "open", case)
            self._saw(ledger.connection, who, case)
        # The opening stands before anything is shown, and what is read holds no lock.
        with self._sql.read() as connection:
            return self._page(connection, who, found, blind=self._reviews_blindly(connection, who, case))

    def read(self, who: Staff, case: str, conversation: str, reason: str) -> Conversation:
        who.must_be(READERS, "read a conversation")
        reason = words(reason, "reason", least=3)
        checked(conversation, "conversation")
        with self._audit.transaction("cases") as ledger:
            connection = ledger.connection
            found = self._load(connection, case, change=False)
            e, ea = events.c, event_accounts.c
            there = select(e.id).join_from(events, event_accounts, (ea.event_id == e.id) & (ea.account == found.actor))
            if found.actor is None or connection.execute(there.where(e.conversation == conversation).limit(1)).first() is None:
                raise NotFound("this account takes no part in such a conversation", field="conversation")
            sealed = self._seal("read", f"{case}|{conversation}", reason)
            row = {"case_id": case, "conversation": conversation, "by": who.id, "at": micros(self._clock.now()), "reason": sealed}
            known = select(case_reads.c.by).where(case_reads.c.case_id == case, case_reads.c.conversation == conversation)
            if connection.execute(known).first() is None:
                connection.execute(case_reads.insert().values(**row))
            whole = self._sealer.mac(f"conversation:{conversation}".encode()).hex()
            self._tell(ledger, who.audit, "read", case, conversation=whole)
        with self._sql.read() as connection:
            [opened], _, _ = self._conversations(connection, [conversation])
            return opened

    def _reviews_blindly(self, connection: Connection, who: Staff, case: str) -> bool:
        r = case_reviews.c
        held = select(r.id).where(r.case_id == case, r.at.is_(None), r.held_by == who.id, r.held_until > micros(self._clock.now()))
        return connection.execute(held).first() is not None

    def _page(self, connection: Connection, who: Staff, case: Case, *, blind: bool = False) -> CasePage:
        children = self._children(connection, case.id)
        there = self._where(connection, case)
        conversations, risk, parties = self._conversations(connection, there)
        people = self._people(connection, parties, case.actor, [c.account for c in children])
        verdicts = [] if blind else self._verdicts(connection, case.id)
        steps = [] if blind else self._steps(connection, case.id)
        to_sign = any(s.state is StepState.WAITING and who.id not in s.signed and self._helps(s, who) for s in steps)
        return CasePage(
            case=_blinded(case) if blind else case,
            children=tuple(children),
            people=tuple(people),
            conversations=tuple(conversations),
            assessments=tuple(self._about(connection, case)),
            risk=tuple(risk[-MOST_LINES:]),
            elsewhere=tuple(self._elsewhere(connection, case, set(there))),
            prior=() if blind else tuple(self._prior(connection, case)),
            limits=tuple(self._limits_of(connection, case)),
            notes=() if blind else tuple(self._notes(connection, case.id)),
            opinions=() if blind else tuple(self._opinions(connection, case.id)),
            verdicts=tuple(verdicts),
            steps=tuple(steps),
            appeals=() if blind else tuple(self._appeals(connection, case.id)),
            orders=() if blind else tuple(self._orders(connection, case.id)),
            views=() if blind else tuple(self._views(connection, case.id)),
            decisions=tuple(self._led_here(connection, case)),
            reports=tuple(self._reports(connection, case.id)),
            may=() if blind else self._may(case, who, verdicts, to_sign),
        )

    def _where(self, connection: Connection, case: Case) -> list[str]:
        """The conversations of the case's events, those of the latest ones."""
        e, ce = events.c, case_events.c
        linked = select(e.seq, e.conversation).join_from(events, case_events, ce.event_id == e.id).where(ce.case_id == case.id)
        found = connection.execute(linked.order_by(e.seq.desc()).limit(10_000)).all()
        return list(dict.fromkeys(conversation for _, conversation in found))[:MOST_CONVERSATIONS]

    def _children(self, connection: Connection, case: str) -> list[Child]:
        k = case_children.c
        wanted = select(case_children).where(k.case_id == case).order_by(k.first_at, k.account).limit(MOST_CHILDREN)
        return [child_of(row) for row in connection.execute(wanted).all()]

    def _about(self, connection: Connection, case: Case) -> list[Assessment]:
        a = assessments.c
        wanted = select(a.body).where(a.subject_id.in_([s.id for s in case.subjects]))
        read = [_assessment(bytes(body)) for (body,) in connection.execute(wanted).all()]
        return sorted((x for x in read if x.subject in case.subjects), key=lambda x: (-x.level.rank, x.harm.urgency, x.subject.id))

    def _elsewhere(self, connection: Connection, case: Case, shown: set[str]) -> list[Elsewhere]:
        if case.actor is None:
            return []
        a, r = assessments.c, case_reads.c
        wanted = select(a.body).where(a.actor == case.actor, a.level != literal_column("'none'")).order_by(a.at.desc())
        read = set(connection.execute(select(r.conversation).where(r.case_id == case.id)).scalars())
        found = []
        for (body,) in connection.execute(wanted.limit(MOST_ELSEWHERE)).all():
            x = _assessment(bytes(body))
            if x.subject.kind not in (SubjectKind.PAIR, SubjectKind.CONVERSATION, SubjectKind.STREAM):
                continue
            conversation = x.subject.id.partition("|")[0]
            if conversation not in shown:
                found.append(
                    Elsewhere(
                        subject=x.subject,
                        harm=x.harm,
                        level=x.level,
                        score=x.score,
                        at=x.at,
                        protects=x.protects,
                        read=conversation in read,
                    )
                )
        return found

    def _prior(self, connection: Connection, case: Case) -> list[Case]:
        if case.actor is None:
            return []
        c = cases.c
        wanted = case_columns().where(c.actor == case.actor, c.id != case.id).order_by(c.opened_at.desc()).limit(MOST_PRIOR)
        return [case_of(row, self._sealer) for row in connection.execute(wanted).all()]

    def _limits_of(self, connection: Connection, case: Case) -> list[ContactLimit]:
        x = limits.c
        if case.actor is None:
            return []
        wanted = select(*(x[n] for n in rows.LIMIT)).where(x.account == case.actor, x.lifted_by.is_(None))
        wanted = wanted.where(x.until > micros(self._clock.now())).order_by(x.until)
        return [rows.limit_of(row) for row in connection.execute(wanted).all()]

    def _notes(self, connection: Connection, case: str) -> list[Note]:
        n = case_notes.c
        return [
            Note(id=row.id, case=case, by=row.by, at=moment(row.at), kind=NoteKind(row.kind), text=self._open("note", row.id, row.sealed))
            for row in connection.execute(select(case_notes).where(n.case_id == case).order_by(n.at, n.id).limit(1000)).all()
        ]

    def _opinions(self, connection: Connection, case: str) -> list[Any]:
        o = case_opinions.c
        wanted = select(case_opinions).where(o.case_id == case).order_by(o.asked_at, o.id)
        return [self._opinion(row) for row in connection.execute(wanted).all()]

    def _views(self, connection: Connection, case: str) -> list[View]:
        v = case_views.c
        return [
            View(
                case=case,
                by=row.by,
                at=moment(row.at),
                sha256=row.sha256,
                whole=bool(row.whole),
                blurred=bool(row.blurred),
                greyscale=bool(row.greyscale),
                seconds=row.seconds,
                reason=self._open("view", row.id, row.reason),
            )
            for row in connection.execute(select(case_views).where(v.case_id == case).order_by(v.at, v.id)).all()
        ]

    def _led_here(self, connection: Connection, case: Case) -> list[Decision]:
        d, ce = decisions.c, case_events.c
        found: dict[str, Decision] = {}
        for column in (d.event_id, d.late_of):
            wanted = select(d.event_id, d.body).join_from(case_events, decisions, ce.event_id == column)
            wanted = wanted.where(ce.case_id == case.id, d.mode == literal_column("'live'")).order_by(d.at.desc()).limit(MOST_DECISIONS)
            found |= {id: _decision(bytes(body)) for id, body in connection.execute(wanted).all()}
        return sorted(found.values(), key=lambda x: x.at)[-MOST_DECISIONS:]

    def _reports(self, connection: Connection, case: str) -> Sequence[UserReported]:
        r = user_reports.c
        of_case = select(r.id, r.sealed, r.collapsed, r.keep_until).where(r.case_id == case).order_by(r.at, r.id)
        found = connection.execute(of_case).all()
        others = Counter(row.collapsed for row in found if row.collapsed is not None)
        told = []
        for row in [row for row in found if row.sealed][:MOST_REPORTS]:
            report = _reported(self._sealer.open(bytes(row.sealed), f"user-report:{row.id}"))
            told.append(replace(report, others=others[row.id], keep_until=moment(row.keep_until)))
        return told

    def _may(self, case: Case, who: Staff, verdicts: Sequence[Verdict], to_sign: bool) -> tuple[str, ...]:
        """Names of the calls that would not be refused for the state of the case, its lock or a role."""
        if who.role not in DECIDERS:
            return ("history", "read")
        holder, found = case.held_by(self._clock.now()), ["history", "read", "note", "support"]
        free = holder in (None, who.id)
        if not case.state.has_ended and free and (case.assigned_to in (None, who.id) or who.role in LEADS):
            found.append("lock")
        if holder == who.id or (holder is not None and who.role in LEADS):
            found.append("release")
        if not case.state.has_ended and (who.role in LEADS or case.assigned_to is None):
            found.append("assign")
        if case.state is CaseState.OPEN and free:
            found.append("move")
        judged = case.appeal is not None and any(v.reviewer == who.id for v in verdicts)
        if holder == who.id:
            found.append("viewed")
            if not case.opinion:
                found.append("ask_opinion")
            if case.state is CaseState.OPEN and not case.opinion and not judged:
                found.append("verdict")
        if case.state in (CaseState.CONFIRMED, CaseState.FAILING) and free:
            mandatory = any(v.mandatory for v in verdicts[-1:])
            if not mandatory or case.state is CaseState.FAILING:
                found.append("decline")
        reported = any(v.finding is Finding.CONFIRMED for v in verdicts)
        if case.state is CaseState.CONFIRMED and free and reported:
            found.append("report")
        if case.state is not CaseState.OPEN and case.appeal is None:
            found.append("appeal")
        if to_sign and case.appeal is None:
            found.append("approve")
        return tuple(found)


def _blinded(case: Case) -> Case:
    """As it was before anybody judged it."""
    return replace(
        case,
        state=CaseState.OPEN,
        queue="",
        why="",
        ended_at=None,
        appeal=None,
        opinion=False,
        assigned_to=None,
        locked_by=None,
        locked_until=None,
        flags=tuple(f for f in case.flags if f not in ("reopened", "report_failing")),
    )
