"""What is known beside the lines raises what they come to, is told once, and is nothing without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from nightlight.core.event import AgeBand, Assurance, Channel, EventBase, Message, Party
from nightlight.core.features import AccountSummary, Cue, Features, TextFeatures
from nightlight.core.harm import Level
from nightlight.core.signal import Signal
from nightlight.detectors import discover
from nightlight.kit.run import Sensed, run
from nightlight.kit.workbench import reaches

from .circumstances import MOST, circumstances, multiplied

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHILD = Party(account="brin", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
STRANGER = Party(account="vell")
CUES = {"grooming": ("supervision_probe", "secrecy"), "sextortion": ("threat_to_expose",)}
DETECTORS = {name: discover().detectors[name] for name in CUES}
AT = START.timestamp()


def shown(
    name: str, actor: Party, summary: Mapping[str, float] | None = None, *, times: int = 1, to: Party = CHILD
) -> list[Sequence[Signal]]:
    """That harm's cues in one line, `times` times; the summary is read at each."""
    cues = tuple(Cue(cue, 0.9, (0, 1), "does something") for cue in CUES[name])
    known = {actor.account: AccountSummary(1, {"contact.at": AT, **summary})} if summary is not None else {}
    features = Features(text=TextFeatures(cues=cues), summaries=known)
    detector = DETECTORS[name]
    states: dict[Any, Any] = {}
    signals: list[Sequence[Signal]] = []
    for n in range(times):
        event: EventBase = Message(
            id=f"m{n}", at=START + timedelta(minutes=n), actor=actor, targets=(to,), channel=Channel(id="room"), text="x"
        )
        keys = detector.keys(event, features)
        seen = detector.observe({key: states.get(key) or detector.new(key) for key in keys}, event, features)
        states.update(seen.states)
        signals.append(seen.signals)
    return signals


def score(name: str, actor: Party, summary: Mapping[str, float] | None = None) -> float:
    [signal] = shown(name, actor, summary)[0]
    return float(signal.score)


@pytest.mark.parametrize("name", CUES)
def test_a_new_account_weighs_a_little_more_and_an_unknown_age_of_it_nothing(name: str) -> None:
    days = [score(name, replace(STRANGER, account_age_days=age)) for age in (1.0, 10.0, 400.0)]
    assert days[0] > days[1] > days[2] == score(name, STRANGER)


@pytest.mark.parametrize("name", CUES)
@pytest.mark.parametrize("known", ["grooming.minors_approached", "contact.people_refusing", "contact.people_given"])
def test_what_the_account_did_elsewhere_raises_it_and_more_raises_it_more(name: str, known: str) -> None:
    few, many = (score(name, STRANGER, {known: count}) for count in (2.0, 4.0))
    assert score(name, STRANGER) < few < many


def test_what_was_long_ago_and_one_who_declined_say_nothing() -> None:
    assert score("grooming", STRANGER, {"contact.people_refusing": 9.0, "contact.at": AT - 8 * 86_400.0}) == score("grooming", STRANGER)
    assert score("grooming", STRANGER, {"contact.people_refusing": 1.0}) == score("grooming", STRANGER)


def test_circumstances_together_are_bounded() -> None:
    most = {f"contact.{name}": 99.0 for name in ("people_refusing", "people_given")} | {
        "contact.at": AT,
        "grooming.minors_approached": 99.0,
    }
    features = Features(summaries={"vell": AccountSummary(1, most)})
    holding = circumstances(features, replace(STRANGER, account_age_days=0.5), (CHILD,), AT, 0.08)
    assert len(holding) == 4
    assert multiplied(holding) == MOST


def test_who_turns_to_whom_is_told_apart_and_told_once() -> None:
    peer = Party(account="vell", age_band=AgeBand.A10_12, assurance=Assurance.VERIFIED)
    for actor, name in (
        (Party(account="vell", age_band=AgeBand.ADULT), "adult_to_child"),
        (peer, "peers"),
        (STRANGER, None),
        (replace(peer, assurance=Assurance.SELF_DECLARED), None),
    ):
        told = [{e.cue for s in signals for e in s.evidence} & {"adult_to_child", "peers"} for signals in shown("grooming", actor, times=3)]
        assert told == [{name} if name else set(), set(), set()]


def test_the_lines_stand_last_so_that_they_are_what_is_kept() -> None:
    [signal] = shown("grooming", Party(account="vell", age_band=AgeBand.ADULT, account_age_days=1.0))[0]
    assert [e.cue for e in signal.evidence] == ["adult_to_child", "new_account", "supervision_probe", "secrecy"]


def test_without_a_line_that_counts_there_is_nothing_to_multiply() -> None:
    known = {"vell": AccountSummary(1, {"contact.at": AT, "contact.people_refusing": 9.0, "grooming.minors_approached": 9.0})}
    features = Features(text=TextFeatures(), summaries=known)
    event = Message(id="m", at=START, actor=replace(STRANGER, account_age_days=0.1), targets=(CHILD,), channel=Channel(id="r"), text="x")
    for detector in DETECTORS.values():
        trace = run(detector, [Sensed(event, features, features)])
        assert (trace.peak(), dict(trace.states)) == (0.0, {})


def test_a_single_cue_of_grooming_stays_below_elevated_from_a_new_account_too() -> None:
    for cue in ("age_probe", "secrecy", "picture_ask", "flattery"):
        features = Features(text=TextFeatures(cues=(Cue(cue, 1.0, (0, 1), "does something"),)))
        actor = Party(account="vell", age_band=AgeBand.ADULT, account_age_days=1.0)
        event = Message(id="m", at=START, actor=actor, targets=(CHILD,), channel=Channel(id="r"), text="x")
        assert run(DETECTORS["grooming"], [Sensed(event, features, features)]).peak() < reaches(Level.ELEVATED)
