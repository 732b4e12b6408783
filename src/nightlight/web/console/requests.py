"""What authorities ask for, and what hosts were told: the desk's queue, and each of them with its clock and what can be done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any

from litestar import Response
from msgspec import Struct

from nightlight.core.errors import Conflict, Denied, Invalid, NightlightError, NotFound
from nightlight.core.notices import NoticeDesk, NoticeItem
from nightlight.core.requests import (
    MOST_PRESERVE_DAYS,
    PRESERVE_DAYS,
    Disclosed,
    EmergencyState,
    PreservationState,
    RequestDesk,
    same_person,
)
from nightlight.core.services import DeadLetter
from nightlight.core.staff import DECIDERS, READERS, Role
from nightlight.web.bodies import Req, query
from nightlight.web.console.access import Connection, Form, field, in_path, posted, shown, staff_of
from nightlight.web.console.case_view import short
from nightlight.web.console.render import page, redirect
from nightlight.web.console.words import LANGUAGES
from nightlight.web.hands import hands_of

HERE = "/console/requests"
PAGE = 50
MOST_ITEMS = 50
SOON_DAYS = 14
"""A preservation that ends within so many days is marked: it takes a renewal in time, or is let go knowingly. Nobody measured it."""


class Kind(StrEnum):
    EMERGENCY = "emergency"
    PRESERVATION = "preservation"
    NOTICE = "notice"


class Shelf(Struct, frozen=True, kw_only=True):
    """One kind on the queue page. `more`: where the rest of it begins."""

    kind: Kind
    rows: Sequence[Any]
    more: str | None = None


def desk_of(connection: Connection) -> RequestDesk:
    found = hands_of(connection).services.requests
    if found is None:
        raise NotFound("there is no desk of requests")
    return found


def notices_of(connection: Connection) -> NoticeDesk:
    found = hands_of(connection).services.notices
    if found is None:
        raise NotFound("there is no desk of notices")
    return found


# -- the queue ---------------------------------------------------------------------------------------------------------------------


@shown("/requests", *READERS)
async def requests_page(request: Req) -> Response[Any]:
    """What waits, of each kind; or one kind with all that ended."""
    found = query(request, "kind", "after")
    kind = _kind(found["kind"]) if found.get("kind") else None
    shelves = await asyncio.to_thread(_shelves, request, kind, found.get("after") or None)
    return page(request, "requests.html", shelves=shelves, kind=kind, **_common(request))


def _shelves(request: Req, kind: Kind | None, after: str | None) -> list[Shelf]:
    desk, who = desk_of(request), staff_of(request).audit
    if kind is None:
        waiting = [*desk.emergencies(who, EmergencyState.WAITING, most=PAGE), *desk.emergencies(who, EmergencyState.APPROVED, most=PAGE)]
        kept = sorted(desk.preservations(PreservationState.ACTIVE, most=PAGE), key=lambda one: one.until)
        told = sorted(notices_of(request).waiting(most=PAGE), key=lambda one: one.due_at or one.at)
        return [
            Shelf(kind=Kind.EMERGENCY, rows=waiting),
            Shelf(kind=Kind.PRESERVATION, rows=kept, more=_next(kept)),
            Shelf(kind=Kind.NOTICE, rows=told, more=_next(told)),
        ]
    pages: dict[Kind, Callable[[], Sequence[Any]]] = {
        Kind.EMERGENCY: lambda: desk.emergencies(who, after=after, most=PAGE),
        Kind.PRESERVATION: lambda: desk.preservations(after=after, most=PAGE),
        Kind.NOTICE: lambda: notices_of(request).waiting(after=after, most=PAGE),
    }
    rows = pages[kind]()
    return [Shelf(kind=kind, rows=rows, more=_next(rows))]


def _next(rows: Sequence[Any]) -> str | None:
    return max(one.id for one in rows) if len(rows) == PAGE else None


def _kind(given: str) -> Kind:
    try:
        return Kind(given)
    except ValueError:
        raise Invalid("no such kind", field="kind") from None


def _common(request: Req) -> dict[str, Any]:
    return {"short": short, "decides": staff_of(request).role in DECIDERS, "soon": SOON_DAYS * 86_400}


# -- writing one down --------------------------------------------------------------------------------------------------------------


@shown("/requests/new", *DECIDERS)
async def new_request(request: Req) -> Response[Any]:
    found = query(request, "kind", "case")
    return _form_page(request, _kind(found.get("kind") or Kind.EMERGENCY), {"case": found.get("case", "")[:200]})


def _form_page(request: Req, kind: Kind, given: Form, wrong: NightlightError | None = None) -> Response[Any]:
    return page(
        request,
        "request_new.html",
        status=200 if wrong is None else _status(wrong),
        kind=kind,
        given=given,
        wrong=wrong,
        days=PRESERVE_DAYS,
        most_days=MOST_PRESERVE_DAYS,
        languages_of=LANGUAGES,
    )


def _about(form: Form, name: str) -> str | None:
    """A case, or an account by the service's own id: one of the two."""
    return field(form, name, 200) or None


