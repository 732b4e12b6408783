"""The command line as scripts and people use it: real processes for what must start fast, in-process for the rest."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import nightlight
from nightlight.app.cli import app, main
from nightlight.app.cli.common import Exit
from tests.app.conftest import EXTORTION, message
from tests.app.test_pipeline import picture

ROOT = Path(nightlight.__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(*arguments: str | Path, code: int = 0, stdin: bytes | None = None) -> Result:
    """Runs a command; errors meant for people become their exit codes, as the console script does."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        from nightlight.app.cli.common import exit_code
        from nightlight.core.errors import NightlightError

        assert isinstance(result.exception, NightlightError), repr(result.exception)
        result.exit_code = int(exit_code(result.exception))
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numba", "numpy", "PIL", "sqlalchemy", "litestar", "granian", "httpx", "cel", "hypothesis")
    code = f"import sys; import nightlight.app.cli; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_command_has_help() -> None:
    shown = subprocess.run([sys.executable, "-m", "nightlight", "--help"], capture_output=True, text=True, check=True).stdout
    for command in (
        *("demo", "serve", "screen", "hash", "match", "bank", "policy", "keys", "migrate"),
        *("backup", "restore", "retention", "erase", "export", "audit", "evaluate", "bench"),
    ):
        assert re.search(rf"\b{command}\b", shown), command
        assert call(command, "--help").stdout


def test_exit_codes_are_documented() -> None:
    documented = (ROOT / "docs/reference/exit-codes.md").read_text()
    for code in Exit:
        assert re.search(rf"\b{int(code)}\b", documented), f"exit code {int(code)} ({code.name}) is not documented"


def test_hash_prints_what_scripts_rely_on(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "b.png").write_bytes(b"not a picture")
    found = lines(call("hash", tmp_path, "--json", code=Exit.FOUND))
    good, bad = found
    assert set(good) >= {"path", "sha256", "md5", "pdq", "quality"}
    assert re.fullmatch(r"[0-9a-f]{64}", good["pdq"])
    assert re.fullmatch(r"[0-9a-f]{64}", good["sha256"])
    assert re.fullmatch(r"[0-9a-f]{32}", good["md5"])
    assert 0 <= good["quality"] <= 100
    assert bad["pdq"] is None
    assert bad["unreadable"]
    assert bad["sha256"]
    call("hash", tmp_path / "absent.png", code=Exit.FOUND)


def test_a_bank_is_made_filled_matched_and_emptied(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(picture())
    call("bank", "create", "known", "--threshold", "20")
    call("bank", "create", "known", code=Exit.CONFLICT)
    call("bank", "add", "absent", file, code=Exit.NOT_FOUND)
    call("bank", "add", "known", file, "--label", "test")
    (match,) = lines(call("match", file, "--json"))
    assert {m["bank"] for m in match["matches"]} == {"known"}
    (item,) = lines(call("bank", "items", "known", "--json"))
    assert item["labels"] == ["test"]
    call("bank", "change", "known", "--disable")
    assert lines(call("match", file, "--json"))[0]["matches"] == []
    call("bank", "change", "known", "--enable")
    call("bank", "remove", "known", item["id"])
    assert lines(call("match", file, "--json"))[0]["matches"] == []
    call("bank", "add-hash", "known", "--pdq", "f" * 63, code=Exit.USAGE)
    call("bank", "add-hash", "known", code=Exit.USAGE)


def test_screen_prints_one_decision_a_line_and_reports_bad_lines_by_number(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "talk.jsonl"
    good, risky = message("hello"), message(EXTORTION)
    file.write_text("\n".join([json.dumps(good), "{not json", "", json.dumps(message("x") | {"id": ""}), json.dumps(risky)]))
    result = call("screen", file, "--json", code=Exit.USAGE)
    first, second = lines(result)
    for decision in (first, second):
        assert set(decision) >= {"event_id", "actions", "harms", "level", "reasons"}
    assert (first["event_id"], first["level"]) == (good["id"], "none")
    assert (second["event_id"], second["level"]) == (risky["id"], "high")
    assert second["reasons"]
    assert "line 2:" in result.stderr
    assert "line 4: id:" in result.stderr
    again = call("screen", file, "--json", code=Exit.USAGE)
    assert lines(again) == [first, second], "the same file again gets the same decisions"
    assert "high" in call("screen", "-", stdin=json.dumps(message(EXTORTION)).encode()).stdout
    call("screen", tmp_path / "absent", code=Exit.NOT_FOUND)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("i recorded our call. send me a $100 steam gift card now or i will send this to all your friends", "demands money: gift card"),
        ("grabé la llamada. mándame 50 euros por bizum ya o se lo mando a todos tus amigos", "demands money: payment app"),
        ("how old r u? are u home alone? send me a pic of you and dont tell your mom", "asks how old the other person is"),
        ("cuántos años tienes? estás sola en casa? mándame una foto tuya y no le digas a tu mamá", "asks how old the other person is"),
    ],
)
def test_a_first_message_that_says_enough_is_enough(home: Path, tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "talk.jsonl").write_text(json.dumps({"at": 0, "author": "zantle", "text": text, "conversation": "c"}))
    shown = call("screen", tmp_path / "talk.jsonl", "--follow", "--place", "GB")
    assert f"because: {reason}" in shown.stdout
    assert "1 alerts" in shown.stderr


