"""One event on its way through the pipeline: what each step found and leaves for the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct, field, structs

from nightlight.actions import Effects
from nightlight.assess import assess
from nightlight.core.assessment import Assessment
from nightlight.core.decision import Action, Decision, Helpline, Instruction
from nightlight.core.detect import Fact
from nightlight.core.event import EventBase, MediaScreened
from nightlight.core.explanation import named
from nightlight.core.features import Features
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.gate import Permission
from nightlight.core.harm import Harm, Level
from nightlight.core.services import Answer, Screening
from nightlight.core.signal import Signal, Subject, Unread


class Admitted(Struct, frozen=True, kw_only=True):
    """An event that passed ingest, in pseudonyms, with what is needed to answer in the service's own ids."""

    event: EventBase
    names: Mapping[str, str]
    """Pseudonym to the service's own id, for the accounts of this event."""
    body_mac: bytes
    """Commitment to the body as the service sent it: the same id with another body is refused."""
    received_at: datetime


class Moved(NamedTuple):
    """An assessment that this event changed."""

    previous: Assessment | None
    current: Assessment


class Passage(Struct, kw_only=True):
    admitted: Admitted
    permission: Permission
    features: Features = field(default_factory=Features)
    tail: str = ""
    signals: list[Signal] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unread: list[tuple[str, Unread]] = field(default_factory=list)
    """Detectors that could not read the event."""
    moved: list[Moved] = field(default_factory=list)
    decision: Decision | None = None
    shadow: Decision | None = None
    effects: Effects = Effects()

    @property
    def event(self) -> EventBase:
        return self.admitted.event


def move(current: dict[tuple[Subject, Harm], Assessment], signals: Sequence[Signal], levels: Mapping[Level, float]) -> list[Moved]:
    """Fuse signals into the current assessments, which it updates; what changed comes back."""
    grouped: dict[tuple[Subject, Harm], list[Signal]] = {}
    for signal in signals:
        grouped.setdefault((signal.subject, signal.harm), []).append(signal)
    moved = []
    for at, together in grouped.items():
        previous = current.get(at)
        current[at] = assess(previous, together, max(s.at for s in together), levels=levels)
        moved.append(Moved(previous, current[at]))
    return moved


def answer_of(
    admitted: Admitted,
    decision: Decision,
    sender: Instruction,
    recipients: Sequence[Instruction],
    helplines: Sequence[Helpline] = (),
) -> Answer:
    """The answer, in the service's own account ids, with the helplines of each party's place where a message offers help or an adult."""
    event = admitted.event
    places = {party.account: party.place for party in (admitted.event.actor, *admitted.event.targets)}

    def own(action: Action) -> Action:
        named = {field: getattr(action, field, None) for field in ("account", "protects")}
        own_ids = {field: _own(name, admitted.names) for field, name in named.items() if name}
        return structs.replace(action, **own_ids) if own_ids else action

    def finished(instruction: Instruction) -> Instruction:
        found: tuple[Helpline, ...] = ()
        offers = instruction.show is not None and instruction.show.choose_adult
        if offers or any(message.startswith("help.") for message in instruction.messages):
            country = (places.get(instruction.account) or "")[:2]
            found = tuple(h for h in helplines if h.place is None or h.place == country)
        name = admitted.names.get(instruction.account, instruction.account)
        shields = tuple(admitted.names.get(child, child) for child in instruction.shields)
        return structs.replace(instruction, account=name, helplines=found, shields=shields)

    return Answer(
        event_id=decision.event_id,
        for_sender=finished(sender),
        for_recipients=tuple(finished(r) for r in recipients),
        decision=structs.replace(
            decision,
            actions=tuple(own(action) for action in decision.actions),
            explanations=tuple(named(one, admitted.names) for one in decision.explanations),
        ),
        media=screening_of(event),
    )


def _own(name: str | tuple[str, ...], names: Mapping[str, str]) -> str | tuple[str, ...]:
    return names.get(name, name) if isinstance(name, str) else tuple(names.get(one, one) for one in name)


def screening_of(event: EventBase) -> Screening | None:
    """What was read of an upload's bytes; None where none were looked at."""
    if not isinstance(event, MediaScreened) or not event.size:
        return None
    likeness = [f for f in event.fingerprints if f.kind is FingerprintKind.PDQ]
    exact_only = bool(likeness) and not any(f.has_structure for f in likeness)
    return Screening(media_type=event.media_type, unreadable=event.unreadable, exact_only=exact_only)
