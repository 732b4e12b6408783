"""Fills `core.rulebook.PolicyDesk`: the rule sets as people read them, what shadow would have done, and changing them with a reason."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from nightlight.adapters.store.history import SqlHistory
from nightlight.adapters.store.policies import PolicyVersion, SqlPolicies
from nightlight.core.decision import Act, Decision, Mode
from nightlight.core.errors import Invalid
from nightlight.core.rulebook import (
    POLICY_CHANGERS,
    POLICY_READERS,
    PolicyBoard,
    PolicyComparison,
    RuleBook,
    RuleDifference,
    RuleVersion,
    RuleWords,
    Tallied,
)
from nightlight.core.staff import Role, Staff
from nightlight.policy import PolicyError, Rule, RuleSet, default_rules, load_rules
from nightlight.policy.check import default_text
from nightlight.policy.replay import tally
from nightlight.policy.shadow import describe

MOST_COMPARED = 5_000
"""Events that a page compares: the latest. Measured at 74 microseconds each (2,610 events, two busy cores), so under half a second."""
MOST_VERSIONS = 20
MOST_TEXT = 512 * 1024
"""Bytes of a rule set that the console takes."""
MOST_REASON = 500


class RuleDesk:
    """endpoints: names that the operator configured; empty: not checked, as on the command line."""

    def __init__(self, store: SqlPolicies, history: SqlHistory, endpoints: Collection[str]) -> None:
        self._store, self._history = store, history
        self._endpoints = frozenset(endpoints) or None

    def board(self, who: Staff) -> PolicyBoard:
        who.must_be(POLICY_READERS, "read the rules")
        live, live_problem = self._book(Mode.LIVE)
        shadow, shadow_problem = self._book(Mode.SHADOW)
        earlier = self._store.earlier()
        return PolicyBoard(
            live=live or _shipped(),
            shadow=shadow,
            differences=() if shadow is None else _differences(live or _shipped(), shadow),
            versions=[_version(one) for one in self._store.versions(MOST_VERSIONS)],
            earlier=None if earlier is None else _version(earlier),
            problem=live_problem or shadow_problem,
        )

    def compare(self, who: Staff) -> PolicyComparison | None:
        who.must_be(POLICY_READERS, "read the rules")
        shadow = self._store.current(Mode.SHADOW)
        if shadow is None:
            return None
        live = self._store.current(Mode.LIVE)
        ours = default_rules().version if live is None else _named(live)
        pairs = self._history.decided_lately(ours, _named(shadow), MOST_COMPARED + 1)
        seen: list[Decision] = []

        def timed() -> Collection[tuple[Decision, Decision]]:
            found = list(islice(pairs, MOST_COMPARED))
            seen.extend(one for one, _ in found[:1] + found[-1:])
            return found

        told = tally(timed())
        return PolicyComparison(
            events=told.events,
            changed=told.changed,
            since=seen[-1].at if seen else None,
            until=seen[0].at if seen else None,
            complete=next(pairs, None) is None,
            rows=tuple(
                Tallied(kind=kind, name=_split(name)[0], detail=_split(name)[1], live=here, shadow=there, added=added, removed=removed)
                for kind, name, here, there, added, removed in told.table()
                if added or removed
            ),
            # Ids are the service's own: for those who may read cases, and not for who only runs the machine.
            examples=told.examples if who.role is not Role.ADMINISTRATOR else (),
        )

    def try_in_shadow(self, who: Staff, text: str, reason: str) -> RuleBook:
        who.must_be(POLICY_CHANGERS, "change the rules")
        reason = _reason(reason)
        if len(text.encode()) > MOST_TEXT:
            raise Invalid(f"at most {MOST_TEXT} bytes", field="text")
        rules = self._checked(text)
        kept = self._store.activate(text, Mode.SHADOW, who.audit, name=rules.name, reason=reason)
        return _read(kept, rules)

    def go_live(self, who: Staff, digest: str, reason: str) -> RuleBook:
        who.must_be(POLICY_CHANGERS, "change the rules")
        reason, current = _reason(reason), self._store.current(Mode.SHADOW)
        # Checked anew: endpoints may have gone since it began to run in shadow. Texts never change, so this is what goes live.
        rules = None if current is None or current.hash != digest else self._checked(current.text)
        kept = self._store.promote(who.audit, expected=digest, reason=reason)
        return _read(kept, rules or self._checked(kept.text))

    def go_back(self, who: Staff, digest: str, reason: str) -> RuleBook:
        who.must_be(POLICY_CHANGERS, "change the rules")
        reason, earlier = _reason(reason), self._store.earlier()
        if earlier is not None:
            self._checked(earlier.text)
        kept = self._store.rollback(Mode.LIVE, who.audit, expected=digest, reason=reason)
        return _read(kept, self._checked(kept.text))

    def end_shadow(self, who: Staff, digest: str, reason: str) -> None:
        who.must_be(POLICY_CHANGERS, "change the rules")
        self._store.retire(Mode.SHADOW, who.audit, expected=digest, reason=_reason(reason))

    def _checked(self, text: str) -> RuleSet:
        try:
            return load_rules(text, "rules", endpoints=self._endpoints)
        except PolicyError as error:
            raise Invalid("\n".join(str(p) for p in error.problems), field="text") from None

    def _book(self, mode: Mode) -> tuple[RuleBook | None, str | None]:
        found = self._store.current(mode)
        if found is None:
            return None, None
        try:
            return _read(found, load_rules(found.text, found.name or "rules")), None
        except PolicyError as error:
            book = RuleBook(
                mode=mode,
                version=_named(found),
                digest=found.hash,
                description="",
                text=found.text,
                rules=(),
                since=found.activated_at,
                by=found.activated_by,
            )
            return book, f"{mode}: {error.problems[0]}"


def _shipped() -> RuleBook:
    rules = default_rules()
    return RuleBook(
        mode=Mode.LIVE,
        version=rules.version,
        digest=rules.digest,
        description=rules.description,
        text=default_text(),
        rules=tuple(_words(rule) for rule in rules.rules),
        since=None,
        by="",
    )


def _read(kept: PolicyVersion, rules: RuleSet) -> RuleBook:
    return RuleBook(
        mode=kept.mode,
        version=_named(kept),
        digest=kept.hash,
        description=rules.description,
        text=kept.text,
        rules=tuple(_words(rule) for rule in rules.rules),
        since=kept.activated_at,
        by=kept.activated_by,
    )


def _words(rule: Rule) -> RuleWords:
    return RuleWords(
        id=rule.id,
        description=rule.description,
        harms=tuple(harm.value for harm in rule.on.harms),
        level="" if rule.always else rule.on.level.value,
        kinds=rule.on.kinds,
        facts=tuple(fact.value for fact in rule.on.facts),
        crossing=rule.on.crossing,
        always=rule.always,
        requires_verdict=rule.requires_verdict,
        condition=rule.condition,
        actions=tuple(_act(action) for action in rule.actions),
        on_error=tuple(_act(action) for action in rule.on_error),
    )


def _act(action: Act) -> tuple[str, str]:
    return _split(describe(action))


def _split(described: str) -> tuple[str, str]:
    """`describe`'s words: the action's name, and its parameters."""
    name, _, rest = described.partition(" ")
    return name, rest


def _differences(live: RuleBook, shadow: RuleBook) -> tuple[RuleDifference, ...]:
    ours, theirs = ({rule.id: rule for rule in book.rules} for book in (live, shadow))
    ids = dict.fromkeys([*ours, *theirs])
    return tuple(RuleDifference(id=id, live=ours.get(id), shadow=theirs.get(id)) for id in ids if ours.get(id) != theirs.get(id))


def _named(found: PolicyVersion) -> str:
    """As `RuleSet.version` writes it."""
    return f"{found.name}@{found.hash[:16]}"


def _version(found: PolicyVersion) -> RuleVersion:
    return RuleVersion(
        number=found.version,
        version=_named(found),
        mode=found.mode,
        since=found.activated_at,
        until=found.retired_at,
        by=found.activated_by,
    )


def _reason(given: str) -> str:
    reason = " ".join(given.split())
    if len(reason) < 3:
        raise Invalid("say why, in a few words", field="reason")
    if len(reason) > MOST_REASON:
        raise Invalid(f"at most {MOST_REASON} characters", field="reason")
    return reason
