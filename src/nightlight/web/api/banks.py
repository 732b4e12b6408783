"""`/v1/banks`, their items, and `/v1/fingerprints:match`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response
from msgspec import UNSET, Meta

from nightlight.core.bank import Bank, BankItem
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.fingerprint import FingerprintKind, check_written
from nightlight.core.services import Scope
from nightlight.web.api.wire import (
    BankChange,
    BankList,
    FingerprintQuery,
    ItemChange,
    ItemList,
    MatchList,
    MatchResults,
    NewBank,
    NewItem,
    UploadedItem,
)
from nightlight.web.bodies import Req, decode, query, query_count, read_json
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.multipart_body import Video, read_parts
from nightlight.web.route import Binary, Doc, endpoint, json_response

MAX_PAGE = 1000

_new_bank = msgspec.json.Decoder(NewBank)
_bank_change = msgspec.json.Decoder(BankChange)
_new_item = msgspec.json.Decoder(NewItem)
_uploaded_item = msgspec.json.Decoder(UploadedItem)
_item_change = msgspec.json.Decoder(ItemChange)
_fingerprint_query = msgspec.json.Decoder(FingerprintQuery)


async def body_of(request: Req) -> bytes:
    query(request)
    config = hands_of(request).config
    return await read_json(request, config.max_body, config.body_deadline_s)


def name_in_path(request: Req, parameter: str) -> str:
    """A path parameter. Raises NotFound where nothing can have that name: too long, a NUL, bytes that were not UTF-8."""
    value = str(request.path_params[parameter])
    if len(value) > 200 or "\0" in value or "\ufffd" in value:
        raise NotFound(f"there is no such {parameter}", field=parameter)
    return value


def check_kinds(kinds: Sequence[FingerprintKind]) -> None:
    if len(set(kinds)) != len(kinds):
        raise Invalid("each kind once", field="kinds")


def _about(new: NewItem | UploadedItem) -> dict[str, Any]:
    """What is told of an item beside its fingerprints."""
    return {field: getattr(new, field) for field in UploadedItem.__struct_fields__}


@endpoint("GET", "/banks", Doc(summary="All banks", tag="Banks", answers={200: BankList}, problems=(400,)), Scope.BANKS_READ)
async def list_banks(request: Req) -> Response[bytes]:
    query(request)
    return json_response(BankList(tuple(await asyncio.to_thread(hands_of(request).services.banks.banks))))


@endpoint("POST", "/banks", Doc(summary="Make a bank", tag="Banks", body=NewBank, answers={201: Bank}, problems=(409,)), Scope.BANKS_WRITE)
async def create_bank(request: Req) -> Response[bytes]:
    new = decode(await body_of(request), _new_bank)
    check_kinds(new.kinds)
    bank = Bank(**{field: getattr(new, field) for field in NewBank.__struct_fields__})
    return json_response(await asyncio.to_thread(hands_of(request).services.banks.create, bank, caller_of(request).id), 201)


@endpoint(
    "PATCH",
    "/banks/{bank:str}",
    Doc(
        summary="Change how a bank matches and what a match may do",
        description=(
            "Only what is given changes. A bank's kind never does. To say that it is no authority's list any more needs `banks:lead` too."
        ),
        tag="Banks",
        body=BankChange,
        answers={200: Bank},
        problems=(404,),
    ),
    Scope.BANKS_WRITE,
)
async def change_bank(request: Req) -> Response[bytes]:
    bank = name_in_path(request, "bank")
    change = decode(await body_of(request), _bank_change)
    check_kinds(() if change.kinds is UNSET else change.kinds)
    given = {field: value for field in BankChange.__struct_fields__ if (value := getattr(change, field)) is not UNSET}

    def work() -> Bank:
        caller = caller_of(request)
        return hands_of(request).services.banks.change(bank, caller.id, lead=Scope.BANKS_LEAD in caller.scopes, **given)

    return json_response(await asyncio.to_thread(work))


@endpoint(
    "GET",
    "/banks/{bank:str}/items",
    Doc(
        summary="A bank's items, page by page",
        tag="Banks",
        query={
            "after": (Annotated[str, Meta(min_length=1, max_length=200)], "`next` of the page before"),
            "limit": (Annotated[int, Meta(ge=1, le=MAX_PAGE)], "Items a page; 100 unless told"),
        },
        answers={200: ItemList},
        problems=(400, 404),
    ),
    Scope.BANKS_READ,
)
async def list_items(request: Req) -> Response[bytes]:
    found = query(request, "after", "limit")
    after, most = found.get("after"), query_count(found, "limit", 100, MAX_PAGE)
    if after is not None and not 1 <= len(after) <= 200:
        raise Invalid("`next` of the page before", field="after")
    items = tuple(await asyncio.to_thread(hands_of(request).services.banks.items, name_in_path(request, "bank"), after, most))
    return json_response(ItemList(items, items[-1].id if len(items) == most else None))


@endpoint(
    "POST",
    "/banks/{bank:str}/items",
    Doc(
        summary="Bank fingerprints",
        description="In a negative bank: a proposal, by SHA-256 only, that another person must approve.",
        tag="Banks",
        body=NewItem,
        answers={201: BankItem},
        problems=(404, 409),
    ),
    Scope.BANKS_WRITE,
)
async def add_item(request: Req) -> Response[bytes]:
    bank = name_in_path(request, "bank")
    new = decode(await body_of(request), _new_item)
    check_written(new.fingerprints)

    def work() -> BankItem:
        banks = hands_of(request).services.banks
        return banks.add(bank, new.fingerprints, caller_of(request).id, **_about(new))

    return json_response(await asyncio.to_thread(work), 201)


@endpoint(
    "POST",
    "/banks/{bank:str}/items:upload",
    Doc(
        summary="Bank a picture or video by its bytes",
        description="The bytes are hashed and forgotten; only their fingerprints are banked.",
        tag="Banks",
        parts={"item": UploadedItem, "file": Binary},
        optional=frozenset({"item"}),
        answers={201: BankItem},
        problems=(404, 409, 503),
    ),
    Scope.BANKS_WRITE,
)
async def upload_item(request: Req) -> Response[bytes]:
    query(request)
    bank = name_in_path(request, "bank")
    hands = hands_of(request)
    config = hands.config
    with hands.uploads.hold() as held:
        most = {"item": config.max_body, "file": config.max_media}
        parts = await read_parts(request, most, config.body_deadline_s, video=Video("file", config.max_video), held=held)
        if not parts.get("file"):
            raise Invalid("this part is missing or empty", field="file")
        told = decode(parts["item"], _uploaded_item) if "item" in parts else UploadedItem()

        def work() -> BankItem:
            return hands.services.banks.add_bytes(bank, parts["file"], caller_of(request).id, **_about(told))

        return json_response(await asyncio.to_thread(work), 201)


@endpoint(
    "PATCH",
    "/banks/{bank:str}/items/{item:str}",
    Doc(summary="Switch an item on or off", tag="Banks", body=ItemChange, answers={200: BankItem}, problems=(404, 409)),
    Scope.BANKS_WRITE,
)
async def change_item(request: Req) -> Response[bytes]:
    bank, item = name_in_path(request, "bank"), name_in_path(request, "item")
    enabled = decode(await body_of(request), _item_change).enabled
    banks = hands_of(request).services.banks
    return json_response(await asyncio.to_thread(banks.set_item_enabled, bank, item, enabled, caller_of(request).id))


@endpoint(
    "DELETE",
    "/banks/{bank:str}/items/{item:str}",
    Doc(summary="Remove an item", tag="Banks", answers={204: None}, problems=(400, 404)),
    Scope.BANKS_WRITE,
)
async def remove_item(request: Req) -> None:
    query(request)
    bank, item = name_in_path(request, "bank"), name_in_path(request, "item")
    await asyncio.to_thread(hands_of(request).services.banks.remove, bank, item, caller_of(request).id)


@endpoint(
    "POST",
    "/fingerprints:match",
    Doc(
        summary="Look fingerprints up in the banks",
        description=(
            "Records no event and takes no decision. It tells what is banked, so it needs `banks:read`. Either the `fingerprints` of one "
            "file, or `queries`: those of several, answered by position in `results`. Matches are those that screening would find: a "
            "likeness hash of low quality is not searched, and views of what may have been done to a picture count where none of its "
            "own is listed."
        ),
        tag="Banks",
        body=FingerprintQuery,
        answers={200: (MatchList, MatchResults)},
    ),
    Scope.BANKS_READ,
)
async def match_fingerprints(request: Req) -> Response[bytes]:
    asked = decode(await body_of(request), _fingerprint_query)
    lookups = hands_of(request).services.lookups
    if asked.fingerprints is UNSET and asked.queries is UNSET:
        raise Invalid("this field is required, or `queries`", field="fingerprints")
    if asked.fingerprints is not UNSET:
        if asked.queries is not UNSET:
            raise Invalid("not beside `fingerprints`: one or the other", field="queries")
        check_written(asked.fingerprints)
        (matches,) = await asyncio.to_thread(lookups.look_up, [asked.fingerprints])
        return json_response(MatchList(tuple(matches)))
    queries = [one.fingerprints for one in asked.queries or ()]
    for position, fingerprints in enumerate(queries):
        check_written(fingerprints, f"queries[{position}].fingerprints")
    results = await asyncio.to_thread(lookups.look_up, queries)
    return json_response(MatchResults(tuple(MatchList(tuple(matches)) for matches in results)))
