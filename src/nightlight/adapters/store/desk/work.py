"""Work on a case short of judging it: notes, second opinions, help for each child, what was looked at."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import exists, literal_column, select

from nightlight.adapters.store.case_tables import case_children, case_opinions, case_verdicts, case_views
from nightlight.adapters.store.cases import child_of, perhaps
from nightlight.adapters.store.desk.base import words
from nightlight.adapters.store.desk.queues import QueueDesk
from nightlight.adapters.store.tables import audit, micros, moment
from nightlight.core.case import Child, Finding, Note, NoteKind, Opinion, SupportState, View
from nightlight.core.errors import Conflict, Denied, Invalid, NotFound
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry
from nightlight.core.staff import DECIDERS, READERS, Staff

MOST_HISTORY = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class WorkDesk(QueueDesk):
    def note(self, who: Staff, case: str, text: str, kind: NoteKind = NoteKind.NOTE) -> Note:
        text = words(text, "text")
        with self._changing(who, "write a note", case) as (ledger, _):
            return self._note(ledger, who, case, text, hand_over=kind is NoteKind.HAND_OVER)

    # -- second opinion ------------------------------------------------------------------------------------------------------------

    def ask_opinion(self, who: Staff, case: str, question: str) -> Opinion:
        question = words(question, "question")
        with self._changing(who, "ask for an opinion", case) as (ledger, found):
            self._held(found, who)
            if found.opinion:
                raise Conflict("an opinion is asked for already", field="case")
            asked = Opinion(id=new_id("opinion"), case=case, asked_by=who.id, asked_at=self._clock.now(), question=question)
            row = {"id": asked.id, "case_id": case, "asked_by": who.id, "asked_at": micros(asked.asked_at)}
            ledger.connection.execute(case_opinions.insert().values(**row, question=self._seal("opinion", asked.id, question)))
            self._save(ledger.connection, replace(found, opinion=True))
            self._tell(ledger, who.audit, "opinion.ask", case, opinion=asked.id)
            return asked

    def waiting_opinions(self, who: Staff) -> Sequence[Opinion]:
        who.must_be(DECIDERS, "give an opinion")
        o, v = case_opinions.c, case_verdicts.c
        judged = exists(select(v.id).where(v.case_id == o.case_id, v.reviewer == who.id))
        wanted = select(case_opinions).where(o.at.is_(None), o.asked_by != who.id, ~judged).order_by(o.asked_at).limit(200)
        with self._sql.read() as connection:
            return [self._opinion(row) for row in connection.execute(wanted).all()]

    def give_opinion(self, who: Staff, opinion: str, finding: Finding, reason: str) -> Opinion:
        who.must_be(DECIDERS, "give an opinion")
        reason = words(reason, "reason", least=3)
        with self._changes() as ledger:
            found = self._opinion(self._one(ledger.connection, case_opinions, opinion, "opinion"))
            if found.at is not None:
                raise Conflict("this was answered", field="opinion")
            if found.asked_by == who.id:
                raise Denied("a second opinion is somebody else's", field="opinion")
            given = replace(found, by=who.id, at=self._clock.now(), finding=finding, reason=reason)
            values = {"by": who.id, "at": micros(self._clock.now()), "finding": finding.value}
            this = case_opinions.update().where(case_opinions.c.id == opinion)
            ledger.connection.execute(this.values(**values, reason=self._seal("opinion.answer", opinion, reason)))
            case = self._load(ledger.connection, found.case)
            self._save(ledger.connection, replace(case, opinion=False))
            self._tell(ledger, who.audit, "opinion.give", case.id, opinion=opinion, finding=finding.value)
            return given

    def _opinion(self, row: Any) -> Opinion:
        return Opinion(
            id=row.id,
            case=row.case_id,
            asked_by=row.asked_by,
            asked_at=moment(row.asked_at),
            question=self._open("opinion", row.id, row.question),
            by=row.by,
            at=perhaps(row.at),
            finding=Finding(row.finding) if row.finding else None,
            reason=self._open("opinion.answer", row.id, row.reason),
        )

    # -- the children --------------------------------------------------------------------------------------------------------------

    def support(self, who: Staff, case: str, child: str, state: SupportState, note: str) -> Child:
        if state is not SupportState.OWED:
            note = words(note, "note", least=3)
        k = case_children.c
        with self._changing(who, "see to a child's support", case) as (ledger, _):
            this = (k.case_id == case, k.account == child)
            found = ledger.connection.execute(select(case_children).where(*this)).first()
            if found is None:
                raise NotFound("this child is not in the case", field="child")
            now = self._clock.now()
            done = state is not SupportState.OWED
            values = {"support": state.value, "supported_at": micros(now) if done else None, "supported_by": who.id if done else None}
            ledger.connection.execute(case_children.update().where(*this).values(**values))
            if note:
                self._note(ledger, who, case, note)
            # The chain cannot be struck when a person is erased, so it never names them.
            whom = self._sealer.mac(f"account:{child}".encode()).hex()
            self._tell(ledger, who.audit, "support", case, child=whom, state=state.value)
            return child_of(ledger.connection.execute(select(case_children).where(*this)).one())

    # -- what was looked at --------------------------------------------------------------------------------------------------------

    def viewed(self, who: Staff, view: View) -> None:
        if view.by != who.id:
            raise Invalid("who looked is who says so", field="by")
        if _SHA256.fullmatch(view.sha256) is None:
            raise Invalid("64 lower-case hexadecimal digits", field="sha256")
        if not math.isfinite(view.seconds) or not 0 <= view.seconds <= 86_400:
            raise Invalid("seconds within a day", field="seconds")
        reason = words(view.reason, "reason", least=3)
        with self._changing(who, "look at a file", view.case) as (ledger, found):
            self._held(found, who)
            id = new_id("view")
            row = {"id": id, "case_id": view.case, "by": who.id, "at": micros(self._clock.now()), "sha256": view.sha256}
            how = {"whole": view.whole, "blurred": view.blurred, "greyscale": view.greyscale, "seconds": float(view.seconds)}
            ledger.connection.execute(case_views.insert().values(**row, **how, reason=self._seal("view", id, reason)))
            self._tell(ledger, who.audit, "view", view.case, sha256=view.sha256, **how)

    def history(self, who: Staff, case: str, most: int = 200) -> Sequence[AuditEntry]:
        who.must_be(READERS, "see a case's history")
        if not 1 <= most <= MOST_HISTORY:
            raise Invalid(f"1 to {MOST_HISTORY}", field="most")
        a = audit.c
        wanted = select(a.at, a.actor, a.action, a.target, a.detail).where(a.partition == literal_column("'cases'"), a.target == case)
        with self._sql.read() as connection:
            self._load(connection, case, change=False)
            rows = connection.execute(wanted.order_by(a.seq.desc()).limit(most)).all()
        return [
            AuditEntry(at=moment(at), actor=actor, action=action, target=target, detail=msgspec.json.decode(detail))
            for at, actor, action, target, detail in rows
        ]
