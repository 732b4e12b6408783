"""`SqlUserReports`: what people tell us about others. A report opens a case, and never more than that by itself.

As with self-reports the code is not stored, only a keyed hash of it, and it is made from the submission under a key: sending it again
gets the same code though nobody kept it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, func, or_, select

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store import rows
from nightlight.adapters.store.case_tables import user_reports
from nightlight.adapters.store.cases import CaseWriter, unended
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import CASES, AuditLog, Ledger
from nightlight.adapters.store.prepared import insert, insert_new
from nightlight.adapters.store.preserved import preserved_case
from nightlight.adapters.store.tables import accounts, cases, event_accounts, events, micros, moment
from nightlight.core.case import Peers, peers_of
from nightlight.core.clock import Clock
from nightlight.core.desk import USER_REPORTS
from nightlight.core.errors import Busy, Conflict, Invalid, NotFound
from nightlight.core.event import AgeBand, Assurance, Channel, Party, ReportCategory, UserReport
from nightlight.core.harm import Harm, Level
from nightlight.core.ids import Pseudonymiser, fit_for_id, new_id
from nightlight.core.ports import AuditEntry, CaseOpening, Head, StoredEvent, Work
from nightlight.core.self_report import code_from, read_code
from nightlight.core.signal import Subject, SubjectKind
from nightlight.core.user_report import (
    Item,
    Received,
    ReportedItem,
    Standing,
    Told,
    UserReported,
    UserReportIn,
    UserReportState,
)

ANONYMOUS = "anonymous"
"""Stands where the account of whoever reported would. No pseudonym looks like it."""
BRIGADE_WITHIN = timedelta(days=7)
"""Reports about the same accounts for the same reason are one, as long as its case is open and the first came no longer ago."""
BRIGADE = 5
"""From so many on, the case says that it is a brigade or may be one: their number is no evidence."""
MOST_COLLAPSED = 20
"""Reports of a brigade whose words are kept; of the others only that they came."""
BY = "user-report"

HARMS: Mapping[ReportCategory, Harm | None] = {
    ReportCategory.ASKED_FOR_PICTURES: Harm.IMAGERY_SOLICITATION,
    ReportCategory.THREATENED: Harm.SEXTORTION,
    ReportCategory.WANTS_TO_MEET: Harm.GROOMING,
    ReportCategory.SELF_HARM: Harm.IMMEDIATE_DANGER,
    ReportCategory.IN_DANGER: Harm.IMMEDIATE_DANGER,
    ReportCategory.UNCOMFORTABLE: None,
    ReportCategory.OTHER: None,
}
_WORRIED = frozenset({ReportCategory.SELF_HARM})
"""Reasons to report somebody who did nothing: they are the one to be helped."""
_HELP = frozenset({ReportCategory.SELF_HARM, ReportCategory.IN_DANGER})
_HARMED = frozenset({ReportCategory.ASKED_FOR_PICTURES, ReportCategory.THREATENED, ReportCategory.WANTS_TO_MEET})
MESSAGES = {
    UserReportState.RECEIVED: "report.thanks",
    UserReportState.LOOKING: "report.looking",
    UserReportState.ANSWERED: "report.answered",
}
_NOWHERE = Head("")


class SqlUserReports:
    """Fills `core.user_report.UserReportService`. Safe to use from several threads and processes."""

    def __init__(
        self,
        sql: Sql,
        audit: AuditLog,
        keys: Keyring,
        clock: Clock,
        pseudonymiser: Pseudonymiser,
        weigh: Callable[[CaseOpening], CaseOpening],
        keep: timedelta,
        anonymous_an_hour: int,
    ) -> None:
        """`weigh`: what the review room makes of an opening. `keep`: how long, at least, what a report points at stays."""
        self._sql, self._audit, self._sealer, self._clock = sql, audit, keys, clock
        self._pseudonym, self._weigh, self._keep, self._an_hour = pseudonymiser, weigh, keep, anonymous_an_hour
        self._key = keys.derive("user-reports")
        self._writer = CaseWriter(sql, keys)

    # -- for who reports -----------------------------------------------------------------------------------------------------------

    def submit(self, report: UserReportIn) -> Received:
        """See the Protocol. Nothing is kept unless all of it is."""
        _check(report)
        body = rows.pack(report)
        code = code_from(self._mac("code", body))
        message = "help.now" if report.category in _HELP else "help.reported" if report.category in _HARMED else "report.thanks"
        r = user_reports.c
        once = self._mac("once", report.id.encode())
        with self._audit.transaction(CASES) as ledger:
            connection = ledger.connection
            names = self._names(report)
            standings = self._standings(connection, report)
            known = connection.execute(select(r.body_mac).where(r.once_mac == once)).scalar_one_or_none()
            if known is not None:
                if not hmac.compare_digest(bytes(known), self._mac("body", body)):
                    raise Conflict("this id was used for another report", field="id")
            else:
                self._room(connection, report)
                macs = {"once_mac": once, "body_mac": self._mac("body", body), "code_mac": self._mac("look-up", code.encode())}
                self._keep_report(ledger, report, names, standings, macs)
        return Received(code=code, message=message, items=standings)

    def told(self, code: str) -> Told:
        mac = self._mac("look-up", read_code(code).encode())
        r = user_reports.c
        with self._sql.read() as connection:
            found = connection.execute(select(r.state, r.changed_at).where(r.code_mac == mac)).first()
        if found is None:
            raise NotFound("this code is not known", field="code")
        state = UserReportState(found.state)
        return Told(state=state, message=MESSAGES[state], at=moment(found.changed_at))

    # -- for the sweep -------------------------------------------------------------------------------------------------------------

    def expire(self, now: datetime) -> int:
        """Delete reports whose time is over and whose case has ended, unless an authority asked to preserve it; how many."""
        r = user_reports.c
        open_ = select(cases.c.id).where(cases.c.id == r.case_id, or_(unended(), preserved_case())).exists()
        done = 0
        while True:
            with self._sql.read() as connection:
                due = connection.execute(select(r.id).where(r.keep_until <= micros(now), ~open_).limit(200)).scalars().all()
            if not due:
                return done
            with self._audit.transaction(CASES) as ledger:
                gone = ledger.connection.execute(user_reports.delete().where(r.id.in_(due), ~open_)).rowcount
                detail = {"user_reports": gone}
                ledger.append(AuditEntry(at=now, actor="system", action="retention", target="user_reports", detail=detail))
            done += gone
            if not gone:
                return done

    # -- inside --------------------------------------------------------------------------------------------------------------------

    def _names(self, report: UserReportIn) -> dict[str, str]:
        """Pseudonyms by the service's own ids, of accounts."""
        parties = (*report.about, *((report.reporter,) if report.reporter is not None else ()))
        return {party.account: self._pseudonym("account", party.account) for party in parties}

    def _standings(self, connection: Connection, report: UserReportIn) -> tuple[Standing, ...]:
        about = {self._pseudonym("account", party.account) for party in report.about}
        held = self._held(connection, report, about)
        return tuple(self._standing(report, item, held) for item in report.items)

    def _held(self, connection: Connection, report: UserReportIn, about: set[str]) -> set[str]:
        """Ids of named events that we hold and that a reported account did."""
        named = [item.event for item in report.items if item.event is not None]
        if not named:
            return set()
        e = events.c
        return set(connection.execute(select(e.id).where(e.id.in_(named), e.actor.in_(about))).scalars())

    def _standing(self, report: UserReportIn, item: Item, held: set[str]) -> Standing:
        if item.event is not None and item.event in held:
            return Standing.SERVER_HELD
        return Standing.VERIFIED if item.vouched and report.reporter is not None else Standing.UNVERIFIED

    def _room(self, connection: Connection, report: UserReportIn) -> None:
        if report.reporter is not None:
            return
        r = user_reports.c
        lately = select(func.count()).where(r.anonymous.is_(True), r.at > micros(self._clock.now() - timedelta(hours=1)))
        if connection.execute(lately).scalar_one() >= self._an_hour:
            raise Busy("as many anonymous reports as an hour may bring have come; try again later")

    def _keep_report(
        self, ledger: Ledger, report: UserReportIn, names: Mapping[str, str], standings: Sequence[Standing], macs: Mapping[str, bytes]
    ) -> None:
        connection, now = ledger.connection, self._clock.now()
        about = tuple(names[party.account] for party in report.about)
        held = [item.event for item, s in zip(report.items, standings, strict=True) if s is Standing.SERVER_HELD and item.event]
        verified = report.reporter is not None and any(s is not Standing.UNVERIFIED for s in standings)
        about_mac = self._mac("about", rows.pack((sorted(about), report.category)))
        first = self._first(connection, about_mac, now)
        id = new_id("ureport")
        event = self._event(id, report, names)
        if first is None:
            self._put_event(connection, event, report, now)
        told = None if first is not None else event
        case = first.case_id if first is not None else ""
        if first is None or held:
            case = self._open_case(connection, report, about, told, held, verified=verified)
        others = self._others(connection, first.id) + 1 if first is not None else 0
        kept = UserReported(
            id=id,
            case=case,
            category=report.category,
            about=about,
            reporter=names[report.reporter.account] if report.reporter is not None else None,
            text=report.text,
            items=tuple(ReportedItem(standing=s, event=i.event, text=i.text) for i, s in zip(report.items, standings, strict=True)),
            at=now,
            keep_until=now + self._keep,
        )
        row = {
            "id": id,
            **macs,
            "about_mac": about_mac,
            "reporter_mac": self._sealer.mac(f"account:{kept.reporter}".encode()) if kept.reporter is not None else None,
            "case_id": case,
            "event_id": event.id if first is None else first.event_id,
            "state": UserReportState.RECEIVED.value,
            "anonymous": report.reporter is None,
            "verified": verified,
            "sealed": self._sealer.seal(rows.pack(kept), f"user-report:{id}") if others <= MOST_COLLAPSED else b"",
            "collapsed": first.id if first is not None else None,
            "at": micros(now),
            "changed_at": micros(now),
            "keep_until": micros(kept.keep_until),
        }
        connection.execute(user_reports.insert().values(**row))
        self._preserve(connection, held, now)
        if others >= BRIGADE:
            self._flag(connection, case)
        who = {p: self._sealer.seal(own.encode(), f"account:{p}") for own, p in names.items()}
        known = rows.accounts(Work(head=_NOWHERE, advance=0, accounts=who), micros(now))
        insert_new(self._sql, accounts, rows.ACCOUNT).many(connection, known)
        detail = {"report": id, "category": report.category.value, "anonymous": report.reporter is None, "verified": verified}
        ledger.append(AuditEntry(at=now, actor=BY, action="case.report", target=case, detail={**detail, "collapsed": first is not None}))

    def _first(self, connection: Connection, about_mac: bytes, now: datetime) -> Any:
        r = user_reports.c
        wanted = select(r.id, r.case_id, r.event_id).join_from(user_reports, cases, cases.c.id == r.case_id)
        wanted = wanted.where(r.about_mac == about_mac, r.collapsed.is_(None), r.at > micros(now - BRIGADE_WITHIN))
        return connection.execute(wanted.where(cases.c.state == "open").order_by(r.at).limit(1)).first()

    def _others(self, connection: Connection, first: str) -> int:
        r = user_reports.c
        return int(connection.execute(select(func.count()).select_from(user_reports).where(r.collapsed == first)).scalar_one())

    def _flag(self, connection: Connection, case: str) -> None:
        packed = connection.execute(select(cases.c.flags).where(cases.c.id == case)).scalar_one_or_none()
        if packed is not None:
            flags = msgspec.msgpack.decode(bytes(packed), type=tuple[str, ...])
            if "brigade" not in flags:
                connection.execute(cases.update().where(cases.c.id == case).values(flags=rows.pack((*flags, "brigade"))))

    def _event(self, id: str, report: UserReportIn, names: Mapping[str, str]) -> UserReport:
        """In pseudonyms, as the transcript and the policy read it."""

        def own(party: Party) -> Party:
            return replace(party, account=names[party.account])

        # Without a conversation it has one of its own: nobody else's report is to be read beside it.
        where = self._pseudonym("conversation", report.conversation) if report.conversation is not None else id
        return UserReport(
            id=id,
            at=self._clock.now(),
            actor=own(report.reporter) if report.reporter is not None else Party(account=ANONYMOUS),
            targets=tuple(own(party) for party in report.about),
            channel=Channel(id=where),
            category=report.category,
            text=report.text,
        )

    def _put_event(self, connection: Connection, event: UserReport, report: UserReportIn, now: datetime) -> None:
        parties = tuple(dict.fromkeys(p.account for p in (event.actor, *event.targets)))
        stored = StoredEvent(
            id=event.id,
            at=event.at,
            received_at=now,
            kind=event.kind,
            conversation=event.conversation,
            actor=event.actor.account,
            accounts=parties,
            body_mac=self._mac("body", rows.pack(report)),
            sealed=self._sealer.seal(rows.pack(event), f"event:{event.id}"),
            expires_at=now + self._keep,
        )
        work = Work(head=_NOWHERE, advance=0, events=[stored])
        insert(self._sql, events, rows.EVENT).many(connection, rows.events(work))
        known = [pair for pair in rows.event_accounts(work) if pair[0] != ANONYMOUS]
        insert_new(self._sql, event_accounts, rows.EVENT_ACCOUNT).many(connection, known)

    def _open_case(
        self,
        connection: Connection,
        report: UserReportIn,
        about: Sequence[str],
        told: UserReport | None,
        held: Sequence[str],
        *,
        verified: bool,
    ) -> str:
        """One case for each account that is reported, the first one's returned; what we hold of them goes in."""
        openings: list[CaseOpening] = []
        acts = self._acts(connection, held)
        for party, account in zip(report.about, about, strict=True):
            mine = [event for event in held if acts[event] == account]
            proven = verified or bool(mine)
            all_of_it = (*((told.id,) if told is not None else ()), *mine)
            openings += [self._weigh(self._opening(report, party, account, event, verified=proven)) for event in all_of_it]
        found = self._writer.write(connection, openings, micros(self._clock.now()))
        return found[openings[0].merges_by]

    def _acts(self, connection: Connection, ids: Sequence[str]) -> dict[str, str]:
        e = events.c
        return dict(connection.execute(select(e.id, e.actor).where(e.id.in_(ids))).all()) if ids else {}

    def _opening(self, report: UserReportIn, party: Party, account: str, event: str, *, verified: bool) -> CaseOpening:
        worried = report.category in _WORRIED
        reporter = report.reporter
        child = party if worried else reporter if reporter is not None and reporter.may_be_minor else None
        flags = ("user_report", *(() if reporter is not None else (ANONYMOUS,)), *(() if verified else ("unverified",)))
        return CaseOpening(
            subject=Subject(SubjectKind.ACCOUNT, account),
            harm=HARMS[report.category],
            level=Level.ELEVATED if verified else Level.LOW,
            queue=USER_REPORTS,
            priority=4 if verified else 6,
            event=event,
            reasons=(f"somebody told us: {report.category.value.replace('_', ' ')}",),
            actor=None if worried else account,
            protects=self._pseudonym("account", child.account) if child is not None else None,
            child_band=child.age_band if child is not None else AgeBand.UNKNOWN,
            child_assurance=child.assurance if child is not None else Assurance.NONE,
            peers=Peers.NO if worried else peers_of(party, child),
            told=report.category,
            flags=flags,
        )

    def _preserve(self, connection: Connection, held: Sequence[str], now: datetime) -> None:
        until = micros(now + self._keep)
        if held:
            connection.execute(events.update().where(events.c.id.in_(held), events.c.expires_at < until).values(expires_at=until))

    def _mac(self, purpose: str, data: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + data, "sha256")


def _check(report: UserReportIn) -> None:
    fit_for_id(report.id, "id")
    for number, party in enumerate(report.about):
        fit_for_id(party.account, f"about[{number}].account")
    if report.reporter is not None:
        fit_for_id(report.reporter.account, "reporter.account")
    if report.conversation is not None:
        fit_for_id(report.conversation, "conversation")
    accounts = [party.account for party in report.about]
    if len(set(accounts)) < len(accounts):
        raise Invalid("each account once", field="about")
    if report.reporter is not None and report.reporter.account in accounts and report.category not in _HELP:
        raise Invalid("nobody reports themselves, but for danger", field="about")
    for number, item in enumerate(report.items):
        if (item.event is None) == (item.text is None):
            raise Invalid("an event or a text, one of the two", field=f"items[{number}]")
        if item.event is not None:
            fit_for_id(item.event, f"items[{number}].event")
