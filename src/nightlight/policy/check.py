"""`policy check`: what is wrong with a rule set, by file and line, and what is allowed instead.

Nothing goes live that this has not passed: `load_rules` runs it and refuses.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nightlight.core.decision import ACTION_TYPES, Act, Action, To
from nightlight.core.errors import Invalid
from nightlight.core.event import KINDS
from nightlight.core.harm import Harm, Level
from nightlight.policy.cel import nearest, read_expression
from nightlight.policy.evaluator import cel
from nightlight.policy.kindness import NOT_PARENTS, PARENTS, faults
from nightlight.policy.rules import On, Rule, RuleSet, Trigger
from nightlight.policy.samples import samples
from nightlight.policy.schema import values_of
from nightlight.policy.toml_lines import Lines

MAX_RULES = 500
MAX_STEPS = 50_000
"""Steps of all conditions of a file together (`cel.Reading.steps`): what an event costs that asks every one of them."""
RESERVED: Mapping[str, str] = {
    "enforcement": "sanction_account, which needs a person's verdict",
    "messages": "nudge, which says how a message may be shown",
}
"""Endpoints at which the service acts on an account or shows somebody a message, and the action that alone may speak there."""
_TOP = ("name", "description", "rule")
_RULE = tuple(Rule.__struct_fields__)
_ON = tuple(On.__struct_fields__)
_ENGINE_ONLY = frozenset({"rule", "account", "protects"})
"""Fields of actions that the engine fills in."""
_ACTIONS: Mapping[str, type[Act]] = {str(t.__struct_config__.tag): t for t in ACTION_TYPES}
_VERDICT_ONLY = ("sanction_account", "report_account")
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")
_LINE = re.compile(r"\(at line (\d+), column \d+\)")

DETERRABLE = frozenset({Harm.SEARCH_INTENT, Harm.GENERATIVE_MISUSE, Harm.LAWFUL_IMAGE_MISUSE})
"""Harms without a child on the other side: a word to the sender deters and warns nobody who should not be warned."""


class Problem(Struct, frozen=True):
    file: str
    line: int
    rule: str
    """Id of the rule; empty where it concerns the file."""
    message: str
    allowed: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " + (f"rule {self.rule}: " if self.rule else "")
        return where + self.message + (f"; allowed: {', '.join(a if a else '(empty)' for a in self.allowed)}" if self.allowed else "")


class PolicyError(Invalid):
    """A rule set did not pass the check."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(p) for p in problems), field=problems[0].file if problems else None)
        self.problems = problems


def check(text: str, filename: str, *, endpoints: Collection[str] | None = None, messages: Collection[str] | None = None) -> list[Problem]:
    """Everything wrong with a rule set, in order of line; empty where it may go live.

    `endpoints` and `messages`: names the operator configured, so that a rule cannot notify nobody; None: not checked.
    """
    try:
        raw, lines = tomllib.loads(text), Lines(text)
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        return [Problem(filename, line, "", f"not TOML: {_LINE.sub('', str(error)).strip()}")]
    except RecursionError:
        return [Problem(filename, 1, "", "brackets stand too deep within one another")]
    checker = _Checker(raw, filename, lines, endpoints, messages)
    checker.file()
    return sorted(checker.problems, key=lambda p: p.line)


