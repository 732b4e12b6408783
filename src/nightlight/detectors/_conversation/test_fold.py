"""What a conversation may do to hide (padding, pauses, duplicates, crowds, other conversations), and a first message that is enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from nightlight.app.harness import senses
from nightlight.core.event import AgeBand, Assurance, Channel, ChannelKind, EventBase, Message, Party
from nightlight.core.harm import Level
from nightlight.core.services import SenseEngine
from nightlight.detectors import discover
from nightlight.kit.run import Trace, run, sense
from nightlight.kit.workbench import reaches

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHILD = Party(account="brin", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
HIGH = reaches(Level.HIGH)
SCRIPTS = {
    "grooming": (
        "how old are you?",
        "are your parents home?",
        "dont tell your mom about this",
        "send me a pic of you",
        "add me on snapchat",
    ),
    "sextortion": ("send me a pic of you", "now send me $100 in gift cards", "or i will send it to all your followers"),
}
FIRST = {
    "grooming": "how old are you? are your parents home? dont tell your mom about us, send me a pic of you and add me on snapchat",
    "sextortion": "pay me $50 or i will send this to all your friends",
}
CHAT = ("good game", "lol nice one", "i had pasta today", "the map is huge", "brb")
DETECTORS = {name: discover().detectors[name] for name in SCRIPTS}


@cache
def engine() -> SenseEngine:
    return senses()


def said(texts: Sequence[str], *, room: str = "room", to: Sequence[Party] = (CHILD,), step: float = 60.0) -> list[EventBase]:
    kind = ChannelKind.DIRECT if len(to) == 1 else ChannelKind.GROUP
    return [
        Message(
            id=f"{room}-{n}",
            at=START + timedelta(seconds=step * n),
            actor=Party(account="vell"),
            targets=tuple(to),
            channel=Channel(id=room, kind=kind),
            text=text,
        )
        for n, text in enumerate(texts)
    ]


def fold(name: str, events: Sequence[EventBase]) -> Trace:
    return run(DETECTORS[name], sense(engine(), events))


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_first_message_that_says_enough_is_enough(name: str) -> None:
    assert fold(name, said([FIRST[name]])).peak() >= HIGH


@pytest.mark.parametrize("name", SCRIPTS)
def test_ten_harmless_lines_for_one_change_no_level(name: str) -> None:
    padded = [text for risky in SCRIPTS[name] for text in (*CHAT, *CHAT, risky)]
    assert fold(name, said(SCRIPTS[name])).peak() >= HIGH
    assert fold(name, said(padded)).peak() >= HIGH


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_pause_of_days_between_the_lines_is_no_new_beginning(name: str) -> None:
    paused = fold(name, said(SCRIPTS[name], step=3 * 86_400.0)).peak()
    assert paused >= reaches(Level.ELEVATED)
    assert paused > max(fold(name, said([text])).peak() for text in SCRIPTS[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_line_sent_five_times_hides_nothing_and_is_hardly_more(name: str) -> None:
    once, often = (fold(name, said([t for t in SCRIPTS[name] for _ in range(n)])).peak() for n in (1, 5))
    assert once <= often < once + 0.1


@pytest.mark.parametrize("name", SCRIPTS)
def test_conversations_at_once_are_judged_each_for_itself(name: str) -> None:
    here, there = said(SCRIPTS[name], room="here"), said(CHAT[: len(SCRIPTS[name])], room="there", to=(Party(account="tam"),))
    mixed = fold(name, [event for pair in zip(here, there, strict=True) for event in pair])
    assert mixed.final == fold(name, here).final


@pytest.mark.parametrize("name", SCRIPTS)
def test_in_a_group_who_else_is_there_makes_no_line_weigh_less(name: str) -> None:
    others = (Party(account="dad", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED), CHILD, Party(account="tam"))
    trace = fold(name, said(SCRIPTS[name], to=others))
    alone = fold(name, said(SCRIPTS[name])).peak()
    about = {subject.id: score for (subject, _), score in trace.final.items() if not subject.id.endswith("vell")}
    assert about["room|vell|brin"] >= alone
    assert "room|vell|dad" not in about


@pytest.mark.parametrize("name", SCRIPTS)
def test_one_may_be_the_one_who_harms_and_the_one_who_is_harmed(name: str) -> None:
    """A child under pressure may press another: each is judged, and neither finding takes anything from the other."""
    onwards = [
        Message(
            id=f"on-{n}",
            at=START + timedelta(minutes=n),
            actor=CHILD,
            targets=(Party(account="tam", age_band=AgeBand.A10_12),),
            channel=Channel(id="other"),
            text=text,
        )
        for n, text in enumerate(SCRIPTS[name])
    ]
    both = fold(name, [*said(SCRIPTS[name]), *onwards]).final
    about = {subject.id: score for (subject, _), score in both.items()}
    assert about["room|vell|brin"] >= HIGH
    assert about["other|brin|tam"] >= reaches(Level.ELEVATED)
