"""Charts are whole SVG that says what it shows, whatever the names and the numbers."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.kit.charts import HEIGHT, WIDTH, Bar, Series, bars, lines
from nightlight.kit.evaluate.plots import plots
from tests.kit.slow_figures import Row
from tests.kit.test_evaluate import gathered

SVG = "{http://www.w3.org/2000/svg}"
UNIT = st.floats(0, 1)


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - we wrote it


def numbers(svg: str) -> list[float]:
    """Every coordinate of what is drawn."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - we wrote it
    drawn = " ".join(v for node in root.iter() for k, v in node.attrib.items() if k in ("d", "x", "y", "cx", "cy", "width"))
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|nan|inf", drawn)]


@given(
    st.text(max_size=60),
    st.lists(st.builds(Series, name=st.text(max_size=40), points=st.lists(st.tuples(st.floats(0, 500), UNIT), max_size=5)), max_size=5),
    st.floats(0, 500),
)
def test_lines_are_well_formed_and_stay_on_the_page(name: str, series: list[Series], most: float) -> None:
    svg = lines(name, name, name, "y", series, most_x=most, rule=0.5)
    assert all(-1 <= n <= max(WIDTH, 60 + 350 * len(series)) for n in numbers(svg))


@given(st.lists(st.builds(Bar, name=st.text(max_size=40), value=st.floats(0, 1e6), interval=st.none() | st.just((0.0, 2e6))), max_size=6))
def test_bars_are_well_formed_and_stay_on_the_page(rows: list[Bar]) -> None:
    svg = bars("t", "n", "x", rows)
    assert all(-10 <= n <= max(WIDTH, HEIGHT + 34 * len(rows)) for n in numbers(svg))
    assert svg.count('class="bar') == len(rows)


def test_a_line_is_where_its_values_are() -> None:
    svg = lines("t", "n", "x", "y", [Series(name="s", points=[(0, 0), (5, 0.5), (10, 1)])], most_x=10)
    [path] = re.findall(r'class="line s0" d="M(\d[^"]*L[^"]*)"', svg)
    first, middle, last = [tuple(map(float, point.split())) for point in path.split("L")]
    assert first[0] < middle[0] < last[0] and first[1] > middle[1] > last[1], "up is less in SVG"
    assert middle == pytest.approx(((first[0] + last[0]) / 2, (first[1] + last[1]) / 2), abs=0.1)


def test_a_bar_is_as_long_as_its_value() -> None:
    svg = bars("t", "n", "x", [Bar(name="a", value=10), Bar(name="b", value=5), Bar(name="c", value=0)])
    whole, half, none = [float(width) for width in re.findall(r'class="bar s0"[^>]* width="([\d.]+)"', svg)]
    assert whole > 100 and half == pytest.approx(whole / 2, abs=0.2) and none == 0


def test_names_cannot_add_markup() -> None:
    svg = bars('<script>"', "&", "x", [Bar(name="<script>alert(1)</script>", value=1, note="\x00\ud800")])
    assert "<script" not in svg
    assert any(text.startswith("<script>alert") for text in texts(svg))


ROWS = [Row(n % 3 == 0, [n / 40, (n % 7) / 7], [0.0, 9.0], [False, False]) for n in range(40)]


def test_the_plots_of_an_evaluation_have_titles_labels_and_both_themes() -> None:
    evaluator = gathered({"irc": ROWS, "game & <chat>": ROWS[:9], "\u00e9cole": ROWS[1:3]}, 0.5)
    drawn = plots(evaluator, evaluator.finish())
    labels = {
        "risk-over-messages.svg": ("Running risk over messages", "messages read", "running risk score", "alarm at 0.50"),
        "precision-recall.svg": ("Precision and recall", "recall", "precision", "pooled", "irc"),
        "alarm-rate-by-source.svg": ("False alarms by source", "alarms per 1,000 benign conversations", "game & <chat>", "\u00e9cole"),
    }
    assert set(drawn) == set(labels)
    for name, svg in drawn.items():
        root = ElementTree.fromstring(svg)  # noqa: S314 - we wrote it
        assert root.findtext(f"{SVG}title") == labels[name][0]
        assert root.get("role") == "img"
        assert set(labels[name]) <= set(texts(svg)), name
        assert "prefers-color-scheme: dark" in svg
        assert not re.search(r"(href|src|url\()", svg), "loads nothing"


def test_an_evaluation_of_nothing_draws_too() -> None:
    evaluator = gathered({}, 0.5)
    for svg in plots(evaluator, evaluator.finish()).values():
        assert all(math.isfinite(n) for n in numbers(svg))


def test_the_alarm_rates_begin_with_the_worst() -> None:
    quiet, loud = [Row(0, [0.0], [0.0], [False])] * 10, [Row(0, [0.9], [0.0], [False])] * 10
    evaluator = gathered({"a quiet one": quiet, "the loud one": loud}, 0.5)
    shown = texts(plots(evaluator, evaluator.finish())["alarm-rate-by-source.svg"])
    assert shown.index("the loud one") < shown.index("a quiet one")
    assert "10 of 10" in shown and "0 of 10" in shown
