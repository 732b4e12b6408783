"""`nightlight bank`: what the reference and the how-to say that it does."""

from __future__ import annotations

import csv
import io
import os
import pwd
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import nightlight
from nightlight.app.bootstrap import bootstrap
from nightlight.app.cli.common import Exit, operator
from nightlight.core.services import Scope
from tests.app.test_cli import call, home, lines
from tests.app.test_pipeline import picture

__all__ = ["home"]

HOW_TO = Path(nightlight.__file__).parents[2] / "docs/how-to/manage-banks.md"


def test_nobody_is_another_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    me = operator()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER", "SUDO_UID"):
        monkeypatch.setenv(name, "somebody")
    assert operator() == me
    login, ran = tmp_path / "loginuid", f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    monkeypatch.setattr("nightlight.app.cli.common._LOGIN", login)
    for held, who in (("4100001\n", "cli:4100001"), ("4294967295", ran), ("", ran)):
        login.write_text(held)
        assert operator() == who


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Two names for whoever runs the tests: accounts of the machine, by their numbers."""
    numbers = {"ann": 4_100_001, "bo": 4_100_002}
    names = {number: name for name, number in numbers.items()}
    monkeypatch.setattr("pwd.getpwuid", lambda number: SimpleNamespace(pw_name=names[number]))
    return lambda name: monkeypatch.setattr("nightlight.app.cli.common._login", lambda: numbers[name])


def test_the_how_to_does_what_it_says(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_user: Callable[[str], None]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("holiday.jpg").write_bytes(picture(1))
    Path("pictures/a").mkdir(parents=True)
    Path("pictures/a/b.jpg").write_bytes(picture(2))
    blocks = re.findall(r"(<!-- another person -->\n)?```sh\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    commands = [(bool(other), line) for other, block in blocks for line in block.splitlines()]
    assert len(commands) > 12
    item, said = "", ""
    for other, line in commands:
        as_user("bo" if other else "ann")
        program, *arguments = shlex.split(line)
        assert program == "nightlight"
        said = call(*[item if a == "ITEM" else a for a in arguments]).stdout
        found = re.search(r"\bitem_[0-9a-z]{26}\b", said)
        item = found.group() if found else item
        if arguments[:2] == ["bank", "approve"]:
            assert "is enabled" in said
    assert [row["labels"] for row in lines(call("bank", "export", "own"))] == [["2026-03"]], "going back took the others out"


def test_settings_are_set_and_shown(home: Path) -> None:
    call("bank", "create", "list", "--kind", "partner", "--action", "hold", "--only", "pdq", "--only", "x-other", "--authority")
    call("bank", "change", "list", "--foreign-threshold", "x-other=40", "--share", "0.5", "--expires-after-days", "9")
    (bank,) = lines(call("bank", "list", "--json"))
    told = {"action": "hold", "kinds": ["pdq", "x-other"], "thresholds": {"x-other": 40}, "share": 0.5, "expires_after_days": 9}
    assert told.items() <= bank.items()
    assert (bank["authority"], bank["version"]) == (True, 2)
    (bank,) = lines(call("bank", "change", "list", "--every-kind", "--expires-after-days", "0", "--json"))
    assert (bank["kinds"], bank["expires_after_days"]) == ([], None)
    for wrong in (["--only", "crc"], ["--foreign-threshold", "x-other"], ["--foreign-threshold", "pdq=3"], ["--share", "2"]):
        call("bank", "change", "list", *wrong, code=Exit.USAGE)
    call("bank", "change", "list", "--only", "pdq", "--every-kind", code=Exit.USAGE)


def test_only_a_lead_says_that_a_list_is_no_authoritys(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("bank", "create", "list", "--kind", "partner")
    call("bank", "change", "list", "--no-authority")
    call("bank", "change", "list", "--authority")
    with bootstrap(home) as graph:
        (_, plain), (_, lead) = (graph.keys.create(s.value, [s], "test") for s in (Scope.BANKS_WRITE, Scope.BANKS_LEAD))
    call("bank", "change", "list", "--no-authority", code=Exit.USAGE)
    monkeypatch.setenv("NIGHTLIGHT_KEY", plain)
    call("bank", "change", "list", "--no-authority", code=Exit.USAGE)
    monkeypatch.setenv("NIGHTLIGHT_KEY", lead)
    (bank,) = lines(call("bank", "change", "list", "--no-authority", "--json"))
    assert bank["authority"] is False


def test_a_lead_is_one_by_key_and_another_person_by_account(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_user: Callable[[str], None]
) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    as_user("ann")
    call("bank", "create", "false", "--kind", "negative")
    (made,) = lines(call("bank", "add", "false", tmp_path / "a.png", "--json"))
    assert made["proposal"] is True
    with bootstrap(home) as graph:
        _, plain = graph.keys.create("plain", [Scope.BANKS_WRITE], "test")
        lead, secret = graph.keys.create("lead", [Scope.BANKS_LEAD], "test")
        theirs = graph.banks.add("false", graph.banks.items("false")[0].fingerprints, lead.id)
    approve = ("bank", "approve", "false", made["item"])
    call(*approve, code=Exit.USAGE)
    as_user("bo")
    call(*approve, "--lead", code=Exit.USAGE)
    for key in ("nl_x_y", plain):
        monkeypatch.setenv("NIGHTLIGHT_KEY", key)
        call(*approve, "--lead", code=Exit.USAGE)
    monkeypatch.setenv("NIGHTLIGHT_KEY", secret)
    call("bank", "approve", "false", theirs.id, "--lead", code=Exit.USAGE)
    as_user("ann")
    call(*approve, "--lead", code=Exit.USAGE)
    as_user("bo")
    assert lines(call(*approve, "--lead", "--json"))[0]["overrides_authority"] is True
    states = {i["id"]: (i["enabled"], i["approved_by"]) for i in lines(call("bank", "items", "false", "--json"))}
    assert states == {made["item"]: (True, "cli:bo"), theirs.id: (False, None)}


def test_folders_and_patterns(home: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for n, name in enumerate(("in/a.png", "in/deep/b.png", "in/deep/c.jpg", "odd[1].png")):
        (tmp_path / name).write_bytes(picture(n))
    call("bank", "create", "own")
    found = lines(call("bank", "add", "own", tmp_path / "in" / "**" / "*.png", tmp_path / "odd[1].png", tmp_path / "in", "--json"))
    assert [Path(f["path"]).name for f in found] == ["a.png", "b.png", "odd[1].png", "c.jpg"], "each file once"
    call("bank", "add", "own", tmp_path / "*.gif", code=Exit.FOUND)


def test_what_is_no_picture_is_not_banked(home: Path, tmp_path: Path) -> None:
    """An empty file, or what a file manager leaves in a folder, has the same bytes with everybody."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / ".folder_settings").write_bytes(b"icons = small")
    (folder / "cut.png").write_bytes(picture(1)[:200])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "whole.png").write_bytes(picture(2))
    call("bank", "create", "own")
    call("bank", "create", "false", "--kind", "negative")
    found = lines(call("bank", "add", "own", folder, "--json", code=Exit.FOUND))
    assert [(Path(f["path"]).name, "unreadable" in f, f["item"] is not None) for f in found] == [
        (".folder_settings", True, False),
        ("cut.png", True, True),
        ("empty.jpg", True, False),
        ("whole.png", False, True),
    ]
    assert len(lines(call("bank", "items", "own", "--json"))) == 2
    call("bank", "add", "false", folder / "empty.jpg", code=Exit.FOUND)
    assert lines(call("bank", "items", "false", "--json")) == []
    (row,) = (line.split() for line in call("bank", "list").stdout.splitlines() if line.startswith("false"))
    assert row[2:4] == ["-", "-"], "a known false match does nothing by itself"


