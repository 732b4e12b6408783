"""`nightlight exchange`: credentials come in by file, variable or prompt, and go nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightlight.app.cli import app
from nightlight.core.errors import Conflict, Invalid, NightlightError, NotFound

PDQ = "0123456789abcdef" * 4
ADD = ["exchange", "add", "ncmec", "--kind", "ncmec", "--option", "environment=test-industry"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path / "home"))


def run(*words: str, code: int = 0, said: str | None = None) -> str:
    done = CliRunner().invoke(app, list(words), input=said)
    assert "SECRET" not in done.output
    if isinstance(done.exception, NightlightError):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.output


def test_a_folder_of_lists_is_added_fetched_and_forgotten(tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "a.txt").write_text(f"pdq {PDQ}\nnonsense here\n")
    run("exchange", "add", "mine", "--kind", "file", "--path", str(lists), "--bank", "partner")
    ended = json.loads(run("exchange", "run", "mine", "--json").splitlines()[-1])
    assert (ended["exchange"], ended["added"], ended["bad"], ended["error"]) == ("mine", 1, 1, "")
    shown = run("exchange", "status", "mine")
    assert "a.txt:2: no hash of a picture or video" in shown or "a.txt:2:" in shown
    assert json.loads(run("exchange", "status", "mine", "--json"))["runs"][0]["added"] == 1
    assert PDQ in run("bank", "items", "partner", "--json")
    run("exchange", "change", "mine", "--disable", "--every", "5")
    assert json.loads(run("exchange", "list", "--json"))["exchange"]["enabled"] is False
    assert "disabled" in run("exchange", "list")
    (lists / "a.txt").unlink()
    assert "no file fits" in run("exchange", "run", "mine", code=1)
    run("exchange", "remove", "mine")
    assert PDQ in run("bank", "items", "partner", "--json")  # the bank stays
    with pytest.raises(NotFound):
        run("exchange", "run", "mine")


def test_a_list_of_nothing_but_bad_rows_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nonsense\n")
    run("exchange", "add", "mine", "--kind", "file", "--path", str(tmp_path / "a.txt"), "--bank", "partner")
    run("exchange", "run", "mine", code=1)


@pytest.mark.parametrize("kind", ["negative", "quarantine"])
def test_no_list_is_fetched_into_a_bank_of_peoples_own_words(tmp_path: Path, kind: str) -> None:
    run("bank", "create", "theirs", "--kind", kind)
    with pytest.raises(Conflict):
        run("exchange", "add", "mine", "--kind", "file", "--path", str(tmp_path), "--bank", "theirs")
    assert run("exchange", "list", "--json") == ""


def test_credentials_come_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "c"
    file.write_text('{"username": "SECRETU", "password": "SECRETP"}')
    file.chmod(0o644)
    with pytest.raises(Invalid, match="chmod 600"):
        run(*ADD, "--credentials-file", str(file))
    file.chmod(0o600)
    run(*ADD, "--credentials-file", str(file))
    assert json.loads(run("exchange", "list", "--json"))["exchange"]["credentials"] == ["password", "username"]
    assert "credentials kept: password, username" in run("exchange", "status", "ncmec")
    with pytest.raises(Conflict):
        run(*ADD, "--credentials-file", str(file))
    stored = b"".join(p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file())
    assert b"SECRET" not in stored


def test_or_from_a_variable_or_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "# ours\nusername = SECRETU\npassword=SECRETP=\n")
    run(*ADD, "--credentials-env", "WHERE")
    run("exchange", "change", "ncmec", "--credentials-file", "-", said="username=SECRETA\npassword=SECRETB\n")
    with pytest.raises(Invalid, match="give them again"):
        run("exchange", "change", "ncmec", "--option", "environment=ngo")


@pytest.mark.parametrize(
    "said", ["SECRET", "{SECRET", '{"username": {"SECRET": 1}}', "username=SECRET", "username=SECRET\npassword=a SECRET"]
)
def test_credentials_that_cannot_be_used_are_not_repeated(said: str) -> None:
    with pytest.raises(Invalid) as refused:
        run(*ADD, "--credentials-file", "-", said=said)
    assert "SECRET" not in str(refused.value)


def test_without_a_terminal_nothing_is_asked() -> None:
    with pytest.raises(Invalid, match="--credentials-file"):
        run(*ADD)
    assert "password" not in CliRunner().invoke(app, ["exchange", "add", "--help"]).output.lower().replace("credentials", "")


def test_readiness_and_metrics_tell_of_lists(tmp_path: Path) -> None:
    from nightlight.app.bootstrap import bootstrap

    run("exchange", "add", "mine", "--kind", "file", "--path", str(tmp_path / "nothing"))
    run("exchange", "run", "mine", code=1)
    with bootstrap(tmp_path / "home") as nightlight:
        check = next(c for c in nightlight.status.ready() if c.name == "exchanges")
        assert (check.ok, check.blocking) == (False, False)
        assert check.detail == "mine: no file fits the path"
        assert b'nightlight_exchange_failures{exchange="mine"} 1.0' in nightlight.status.metrics()
