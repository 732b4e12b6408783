"""What an authority asked to be preserved, as conditions: every place that deletes something asks them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from nightlight.adapters.store.request_tables import preservations
from nightlight.adapters.store.tables import case_events, cases, event_accounts, events
from nightlight.core.errors import Conflict
from nightlight.core.requests import PreservationState

_p = preservations.c
# Not the time: a preservation holds until a sweep, or a person, has written down that it ended.
_active = _p.state == PreservationState.ACTIVE.value


def preserved_event() -> ColumnElement[bool]:
    """Of a row of `events`."""
    of_account = select(_p.id).join_from(preservations, event_accounts, event_accounts.c.account == _p.account)
    of_case = select(_p.id).join_from(preservations, case_events, case_events.c.case_id == _p.case_id)
    # A case that an account is about rests on what others wrote as well.
    about = select(_p.id).join_from(preservations, cases, cases.c.actor == _p.account)
    about = about.join(case_events, case_events.c.case_id == cases.c.id)
    return or_(
        exists(of_account.where(event_accounts.c.event_id == events.c.id, _active)),
        exists(of_case.where(case_events.c.event_id == events.c.id, _active)),
        exists(about.where(case_events.c.event_id == events.c.id, _active)),
    )


def preserved_case(case: Any = cases.c.id, actor: Any = cases.c.actor) -> ColumnElement[bool]:
    """Of a row of `cases`: by itself, or by the account that it is about."""
    return exists(select(_p.id).where(_active, or_(_p.case_id == case, and_(_p.account.is_not(None), _p.account == actor))))


def preserved_account(account: Any) -> ColumnElement[bool]:
    return exists(select(_p.id).where(_active, _p.account == account))


def refuse_preserved(connection: Connection, case: str) -> None:
    """Raises Conflict while an authority's request holds a case, in the transaction that would destroy it."""
    found = select(_p.id).where(_active, or_(_p.case_id == case, _p.account.in_(select(cases.c.actor).where(cases.c.id == case))))
    if (id := connection.execute(found.limit(1)).scalar_one_or_none()) is not None:
        raise Conflict(f"an authority asked to preserve it ({id})", field="case")


def refuse_preserved_account(connection: Connection, account: str) -> None:
    if (id := connection.execute(select(_p.id).where(_active, _p.account == account).limit(1)).scalar_one_or_none()) is not None:
        raise Conflict(f"an authority asked to preserve what is known of this account ({id})", field="account")
