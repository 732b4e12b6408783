"""The first tutorial's conversation does what the tutorial says it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import nightlight
from nightlight.app.library import Library
from nightlight.core.errors import Conflict, Invalid
from nightlight.core.harm import Harm, Level
from nightlight.core.services import Answer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "screen-your-first-conversation.md"


def talk() -> list[str]:
    found = re.search(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found.group(1).splitlines()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Library]:
    with nightlight.open(tmp_path / "home") as opened:
        yield opened


def levels(engine: Library, lines: list[str]) -> list[Level]:
    answers = engine.screen_many(lines)
    return [answer.decision.level for answer in answers if isinstance(answer, Answer)]


def test_the_level_rises_over_the_lines_and_the_reasons_are_given(engine: Library) -> None:
    assert levels(engine, talk()) == [Level.NONE, Level.NONE, Level.ELEVATED, Level.HIGH]
    last = engine.screen(talk()[-1]).decision
    assert Harm.GROOMING in last.harms
    assert len(last.reasons) >= 2


def test_again_gives_the_same_and_a_changed_line_is_refused(engine: Library) -> None:
    assert levels(engine, talk()) == levels(engine, talk())
    with pytest.raises(Conflict):
        engine.screen(talk()[0].replace("play well", "play badly"))


def test_small_talk_passes(engine: Library) -> None:
    harmless = [re.sub(r'"text": "[^"]*"', '"text": "good game, the geese were fast"', line) for line in talk()]
    assert levels(engine, harmless) == [Level.NONE] * 4


def test_a_wrong_age_band_is_named(engine: Library) -> None:
    with pytest.raises(Invalid) as caught:
        engine.screen(talk()[0].replace('"10-12"', '"eleven"'))
    assert caught.value.field == "targets[0].age_band"
    assert "eleven" not in caught.value.message
