from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.policy.check import default_text
from nightlight.policy.gate import table as gate_table
from nightlight.policy.toml_lines import Lines

TEXT = '''# a comment with [brackets] and "quotes"
name = "sample"  # and another

[other]
a.b = 1
"quoted key" = { x = 1, y = [1, 2] }

[[rule]]
id = "first"
text = """
one
two"""
same = \'\'\'here\'\'\'
actions = [
  { action = "allow" },  # ] } "
  # nothing
  { action = "nudge", to = "children" },
]
[rule.on]
level = "high"
[[rule]]
id = "second"
[[rule.actions]]
action = "allow"
[[rule.actions]]
action = "preserve"
'''


def test_lines_of_everything() -> None:
    tomllib.loads(TEXT)
    lines = Lines(TEXT)
    for path, line in {
        ("name",): 2,
        ("other",): 4,
        ("other", "a", "b"): 5,
        ("other", "quoted key", "y", 1): 6,
        ("rule", 0): 8,
        ("rule", 0, "id"): 9,
        ("rule", 0, "text"): 10,
        ("rule", 0, "actions", 0): 15,
        ("rule", 0, "actions", 1, "to"): 17,
        ("rule", 0, "on", "level"): 20,
        ("rule", 1): 21,
        ("rule", 1, "actions", 0, "action"): 24,
        ("rule", 1, "actions", 1): 25,
    }.items():
        assert lines.of(*path) == line, path
    assert lines.of_text("rule", 0, "text") == 11
    assert lines.of_text("rule", 0, "same") == 13
    assert lines.of("rule", 1, "missing", "deeper") == 21
    assert lines.of("nowhere") == 1
    assert lines.of_error("$.rule[1].actions[1].action") == 26


def _paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, inner in below for path in _paths(inner, (*at, key)))]


def test_every_value_of_the_files_that_ship_is_found_where_it_stands() -> None:
    table = (gate_table.Path(gate_table.__file__).with_name("jurisdictions.toml")).read_text("utf-8")
    for text in (default_text(), table):
        lines = Lines(text)
        for path in _paths(tomllib.loads(text)):
            if path and isinstance(path[-1], str):
                assert path[-1] in text.splitlines()[lines.of(*path) - 1], path


SCALARS = st.sampled_from(['"a"', "'b]'", "3", "true", '"""x\n]"""', "2026-01-01", '"\\"}"', "'''a\n'b'''"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: "[\n" + ", # c ]\n".join(v) + "\n]"),
        st.lists(inner.filter(lambda v: "\n" not in v), max_size=3).map(
            lambda v: "{ " + ", ".join(f"k{i} = {x}" for i, x in enumerate(v)) + " }"
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6))
def test_keys_after_any_values_keep_their_lines(values: list[str]) -> None:
    text = "".join(f"key{i} = {value}\n" for i, value in enumerate(values))
    tomllib.loads(text)
    lines = Lines(text)
    written = text.splitlines()
    for i in range(len(values)):
        assert written[lines.of(f"key{i}") - 1].startswith(f"key{i} ="), text
