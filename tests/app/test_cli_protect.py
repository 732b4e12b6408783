"""`nightlight protect words` and `components`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from nightlight.app.cli import app
from nightlight.protect import interventions
from nightlight.protect.interventions import schema
from nightlight.web.components.pages import CHECK, COMPONENTS

RUN = CliRunner()


def test_the_table_has_a_row_a_text_and_says_what_it_is() -> None:
    found = RUN.invoke(app, ["protect", "words"])
    assert found.exit_code == 0
    assert sum(line.startswith("moment.") for line in found.output.splitlines()) == 72
    assert "sextortion.high.child" in found.output
    for words in ("Flesch-Kincaid", "Fernandez Huerta", "None of this was tried with children"):
        assert words in found.output


def test_for_scripts_one_object_a_line() -> None:
    found = RUN.invoke(app, ["protect", "words", "--json", "--language", "es"])
    rows = [json.loads(line) for line in found.output.splitlines()]
    assert (
        sum(row["key"].startswith("moment.") for row in rows) == 36
        and {row["language"] for row in rows} == {"es"}
        and all(row["within"] for row in rows)
    )
    assert RUN.invoke(app, ["protect", "words", "--language", "xx"]).exit_code != 0


def test_a_text_that_misses_its_goal_is_marked_and_ends_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(interventions.readings())
    hard = msgspec.structs.replace(rows[0], reading=msgspec.structs.replace(rows[0].reading, age=17))
    monkeypatch.setattr(interventions, "readings", lambda: iter([hard, *rows[1:]]))
    found = RUN.invoke(app, ["protect", "words"])
    assert found.exit_code == 1 and found.output.count("MISSED") == 1


def test_the_schema_is_printed() -> None:
    shown: dict[str, Any] = json.loads(RUN.invoke(app, ["protect", "words", "--schema"]).output)
    assert shown == schema()


def test_the_components_are_written_as_files(tmp_path: Path) -> None:
    for _ in range(2):  # again over what is there
        assert RUN.invoke(app, ["protect", "components", str(tmp_path / "a" / "b")]).exit_code == 0
    there = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    assert there >= {*COMPONENTS, *CHECK, "words.es.7-10.json", "words.en.adult.json"}
    (tmp_path / "file").write_text("x")
    assert RUN.invoke(app, ["protect", "components", str(tmp_path / "file")]).exit_code != 0
