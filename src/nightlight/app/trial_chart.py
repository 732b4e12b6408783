"""The plot of a trial: each message's share with its interval."""

from __future__ import annotations

from nightlight.kit.charts import Bar, bars
from nightlight.protect.deterrence import TrialReport


def chart(report: TrialReport) -> str:
    """As SVG."""
    rows = [
        Bar(
            name=v.message.removeprefix("search."),
            value=v.share or 0.0,
            interval=v.interval if v.told else None,
            note=f"of {v.told}",
        )
        for v in report.variants
    ]
    about = "; ".join(
        f"{c.message.removeprefix('search.')}: {c.difference:+.1%} ({c.always_valid[0]:+.1%} to {c.always_valid[1]:+.1%})"
        for c in report.comparisons
        if c.difference is not None
    )
    note = about or "no outcome yet"
    if len(note) > 100:
        note = f"{sum(c.differs for c in report.comparisons)} of {len(report.comparisons)} differ from the first"
    return bars(f"Trial {report.name}: {report.outcome.value.replace('_', ' ')}", note, "share of displays whose outcome was told", rows)
