"""What another rule set would have done with events of the past. Nothing is done and nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from nightlight.core.decision import Decision
from nightlight.policy.engine import Policy
from nightlight.policy.judged import Judged
from nightlight.policy.shadow import compare, describe

MOST_EXAMPLES = 20


class Change(Struct, frozen=True, kw_only=True):
    """How often something happened under each rule set, and on how many events only under one of them."""

    name: str
    live: int
    candidate: int
    added: int
    """Events on which only the candidate did it."""
    removed: int
    """Events on which only the live rules did it."""


class Comparison(Struct, frozen=True, kw_only=True):
    live: str
    """Version of the rule set."""
    candidate: str
    events: int
    changed: int
    """Events whose actions differ."""
    actions: tuple[Change, ...]
    rules: tuple[Change, ...]
    """By the rule that asked for an action that was taken."""
    failures: tuple[Change, ...]
    examples: tuple[str, ...]
    """Ids of the first events that differ, at most twenty."""

    def table(self) -> list[tuple[str, str, int, int, int, int]]:
        """Rows to show: what (action, rule or failure), its name, under live, under the candidate, added, removed."""
        parts: Sequence[tuple[str, tuple[Change, ...]]] = (("action", self.actions), ("rule", self.rules), ("failure", self.failures))
        return [(what, c.name, c.live, c.candidate, c.added, c.removed) for what, changes in parts for c in changes]

    def text(self) -> str:
        """The table as lines of plain text."""
        head = ("", "", "live", "candidate", "added", "removed")
        rows = [head, *(tuple(str(cell) for cell in row) for row in self.table())]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = ["  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))) for row in rows]
        return "\n".join(
            (
                f"{self.events} events replayed: {self.changed} would be decided otherwise",
                f"live {self.live}, candidate {self.candidate}",
                "",
                *(line.rstrip() for line in lines),
            )
        )


class _Tally:
    def __init__(self) -> None:
        self._live: Counter[str] = Counter()
        self._candidate: Counter[str] = Counter()
        self._added: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()

    def count(self, live: Iterable[str], candidate: Iterable[str]) -> None:
        ours, theirs = set(live), set(candidate)
        self._live.update(ours)
        self._candidate.update(theirs)
        self._added.update(theirs - ours)
        self._removed.update(ours - theirs)

    def changes(self) -> tuple[Change, ...]:
        return tuple(
            Change(name=name, live=self._live[name], candidate=self._candidate[name], added=self._added[name], removed=self._removed[name])
            for name in sorted(self._live.keys() | self._candidate.keys())
        )


def replay(judged: Iterable[Judged], live: Policy, candidate: Policy) -> Comparison:
    """Judge every event by both rule sets and count what differs. Reads `judged` once, in constant memory.

    What was in force at the time stays as it was: a contact limit that only the candidate would have set binds no later event.
    """
    return tally(((live.judge(one), candidate.judge(one)) for one in judged), live.version, candidate.version)


def tally(decided: Iterable[tuple[Decision, Decision]], live: str = "", candidate: str = "") -> Comparison:
    """Count how pairs of decisions about the same events differ. The versions are those of the last pair where none is given."""
    actions, rules, failures = _Tally(), _Tally(), _Tally()
    events = changed = 0
    examples: list[str] = []
    for ours, theirs in decided:
        events += 1
        actions.count((describe(a) for a in ours.actions), (describe(a) for a in theirs.actions))
        rules.count((a.rule for a in ours.actions if a.rule), (a.rule for a in theirs.actions if a.rule))
        failures.count(ours.failures, theirs.failures)
        live, candidate = ours.policy, theirs.policy
        if not compare(ours, theirs).same:
            changed += 1
            if len(examples) < MOST_EXAMPLES:
                examples.append(ours.event_id)
    return Comparison(
        live=live,
        candidate=candidate,
        events=events,
        changed=changed,
        actions=actions.changes(),
        rules=rules.changes(),
        failures=failures.changes(),
        examples=tuple(examples),
    )
