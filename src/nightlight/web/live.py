"""The plain live page: how many, how fast, how risky. Counts and codes only; never an id, a name, a reason or a word anybody wrote."""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from msgspec import Struct

from nightlight.core.errors import NotFound
from nightlight.core.harm import Harm, Level
from nightlight.core.services import Live
from nightlight.web.bodies import Req, header
from nightlight.web.guards import counts_guard
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, json_response, page

MAX_ALERTS = 12
HISTORY_S = 120
DETECTOR = re.compile(r"[a-z][a-z0-9_]{0,39} [0-9][0-9A-Za-z.+]{0,19}")
"""A name and a version, and nothing else that might stand in their place."""
AT_ONCE_S = 0.05
"""What would read as 0.0 s."""
RATE_S = 5
"""Seconds that a rate is taken over: those of `Live.events_per_second`, so that the chart ends where the figure stands."""
ROW_S = 10
"""Seconds of a row of the table behind the chart."""

ACTION_WORDS = {
    "allow": "Allowed",
    "nudge": "Message shown",
    "hold_content": "Held for a person",
    "block_content": "Not delivered",
    "limit_contact": "Contact limited",
    "limit_reach": "Reach limited",
    "add_friction": "Slowed later",
    "slow_down": "Slowed",
    "open_case": "Case opened",
    "notify": "Notified",
    "preserve": "Preserved",
}
HARM_WORDS = {
    Harm.IMMEDIATE_DANGER: "A child in immediate danger",
    Harm.KNOWN_MATERIAL: "Known material",
    Harm.NEW_MATERIAL: "Suspected new material",
    Harm.GENERATED_MATERIAL: "AI-generated material",
    Harm.IMAGERY_SOLICITATION: "Solicitation of imagery",
    Harm.LINK_EXCHANGE: "Link exchange and sale",
    Harm.SHARED_ACCESS: "Shared-access accounts",
    Harm.GENERATIVE_MISUSE: "Misuse of generative AI",
    Harm.LAWFUL_IMAGE_MISUSE: "Misuse of lawful images",
}


class Count(Struct, frozen=True):
    code: str
    label: str
    count: int


class Row(Struct, frozen=True):
    """A stretch of the chart, in the table behind it."""

    since: int
    """Seconds ago that it began..."""
    until: int
    """...and ended."""
    events: int
    a_second: float


class Chart(Struct, frozen=True, kw_only=True):
    """Events a second over the last two minutes, or since the start where that is nearer."""

    rates: tuple[float, ...]
    """At the end of each second, the oldest first: events a second over the five seconds before."""
    peak: float
    top: float
    """Where the scale ends: the peak, and one at least, so that next to nothing looks like next to nothing."""
    rows: tuple[Row, ...]
    """The newest first."""


class Alert(Struct, frozen=True, kw_only=True):
    at: datetime | None
    """When it was decided."""
    harm: str
    label: str
    level: str
    urgent: bool
    """Immediate danger: the one thing on the page that may be vivid."""
    seconds: float | None
    """From the first message of the conversation to the decision."""
    actions: tuple[str, ...]
    detectors: tuple[str, ...]
    """Each with its version."""


class Shown(Struct, frozen=True, kw_only=True):
    """What the page and `/live.json` may know."""

    at: datetime
    uptime_s: float
    events: int
    events_per_second: float
    chart: Chart
    p50_ms: float
    p99_ms: float
    commits: int
    open_cases: int
    time_to_alert_s: float | None
    """Median over the alerts listed; null where there is none."""
    decisions: tuple[Count, ...]
    levels: tuple[Count, ...]
    harms: tuple[Count, ...]
    alerts: tuple[Alert, ...]


def words(code: str) -> str:
    return code.replace("_", " ").capitalize()


def counts(found: Mapping[str, int], labels: Mapping[str, str]) -> tuple[Count, ...]:
    """The largest first."""
    most_first = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Count(str(code), labels.get(code) or words(str(code)), count) for code, count in most_first)


def shown(live: Live) -> Shown:
    """Chosen field by field from a list of what may be seen: a field added to `Live` later stays unseen until somebody adds it here."""
    alerts = tuple(alert_of(item) for item in list(live.alerts)[:MAX_ALERTS])
    seconds = [alert.seconds for alert in alerts if alert.seconds is not None]
    levels = tuple(Count(level.value, words(level), live.levels.get(level, 0)) for level in Level)
    return Shown(
        at=live.at,
        uptime_s=live.uptime_s,
        events=live.events,
        events_per_second=live.events_per_second,
        chart=chart_of(live.history[-HISTORY_S:]),
        p50_ms=live.p50_ms,
        p99_ms=live.p99_ms,
        commits=live.commits,
        open_cases=live.open_cases,
        time_to_alert_s=statistics.median(seconds) if seconds else None,
        decisions=counts(live.decisions, ACTION_WORDS),
        levels=levels,
        harms=counts(live.harms, {str(harm): label for harm, label in HARM_WORDS.items()}),
        alerts=alerts,
    )


