"""An explanation says what counts in words that blame no child, and its redacted form gives nothing away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain, combinations

import msgspec
import pytest

from nightlight.core.assessment import Assessment, Contribution
from nightlight.core.explanation import MOST_LINES, explain_assessment, explained, redacted
from nightlight.core.explanation_words import LANGUAGES, WORDS, paragraph
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import NOT_READ, Evidence, StageSeen, Subject, SubjectKind, Unread

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
BLAMING = (
    *("complied", "willing", "consent", "relationship", "self-generated", "agreed to", "victim"),
    *("consint", "accedi", "relación", "voluntari", "autogenerad", "víctima"),
)


def seen(stage: Stage, first: float, last: float, count: int = 1) -> StageSeen:
    at = [START + timedelta(seconds=s) for s in (first, last)]
    return StageSeen(stage=stage, first=at[0], last=at[1], first_event=f"e{first:.0f}", last_event=f"e{last:.0f}", count=count)


def assessment(*contributions: Contribution, level: Level = Level.HIGH, abstained: bool = False) -> Assessment:
    return Assessment(
        subject=Subject(SubjectKind.PAIR, "room|p_vell|p_brin"),
        harm=Harm.GROOMING,
        score=0.0 if abstained else 0.8,
        calibrated=False,
        level=level,
        at=START,
        contributions=contributions,
        actor="p_vell",
        protects="p_brin",
        abstained=abstained,
    )


def contribution(timeline: tuple[StageSeen, ...] = (), unread: tuple[Unread, ...] = (), detector: str = "grooming") -> Contribution:
    evidence = (
        Evidence("event-of-secret", "asks to keep it between them", (3, 9), "secrecy", at=START),
        Evidence("event-of-french", "writes in a language that is not read", None, NOT_READ),
    )
    return Contribution(detector=detector, version="1", score=0.8, at=START, evidence=evidence, timeline=timeline, unread=unread)


def test_the_lines_that_count_are_those_that_could_be_read() -> None:
    told = explain_assessment(assessment(contribution()))
    [line] = told.lines
    assert (line.event, line.span, line.cue, line.at, line.detector) == ("event-of-secret", (3, 9), "secrecy", START, "grooming")


def test_stages_of_several_detectors_become_one_line_of_time() -> None:
    one = contribution((seen(Stage.TRUST, 50, 90, 2), seen(Stage.CONTACT, 60, 60)))
    two = contribution((seen(Stage.TRUST, 20, 40, 5),), detector="contact")
    stages = explain_assessment(assessment(one, two)).stages
    assert [s.stage for s in stages] == [Stage.TRUST, Stage.CONTACT]
    assert (stages[0].first_event, stages[0].last_event, stages[0].count) == ("e20", "e90", 5)


def test_no_paragraph_blames_a_child_or_leaves_a_gap_to_fill() -> None:
    shown = list(chain.from_iterable(combinations(Stage, n) for n in range(3)))
    for language in LANGUAGES:
        for harm in Harm:
            for stages in shown:
                text = paragraph(language, harm, Level.HIGH, stages, lines=2, seconds=200_000.0, unread=tuple(Unread))
                assert not any(word in text.casefold() for word in BLAMING), text
                assert "{" not in text


def test_each_language_has_words_for_everything() -> None:
    for words in WORDS.values():
        assert set(words.stages) == set(Stage)
        assert set(words.levels) == set(Level)
        assert set(words.unread) == set(Unread)
        assert {Harm.GROOMING, Harm.SEXTORTION} <= set(words.opening)


@pytest.mark.parametrize(
    ("seconds", "said"), [(60.0, "within minutes"), (3000.0, "an hour"), (80_000.0, "a day"), (4 * 86_400.0, "over 4 days")]
)
def test_the_paragraph_says_how_fast_it_went(seconds: float, said: str) -> None:
    told = explain_assessment(assessment(contribution((seen(Stage.TRUST, 0, seconds), seen(Stage.CONTACT, 1, 1)))))
    assert said in told.summary["en"]
    assert "win trust and asked about age" in told.summary["en"]


def test_redacted_gives_no_event_no_span_no_account_and_no_reason_away() -> None:
    full = explain_assessment(assessment(contribution((seen(Stage.TRUST, 0, 60, 3),), (Unread.LANGUAGE,))))
    hidden = redacted(full)
    assert (hidden.stages, hidden.lines, hidden.unread) == ({"trust": 3}, 1, (Unread.LANGUAGE,))
    text = msgspec.json.encode(hidden).decode()
    for private in ("event-of", "e0", "e60", "p_vell", "p_brin", "span", "between them", "2025-06"):
        assert private in msgspec.json.encode(full).decode() or private == "2025-06"
        assert private not in text


def test_an_abstention_says_what_was_not_read_and_that_it_is_no_all_clear() -> None:
    told = explain_assessment(assessment(contribution(unread=(Unread.LANGUAGE,)), level=Level.NONE, abstained=True))
    assert told.abstained
    assert told.summary["en"].startswith("Nothing was judged")
    assert "Not read: language" in told.summary["en"] and "Sin leer: idioma" in told.summary["es"]


def test_lines_are_few_however_many_detectors_speak() -> None:
    many = [contribution(detector=f"d{n}") for n in range(40)]
    assert len(explain_assessment(assessment(*many)).lines) == MOST_LINES


def test_only_what_a_person_may_be_asked_about_is_explained() -> None:
    timeline = (seen(Stage.TRUST, 0, 60),)
    assert explained([assessment(contribution(timeline), level=Level.LOW)]) == ()
    assert explained([assessment(contribution())]) == ()
    assert len(explained([assessment(contribution(timeline), level=Level.ELEVATED)])) == 1
    assert len(explained([assessment(contribution(unread=(Unread.NO_TEXT,)), level=Level.NONE, abstained=True)])) == 1
