"""What the reader of examples takes, and how it says what it does not take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nightlight.core.errors import Invalid
from nightlight.core.event import Media, Message
from nightlight.core.harm import Harm, Level
from nightlight.kit.examples import ExampleKind, read_examples
from nightlight.kit.golden import read_golden_states
from tests.kit.tiny import EXAMPLES, message, write_folder


def test_reads_what_is_written(tmp_path: Path) -> None:
    path = write_folder(tmp_path)
    path.write_text(path.read_text("utf-8").replace("\n", "\n\n"), "utf-8")
    words, picture, near, benign = read_examples(path)
    assert (words.kind, words.harm, words.at_least) == (ExampleKind.HIT, Harm.GROOMING, Level.HIGH)
    assert (near.kind, near.at_most) == (ExampleKind.NEAR_MISS, Level.LOW)
    assert benign.kind is ExampleKind.BENIGN
    assert isinstance(words.events[0], Message) and isinstance(picture.events[1], Media)
    assert picture.banks[0].items[0].bank == picture.banks[0].bank.name == "tiny-bank"
    assert words.last == words.events[2].at


HIT, NEAR = EXAMPLES[0], EXAMPLES[2]
WRONG: dict[str, tuple[Any, str, str | None]] = {
    "unknown kind": ({**HIT, "kind": "miss"}, "kind", "kind"),
    "unknown harm": ({**HIT, "harm": "gluttony"}, "harm", "harm"),
    "hit without harm": ({**HIT, "harm": None}, "names the harm", "harm"),
    "hit without level": ({k: v for k, v in HIT.items() if k != "at_least"}, "names the level", "at_least"),
    "hit at none": ({**HIT, "at_least": "none"}, "above `none`", "at_least"),
    "hit with at_most": ({**HIT, "at_most": "low"}, "`at_least` instead", "at_most"),
    "near miss without level": ({k: v for k, v in NEAR.items() if k != "at_most"}, "names the level", "at_most"),
    "near miss that cannot fail": ({**NEAR, "at_most": "high"}, "under `high`", "at_most"),
    "near miss with at_least": ({**NEAR, "at_least": "low"}, "`at_most` instead", "at_least"),
    "near miss with harm": ({**NEAR, "harm": "grooming"}, "names none", "harm"),
    "no name": ({**HIT, "name": " "}, "is empty", "name"),
    "no why": ({**HIT, "why": ""}, "is empty", "why"),
    "no events": ({**HIT, "events": []}, "holds no event", "events"),
    "misspelt field": ({**HIT, "wy": "x"}, "wy", None),
    "misspelt event field": ({**HIT, "events": [message("a", "plim", 1, txt="x")]}, "txt", "events[0]"),
    "event of unknown kind": ({**HIT, "events": [message("a", "plim", 1, kind="masage")]}, "masage", "events[0].kind"),
    "event without zone": ({**HIT, "events": [message("a", "plim", 1, at="2025-06-01T12:00:00")]}, "timezone", "events[0].at"),
    "an id twice": ({**HIT, "events": [message("a", "plim", 1), message("a", "plim", 2)]}, "earlier event", "events[1].id"),
    "item of another bank": (
        {**HIT, "banks": [{"bank": {"name": "x"}, "items": [{"id": "i", "bank": "y", "fingerprints": []}]}]},
        "within bank 'x'",
        "banks[0].items[0].bank",
    ),
    "name twice": ({**NEAR, "name": "good"}, "another example", "name"),
    "not json": ("{", "not JSON", None),
    "not an object": ("[]", "Expected `object`", None),
}


@pytest.mark.parametrize(("bad", "says", "field"), WRONG.values(), ids=WRONG)
def test_an_error_names_file_line_and_field(tmp_path: Path, bad: Any, says: str, field: str | None) -> None:
    path = write_folder(tmp_path, examples=[{**HIT, "name": "good"}])
    with path.open("a", encoding="utf-8") as file:
        file.write((bad if isinstance(bad, str) else json.dumps(bad)) + "\n")
    with pytest.raises(Invalid) as caught:
        read_examples(path)
    assert caught.value.message.startswith("tiny/examples.jsonl:2: ")
    assert says in caught.value.message
    assert caught.value.field == field
    if field:
        assert f" {field}: " in caught.value.message


def test_a_missing_or_empty_file_is_an_error(tmp_path: Path) -> None:
    path = write_folder(tmp_path, examples=[])
    with pytest.raises(Invalid, match=r"tiny/examples\.jsonl: holds no example"):
        read_examples(path)
    path.unlink()
    with pytest.raises(Invalid, match=r"tiny/examples\.jsonl: there is no such file"):
        read_examples(path)


@pytest.mark.parametrize("line", ['{"version":1}', '{"version":1,"key_kind":"pair","key_id":"a","hex":"abc"}', "{"])
def test_a_bad_golden_state_names_file_and_line(tmp_path: Path, line: str) -> None:
    folder = write_folder(tmp_path).parent
    assert read_golden_states(folder) == ()
    (folder / "golden_states.jsonl").write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(Invalid, match=r"tiny/golden_states\.jsonl:2: "):
        read_golden_states(folder)
