"""Readiness, the live page's numbers and Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nightlight.core.services import Live, ReadyCheck

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight


class Status:
    """`core.services.StatusService` over the graph."""

    def __init__(self, graph: Nightlight) -> None:
        self._graph = graph

    def ready(self) -> Sequence[ReadyCheck]:
        g = self._graph
        unconfirmed = g.gate.unconfirmed()
        problems, undecided, failing = g.discovery.problems, g.gate.undecided(), g.background.failing
        blind = [
            f"{d.card.name} lacks {', '.join(sorted(lack))}"
            for d in g.detectors.values()
            if (lack := set(d.card.senses) - g.senses.provided)
        ]
        missing = sorted((g.policies.live.rules.endpoints | {"lead"}) - g.parts.endpoints)
        return [
            ReadyCheck(name="engine", ok=g.engine.alive, detail=f"{g.engine.queued} events waiting"),
            self._database(),
            ReadyCheck(name="audit-head", ok=(head := g.database.audit.head_problem) is None, detail=head or "written", blocking=False),
            ReadyCheck(name="second-hop", ok=g.engine.hop_problem is None, detail=g.engine.hop_problem or "runs"),
            ReadyCheck(name="senses", ok=not blind, detail=_said(blind) or "every detector has what its card asks for"),
            ReadyCheck(name="detectors", ok=not problems, detail=_said(problems) or f"{len(g.detectors)} loaded"),
            ReadyCheck(name="policy", ok=g.policies.problem is None, detail=g.policies.problem or g.policies.live.version),
            # A service may be right to leave a place undecided: nothing is scanned there, and somebody should know.
            ReadyCheck(name="gate", ok=not undecided, detail=_said(undecided) or "every cell met is decided", blocking=False),
            ReadyCheck(
                name="gate-confirmed",
                ok=not unconfirmed,
                detail=_said(unconfirmed) or "none met that nobody stands by",
                blocking=False,
            ),
            ReadyCheck(name="endpoints", ok=not missing, detail=_missing(missing), blocking=False),
            ReadyCheck(name="chores", ok=not failing, detail=_said([f"{k}: {v}" for k, v in failing.items()]) or "all run", blocking=False),
        ]

    def live(self) -> Live:
        g = self._graph
        return g.stats.live(open_cases=g.database.pipeline.counts()["open_cases"], commits=g.engine.batches)

    def metrics(self) -> bytes:
        self._graph.stats.queued.set(self._graph.engine.queued)
        return self._graph.stats.exposition()

    def _database(self) -> ReadyCheck:
        try:
            self._graph.database.ping()
        except Exception as error:
            return ReadyCheck(name="database", ok=False, detail=type(error).__name__)
        return ReadyCheck(name="database", ok=True, detail="answers")


def _missing(names: Sequence[str]) -> str:
    return f"the policy notifies {', '.join(names)}, not configured: nobody is told" if names else "all configured"


def _said(things: Sequence[object]) -> str:
    return "; ".join(str(thing) for thing in things[:10])
