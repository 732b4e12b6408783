"""Batches for the store's tests: invented accounts, harmless words, everything that a `Work` can hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from nightlight.adapters.store import Database
from nightlight.core.assessment import Assessment, Contribution
from nightlight.core.decision import Allow, Decision, Mode, OpenCase
from nightlight.core.detect import Fact, Key, KeyKind
from nightlight.core.event import Channel, Message, Party
from nightlight.core.features import AccountSummary
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.ports import AuditEntry, CaseOpening, ContactLimit, Head, Outgoing, SavedState, StoredEvent, Work
from nightlight.core.signal import Evidence, Signal, Subject, SubjectKind

START = datetime(2025, 6, 1, 12, 30, 15, 123456, tzinfo=UTC)
KEEP = timedelta(days=30)


class Writer:
    """Makes batches as the pipeline would, for one database."""

    def __init__(self, database: Database, partition: str = "events") -> None:
        self.database, self.partition = database, partition

    def name(self, account: str) -> str:
        return self.database.pseudonymiser("account", account)

    def conversation(self, channel: str) -> str:
        return self.database.pseudonymiser("conversation", channel)

    def stored(self, id: str, actor: str, target: str, channel: str, *, at: datetime = START, preserved: bool = False) -> StoredEvent:
        event = Message(
            id=id,
            at=at,
            actor=Party(account=self.name(actor)),
            targets=(Party(account=self.name(target)),),
            channel=Channel(id=self.conversation(channel)),
            text=f"zantle brisp {id}",
        )
        return StoredEvent(
            id=id,
            at=at,
            received_at=at,
            kind=event.kind,
            conversation=event.conversation,
            actor=event.actor.account,
            accounts=(event.actor.account, event.targets[0].account),
            body_mac=self.database.sealer.mac(id.encode()),
            sealed=self.database.sealer.seal(msgspec.msgpack.encode(event), f"event:{id}"),
            expires_at=at + KEEP,
            preserved=preserved,
        )

    def head(self) -> Head:
        return self.database.pipeline.head(self.partition)

    def chat(self, *ids: str, actor: str = "vell", target: str = "brin", channel: str = "room", at: datetime = START) -> Work:
        """Messages that are allowed, and nothing else."""
        seal = self.database.sealer.seal
        events = [self.stored(id, actor, target, channel, at=at) for id in ids]
        names = {self.name(n): n for n in (actor, target)} | {self.conversation(channel): channel}
        return Work(
            head=self.head(),
            advance=len(ids),
            events=events,
            decisions=[decision(id, at=at) for id in ids],
            accounts={p: seal(n.encode(), f"account:{p}") for p, n in names.items()},
            audit=[AuditEntry(at=at, actor="system", action="decision", target=id, detail={"actions": "allow"}) for id in ids],
        )

    def full(self, id: str, *, actor: str = "vell", target: str = "brin", channel: str = "room", at: datetime = START) -> Work:
        """One event that touches every table."""
        work = self.chat(id, actor=actor, target=target, channel=channel, at=at)
        a, b, c = self.name(actor), self.name(target), self.conversation(channel)
        pair = Subject(SubjectKind.PAIR, f"{c}|{a}|{b}")
        evidence = (Evidence(id, "asks to keep a secret", span=(0, 6)),)
        signal = Signal(
            subject=pair, harm=Harm.GROOMING, score=0.8, evidence=evidence, at=at, detector="d", version="1", actor=a, protects=b
        )
        assessment = Assessment(
            subject=pair,
            harm=Harm.GROOMING,
            score=0.8,
            calibrated=False,
            level=Level.HIGH,
            at=at,
            contributions=(Contribution(detector="d", version="1", score=0.8, at=at, evidence=evidence),),
            stages=(Stage.ISOLATION,),
            crossed={Level.LOW: at, Level.HIGH: at},
            actor=a,
            protects=b,
        )
        return msgspec.structs.replace(
            work,
            decisions=[
                decision(id, at=at, level=Level.HIGH, summaries=((b, 3),)),
                msgspec.structs.replace(decision(id, at=at), mode=Mode.SHADOW),
            ],
            signals=[(id, signal)],
            states={
                ("d", Key(KeyKind.PAIR, f"{c}|{a}|{b}")): SavedState(1, msgspec.msgpack.encode({"n": 1})),
                ("d", Key(KeyKind.CONVERSATION, c)): SavedState(1, msgspec.msgpack.encode({"n": 2})),
                ("d", Key(KeyKind.ACCOUNT, a)): SavedState(1, msgspec.msgpack.encode({"n": 3})),
            },
            assessments=[assessment],
            summaries={a: AccountSummary(1, {"d.minors": 2.0})},
            facts=[Fact(key=Key.account(a), name="approached", at=at, event=id, detector="d", other=b)],
            tails={f"{c}|{a}": self.database.sealer.seal(b"brisp", f"tail:{c}|{a}")},
            tails_expire_at=at + timedelta(hours=1),
            limits=[ContactLimit(account=a, until=at + timedelta(hours=24), event=id, rule="r")],
            cases=[self.opening(id, actor=actor, target=target, channel=channel)],
            outbox=[self.page(id, actor, at)],
        )

    def opening(
        self,
        id: str,
        *,
        priority: int = 5,
        actor: str = "vell",
        target: str = "brin",
        channel: str = "room",
        harm: Harm | None = Harm.GROOMING,
    ) -> CaseOpening:
        a, b, c = self.name(actor), self.name(target), self.conversation(channel)
        return CaseOpening(
            subject=Subject(SubjectKind.PAIR, f"{c}|{a}|{b}"),
            harm=harm,
            level=Level.HIGH,
            queue="default",
            priority=priority,
            event=id,
            reasons=("asks to keep a secret",),
            actor=a,
            protects=b,
        )

    def page(self, id: str, actor: str, at: datetime) -> Outgoing:
        a = self.name(actor)
        body = msgspec.json.encode({"event": id, "account": a})
        return Outgoing(key=f"{id}:page", endpoint="lead", body=body, not_before=at, cancel_key=f"limit:{a}:{id}")


def decision(id: str, *, at: datetime = START, level: Level = Level.NONE, summaries: tuple[tuple[str, int], ...] = ()) -> Decision:
    actions = (OpenCase(rule="r"),) if level is Level.HIGH else (Allow(),)
    harms = (Harm.GROOMING,) if level is Level.HIGH else ()
    return Decision(
        event_id=id, at=at, actions=actions, harms=harms, level=level, reasons=("because",), policy="default@0", summaries=summaries
    )
