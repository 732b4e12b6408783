"""`Deterrence`: searches screened against the lists in force, and trials of what is shown. Joins the store with the room that decides.

Whatever fails while a query or a list is at hand is caught there and told by its name from a frame that holds neither: a traceback with
its local variables, a log line and an error message are all read by people who must not meet the words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock

import structlog

from nightlight.adapters.store.terms import SqlTerms, TermRow
from nightlight.adapters.store.trials import SqlTrials
from nightlight.core.catalogue import Catalogue
from nightlight.core.decision import Helpline
from nightlight.core.deterrence import (
    Display,
    Hidden,
    Outcome,
    SearchAction,
    SearchAnswer,
    SearchIn,
    TermList,
    TermReader,
    Trial,
    TrialPlan,
)
from nightlight.core.errors import Busy, Invalid, NightlightError
from nightlight.core.helplines import HelplineBook
from nightlight.protect.deterrence import AnswerTable, Hasher, Snapshot, TrialReport, read_terms, report_on
from nightlight.protect.deterrence.table import helplines_for
from nightlight.protect.deterrence.terms import Met, matches
from nightlight.protect.deterrence.trials import check_plan

log = structlog.get_logger("nightlight.deterrence")

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SCREENING = "the search could not be screened"


class Deterrence:
    """Fills `core.deterrence.DeterrenceService`, and does what the command line asks. Safe to use from several threads."""

    def __init__(
        self,
        terms: SqlTerms,
        trials: SqlTrials,
        table: AnswerTable,
        reader: TermReader,
        key: bytes,
        messages: Catalogue,
        helplines: Sequence[Helpline],
        book: HelplineBook,
        now: Callable[[], datetime],
    ) -> None:
        self._terms, self._trials, self.table, self._now = terms, trials, table, now
        self._hasher = Hasher(key, reader)
        self._messages = messages
        self._own, self._book = tuple(helplines), book
        self._lock = Lock()
        self._snapshot = Snapshot((), 0, {})
        self._state: tuple[tuple[str, int, int], ...] | None = None
        self._running: dict[str, TrialPlan] = {}
        self._read = False

    # -- searches ------------------------------------------------------------------------------------------------------------------

    def screen(self, searches: Sequence[SearchIn]) -> list[SearchAnswer | NightlightError]:
        if not self._read:
            self.refresh()
        return [self._one(search) for search in searches]

    def _one(self, search: SearchIn) -> SearchAnswer | NightlightError:
        met = matches(self._snapshot, self._hasher, Hidden(search.query), self._now())
        if met is None:
            log.error("a search could not be screened")
            return Busy(_SCREENING)
        if not met:
            return SearchAnswer(action=SearchAction.NONE)
        category = self.table.strongest({one.category for one in met})
        if category is None:
            # A table that lost a category must not let what was loaded under it through in silence.
            log.error("a list has a category that the table has not", categories=sorted({one.category for one in met}))
            return Busy("the table of answers lacks a category of a list")
        return self._answer(search, met, category)

    def _answer(self, search: SearchIn, met: Sequence[Met], category: str) -> SearchAnswer:
        table = self.table
        action, message = table.category[category].action, table.message(category, search.age_band)
        plan = None if search.age_band.is_minor else self._running.get(category)  # nothing is tried out on children
        variant = self._trials.assigned(plan, search.assignment) if plan is not None else 0
        token = self._counted(met, action, plan, variant)
        display = None
        if plan is not None and token is not None:
            display, message = Display(trial=plan.name, token=token), plan.variants[variant]
        helplines = helplines_for(search.age_band, search.place, self._own, self._book)
        return SearchAnswer(action=action, message=message, helplines=helplines, display=display)

    def _counted(self, met: Sequence[Met], action: SearchAction, plan: TrialPlan | None, variant: int) -> str | None:
        try:
            return self._trials.met([(one.list, one.category) for one in met], action, plan, variant)
        except Exception as error:  # a number that is lost is no reason to show what the search would find
            log.error("a search that met a list could not be counted", error=type(error).__name__)
            return None

    def outcome(self, trial: str, token: str, outcome: Outcome) -> None:
        self._trials.outcome(trial, token, outcome)

    def refresh(self) -> None:
        """See what other processes loaded, removed or began. Cheap where nothing changed."""
        with self._lock:
            state = self._terms.state()
            if state != self._state:
                found = self._terms.in_force()
                self._snapshot, self._state = Snapshot(found.rows, found.longest, found.expires), found.state
            self._running = {c: plan for c, plan in self._trials.running().items() if c in self.table.category}
            self._read = True

    def expire(self) -> int:
        """What is due goes; how many lists and displays."""
        now = self._now()
        return self._terms.expire(now) + self._trials.expire(now)

    # -- lists ---------------------------------------------------------------------------------------------------------------------

    def load(self, name: str, raw: Hidden, category: str, expires_at: datetime | None, by: str) -> TermList:
        """`raw`: the file's bytes. Raises Invalid, naming a line by its number."""
        check_name(name, "list")
        entries = read_terms(raw, self._hasher, category, self.table.category)
        rows = [TermRow(entry.category, entry.macs, entry.words) for entry in entries]
        loaded = self._terms.load(name, rows, expires_at, by)
        self.refresh()
        return loaded

    # -- trials --------------------------------------------------------------------------------------------------------------------

    def create_trial(self, plan: TrialPlan, by: str) -> Trial:
        check_name(plan.name, "name")
        check_plan(plan)
        if plan.category not in self.table.category:
            raise Invalid(f"the table has no such category; it has: {', '.join(self.table.category)}", field="category")
        for language, words in self._messages.items():
            missing = [key for key in plan.variants if key not in words]
            if missing:
                raise Invalid(f"there is no message {missing[0]!r} in {language}", field="variants")
        if any(not key.startswith("search.") for key in plan.variants):
            raise Invalid("messages of searches begin with search.", field="variants")
        return self._trials.create(plan, by)

    def report(self, name: str) -> TrialReport:
        return report_on(self._trials.one(name))


def check_name(name: str, field: str) -> None:
    """Names stand in the audit and the log: they are the operator's to keep free of terms."""
    if NAME.fullmatch(name) is None:
        raise Invalid("1 to 40 small letters, digits and hyphens, a hyphen not first; choose one that holds no term", field=field)
