"""What the case page makes of what the desk told, without a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from nightlight.core.desk import Line, Mark, RiskPoint
from nightlight.core.harm import Harm, Level, Stage
from nightlight.web.console.case_view import is_plain, plain_line, reasons, segments
from nightlight.web.console.chart import MOST_STEPS, charts
from nightlight.web.console.render import environment
from nightlight.web.console.words import Words

START = datetime(2026, 3, 1, 19, tzinfo=UTC)
SPANS = st.none() | st.tuples(st.integers(-5, 60), st.integers(-5, 60))


def mark(span: tuple[int, int] | None = None, reason: str = "asks for secrecy", detector: str = "grooming", score: float = 0.5) -> Mark:
    return Mark(reason=reason, harm=Harm.GROOMING, detector=detector, span=span, score=score)


def point(n: int, score: float, harm: Harm = Harm.GROOMING, stages: tuple[Stage, ...] = ()) -> RiskPoint:
    return RiskPoint(at=START + timedelta(seconds=n), event=f"e{n}", harm=harm, score=score, stages=stages)


@given(st.text(max_size=40), st.lists(SPANS, max_size=6))
def test_no_character_is_lost_or_told_twice_whatever_the_spans(text: str, spans: list[tuple[int, int] | None]) -> None:
    found = segments(text, [mark(span) for span in spans])
    assert "".join(piece.text for piece in found) == text
    marked = {n for piece in found for n in piece.marks}
    for n, span in enumerate(spans, start=1):
        start, end = span or (0, len(text))
        inside = text[max(0, start) : max(0, end)]
        assert "".join(piece.text for piece in found if n in piece.marks) == inside
        assert (n in marked) == bool(inside)


def test_a_reason_that_two_detectors_give_is_one() -> None:
    found = reasons([mark(), mark(detector="sextortion", score=0.9), mark(reason="sets a deadline with a threat")])
    assert [(r.words, r.detectors, r.score) for r in found] == [
        ("asks for secrecy", ("grooming", "sextortion"), 0.9),
        ("sets a deadline with a threat", ("grooming",), 0.5),
    ]


def test_harms_share_one_axis_and_decisive_lines_stand_where_they_were_said() -> None:
    points = [point(0, 0.3), point(1, 0.6, stages=(Stage.ISOLATION,)), point(2, 0.8), point(2, 0.9, Harm.SEXTORTION)]
    first, second = charts(points, ["e1", "e2"])
    assert (first.harm, second.harm) == (Harm.SEXTORTION, Harm.GROOMING)
    assert [dot.number for dot in first.dots] == [2]
    assert [dot.number for dot in second.dots] == [1, 2]
    assert first.dots[0].x == second.dots[1].x == 99.0
    assert second.dots[0].x == 50.0
    assert second.strips[0].stage is Stage.ISOLATION
    assert (first.first, first.last) == (START, START + timedelta(seconds=2))


def test_a_very_long_conversation_is_drawn_with_bounded_strokes_and_keeps_what_decided() -> None:
    points = [point(n, 0.5 + 0.4 * ((n * 7919) % 100) / 100) for n in range(5000)]
    (drawn,) = charts(points, ["e17", "e4321"])
    assert len(drawn.rows) <= MOST_STEPS
    assert {dot.event for dot in drawn.dots} == {"e17", "e4321"}
    assert all(0 <= v <= 100 for s in drawn.strokes for v in (s.x1, s.x2, s.y1, s.y2))


def test_nothing_to_draw_is_no_chart() -> None:
    assert charts([], []) == []
    (one,) = charts([point(0, 0.4)], [])
    assert one.lines == 1


@pytest.mark.parametrize("text", ["see you at nine", "<b>& \"quoted\" 'too'</b>\r\n\u202e\x07", "\u0645\u0631\u062d\u0628\u0627"])
@pytest.mark.parametrize("event", ["e1", "a b/<c>&\"'%\u00e9"])
def test_a_plain_line_is_written_as_the_macro_writes_it(text: str, event: str) -> None:
    line = Line(event=event, at=START, kind="message", by="p1", to=("p2",), text=text)
    assert is_plain(line)
    macros = (
        environment()
        .get_template("parts.html")
        .make_module(
            {
                "t": Words("en"),
                "reasons": reasons,
                "csrf": "",
                "csrf_field": "csrf",
                "languages": {},
                "path": "",
                "language": "en",
                "now": START,
            }
        )
    )
    by_macro = macros.line(line, {"p1": "child:1"}, segments, {})  # type: ignore[attr-defined]
    called = macros.person("p1", {"p1": "child:1"})  # type: ignore[attr-defined]
    assert "".join(plain_line(line, "child", called).split()) == "".join(by_macro.split())
    for other in (
        replace(line, level=Level.LOW),
        replace(line, marks=(mark(),)),
        replace(line, decision=("allow",)),
        replace(line, text=""),
    ):
        assert not is_plain(other)
