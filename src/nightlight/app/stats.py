"""Counts of what went by, for the live page and Prometheus. Names and numbers only: never content, never an account."""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nightlight.app.passage import Admitted
from nightlight.core.decision import Decision
from nightlight.core.errors import NightlightError
from nightlight.core.harm import Level
from nightlight.core.services import Answer, Live

# The action that says most about what was done; the first that a decision holds names its kind.
STRONGEST = (
    "block_content",
    "hold_content",
    "limit_contact",
    "limit_reach",
    "open_case",
    "nudge",
    "add_friction",
    "slow_down",
    "notify",
    "preserve",
    "allow",
)
_CONVERSATIONS = 20_000
_ALERTS = 20
_HISTORY_S = 120


class Stats:
    """Fed by the engine's thread, read by others."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._decisions: Tally[str] = Tally()
        self._levels: Tally[str] = Tally()
        self._harms: Tally[str] = Tally()
        self._events = 0
        self._recent: deque[tuple[float, int]] = deque()
        self._by_second: OrderedDict[int, int] = OrderedDict()
        self._latencies: deque[float] = deque(maxlen=5000)
        self._alerts: deque[dict[str, Any]] = deque(maxlen=_ALERTS)
        self._alerted: OrderedDict[str, None] = OrderedDict()
        self._first_seen: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self.registry = CollectorRegistry()
        self._m_events = Counter("nightlight_events", "Events decided", ["kind"], registry=self.registry)
        self._m_decisions = Counter("nightlight_decisions", "Decisions by strongest action", ["action"], registry=self.registry)
        self._m_refused = Counter(
            "nightlight_events_refused", "Events refused by the pipeline, by error code", ["code"], registry=self.registry
        )
        self._m_failures = Counter(
            "nightlight_failures", "Detectors, senses and rules that failed on an event", ["part"], registry=self.registry
        )
        buckets = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
        self._m_wait = Histogram(
            "nightlight_answer_seconds", "From admission to commit, a request", registry=self.registry, buckets=buckets
        )
        self.queued = Gauge("nightlight_events_queued", "Events waiting for the pipeline", registry=self.registry)

    def record(self, admitted: Sequence[Admitted], answers: Sequence[Answer | NightlightError], seconds: float) -> None:
        """One request's events and how long they waited for their answers."""
        with self._lock:
            self._events += len(admitted)
            now = time.monotonic()
            self._recent.append((now, len(admitted)))
            while self._recent and self._recent[0][0] < now - 5:
                self._recent.popleft()
            second = int(now - self._started)
            self._by_second[second] = self._by_second.get(second, 0) + len(admitted)
            if len(self._by_second) > _HISTORY_S + 1:
                self._by_second.popitem(last=False)
            self._latencies.append(seconds)
            self._m_wait.observe(seconds)
            for a, answer in zip(admitted, answers, strict=True):
                if isinstance(answer, NightlightError):
                    self._m_refused.labels(answer.code).inc()
                else:
                    self._count(a, answer.decision)

    def _count(self, a: Admitted, decision: Decision) -> None:
        tags = {str(action.__struct_config__.tag) for action in decision.actions}
        kind = strongest_of(tags)
        self._decisions[kind] += 1
        self._levels[decision.level.value] += 1
        self._m_events.labels(a.event.kind).inc()
        self._m_decisions.labels(kind).inc()
        for failure in decision.failures:
            self._m_failures.labels(failure).inc()
        first, count = self._first_seen.pop(a.event.conversation, (a.event.at, 0))
        self._first_seen[a.event.conversation] = (first, count + 1)
        if len(self._first_seen) > _CONVERSATIONS:
            self._first_seen.popitem(last=False)
        for harm in decision.harms:
            self._harms[harm.value] += 1
        if decision.level is Level.HIGH and a.event.conversation not in self._alerted:
            self._alerted[a.event.conversation] = None
            if len(self._alerted) > _CONVERSATIONS:
                self._alerted.popitem(last=False)
            self._alerts.append(
                {
                    "event_id": decision.event_id,
                    "at": decision.at.isoformat(),
                    "harms": [h.value for h in decision.harms],
                    "level": decision.level.value,
                    "actions": strongest_first(tags),
                    "detectors": list(decision.detectors),
                    "seconds_from_first_event": max(0.0, (a.event.at - first).total_seconds()),
                    "events_from_first": count + 1,
                }
            )

    def live(self, *, open_cases: int, commits: int) -> Live:
        with self._lock:
            now = time.monotonic()
            recent = sum(n for at, n in self._recent if at >= now - 5)
            second = int(now - self._started)
            waits = sorted(self._latencies)
            return Live(
                at=self._now(),
                uptime_s=now - self._started,
                events=self._events,
                events_per_second=recent / min(5.0, max(0.2, now - self._started)),
                decisions=dict(self._decisions),
                levels=dict(self._levels),
                harms=dict(self._harms),
                alerts=list(reversed(self._alerts)),
                open_cases=open_cases,
                commits=commits,
                p50_ms=_quantile(waits, 0.5) * 1000,
                p99_ms=_quantile(waits, 0.99) * 1000,
                history=[self._by_second.get(s, 0) for s in range(max(0, second - _HISTORY_S), second)],
            )

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


def strongest_of(tags: Collection[str]) -> str:
    """The action that names the kind of a decision that holds these."""
    return next((name for name in STRONGEST if name in tags), "allow")


def strongest_first(tags: Collection[str]) -> list[str]:
    """What was done, without `allow` where anything else was: that the rest went its way is no news then."""
    done = [name for name in STRONGEST if name in tags]
    done += sorted(set(tags) - set(done))
    return [name for name in done if name != "allow"] or done


def _quantile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
