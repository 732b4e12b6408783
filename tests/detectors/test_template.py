"""The template obeys the laws, and so does a copy made as CONTRIBUTING.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nightlight.app.harness import senses
from nightlight.detectors._template import build
from nightlight.kit import check_detector

ROOT = Path(__file__).parents[2]
TEMPLATE = Path("src/nightlight/detectors/_template")


def test_the_template_obeys_the_laws() -> None:
    check_detector(build(), senses())


@pytest.fixture
def newcomer(tmp_path: Path) -> Path:
    """The repository as a newcomer has it, as far as the steps need it, after the first step: the commands are read from the page."""
    shutil.copytree(ROOT / TEMPLATE, tmp_path / TEMPLATE, ignore=shutil.ignore_patterns("__pycache__"))
    steps = re.findall(r"^   ```sh\n(.*?)^   ```$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    copy = next(step for step in steps if "_template" in step)
    assert any(".venv/bin/pytest src/nightlight/detectors/my_detector" in step for step in steps)
    subprocess.run(["bash", "-ec", copy], cwd=tmp_path, check=True)
    return tmp_path / "src/nightlight/detectors/my_detector"


def outcome_of(folder: Path) -> subprocess.CompletedProcess[str]:
    # Outside the package the copy is a package of its own: as a plug-in's is.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_a_copy_passes_after_the_steps_of_contributing(newcomer: Path) -> None:
    card = newcomer / "card.toml"
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert 'set `name = "my_detector"`' in page
    card.write_text(re.sub(r'^name = ".*"$', 'name = "my_detector"', card.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    done = outcome_of(newcomer)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_copy_whose_card_was_forgotten_is_told(newcomer: Path) -> None:
    done = outcome_of(newcomer)
    assert done.returncode == 1
    assert "law `card_is_complete`" in done.stdout
    assert "name is 'template' in a folder called 'my_detector'" in done.stdout
