"""The blind second review of a sample of verdicts, what people make of disagreement, and how often detectors are right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace
from sqlalchemy import exists, func, or_, select

from nightlight.adapters.store.case_tables import case_findings, case_opinions, case_reviews, case_verdicts
from nightlight.adapters.store.cases import perhaps
from nightlight.adapters.store.desk.base import words
from nightlight.adapters.store.desk.page import PageDesk
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.case import CaseState, Finding, Review
from nightlight.core.desk import Agreement, CasePage, Precision
from nightlight.core.errors import Conflict, Denied
from nightlight.core.harm import Harm
from nightlight.core.staff import DECIDERS, LEADS, READERS, Staff

SETTLED_WITHIN = timedelta(hours=24)


class SampleDesk(PageDesk):
    def next_review(self, who: Staff) -> tuple[Review, CasePage] | None:
        who.must_be(DECIDERS, "review a sample")
        now = self._clock.now()
        r, v, o = case_reviews.c, case_verdicts.c, case_opinions.c
        with self._audit.transaction("cases") as ledger:
            connection = ledger.connection
            judged = exists(select(v.id).where(v.case_id == r.case_id, v.reviewer == who.id))
            advised = exists(select(o.id).where(o.case_id == r.case_id, or_(o.by == who.id, o.asked_by == who.id)))
            free = or_(r.held_until.is_(None), r.held_until <= micros(now), r.held_by == who.id)
            wanted = select(case_reviews).where(r.at.is_(None), free, ~judged, ~advised).order_by(r.drawn_at, r.id).limit(1)
            row = connection.execute(wanted.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            until = micros(now + self._book.rules.lock)
            connection.execute(case_reviews.update().where(r.id == row.id).values(held_by=who.id, held_until=until))
            self._tell(ledger, who.audit, "review.take", row.case_id, review=row.id)
            page = self._page(connection, who, self._load(connection, row.case_id, change=False), blind=True)
            self._saw(connection, who, row.case_id)
            return _blinded(self._review(row)), page

    def review(self, who: Staff, review: str, finding: Finding, reason: str) -> Review:
        who.must_be(DECIDERS, "review a sample")
        reason = words(reason, "reason", least=3)
        if finding is Finding.NEEDS_MORE:
            raise Conflict("a second review finds one way or the other", field="finding")
        with self._audit.transaction("cases") as ledger:
            row = self._one(ledger.connection, case_reviews, review, "review")
            if row.at is not None:
                raise Conflict("this was reviewed", field="review")
            if row.held_by != who.id:
                raise Conflict("take the review first", field="review")
            now, agrees = micros(self._clock.now()), row.first_finding == finding.value
            values = {"by": who.id, "at": now, "finding": finding.value, "agrees": agrees, "held_by": None, "held_until": None}
            settled = {"settled_at": now, "settled": finding.value} if agrees else {}
            this = case_reviews.update().where(case_reviews.c.id == review)
            ledger.connection.execute(this.values(**values, **settled, reason=self._seal("review", review, reason)))
            self._tell(ledger, who.audit, "review", row.case_id, review=review, finding=finding.value, agrees=agrees)
            return self._review(self._one(ledger.connection, case_reviews, review, "review"))

    def disagreements(self, who: Staff) -> Sequence[Review]:
        who.must_be(LEADS, "settle a disagreement")
        r = case_reviews.c
        wanted = select(case_reviews).where(r.at.is_not(None), r.settled_at.is_(None)).order_by(r.at).limit(500)
        with self._sql.read() as connection:
            return [self._review(row) for row in connection.execute(wanted).all()]

    def settle(self, who: Staff, review: str, finding: Finding, reason: str) -> Review:
        who.must_be(LEADS, "settle a disagreement")
        reason = words(reason, "reason", least=3)
        if finding is Finding.NEEDS_MORE:
            raise Conflict("to settle is to decide", field="finding")
        with self._audit.transaction("cases") as ledger:
            connection = ledger.connection
            row = self._one(connection, case_reviews, review, "review")
            if row.at is None or row.settled_at is not None:
                raise Conflict("there is nothing to settle", field="review")
            if who.id in (row.by, row.first_by):
                raise Denied("who found one of the two does not decide between them", field="review")
            values = {"settled_by": who.id, "settled_at": micros(self._clock.now()), "settled": finding.value}
            connection.execute(case_reviews.update().where(case_reviews.c.id == review).values(**values))
            self._note(ledger, who, row.case_id, reason)
            self._tell(ledger, who.audit, "settle", row.case_id, review=review, finding=finding.value)
            case = self._load(connection, row.case_id)
            if finding.value != row.first_finding and case.state is not CaseState.OPEN:
                self._reopen(ledger, case, SETTLED_WITHIN, assigned_to=who.id)
            return self._review(self._one(connection, case_reviews, review, "review"))

    def agreement(self, who: Staff, since: datetime) -> Agreement:
        who.must_be(READERS, "see agreement")
        r = case_reviews.c
        wanted = select(r.first_finding, r.finding).where(r.at.is_not(None), r.at >= micros(since))
        with self._sql.read() as connection:
            return self._book.agreement((Finding(a), Finding(b)) for a, b in connection.execute(wanted).all())

    def precision(self, who: Staff, since: datetime) -> Sequence[Precision]:
        who.must_be(READERS, "see precision")
        f = case_findings.c

        def of(finding: Finding) -> Any:
            return func.count().filter(f.finding == finding.value)

        counts = [of(x) for x in (Finding.CONFIRMED, Finding.NOT_CONFIRMED, Finding.NEEDS_MORE)]
        wanted = select(f.detector, f.version, f.harm, *counts).where(f.at >= micros(since))
        wanted = wanted.group_by(f.detector, f.version, f.harm).order_by(f.detector, f.version, f.harm)
        with self._sql.read() as connection:
            return [
                Precision(detector=d, version=v, harm=Harm(h), confirmed=yes, not_confirmed=no, needs_more=more)
                for d, v, h, yes, no, more in connection.execute(wanted).all()
            ]

    def _review(self, row: Any) -> Review:
        return Review(
            id=row.id,
            case=row.case_id,
            drawn_at=moment(row.drawn_at),
            by=row.by,
            at=perhaps(row.at),
            finding=Finding(row.finding) if row.finding else None,
            agrees=None if row.agrees is None else bool(row.agrees),
            settled_by=row.settled_by,
            settled_at=perhaps(row.settled_at),
            settled=Finding(row.settled) if row.settled else None,
        )


def _blinded(review: Review) -> Review:
    return replace(review, agrees=None)
