"""Cases for the desk's tests: opened through the pipeline's own door, with invented accounts and harmless words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from nightlight.adapters.store import Database
from nightlight.adapters.store.desk import SqlCaseDesk
from nightlight.core.assessment import Assessment
from nightlight.core.case import Case, Finding, Verdict
from nightlight.core.clock import FixedClock
from nightlight.core.decision import Allow, Decision, Notify, ReportAccount, SanctionAccount
from nightlight.core.desk import Consequences, Judgement, Rules
from nightlight.core.harm import Level
from nightlight.core.ports import CaseOpening, ContactLimit, Outgoing, StoredEvent
from nightlight.core.staff import Role, Staff
from nightlight.review import ReviewRules, weigh

from .works import Writer

ANA, BEN, CLEO = (Staff(id=name, role=Role.REVIEWER) for name in ("ana", "ben", "cleo"))
LEA, LUIS = (Staff(id=name, role=Role.LEAD) for name in ("lea", "luis"))
AUDITOR = Staff(id="otto", role=Role.AUDITOR)
ADMIN = Staff(id="ada", role=Role.ADMINISTRATOR)
EVERYBODY = (ANA, BEN, CLEO, LEA, LUIS, AUDITOR, ADMIN)

YES = Judgement(finding=Finding.CONFIRMED, reason="read it all; it is what it looks like")
NO = Judgement(finding=Finding.NOT_CONFIRMED, reason="two friends about homework")
MORE = Judgement(finding=Finding.NEEDS_MORE, reason="the start is missing")


class Policy:
    """What an operator's policy may ask for after a confirmed verdict, as a value."""

    def __init__(self, *actions: SanctionAccount | ReportAccount | Notify) -> None:
        self.actions = actions

    def judge(
        self, case: Case, verdict: Verdict, event: StoredEvent, assessments: Sequence[Assessment], limits: Sequence[ContactLimit]
    ) -> Decision:
        actions = self.actions if verdict.finding is Finding.CONFIRMED else ()
        return Decision(
            event_id=event.id,
            at=verdict.at,
            actions=actions or (Allow(),),
            harms=(),
            level=Level.HIGH,
            reasons=(),
            policy="own@0",
        )

    def perform(
        self, case: Case, event: StoredEvent, decision: Decision, assessments: Sequence[Assessment], names: Mapping[str, str]
    ) -> Consequences:
        sent = [a for a in decision.actions if isinstance(a, SanctionAccount | Notify)]
        return Consequences(outbox=tuple(self._message(f"{decision.event_id}/{a.__struct_config__.tag}", decision) for a in sent))

    def restore(self, case: Case, verdict: Verdict, name: str) -> Sequence[Outgoing]:
        body = msgspec.json.encode({"restore": name})
        return [Outgoing(key=f"{case.id}/restore.{verdict.id}", endpoint="enforcement", body=body, not_before=verdict.at)]

    def _message(self, key: str, decision: Decision) -> Outgoing:
        return Outgoing(key=key, endpoint="enforcement", body=b"{}", not_before=decision.at)


BAN = Policy(SanctionAccount(permanent=True), ReportAccount())


class Casework:
    """A desk, and cases on it."""

    def __init__(self, database: Database, writer: Writer, clock: FixedClock, policy: Policy | None = None, **rules: object) -> None:
        self.database, self.writer, self.clock = database, writer, clock
        given = msgspec.structs.replace(Rules(sample=0.0), **rules)
        self.desk: SqlCaseDesk = database.desk(ReviewRules(given), policy)

    def open(self, id: str, *, actor: str = "vell", target: str = "brin", channel: str = "room", **more: object) -> Case:
        """One message by `actor`, with everything that the pipeline keeps of it, that opened a case."""
        work = self.writer.full(id, actor=actor, target=target, channel=channel, at=self.clock.now())
        opening: CaseOpening = msgspec.structs.replace(work.cases[0], **more)
        self.database.pipeline.commit(msgspec.structs.replace(work, cases=[weigh(opening)], facts=[]))
        self.clock.advance(timedelta(seconds=1))
        return next(c for c in self.database.cases.cases(1000) if id in c.events)

    def sent(self) -> list[str]:
        """Keys of messages that wait to leave, but for pages about limits."""
        return [d.key for d in self.database.outbox.due(self.clock.now() + timedelta(days=400), 1000) if not d.key.endswith(":page")]

    def judged(self, case: str, who: Staff = ANA, judgement: Judgement = YES) -> Case:
        self.desk.lock(who, case)
        return self.desk.verdict(who, case, judgement).case
