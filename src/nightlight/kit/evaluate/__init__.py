"""How well scores find risk in labelled conversations: a source at a time, since negatives of another source teach the source.

A conversation alarms where its running score reaches the threshold. `outcome` says what became of one, `figures` what that comes to
over many, `costs` what being late costs, `intervals` how sure that is, `plots` draws it. Conversations are read once, one at a time,
and only a few numbers of each are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct, structs

from nightlight.core.event import EventBase
from nightlight.kit.corpus import Conversation, to_events
from nightlight.kit.evaluate.figures import Figures, figures
from nightlight.kit.evaluate.intervals import bootstrap, upper_bound
from nightlight.kit.evaluate.outcome import Columns, Gathered, Outcome, outcome
from nightlight.kit.evaluate.traces import Traces
from nightlight.kit.evaluate.weighed import RATES, Weighed

__all__ = ["Columns", "Evaluation", "Evaluator", "Figures", "Outcome", "Scorer", "evaluate", "upper_bound"]

Scorer = Callable[[list[EventBase]], list[float]]
"""The events of one conversation, in order, to the running score after each."""

RESAMPLES = 1000


class Evaluation(Struct, frozen=True, kw_only=True):
    threshold: float
    sources: dict[str, Figures]
    languages: dict[str, Figures]
    """Of the conversations that say their language."""
    pooled: Figures
    """All sources together. Compare sources first: a mixture hides the worst."""
    recall_at_fpr_of_every_source: dict[str, float | None]
    """Pooled recall at the highest threshold that any source needs to keep its own share of false alarms to the rate, by rate."""
    seed: int
    resamples: int


class Evaluator:
    """Takes conversations with their scores, one by one; `finish` sums up."""

    def __init__(
        self,
        threshold: float,
        *,
        resamples: int = RESAMPLES,
        seed: int = 0,
        messages_per_day: float | None = None,
        minutes_per_case: float = 10.0,
    ) -> None:
        if not math.isfinite(threshold):
            raise ValueError(f"threshold {threshold}")
        self.threshold, self.resamples, self.seed = threshold, resamples, seed
        self.traces = Traces()
        self._volume = (messages_per_day, minutes_per_case)
        self._gathered: dict[tuple[str, str | None], Gathered] = {}

    def add(self, conversation: Conversation, events: Sequence[EventBase], scores: Sequence[float]) -> Outcome:
        """Raises ValueError unless there is one finite score an event."""
        one = outcome(conversation, events, scores, self.threshold)
        self._gathered.setdefault((conversation.source, conversation.language), Gathered()).add(one)
        self.traces.add(one.positive, scores)
        return one

    def columns(self) -> dict[str, Columns]:
        """The outcomes by source, sorted by name."""
        return {source: Columns.joined(list(parts.values())) for source, parts in self._grouped(0).items()}

    def finish(self) -> Evaluation:
        sources = self.columns()
        languages = {language: self._figures(parts) for language, parts in self._grouped(1).items()}
        return Evaluation(
            threshold=self.threshold,
            sources={source: self._figures({source: part}) for source, part in sources.items()},
            languages=languages,
            pooled=self._figures(sources),
            recall_at_fpr_of_every_source=_of_every_source(sources),
            seed=self.seed,
            resamples=self.resamples,
        )

    def _grouped(self, by: int) -> dict[str, dict[str, Columns]]:
        """By source (0), or by language (1); in each, by the other."""
        out: dict[str, dict[str, Columns]] = {}
        for key in sorted(self._gathered, key=lambda key: (key[0], key[1] or "")):
            if (name := key[by]) is not None:
                out.setdefault(name, {})[key[1 - by] or ""] = self._gathered[key].columns()
        return dict(sorted(out.items()))

    def _figures(self, parts: dict[str, Columns]) -> Figures:
        messages_per_day, minutes_per_case = self._volume
        together = Columns.joined(list(parts.values()))
        weighed = Weighed(together)
        found = figures(together, weighed, messages_per_day=messages_per_day, minutes_per_case=minutes_per_case)
        sizes = {name: len(part) for name, part in parts.items()}
        return structs.replace(found, intervals=bootstrap(sizes, weighed.all, self.resamples, self.seed))


def evaluate(conversations: Iterable[Conversation], score: Scorer, threshold: float, *, resamples: int = RESAMPLES) -> Evaluation:
    """Score every conversation and sum up. Raises ValueError where `score` does not give one finite number an event."""
    evaluator = Evaluator(threshold, resamples=resamples)
    for conversation in conversations:
        events: list[EventBase] = list(to_events(conversation))
        evaluator.add(conversation, events, score(events))
    return evaluator.finish()


def _of_every_source(sources: dict[str, Columns]) -> dict[str, float | None]:
    everything = Columns.joined(list(sources.values()))
    peaks = everything.peak[everything.positive]
    if len(peaks) in (0, len(everything)):
        return dict.fromkeys(RATES)
    weighed = [Weighed(part) for part in sources.values()]
    above = {key: max(part.threshold_at(rate) for part in weighed) for key, rate in RATES.items()}
    return {key: float((peaks > least).mean()) for key, least in above.items()}
