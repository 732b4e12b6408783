"""The pages for families are measured by the measure of the messages, and every text is easy enough for whom it is written."""

from __future__ import annotations

import pytest

from nightlight.app.readability import GUIDES, PRACTICE, pages
from nightlight.core.moment import Audience
from nightlight.protect.family import family_material
from nightlight.protect.interventions import GOALS
from nightlight.web.family.steps import Step
from nightlight.web.family.words import LANGUAGES, Reader, catalogue

ROWS = list(pages())


def test_no_text_of_the_pages_is_left_out() -> None:
    found = {(row.key, row.language, row.reader) for row in ROWS}
    assert len(found) == len(ROWS)
    for language in LANGUAGES:
        assert {(f"help.{step.value}", language, reader.value) for step in Step for reader in Reader} <= found
        assert {(f"family.{name}", language, audience.value) for name, audience in GUIDES.items()} <= found
        for ages in PRACTICE:
            assert {(f"practice.{one.key}", language, ages.value) for one in family_material()[language].practice(ages)} <= found


def test_each_is_within_its_goal_and_the_measure_sees_a_harder_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(row.key, row.language, row.reader, row.reading.age, row.goal) for row in ROWS if not row.within] == []
    assert {row.goal for row in ROWS if row.reader in ("7-10", "7-9")} == {GOALS[Audience.CHILD]} == {9}
    hard = "Necessitating institutional deliberation before considerable organisational responsibilities."
    own = {reader.value: {**catalogue("help", "en")[reader.value], "fault_1": hard} for reader in Reader}
    monkeypatch.setattr("nightlight.app.readability.catalogue", lambda page, language: own)
    worse = {row.key for row in pages() if row.language == "en" and not row.within}
    assert worse == {"help.fault"}
