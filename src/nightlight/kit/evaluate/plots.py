"""The pictures of an evaluation, by file name: risk over messages, precision and recall, alarm rate by source."""

from __future__ import annotations

import numpy as np

from nightlight.kit.charts import Bar, Series, bars, lines
from nightlight.kit.evaluate import Evaluation, Evaluator
from nightlight.kit.evaluate.outcome import Columns

POINTS = 400
"""Of a curve: more cannot be told apart on it."""
MOST_CURVES = 3
"""Sources that get a curve of their own beside the pooled one."""
MOST_BARS = 40


def plots(evaluator: Evaluator, result: Evaluation) -> dict[str, str]:
    """SVG text by file name."""
    return {
        "risk-over-messages.svg": _risk(evaluator),
        "precision-recall.svg": _precision_recall(evaluator.columns(), result.threshold),
        "alarm-rate-by-source.svg": _alarm_rates(result),
    }


def _risk(evaluator: Evaluator) -> str:
    series, longest = [], 1
    for positive, name in ((True, "risk"), (False, "benign")):
        median, low, high = (evaluator.traces.quantile(positive, q) for q in (0.5, 0.1, 0.9))
        band = [(float(n), a, b) for n, (a, b) in enumerate(zip(low, high, strict=True), start=1)]
        points = [(float(n), m) for n, m in enumerate(median, start=1)]
        series.append(Series(name=f"{name} ({evaluator.traces.counted(positive)[0]})", points=points, band=band))
        longest = max(longest, len(median))
    return lines(
        "Running risk over messages",
        "Median, and a band that holds eight in ten; as far as a tenth of the conversations go on",
        "messages read",
        "running risk score",
        series,
        least_x=1.0,
        most_x=float(longest),
        rule=evaluator.threshold,
    )


def precision_recall(c: Columns) -> list[tuple[float, float]]:
    """(recall, precision) at every score at which either changes, from the highest down, thinned to `POINTS`; empty without positives.

    Conversations of one score are alarmed on together: which of them came first in a file must not matter.
    """
    positives = int(c.positive.sum())
    if not positives:
        return []
    order = np.argsort(-c.peak, kind="stable")
    hits = np.cumsum(c.positive[order])
    last_of_score = np.append(np.diff(c.peak[order]) != 0, True)
    recall, precision = (hits / positives)[last_of_score], (hits / np.arange(1, len(c) + 1))[last_of_score]
    chosen = np.unique(np.linspace(0, len(recall) - 1, min(POINTS, len(recall))).round().astype(int))
    return [(float(recall[n]), float(precision[n])) for n in chosen]


def _precision_recall(sources: dict[str, Columns], threshold: float) -> str:
    largest = sorted((s for s, c in sources.items() if 0 < c.positive.sum() < len(c)), key=lambda s: (-len(sources[s]), s))
    parts = {"pooled": Columns.joined(list(sources.values()))}
    if len(sources) > 1:
        parts |= {source: sources[source] for source in largest[:MOST_CURVES]}
    series = []
    for name, c in parts.items():
        alarmed = c.peak >= threshold
        hits = int((alarmed & c.positive).sum())
        here = [(hits / int(c.positive.sum()), hits / int(alarmed.sum()))] if hits else []
        series.append(Series(name=name if len(name) <= 24 else name[:23] + "…", points=precision_recall(c), dots=here))
    return lines(
        "Precision and recall",
        "Every threshold; the dot is the one used. Precision depends on how rare risk is in the data",
        "recall",
        "precision",
        series,
        most_x=1.0,
    )


def _alarm_rates(result: Evaluation) -> str:
    shown = [(source, f) for source, f in result.sources.items() if f.false_positive_rate is not None]
    shown.sort(key=lambda one: (-(one[1].false_positive_rate or 0.0), one[0]))
    rows = []
    for source, f in shown[:MOST_BARS]:
        rate, bound = f.false_positive_rate or 0.0, f.false_positive_rate_bound or 0.0
        note = f"{f.false_positives} of {f.conversations - f.positives}"
        rows.append(Bar(name=source, value=1000 * rate, interval=(1000 * rate, 1000 * bound), note=note))
    left_out = f"; {len(shown) - MOST_BARS} sources with lower rates are left out" if len(shown) > MOST_BARS else ""
    return bars(
        "False alarms by source",
        f"The whisker ends where the rate lies at most, with 95% confidence{left_out}",
        "alarms per 1,000 benign conversations",
        rows,
    )
