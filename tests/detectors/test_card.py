"""A card that cannot be read says which file and which field."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightlight.core.detect import load_card
from nightlight.core.errors import Invalid
from nightlight.core.harm import Harm
from tests.kit.tiny import CARD


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tiny"
    made.mkdir()
    return made


def test_reads_a_card(folder: Path) -> None:
    (folder / "card.toml").write_text(CARD, "utf-8")
    card = load_card(folder)
    assert (card.name, card.harms, card.limits) == ("tiny", (Harm.GROOMING,), ("The words are invented.",))


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ('harms = ["grooming"]', 'harms = ["gluttony"]', "harms[0]", "gluttony"),
        ("state_version = 1", 'state_version = "one"', "state_version", "Expected `int`"),
        ('owner = "tests"', "", None, "`owner`"),
        ('owner = "tests"', 'owner = "tests"\nowners = "x"', None, "`owners`"),
        ('senses = ["text"', 'senses = ["smell"', "senses[0]", "smell"),
    ],
)
def test_an_error_names_file_and_field(folder: Path, old: str, new: str, field: str | None, says: str) -> None:
    assert old in CARD
    (folder / "card.toml").write_text(CARD.replace(old, new), "utf-8")
    with pytest.raises(Invalid) as caught:
        load_card(folder)
    assert caught.value.message.startswith("tiny/card.toml: " + (f"{field}: " if field else ""))
    assert caught.value.field == field
    assert says in caught.value.message


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe"])
def test_what_is_not_toml(folder: Path, content: bytes) -> None:
    (folder / "card.toml").write_bytes(content)
    with pytest.raises(Invalid, match=r"tiny/card\.toml: not TOML"):
        load_card(folder)


def test_no_card(folder: Path) -> None:
    with pytest.raises(Invalid, match=r"tiny/card\.toml: there is no such file"):
        load_card(folder)
