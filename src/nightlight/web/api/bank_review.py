"""What people say of banked items, and how a bank goes back: `/v1/banks/{bank}/...`."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response

from nightlight.core.bank import Bank, BankItem
from nightlight.core.errors import Denied, Invalid
from nightlight.core.services import Scope
from nightlight.web.api.banks import body_of, name_in_path
from nightlight.web.api.wire import ItemState, Judged, NewApproval, NewPause, NewRollback, NewVerdict, VersionList
from nightlight.web.bodies import Req, decode, media_type, query
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.multipart_body import read_parts
from nightlight.web.route import Binary, Doc, endpoint, json_response

_approval = msgspec.json.Decoder(NewApproval)
_verdict = msgspec.json.Decoder(NewVerdict)
_pause = msgspec.json.Decoder(NewPause)
_rollback = msgspec.json.Decoder(NewRollback)

MOST_VERSIONS = 1000


@endpoint(
    "GET",
    "/banks/{bank:str}/items/{item:str}",
    Doc(
        summary="An item, how often it was met, and what people said of it",
        tag="Banks",
        answers={200: ItemState},
        problems=(400, 404),
    ),
    Scope.BANKS_READ,
)
async def get_item(request: Req) -> Response[bytes]:
    query(request)
    bank, item = name_in_path(request, "bank"), name_in_path(request, "item")
    banks = hands_of(request).services.banks

    def work() -> ItemState:
        found = banks.item(bank, item)
        return ItemState(found, banks.standing(bank, [item])[item], tuple(banks.verdicts(bank, item)))

    return json_response(await asyncio.to_thread(work))


@endpoint(
    "POST",
    "/banks/{bank:str}/items/{item:str}/approve",
    Doc(
        summary="Approve an item of a negative bank",
        description="By another key than the one that proposed it. `lead` needs `banks:lead`: it then overrides authorities' lists.",
        tag="Banks",
        body=NewApproval,
        answers={200: BankItem},
        problems=(404, 409),
    ),
    Scope.BANKS_WRITE,
    Scope.BANKS_LEAD,
)
async def approve_item(request: Req) -> Response[bytes]:
    bank, item = name_in_path(request, "bank"), name_in_path(request, "item")
    lead = decode(await body_of(request), _approval).lead
    caller = caller_of(request)
    if lead and Scope.BANKS_LEAD not in caller.scopes:
        raise Denied(f"this needs a key with the scope {Scope.BANKS_LEAD}")
    banks = hands_of(request).services.banks
    return json_response(await asyncio.to_thread(lambda: banks.approve(bank, item, caller.id, lead=lead)))


@endpoint(
    "POST",
    "/banks/{bank:str}/items/{item:str}/verdict",
    Doc(
        summary="Say whether an item is what its bank says",
        description=(
            "As JSON; or as multipart/form-data with the parts `verdict` (as `NewVerdict`) and `file`, the picture as it is at hand: "
            "where the verdict confirms an item of an own bank, fingerprints of the picture's parts are banked too, to hold for review. "
            "The bytes are hashed and forgotten."
        ),
        tag="Banks",
        body=NewVerdict,
        parts={"verdict": NewVerdict, "file": Binary},
        answers={200: Judged},
        problems=(404, 409, 503),
    ),
    Scope.BANKS_WRITE,
)
async def judge_item(request: Req) -> Response[bytes]:
    query(request)
    bank, item = name_in_path(request, "bank"), name_in_path(request, "item")
    hands = hands_of(request)
    banks, by = hands.services.banks, caller_of(request).id

    def work(told: NewVerdict, data: bytes | None) -> Judged:
        given = banks.verdict(bank, item, told.confirm, by, told.note)
        derived = banks.derive(bank, item, data, by) if told.confirm and data is not None else None
        return Judged(given, derived)

    if media_type(request) != "multipart/form-data":
        told = decode(await body_of(request), _verdict)
        return json_response(await asyncio.to_thread(work, told, None))
    config = hands.config
    with hands.uploads.hold():
        parts = await read_parts(request, {"verdict": config.max_body, "file": config.max_media}, config.body_deadline_s)
        for name in ("verdict", "file"):
            if not parts.get(name):
                raise Invalid("this part is missing or empty", field=name)
        return json_response(await asyncio.to_thread(work, decode(parts["verdict"], _verdict), parts["file"]))


@endpoint(
    "POST",
    "/banks/{bank:str}/items/{item:str}/pause",
    Doc(
        summary="Let an item hold for review only, with no consequence for any account",
        tag="Banks",
        body=NewPause,
        answers={200: BankItem},
        problems=(404,),
    ),
    Scope.BANKS_WRITE,
)
async def pause_item(request: Req) -> Response[bytes]:
    bank, item = name_in_path(request, "bank"), name_in_path(request, "item")
    note = decode(await body_of(request), _pause).note
    banks = hands_of(request).services.banks
    return json_response(await asyncio.to_thread(banks.pause, bank, item, caller_of(request).id, note))


@endpoint(
    "POST",
    "/banks/{bank:str}/items/{item:str}/resume",
    Doc(
        summary="End an item's pause",
        description="Where nobody has judged the item since it was paused, `note` must say why it may go on.",
        tag="Banks",
        body=NewPause,
        answers={200: BankItem},
        problems=(404, 409),
    ),
    Scope.BANKS_WRITE,
)
async def resume_item(request: Req) -> Response[bytes]:
    bank, item = name_in_path(request, "bank"), name_in_path(request, "item")
    note = decode(await body_of(request), _pause).note
    banks = hands_of(request).services.banks
    return json_response(await asyncio.to_thread(banks.resume, bank, item, caller_of(request).id, note))


@endpoint(
    "GET",
    "/banks/{bank:str}/versions",
    Doc(summary="What was changed, and what the bank can go back to", tag="Banks", answers={200: VersionList}, problems=(400, 404)),
    Scope.BANKS_READ,
)
async def list_versions(request: Req) -> Response[bytes]:
    query(request)
    banks = hands_of(request).services.banks
    return json_response(VersionList(tuple(await asyncio.to_thread(banks.versions, name_in_path(request, "bank"), MOST_VERSIONS))))


@endpoint(
    "POST",
    "/banks/{bank:str}/rollback",
    Doc(
        summary="Go back to a version",
        description="Settings and items as they were then, as a new version. What was forgotten does not come back.",
        tag="Banks",
        body=NewRollback,
        answers={200: Bank},
        problems=(404,),
    ),
    Scope.BANKS_WRITE,
)
async def roll_back(request: Req) -> Response[bytes]:
    bank = name_in_path(request, "bank")
    version = decode(await body_of(request), _rollback).version
    banks = hands_of(request).services.banks
    return json_response(await asyncio.to_thread(banks.rollback, bank, version, caller_of(request).id))


ROUTES = (get_item, approve_item, judge_item, pause_item, resume_item, list_versions, roll_back)
