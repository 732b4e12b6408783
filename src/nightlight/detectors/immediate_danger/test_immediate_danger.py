"""The laws, and what is this detector's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nightlight.app.harness import senses
from nightlight.core.event import AgeBand, Assurance, Channel, ChannelKind, EventBase, Message, Party, ReportCategory, UserReport
from nightlight.core.harm import Harm, Level
from nightlight.core.signal import Signal
from nightlight.kit import check_detector
from nightlight.kit.run import run, sense
from nightlight.kit.workbench import reaches

from . import build

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHILD = Party(account="brin", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
ADULT = Party(account="vell", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED)


def line(text: str, actor: Party = CHILD, *targets: Party, kind: ChannelKind = ChannelKind.DIRECT, n: int = 0) -> Message:
    at = START + timedelta(minutes=n)
    return Message(id=f"m{n}", at=at, actor=actor, targets=targets or (ADULT,), channel=Channel(id="room", kind=kind), text=text)


def report(category: ReportCategory, *targets: Party, text: str = "") -> UserReport:
    return UserReport(id="r", at=START, actor=CHILD, targets=targets, category=category, text=text)


def signals(*events: EventBase) -> list[Signal]:
    return [signal for step in run(build(), sense(senses(), events)).steps for signal in step.signals]


def test_laws() -> None:
    check_detector(build(), senses())


def test_self_harm_protects_the_author_and_accuses_nobody() -> None:
    [signal] = signals(line("i want to die"))
    assert signal.harm is Harm.IMMEDIATE_DANGER
    assert signal.score >= 0.9
    assert (signal.actor, signal.protects) == (None, "brin")
    assert signal.evidence[0].span == (0, 13)


def test_a_threat_protects_the_child_among_those_addressed() -> None:
    [signal] = signals(line("i will kill your family", ADULT, Party(account="grown", age_band=AgeBand.ADULT), CHILD))
    assert signal.score >= 0.9
    assert (signal.actor, signal.protects) == ("vell", "brin")


@pytest.mark.parametrize(
    ("category", "actor", "protects"),
    [(ReportCategory.SELF_HARM, None, "vell"), (ReportCategory.IN_DANGER, None, "brin")],
)
def test_reports_are_high_at_once_whatever_their_text(category: ReportCategory, actor: str | None, protects: str) -> None:
    [signal] = signals(report(category, ADULT))
    assert signal.score >= 0.9
    assert (signal.actor, signal.protects) == (actor, protects)


def test_a_report_of_self_harm_that_names_nobody_is_about_the_reporter() -> None:
    [signal] = signals(report(ReportCategory.SELF_HARM))
    assert signal.protects == "brin"


def test_words_in_a_report_of_another_category_count_too() -> None:
    [signal] = signals(report(ReportCategory.OTHER, ADULT, text="he has a gun and is coming here. i want to die"))
    assert signal.score >= 0.9
    assert signal.protects == "brin"


def test_a_laugh_lowers_plain_words_to_what_is_worth_a_kind_word_at_most() -> None:
    [serious], [laughing] = signals(line("i want to die")), signals(line("i want to die lol"))
    assert serious.score > laughing.score
    assert laughing.score >= reaches(Level.LOW)


def test_manners_of_speaking_stay_low_however_often() -> None:
    found = signals(*(line("kms lol", n=n) for n in range(50)))
    assert all(signal.score < reaches(Level.ELEVATED) for signal in found)


def test_threats_count_less_in_the_chat_of_a_game_only_where_they_are_its_ordinary_talk() -> None:
    idle = [signals(line("im gonna kill you", kind=kind))[0].score for kind in (ChannelKind.DIRECT, ChannelKind.GAME)]
    plain = [signals(line("i will kill your family", kind=kind))[0].score for kind in (ChannelKind.DIRECT, ChannelKind.GAME)]
    assert idle[0] > idle[1]
    assert plain[0] == plain[1] >= 0.9


def test_a_lighter_word_afterwards_takes_nothing_back() -> None:
    first, second = signals(line("i want to die"), line("i want to die lol", n=1))
    assert second.subject == first.subject
    assert second.score == pytest.approx(first.score, rel=1e-3)


def test_each_persons_danger_is_news_of_its_own() -> None:
    first, second = signals(line("i want to die"), line("im gonna kill you", ADULT, CHILD, n=1))
    assert first.subject != second.subject
    assert (first.actor, first.protects) == (None, "brin")
    assert (second.actor, second.protects) == ("vell", "brin")
