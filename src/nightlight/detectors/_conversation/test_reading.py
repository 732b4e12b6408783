"""What cannot be read is said, and the timeline says when and where: both detectors, over the real senses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from nightlight.app.harness import senses
from nightlight.core.detect import KeyKind, decode_state
from nightlight.core.event import AgeBand, Assurance, Channel, EventBase, Message, Party
from nightlight.core.features import Cue, Features, TextFeatures
from nightlight.core.harm import Stage
from nightlight.core.signal import Unread
from nightlight.detectors import discover
from nightlight.kit.run import Sensed, Trace, run, sense

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHILD = Party(account="brin", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
GROWN = Party(account="brin", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED)
FRENCH = "tu es une fille et je suis un homme mais nous sommes dans le meme jeu avec les autres"
NAMES = ("grooming", "sextortion")
DETECTORS = {name: discover().detectors[name] for name in NAMES}


def said(*texts: str, to: Party = CHILD) -> list[EventBase]:
    return [
        Message(
            id=f"m{n}",
            at=START + timedelta(minutes=n),
            actor=Party(account="vell"),
            targets=(to,),
            channel=Channel(id="room"),
            text=text,
        )
        for n, text in enumerate(texts)
    ]


def fold(name: str, events: Sequence[EventBase]) -> Trace:
    return run(DETECTORS[name], sense(senses(), events))


@pytest.mark.parametrize("name", NAMES)
def test_a_language_that_is_not_read_is_said_once_and_scores_nothing(name: str) -> None:
    trace = fold(name, said(FRENCH, FRENCH, FRENCH))
    [signal] = [signal for step in trace.steps for signal in step.signals]
    assert (signal.abstained, signal.score, signal.unread) == (True, 0.0, (Unread.LANGUAGE,))
    assert (signal.actor, signal.protects) == ("vell", "brin")
    assert trace.peak() == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_every_event_that_could_not_be_read_says_so_itself(name: str) -> None:
    detector = DETECTORS[name]
    for text, unread in ((FRENCH, Unread.LANGUAGE), ("привет как дела", Unread.LANGUAGE), ("good game", None), ("did you win it", None)):
        [one] = sense(senses(), said(text))
        states = {key: detector.new(key) for key in detector.keys(one.event, one.cheap)}
        assert detector.observe(states, one.event, one.cheap).unread is unread, text


@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_no_sense_read_is_said_to_be_unread(name: str) -> None:
    events = said("whatever it says")
    trace = run(DETECTORS[name], [Sensed(events[0], Features(), Features())])
    [signal] = trace.steps[0].signals
    assert signal.abstained and signal.unread == (Unread.NO_TEXT,)
    assert run(DETECTORS[name], [Sensed(said("")[0], Features(), Features())]).steps[0].signals == ()


def test_among_assured_adults_nobody_is_told_of_a_language() -> None:
    assert fold("grooming", said(FRENCH, FRENCH, to=GROWN)).steps[1].signals == ()


def test_what_was_found_before_stands_beside_what_could_not_be_read() -> None:
    trace = fold("grooming", said("how old are you?", "dont tell your mom about this", FRENCH))
    last = trace.steps[-1].signals[-1]
    assert last.abstained and last.unread == (Unread.LANGUAGE,)
    assert [seen.stage for seen in last.timeline] == [Stage.CONTACT, Stage.ISOLATION]
    assert trace.steps[-1].risks == trace.steps[-2].risks


def test_lines_that_cannot_be_read_fade_nothing() -> None:
    """Switching language midway is a known way to evade: it must not count as harmless chat."""

    def held(padding: str) -> float:
        trace = fold("grooming", said("dont tell your mom about this", *[padding] * 30))
        [side] = [decode_state(DETECTORS["grooming"], 4, raw, key) for key, raw in trace.states.items() if key.kind is KeyKind.DIRECTION]
        return float(side.cues["secrecy"].strength)

    assert held(FRENCH) > held("good game")


def test_the_timeline_names_when_and_in_which_events_a_theme_was_shown() -> None:
    shown = ("age_probe", None, "secrecy", "age_probe")
    trace = run(DETECTORS["grooming"], [_showing(event, cue) for event, cue in zip(said(*"abcd"), shown, strict=True)])
    timeline = {seen.stage: seen for seen in trace.steps[-1].signals[-1].timeline}
    contact = timeline[Stage.CONTACT]
    assert (contact.first_event, contact.last_event, contact.count) == ("m0", "m3", 2)
    assert (contact.first, contact.last) == (START, START + timedelta(minutes=3))
    assert (timeline[Stage.ISOLATION].first_event, timeline[Stage.ISOLATION].count) == ("m2", 1)
    assert all(evidence.at is not None for step in trace.steps for signal in step.signals for evidence in signal.evidence)


def _showing(event: EventBase, cue: str | None) -> Sensed:
    features = Features(text=TextFeatures(cues=(Cue(cue, 1.0, (0, 1), "does something"),) if cue else ()))
    return Sensed(event, features, features)
