"""How many people a consequence takes, and who may be one of them."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from nightlight.core.case import Consequence, Peers, Step, StepState
from nightlight.core.desk import Need, Rules
from nightlight.core.errors import Conflict, Denied, Invalid
from nightlight.core.staff import LEADS, Role, Staff

SIGN_OFF = frozenset({Consequence.SUSPENSION, Consequence.BAN, Consequence.REPORT})
"""Between peers who are minors none of these goes without a lead's signature."""
MOST_SIGNATURES = 5


def needed(rules: Rules, consequence: Consequence, peers: Peers, *, mandatory: bool) -> Need:
    """People, whoever judged among them, and whether one must be a lead.

    A report that the law asks for waits for nobody, peers or not: only the operator's own number counts.
    """
    people = max(1, rules.approvals.get(consequence, 1))
    if consequence is Consequence.DECLINE:
        return Need(max(2, people), lead=True)
    duty = consequence is Consequence.REPORT and mandatory
    if peers is Peers.ASSURED and consequence in SIGN_OFF and not duty:
        return Need(max(2, people), lead=True)
    return Need(people, lead=False)


def begin(step: Step, by: Staff) -> Step:
    """The step with the first signature: of whoever gave the verdict, or asks for the decline."""
    return _settled(replace(step, signed=(by.id,), lead_signed=by.role in LEADS), step.asked_at)


def sign(step: Step, by: Staff, *, yes: bool, reason: str, now: datetime) -> Step:
    """One more signature, or the refusal that ends it. Raises Conflict where it is settled or they signed, Denied for a role."""
    if step.state is not StepState.WAITING:
        raise Conflict(f"this is {step.state}", field="step")
    if by.role not in (Role.LEAD, Role.REVIEWER):
        raise Denied(f"the role {by.role} may not sign", field="role")
    if by.id in step.signed:
        raise Conflict("nobody signs twice", field="step")
    if not yes:
        if not reason.strip():
            raise Invalid("a refusal needs a reason", field="reason")
        return replace(step, state=StepState.REFUSED, reason=reason, decided_at=now)
    lead = step.lead_signed or by.role in LEADS
    if step.needs_lead and not lead and len(step.signed) + 1 >= max(step.needs, MOST_SIGNATURES):
        raise Denied("a lead must sign", field="role")
    return _settled(replace(step, signed=(*step.signed, by.id), lead_signed=lead), now)


def _settled(step: Step, now: datetime) -> Step:
    if len(step.signed) >= step.needs and (step.lead_signed or not step.needs_lead):
        return replace(step, state=StepState.APPROVED, decided_at=now)
    return step
