"""The reference says what the code does: every command, every setting, and the library's example as printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer

import nightlight
from nightlight.app.cli import app
from nightlight.app.settings import EndpointSettings, Retention, Server, Settings

DOCS = Path(nightlight.__file__).parents[2] / "docs"


def test_every_command_is_in_the_reference() -> None:
    shown = (DOCS / "reference/command-line.md").read_text()
    for name, command in _commands(typer.main.get_command(app)).items():
        assert f"`{name}" in shown, f"{name} is not documented"
        if _commands(command):
            rows = "".join(line for line in shown.splitlines() if line.startswith(f"| `{name}"))
            for part in _commands(command):
                assert re.search(rf"`({name} )?{part}\b", rows), f"{name} {part} is not documented"


def _commands(command: Any) -> dict[str, Any]:
    return dict(getattr(command, "commands", {}))


def test_every_setting_is_in_the_reference() -> None:
    shown = (DOCS / "reference/configuration.md").read_text()
    parts = {"server": Server, "retention": Retention, "endpoints.NAME": EndpointSettings}
    names = [f.name for f in msgspec.structs.fields(Settings) if f.name not in ("server", "retention", "endpoints", "levels")]
    names += [f"{part}.{f.name}" for part, type in parts.items() for f in msgspec.structs.fields(type) if f.name != "secret"]
    for name in names:
        assert f"`{name}`" in shown, f"the setting {name} is not documented"


def test_the_librarys_example_runs_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    example = (DOCS / "how-to/use-as-a-library.md").read_text().split("```python\n")[1].split("```")[0]
    exec(compile(example, "use-as-a-library.md", "exec"), {})  # noqa: S102 - our own documentation
    assert capsys.readouterr().out.strip() == "('deliver',) none"
