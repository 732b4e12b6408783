"""Fitting heads: what is read, how it is split, and that a head finds what it was shown."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest

from nightlight.app.training import natural
from nightlight.core.errors import Invalid
from nightlight.kit.train.lines import SLOTS, Row, filled, folds, read_lines, read_rows

FOLDER = Path(__file__).resolve().parents[2] / "training"


def test_every_text_is_read_and_no_slot_is_left() -> None:
    rows = read_rows(FOLDER)
    assert len({cue for row in rows for cue in row.cues}) >= 24
    assert {row.language for row in rows} == {"en", "es"}
    assert not any(f"{{{slot}}}" in row.text for row in rows for slot in SLOTS)
    assert rows == read_rows(FOLDER)
    assert any(len(row.cues) > 1 for row in rows)
    # Harmless conversations show cues too, and say so: a head learns the deed, not who did it.
    assert any(row.cues for row in rows if row.group == "everyday")
    # Lines that were written for their cues say nothing of how rare a cue is: nothing is calibrated on them.
    apart = {path.stem for path in (FOLDER / "apart").glob("*.jsonl")}
    assert len(apart) > 8
    assert not natural(rows)[[row.group in apart for row in rows]].any()


def test_families_and_authors_are_never_split() -> None:
    rows = read_rows(FOLDER)
    part = folds(rows)
    where = {(row.group, one) for row, one in zip(rows, part, strict=True)}
    assert len(where) == len({group for group, _ in where}), "a group is in two parts"
    for cue in {cue for row in rows for cue in row.cues}:
        assert len({one for row, one in zip(rows, part, strict=True) if cue in row.cues}) > 1


def test_a_course_holds_no_words() -> None:
    for raw in (FOLDER / "courses.jsonl").read_text("utf-8").splitlines():
        course = json.loads(raw)
        assert set(course) == {"course", "language", "harm", "roles", "messages"}
        assert all(set(message) <= {"at", "author", "cues"} for message in course["messages"])


def test_a_slot_is_filled_and_an_unknown_one_is_named() -> None:
    assert filled("{app} or {nothing}", Random(1)).split()[0] in SLOTS["app"]
    assert filled("{nothing}", Random(1)) == "nothing"


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lines" / "en" / "secrecy.jsonl"
    path.parent.mkdir(parents=True)
    with pytest.raises(Invalid, match="holds no lines"):
        read_lines(tmp_path)
    path.write_text('{"family": "a", "style": "teen", "text": "x"}\n{"family": "a"}\n')
    with pytest.raises(Invalid, match=r"secrecy\.jsonl, line 2"):
        read_lines(tmp_path)


def test_a_head_finds_what_it_was_shown_in_groups_it_was_not() -> None:
    pytest.importorskip("scipy", reason="the extra `train`")
    from nightlight.kit.train.heads import calibrate, fit, truths

    random = np.random.default_rng(0)
    rows = [Row(str(n), cues, "en", f"g{n % 3}") for n, cues in enumerate([("one",)] * 60 + [("one", "two")] * 60 + [()] * 120)]
    matrix = random.normal(size=(240, 5)).astype(np.float32)
    matrix[:120, 0] += 4
    matrix[60:120, 1] += 4
    truth, sure = truths(rows, ["one", "two"])
    found = fit(matrix, truth, sure, [n % 3 for n in range(240)], 1.0)
    scale = calibrate([found.unseen], truth, sure)
    logits = found.unseen * scale.slope[0] + scale.shift
    assert (logits[:120, 0] > 0).mean() > 0.9
    assert (logits[60:120, 1] > 0).mean() > 0.9
    assert (logits[120:] > 0).mean() < 0.1
    # A probability: about as many as it says.
    assert (1 / (1 + np.exp(-logits))).sum() == pytest.approx(truth.sum(), rel=0.1)


def test_what_an_author_did_not_look_for_weighs_less() -> None:
    from nightlight.kit.train.heads import truths

    truth, sure = truths([Row("a", ("one",), "en", "g", 0.3), Row("b", (), "en", "g")], ["one", "two"])
    assert truth.tolist() == [[1, 0], [0, 0]]
    assert sure.tolist() == [[1, pytest.approx(0.3)], [1, 1]]


def test_weights_are_never_below_nothing_and_reach_as_few_as_asked_for() -> None:
    pytest.importorskip("scipy", reason="the extra `train`")
    from nightlight.kit.train.weights import Sides, figures, fit, scaled

    random = np.random.default_rng(1)
    held = np.abs(random.normal(size=(300, 3)))
    held[:100, 0] += 3
    held[100:, 2] += 1
    harmless = np.arange(300) >= 100
    sides = Sides(held, ~harmless, np.arange(300), harmless)
    weights = scaled(fit(sides, np.full(3, 0.3), np.ones(300, bool), 1.0), sides, 0.75, 0.02)
    assert (weights >= 0).all()
    assert weights[0] > 3 * weights[1] and weights[2] == pytest.approx(0, abs=0.1)
    alarms = 1 - np.exp(-(held @ weights)) >= 0.75
    assert alarms[100:].mean() == pytest.approx(0.02, abs=0.006)
    assert figures(sides, held @ weights)["area"] > 0.9
