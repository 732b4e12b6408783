"""The figures of an evaluation, slow and obviously correct: plain loops over plain rows, each formula as its paper prints it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Row(NamedTuple):
    """One conversation."""

    label: int
    scores: list[float]
    seconds: list[float]
    """Of each message, from the first."""
    marked: list[bool]


def alert(row: Row, threshold: float) -> int | None:
    """Messages read at the alert."""
    for nth, score in enumerate(row.scores):
        if score >= threshold:
            return nth + 1
    return None


def alarms(row: Row, threshold: float) -> int:
    count, was_above = 0, False
    for score in row.scores:
        if score >= threshold and not was_above:
            count += 1
        was_above = score >= threshold
    return count


def published_penalty(k: float, p: float) -> float:
    return -1 + 2 / (1 + math.exp(-p * (k - 1)))


def published_cost(k: float, o: float) -> float:
    return 1 - 1 / (1 + math.exp(k - o))


def figures(rows: Sequence[Row], threshold: float) -> dict[str, float | None]:
    tp = fp = fn = tn = 0
    found: list[tuple[int, Row]] = []
    for row in rows:
        at = alert(row, threshold)
        if row.label and at is not None:
            tp += 1
            found.append((at, row))
        elif row.label:
            fn += 1
        elif at is not None:
            fp += 1
        else:
            tn += 1
    precision = tp / (tp + fp) if tp + fp and tp + fn else None
    recall = tp / (tp + fn) if tp + fn else None
    out: dict[str, float | None] = {
        "precision": precision,
        "recall": recall,
        "f1": f_beta(precision, recall, 1.0),
        "f0_5": f_beta(precision, recall, 0.5),
        "false_positive_rate": fp / (fp + tn) if fp + tn else None,
    }
    messages = sum(len(row.scores) for row in rows)
    out["alarms_per_1000_messages"] = sum(alarms(row, threshold) for row in rows) / messages * 1000 if messages else None
    if tp + fn:
        speed = 1 - median([published_penalty(at, math.log(3) / 89) for at, _ in found]) if found else 0.0
        out["speed"], out["f_latency"] = speed, (out["f1"] or 0.0) * speed
        for o in (5, 50):
            costs = [published_cost(at, o) for at, _ in found] + [1.0] * fn + [(tp + fn) / len(rows)] * fp + [0.0] * tn
            out[f"erde_{o}"] = sum(costs) / len(rows)
    if found:
        for name, values in (("messages", [float(at) for at, _ in found]), ("seconds", [max(0.0, r.seconds[at - 1]) for at, r in found])):
            out[f"median_{name}_to_alert"] = median(values)
            out[f"p90_{name}_to_alert"] = nine_in_ten(values)
        if any(any(row.marked[: alert(row, threshold) or 0]) for row in rows if row.label):
            out["median_marked_to_alert"] = median([sum(row.marked[:at]) for at, row in found])
    return out


def f_beta(precision: float | None, recall: float | None, beta: float) -> float | None:
    if recall is None:
        return None
    if not precision or not recall:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def nine_in_ten(values: Sequence[float]) -> float:
    return min(v for v in values if 10 * sum(1 for w in values if w <= v) >= 9 * len(values))


def recall_at(rows: Sequence[Row], rate: float) -> float | None:
    """Every threshold that can matter is tried."""
    benign = [max(row.scores) for row in rows if not row.label]
    risky = [max(row.scores) for row in rows if row.label]
    if not benign or not risky:
        return None
    best = 0.0
    for threshold in {*benign, *risky}:
        if sum(1 for peak in benign if peak >= threshold) <= rate * len(benign):
            best = max(best, sum(1 for peak in risky if peak >= threshold) / len(risky))
    return best


def recall_at_of_every_source(sources: Sequence[Sequence[Row]], rate: float) -> float | None:
    rows = [row for source in sources for row in source]
    risky = [max(row.scores) for row in rows if row.label]
    if not risky or len(risky) == len(rows):
        return None
    best = 0.0
    for threshold in {max(row.scores) for row in rows}:
        kept = True
        for source in sources:
            benign = [max(row.scores) for row in source if not row.label]
            kept = kept and sum(1 for peak in benign if peak >= threshold) <= rate * len(benign)
        if kept:
            best = max(best, sum(1 for peak in risky if peak >= threshold) / len(risky))
    return best


def precision_recall(rows: Sequence[Row]) -> set[tuple[float, float]]:
    positives = sum(row.label for row in rows)
    out = set()
    for threshold in {max(row.scores) for row in rows}:
        above = [row for row in rows if max(row.scores) >= threshold]
        hits = sum(row.label for row in above)
        out.add((hits / positives, hits / len(above)))
    return out