def chart_of(history: Sequence[int]) -> Chart:
    """From the events of each whole second, the oldest first."""
    rates = []
    for end in range(1, len(history) + 1):
        before = history[max(0, end - RATE_S) : end]
        rates.append(round(sum(before) / len(before), 1))
    rows = []
    for until in range(0, len(history), ROW_S):
        stretch = history[max(0, len(history) - until - ROW_S) : len(history) - until]
        rows.append(Row(until + len(stretch), until, sum(stretch), round(sum(stretch) / len(stretch), 1)))
    peak = max(rates, default=0.0)
    return Chart(rates=tuple(rates), peak=peak, top=max(1.0, peak), rows=tuple(rows))


def paths(chart: Chart) -> tuple[str, str]:
    """The line and the area under it, as SVG paths in a box of 120 by 40: the oldest at the left edge, zero on the floor."""
    step = 120 / max(1, len(chart.rates) - 1)
    points = "L".join(f"{step * i:.2f},{40 - 38 * value / chart.top:.2f}" for i, value in enumerate(chart.rates))
    return f"M{points}", f"M0,40L{points}L120,40Z"


def moment(given: object) -> datetime | None:
    """A time as `Live.alerts` has it, in UTC; None for anything else."""
    try:
        found = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None


def alert_of(item: Mapping[str, Any]) -> Alert:
    """Only codes that core knows pass; anything else in their place is shown as nothing."""
    given = item.get("harm") or next(iter(item.get("harms") or ()), "")
    harm = str(given) if given in set(Harm) else ""
    level = str(item.get("level", ""))
    seconds = item.get("seconds_from_first_event")
    return Alert(
        at=moment(item.get("at")),
        harm=harm,
        label=HARM_WORDS.get(Harm(harm), words(harm)) if harm else "Not told",
        level=level if level in set(Level) else Level.NONE.value,
        urgent=harm == Harm.IMMEDIATE_DANGER,
        seconds=float(seconds) if isinstance(seconds, (int, float)) else None,
        actions=tuple(str(action) for action in item.get("actions") or () if action in ACTION_WORDS),
        detectors=tuple(str(one) for one in item.get("detectors") or () if isinstance(one, str) and DETECTOR.fullmatch(one)),
    )


def duration(seconds: float | None) -> str:
    """`3 min 12 s`: two units at most."""
    if seconds is None:
        return "\u2013"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def delay(seconds: float | None) -> str:
    """A duration from something to an alert."""
    return "at once" if seconds is not None and seconds < AT_ONCE_S else duration(seconds)


def rate(value: float) -> str:
    """One decimal below ten, so that a little is told from nothing."""
    return f"{value:.1f}" if 0 < value < 9.95 else number(value)


def number(value: float) -> str:
    return f"{int(value + 0.5):,}".replace(",", "\u202f")  # a half goes up, as in the script


def window(seconds: int) -> str:
    """What the chart spans."""
    return f"last {seconds} s" if seconds < HISTORY_S else "last 2 minutes"


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("nightlight.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["duration"] = duration
    made.filters["milliseconds"] = lambda value: "\u2013" if value is None else f"{value:.1f} ms"
    made.filters |= {"delay": delay, "rate": rate, "number": number, "paths": paths, "window": window}
    made.globals |= {"action_words": ACTION_WORDS, "at_once_s": AT_ONCE_S}
    return made


@page(
    "/live.json",
    Doc(
        summary="The counts of the live page",
        description="For clients on the machine itself, unless the operator opened the pages.",
        tag="Health",
        answers={200: Shown},
        problems=(403, 404),
    ),
    counts_guard,
)
async def live_json(request: Req) -> Response[bytes]:
    return json_response(shown(await asyncio.to_thread(hands_of(request).services.status.live)))


@page("/", Doc(summary="The live page", tag="Health", answers={200: str}, problems=(403, 404), media_type="text/html"), counts_guard)
async def live_page(request: Req) -> Response[str]:
    live = shown(await asyncio.to_thread(hands_of(request).services.status.live))
    body = environment().get_template("live.html").render(live=live)
    return Response(body, media_type="text/html")


STATIC_TYPES = {"console.css": "text/css", "live.js": "text/javascript", "icon.svg": "image/svg+xml"}


@cache
def static(name: str) -> tuple[bytes, str]:
    """A file of `static/` and its ETag."""
    body = files("nightlight.web").joinpath("static", name).read_bytes()
    return body, f'"{sha256(body).hexdigest()[:20]}"'


@page(
    "/static/{name:str}",
    Doc(summary="Style, script and icon of the pages", tag="Health", answers={200: str}, problems=(404,), media_type="*/*"),
)
async def static_file(request: Req) -> Response[bytes]:
    name = str(request.path_params["name"])
    if name not in STATIC_TYPES:
        raise NotFound("there is no such file")
    body, tag = static(name)
    headers = {"etag": tag, "cache-control": "no-cache"}
    if header(request, b"if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=STATIC_TYPES[name], headers=headers)


LIVE_ROUTES = (live_json, live_page, static_file)
