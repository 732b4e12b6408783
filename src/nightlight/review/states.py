"""The states of a case and the only ways between them. Nothing ends a case but what a person decided or an authority acknowledged."""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.case import CaseState
from nightlight.core.desk import Happening
from nightlight.core.errors import Conflict

_S, _H = CaseState, Happening

NEXT: Mapping[tuple[CaseState, Happening], CaseState] = {
    (_S.OPEN, _H.CONFIRMED): _S.CONFIRMED,
    (_S.OPEN, _H.NOT_CONFIRMED): _S.DECLINED,
    (_S.OPEN, _H.NEEDS_MORE): _S.OPEN,
    # Upheld on appeal after the report was finished: it stays filed.
    (_S.OPEN, _H.FILED): _S.FILED,
    (_S.CONFIRMED, _H.FILED): _S.FILED,
    (_S.CONFIRMED, _H.FAILING): _S.FAILING,
    (_S.CONFIRMED, _H.DECLINE_SIGNED): _S.DECLINED,
    (_S.FAILING, _H.FAILING): _S.FAILING,
    (_S.FAILING, _H.RETRIED): _S.CONFIRMED,
    (_S.FAILING, _H.FILED): _S.FILED,
    (_S.FAILING, _H.DECLINE_SIGNED): _S.DECLINED,
    # A correction or retraction that does not get through shows, though the case had ended.
    (_S.FILED, _H.FAILING): _S.FAILING,
    (_S.DECLINED, _H.FAILING): _S.FAILING,
    (_S.FILED, _H.FILED): _S.FILED,
    (_S.FAILING, _H.CARRIED_OUT): _S.DECLINED,
    (_S.CONFIRMED, _H.REOPENED): _S.OPEN,
    (_S.FILED, _H.REOPENED): _S.OPEN,
    (_S.DECLINED, _H.REOPENED): _S.OPEN,
    (_S.FAILING, _H.REOPENED): _S.OPEN,
}

_WORDS = {
    _H.CONFIRMED: "judged",
    _H.NOT_CONFIRMED: "judged",
    _H.NEEDS_MORE: "judged",
    _H.FILED: "filed",
    _H.FAILING: "marked as failing",
    _H.RETRIED: "tried again",
    _H.DECLINE_SIGNED: "declined",
    _H.CARRIED_OUT: "settled by an order",
    _H.REOPENED: "reopened",
}


def after(state: CaseState, happening: Happening) -> CaseState:
    """The state that follows. Raises Conflict where there is no such way."""
    found = NEXT.get((state, happening))
    if found is None:
        raise Conflict(f"a case that is {state} cannot be {_WORDS[happening]}", field="state")
    return found
