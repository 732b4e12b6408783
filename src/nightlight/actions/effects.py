"""All effects of a decision, to be committed with it, and the same as plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from nightlight.actions.friction import Draw
from nightlight.actions.registry import HANDLERS, Doing, gravest
from nightlight.core.assessment import Assessment
from nightlight.core.decision import Decision, Mode
from nightlight.core.event import EventBase
from nightlight.core.ports import CaseOpening, ContactLimit, Outgoing


class Effects(Struct, frozen=True, kw_only=True):
    """What a decision changes beyond the answer to the service."""

    cases: tuple[CaseOpening, ...] = ()
    outbox: tuple[Outgoing, ...] = ()
    limits: tuple[ContactLimit, ...] = ()
    preserve: bool = False
    """Keep the event past its retention, as evidence."""


def plan(
    event: EventBase,
    decision: Decision,
    assessments: Sequence[Assessment],
    now: datetime,
    *,
    lead: str = "lead",
    names: Mapping[str, str] | None = None,
    draw: Draw | None = None,
) -> Effects:
    """The effects of every action of a live decision; of a shadow decision none.

    assessments: those that the event moved, as they are now. lead: the endpoint that is paged before a limit lapses unreviewed. names:
    pseudonyms and the service's own ids, for messages that the service is to show. draw: see `friction`; needed where the decision adds
    any (ValueError). Pure, and keys depend on the decision alone: planned twice, it is the same messages.
    """
    if decision.mode is not Mode.LIVE or not decision.actions:
        return _NONE
    doing = _doing(event, decision, assessments, now, lead)
    doing.names, doing.draw = names or {}, draw
    for action in decision.actions:
        HANDLERS[type(action)].perform(action, doing)
    return Effects(
        cases=tuple(doing.cases),
        outbox=tuple({message.key: message for message in doing.outbox}.values()),
        limits=tuple(doing.limits),
        preserve=doing.preserve,
    )


def simulate(
    event: EventBase, decision: Decision, assessments: Sequence[Assessment], now: datetime, *, lead: str = "lead"
) -> tuple[str, ...]:
    """What would happen, one plain sentence an action, without consequences. Works on shadow decisions too."""
    doing = _doing(event, decision, assessments, now, lead)
    return tuple(HANDLERS[type(action)].simulate(action, doing) for action in decision.actions)


_NONE = Effects()


def _doing(event: EventBase, decision: Decision, assessments: Sequence[Assessment], now: datetime, lead: str) -> Doing:
    return Doing(event=event, decision=decision, about=gravest(assessments), now=now, lead=lead, assessments=assessments)
