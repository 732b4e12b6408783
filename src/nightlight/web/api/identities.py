"""`/v1/accounts/{account}/identity`: who somebody is outside the service. It goes in here and comes out in no answer."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response
from msgspec import Struct

from nightlight.core.errors import NotFound
from nightlight.core.identity import IdentityBody
from nightlight.core.services import Scope
from nightlight.core.vault import Identities
from nightlight.web.api.banks import body_of, name_in_path
from nightlight.web.bodies import Req, decode, query
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response

_body = msgspec.json.Decoder(IdentityBody)


class IdentityKept(Struct, frozen=True, kw_only=True):
    """What came of it, and nothing of what is kept."""

    account: str
    changed: bool
    """False: the same was there already."""


@endpoint(
    "PUT",
    "/accounts/{account:str}/identity",
    Doc(
        summary="Put who is behind an account",
        description=(
            "Real names, addresses, telephone numbers, IP captures and devices of one account, by your own id of it. Kept sealed, in a "
            "table of its own, and opened only while a report is drafted; each opening is on the audit chain. Replaces what was there."
        ),
        tag="Identities",
        body=IdentityBody,
        answers={200: IdentityKept},
        problems=(404,),
    ),
    Scope.IDENTITIES_WRITE,
)
async def put_identity(request: Req) -> Response[bytes]:
    account = name_in_path(request, "account")
    known = decode(await body_of(request), _body).known()
    changed = await asyncio.to_thread(_identities(request).put, account, known, caller_of(request).id)
    return json_response(IdentityKept(account=account, changed=changed))


@endpoint(
    "DELETE",
    "/accounts/{account:str}/identity",
    Doc(
        summary="Remove who is behind an account",
        description="Erasing a person (`nightlight erase`) does it too.",
        tag="Identities",
        answers={200: IdentityKept},
        problems=(400, 404),
    ),
    Scope.IDENTITIES_WRITE,
)
async def remove_identity(request: Req) -> Response[bytes]:
    query(request)
    account = name_in_path(request, "account")
    changed = await asyncio.to_thread(_identities(request).remove, account, caller_of(request).id)
    return json_response(IdentityKept(account=account, changed=changed))


def _identities(request: Req) -> Identities:
    found = hands_of(request).services.identities
    if found is None:
        raise NotFound("this service keeps no identities")
    return found


ROUTES = (put_identity, remove_identity)
