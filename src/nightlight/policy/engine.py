"""A compiled rule set, and the decision it gives on an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from nightlight.core.arbitration import arbitrate
from nightlight.core.assessment import Assessment
from nightlight.core.bank import BankAction, Match
from nightlight.core.case import Verdict
from nightlight.core.decision import Action, Decision, Mode
from nightlight.core.event import KINDS, EventBase
from nightlight.core.features import Features
from nightlight.core.gate import Permission
from nightlight.core.harm import Harm, Level
from nightlight.core.signal import SubjectKind
from nightlight.policy.evaluator import cel
from nightlight.policy.judged import Judged, Moved, crosses, led_by_another, unreadable_of
from nightlight.policy.resolve import ALLOW, Asked, resolve
from nightlight.policy.rules import Rule, RuleSet, Trigger
from nightlight.policy.schema import ROOTS, risk_of

MAX_REASONS = 8


class _Compiled:
    """A rule with its condition compiled (about 45 microseconds) and its actions signed with its id."""

    __slots__ = ("actions", "facts", "on_error", "program", "roots", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.facts = frozenset(rule.on.facts)
        self.program = None if rule.condition.strip() == "true" else cel.compile(rule.condition)
        # Only the groups that a condition names are built and converted for it: that is most of what an evaluation costs.
        self.roots: frozenset[str] = frozenset(self.program.variables() if self.program is not None else ())
        self.actions: tuple[Action, ...] = tuple(replace(a, rule=rule.id) for a in rule.actions)
        self.on_error: tuple[Action, ...] = tuple(replace(a, rule=rule.id) for a in rule.on_error)


class Policy:
    """Rules ready to decide. Pure: the same event, assessments and time give the same decision. Safe to use from several threads.

    `mode` is written into every decision; a shadow policy is another instance beside the live one.
    """

    def __init__(self, rules: RuleSet, mode: Mode = Mode.LIVE) -> None:
        self.rules, self.mode = rules, mode
        self.version = rules.version
        compiled = [_Compiled(rule) for rule in rules.rules]
        self._on_verdict = [c for c in compiled if c.rule.requires_verdict]
        self._index: dict[tuple[Harm, Level, str], list[_Compiled]] = {}
        self._always: dict[str, list[_Compiled]] = {}
        for c in compiled:
            if not c.rule.requires_verdict:
                self._file(c)

    def decide(
        self,
        event: EventBase,
        features: Features,
        permission: Permission,
        moved: Sequence[Moved],
        *,
        limited: bool,
        now: datetime,
        verdict: Verdict | None = None,
        late: bool = False,
        reach: frozenset[str] | None = None,
        slowed: bool = False,
    ) -> Decision:
        """What to do about an event.

        moved: assessments that it changed, before and after. limited: a contact limit on the actor is in force. verdict: a person
        judged the case; then only the rules that require that are asked. late: the event was answered before (second hop); then
        rules that need no assessment are not asked again. reach, slowed: as `Judged` has them.
        """
        unreadable = unreadable_of(event, features)
        matches = features.media.matches if features.media is not None else ()
        facts = _fact_set(limited, unreadable, _matched(matches), reach is not None, slowed)
        if not moved and verdict is None and (late or not self._triggered(event.kind, facts)):
            return self._nothing(event, permission, now)
        return self.judge(
            Judged(
                event=event,
                at=now,
                permission=permission,
                moved=tuple((m[0], m[1]) for m in moved),
                matches=matches,
                unreadable=unreadable,
                limited=limited,
                verdict=verdict,
                late=late,
                reach=reach,
                slowed=slowed,
            )
        )

    def judge(self, judged: Judged) -> Decision:
        """The same, from everything in one value: what replay reads back from the store."""
        asked: list[Asked] = []
        fired: list[Rule] = []
        failures: list[str] = []
        groups: dict[str, Any] = {}
        for moved in judged.moved or (None,):
            self._ask(judged, moved, self._candidates(judged, moved), asked, fired, failures, groups)
        if judged.verdict is None and not judged.late:
            always = [c for c in self._always.get(judged.event.kind, ()) if c.facts <= _facts(judged)]
            self._ask(judged, None, always, asked, fired, failures, groups)
        risky = sorted((m[1] for m in judged.moved if m[1].level is not Level.NONE), key=lambda a: (a.harm.urgency, -a.score))
        top = max(risky, key=lambda a: a.level.rank, default=None)
        strongest = max(risky, key=lambda a: a.score, default=None)
        return Decision(
            event_id=judged.event.id,
            at=judged.at,
            actions=resolve(asked, judged) if asked else ALLOW,
            harms=tuple(dict.fromkeys(a.harm for a in risky)),
            level=top.level if top is not None else Level.NONE,
            reasons=_reasons(judged.event.id, risky, fired, failures),
            policy=self.version,
            mode=self.mode,
            gate=judged.permission.cells,
            score=strongest.score if strongest is not None else 0.0,
            calibrated=strongest is not None and strongest.calibrated,
            detectors=tuple(dict.fromkeys(f"{c.detector} {c.version}" for a in risky for c in a.contributions if c.score > 0)),
            failures=tuple(f"rule:{id}" for id in dict.fromkeys(failures)),
        )

    # -- which rules -----------------------------------------------------------------------------------------------------------

    def _file(self, compiled: _Compiled) -> None:
        on = compiled.rule.on
        kinds = on.kinds or KINDS
        if compiled.rule.always:
            for kind in kinds:
                self._always.setdefault(kind, []).append(compiled)
            return
        for harm in on.harms or tuple(Harm):
            for level in Level:
                for kind in kinds if level.rank >= on.level.rank else ():
                    self._index.setdefault((harm, level, kind), []).append(compiled)

    def _triggered(self, kind: str, facts: frozenset[Trigger]) -> bool:
        return any(c.facts <= facts for c in self._always.get(kind, ()))

    def _candidates(self, judged: Judged, moved: Moved | None) -> list[_Compiled]:
        if judged.verdict is not None:
            return [c for c in self._on_verdict if _fits(c.rule, judged, moved) and c.facts <= _facts(judged)]
        if moved is None:
            return []
        current = moved[1]
        found = self._index.get((current.harm, current.level, judged.event.kind), [])
        return [c for c in found if (not c.rule.on.crossing or _crossing(moved, c.rule)) and c.facts <= _facts(judged)]

    # -- asking them -----------------------------------------------------------------------------------------------------------

    def _ask(
        self,
        judged: Judged,
        moved: Moved | None,
        candidates: Sequence[_Compiled],
        asked: list[Asked],
        fired: list[Rule],
        failures: list[str],
        groups: dict[str, Any],
    ) -> None:
        about = moved[1] if moved is not None else None
        bounds = _bounds(judged, moved)
        another = moved is not None and _protects_another(moved)
        try:
            context = _context(judged, moved, frozenset[str]().union(*(c.roots for c in candidates)), groups)
        except Exception:  # then every condition that needed it fails below, and a person looks
            context = None
        for c in candidates:
            try:
                holds = True if c.program is None else c.program.execute(context)
                if not isinstance(holds, bool):
                    raise TypeError("a condition gave neither true nor false")
            except Exception:  # whatever broke, this rule's own fallback is taken and the decision names it
                failures.append(c.rule.id)
                asked.extend(Asked(action, about, c.rule.on.level, _fresh(moved, c.rule), another, *bounds(c)) for action in c.on_error)
                continue
            if holds:
                asked.extend(Asked(action, about, c.rule.on.level, _fresh(moved, c.rule), another, *bounds(c)) for action in c.actions)
                fired.append(c.rule)

    def _nothing(self, event: EventBase, permission: Permission, now: datetime) -> Decision:
        return Decision(
            event_id=event.id,
            at=now,
            actions=ALLOW,
            harms=(),
            level=Level.NONE,
            reasons=(),
            policy=self.version,
            mode=self.mode,
            gate=permission.cells,
        )


def _context(judged: Judged, moved: Moved | None, roots: frozenset[str], groups: dict[str, Any]) -> Any:
    if not roots:
        return None
    values = {}
    for root, build in ROOTS.items():
        if root in roots:
            if root not in groups:
                groups[root] = build(judged)
            values[root] = groups[root]
    if "risk" in roots:
        values["risk"] = risk_of(judged, moved)
    return cel.Context(variables=values)


def _fact_set(limited: bool, unreadable: bool, matched: bool, reach: bool, slowed: bool) -> frozenset[Trigger]:
    if not (limited or unreadable or matched or reach or slowed):
        return _NO_FACTS
    found = (
        (Trigger.CONTACT_LIMITED, limited),
        (Trigger.REACH_LIMITED, reach),
        (Trigger.SLOWED, slowed),
        (Trigger.MEDIA_UNREADABLE, unreadable),
        (Trigger.MEDIA_MATCHED, matched),
    )
    return frozenset(trigger for trigger, holds in found if holds)


_NO_FACTS: frozenset[Trigger] = frozenset()


def _matched(matches: Sequence[Match]) -> bool:
    """Whether something may be done for it: what is only counted, or known to be false, changes nothing."""
    outcome = arbitrate(matches) if matches else None
    return outcome is not None and outcome.action is not BankAction.COUNT


def _facts(judged: Judged) -> frozenset[Trigger]:
    return _fact_set(judged.limited, judged.unreadable, _matched(judged.matches), judged.reach is not None, judged.slowed)


def _crossing(moved: Moved, rule: Rule) -> bool:
    """Whether something begins here: the rule's level is reached, or it is now about, or endangers, somebody else."""
    return crosses(moved, rule.on.level) or led_by_another(moved) or _protects_another(moved)


