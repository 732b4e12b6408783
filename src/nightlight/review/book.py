"""`ReviewRules`: the rules of this room as the store calls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from nightlight.core.case import CaseState, Consequence, Finding, Peers, Step
from nightlight.core.desk import Agreement, Exposure, Happening, Need, Rules, Severity
from nightlight.core.staff import Staff
from nightlight.review import agreement as agreeing
from nightlight.review import approvals, exposure, states


class ReviewRules:
    """Fills `core.desk.Rulebook`."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()

    def after(self, state: CaseState, happening: Happening) -> CaseState:
        return states.after(state, happening)

    def needed(self, consequence: Consequence, peers: Peers, *, mandatory: bool) -> Need:
        return approvals.needed(self.rules, consequence, peers, mandatory=mandatory)

    def begin(self, step: Step, by: Staff) -> Step:
        return approvals.begin(step, by)

    def sign(self, step: Step, by: Staff, *, yes: bool, reason: str, now: datetime) -> Step:
        return approvals.sign(step, by, yes=yes, reason=reason, now=now)

    def agreement(self, pairs: Iterable[tuple[Finding, Finding]]) -> Agreement:
        return agreeing.agreement(pairs)

    def exposure(
        self,
        person: str,
        now: datetime,
        *,
        cases: int,
        seconds: Mapping[Severity, float],
        since_break: Mapping[Severity, float],
        break_until: datetime | None,
    ) -> Exposure:
        return exposure.exposure(self.rules, person, now, cases=cases, seconds=seconds, since_break=since_break, break_until=break_until)
