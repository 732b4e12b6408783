"""A flood of matches of one banked item: the item is paused, and what it did to accounts within the hour is taken back.

The detector says that there is a flood, with each further match until the item is paused; so what a crash interrupted here is done at the
next match. Pausing twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from nightlight.core.detect import Fact, Key
from nightlight.core.ports import PipelineStore
from nightlight.core.signal import FLOOD, FLOOD_GOES_ON, PAUSED, WITHDRAWN, Signal, SubjectKind

log = structlog.get_logger("nightlight.floods")

BY = "system"
LOOK_BACK = timedelta(hours=1)
"""As far back as detectors look for a flood."""

Raised = Sequence[tuple[int, Fact, Signal]]


class Floods:
    """`pause` takes a bank, an item and who did it, as `BankService.pause` does."""

    def __init__(self, store: PipelineStore, pause: Callable[[str, str, str], object]) -> None:
        self._store, self._pause = store, pause

    def withdrawn(self, raised: Raised) -> list[Fact]:
        """For every account that shared a flooding item within the window, and for who shares it until it is paused: the item no longer
        counts. To be committed with the signals that say so."""
        facts: dict[tuple[str, str], Fact] = {}
        for _, fact, signal in raised:
            cue = cue_of(signal)
            if cue is None:
                continue
            sharers = {fact.other: fact.event} if fact.other is not None else {}
            if cue == FLOOD:
                sharers = {**self._store.sharers(signal.subject, fact.at - LOOK_BACK), **sharers}
            for account, event in sharers.items():
                taken = Fact(key=Key.account(account), name=WITHDRAWN, at=fact.at, event=event, detector=fact.detector, other=fact.key.id)
                facts.setdefault((account, fact.key.id), taken)
        return list(facts.values())

    def pause(self, signals: Sequence[Signal]) -> list[Fact]:
        """After they are committed; the facts that say so to the detector, to be committed next. Never raises: what fails is tried again at
        the next match."""
        facts = []
        for item, signal in {s.subject.id: s for s in signals if cue_of(s) is not None}.items():
            bank, _, name = item.partition("/")
            try:
                self._pause(bank, name, BY)
            except Exception as error:
                log.error("item not paused", bank=bank, item=name, error=type(error).__name__)
            else:
                told = signal.evidence[0].event
                facts.append(Fact(key=Key.media(item), name=PAUSED, at=signal.at, event=told, detector=signal.detector))
        return facts


def cue_of(signal: Signal) -> str | None:
    """`flood` or `flood_goes_on`, where the signal says that of an item."""
    if signal.subject.kind is not SubjectKind.MEDIA:
        return None
    return next((e.cue for e in signal.evidence if e.cue in (FLOOD, FLOOD_GOES_ON)), None)
