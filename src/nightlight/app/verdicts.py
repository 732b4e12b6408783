"""What the operator's policy makes of a person's verdict, for the desk: `core.desk.VerdictRules`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nightlight.actions import ENFORCEMENT, plan
from nightlight.actions.messages import AccountRestored, body
from nightlight.app.pipeline import Parts
from nightlight.core.assessment import Assessment
from nightlight.core.case import Case, Verdict
from nightlight.core.decision import Decision
from nightlight.core.desk import Consequences
from nightlight.core.event import Event, EventBase
from nightlight.core.features import Features
from nightlight.core.harm import Level
from nightlight.core.ports import ContactLimit, Outgoing, StoredEvent
from nightlight.policy import in_force
from nightlight.review import weigh


class Verdicts:
    """Verdict rules on the latest act that a case is about, with everything that is assessed of it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def judge(
        self, case: Case, verdict: Verdict, event: StoredEvent, assessments: Sequence[Assessment], limits: Sequence[ContactLimit]
    ) -> Decision:
        opened = self._open(event)
        now = self._parts.clock.now()
        bound = in_force(limits, now)._asdict() if opened.actor.account == case.actor else in_force((), now)._asdict()
        # As if each were new: a rule for the crossing of a level has nothing to say about a verdict, one for the level has.
        moved = [(None, a) for a in assessments if a.level is not Level.NONE]
        permission = self._parts.gate.rule(opened)
        return self._parts.policies.live.decide(opened, Features(), permission, moved, now=now, verdict=verdict, **bound)

    def perform(
        self, case: Case, event: StoredEvent, decision: Decision, assessments: Sequence[Assessment], names: Mapping[str, str]
    ) -> Consequences:
        now = self._parts.clock.now()
        done = plan(self._open(event), decision, assessments, now, names=names, draw=self._parts.sealer.mac)
        return Consequences(
            limits=done.limits,
            outbox=self._configured(done.outbox),
            cases=tuple(weigh(opening) for opening in done.cases),
            preserve=done.preserve,
        )

    def restore(self, case: Case, verdict: Verdict, name: str) -> Sequence[Outgoing]:
        message = AccountRestored(case=case.id, verdict=verdict.id, at=verdict.at, account=name)
        key = f"{case.id}/{ENFORCEMENT}/restore.{verdict.id}"
        return self._configured([Outgoing(key=key, endpoint=ENFORCEMENT, body=body(message), not_before=verdict.at)])

    def _configured(self, messages: Sequence[Outgoing]) -> tuple[Outgoing, ...]:
        return tuple(message for message in messages if message.endpoint in self._parts.endpoints)

    def _open(self, stored: StoredEvent) -> EventBase:
        opened: EventBase = msgspec.msgpack.decode(self._parts.sealer.open(stored.sealed, f"event:{stored.id}"), type=Event)
        return opened