def _emergency(request: Req, form: Form) -> str:
    said = {name: field(form, name) for name in ("authority", "reference", "contact", "danger")}
    case, account = _about(form, "case"), _about(form, "account")
    return desk_of(request).emergency(staff_of(request).audit, case=case, account=account, **said).id


def _preservation(request: Req, form: Form) -> str:
    said = {name: field(form, name) for name in ("authority", "reference", "law", "note")}
    case, account = _about(form, "case"), _about(form, "account")
    return desk_of(request).preserve(staff_of(request).audit, case=case, account=account, days=_days(form), **said).id


def _notice(request: Req, form: Form) -> str:
    """Each line of what it is about is an address, or a SHA-256."""
    lines = [line.strip() for line in field(form, "items", 20_000).splitlines() if line.strip()]
    if len(lines) > MOST_ITEMS:
        raise Invalid(f"at most {MOST_ITEMS} in one notice", field="items")
    items = [NoticeItem(sha256=one.lower()) if _is_hash(one) else NoticeItem(url=one) for one in lines]
    case, host, to = field(form, "case", 200), field(form, "host", 200), field(form, "to", 320)
    language, by_hand = form.get("language", "en"), form.get("by_hand") == "1"
    return notices_of(request).send(case, staff_of(request).audit, host=host, to=to, items=items, language=language, by_hand=by_hand).id


def _is_hash(text: str) -> bool:
    return len(text) == 64 and all(sign in "0123456789abcdefABCDEF" for sign in text)


def _days(form: Form) -> int:
    given = form.get("days", "")
    if not (given.isascii() and given.isdigit() and len(given) < 5):
        raise Invalid("whole days", field="days")
    return int(given)


def _created(kind: Kind, write: Callable[[Req, Form], str]) -> Any:
    """What the desk refuses is said above the form, with what was typed still there."""

    async def perform(request: Req, form: Form) -> Response[Any]:
        try:
            id = await asyncio.to_thread(write, request, form)
        except (Invalid, Conflict, Denied, NotFound) as error:
            return _form_page(request, kind, form, error)
        return redirect(f"{HERE}/{kind}/{id}")

    perform.__name__ = f"new_{kind}"
    return posted(f"/requests/{kind}", *DECIDERS)(perform)


# -- one of them -------------------------------------------------------------------------------------------------------------------


def _opened(kind: Kind) -> Any:
    async def perform(request: Req) -> Response[Any]:
        query(request)
        return await show(request, kind, in_path(request, "id"))

    perform.__name__ = f"{kind}_page"
    return shown(f"/requests/{kind}/{{id:str}}", *READERS)(perform)


