"""A notice says what is where and what to do, sends nothing harmful along, and its clock only ever moves on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.errors import Invalid
from nightlight.reporting.notice import FollowUp, Item, Notice, Step, due, languages, notice, reminder, shipped_follow_up
from nightlight.reporting.wording import blaming

SENT = datetime(2026, 2, 1, 8, tzinfo=UTC)
STEPS = shipped_follow_up()
ITEM = Item(url="https://host.example/a?x={service}", sha256="ab" * 32, seen_at=SENT)


def made(language: str = "en", *, items: tuple[Item, ...] = (ITEM,), reported: bool = False) -> Notice:
    return notice(
        items, service="Lanternfield", reference="NL-7", contact="safety@lanternfield.example", language=language, reported=reported
    )


@pytest.mark.parametrize("language", languages())
def test_every_language_says_it_all(language: str) -> None:
    first = made(language)
    again = reminder(first, SENT, reference="NL-7", contact="safety@lanternfield.example")
    for text in (first.body, again.body):
        for part in (
            "https://host.example/a?x={service}",
            "ab" * 32,
            "2026-02-01 08:00 UTC",
            "NL-7",
            "Lanternfield",
            "safety@lanternfield.example",
        ):
            assert part in text
        assert "{" not in text.replace("{service}", "")
        assert not blaming(text)
    assert again.body.endswith(first.body)
    assert "NL-7" in again.subject
    assert first.subject != again.subject


def test_that_an_authority_was_told_is_said_only_where_it_was() -> None:
    assert "told the competent authority" not in made().body
    assert "told the competent authority" in made(reported=True).body
    assert "autoridad competente" in made("es", reported=True).body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"items": ()}, "items"),
        ({"items": (Item(),)}, "items"),
        ({"items": (ITEM,) * 501}, "items"),
        ({"items": (Item(url="https://a.example/\nBcc: x@example.com"),)}, "items.url"),
        ({"items": (Item(url="https://a.example/\u2028x"),)}, "items.url"),
        ({"items": (Item(sha256="AB"),)}, "items.sha256"),
        ({"service": "L\r\nSubject: x"}, "service"),
        ({"reference": "a b"}, "reference"),
        ({"contact": "nobody"}, "contact"),
        ({"language": "xx"}, "language"),
        ({"language": "follow_up"}, "language"),
    ],
)
def test_what_could_write_part_of_the_notice_is_refused(change: dict[str, object], field: str) -> None:
    given_: dict[str, object] = {"items": (ITEM,), "service": "L", "reference": "r", "contact": "a@example.com", **change}
    items = given_.pop("items")
    with pytest.raises(Invalid) as told:
        notice(items, **given_)  # type: ignore[arg-type]
    assert told.value.field == field


def test_the_clock() -> None:
    def at(hours: float, **more: object) -> tuple[Step, datetime | None]:
        found = due(SENT, SENT + timedelta(hours=hours), steps=STEPS, **more)  # type: ignore[arg-type]
        return found.step, found.at

    taken = [SENT + timedelta(hours=h) for h in (25, 50, 73, 170)]
    assert at(1) == (Step.WAIT, SENT + timedelta(hours=24))
    assert at(24) == (Step.REMIND, SENT + timedelta(hours=24))
    assert at(100) == (Step.REMIND, SENT + timedelta(hours=24))
    assert at(26, taken=taken[:1]) == (Step.WAIT, SENT + timedelta(hours=48))
    assert at(72, taken=taken[:2]) == (Step.HOTLINE, SENT + timedelta(hours=72))
    assert at(168, taken=taken[:3]) == (Step.CLOSE, SENT + timedelta(hours=168))
    assert at(200, taken=taken) == (Step.DONE, None)
    assert at(200, answered=SENT + timedelta(hours=5)) == (Step.DONE, None)


@given(hours=st.lists(st.floats(0.1, 1000), min_size=1, max_size=6), now=st.floats(0, 2000))
def test_every_step_is_taken_once_and_in_order(hours: list[float], now: float) -> None:
    steps = tuple(FollowUp(hour, Step.REMIND) for hour in hours)
    moment = SENT + timedelta(hours=now)
    taken: list[datetime] = []
    while (found := due(SENT, moment, taken=taken, steps=steps)).step is Step.REMIND:
        assert found.at is not None
        taken.append(found.at)
    assert taken == sorted(taken)
    assert len(taken) == sum(SENT + timedelta(hours=hour) <= moment for hour in hours)
    assert found.step is (Step.DONE if len(taken) == len(hours) else Step.WAIT)
