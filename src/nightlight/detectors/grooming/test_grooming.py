"""The laws, and what is this detector's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from nightlight.app.harness import senses
from nightlight.core.detect import MAX_STATE_BYTES, Fact, Key, KeyKind, decode_state, encode_state
from nightlight.core.event import (
    AgeBand,
    Assurance,
    Channel,
    EventBase,
    Message,
    Party,
    Relation,
    ReportCategory,
    UserReport,
)
from nightlight.core.features import AccountSummary, Cue, Features, TextFeatures
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import Subject, SubjectKind
from nightlight.detectors._conversation import short
from nightlight.kit import check_detector
from nightlight.kit.golden import read_golden_states
from nightlight.kit.run import Sensed, Trace, run, sense
from nightlight.kit.workbench import reaches

from . import build
from .states import MOST_MET, Reach
from .weights import WEIGHTS

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
CHILD = Party(account="brin", age_band=AgeBand.A10_12, assurance=Assurance.GUARDIAN)
ADULT = Party(account="vell", age_band=AgeBand.ADULT, assurance=Assurance.VERIFIED)
STRANGER = Party(account="vell")
HIGH = reaches(Level.HIGH)
RISKY = ("how old are you?", "are your parents home?", "dont tell your mom about this", "send me a pic of you")


def lines(
    *texts: str, by: Party = ADULT, to: Sequence[Party] = (CHILD,), step: float = 60.0, relation: Relation = Relation.UNKNOWN
) -> list[EventBase]:
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
                relation=relation,
                channel=Channel(id="room"),
                text=text.removeprefix("< "),
            )
        )
    return out


def fold(events: Sequence[EventBase]) -> Trace:
    return run(build(), sense(senses(), events))


def peak(*texts: str, harm: Harm = Harm.GROOMING, **given: object) -> float:
    return fold(lines(*texts, **given)).peak(harm)  # type: ignore[arg-type]


def test_laws() -> None:
    check_detector(build(), senses())


def test_there_are_enough_examples_of_what_it_must_leave_alone() -> None:
    kinds = [msgspec.json.decode(line)["kind"] for line in (Path(__file__).parent / "examples.jsonl").read_bytes().splitlines()]
    assert kinds.count("hit") >= 8
    assert kinds.count("near_miss") >= 8
    assert kinds.count("benign") >= 6


def test_no_single_cue_of_grooming_reaches_elevated() -> None:
    for name, weight in WEIGHTS.items():
        features = Features(text=TextFeatures(cues=(Cue(name, 1.0, (0, 1), "does something"),)))
        event = lines("x")[0]
        if weight.stage is not Stage.COERCION and not name.startswith("reported_"):
            got = run(build(), (Sensed(event, features, features),)).peak()
            assert got < reaches(Level.ELEVATED), name


def test_sexual_language_is_nothing_alone_and_something_beside_other_cues() -> None:
    """A list of words cannot tell swearing among friends from what it looks for."""

    def said(*cues: str) -> float:
        event = lines("x")[0]
        features = Features(text=TextFeatures(cues=tuple(Cue(name, 1.0, (0, 1), "does something") for name in cues)))
        return run(build(), (Sensed(event, features, features),)).peak()

    assert said("sexual_language") == 0.0
    assert said("sexual_language", "secrecy", "supervision_probe") > said("secrecy", "supervision_probe")


def test_an_adult_weighs_more_than_an_unknown_and_an_assured_peer_less() -> None:
    peer = Party(account="vell", age_band=AgeBand.A10_12, assurance=Assurance.VERIFIED)
    adult, unknown, child = (peak(*RISKY[:3], by=by) for by in (ADULT, STRANGER, peer))
    assert adult > unknown > child > 0.0


def test_an_older_child_gets_no_allowance_towards_a_much_younger_one() -> None:
    older = Party(account="vell", age_band=AgeBand.A16_17, assurance=Assurance.VERIFIED)
    small = Party(account="brin", age_band=AgeBand.A7_9, assurance=Assurance.VERIFIED)
    assert peak(*RISKY[:3], by=older, to=(small,)) > peak(*RISKY[:3], by=older, to=(Party(account="brin", age_band=AgeBand.A16_17),))


def test_an_unknown_target_is_treated_as_a_child() -> None:
    assert peak(*RISKY, to=(Party(account="brin"),)) == pytest.approx(peak(*RISKY))


def test_what_was_said_before_the_other_side_told_her_age_counts_in_full_after() -> None:
    """Children say they are older than they are; the moment it shows, nothing said earlier is worth less for it."""
    claimed = Party(account="brin", age_band=AgeBand.ADULT, assurance=Assurance.SELF_DECLARED)
    untold = peak(*RISKY, to=(claimed,))
    told = peak(*RISKY[:3], "< im 12", RISKY[3], to=(claimed,))
    assert told > untold
    assert told == pytest.approx(peak(*RISKY[:3], "< ok", RISKY[3]))


def test_asking_on_after_a_refusal_weighs_more_than_asking_twice() -> None:
    asked = ("send me a pic of you", "< ok", "send me a pic of you")
    refused = ("send me a pic of you", "< i said no", "send me a pic of you")
    assert peak(*refused) > peak(*asked)


def test_another_persons_refusal_is_not_held_against_the_one_who_refused() -> None:
    events = lines("< i said no", "< send me a pic of you")
    assert not any(e.cue == "persists" for step in fold(events).steps for s in step.signals for e in s.evidence)


def test_secrecy_weighs_the_same_from_family() -> None:
    secret = ("dont tell your mom about this", "this is our little secret")
    # Learned cues beside it may be ordinary in a family; secrecy itself keeps its strength.
    held = [
        state.cues["secrecy"].strength
        for relation in (Relation.FAMILY, Relation.UNKNOWN)
        for key, raw in fold(lines(*secret, relation=relation)).states.items()
        if key.kind is KeyKind.DIRECTION and (state := decode_state(build(), build().card.state_version, raw, key)).cues
    ]
    assert held[0] == held[1] > 0.9
    assert peak(RISKY[0], RISKY[3], relation=Relation.FAMILY) < peak(RISKY[0], RISKY[3])


def test_many_themes_within_minutes_weigh_more_than_over_days() -> None:
    assert peak(*RISKY) > peak(*RISKY, step=86_400.0)


def test_ten_harmless_lines_before_each_risky_one_change_no_level() -> None:
    padded = [text for risky in RISKY for text in (*["good game"] * 10, risky)]
    assert peak(*padded) >= HIGH
    assert peak(*RISKY, *["good game"] * 400, "how old are you?") >= 0.85 * peak(*RISKY)


def test_one_line_said_a_hundred_times_is_no_hundred_findings() -> None:
    once, often = peak("how old are you?"), peak(*["how old are you?"] * 100)
    assert once <= often < reaches(Level.ELEVATED)


def test_a_milder_word_by_the_other_side_takes_nothing_from_what_is_believed() -> None:
    alone, answered = fold(lines(*RISKY)), fold(lines(*RISKY, "< how old are you?"))
    about = next(risk for risk in alone.final if risk[1] is Harm.GROOMING)
    assert about[0] == Subject(SubjectKind.PAIR, "room|vell|brin")
    assert answered.final[about] == alone.final[about]


def test_whoever_spoke_first_each_side_is_judged_alone() -> None:
    trace = fold(lines("< how old are you? where do you live?", "< whats your snapchat", *RISKY))
    for signal in (s for step in trace.steps for s in step.signals):
        assert signal.subject == Subject(SubjectKind.PAIR, f"room|{signal.actor}|{signal.protects}")
    assert max(trace.final, key=lambda risk: trace.final[risk])[0].id == "room|vell|brin"


def test_a_report_weighs_on_the_reported_side_but_is_not_enough_alone() -> None:
    report = UserReport(
        id="r", at=START, actor=CHILD, targets=(ADULT,), channel=Channel(id="room"), category=ReportCategory.ASKED_FOR_PICTURES
    )
    trace = fold([report])
    [signal] = [s for s in trace.steps[0].signals if s.harm is Harm.GROOMING]
    assert (signal.actor, signal.protects) == ("vell", "brin")
    assert reaches(Level.LOW) <= signal.score < HIGH
    assert fold([*lines(*RISKY[:2]), report]).peak(Harm.GROOMING) > fold(lines(*RISKY[:2])).peak(Harm.GROOMING)


def test_words_of_a_report_are_not_the_reporters_conduct() -> None:
    report = UserReport(
        id="r",
        at=START,
        actor=CHILD,
        targets=(ADULT,),
        channel=Channel(id="room"),
        category=ReportCategory.OTHER,
        text="send me a pic of you",
    )
    assert fold([report]).peak() == 0.0


def test_approaching_three_people_becomes_a_finding_about_the_account() -> None:
    events: list[EventBase] = []
    for n in range(3):
        told = lines(*RISKY, to=(Party(account=f"child-{n}"),))
        events.extend(msgspec.structs.replace(one, id=f"{n}-{one.id}", channel=Channel(id=f"room-{n}")) for one in told)
    trace = fold(events)
    assert trace.summaries["vell"].values == {"grooming.minors_approached": 3.0}
    found = [s for step in trace.steps for one in step.derived for s in one.signals]
    assert found
    assert all(s.subject.kind is SubjectKind.ACCOUNT and s.subject.id == "vell" for s in found)
    assert found[-1].score >= HIGH


def test_a_line_to_a_whole_room_approaches_nobody() -> None:
    room = [Party(account=f"child-{n}") for n in range(30)]
    assert fold(lines("how old are you?", "are your parents home?", to=room)).summaries == {}


def test_what_the_account_did_elsewhere_is_read_from_its_summary() -> None:
    [sensed] = sense(senses(), lines("send me a pic of you"))
    known = Features(text=sensed.full.text, summaries={"vell": AccountSummary(3, {"grooming.minors_approached": 5.0})})
    detector = build()
    keys = detector.keys(sensed.event, known)
    states = {key: detector.new(key) for key in keys}
    alone, wider = (detector.observe(states, sensed.event, f).signals[0].score for f in (sensed.full, known))
    assert wider > alone


def test_a_line_that_shows_nothing_changes_no_memory_of_an_author_who_showed_nothing() -> None:
    """Most lines are such: they must cost no write."""
    [sensed] = sense(senses(), lines("good game"))
    detector = build()
    keys = detector.keys(sensed.event, sensed.full)
    assert [key.kind for key in keys] == [KeyKind.DIRECTION]
    assert detector.observe({key: detector.new(key) for key in keys}, sensed.event, sensed.full).states == {}


def test_people_met_long_ago_no_longer_count() -> None:
    reach = Reach().adding(1, 0.0, 0.9).adding(2, 8 * 86_400.0, 0.3)
    assert [met.person for met in reach.met] == [2]


def test_states_of_version_1_keep_what_they_held() -> None:
    detector = build()
    side, talk, reach = (
        decode_state(detector, g.version, g.raw, g.key) for g in read_golden_states(Path(__file__).parent) if g.version == 1
    )
    assert {name: held.strength for name, held in side.cues.items()} == {"age_probe": 0.6, "secrecy": 0.9}
    assert side.role == 1.0
    assert talk.minors == (short("brin"),)
    assert {met.person for met in reach.met} == {short("brin"), short("osk")}
    with pytest.raises(ValueError, match="version 5"):
        detector.upgrade(5, b"", Key(KeyKind.DIRECTION, "x"))


def test_states_of_version_2_keep_what_they_held_and_count_one_refusal() -> None:
    detector = build()
    side, talk, reach = (
        decode_state(detector, g.version, g.raw, g.key) for g in read_golden_states(Path(__file__).parent) if g.version == 2
    )
    assert (side.cues["secrecy"].peak, side.role, side.told) == (1.0, 1.25, {short("brin"): 2})
    assert (talk.minors, talk.noes) == ((short("brin"),), {short("brin"): 1})
    assert reach.met[0].score == 0.5


def test_a_fact_of_the_same_person_is_counted_once() -> None:
    detector = build()
    state = detector.new(Key.account("vell"))
    for n in range(5):
        fact = Fact(key=Key.account("vell"), name="minor_approached", at=START, event=f"e{n}", detector="grooming", other="brin", value=0.5)
        absorbed = detector.absorb(state, fact)
        state = absorbed.state
        assert absorbed.summary == {"minors_approached": 1.0}
        assert absorbed.signals == ()


def test_each_refusal_makes_asking_on_weigh_more() -> None:
    ask, no = "send me a pic", "< i said no"
    assert peak(ask, no, no, no, ask) > peak(ask, no, ask)


def test_the_fullest_reach_is_small() -> None:
    reach = Reach()
    for n in range(200):
        reach = reach.adding(short(f"account-{n}"), 1.7e9 + n, 0.5)
    assert len(reach.met) == MOST_MET
    assert len(encode_state(reach)) < MAX_STATE_BYTES / 2


def test_states_of_version_3_keep_what_they_held_of_grooming_and_the_themes_they_showed() -> None:
    side, talk, reach = (
        decode_state(build(), g.version, g.raw, g.key) for g in read_golden_states(Path(__file__).parent) if g.version == 3
    )
    assert (side.most, side.role, side.told) == (0.9, 1.25, {short("brin"): 2})
    assert side.stages == (Stage.CONTACT, Stage.COERCION, Stage.ISOLATION)
    assert (side.themes["contact"].first, side.themes["contact"].last) == (side.cues["age_probe"].first, side.cues["age_probe"].last)
    assert (talk.media, talk.noes) == (1748779200.0, {short("brin"): 2})
    assert {met.person for met in reach.met} == {short("brin"), short("osk")}


def test_a_threat_for_money_is_left_to_the_other_detector() -> None:
    trace = fold(lines("pay me $50 or i will send this to all your friends"))
    assert {s.harm for step in trace.steps for s in step.all_signals} <= {Harm.GROOMING}
    assert trace.peak() < HIGH
