"""The reference keeps up with the code."""

from __future__ import annotations

import re
from pathlib import Path

from nightlight.core.decision import ACTION_TYPES, Display
from nightlight.core.gate import DataKind, Ruling
from nightlight.policy import Trigger, cel, check, default_rules, instructions
from nightlight.policy.cel import FUNCTIONS
from nightlight.policy.check import MAX_STEPS
from nightlight.policy.gate import Cell
from nightlight.policy.rules import On, Rule
from nightlight.policy.schema import VARIABLES

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "policy.md").read_text("utf-8")


def test_every_variable_is_in_the_reference_with_its_meaning_and_default() -> None:
    for v in VARIABLES:
        assert f"| `{v.path}` | {v.type} | {v.meaning} | {v.default or 'always known'} |" in REFERENCE, v.path


def test_every_key_fact_function_code_and_cell_field_is_in_the_reference() -> None:
    names = [*Rule.__struct_fields__, *On.__struct_fields__, *Trigger, *FUNCTIONS, *Cell.__struct_fields__, *DataKind, *Ruling]
    codes = [instructions.ACCEPT, instructions.DO_NOT_SEND, instructions.DELIVER, instructions.WITHHOLD]
    codes += [instructions.LIMITED, instructions.REACH_LIMITED, instructions.RATE_LIMITED, *Display.__struct_fields__]
    for name in (*names, *codes):
        assert f"`{name}`" in REFERENCE, name


def test_every_bound_of_a_condition_is_in_the_reference() -> None:
    bounds = {
        "characters of a condition": cel.MAX_LENGTH,
        "names, operators and literals in a condition": cel.MAX_TERMS,
        "items of all lists written out in a condition": cel.MAX_ITEMS,
        "steps of a condition": cel.MAX_STEPS,
        "steps of all conditions of a file": MAX_STEPS,
        "brackets within one another": cel.MAX_DEPTH,
    }
    for what, most in bounds.items():
        (said,) = re.findall(rf"^\| {what} \| ([0-9 ]+?) (?:\(.*)?\|$", REFERENCE, re.MULTILINE)
        assert int(said.replace(" ", "")) == most, what
    total = sum(cel.read_expression(rule.condition).steps for rule in default_rules().rules)
    assert f"(the default policy has {total})" in REFERENCE


def test_every_parameter_of_every_action_is_in_its_row() -> None:
    for kind in ACTION_TYPES:
        (row,) = re.findall(rf"^\| `{kind.__struct_config__.tag}` \|.*$", REFERENCE, re.MULTILINE)
        for field in kind.__struct_fields__:
            assert field in ("rule", "account", "protects") or f"`{field}`" in row, (row, field)


def test_the_rules_shown_in_the_docs_pass_the_check() -> None:
    shown = 0
    for page in (DOCS / "reference" / "policy.md", DOCS / "how-to" / "write-policy.md"):
        for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            if "[[rule]]" in block:
                text = block if block.startswith("name") else f'name = "shown"\n{block}'
                assert check(text, page.name) == [], block
                shown += 1
    assert shown >= 4


def test_the_problem_shown_in_the_how_to_is_what_the_check_says() -> None:
    page = (DOCS / "how-to" / "write-policy.md").read_text("utf-8")
    (wrong,) = re.findall(r"<!-- wrong -->\n```text\n(.*?)```", page, re.DOTALL)
    (said,) = re.findall(r"<!-- said -->\n```text\n(.*?)```", page, re.DOTALL)
    assert "".join(f"{p}\n" for p in check(wrong, "policy.toml")) == said