def _fresh(moved: Moved | None, rule: Rule) -> bool:
    """Whether a contact limit that the rule asks for is a new one. Another child in the same conversation is the same matter: the
    limit that is in force covers them too."""
    return rule.requires_verdict or (moved is not None and (crosses(moved, rule.on.level) or led_by_another(moved)))


def _protects_another(moved: Moved) -> bool:
    previous, current = moved
    return previous is not None and current.protects is not None and current.protects != previous.protects


def _bounds(judged: Judged, moved: Moved | None) -> Callable[[_Compiled], tuple[bool, BankAction]]:
    """Whether what a rule asks may fall on no account, and the most that it may ask for the content.

    What follows from a match does no more than the match allows: no account answers for one that may not count against it (unreviewed, a
    part, paused by a flood, on trial) or for what a picture gathered over all accounts, nothing is blocked that may only be held, and
    nothing is held that a person only looks at or that is only counted. A person's verdict is not held back.
    """
    free = False, BankAction.BLOCK
    about = moved[1] if moved is not None else None
    if judged.verdict is not None:
        return lambda _: free
    known = about is not None and about.harm is Harm.KNOWN_MATERIAL
    if known and judged.late and about is not None and about.subject.kind is SubjectKind.MEDIA:
        return lambda _: (True, BankAction.BLOCK)
    outcome = arbitrate(judged.matches)
    if not judged.matches or (outcome is not None and outcome.action is BankAction.BLOCK and not outcome.spares_account):
        return lambda _: free
    spares = outcome is None or outcome.spares_account
    most = outcome.action if outcome is not None else BankAction.COUNT
    return lambda c: (spares, most) if known or _follows(c, judged, moved) else free


