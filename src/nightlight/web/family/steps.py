"""The order of `/with-you`: which step follows which, and which helplines stand where. Data, so that it is read on one screen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from nightlight.core.event import ReportCategory
from nightlight.core.helplines import Need


class Step(StrEnum):
    START = "start"
    DANGER = "danger"
    HURT = "hurt"
    FAULT = "fault"
    PAY = "pay"
    KEEP = "keep"
    BLOCK = "block"
    TELL = "tell"
    PICTURE = "picture"
    REPORT = "report"
    SENT = "sent"
    END = "end"


class Door(StrEnum):
    """What somebody came for."""

    THREAT = "threat"
    PICTURE = "picture"


ORDER: Mapping[Door, tuple[Step, ...]] = {
    Door.THREAT: (Step.FAULT, Step.PAY, Step.KEEP, Step.BLOCK, Step.TELL, Step.PICTURE, Step.REPORT),
    Door.PICTURE: (Step.FAULT, Step.PICTURE, Step.TELL, Step.PAY, Step.KEEP, Step.BLOCK, Step.REPORT),
}
LINES: Mapping[Step, tuple[Need, ...]] = {
    Step.START: (Need.CHILD,),
    Step.DANGER: (Need.EMERGENCY, Need.CHILD),
    Step.HURT: (Need.SELF_HARM, Need.EMERGENCY),
    Step.TELL: (Need.CHILD,),
    Step.PICTURE: (Need.PICTURE,),
    Step.REPORT: (Need.REPORT, Need.EMERGENCY),
    Step.SENT: (Need.CHILD,),
    Step.END: (Need.CHILD, Need.SELF_HARM),
}
"""Whom a step shows, in that order."""
MOST_LINES: Mapping[Step, int] = {Step.START: 3}
"""The first page has its questions to ask; elsewhere all are shown."""
CATEGORIES = (
    ReportCategory.THREATENED,
    ReportCategory.ASKED_FOR_PICTURES,
    ReportCategory.WANTS_TO_MEET,
    ReportCategory.UNCOMFORTABLE,
)


def around(door: Door, step: Step) -> tuple[Step, Step]:
    """What comes before and after a step of the way."""
    way = ORDER[door]
    at = way.index(step)
    return (way[at - 1] if at else Step.START), (way[at + 1] if at + 1 < len(way) else Step.END)
