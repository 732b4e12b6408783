"""An extension point without documentation is found here: the pages are compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from nightlight.core.detect import MAX_STATE_BYTES, Card
from nightlight.kit.examples import Example
from nightlight.kit.golden import GoldenState
from nightlight.kit.laws import LAWS
from nightlight.kit.laws.fold import LONG

DOCS = Path(__file__).parents[2] / "docs"
LAWS_PAGE = (DOCS / "reference" / "detector-laws.md").read_text("utf-8")
HOW_TO = (DOCS / "how-to" / "add-a-detector.md").read_text("utf-8")


def test_every_law_is_explained_and_no_other() -> None:
    assert re.findall(r"^### `(\w+)`$", LAWS_PAGE, re.MULTILINE) == list(LAWS)


def test_the_limits_on_the_page_are_those_in_the_code() -> None:
    assert f"exceeds {MAX_STATE_BYTES} bytes after {LONG:,} events" in LAWS_PAGE


def test_the_golden_line_on_the_page_is_one() -> None:
    [line] = re.findall(r"^```json\n(.*)\n```$", LAWS_PAGE, re.MULTILINE)
    assert msgspec.json.decode(line, type=GoldenState).version == 1


def test_the_example_and_the_card_on_the_page_are_valid() -> None:
    [line] = re.findall(r"^```json\n(.*)\n```$", HOW_TO, re.MULTILINE)
    msgspec.json.decode(line, type=Example)
    [card] = [block for block in re.findall(r"^```toml\n(.*?)^```$", HOW_TO, re.MULTILINE | re.DOTALL) if "state_version" in block]
    assert msgspec.toml.decode(card, type=Card).name == "asked_again"


def test_every_field_is_on_the_page() -> None:
    for field in (*Card.__struct_fields__, *Example.__struct_fields__):
        assert re.search(rf"(`{field}`|^{field} = )", HOW_TO, re.MULTILINE), field