def _follows(c: _Compiled, judged: Judged, moved: Moved | None) -> bool:
    """Whether a rule follows from the event's matches: asked for them, or one that would not hold without any."""
    if Trigger.MEDIA_MATCHED in c.facts:
        return True
    if "match" not in c.roots or c.program is None:
        return False
    try:
        return c.program.execute(_context(replace(judged, matches=()), moved, c.roots, {})) is not True
    except Exception:  # then nobody can tell, and it does no more than the match allows
        return True


def _fits(rule: Rule, judged: Judged, moved: Moved | None) -> bool:
    """The index by hand, for the few rules that are asked once a person has judged; a case may have no assessment at all."""
    on = rule.on
    if on.kinds and judged.event.kind not in on.kinds:
        return False
    if moved is None:
        return not on.harms
    return (not on.harms or moved[1].harm in on.harms) and moved[1].level.rank >= on.level.rank


def _reasons(event: str, risky: Sequence[Assessment], fired: Sequence[Rule], failures: Sequence[str]) -> tuple[str, ...]:
    """At most eight, the most urgent harm first, within it the strongest detector's, and this event's own before older ones."""
    found: dict[str, None] = {}
    for assessment in risky:
        for contribution in sorted(assessment.contributions, key=lambda c: -c.score):
            latest = reversed(contribution.evidence)
            found.update(dict.fromkeys(e.reason for e in sorted(latest, key=lambda e: e.event != event)))
    found.update(dict.fromkeys(rule.description for rule in fired if rule.always and rule.description))
    found.update(dict.fromkeys(f"The rule {id} failed, so a person must look" for id in failures))
    return tuple(found)[:MAX_REASONS]
