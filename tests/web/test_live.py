"""The live page: counts and codes, and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightlight.core.harm import Harm, Level
from nightlight.web.live import ACTION_WORDS, HISTORY_S, STATIC_TYPES, chart_of, delay, duration, number, paths, rate, shown, static
from tests.web.client import problem, service
from tests.web.fakes import live


def test_nothing_but_counts_and_codes_is_shown() -> None:
    _, client = service()
    client.key = None
    for path in ("/", "/live.json"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "SECRET" not in answer.text  # the fake's alerts carry it in each field that may not be shown
    assert "<title>Nightlight live</title>" in client.get("/").text


def test_the_page_is_whole_without_javascript() -> None:
    _, client = service()
    page = client.get("/").text
    for words in ("1\u202f512", "123\u202f456", "A child in immediate danger", "Held for a person", "31.9 ms", "41 s", "3 min 12 s"):
        assert words in page
    assert '<noscript><meta http-equiv="refresh"' in page


def test_the_policy_of_the_page_allows_no_inline_script_style_or_other_host() -> None:
    _, client = service()
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert re.search(r"\son\w+=|\sstyle=|<style|javascript:|https?://", answer.text) is None
    for url in re.findall(r'(?:src|href)="([^"#]+)"', answer.text):
        assert client.get(url).status_code == 200, url


def test_an_empty_service_is_shown_as_such() -> None:
    fakes, client = service()
    fakes.status.now = live(
        events=0, events_per_second=0.0, decisions={}, levels={}, harms={}, alerts=[], open_cases=0, commits=0, p50_ms=0.0, p99_ms=0.0
    )
    page = client.get("/").text
    assert "No events just now" in page
    assert "None yet" in page
    assert client.get("/live.json").json()["time_to_alert_s"] is None


def test_alerts_are_bounded_and_the_median_is_of_those_listed() -> None:
    alerts = [{"harms": ["grooming"], "level": "high", "seconds_from_first_event": float(n)} for n in range(1000)]
    found = shown(live(alerts=alerts))
    assert (len(found.alerts), found.time_to_alert_s) == (12, 5.5)
    assert found.alerts[0].label == "Grooming"


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"at": "soon"},
        {"at": 5},
        {"at": "2026-03-01T19:29:41"},
        {"detectors": [3, None, "x"]},
        {"harms": []},
        {"harm": None, "level": None},
        {"actions": None},
        {"seconds_from_first_event": "soon"},
    ],
)
def test_an_alert_of_an_unknown_shape_is_shown_as_nothing(odd: dict[str, object]) -> None:
    (alert,) = shown(live(alerts=[odd])).alerts
    assert (alert.harm, alert.level, alert.seconds, alert.actions) == ("", "none", None, ())
    assert (alert.at, alert.detectors) == (None, ())


def test_an_alert_says_when_and_by_whom_it_was_found() -> None:
    _, client = service()
    page = client.get("/").text
    assert '<time datetime="2026-03-01T19:29:41Z">19:29:41</time>' in page
    assert "known_media 1.0.0" in page
    first = client.get("/live.json").json()["alerts"][0]
    assert (first["at"], first["detectors"]) == ("2026-03-01T19:29:41.250000Z", ["grooming 1.0.0"])


def test_a_time_of_another_zone_is_shown_in_utc() -> None:
    (alert,) = shown(live(alerts=[{"at": "2026-03-01T20:29:41+02:00"}])).alerts
    assert alert.at is not None
    assert f"{alert.at:%H:%M:%S}" == "18:29:41"


def test_what_the_counts_cover_is_said() -> None:
    _, client = service()
    page = client.get("/").text
    assert "open now, all time" in page
    assert "at once" in page  # the one that was known when it came
    assert "0.0 s" not in page


def test_the_chart_begins_at_the_start_where_that_is_nearer_than_two_minutes() -> None:
    fakes, client = service()
    assert "last 2 minutes" in client.get("/").text
    fakes.status.now = live(history=[0, 10, 20, 30])
    page = client.get("/").text
    assert "last 4 s" in page
    assert "last 2 minutes" not in page
    line, area = paths(chart_of([0, 10, 20, 30]))
    assert line.startswith("M0.00,40.00L")
    assert line.endswith("L120.00,2.00")
    assert area.endswith("L120,40Z")
    fakes.status.now = live(history=[1, 2])
    assert '<figure id="spark-figure" hidden>' in client.get("/").text


def test_the_scale_of_the_chart_has_a_floor() -> None:
    still = chart_of([0] * 20 + [1] + [0] * 20)
    assert (still.peak, still.top) == (0.2, 1.0)
    assert ",32.40" in paths(still)[0]  # a fifth of the way up, not at the top
    assert chart_of([50] * 10).top == 50.0
    empty = chart_of([])
    assert (empty.peak, empty.top, empty.rates, empty.rows) == (0.0, 1.0, (), ())


def test_the_table_behind_the_chart_has_its_numbers() -> None:
    chart = chart_of([7] * 3 + [1] * 10 + [2] * 10)
    assert [(row.since, row.until, row.events, row.a_second) for row in chart.rows] == [
        (10, 0, 20, 2.0),
        (20, 10, 10, 1.0),
        (23, 20, 21, 7.0),
    ]
    fakes, client = service()
    fakes.status.now = live(history=[7] * 3 + [1] * 10 + [2] * 10)
    page = client.get("/").text
    assert '<th scope="row">23 to 20</th><td>21</td><td>7.0</td>' in page
    assert "<summary>" in page


@given(st.lists(st.integers(0, 5000), max_size=HISTORY_S))
def test_the_table_holds_every_event_of_the_chart_once(history: list[int]) -> None:
    chart = chart_of(history)
    assert sum(row.events for row in chart.rows) == sum(history)
    assert sum(row.since - row.until for row in chart.rows) == len(history) == len(chart.rates)
    assert chart.peak == max(chart.rates, default=0.0) <= chart.top


def test_every_level_has_a_row_and_a_mark() -> None:
    _, client = service()
    page = client.get("/").text
    assert [row.code for row in shown(live(levels={})).levels] == list(Level)
    for level in Level:
        assert f'id="mark-{level}"' in page


def test_every_harm_has_words_without_underscores() -> None:
    rows = shown(live(harms=dict.fromkeys(Harm, 1))).harms
    assert len(rows) == len(Harm)
    assert [row.label for row in rows if "_" in row.label] == []


def test_the_script_knows_the_same_words_as_the_page() -> None:
    script = static("live.js")[0].decode()
    written = dict(re.findall(r'^  (\w+): "([^"]+)",$', script, re.MULTILINE))
    assert written == ACTION_WORDS


def test_static_files_are_those_named_and_no_others() -> None:
    _, client = service()
    for name in STATIC_TYPES:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        again = client.get(f"/static/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for name in ("..%2fconfig.py", "%2e%2e/config.py", "live.html", "", "console.css/"):
        assert client.get(f"/static/{name}").status_code in ((200,) if name == "console.css/" else (404,))
    problem(client.get("/static/other.css"), 404, "not_found")


def test_the_whole_page_is_light() -> None:
    _, client = service()
    assert len(client.get("/").content) + sum(len(static(name)[0]) for name in STATIC_TYPES) < 60_000


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "\u2013"), (0, "0.0 s"), (9.96, "10.0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3600, "1 h 0 min"), (90_000, "25 h 0 min")],
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("seconds", "words"), [(None, "\u2013"), (0.0, "at once"), (0.04, "at once"), (0.05, "0.1 s"), (61, "1 min 1 s")])
def test_no_alert_takes_nought_seconds(seconds: float | None, words: str) -> None:
    assert delay(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0"), (0.2, "0.2"), (7, "7.0"), (9.94, "9.9"), (9.96, "10"), (12.5, "13"), (1512.4, "1\u202f512")]
)
def test_a_rate_below_ten_has_one_decimal(value: float, words: str) -> None:
    assert rate(value) == words
    assert "." not in number(value)