def test_a_word_that_must_be_said_is_asked_for(home: Path) -> None:
    call("bank", "create", "own")
    assert "--confirm or --deny" in call("bank", "verdict", "own", "item_x", code=Exit.USAGE).stderr
    assert "--keep or --take-out" in call("self-reports", "finish", "report_x", code=Exit.USAGE).stderr


def test_what_is_exported_and_what_never_is(home: Path, tmp_path: Path) -> None:
    value = "ab" * 32
    for name, kind in (("own", "own"), ("reported", "quarantine"), ("false", "negative")):
        call("bank", "create", name, "--kind", kind)
    told = ("--label", "x", "--label", "y,z", "--source", "s-1", "--category", "B2", "--generated", "--provenance", 'said "so"')
    call("bank", "add-hash", "own", "--sha256", value, "--md5", "cd" * 16, *told, "--expires-at", "2099-01-01")
    (row,) = lines(call("bank", "export", "own"))
    assert {f["kind"]: f["value"] for f in row["fingerprints"]} == {"sha256": value, "md5": "cd" * 16}
    about = {"source": "s-1", "category": "B2", "generated": True, "provenance": 'said "so"', "expires_at": "2099-01-01T00:00:00Z"}
    assert about.items() <= row.items()
    table = list(csv.DictReader(io.StringIO(call("bank", "export", "own", "--format", "csv").stdout)))
    assert [(r["kind"], r["value"], r["labels"], r["provenance"]) for r in table] == [
        ("sha256", value, "x;y,z", 'said "so"'),
        ("md5", "cd" * 16, "x;y,z", 'said "so"'),
    ]
    for name in ("reported", "false"):
        call("bank", "export", name, code=Exit.CONFLICT)
    call("bank", "export", "none", code=Exit.NOT_FOUND)
    with bootstrap(home) as graph:
        assert [e.action for _, e in graph.database.audit.entries()].count("bank.export") == 2


def test_parts_are_derived_and_never_exported(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nightlight.core.fingerprint import Fingerprint, FingerprintKind

    part = Fingerprint(FingerprintKind.PDQ, "12" * 32, 90)
    real = nightlight.app.bootstrap.Database.banks  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "nightlight.app.bootstrap.Database.banks",
        lambda self, index, hasher, **more: real(self, index, hasher, **more | {"deriver": lambda _: [part]}),
    )
    file = tmp_path / "a.png"
    file.write_bytes(picture())
    call("bank", "create", "own")
    (made,) = lines(call("bank", "add", "own", file, "--json"))
    (judged,) = lines(call("bank", "verdict", "own", made["item"], "--confirm", "--file", file, "--json"))
    assert judged["derived"]["derived_from"] == made["item"]
    assert len(lines(call("bank", "items", "own", "--json"))) == 2
    assert [row["item"] for row in lines(call("bank", "export", "own"))] == [made["item"]]
    assert part.value not in call("bank", "export", "own", "--format", "csv").stdout
    (tmp_path / "b.png").write_bytes(picture(9))
    call("bank", "verdict", "own", made["item"], "--confirm", "--file", tmp_path / "b.png", code=Exit.USAGE)
    call("bank", "verdict", "own", made["item"], "--confirm", "--file", tmp_path / "none.png", code=Exit.USAGE)
