"""Charts as SVG text, without a plotting library: lines with bands, steps, and horizontal bars with intervals.

A chart follows the reader's light or dark theme, has a title and a description for screen readers, and loads nothing. The colours are
Okabe and Ito's, which colour-blind readers can tell apart; series differ in their dashes too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from msgspec import Struct

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 78, 60
ROW = 34
LABEL = 220

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b1b1b } .title { font-size: 17px; font-weight: 600 } .note { fill: #555 }
.ground { fill: #fff } .axis { stroke: #555 } .grid { stroke: #ddd } .whisker { stroke: #1b1b1b; stroke-width: 1.5 }
.s0 { --c: #0072b2 } .s1 { --c: #d55e00 } .s2 { --c: #007a5a } .s3 { --c: #a3508a }
.line { fill: none; stroke: var(--c); stroke-width: 2 } .band, .bar { fill: var(--c); stroke: none } .band { opacity: .16 }
.dot { fill: var(--c) } .s1.line { stroke-dasharray: 7 4 } .s2.line { stroke-dasharray: 2 3 } .s3.line { stroke-dasharray: 9 3 2 3 }
@media (prefers-color-scheme: dark) { text { fill: #eee } .note { fill: #b5b5b5 } .ground { fill: #16181c } .axis { stroke: #aaa }
.grid { stroke: #33373f } .whisker { stroke: #eee } .s0 { --c: #56b4e9 } .s1 { --c: #e69f00 } .s2 { --c: #2fc79a } .s3 { --c: #e29bc8 } }
"""
# What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Point = tuple[float, float]


class Series(Struct, frozen=True, kw_only=True):
    """A line through points in order of x. `band`: (x, low, high) drawn behind it. `dots` are drawn on top."""

    name: str
    points: Sequence[Point]
    band: Sequence[tuple[float, float, float]] = ()
    dots: Sequence[Point] = ()


class Bar(Struct, frozen=True, kw_only=True):
    """`interval`: its whisker. `note` stands at its end."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    note: str = ""


def lines(
    title: str, note: str, x: str, y: str, series: Sequence[Series], *, most_x: float, least_x: float = 0.0, rule: float | None = None
) -> str:
    """Up to four series over `least_x`..`most_x` and 0..1, with a legend. `rule`: a horizontal line at this height."""
    box = _Box(LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, least_x, max(most_x, least_x + 1e-9), 1.0)
    out = [_grid(box, x, y)]
    if rule is not None:
        out.append(f'<path class="axis" stroke-dasharray="4 4" d="M{box.x(least_x):.1f} {box.y(rule):.1f}H{box.x(box.most_x):.1f}"/>')
        out.append(_text(box.left + box.width - 4, box.y(rule) - 5, f"alarm at {rule:.2f}", "note", "end"))
    for n, one in enumerate(series):
        if one.band:
            edge = [(a, high) for a, _, high in one.band] + [(a, low) for a, low, _ in reversed(one.band)]
            out.append(f'<path class="band s{n % 4}" d="{box.path(edge)}Z"/>')
    for n, one in enumerate(series):
        if one.points:
            out.append(f'<path class="line s{n % 4}" d="{box.path(one.points)}"/>')
        out += [f'<circle class="dot s{n % 4}" cx="{box.x(a):.1f}" cy="{box.y(b):.1f}" r="4"/>' for a, b in one.dots]
    at = float(LEFT)
    for n, one in enumerate(series):
        out.append(f'<path class="line s{n % 4}" d="M{at:.0f} 60h26"/>' + _text(at + 32, 64, one.name))
        at += 60 + 7.2 * len(one.name)
    return _document(WIDTH, HEIGHT, title, note, out)


def bars(title: str, note: str, x: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars from 0, as many as there are rows, the longest name cut to fit."""
    most = _round_up(max([b for row in rows for b in (row.value, *(row.interval or ()))], default=1.0))
    height = TOP + BOTTOM + ROW * max(1, len(rows))
    box = _Box(LABEL, TOP, WIDTH - LABEL - 110, height - TOP - BOTTOM, 0.0, most, 1.0)
    out = [_grid(box, x, "")]
    for n, row in enumerate(rows):
        middle = TOP + ROW * (n + 0.5)
        name = row.name if len(row.name) <= 28 else row.name[:27] + "…"
        out.append(_text(LABEL - 10, middle + 4, name, anchor="end"))
        out.append(f'<rect class="bar s0" x="{LABEL}" y="{middle - 9:.1f}" width="{max(0.0, box.x(row.value) - LABEL):.1f}" height="18"/>')
        if row.interval is not None:
            low, high = (box.x(end) for end in row.interval)
            ends = f"M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 5:.1f}v10M{high:.1f} {middle - 5:.1f}v10"
            out.append(f'<path class="whisker" d="{ends}"/>')
        out.append(_text(WIDTH - 104, middle + 4, row.note))
    return _document(WIDTH, height, title, note, out)


class _Box(Struct, frozen=True):
    """The plotting area in pixels, and the values at its edges."""

    left: float
    top: float
    width: float
    height: float
    least_x: float
    most_x: float
    most_y: float

    def x(self, value: float) -> float:
        return self.left + self.width * min(1.0, max(0.0, (value - self.least_x) / (self.most_x - self.least_x)))

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - min(1.0, max(0.0, value / self.most_y)))

    def path(self, points: Sequence[Point]) -> str:
        return "M" + "L".join(f"{self.x(a):.1f} {self.y(b):.1f}" for a, b in points)


def _grid(box: _Box, x: str, y: str) -> str:
    """Grid, ticks and axis labels; without `y` the rows label themselves."""
    bottom = box.top + box.height
    out = []
    step = _round_up((box.most_x - box.least_x) / 6)
    ticks = [box.least_x] + [n * step for n in range(math.floor(box.least_x / step) + 1, math.floor(box.most_x / step + 1e-9) + 1)]
    for value in ticks:
        out.append(f'<path class="grid" d="M{box.x(value):.1f} {box.top}V{bottom:.1f}"/>')
        out.append(_text(box.x(value), bottom + 19, f"{value:.4g}", "note", "middle"))
    for value in (0.0, 0.25, 0.5, 0.75, 1.0) if y else ():
        out.append(f'<path class="grid" d="M{box.left} {box.y(value):.1f}h{box.width}"/>')
        out.append(_text(box.left - 8, box.y(value) + 4, f"{value:.2f}", "note", "end"))
    out.append(f'<path class="axis" fill="none" d="M{box.left} {box.top}V{bottom:.1f}h{box.width}"/>')
    out.append(_text(box.left + box.width / 2, bottom + 42, x, anchor="middle"))
    if y:
        middle = box.top + box.height / 2
        out.append(f'<text transform="translate(20 {middle:.1f}) rotate(-90)" text-anchor="middle">{_clean(y)}</text>')
    return "\n".join(out)


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_clean(text)}</text>'


def _clean(text: str) -> str:
    return escape(_UNWRITABLE.sub("\ufffd", text))


def _document(width: int, height: int, title: str, note: str, body: Sequence[str]) -> str:
    left = LEFT if height == HEIGHT else 20
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{_clean(title)}</title>',
        f'<desc id="desc">{_clean(note)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
        _text(left, 22, title, "title"),
        _text(left, 41, note, "note"),
    )
    return "\n".join((*head, *body, "</svg>\n"))
