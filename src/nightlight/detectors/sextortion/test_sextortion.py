"""The laws, and what is this detector's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from nightlight.app.harness import senses
from nightlight.core.detect import KeyKind
from nightlight.core.event import AgeBand, Assurance, Channel, EventBase, Media, Message, Party, ReportCategory, UserReport
from nightlight.core.features import AccountSummary, Features
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from nightlight.core.harm import Harm, Level, Stage
from nightlight.kit import check_detector
from nightlight.kit.run import Trace, run, sense
from nightlight.kit.workbench import reaches

from . import build

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHILD = Party(account="brin", age_band=AgeBand.A13_15, assurance=Assurance.GUARDIAN)
STRANGER = Party(account="vell")
HIGH = reaches(Level.HIGH)
DEMAND = "pay me $50 or i will send this to all your friends"


def lines(*texts: str, by: Party = STRANGER, to: Sequence[Party] = (CHILD,), step: float = 60.0) -> list[EventBase]:
    """The texts in one channel, one after the other; one that begins with "< " is the first target's."""
    out: list[EventBase] = []
    for n, text in enumerate(texts):
        actor, targets = (to[0], (by,)) if text.startswith("< ") else (by, tuple(to))
        out.append(
            Message(
                id=f"m{n}",
                at=START + timedelta(seconds=step * n),
                actor=actor,
                targets=targets,
                channel=Channel(id="room"),
                text=text.removeprefix("< "),
            )
        )
    return out


def fold(events: Sequence[EventBase]) -> Trace:
    return run(build(), sense(senses(), events))


def peak(*texts: str, **given: object) -> float:
    return fold(lines(*texts, **given)).peak()  # type: ignore[arg-type]


def test_laws() -> None:
    check_detector(build(), senses())


def test_there_are_enough_examples_of_what_it_must_leave_alone() -> None:
    kinds = [msgspec.json.decode(line)["kind"] for line in (Path(__file__).parent / "examples.jsonl").read_bytes().splitlines()]
    assert kinds.count("hit") >= 8
    assert kinds.count("near_miss") >= 8
    assert kinds.count("benign") >= 4


def test_one_line_with_threat_and_demand_is_high_at_once_and_says_where() -> None:
    trace = fold(lines(DEMAND))
    [signal] = trace.steps[0].signals
    assert signal.harm is Harm.SEXTORTION
    assert signal.score >= HIGH
    assert signal.stages == (Stage.COERCION,)
    assert (signal.actor, signal.protects) == ("vell", "brin")
    assert {e.cue for e in signal.evidence} >= {"payment_demand", "threat_to_expose"}
    assert all(e.event == "m0" and e.span is not None and e.reason for e in signal.evidence)


def test_in_a_group_each_child_is_protected_and_each_offender_judged() -> None:
    other = Party(account="tam", age_band=AgeBand.A13_15, assurance=Assurance.GUARDIAN)
    line = "send me $100 now or i will send this to all your friends"
    said = [msgspec.structs.replace(event, targets=(CHILD, STRANGER, other)) for event in lines(line)]
    found = {s.subject.id for s in fold(said).steps[0].signals}
    assert {"room|vell|brin", "room|vell|tam"} <= found


def test_a_picture_shared_the_same_day_raises_a_demand() -> None:
    demand = lines("x", "send me $100 now")
    shared = Media(
        id="p",
        at=START,
        actor=CHILD,
        targets=(STRANGER,),
        channel=Channel(id="room"),
        fingerprints=(Fingerprint(FingerprintKind.MD5, "0" * 32),),
    )
    assert fold([shared, *demand]).peak() > fold(demand).peak()


def test_asking_for_a_picture_is_nothing_to_say_until_a_threat_comes_and_then_counts() -> None:
    asked = ("send me a pic of you", "whats your snapchat")
    assert peak(*asked) == 0.0
    threat = "do what i say or i will show your family"
    assert peak(*asked, threat) > peak("good game", "good game", threat) > 0.0


def test_a_threat_after_a_pause_of_days_still_finds_what_was_asked_before() -> None:
    threat = "do what i say or i will show your family"
    assert peak("send me a pic of you", threat, step=5 * 86_400.0) > peak(threat)


def test_a_line_that_shows_only_another_harm_costs_one_memory_and_no_write() -> None:
    [sensed] = sense(senses(), lines("how old are you?"))
    quiet = Features(text=msgspec.structs.replace(sensed.full.text, hint=0.0)) if sensed.full.text else Features()
    detector = build()
    keys = detector.keys(sensed.event, quiet)
    assert [key.kind for key in keys] == [KeyKind.DIRECTION]
    assert detector.observe({key: detector.new(key) for key in keys}, sensed.event, quiet).states == {}


def test_a_line_that_shows_another_harm_is_no_harmless_line() -> None:
    """An offender who goes on asking other things must not fade by it as chit-chat would."""
    trace = fold(lines(DEMAND, *["how old are you?"] * 50, DEMAND))
    chat = fold(lines(DEMAND, *["good game"] * 50, DEMAND))
    assert trace.peak() >= chat.peak()


def test_many_approached_elsewhere_raise_it() -> None:
    [sensed] = sense(senses(), lines("send me $100 now"))
    known = Features(text=sensed.full.text, summaries={"vell": AccountSummary(3, {"grooming.minors_approached": 5.0})})
    detector = build()
    states = {key: detector.new(key) for key in detector.keys(sensed.event, known)}
    alone, wider = (detector.observe(states, sensed.event, f).signals[0].score for f in (sensed.full, known))
    assert wider > alone


def test_a_report_of_a_threat_weighs_and_one_of_something_else_is_not_its_business() -> None:
    threatened, uncomfortable = (
        UserReport(id="r", at=START, actor=CHILD, targets=(STRANGER,), channel=Channel(id="room"), category=category)
        for category in (ReportCategory.THREATENED, ReportCategory.UNCOMFORTABLE)
    )
    [signal] = fold([threatened]).steps[0].signals
    assert (signal.actor, signal.protects) == ("vell", "brin")
    assert reaches(Level.LOW) <= signal.score < HIGH
    assert build().keys(uncomfortable, Features()) == ()


def test_the_fast_script_is_high_by_its_third_risky_message() -> None:
    trace = fold(lines("send me a pic of you", "< ok", "now send me $100 in gift cards", "or i will send it to all your followers"))
    assert trace.peak() >= HIGH