def test_an_operators_list_of_words_is_read_and_a_bad_one_named(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    talk = tmp_path / "talk.jsonl"
    (home / "nightlight.toml").write_text('[text]\nrestricted_words = "own.txt"\n')
    text = "vorp quine. dont tell your mom, r u alone? send me a pic of you"
    talk.write_text(json.dumps({"at": 0, "author": "a", "conversation": "c", "text": text}))
    (home / "own.txt").write_text("vorp quine\n")
    (home / "own.txt").chmod(0o644)
    call("screen", talk, "--follow", "--place", "GB", code=Exit.USAGE)
    (home / "own.txt").chmod(0o600)
    shown = call("screen", talk, "--follow", "--place", "GB", "--json").stdout
    assert "of a sexual nature" in shown
    assert "vorp" not in shown


def test_screen_says_so_where_nothing_may_be_looked_at(home: Path, tmp_path: Path) -> None:
    nowhere = message(EXTORTION, actor={"account": "a", "age_band": "18+"}, targets=[{"account": "b", "age_band": "10-12"}])
    (tmp_path / "talk.jsonl").write_text(json.dumps(nowhere))
    result = call("screen", tmp_path / "talk.jsonl", "--json")
    assert lines(result)[0]["level"] == "none"
    assert "1 events were not looked at" in result.stderr
    (tmp_path / "talk.jsonl").write_text(json.dumps(nowhere | {"id": "again"}))
    placed = call("screen", tmp_path / "talk.jsonl", "--place", "GB", "--json")
    assert lines(placed)[0]["level"] == "high"
    assert "not looked at" not in placed.stderr


def test_keys_are_shown_once_and_revoked(home: Path) -> None:
    (made,) = lines(call("keys", "create", "chat", "--scope", "events:write", "--json"))
    assert made["secret"].startswith("nl_")
    listed = call("keys", "list", "--json")
    assert made["secret"] not in listed.stdout
    assert lines(listed)[0]["id"] == made["id"]
    call("keys", "revoke", made["id"])
    assert lines(call("keys", "list", "--json"))[0]["revoked_at"]
    call("keys", "revoke", "absent", code=Exit.NOT_FOUND)
    database = (
        (home / "nightlight.db").read_bytes() + (home / "nightlight.db-wal").read_bytes() if (home / "nightlight.db-wal").exists() else b""
    )
    assert made["secret"].encode() not in database + (home / "nightlight.db").read_bytes()


POLICY = """
name = "mine"
[[rule]]
id = "look"
on = { harms = ["grooming"], level = "high" }
condition = 'risk.scor > 0.9'
actions = [{ action = "open_case" }]
[[rule]]
id = "ban"
actions = [{ action = "sanction_account", permanent = true }]
"""


def test_policy_check_names_file_line_and_what_is_allowed(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(POLICY)
    shown = call("policy", "check", file, code=Exit.FOUND).stdout
    assert f"{file}:6" in shown
    assert "score" in shown
    assert "verdict" in shown, "a rule that would sanction a person without a verdict is refused"
    call("policy", "activate", file, code=Exit.USAGE)
    fixed = POLICY.replace("risk.scor ", "risk.score ").split('[[rule]]\nid = "ban"')[0]
    file.write_text(fixed)
    call("policy", "check", file)
    call("policy", "activate", file)
    assert call("policy", "show").stdout == fixed
    call("policy", "activate", file, "--shadow")
    call("policy", "compare")
    call("policy", "end-shadow")
    call("policy", "rollback", code=Exit.NOT_FOUND)
    call("policy", "versions")
    call("policy", "check", tmp_path / "absent", code=Exit.NOT_FOUND)


def test_the_default_policy_passes_its_own_check(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "default.toml"
    file.write_text(call("policy", "show").stdout)
    call("policy", "check", file)


def test_policy_try_says_what_would_happen_and_keeps_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.jsonl").write_text("\n".join(json.dumps(message(text)) for text in ("hello", EXTORTION)))
    (tmp_path / "mine.toml").write_text(call("policy", "show").stdout)
    shown = call("policy", "try", tmp_path / "mine.toml", tmp_path / "talk.jsonl").stdout
    assert "high  sextortion" in shown
    assert "case" in shown
    assert "gift card" not in shown
    assert lines(call("cases", "--json")) == []
    (tmp_path / "talk.jsonl").write_text("{}")
    call("policy", "try", tmp_path / "mine.toml", tmp_path / "talk.jsonl", code=Exit.USAGE)


def test_policy_replay_over_stored_events(home: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.jsonl").write_text("\n".join(json.dumps(message(text)) for text in ("hello", EXTORTION)))
    call("screen", tmp_path / "talk.jsonl")
    (tmp_path / "mine.toml").write_text(
        'name = "silent"\n[[rule]]\nid = "none"\non = { level = "high" }\nactions = [{ action = "preserve" }]\n'
    )
    (result,) = lines(call("policy", "replay", tmp_path / "mine.toml", "--json"))
    assert result["events"] == 2
    assert result["changed"] == 1


def test_backup_restore_export_and_erase(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "talk.jsonl").write_text(
        json.dumps(message("hello from me", actor={"account": "someone", "age_band": "18+", "place": "GB"}))
    )
    call("screen", tmp_path / "talk.jsonl")
    call("backup", tmp_path / "copy", "--with-keys")
    held = call("export", "someone")
    assert "hello from me" in held.stdout
    call("erase", "someone", "--yes")
    call("export", "someone", code=Exit.NOT_FOUND)
    call("audit", "verify")
    call("restore", tmp_path / "copy", code=Exit.CONFLICT)
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path / "other"))
    call("restore", tmp_path / "copy")
    assert "hello from me" in call("export", "someone").stdout
    call("audit", "verify")
    call("retention")


def test_audit_verify_finds_a_changed_row(home: Path) -> None:
    import sqlite3

    call("keys", "create", "one")
    call("keys", "create", "two")
    call("audit", "verify")
    with sqlite3.connect(home / "nightlight.db") as database:
        database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = (SELECT min(seq) FROM audit WHERE partition = 'admin')")
    database.close()
    result = call("audit", "verify", code=Exit.TAMPERED)
    assert "admin" in result.stderr


def test_detectors_and_cases_are_listed(home: Path, tmp_path: Path) -> None:
    assert {card["name"] for card in lines(call("detectors", "--json"))} >= {"grooming", "known_media", "immediate_danger"}
    assert lines(call("cases", "--json")) == []
    (tmp_path / "talk.jsonl").write_text(json.dumps(message(EXTORTION)))
    call("screen", tmp_path / "talk.jsonl")
    assert [case["queue"] for case in lines(call("cases", "--json"))]
    call("limits", "extend", "grown", "--hours", "48", "--reason", "still looking")
    call("limits", "lift", "grown", "--reason", "a joke between cousins")
    call("limits", "lift", "grown", "--reason", "again", code=Exit.NOT_FOUND)
    assert lines(call("outbox", "dead", "--json")) == []


def test_evaluate_conversations_prints_what_scripts_rely_on(home: Path, tmp_path: Path) -> None:
    def talk(name: str, label: int, *texts: str) -> str:
        messages = [{"at": 10.0 * n, "author": "ab"[n % 2], "text": text} for n, text in enumerate(texts)]
        return json.dumps({"conversation": name, "source": "made", "label": label, "messages": messages})

    risky = (
        "how old are you",
        "ten",
        "are your parents home",
        "no",
        "dont tell your parents",
        "ok",
        "send me a pic of you or i tell everyone",
        "no",
    )
    (tmp_path / "made.jsonl").write_text("\n".join([talk("a", 0, "hello", "hi", "good game"), talk("b", 1, *risky)]))
    (result,) = lines(call("evaluate", "conversations", tmp_path / "made.jsonl", "--threshold", "0.5", "--json"))
    made = result["sources"]["made"]
    assert (made["conversations"], made["positives"], made["recall"], made["false_positive_rate"]) == (2, 1, 1.0, 0.0)
    assert {"precision", "f1", "f_latency", "median_messages_to_alert", "alarms_per_1000_messages"} <= set(made)
    assert set(result) >= {"sources", "pooled"}


def test_errors_for_people_are_one_line_and_an_exit_code(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nightlight", "keys", "revoke", "absent"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == Exit.NOT_FOUND
    assert capsys.readouterr().err.count("\n") == 1


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The console script itself, in a process of its own."""
    command = [sys.executable, "-m", "nightlight", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ}, timeout=60, check=False)


def test_a_database_that_is_away_is_one_line_without_its_password(home: Path) -> None:
    done = run("keys", "list", NIGHTLIGHT_DATABASE="postgresql+psycopg://me:quibblesnatch@127.0.0.1:1/none")
    assert done.returncode == Exit.UNAVAILABLE
    assert done.stderr.count("\n") == 1
    assert "127.0.0.1 cannot be reached" in done.stderr
    assert "quibblesnatch" not in done.stderr


def test_an_address_in_use_is_one_line(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == Exit.UNAVAILABLE
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("cases", NIGHTLIGHT_HOME=str(tmp_path / "file" / "home"))
    assert done.returncode == Exit.USAGE
    assert "cannot be made" in done.stderr
    assert done.stderr.count("\n") == 1


def test_whoever_has_read_enough_is_no_failure(home: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.jsonl").write_text("\n".join(json.dumps(message(f"hello {n}")) for n in range(300)))
    command = f"{sys.executable} -m nightlight screen {tmp_path / 'talk.jsonl'} --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


def test_what_is_held_is_shown_though_its_level_is_none(home: Path, tmp_path: Path) -> None:
    (tmp_path / "talk.jsonl").write_text("\n".join(json.dumps(message(text)) for text in (EXTORTION, "good game")))
    shown = call("screen", tmp_path / "talk.jsonl").stdout
    assert "actions: hold_content, open_case" in shown
    assert "1 hold_content" in shown


def test_the_same_bytes_are_banked_once_and_no_picture_is_said_to_be_none(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "b.txt").write_text("words")
    call("bank", "create", "known")
    call("bank", "add", "known", tmp_path / "a.png")
    assert "there already" in call("bank", "add", "known", tmp_path / "a.png").stdout
    assert "not a picture or video" in call("bank", "add", "known", tmp_path / "b.txt", code=1).stderr
    assert len(lines(call("bank", "items", "known", "--json"))) == 1


def test_a_reason_is_asked_for_by_name(home: Path) -> None:
    call("limits", "lift", "somebody", code=Exit.USAGE)


@pytest.mark.parametrize("text", ["port = 1", "[server]\nport = 99999999", "not toml", "[levels]\nlow = 0.9\nelevated = 0.5\nhigh = 0.7"])
def test_a_wrong_setting_is_named_and_nothing_starts(home: Path, text: str) -> None:
    home.mkdir()
    (home / "nightlight.toml").write_text(text)
    call("cases", code=Exit.USAGE)
    assert not (home / "nightlight.db").exists()
