from __future__ import annotations

from typing import NamedTuple

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.policy.cel import (
    FUNCTIONS,
    MAX_DEPTH,
    MAX_FAULTS,
    MAX_ITEMS,
    MAX_LENGTH,
    MAX_STEPS,
    MAX_TERMS,
    METHODS,
    check_expression,
    read_expression,
)
from nightlight.policy.samples import samples
from nightlight.policy.schema import BY_PATH, GROUPS, VARIABLES, Type, values_of

CONTEXTS = [cel.Context(variables=values_of(j, j.moved[0] if j.moved else None)) for j in samples()[::5]]


@pytest.mark.parametrize(
    "source",
    [
        "true",
        'event.kind == "message" && risk.score > 0.5',
        'risk.score > 0 || risk.level in ["elevated", "high"]',
        '"trust" in risk.stages && risk.stages.size() >= 2',
        'risk.stages.exists(s, s == "trust" || s == "isolation")',
        'risk.stages.all(s, s in ["trust"]) ? true : actor.may_be_adult',
        "!(targets.count > 3) && -match.distance < 0",
        'match.bank.startsWith("own-") // a comment',
        "double(targets.count) + 1.5 > risk.score * 2.0",
        "size(risk.stages) == 0",
        "match.bank == 'it\\'s'",
        'match.kind in ["pdq", "x-example-ring"] && match.action == "hold"',
        'event.channel.kind in ["direct", "group"]\n  && !event.channel.encrypted',
    ],
)
def test_sound_conditions_pass_and_run(source: str) -> None:
    assert check_expression(source) == ()
    program = cel.compile(source)
    assert all(isinstance(program.execute(context), bool) for context in CONTEXTS)


