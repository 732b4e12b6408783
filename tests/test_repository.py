"""The repository keeps its promises: what README says exists, documents are whole, and nothing is in the tree that should not be."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "nightlight"
DOCS = ROOT / "docs"
SHARED = {"_conversation"}
"""Packages beside the detectors that are none themselves."""
DETECTORS = sorted(p for p in (SOURCE / "detectors").glob("*") if p.is_dir() and p.name not in {"__pycache__", *SHARED})
_GENERATED = {".git", ".venv", ".cache", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis", "build", "dist", "node_modules"}

_LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


@cache
def files() -> tuple[Path, ...]:
    """Everything that is, or would be, committed."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        found = (ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name)
    else:
        found = (p for p in ROOT.rglob("*") if not _GENERATED & set(p.relative_to(ROOT).parts))
    return tuple(sorted(p for p in found if p.is_file()))


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Path and content of every text file."""
    out = []
    for path in files():
        data = path.read_bytes()
        if b"\0" not in data:
            out.append((path.relative_to(ROOT).as_posix(), data.decode("utf-8")))
    return tuple(out)


def found_in_texts(pattern: str, *, but: tuple[str, ...] = ()) -> list[str]:
    regex = re.compile(pattern)
    return [f"{name}: {match.group()[:40]}" for name, text in texts() if name not in but for match in [regex.search(text)] if match]


# -- README and the ways in ---------------------------------------------------------------------------------------------------------


def test_readme_is_short_and_names_the_two_commands_and_a_picture() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert re.search(r"^    make run\b", text, re.MULTILINE)
    assert re.search(r"^    make test\b", text, re.MULTILINE)
    assert "ARGS=--once" in text
    assert "Python 3.11" in text
    assert re.search(r"!\[[^\]]+\]\([^)]+\)", text)


def test_every_target_that_the_agreement_names_is_in_the_makefile() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("deps", "setup", "run", "test", "test-all", "bench", "lint", "format", "lock", "clean"):
        assert re.search(rf"^{target}:", text, re.MULTILINE), target


def test_continuous_integration_runs_what_readme_says_and_skips_nothing() -> None:
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)
    assert "NIGHTLIGHT_REQUIRE_SERVERS=1" in text
    commands = [line for line in text.splitlines() if line and not line.startswith(("#", "set ", "cd ", "export "))]
    assert commands == ["exec make test"]


LOCKS = tuple(f"requirements{part}.lock" for part in ("", "-build", "-oracles", "-peers", "-sentinel"))


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_is_pinned_by_hash_and_names_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    requirements = [r for r in text.replace("\\\n", " ").splitlines() if r and not r.lstrip().startswith("#")]
    assert requirements
    assert [r.split()[0] for r in requirements if "==" not in r or "--hash=sha256:" not in r] == []
    assert not re.search(r"--(extra-)?index-url|--find-links|https?://|file:", text)


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    for heading in (*(f"   {n}. " for n in range(1, 10)), "END OF TERMS AND CONDITIONS"):
        assert heading in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_what_others_wrote_lies_beside_its_licence() -> None:
    for folder in {p.parent for p in files() if "vendor" in p.parts}:
        assert any(p.name.upper().startswith(("LICENSE", "LICENCE")) for p in folder.iterdir()), folder


def test_changelog_fragments_are_named_for_what_they_are() -> None:
    fragments = [p for p in (ROOT / "changelog.d").iterdir() if p.name != "README.md"]
    assert [p.name for p in fragments if not re.fullmatch(r"[a-z0-9-]+\.(added|changed|removed|fixed|security)\.md", p.name)] == []
    assert [p.name for p in fragments if not p.read_text(encoding="utf-8").strip()] == []


# -- Documents -----------------------------------------------------------------------------------------------------------------------


def links(path: Path) -> Iterator[str]:
    for target in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def pages() -> list[Path]:
    return [p for p in files() if p.suffix == ".md"]


def test_every_link_in_every_document_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for link in links(page):
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                broken.append(f"{page.relative_to(ROOT)} -> {link}")
    assert broken == []


def test_every_document_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if link.partition("#")[0].endswith(".md")]
    assert sorted(p.relative_to(ROOT).as_posix() for p in set(DOCS.rglob("*.md")) - reached) == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(p.name[:4]) for p in sorted((DOCS / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_exit_codes_are_documented_as_they_are() -> None:
    from nightlight.app.cli.common import Exit

    text = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    documented = {name: int(code) for code, name in re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", text, re.MULTILINE)}
    assert documented == {code.name: code.value for code in Exit}


def test_every_command_is_documented() -> None:
    import typer

    from nightlight.app.cli import app

    text = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    group: Any = typer.main.get_command(app)
    missing = []
    for name, command in group.commands.items():
        rows = [line for line in text.splitlines() if re.match(rf"\| `{re.escape(name)}\b", line)]
        wanted = getattr(command, "commands", {}) or {"": None}
        missing += [f"{name} {sub}" for sub in wanted if not any(re.search(rf"[` ]{re.escape(sub)}[` ]", row) for row in rows)]
    assert missing == []


def test_every_setting_is_documented() -> None:
    from nightlight.app.settings import Settings

    text = (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8")
    assert [name for name in settings_of(Settings) if f"`{name}`" not in text] == []


def settings_of(struct: type[msgspec.Struct]) -> Iterator[str]:
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from (f"{field.encode_name}.{inner}" for inner in settings_of(field.type))
        elif field.encode_name not in ("levels", "endpoints"):  # tables with keys of their own, documented one by one
            yield field.encode_name


# -- Rooms and detectors -------------------------------------------------------------------------------------------------------------


def packages() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("__init__.py") if "__pycache__" not in p.parts)


def test_every_room_says_what_it_is_for() -> None:
    # Alembic lays out its own folder of versions, and each version says what it does itself.
    rooms = [p for p in packages() if p.parent.name != "versions"]
    silent = [p.parent.relative_to(ROOT).as_posix() for p in rooms if len(ast.get_docstring(ast.parse(p.read_bytes())) or "") < 40]
    assert silent == []


def test_every_folder_with_code_is_a_package() -> None:
    known = {p.parent for p in packages()}
    assert {p.parent.relative_to(ROOT).as_posix() for p in SOURCE.rglob("*.py") if p.parent not in known} == set()


def test_import_linter_knows_every_room() -> None:
    contract = (ROOT / ".importlinter").read_text(encoding="utf-8")
    rooms = {p.parent.name for p in packages() if p.parent.parent == SOURCE}
    assert [room for room in sorted(rooms) if f"nightlight.{room}" not in contract] == []


@pytest.mark.parametrize("folder", DETECTORS, ids=lambda folder: folder.name)
def test_every_detector_has_its_card_its_page_its_examples_and_its_test(folder: Path) -> None:
    present = {p.name for p in folder.iterdir()}
    assert {"__init__.py", "detector.py", "card.toml", "examples.jsonl", "README.md"} <= present
    assert any(name.startswith("test_") for name in present)
    assert len((folder / "README.md").read_text(encoding="utf-8")) > 200
    assert (folder / "examples.jsonl").read_text(encoding="utf-8").strip()


def test_only_the_tests_of_detectors_import_the_kit_or_the_application() -> None:
    """`.importlinter` lets detectors' tests do so, and cannot tell a test from the rest."""
    wrong = []
    for path in (SOURCE / "detectors").rglob("*.py"):
        if path.name.startswith("test_"):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{path.relative_to(ROOT)}: {n}" for n in names if n.startswith(("nightlight.kit", "nightlight.app"))]
    assert wrong == []