async def show(request: Req, kind: Kind, id: str, *, wrong: NightlightError | None = None, given: Form | None = None) -> Response[Any]:
    who = staff_of(request)

    def read() -> tuple[Any, Sequence[DeadLetter]]:
        if kind is Kind.EMERGENCY:
            return desk_of(request).get_emergency(id, who.audit), ()
        if kind is Kind.PRESERVATION:
            return desk_of(request).preservation(id), ()
        one = notices_of(request).get(id, who.audit)
        keys = {sending.key for sending in one.sendings if sending.key is not None}
        return one, [letter for letter in hands_of(request).services.outbox.dead_letters() if letter.key in keys]

    one, dead = await asyncio.to_thread(read)
    return page(
        request,
        f"request_{kind}.html",
        status=200 if wrong is None else _status(wrong),
        wrong=wrong,
        given=given or {},
        one=one,
        dead=dead,
        kinds_told=list(Disclosed),
        own=same_person(one.by, who.audit),
        days=PRESERVE_DAYS,
        most_days=MOST_PRESERVE_DAYS,
        leads=who.role is Role.LEAD,
        **_common(request),
    )


def _status(wrong: NightlightError) -> int:
    return 409 if isinstance(wrong, Conflict) else 403 if isinstance(wrong, Denied) else 404 if isinstance(wrong, NotFound) else 400


def _decide(request: Req, id: str, form: Form) -> None:
    answer = form.get("yes")
    if answer not in ("0", "1"):
        raise Invalid("agree or refuse", field="yes")
    desk_of(request).decide(id, staff_of(request).audit, approve=answer == "1", why=field(form, "why"))


def _disclosed(request: Req, id: str, form: Form) -> None:
    kinds = [kind for kind in Disclosed if form.get(f"kind_{kind}") == "1"]
    desk_of(request).disclosed(id, staff_of(request).audit, to=field(form, "to"), kinds=kinds, what=field(form, "what"))


def _renew(request: Req, id: str, form: Form) -> None:
    desk_of(request).renew(id, staff_of(request).audit, reference=field(form, "reference"), days=_days(form))


def _release(request: Req, id: str, form: Form) -> None:
    desk_of(request).release(id, staff_of(request).audit, field(form, "why"))


def _answered(request: Req, id: str, form: Form) -> None:
    notices_of(request).answered(id, staff_of(request).audit, field(form, "outcome"))


def _close(request: Req, id: str, form: Form) -> None:
    notices_of(request).close(id, staff_of(request).audit, field(form, "outcome"))


def _resend(request: Req, id: str, form: Form) -> None:
    """A message that did not leave waits again. Only one of this very notice."""
    key, who = field(form, "key", 300), staff_of(request).audit
    if key not in {sending.key for sending in notices_of(request).get(id, who).sendings}:
        raise NotFound("no such message", field="key")
    hands_of(request).services.outbox.replay(key, who)


def _done(kind: Kind, name: str, work: Callable[[Req, str, Form], None], *roles: Role) -> Any:
    async def perform(request: Req, form: Form) -> Response[Any]:
        id = in_path(request, "id")
        try:
            await asyncio.to_thread(work, request, id, form)
        except (Invalid, Conflict, Denied) as error:
            return await show(request, kind, id, wrong=error, given=form)
        return redirect(f"{HERE}/{kind}/{id}")

    perform.__name__ = f"{name}_{kind}"
    action: Callable[[Req, Form], Awaitable[Response[Any]]] = perform
    return posted(f"/requests/{kind}/{{id:str}}/{name}", *(roles or DECIDERS))(action)


ROUTES = (
    requests_page,
    new_request,
    *(_opened(kind) for kind in Kind),
    _created(Kind.EMERGENCY, _emergency),
    _created(Kind.PRESERVATION, _preservation),
    _created(Kind.NOTICE, _notice),
    _done(Kind.EMERGENCY, "decide", _decide),
    _done(Kind.EMERGENCY, "disclosed", _disclosed),
    _done(Kind.PRESERVATION, "renew", _renew),
    _done(Kind.PRESERVATION, "release", _release, Role.LEAD),
    _done(Kind.NOTICE, "answered", _answered),
    _done(Kind.NOTICE, "close", _close),
    _done(Kind.NOTICE, "resend", _resend),
)
