"""Looking at a picture: never unasked, never by an address that could be passed on, never kept by a browser."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response

from nightlight.core.errors import Invalid, NotFound
from nightlight.core.reveal import Reveal
from nightlight.core.staff import DECIDERS
from nightlight.web.bodies import Req
from nightlight.web.console.access import Connection, Form, field, in_path, posted, staff_of
from nightlight.web.console.render import HEADERS
from nightlight.web.hands import hands_of

LONGEST_S = 600.0
"""Of one look: a hand that holds longer has fallen asleep."""


def reveal_of(connection: Connection) -> Reveal:
    found = hands_of(connection).services.reveal
    if found is None:
        raise NotFound("no picture is shown here")
    return found


@posted("/cases/{case:str}/reveal", *DECIDERS)
async def reveal_picture(request: Req, form: Form) -> Response[Any]:
    case, sha256, reason = in_path(request, "case"), field(form, "sha256", 64), field(form, "reason", 1000)
    shown = await asyncio.to_thread(reveal_of(request).show, staff_of(request), case, sha256, reason, blurred=_blurred(form))
    headers = {**HEADERS, "cache-control": "no-store", "content-disposition": "attachment", "x-whole": str(int(shown.whole))}
    return Response(shown.png, media_type="image/png", headers=headers)


@posted("/cases/{case:str}/reveal/seen", *DECIDERS)
async def picture_seen(request: Req, form: Form) -> Response[Any]:
    """How long it was held on the screen."""
    case, sha256, seconds = in_path(request, "case"), field(form, "sha256", 64), form.get("milliseconds", "")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 9):
        raise Invalid("whole milliseconds", field="milliseconds")
    looked = min(int(seconds) / 1000, LONGEST_S)
    await asyncio.to_thread(reveal_of(request).seen, staff_of(request), case, sha256, looked, blurred=_blurred(form))
    return Response(b"", media_type="text/plain", headers=HEADERS)


def _blurred(form: Form) -> bool:
    """Blurred, unless it is asked for in so many words."""
    given = form.get("how", "blurred")
    if given not in ("blurred", "unblurred"):
        raise Invalid("choose one", field="how")
    return given == "blurred"


ROUTES = (reveal_picture, picture_seen)
