"""Among many lines some are like risky ones by chance: a likeness counts for less after many harmless lines, a phrase does not."""

from __future__ import annotations

from nightlight.core.features import Cue
from nightlight.detectors._conversation.fold import LIKENESS_LOSES, _counted
from nightlight.detectors._conversation.states import COUNTED_EACH, Held, Side

KNOWN = Side(cues={"secrecy": Held(0.3, 0.3, 0.0, 0.0)})


def test_a_likeness_fades_with_harmless_lines_and_never_whole() -> None:
    likeness, phrase = (Cue("secrecy", 0.5, (0, 1), "why", likeness=learned) for learned in (True, False))
    strengths = [_counted(likeness, lines) for lines in (0, 3, 10, 30, 1_000, 100_000)]
    assert strengths[:2] == [0.5, 0.5]
    assert strengths == sorted(strengths, reverse=True) and strengths[3] < 0.7 * strengths[0]
    assert strengths[-1] == 0.5 - LIKENESS_LOSES
    assert _counted(phrase, 100_000) == 0.5


def test_lines_are_counted_about_right_and_most_cost_no_write() -> None:
    side, writes, lines = KNOWN, 0, 4_000
    for n in range(lines):
        after = side.harmless(f"e{n}")
        writes += after is not side
        side = after
    assert 0.85 * lines < side.lines < 1.15 * lines
    assert writes < lines / 6
    assert side.cues == KNOWN.cues


def test_the_first_lines_are_counted_each_and_only_after_a_cue() -> None:
    side, new = KNOWN, Side()
    for n in range(COUNTED_EACH):
        side, new = side.harmless(f"e{n}"), new.harmless(f"e{n}")
    assert side.lines == COUNTED_EACH and new == Side()
