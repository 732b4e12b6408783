"""The second hop: facts derived from conversations are folded where the account or the picture they concern lives.

The embedded default runs it between batches, in transactions of its own, so going to a cluster changes no semantics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import structlog
from msgspec import structs

from nightlight.actions import Effects, plan
from nightlight.app.floods import Floods, cue_of
from nightlight.app.fold import Memory
from nightlight.app.passage import Moved, move
from nightlight.app.pipeline import Parts, audit_of
from nightlight.core.decision import AddFriction, Decision, LimitContact, LimitReach, Notify, OpenCase, Preserve, late_id
from nightlight.core.detect import Fact, KeyKind
from nightlight.core.errors import StaleHead
from nightlight.core.event import Event, EventBase
from nightlight.core.features import AccountSummary, Features
from nightlight.core.harm import Level
from nightlight.core.ports import AuditEntry, CaseOpening, StoredEvent, Work
from nightlight.core.signal import WITHDRAWN, Signal, Subject, SubjectKind
from nightlight.policy import in_force
from nightlight.review import weigh

log = structlog.get_logger("nightlight.second_hop")

ACCOUNTS = "accounts"
"""The partition of the second hop in the embedded default."""
MOST = 500
"""Facts a transaction."""

# The event was answered long ago: what is left to do concerns accounts, not its content.
_LATE_ACTIONS = (LimitContact, LimitReach, AddFriction, OpenCase, Notify, Preserve)


def _by_fact(raised: Sequence[tuple[int, Fact, Signal]]) -> list[tuple[int, Fact, list[Signal]]]:
    """One entry a fact, with all that it raised: one decision each."""
    grouped: dict[int, tuple[int, Fact, list[Signal]]] = {}
    for number, fact, signal in raised:
        grouped.setdefault(number, (number, fact, []))[2].append(signal)
    return list(grouped.values())


def _said(fact: Fact, now: datetime) -> AuditEntry:
    return AuditEntry(at=now, actor="system", action="fact.failed", target=fact.event, detail={"detector": fact.detector})


def _look(fact: Fact) -> CaseOpening:
    kind = SubjectKind.ACCOUNT if fact.key.kind is KeyKind.ACCOUNT else SubjectKind.MEDIA
    reason = f"the detector {fact.detector} failed on what it had found out, so a person must look"
    subject = Subject(kind, fact.key.id)
    return CaseOpening(subject=subject, harm=None, level=Level.NONE, queue="failures", priority=4, event=fact.event, reasons=(reason,))


class SecondHop:
    def __init__(self, parts: Parts, pause: Callable[[str, str, str], object]) -> None:
        """`pause`: what pauses an item of a bank, by whom; see `Floods`."""
        self.parts = parts
        self._floods = Floods(parts.store, pause)

    def run(self) -> int:
        """Fold what is pending, in order; how many facts were absorbed."""
        return self._fold(self.parts.store.pending_facts(MOST))

    def _fold(self, pending: Sequence[tuple[int, Fact]]) -> int:
        """One transaction; where it fails the culprit is found, set aside for a person, and stops no other."""
        while pending:
            head = self.parts.store.head(ACCOUNTS)
            try:
                work = self._work(pending, Work(head=head, advance=len(pending)))
                self.parts.store.commit(work)
            except StaleHead:
                continue
            except Exception as error:
                if len(pending) > 1:
                    half = len(pending) // 2
                    return self._fold(pending[:half]) + self._fold(pending[half:])
                log.error("fact set aside", detector=pending[0][1].detector, event_id=pending[0][1].event, error=type(error).__name__)
                self.parts.store.commit(self._set_aside(pending, Work(head=head, advance=1)))
                return 1
            if paused := self._floods.pause([signal for _, signal in work.signals]):
                self._tell(paused)
            return len(pending)
        return 0

    def _tell(self, facts: Sequence[Fact]) -> None:
        """Items that were paused. Never raises: the next match, which says so itself, does as well."""
        try:
            self.parts.store.commit(Work(head=self.parts.store.head(ACCOUNTS), advance=0, facts=facts))
        except Exception as error:
            log.error("pause not told", error=type(error).__name__)

    def _set_aside(self, failed: Sequence[tuple[int, Fact]], work: Work) -> Work:
        """Nobody knows what these facts would have shown, so a person looks."""
        now = self.parts.clock.now()
        return structs.replace(
            work,
            absorbed=[*work.absorbed, *(n for n, _ in failed if n not in work.absorbed)],
            cases=[*work.cases, *(weigh(_look(fact)) for _, fact in failed)],
            audit=[*work.audit, *(_said(fact, now) for _, fact in failed)],
        )

    def _work(self, pending: Sequence[tuple[int, Fact]], work: Work) -> Work:
        memory = Memory(self.parts.store)
        accounts = list(dict.fromkeys(f.key.id for _, f in pending if f.key.kind is KeyKind.ACCOUNT))
        known = dict(self.parts.store.summaries(accounts))
        summaries: dict[str, AccountSummary] = {}
        raised: list[tuple[int, Fact, Signal]] = []
        failed: list[tuple[int, Fact]] = []
        flooding: set[tuple[str, str | None]] = set()
        for number, fact in pending:
            detector = self.parts.detectors.get(fact.detector)
            if detector is None:  # uninstalled since: its facts have no reader any more
                continue
            if fact.name != WITHDRAWN and fact.key.kind is KeyKind.ACCOUNT and (fact.detector, fact.other) in flooding:
                continue  # what a flood says of an account is not even folded, so no rule can act on it before it is taken back
            try:
                state = memory.get(detector, [fact.key])[fact.key]
                absorbed = detector.absorb(state, fact)
                memory.put(detector, {fact.key: absorbed.state})
            except Exception as error:
                log.error("fact failed", detector=fact.detector, event_id=fact.event, error=type(error).__name__)
                failed.append((number, fact))
                continue
            raised.extend((number, fact, signal) for signal in absorbed.signals)
            if any(cue_of(signal) is not None for signal in absorbed.signals):
                flooding.add((fact.detector, fact.key.id))
            if absorbed.summary and fact.key.kind is KeyKind.ACCOUNT:
                old = summaries.get(fact.key.id) or known.get(fact.key.id) or AccountSummary()
                values = {**old.values, **{f"{fact.detector}.{name}": value for name, value in absorbed.summary.items()}}
                if values != old.values:
                    committed = known.get(fact.key.id, AccountSummary()).version
                    summaries[fact.key.id] = AccountSummary(committed + 1, values)
        folded = structs.replace(work, absorbed=[n for n, _ in pending], states=memory.changes(), summaries=summaries)
        whole = self._with_risk(raised, folded)
        return self._set_aside(failed, whole) if failed else whole

    def _with_risk(self, raised: Sequence[tuple[int, Fact, Signal]], work: Work) -> Work:
        """What the signals of accounts and pictures move, and what the policy says to that."""
        if not raised:
            return work
        current = dict(self.parts.store.assessments(list(dict.fromkeys(s.subject for _, _, s in raised))))
        decisions: list[Decision] = []
        effects: list[Effects] = []
        moved: list[Moved] = []
        for number, fact, together in _by_fact(raised):
            moves = move(current, together, self.parts.levels)
            moved.extend(moves)
            stored = self.parts.store.event(fact.event)
            if stored is not None:  # erased or past its retention: the risk stands, but nothing is left to act on
                event = self._open(stored)
                decision = self._decide(event, moves, late_id(fact.event, number))
                decisions.append(decision)
                effects.append(plan(event, decision, [m.current for m in moves], decision.at, draw=self.parts.sealer.mac))
        return structs.replace(
            work,
            signals=[(f.event, s) for _, f, s in raised],
            facts=self._floods.withdrawn(raised),
            assessments=list({(m.current.subject, m.current.harm): m.current for m in moved}.values()),
            decisions=decisions,
            cases=[weigh(case) for e in effects for case in e.cases],
            limits=list({(limit.account, limit.event, limit.kind): limit for e in effects for limit in e.limits}.values()),
            outbox=[message for e in effects for message in e.outbox if message.endpoint in self.parts.endpoints],
            audit=[audit_of(d) for d in decisions],
        )

    def _decide(self, event: EventBase, moves: Sequence[Moved], id: str) -> Decision:
        permission, now = self.parts.gate.rule(event), self.parts.clock.now()
        own = event.actor.account
        bound = in_force(self.parts.store.limits([own], now).get(own, ()), now)._asdict()
        decision = self.parts.policies.live.decide(event, Features(), permission, moves, now=now, late=True, **bound)
        late = tuple(a for a in decision.actions if isinstance(a, _LATE_ACTIONS))
        return structs.replace(decision, event_id=id, actions=late)

    def _open(self, stored: StoredEvent) -> EventBase:
        opened: EventBase = msgspec.msgpack.decode(self.parts.sealer.open(stored.sealed, f"event:{stored.id}"), type=Event)
        return opened
