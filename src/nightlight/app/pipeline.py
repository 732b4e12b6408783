"""The whole order, on one screen: a micro-batch of events becomes decisions, and one transaction.

Only `read` and `commit` touch the store; gate, senses, fold, assess and policy do no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec
import structlog
from msgspec import Struct, structs

from nightlight.actions import plan
from nightlight.app.fold import Folder, Memory
from nightlight.app.passage import Admitted, Passage, answer_of, move
from nightlight.app.policies import InForce
from nightlight.app.senses import Sensed, Senses
from nightlight.core.assessment import Assessment
from nightlight.core.clock import Clock
from nightlight.core.decision import Decision, Helpline, OpenCase
from nightlight.core.detect import Detector
from nightlight.core.errors import Busy, Conflict, NightlightError, StaleHead, Tampered
from nightlight.core.event import EventBase, without_content
from nightlight.core.explanation import explained
from nightlight.core.features import Features
from nightlight.core.gate import Gate
from nightlight.core.harm import Level
from nightlight.core.ports import AuditEntry, Head, PipelineStore, Sealer, StoredEvent, Work
from nightlight.core.services import Answer
from nightlight.policy import in_force, instruct
from nightlight.review import weigh

log = structlog.get_logger("nightlight.pipeline")

EVENTS = "events"
"""The partition of the first hop in the embedded default; a cluster has one a slice of conversations."""


class Parts(Struct, frozen=True, kw_only=True):
    """What the pipeline is built of; `bootstrap` fills it."""

    store: PipelineStore
    sealer: Sealer
    clock: Clock
    gate: Gate
    senses: Senses
    detectors: Mapping[str, Detector]
    policies: InForce
    levels: Mapping[Level, float]
    keep_for: timedelta = timedelta(days=30)
    tail_for: timedelta = timedelta(minutes=30)
    helplines: Sequence[Helpline] = ()
    endpoints: frozenset[str] = frozenset()
    """What is configured: a message to any other endpoint could only become a dead letter, so readiness says which are missing."""


class Pipeline:
    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._folder = Folder(parts.detectors, parts.senses)

    def process(self, admitted: Sequence[Admitted]) -> list[Answer | NightlightError]:
        """One answer an event, by position, given after commit. What cannot be stored is an error for that event alone."""
        while True:
            try:
                return self._batch(admitted)
            except StaleHead:  # another process wrote in between: compute again on what it left
                continue
            except Exception as error:
                if len(admitted) == 1:
                    return [self._refused(error)]
                half = len(admitted) // 2
                return [*self.process(admitted[:half]), *self.process(admitted[half:])]

    def _batch(self, admitted: Sequence[Admitted]) -> list[Answer | NightlightError]:
        head = self.parts.store.head(EVENTS)
        answers, fresh = self._seen_before(admitted)
        if fresh:
            batch, memory = self._through(list(fresh.values()))
            self.parts.store.commit(self.work(head, batch, memory))
            answers |= {p.event.id: (p.admitted.body_mac, self._done(p)) for p in batch}
        return [self._answer(a, *answers[a.event.id]) for a in admitted]

    def look(self, admitted: Sequence[Admitted]) -> list[Passage]:
        """What would be decided, and the memories kept, but no decision and no effect: for trying rules."""
        batch, memory = self._through(admitted)
        kept = Work(head=self.parts.store.head(EVENTS), advance=0, states=memory.changes(), assessments=latest(batch))
        self.parts.store.commit(kept)
        return batch

    def _through(self, fresh: Sequence[Admitted]) -> tuple[list[Passage], Memory]:
        batch = self.gate(fresh)
        self.sense(batch)
        memory = Memory(self.parts.store)
        self._folder.fold(batch, memory)
        self.assess(batch)
        self.decide(batch)
        return batch, memory

    # -- the steps, in order ---------------------------------------------------------------------------------------------------

    def _seen_before(self, admitted: Sequence[Admitted]) -> tuple[dict[str, tuple[bytes, Decision]], dict[str, Admitted]]:
        """Same id, same decision: what is decided already, and the first of each new id."""
        known = self.parts.store.decided([a.event.id for a in admitted])
        fresh: dict[str, Admitted] = {}
        for a in admitted:
            if a.event.id not in known:
                fresh.setdefault(a.event.id, a)
        return {id: (d.body_mac, d.decision) for id, d in known.items()}, fresh

    def gate(self, fresh: Sequence[Admitted]) -> list[Passage]:
        """What may not be processed is not looked at, and its content is not kept."""
        batch = []
        for a in fresh:
            permission = self.parts.gate.rule(a.event)
            if not permission.may_read(a.event):
                a = structs.replace(a, event=without_content(a.event))
            batch.append(Passage(admitted=a, permission=permission))
        return batch

    def sense(self, batch: Sequence[Passage]) -> None:
        """The cheap senses on everything whose content may be read, and what the second hop last said of the accounts."""
        summaries = self.parts.store.summaries(parties(p.event for p in batch))
        readable = [p for p in batch if p.permission.may_read(p.event)]
        tails = self.parts.store.tails([direction(p.event) for p in readable], self.parts.clock.now())
        for p in batch:
            own = {x.account: summaries[x.account] for x in (p.event.actor, *p.event.targets) if x.account in summaries}
            p.features = Features(summaries=own)
        for p in readable:
            p.tail = self._tail(p, tails.get(direction(p.event)))
        sensed = [Sensed(p.event, p.features, p.tail) for p in readable]
        self.parts.senses.first(sensed)
        for p, s in zip(readable, sensed, strict=True):
            p.features = s.features
            p.failures.extend(s.failures)

    def assess(self, batch: Sequence[Passage]) -> None:
        """Signals move assessments, in log order."""
        subjects = list(dict.fromkeys(signal.subject for p in batch for signal in p.signals))
        current = dict(self.parts.store.assessments(subjects)) if subjects else {}
        for p in batch:
            p.moved = move(current, p.signals, self.parts.levels)

    def decide(self, batch: Sequence[Passage]) -> None:
        """The live and the shadow policy, and the effects; limits that one event sets bind the next."""
        now = self.parts.clock.now()
        live, shadow = self.parts.policies.live, self.parts.policies.shadow
        limits = {account: list(found) for account, found in self.parts.store.limits(parties(p.event for p in batch), now).items()}
        for p in batch:
            bound = in_force(limits.get(p.event.actor.account, ()), now)._asdict()
            p.decision = self._completed(p, live.decide(p.event, p.features, p.permission, p.moved, now=now, **bound))
            if shadow is not None:
                p.shadow = shadow.decide(p.event, p.features, p.permission, p.moved, now=now, **bound)
            moved = [m.current for m in p.moved]
            p.effects = plan(p.event, p.decision, moved, now, names=p.admitted.names, draw=self.parts.sealer.mac)
            for limit in p.effects.limits:
                limits.setdefault(limit.account, []).append(limit)

    def work(self, head: Head, batch: Sequence[Passage], memory: Memory) -> Work:
        """Everything the batch changes, sealed where it is content."""
        now, seal = self.parts.clock.now(), self.parts.sealer.seal
        plans = [p.effects for p in batch]
        tails = {direction(p.event): p.features.text.tail for p in batch if p.features.text is not None}
        outbox = [message for effects in plans for message in effects.outbox if message.endpoint in self.parts.endpoints]
        return Work(
            head=head,
            advance=len(batch),
            events=[self._stored(p, effects.preserve) for p, effects in zip(batch, plans, strict=True)],
            decisions=[d for p in batch for d in (p.decision, p.shadow) if d is not None],
            signals=[(p.event.id, signal) for p in batch for signal in p.signals],
            states=memory.changes(),
            assessments=latest(batch),
            facts=[fact for p in batch for fact in p.facts],
            tails={d: seal(tail.encode(), f"tail:{d}") for d, tail in tails.items()},
            tails_expire_at=now + self.parts.tail_for,
            limits=[limit for effects in plans for limit in effects.limits],
            cases=[weigh(case) for effects in plans for case in effects.cases],
            outbox=outbox,
            accounts=self._new_names(batch),
            audit=[audit_of(self._done(p)) for p in batch],
        )

    # -- small parts -----------------------------------------------------------------------------------------------------------

    def _refused(self, error: Exception) -> NightlightError:
        if isinstance(error, NightlightError):
            return error
        log.error("event not stored", error=type(error).__name__)
        return Busy("the event could not be stored; nothing was kept of it and it may be sent again")

    def _completed(self, p: Passage, decision: Decision) -> Decision:
        """With explanations, what was read of accounts, and, where a part failed so that nobody knows the risk, a person to look."""
        if told := explained([m.current for m in p.moved]):
            decision = structs.replace(decision, explanations=told)
        if p.unread:
            decision = structs.replace(decision, unread=tuple(p.unread))
        read = tuple((account, summary.version) for account, summary in p.features.summaries.items())
        if not p.failures:
            return structs.replace(decision, summaries=read) if read else decision
        look = OpenCase(queue="failures", priority=4)
        failures = tuple(dict.fromkeys((*decision.failures, *p.failures)))
        return structs.replace(decision, actions=(*decision.actions, look), failures=failures, summaries=read)

    def _tail(self, p: Passage, sealed: bytes | None) -> str:
        try:
            return self.parts.sealer.open(sealed, f"tail:{direction(p.event)}").decode() if sealed is not None else ""
        except Tampered:  # the event is read without it, and a person looks
            p.failures.append("tail")
            return ""

    def _done(self, p: Passage) -> Decision:
        if p.decision is None:
            raise RuntimeError(f"event {p.event.id} was never decided")
        return p.decision

    def _answer(self, admitted: Admitted, body_mac: bytes, decision: Decision) -> Answer | NightlightError:
        if admitted.body_mac != body_mac:
            return Conflict("this id was used before for an event with another body", field="id")
        sender, recipients = instruct(admitted.event, decision)
        return answer_of(admitted, decision, sender, recipients, self.parts.helplines)

    def _new_names(self, batch: Sequence[Passage]) -> dict[str, bytes]:
        """The service's own ids that the store does not hold yet, sealed."""
        names = {pseudonym: name for p in batch for pseudonym, name in p.admitted.names.items()}
        known = self.parts.store.original_accounts(list(names))
        return {p: self.parts.sealer.seal(name.encode(), f"account:{p}") for p, name in names.items() if p not in known}

    def _stored(self, p: Passage, preserve: bool) -> StoredEvent:
        event = p.event
        return StoredEvent(
            id=event.id,
            at=event.at,
            received_at=p.admitted.received_at,
            kind=event.kind,
            conversation=event.conversation,
            actor=event.actor.account,
            accounts=tuple(parties([event])),
            body_mac=p.admitted.body_mac,
            sealed=self.parts.sealer.seal(msgspec.msgpack.encode(event), f"event:{event.id}"),
            expires_at=p.admitted.received_at + self.parts.keep_for,
            preserved=preserve,
        )


def parties(events: Iterable[EventBase]) -> list[str]:
    """Every account of those events, each once."""
    return list(dict.fromkeys(party.account for event in events for party in (event.actor, *event.targets)))


def direction(event: EventBase) -> str:
    return f"{event.conversation}|{event.actor.account}"


def latest(batch: Sequence[Passage]) -> list[Assessment]:
    """The last word on each assessment that the batch moved."""
    return list({(m.current.subject, m.current.harm): m.current for p in batch for m in p.moved}.values())


def audit_of(decision: Decision) -> AuditEntry:
    """A decision's row in the chain: what was decided and by which policy, never why in words."""
    actions = ",".join(str(a.__struct_config__.tag) for a in decision.actions)
    detail = {"actions": actions, "level": decision.level.value, "policy": decision.policy, "failures": ",".join(decision.failures)}
    return AuditEntry(at=decision.at, actor="system", action="decision", target=decision.event_id, detail=detail)
