"""Readiness, the live page's numbers and Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from nightlight.adapters.vault import waiting
from nightlight.app.gauges import Gauges
from nightlight.core.case import OrderKind
from nightlight.core.report import ReportState
from nightlight.core.services import Live, ReadyCheck
from nightlight.senses.media import workers

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight


LOOK_WITHIN = timedelta(days=7)
"""A self-report that waits longer shows in readiness."""
SENT_WITHIN = timedelta(days=1)
"""A report that people approved and that the authority does not have by then shows in readiness."""
TAKEN_IN = timedelta(minutes=10)
"""The vault looks every second for what it has to take in: what came before that and is not in it is stuck."""


class Status:
    """`core.services.StatusService` over the graph."""

    def __init__(self, graph: Nightlight) -> None:
        self._graph = graph
        self._gauges = Gauges(graph.stats.registry)

    def ready(self) -> Sequence[ReadyCheck]:
        g = self._graph
        unconfirmed = g.gate.unconfirmed()
        problems, undecided, failing = (
            g.discovery.problems,
            g.gate.undecided(),
            {**g.background.failing, **g.news.failing, **g.filing.failing},
        )
        blind = [
            f"{d.card.name} lacks {', '.join(sorted(lack))}"
            for d in g.detectors.values()
            if (lack := set(d.card.senses) - g.senses.provided)
        ]
        lists = self._exchanges()
        missing = sorted((g.policies.live.rules.endpoints | {"lead"}) - g.parts.endpoints)
        return [
            ReadyCheck(name="engine", ok=g.engine.alive, detail=f"{g.engine.queued} events waiting"),
            self._database(),
            ReadyCheck(name="audit-head", ok=(head := g.database.audit.head_problem) is None, detail=head or "written", blocking=False),
            ReadyCheck(name="second-hop", ok=g.engine.hop_problem is None, detail=g.engine.hop_problem or "runs"),
            ReadyCheck(name="senses", ok=not blind, detail=_said(blind) or "every detector has what its card asks for"),
            ReadyCheck(name="detectors", ok=not problems, detail=_said(problems) or f"{len(g.detectors)} loaded"),
            self._foreign_kinds(),
            ReadyCheck(name="policy", ok=g.policies.problem is None, detail=g.policies.problem or g.policies.live.version),
            # A service may be right to leave a place undecided: nothing is scanned there, and somebody should know.
            ReadyCheck(name="gate", ok=not undecided, detail=_said(undecided) or "every cell met is decided", blocking=False),
            ReadyCheck(
                name="gate-confirmed",
                ok=not unconfirmed,
                detail=_said(unconfirmed) or "none met that nobody stands by",
                blocking=False,
            ),
            self._reports(),
            self._vault(),
            self._clocks(),
            ReadyCheck(name="exchanges", ok=not lists, detail=_said(lists) or "every list is up to date", blocking=False),
            ReadyCheck(name="endpoints", ok=not missing, detail=_missing(missing), blocking=False),
            self._index(),
            self._decoders(),
            self._self_reports(),
            self._helplines(),
            self._requests(),
            self._notices(),
            ReadyCheck(name="chores", ok=not failing, detail=_said([f"{k}: {v}" for k, v in failing.items()]) or "all run", blocking=False),
        ]

    def _helplines(self) -> ReadyCheck:
        """A frightened child may call them: nobody having tried a number is news."""
        book, today = self._graph.helplines, self._graph.clock.now().date()
        stale, new = len(book.stale(today)), len(book.unconfirmed())
        said = (
            f"{new} of {len(book.entries)} that nobody here has confirmed, {stale} older than a year" if new or stale else "all confirmed"
        )
        on = self._graph.settings.help_page.page == "on"
        return ReadyCheck(name="helplines", ok=not on or not (new or stale), detail=said if on else "not shown", blocking=False)

    def _reports(self) -> ReadyCheck:
        """Reports to authorities that a person must look at. No case and no reason: whoever reaches this page reads it."""
        try:
            failing = self._graph.reports.failing(1000)
            due = self._graph.clock.now() - SENT_WITHIN
            late = [o for o in self._graph.desk.orders(most=1000) if o.kind is OrderKind.FILE and o.at < due]
        except Exception as error:
            return ReadyCheck(name="reports", ok=False, detail=type(error).__name__, blocking=False)
        failed = sum(f.report.state is ReportState.FAILED for f in failing)
        words = f"{failed} failed: `nightlight report list --failing`; " if failed else ""
        unsent = f"; {len(late)} approved and not sent for more than a day" if late else ""
        detail = f"{words}{len(failing) - failed} are tried again{unsent}"
        return ReadyCheck(name="reports", ok=not failed and not late, detail=detail, blocking=False)

    def _vault(self) -> ReadyCheck:
        """What a case rests on and the vault has not taken in: until it has, it is kept under the store's key alone."""
        try:
            count = waiting(self._graph.vault)
            stuck = waiting(self._graph.vault, self._graph.clock.now() - TAKEN_IN)
        except Exception as error:
            return ReadyCheck(name="vault", ok=False, detail=type(error).__name__, blocking=False)
        words = f"{count:,} events of cases are not in it yet" if count else "holds every event of its cases"
        return ReadyCheck(name="vault", ok=not stuck, detail=words, blocking=False)

    def _clocks(self) -> ReadyCheck:
        """Clocks that count and that nobody at the operator stands behind."""
        names = self._graph.vault.clocks.unconfirmed
        words = f"nobody has confirmed: {', '.join(names[:10])}" if names else "somebody stands behind each"
        return ReadyCheck(name="clocks-confirmed", ok=not names, detail=words, blocking=False)

    def _requests(self) -> ReadyCheck:
        """Emergencies that an authority told of and that nobody has decided."""
        try:
            now = self._graph.clock.now()
            late = sum(due <= now for due in self._graph.database.requests.undecided())
        except Exception as error:
            return ReadyCheck(name="requests", ok=False, detail=type(error).__name__, blocking=False)
        words = f"{late} emergencies wait for a decision: `nightlight emergency list`" if late else "no emergency waits too long"
        return ReadyCheck(name="requests", ok=not late, detail=words, blocking=False)

    def _notices(self) -> ReadyCheck:
        """Hosts that were told of something and do not answer."""
        try:
            stuck = self._graph.notices.overdue()
        except Exception as error:
            return ReadyCheck(name="notices", ok=False, detail=type(error).__name__, blocking=False)
        words = f"{stuck} hosts do not answer: `nightlight notice list`" if stuck else "no host owes an answer for too long"
        return ReadyCheck(name="notices", ok=not stuck, detail=words, blocking=False)

    def _self_reports(self) -> ReadyCheck:
        # A young person was told that somebody will look: that nobody does must not go unseen.
        try:
            waiting, oldest = self._graph.self_reports.backlog()
        except Exception as error:
            return ReadyCheck(name="self-reports", ok=False, detail=type(error).__name__, blocking=False)
        late = oldest is not None and self._graph.clock.now() - oldest > LOOK_WITHIN
        words = f"{waiting} wait for a person" + (f", the oldest for more than {LOOK_WITHIN.days} days" if late else "")
        return ReadyCheck(name="self-reports", ok=not late, detail=words, blocking=False)

    def live(self) -> Live:
        g = self._graph
        return g.stats.live(open_cases=g.database.pipeline.counts()["open_cases"], commits=g.engine.batches)

    def metrics(self) -> bytes:
        g = self._graph
        g.stats.queued.set(g.engine.queued)
        self._gauges.index(g.lasting.status())
        self._gauges.decoders(g.decoders.enforced, g.decoders.replaced)
        return g.stats.exposition()

    def _index(self) -> ReadyCheck:
        s = self._graph.lasting.status()
        held = ", ".join(f"{count:,} {kind.value}" for kind, count in s.fingerprints.items() if count) or "nothing held"
        detail = (
            held + (f"; {s.scanned:,} items since the last merge" if s.segments else "") + (f"; mended: {s.mended}" if s.mended else "")
        )
        # Damage mends itself from the database, and what was put since is scanned: searches miss nothing meanwhile.
        return ReadyCheck(name="index", ok=s.trouble is None, detail=s.trouble or detail, blocking=False)

    def _decoders(self) -> ReadyCheck:
        d = self._graph.decoders
        if not workers.available:
            return ReadyCheck(
                name="decoders", ok=False, detail="this system cannot confine them: files are read in this process", blocking=False
            )
        lacking = sorted({"memory", "cpu", "system calls"} - set(d.enforced)) if d.enforced else []
        said = f"enforced: {', '.join(d.enforced)}" if d.enforced else "none started yet"
        said += f"; not enforced here: {', '.join(lacking)}" if lacking else ""
        return ReadyCheck(name="decoders", ok=not lacking, detail=f"{said}; {d.replaced} replaced", blocking=False)

    def _foreign_kinds(self) -> ReadyCheck:
        foreign = self._graph.foreign
        failing = getattr(self._graph.index, "foreign", None)
        wrong = [*foreign.problems, *(f"{kind.value}: {why}" for kind, why in (failing.problems if failing else {}).items())]
        loaded = ", ".join(kind.value for kind in foreign.kinds) or "none installed"
        return ReadyCheck(name="fingerprint-kinds", ok=not wrong, detail=_said(wrong) or loaded, blocking=False)

    def _exchanges(self) -> Sequence[str]:
        try:
            return self._graph.exchanges.problems()
        except Exception as error:  # what is wrong with the database, its own check says
            return [type(error).__name__]

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
