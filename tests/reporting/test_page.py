"""The reference says what the code checks, and every code that may be told is explained."""

from __future__ import annotations

import ast
from pathlib import Path

import nightlight
from nightlight.core.document import Fault
from nightlight.reporting.cybertipline.codes import CODES, explained
from nightlight.reporting.wording import blaming
from tests.reporting.page import PAGE, filled

ROOM = Path(nightlight.__file__).parent / "reporting"


def test_the_page_follows_the_table() -> None:
    text = PAGE.read_text("utf-8")
    assert filled(text) == text, "run python -m tests.reporting.page"


def test_every_code_in_the_source_is_explained_and_none_is_left_over() -> None:
    assert _told() == set(CODES)


def _told() -> set[str]:
    """Codes as the source writes them: `code=...` of a Fault, the first of a Refused, and the first of a pair (code, sentence)."""
    found: set[str] = set()
    for path in (ROOM / "draft.py", *(ROOM / "cybertipline").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                parts = [key.value for key in node.keywords if key.arg == "code"]
                parts += node.args[:1] if isinstance(node.func, ast.Name) and node.func.id == "Refused" else []
                found |= {s.value for part in parts for s in ast.walk(part) if isinstance(s, ast.Constant) and isinstance(s.value, str)}
            if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "code" for t in node.targets):
                found |= {
                    s.value for s in ast.walk(node.value) if isinstance(s, ast.Constant) and isinstance(s.value, str) and "{" not in s.value
                }
            if isinstance(node, ast.Tuple) and len(node.elts) == 2 and path.name == "values.py" and isinstance(node.elts[0], ast.Constant):
                found.add(str(node.elts[0].value))
    return {code for code in found if code != ""}


def test_a_fault_is_explained_in_both_languages() -> None:
    fault = Fault(path="/report", code="too_long", message="has 3,001 characters, 1 too many")
    assert explained(fault) == explained(fault, "fr") == fault.message
    assert explained(fault, "es") == "Un texto es demasiado largo."
    assert str(fault) == "/report: has 3,001 characters, 1 too many (too_long)"
    for words in CODES.values():
        assert set(words) == {"en", "es"}
        assert not any(blaming(text) for text in words.values())