@pytest.mark.parametrize(
    ("source", "at", "says", "allowed"),
    [
        ("event.knd == 'message'", 6, "did you mean 'kind'?", "relation"),
        ("actr.may_be_adult", 0, "did you mean 'actor'?", "targets"),
        ("event.channel.encripted", 14, "did you mean 'encrypted'?", "kind"),
        ("event.channel", 0, "group of fields", "event.channel.kind"),
        ("event", 0, "group of fields", "event.kind"),
        ("event.kind.length == 3", 11, "has no fields", None),
        ("event.text == 'plim'", 6, "no field 'text'", "kind"),
        ('risk.level == "hihg"', 14, "did you mean 'high'?", "elevated"),
        ('risk.level in ["high", "hgh"]', 23, "did you mean 'high'?", "low"),
        ('"trst" in risk.stages', 0, "did you mean 'trust'?", "isolation"),
        ('risk.stages.exists(s, s == "trsut")', 27, "did you mean 'trust'?", "isolation"),
        ('risk.level >= "elevated"', 11, "sort by alphabet", None),
        ("risk.score > 'high'", 11, "cannot be compared", None),
        ("risk.level == 3", 11, "cannot be compared", None),
        ("match.kind == 'sha-256'", 14, "it is never 'sha-256'", "sha256"),
        ("match.action == 'stop'", 16, "it is never 'stop'", "hold"),
        ("event.kind", 0, "must give true or false", None),
        ("targets.count", 0, "must give true or false", None),
        ("actor.is_minor && targets.count", 18, "right side of &&", None),
        ("!risk.score", 1, "what follows !", None),
        ("targets.count + risk.score > 1.0", 14, "write double(", None),
        ("risk.score / 0.0 > 1.0", 11, "would fail", None),
        ("targets.count > 01", 16, "leading 0", None),
        ("match.bank + match.bank == 'plim'", 11, "never put together", None),
        ("risk.stages[0] == 'trust'", 11, "indexing is not allowed", None),
        ("lenght(event.kind) > 3", 0, "no function 'lenght'", "size"),
        ("event.kind.startswith('m')", 11, "did you mean 'startsWith'?", "contains"),
        ("event.kind.matches('m.*')", 11, "no function 'matches'", "contains"),
        ("has(event.kind)", 0, "every field is always there", None),
        ("match.bank == null", 14, "ever null", None),
        ("risk.stages.contains('trust')", 12, "x in list", None),
        ("targets.count.exists(s, true)", 14, "asked of a list", None),
        ("risk.stages.exists(risk, true)", 19, "already means something", None),
        ("actor.is_minor ? true : 1", 24, "of one type", None),
        ("event.kind ==", 13, "ends too early", None),
        ("event.kind == 'message", 14, "no meaning", None),
        ("event.kind = 'message'", 11, "no meaning", None),
        ("(actor.is_minor", 15, "')' was expected", None),
        ("actor.is_minor actor.is_minor", 15, "not expected", None),
        ("", 0, "empty", None),
        ("r'x' == match.bank", 0, "prefix", None),
        ("targets.count > 1u", 16, "is no number", None),
        ("99999999999999999999 > targets.count", 0, "whole numbers go up to", None),
        ("{'a': 1}.a == 1", 0, "not expected", None),
        ("[1, 'a'].size() > 0", 4, "do not mix", None),
        ('match.bank == "\\q"', 15, "escape", None),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(source: str, at: int, says: str, allowed: str | None) -> None:
    faults = check_expression(source)
    assert len(faults) == 1, faults
    assert faults[0].at == at
    assert says in faults[0].message
    if allowed is not None:
        assert allowed in faults[0].allowed


def test_several_faults_are_told_at_once() -> None:
    faults = check_expression('event.knd == "x" && risk.levle == "high" && actor.is_minor')
    assert [f.at for f in faults] == [6, 25]


@pytest.mark.parametrize(
    "source", ["(" * 5000 + "true" + ")" * 5000, "!" * 5000 + "true", "[" * 500, "true ? " * 40 + "true" + " : true" * 40]
)
def test_what_would_exhaust_the_evaluators_parser_is_refused(source: str) -> None:
    assert len(check_expression(source)) == 1
    assert MAX_DEPTH < 100


def test_nesting_as_people_write_it_is_no_trouble() -> None:
    source = "(" * 12 + "!true" + ")" * 12
    assert check_expression(source) == ()
    assert cel.compile(source).execute({}) is False


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("[1, 2].all(a, [1, 2].all(b, a + b > 0))", "within the test of another list"),
        ('risk.stages.exists(s, ["trust"].exists_one(t, t == s))', "within the test of another list"),
        ("[1, 2].all(a, !([1, 2].exists(b, b == a)))", "within the test of another list"),
        (f"targets.count in [{', '.join(['1'] * (MAX_ITEMS + 1))}]", "items together"),
        (f"targets.count in [{', '.join(['1'] * 60)}] || targets.count in [{', '.join(['1'] * 60)}]", "items together"),
        (f"[[{', '.join(['1'] * 60)}], [{', '.join(['1'] * 60)}]].all(x, 1 in x)", "items together"),
        (" && ".join(["true"] * (MAX_TERMS // 2 + 1)), "names, operators and literals"),
        (f"[{', '.join(['1'] * 100)}].all(x, {' && '.join(['x > 0'] * 70)})", "shorten a list"),
        ("['plim'].all(x, " + "x + " * 90 + "x != x)", "never put together"),
    ],
)
def test_what_would_take_long_to_evaluate_is_refused_unread(source: str, says: str) -> None:
    assert len(source) <= MAX_LENGTH
    faults = check_expression(source)
    assert any(says in fault.message for fault in faults), faults


def test_macros_side_by_side_are_no_trouble() -> None:
    source = "risk.stages.exists(s, s == 'trust') && [1, 2].all(s, s > 0) || ([1].exists(x, x == 1) ? [3] : [4, 5]).all(y, y > 2)"
    assert check_expression(source) == ()
    assert cel.compile(source).execute(CONTEXTS[0]) is True


def test_a_step_is_a_term_and_in_the_test_of_a_macro_one_for_each_item() -> None:
    assert read_expression("true").steps == 1
    assert read_expression("(targets.count > 1) && !(true)").steps == 7
    outside = len(["1", "2", "3", "all", "x"])
    assert read_expression("[1, 2, 3].all(x, x > 0)").steps == outside + 3 + 3 * 3
    assert read_expression("(true ? [1, 2, 3] : [4]).all(x, true)").steps == 9 + 3
    stages = BY_PATH["risk.stages"].type.item
    assert stages is not None
    assert read_expression("risk.stages.all(x, true)").steps == 5 + len(stages.values)
    assert read_expression("risk.nope").steps == 0


def test_only_so_many_faults_are_looked_for() -> None:
    assert len(check_expression(" || ".join(["evnt"] * 100))) == MAX_FAULTS


def test_every_function_that_is_allowed_exists_in_the_evaluator() -> None:
    calls = {
        "contains": '"ab".contains("a")',
        "startsWith": '"ab".startsWith("a")',
        "endsWith": '"ab".endsWith("b")',
        "size": '"ab".size() == 2',
        "exists": "[1].exists(x, x == 1)",
        "all": "[1].all(x, x == 1)",
        "exists_one": "[1].exists_one(x, x == 1)",
        "double": "double(1) == 1.0",
    }
    assert set(calls) == {*METHODS, *FUNCTIONS}
    for source in calls.values():
        assert check_expression(source) == ()
        assert cel.compile(source).execute({}) is True


def test_the_values_filled_in_are_those_that_the_schema_names() -> None:
    def walk(values: object, path: str = "") -> None:
        if path in GROUPS or not path:
            assert isinstance(values, dict)
            for name, inner in values.items():
                walk(inner, f"{path}.{name}" if path else name)
            seen.update(f"{path}.{name}" if path else name for name in values)
            return
        _is(values, BY_PATH[path].type)

    for judged in samples():
        seen: set[str] = set()
        walk(values_of(judged, judged.moved[0] if judged.moved else None))
        assert seen >= set(BY_PATH)


def _is(value: object, type: Type) -> None:
    if type.item is not None:
        assert isinstance(value, list)
        for item in value:
            _is(item, type.item)
        return
    # Exactly the plain type: the evaluator converts by it, and True must never pass for 1.
    assert value.__class__.__name__ == {"string": "str", "double": "float", "int": "int", "bool": "bool"}[type.name]
    assert not type.values or value in type.values or (type.others and str(value).startswith(type.others))


class Bomb(NamedTuple):
    """A condition, and what evaluating it takes, counted by hand: leaves and operators, without the short cuts of && and all."""

    source: str
    visits: int
    depth: int
    """Macros within one another."""


def _larger(inner: st.SearchStrategy[Bomb]) -> st.SearchStrategy[Bomb]:
    def both(one: Bomb, other: Bomb) -> Bomb:
        return Bomb(f"({one.source} && {other.source})", one.visits + other.visits + 1, max(one.depth, other.depth))

    def each(test: Bomb, items: int, macro: str) -> Bomb:
        return Bomb(f"[{','.join(['1'] * items)}].{macro}(x{test.depth}, {test.source})", items + items * test.visits, test.depth + 1)

    macros = st.sampled_from(["all", "exists", "exists_one"])
    return st.one_of(st.builds(both, inner, inner), st.builds(each, inner, st.integers(0, 120), macros))


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.sampled_from([Bomb("true", 1, 0), Bomb("targets.count < 9", 3, 0)]), _larger, max_leaves=12))
def test_what_passes_takes_no_more_steps_than_it_says_and_those_are_bounded(bomb: Bomb) -> None:
    reading = read_expression(bomb.source)
    assert reading.faults or bomb.visits <= reading.steps <= MAX_STEPS
    assert reading.faults or bomb.depth <= 1


WORDS = st.sampled_from(['"high"', '"message"', '"trust"', '"plim"', '""', "'own'"])
FIELDS = st.sampled_from([v.path for v in VARIABLES])
LEAVES = st.one_of(
    FIELDS, FIELDS, WORDS, st.sampled_from(["true", "false", "1", "0.5", "31", '["high", "low"]', "[]", "null", "x", "event.nope"])
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, st.sampled_from(["==", "!=", "<", ">=", "&&", "||", "+", "*", "-", "in", "%"]), inner)
    return st.one_of(
        two.map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        two.map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
        inner.map(lambda e: f"!{e}"),
        inner.map(lambda e: f"size({e})"),
        inner.map(lambda e: f"double({e})"),
        inner.map(lambda e: f"risk.stages.exists(s, {e})"),
        st.tuples(inner, inner).map(lambda t: f"{t[0]}.startsWith({t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"{t[0]} ? {t[1]} : {t[2]}"),
    )


@settings(max_examples=400, deadline=None)
@given(st.recursive(LEAVES, _grow, max_leaves=6))
def test_what_passes_the_check_never_fails_when_it_runs(source: str) -> None:
    if check_expression(source):
        return
    program = cel.compile(source)
    for context in CONTEXTS:
        assert isinstance(program.execute(context), bool), source


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="evnt.kid =&|!()[]'\"<>?:,+-*/%01x\n{}\\#é", max_size=40))
def test_any_text_gets_an_answer(source: str) -> None:
    for fault in check_expression(source):
        assert 0 <= fault.at <= len(source)
