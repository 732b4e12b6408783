"""Reads back from the store what the rules judged, so that other rules can judge it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

from nightlight.actions import simulate
from nightlight.app.passage import move
from nightlight.app.settings import Settings
from nightlight.core.assessment import Assessment
from nightlight.core.bank import Match
from nightlight.core.decision import event_of
from nightlight.core.errors import Invalid, NightlightError
from nightlight.core.event import Event, EventBase
from nightlight.core.features import Features
from nightlight.core.harm import Harm
from nightlight.core.ports import StoredEvent
from nightlight.core.signal import Signal, Subject
from nightlight.policy import Comparison, Judged, Policy, RuleSet, in_force
from nightlight.policy.judged import unreadable_of
from nightlight.policy.resolve import ALLOW

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight

PAGE = 500


def judged_from_store(nightlight: Nightlight) -> Iterator[Judged]:
    """Every stored event in log order, with the assessments it moved: folded again from its signals, as they were at the time.

    Signals of events past their retention are gone, so what they had built up is missing from what follows.
    """
    store, history = nightlight.database.pipeline, nightlight.database.history
    current: dict[tuple[Subject, Harm], Assessment] = {}
    seen: set[str] = set()
    after = 0
    while page := store.events(after, PAGE):
        after = page[-1][0]
        events = [stored for _, stored in page]
        found = history.signals([e.id for e in events])
        limits = history.limits_of(sorted({e.actor for e in events}), min(e.received_at for e in events))
        for stored in events:
            event = _open(nightlight, stored)
            signals = found.get(stored.id, ())
            # Log order, not clock order, says which limits were set before: two events may come in the same microsecond.
            before = [limit for limit in limits.get(stored.actor, ()) if event_of(limit.event) in seen]
            seen.add(stored.id)
            yield Judged(
                event=event,
                at=stored.received_at,
                permission=nightlight.gate.rule(event),
                moved=tuple((m.previous, m.current) for m in move(current, signals, nightlight.parts.levels)),
                matches=_matches(signals),
                unreadable=unreadable_of(event, Features()),
                **in_force(before, stored.received_at)._asdict(),
            )


def try_rules(rules: RuleSet, lines: Sequence[bytes], place: str | None = None) -> Iterator[str]:
    """What a rule set would do about wire events: their levels, and the simulated twin of every action.

    Raises Invalid naming the line of an event that is none.
    """
    from nightlight.app.bootstrap import bootstrap

    with TemporaryDirectory(prefix="nightlight-try-") as home, bootstrap(Path(home), settings=Settings(place=place)) as graph:
        graph.policies.live = Policy(rules)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                admitted = graph.events.admit(graph.events.decode(line))
            except NightlightError as error:
                raise Invalid(f"line {number}: {error.message}", field=error.field) from None
            (passage,) = graph.pipeline.look([admitted])
            decision = passage.decision
            if decision is not None and decision.actions != ALLOW:
                yield f"{decision.event_id}  {decision.level.value}  {', '.join(harm.value for harm in decision.harms)}".rstrip()
                yield from (f"    {words}" for words in simulate(passage.event, decision, [m.current for m in passage.moved], decision.at))


def compare_shadow(nightlight: Nightlight) -> Comparison:
    """The shadow's stored decisions against the live ones."""
    from nightlight.policy.replay import tally

    return tally(nightlight.database.history.decided_by_both())


def _open(nightlight: Nightlight, stored: StoredEvent) -> EventBase:
    event: EventBase = msgspec.msgpack.decode(nightlight.sealer.open(stored.sealed, f"event:{stored.id}"), type=Event)
    return event


def _matches(signals: Sequence[Signal]) -> tuple[Match, ...]:
    return tuple(dict.fromkeys(e.match for s in signals for e in s.evidence if e.match is not None))