def load_rules(text: str, filename: str, *, endpoints: Collection[str] | None = None, messages: Collection[str] | None = None) -> RuleSet:
    """The rule set in a TOML text. Raises PolicyError with every problem where it does not pass the check."""
    if problems := check(text, filename, endpoints=endpoints, messages=messages):
        raise PolicyError(tuple(problems))
    raw = tomllib.loads(text)
    return RuleSet(
        name=raw["name"],
        description=raw.get("description", ""),
        rules=msgspec.convert(raw.get("rule", []), tuple[Rule, ...]),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def default_text() -> str:
    """The default policy's own text, to start from."""
    return Path(__file__).with_name("default.toml").read_text("utf-8")


@cache
def default_rules() -> RuleSet:
    """The policy that ships: for a service with children."""
    return load_rules(default_text(), "default.toml")


@cache
def _contexts() -> tuple[tuple[str, Any], ...]:
    """The samples as the evaluator reads them, each with a name for messages."""
    named = []
    for judged in samples():
        moved = judged.moved[0] if judged.moved else None
        about = f"a {judged.event.kind} event" + (f" with {moved[1].harm} at {moved[1].level}" if moved else "")
        named.append((about, cel.Context(variables=values_of(judged, moved))))
    return tuple(named)


class _Checker:
    def __init__(
        self,
        raw: dict[str, Any],
        filename: str,
        lines: Lines,
        endpoints: Collection[str] | None,
        messages: Collection[str] | None,
    ) -> None:
        self._raw, self._filename, self._lines = raw, filename, lines
        self._names: Mapping[str, Collection[str] | None] = {"endpoint": endpoints, "message": messages}
        self._rule = ""
        self._steps = 0
        self.problems: list[Problem] = []

    def file(self) -> None:
        self._keys(self._raw, _TOP)
        name = self._raw.get("name")
        if not isinstance(name, str) or not _NAME.match(name):
            self._problem("a rule set needs a `name` of lower-case letters, digits, - and _", "name")
        self._is(self._raw, "description", str, "a text")
        rules = self._raw.get("rule", [])
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            self._problem("rules are written as tables: [[rule]]", "rule")
            return
        if not rules:
            self._problem("there is no rule: nothing would ever be decided", "rule")
        if len(rules) > MAX_RULES:
            self._problem(f"there are {len(rules)} rules; at most {MAX_RULES}", "rule")
            return
        seen: dict[str, int] = {}
        for number, rule in enumerate(rules):
            id = rule.get("id")
            self._rule = id if isinstance(id, str) else f"number {number + 1}"
            if isinstance(id, str):
                if id in seen:
                    self._problem(f"the id was used before, on line {seen[id]}", "rule", number, "id")
                seen.setdefault(id, self._lines.of("rule", number, "id"))
            self._one(rule, "rule", number)

    def _one(self, rule: dict[str, Any], *at: str | int) -> None:
        self._keys(rule, _RULE, *at)
        id = rule.get("id")
        if not isinstance(id, str) or not _NAME.match(id):
            self._problem("a rule needs an `id` of at most 63 lower-case letters, digits, - and _", *at, "id")
        self._is(rule, "description", str, "a text", *at)
        for field in ("always", "requires_verdict"):
            self._is(rule, field, bool, "true or false", *at)
        self._on(rule, *at)
        self._condition(rule, *at)
        self._actions(rule, "actions", *at)
        if "on_error" in rule:
            self._actions(rule, "on_error", *at)

    # -- when it is asked ------------------------------------------------------------------------------------------------------

    def _on(self, rule: dict[str, Any], *at: str | int) -> None:
        on = rule.get("on", {})
        if not isinstance(on, dict):
            self._problem("`on` is a table, such as { harms = [...], level = ... }", *at, "on")
            return
        self._keys(on, _ON, *at, "on")
        self._each(on, "harms", tuple(h.value for h in Harm), *at, "on")
        self._each(on, "kinds", KINDS, *at, "on")
        self._each(on, "facts", tuple(t.value for t in Trigger), *at, "on")
        self._is(on, "crossing", bool, "true or false", *at, "on")
        levels = tuple(level.value for level in Level)
        if "level" in on and on["level"] not in levels:
            self._problem(f"there is no level {on['level']!r}{nearest(str(on['level']), levels)}", *at, "on", "level", allowed=levels)
        if rule.get("always") is True:
            if not on.get("kinds"):
                self._problem("a rule that is always asked names the kinds of event it is asked on", *at, "always", allowed=KINDS)
            for field in ("harms", "level", "crossing"):
                if field in on:
                    self._problem(f"a rule that is always asked has no assessment, so no {field}", *at, "on", field)

    def _condition(self, rule: dict[str, Any], *at: str | int) -> None:
        if "condition" not in rule:
            return
        source = rule["condition"]
        if not isinstance(source, str):
            self._problem("a condition is a text in CEL", *at, "condition")
            return
        start = self._lines.of_text(*at, "condition")
        reading = read_expression(source)
        for fault in reading.faults:
            line = start + source.count("\n", 0, fault.at)
            self.problems.append(Problem(self._filename, line, self._rule, fault.message, fault.allowed))
        if self._steps > MAX_STEPS:
            return  # told already, and not run any more
        self._steps += reading.steps
        if self._steps > MAX_STEPS:
            much = f"with this one the conditions of the file take more than {MAX_STEPS} steps together: shorten them or their lists"
            self.problems.append(Problem(self._filename, start, self._rule, much))
        elif not reading.faults and (message := _fails(source)) is not None:
            self.problems.append(Problem(self._filename, start, self._rule, message))

    # -- what it does ----------------------------------------------------------------------------------------------------------

    def _actions(self, rule: dict[str, Any], field: str, *at: str | int) -> None:
        actions = rule.get(field)
        if not isinstance(actions, list) or not actions:
            self._problem(f"`{field}` is empty: the rule would do nothing", *at, field, allowed=tuple(_ACTIONS))
            return
        for number, action in enumerate(actions):
            here = (*at, field, number)
            if not isinstance(action, dict) or "action" not in action:
                self._problem('an action is a table that names it: { action = "..." }', *here, allowed=tuple(_ACTIONS))
                continue
            name = action["action"]
            if not isinstance(name, str) or name not in _ACTIONS:
                message = f"there is no action {name!r}{nearest(str(name), _ACTIONS)}"
                self._problem(message, *here, "action", allowed=tuple(_ACTIONS))
                continue
            self._parameters(action, _ACTIONS[name], *here)
            self._humane(rule, field, action, *here)

    def _parameters(self, action: dict[str, Any], type: type[Act], *at: str | int) -> None:
        fields = tuple(f for f in type.__struct_fields__ if f not in _ENGINE_ONLY)
        if not self._keys(action, ("action", *fields), *at):
            return
        if (what := _HOURLY.get(action["action"])) is not None and "hours" in action:
            hours = action["hours"]
            if not isinstance(hours, int | float) or isinstance(hours, bool) or hours > 24:
                self._problem(f"{what} for 24 hours at most: a machine may not do more, and a person can extend it", *at, "hours")
                return
        if action["action"] == "nudge" and str(action.get("to")).lower() in PARENTS:
            self._problem(NOT_PARENTS, *at, "to", allowed=tuple(t.value for t in To))
            return
        try:
            msgspec.convert(action, Action)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$.")
            field = path.rstrip("`")
            allowed = tuple(t.value for t in To) if field == "to" else ()
            self._problem(f"{field or action['action']}: {message}", *at, *([field] if field else []), allowed=allowed)
            return
        if action["action"] == "notify" and (only := RESERVED.get(action["endpoint"])) is not None:
            message = f"the endpoint {action['endpoint']!r} is reserved for {only}"
            self._problem(message, *at, "endpoint", allowed=tuple(sorted(set(self._names["endpoint"] or ()) - RESERVED.keys())))
            return
        if action["action"] == "notify" and PARENTS.intersection(re.split("[_-]", action["endpoint"])):
            self._problem(NOT_PARENTS, *at, "endpoint")
            return
        for field, known in self._names.items():
            if known is not None and field in action and action[field] not in known:
                message = f"there is no {field} {action[field]!r}{nearest(action[field], known)}"
                self._problem(message, *at, field, allowed=tuple(sorted(known)))

    def _humane(self, rule: dict[str, Any], field: str, action: dict[str, Any], *at: str | int) -> None:
        """What no rule may do, whatever its author meant."""
        if action["action"] in _VERDICT_ONLY:
            if field == "on_error":
                self._problem(f"{action['action']} cannot follow from a mistake in a rule; open a case instead", *at)
            elif rule.get("requires_verdict") is not True:
                message = (
                    f"{action['action']} falls on a person, so it needs a person's verdict: set requires_verdict = true. "
                    "A rule may hold or block content, limit contact for a day and open a case by itself"
                )
                self._problem(message, *at)
        if action["action"] == "nudge":
            hears = _may_hear(rule)
            for fault in faults(action, of_reports=_is_of_reports(rule), may_hear=hears, judged=_is_judged(rule, field)):
                self._problem(fault.message, *at, *fault.at, allowed=fault.allowed)
        if action["action"] == "nudge" and action.get("to") == To.SENDER.value and not _may_hear(rule):
            harms = tuple(h.value for h in DETERRABLE)
            message = (
                "a nudge to the sender would tell somebody who may be harming a child that they were noticed. "
                'The one to be protected is nudge to "children", whoever wrote'
            )
            self._problem(message, *at, "to", allowed=(*sorted(harms), "always with kinds = [user_report]"))
        if action["action"] == "nudge" and action.get("to") in (To.CHILDREN.value, To.RECIPIENTS.value) and _may_be_a_report(rule):
            message = (
                "the recipients of a report are those who were reported, and this would tell them so. "
                "Where the rule has no assessment, leave user_report out of its kinds"
            )
            self._problem(message, *at, "to", allowed=(To.SENDER.value,))

    # -- small parts -----------------------------------------------------------------------------------------------------------

    def _keys(self, table: dict[str, Any], allowed: tuple[str, ...], *at: str | int) -> bool:
        unknown = [key for key in table if key not in allowed]
        for key in unknown:
            self._problem(f"there is no key {key!r}{nearest(key, allowed)}", *at, key, allowed=allowed)
        return not unknown

    def _is(self, table: dict[str, Any], key: str, type: type, what: str, *at: str | int) -> None:
        if key in table and not isinstance(table[key], type):
            self._problem(f"`{key}` must be {what}", *at, key)

    def _each(self, table: dict[str, Any], key: str, allowed: tuple[str, ...], *at: str | int) -> None:
        values = table.get(key, [])
        if not isinstance(values, list):
            self._problem(f"`{key}` is a list", *at, key, allowed=allowed)
            return
        if key in table and not values:
            self._problem(f"`{key}` is empty; leave it out where it does not matter", *at, key)
        for number, value in enumerate(values):
            if value not in allowed:
                message = f"{value!r} is not one of the {key}{nearest(str(value), allowed)}"
                self._problem(message, *at, key, number, allowed=allowed)

    def _problem(self, message: str, *at: str | int, allowed: tuple[str, ...] = ()) -> None:
        self.problems.append(Problem(self._filename, self._lines.of(*at), self._rule, message, allowed))


_HOURLY: Mapping[str, str] = {
    "limit_contact": "contact is limited",
    "limit_reach": "reach is limited",
    "add_friction": "friction lasts",
}


def _is_judged(rule: dict[str, Any], field: str) -> bool:
    """Whether what it asks for follows from a person's verdict alone."""
    return field == "actions" and rule.get("requires_verdict") is True


def _is_of_reports(rule: dict[str, Any]) -> bool:
    """Asked on reports alone: whoever sends one may be a child."""
    on = rule.get("on")
    return rule.get("always") is True and isinstance(on, dict) and on.get("kinds") == ["user_report"]


def _may_hear(rule: dict[str, Any]) -> bool:
    """Whether the sender may be told something: who searches or prompts, and who reports to us."""
    on = rule.get("on") if isinstance(rule.get("on"), dict) else {}
    if rule.get("always") is True:
        return on is not None and on.get("kinds") == ["user_report"]
    harms = on.get("harms") if on is not None else None
    return isinstance(harms, list) and bool(harms) and all(h in [d.value for d in DETERRABLE] for h in harms)


def _may_be_a_report(rule: dict[str, Any]) -> bool:
    """Whether it can be asked on a report with no assessment that says whom to protect: by itself, or for a person's verdict."""
    on = rule.get("on") if isinstance(rule.get("on"), dict) else None
    kinds, harms = (on.get("kinds"), on.get("harms")) if on is not None else (None, None)
    without = rule.get("always") is True or (rule.get("requires_verdict") is True and not harms)
    return without and (not isinstance(kinds, list) or not kinds or "user_report" in kinds)


def _fails(source: str) -> str | None:
    """Run the condition on a sample of everything, as the engine will; what went wrong, or None."""
    try:
        program = cel.compile(source)
    except ValueError as error:
        return f"the evaluator cannot read it: {str(error).splitlines()[0]}"
    for about, context in _contexts():
        try:
            answer = program.execute(context)
        except Exception as error:
            return f"it fails on {about}: {str(error).splitlines()[0]}"
        if not isinstance(answer, bool):
            return f"it gives {type(answer).__name__} instead of true or false on {about}"
    return None