# -- What may not be in the tree -----------------------------------------------------------------------------------------------------


def test_nothing_generated_and_nothing_of_an_operators_is_in_the_tree() -> None:
    names = r"\.(pyc|pyo|db|sqlite|sqlite3|key|pem|p12|egg-info|whl)(-\w+)?$|(^|/)(keys\.json|\.env|\.coverage.*|\.DS_Store)$"
    assert [p.relative_to(ROOT).as_posix() for p in files() if re.search(names, p.relative_to(ROOT).as_posix())] == []
    models = ROOT / "src" / "nightlight" / "senses" / "text" / "models"
    assert [p.relative_to(ROOT).as_posix() for p in files() if p.stat().st_size > 2_000_000 and p.parent != models] == []
    assert sum(p.stat().st_size for p in models.iterdir()) <= 40_000_000


def test_no_path_of_somebodys_machine_is_in_a_file() -> None:
    # Written in halves, so that this file does not find itself.
    homes = "|".join(("/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/", "/wo" + "rk/", r"[A-Z]:\\Us" + "ers"))
    assert found_in_texts(rf"(?<![\w.])({homes})[\w.-]+") == []


def test_no_file_names_a_package_index() -> None:
    assert found_in_texts(r"(files\.python" + r"hosted|pypi\." + r"org/simple|registry\.npm" + r"js|crates\." + "io/api)") == []


def test_no_secret_is_in_a_file() -> None:
    shapes = (
        "-----BEGIN [A-Z ]*PRIV" + "ATE KEY",
        r"\bAK" + r"IA[0-9A-Z]{16}\b",
        r"\bgh" + r"[pousr]_[A-Za-z0-9]{36}",
        r"\bxo" + r"x[abpr]-[A-Za-z0-9-]{10,}",
        r"\bey" + r"J[A-Za-z0-9_-]{20,}\.ey" + r"J[A-Za-z0-9_-]{20,}",
        r"://[^/\s:@'\"{}$<>]+:(?!\*|password@)[^/\s:@'\"{}$<>]{8,}@(?!localhost|127\.0\.0\.1)",
    )
    assert found_in_texts("|".join(f"(?:{shape})" for shape in shapes)) == []


def test_nothing_is_left_for_later_in_the_code() -> None:
    assert [
        x for x in found_in_texts(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b") if x.split(":")[0].endswith((".py", ".md"))
    ] == []


def test_words_that_blame_or_belittle_are_not_used() -> None:
    """Terminology Guidelines, 2nd edition. An authority's own legacy words may stand only in the room that speaks to it."""
    words = r"(?i)\b(child po" + r"rn\w*|kiddie po" + r"rn\w*|child prosti" + r"tut\w*|kid po" + r"rn\w*)"
    allowed = tuple(name for name, _ in texts() if name.startswith(("src/nightlight/reporting/", "src/nightlight/adapters/authorities/")))
    assert found_in_texts(words, but=allowed) == []
