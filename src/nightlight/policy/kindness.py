"""What a nudge may not do, whatever its author meant: reach somebody it was not written for, or be seen by somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from nightlight.core.decision import SAFE, To

PARENTS = frozenset(
    {"parent", "parents", "guardian", "guardians", "mother", "father", "family", "caregiver", "caregivers", "carer", "carers"}
)
NOT_PARENTS = (
    "no parent or guardian is told by a rule: the one who harms the child may be one. The child is offered the choice of an adult, "
    "and a person who has looked may tell somebody"
)
_READERS: Mapping[str, tuple[To, ...]] = {
    "child": (To.CHILDREN, To.RECIPIENTS),
    "children": (To.CHILDREN, To.RECIPIENTS),
    "sender": (To.SENDER,),
    "deterrence": (To.SENDER,),
    "peer": (To.PEER,),
}
"""By the last part of a message's key: whom it is written for."""
_LOOSE = frozenset({"outside_conversation", "quick_exit", "choose_adult"})
"""What a word of deterrence to a sender can do without: nobody learns more by it than that they were shown a warning."""


class Fault(NamedTuple):
    message: str
    at: tuple[str, ...]
    """Where, within the action."""
    allowed: tuple[str, ...] = ()


def faults(action: dict[str, Any], *, of_reports: bool, may_hear: bool, judged: bool) -> Iterator[Fault]:
    """What is wrong with a nudge as a rule has it written.

    of_reports: the rule is asked on users' reports alone. may_hear: it may speak to the sender. judged: it speaks once a person decided.
    """
    to, key = action.get("to"), str(action.get("message"))
    parts = re.split("[._-]", key)
    if PARENTS.intersection(parts):
        yield Fault(NOT_PARENTS, ("message",))
    readers = _READERS.get(parts[-1])
    answers = to == To.SENDER.value and of_reports  # whoever reports may be a child
    if readers is not None and to in [t.value for t in To] and to not in readers and not (answers and To.CHILDREN in readers):
        message = f"the message {key!r} is written for {' or '.join(t.value for t in readers)}, and this would show it to {to!r}"
        yield Fault(message, ("message",), tuple(t.value for t in readers))
    if to == To.PEER.value and not judged:
        yield Fault('a nudge to "peer" speaks of what somebody did, so a person decides first: set requires_verdict = true', ("to",))
    loose = _LOOSE if to == To.SENDER.value and not answers and may_hear else frozenset[str]()
    show = action.get("show")
    for name, value in show.items() if isinstance(show, dict) else ():
        if name in SAFE.__struct_fields__ and isinstance(value, bool) and value is not getattr(SAFE, name) and name not in loose:
            message = (
                f"`{name}` cannot be loosened here: a child may read this, and whoever harms a child may see their screen, "
                "their notifications or their mail"
            )
            yield Fault(message, ("show", name), tuple(sorted(loose)))
