"""`nightlight evaluate` as scripts and people use it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from nightlight.app.cli.common import Exit
from tests.app.test_cli import call, home, lines
from tests.app.test_scoring import PLAIN, RISKY
from tests.kit.test_pan import XML

__all__ = ["home"]

SOURCE_KEYS = {
    *("conversations", "positives", "precision", "recall", "f1", "f_latency", "speed", "median_messages_to_alert"),
    *("false_positive_rate", "alarms_per_1000_messages"),
}


def talk(name: str, label: int, texts: Sequence[str], source: str = "made", **more: Any) -> bytes:
    messages = [{"at": 10.0 * n, "author": "ab"[n % 2], "text": text} for n, text in enumerate(texts)]
    return json.dumps({"conversation": name, "source": source, "label": label, "messages": messages, **more}).encode() + b"\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "made.jsonl"
    path.write_bytes(
        talk("r1", 1, RISKY, language="en")
        + talk("r2", 1, PLAIN, language="es")
        + talk("b1", 0, PLAIN, language="es")
        + talk("b2", 0, PLAIN, "other")
    )
    return path


def test_the_json_holds_what_was_agreed(home: Path, corpus: Path) -> None:
    [result] = lines(call("evaluate", "conversations", corpus, "--threshold", "0.5", "--resamples", "50", "--json"))
    assert set(result["sources"]) == {"made", "other"}
    for source in result["sources"].values():
        assert set(source) >= SOURCE_KEYS
    pooled = result["pooled"]
    assert set(pooled) >= SOURCE_KEYS | {"f0_5", "erde_5", "erde_50", "p90_messages_to_alert", "median_seconds_to_alert", "intervals"}
    assert set(pooled["recall_at_fpr"]) == {"0.01", "0.001", "0.0001"}
    made = result["sources"]["made"]
    assert (made["conversations"], made["positives"], made["recall"], made["precision"]) == (3, 2, 0.5, 1.0)
    assert made["intervals"]["recall"][0] <= 0.5 <= made["intervals"]["recall"][1]
    assert {name: one["conversations"] for name, one in result["languages"].items()} == {"en": 1, "es": 2}
    assert pooled["reviewer_hours_per_day"] is None
    assert result["detectors"]["grooming"]
    assert result["calibrated"] is False


def test_several_files_gzipped_and_over_processes_are_the_same(home: Path, corpus: Path, tmp_path: Path) -> None:
    rows = corpus.read_bytes().splitlines(keepends=True)
    (tmp_path / "one.jsonl.gz").write_bytes(gzip.compress(rows[0] + rows[1]))
    (tmp_path / "two.jsonl").write_bytes(rows[2] + rows[3])
    [whole] = lines(call("evaluate", "conversations", corpus, "--json", "--resamples", "20"))
    files = (tmp_path / "one.jsonl.gz", tmp_path / "two.jsonl")
    [parts] = lines(call("evaluate", "conversations", *files, "--jobs", "2", "--json", "--resamples", "20"))
    assert parts == whole


def test_running_scores_are_one_line_a_conversation(home: Path, corpus: Path, tmp_path: Path) -> None:
    call("evaluate", "conversations", corpus, "--threshold", "0.5", "--scores", tmp_path / "s.jsonl", "--resamples", "0")
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [(row["conversation"], row["source"], row["label"], len(row["risk"])) for row in rows] == [
        ("r1", "made", 1, len(RISKY)),
        ("r2", "made", 1, len(PLAIN)),
        ("b1", "made", 0, len(PLAIN)),
        ("b2", "other", 0, len(PLAIN)),
    ]
    first = rows[0]
    assert first["risk"][first["alert"]] >= 0.5 > max(first["risk"][: first["alert"]])
    assert rows[2]["alert"] is None
    assert "parents" not in (tmp_path / "s.jsonl").read_text(), "numbers and ids, never words"


def test_a_folder_gets_the_report_and_the_plots(home: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    [result] = lines(call("evaluate", "conversations", corpus, "--out", out, "--resamples", "20", "--messages-per-day", "1e6", "--json"))
    assert json.loads((out / "report.json").read_text()) == result
    assert result["pooled"]["reviewer_hours_per_day"] is not None
    assert {path.name for path in out.iterdir()} == {
        *("report.json", "risk-over-messages.svg", "precision-recall.svg", "alarm-rate-by-source.svg")
    }
    for path in out.glob("*.svg"):
        ElementTree.parse(path)  # noqa: S314 - we wrote it


def test_people_get_tables_and_are_told_what_little_data_cannot_show(home: Path, corpus: Path) -> None:
    shown = call("evaluate", "conversations", corpus, "--messages-per-day", "1000000").stdout
    for word in ("made", "other", "language es", "all", "F-LATENCY", "ERDE50", "RECALL AT 1%", "HOURS/DAY", "uncalibrated"):
        assert word in shown
    assert "2 benign conversations cannot show a rate below 1" in shown


def test_a_language_that_no_detector_reads_is_said_to_be_unsupported(home: Path, corpus: Path) -> None:
    corpus.write_bytes(talk("a", 1, RISKY, language="tlh") + talk("b", 0, PLAIN, language="en-GB"))
    only = ("--detector", "grooming")
    [result] = lines(call("evaluate", "conversations", corpus, *only, "--json", "--resamples", "0"))
    assert result["languages_supported"] == {"en-GB": ["grooming"], "tlh": []}
    assert "No detector says that it reads tlh:" in call("evaluate", "conversations", corpus, *only).stdout


def test_bad_lines_and_repeated_conversations_are_said_and_left_out(home: Path, corpus: Path) -> None:
    corpus.write_bytes(corpus.read_bytes() + b"nonsense\n" + talk("b1", 0, RISKY))
    result = call("evaluate", "conversations", corpus, "--json", "--resamples", "0", code=Exit.USAGE)
    assert lines(result)[0]["pooled"]["conversations"] == 4
    assert lines(result)[0]["bad_lines"] == 2
    assert f"{corpus}:5: " in result.stderr
    assert "earlier" in result.stderr


def test_what_cannot_be_read_or_written_is_one_line(home: Path, corpus: Path, tmp_path: Path) -> None:
    assert str(tmp_path / "absent") in call("evaluate", "conversations", tmp_path / "absent", code=Exit.NOT_FOUND).stderr
    call("evaluate", "conversations", corpus, "--scores", tmp_path / "no" / "s.jsonl", code=Exit.NOT_FOUND)
    call("evaluate", "conversations", corpus, "--out", corpus / "below", code=Exit.NOT_FOUND)
    before = corpus.read_bytes()
    call("evaluate", "conversations", corpus, "--scores", corpus, code=Exit.USAGE)
    assert corpus.read_bytes() == before
    call("evaluate", "conversations", corpus, corpus, code=Exit.USAGE)
    call("evaluate", "conversations", corpus, "--detector", "none-such", code=Exit.USAGE)


@pytest.mark.parametrize("name", ["pan.jsonl", "pan.jsonl.gz"])
def test_pan_2012_is_converted_and_evaluated(home: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "c.xml").write_text(XML)
    (tmp_path / "p.txt").write_text("otch\n")
    (tmp_path / "l.txt").write_text("c2\t2\n")
    out = tmp_path / name
    arguments = ("evaluate", "convert", "pan2012", tmp_path / "c.xml", "--predators", tmp_path / "p.txt", "--out", out)
    shown = call(*arguments, "--lines", tmp_path / "l.txt", "--source", "pan2012-test").stdout
    assert "2 conversations, 1 of them" in shown
    [result] = lines(call("evaluate", "conversations", out, "--json", "--resamples", "0"))
    assert result["sources"]["pan2012-test"]["positives"] == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(["c.xml", "p.txt", "l.txt", name])


def test_a_conversion_that_fails_leaves_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "c.xml").write_text("<conversations><")
    (tmp_path / "p.txt").write_text("otch\n")
    arguments = ("evaluate", "convert", "pan2012", tmp_path / "c.xml", "--out", tmp_path / "o.jsonl")
    assert "not well-formed" in call(*arguments, "--predators", tmp_path / "p.txt", code=Exit.USAGE).stderr
    call(*arguments, "--predators", tmp_path / "absent.txt", code=Exit.NOT_FOUND)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["c.xml", "p.txt"]
    (tmp_path / "p.txt").write_text("\n")
    call(*arguments, "--predators", tmp_path / "p.txt", code=Exit.USAGE)
    before = (tmp_path / "c.xml").read_bytes()
    (tmp_path / "p.txt").write_text("otch\n")
    call(*arguments[:4], "--out", tmp_path / "c.xml", "--predators", tmp_path / "p.txt", code=Exit.USAGE)
    assert (tmp_path / "c.xml").read_bytes() == before
