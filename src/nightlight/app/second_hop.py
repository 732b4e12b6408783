"""The second hop: facts derived from conversations are folded where the account or the picture they concern lives.

The embedded default runs it between batches, in transactions of its own, so going to a cluster changes no semantics.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog
from msgspec import structs

from nightlight.actions import Effects, plan
from nightlight.app.fold import Memory
from nightlight.app.passage import Moved, move
from nightlight.app.pipeline import Parts, audit_of, parties
from nightlight.core.decision import Decision, LimitContact, Notify, OpenCase, Preserve, late_id
from nightlight.core.detect import Fact, KeyKind
from nightlight.core.errors import StaleHead
from nightlight.core.event import Event, EventBase
from nightlight.core.features import AccountSummary, Features
from nightlight.core.ports import ContactLimit, StoredEvent, Work
from nightlight.core.signal import Signal

log = structlog.get_logger("nightlight.second_hop")

ACCOUNTS = "accounts"
"""The partition of the second hop in the embedded default."""
MOST = 500
"""Facts a transaction."""

# The event was answered long ago: what is left to do concerns accounts, not its content.
_LATE_ACTIONS = (LimitContact, OpenCase, Notify, Preserve)


class SecondHop:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def run(self) -> int:
        """Fold what is pending, in order; how many facts were absorbed."""
        while True:
            head = self.parts.store.head(ACCOUNTS)
            pending = self.parts.store.pending_facts(MOST)
            if not pending:
                return 0
            try:
                self.parts.store.commit(self._work(pending, Work(head=head, advance=len(pending))))
            except StaleHead:
                continue
            return len(pending)

    def _work(self, pending: Sequence[tuple[int, Fact]], work: Work) -> Work:
        memory = Memory(self.parts.store)
        accounts = list(dict.fromkeys(f.key.id for _, f in pending if f.key.kind is KeyKind.ACCOUNT))
        known = dict(self.parts.store.summaries(accounts))
        summaries: dict[str, AccountSummary] = {}
        raised: list[tuple[int, Fact, Signal]] = []
        for number, fact in pending:
            detector = self.parts.detectors.get(fact.detector)
            if detector is None:  # uninstalled since: its facts have no reader any more
                continue
            try:
                state = memory.get(detector, [fact.key])[fact.key]
                absorbed = detector.absorb(state, fact)
                memory.put(detector, {fact.key: absorbed.state})
            except Exception as error:
                log.error("fact failed", detector=fact.detector, event_id=fact.event, error=type(error).__name__)
                continue
            raised.extend((number, fact, signal) for signal in absorbed.signals)
            if absorbed.summary and fact.key.kind is KeyKind.ACCOUNT:
                old = summaries.get(fact.key.id) or known.get(fact.key.id) or AccountSummary()
                values = {**old.values, **{f"{fact.detector}.{name}": value for name, value in absorbed.summary.items()}}
                if values != old.values:
                    committed = known.get(fact.key.id, AccountSummary()).version
                    summaries[fact.key.id] = AccountSummary(committed + 1, values)
        return self._with_risk(
            raised, structs.replace(work, absorbed=[n for n, _ in pending], states=memory.changes(), summaries=summaries)
        )

    def _with_risk(self, raised: Sequence[tuple[int, Fact, Signal]], work: Work) -> Work:
        """What the signals of accounts and pictures move, and what the policy says to that."""
        if not raised:
            return work
        current = dict(self.parts.store.assessments(list(dict.fromkeys(s.subject for _, _, s in raised))))
        decisions: list[Decision] = []
        effects: list[Effects] = []
        moved: list[Moved] = []
        in_force: dict[str, ContactLimit] = {}
        for number, fact, signal in raised:
            moves = move(current, [signal], self.parts.levels)
            moved.extend(moves)
            stored = self.parts.store.event(fact.event)
            if stored is not None:  # erased or past its retention: the risk stands, but nothing is left to act on
                event = self._open(stored)
                bound = self.parts.store.limits(parties([event]), self.parts.clock.now())
                decision = self._decide(event, moves, late_id(fact.event, number), limited=event.actor.account in bound)
                in_force.update(bound)
                decisions.append(decision)
                effects.append(plan(event, decision, [m.current for m in moves], decision.at))
        return structs.replace(
            work,
            signals=[(f.event, s) for _, f, s in raised],
            assessments=list({(m.current.subject, m.current.harm): m.current for m in moved}.values()),
            decisions=decisions,
            cases=[case for e in effects for case in e.cases],
            limits=list({limit.account: limit for e in effects for limit in e.limits if limit.account not in in_force}.values()),
            outbox=[message for e in effects for message in e.outbox if message.endpoint in self.parts.endpoints],
            audit=[audit_of(d) for d in decisions],
        )

    def _decide(self, event: EventBase, moves: Sequence[Moved], id: str, *, limited: bool) -> Decision:
        permission = self.parts.gate.rule(event)
        decision = self.parts.policies.live.decide(
            event, Features(), permission, moves, limited=limited, now=self.parts.clock.now(), late=True
        )
        late = tuple(a for a in decision.actions if isinstance(a, _LATE_ACTIONS))
        return structs.replace(decision, event_id=id, actions=late)

    def _open(self, stored: StoredEvent) -> EventBase:
        opened: EventBase = msgspec.msgpack.decode(self.parts.sealer.open(stored.sealed, f"event:{stored.id}"), type=Event)
        return opened
