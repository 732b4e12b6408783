"""`/v1/exchanges`: hash lists that are fetched into banks. Credentials come in and never go out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from litestar import Response
from msgspec import UNSET

from nightlight.core.errors import Invalid, NotFound
from nightlight.core.exchange import Exchange, ExchangeKind, ExchangeState
from nightlight.core.services import Scope
from nightlight.web.api.banks import body_of, name_in_path
from nightlight.web.api.wire import ExchangeChange, ExchangeList, NewExchange
from nightlight.web.bodies import Req, decode, query
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response

_RUN = ":run"
_new = msgspec.json.Decoder(NewExchange)
_change = msgspec.json.Decoder(ExchangeChange)


@endpoint(
    "GET",
    "/exchanges",
    Doc(
        summary="All exchanges, and how their last fetch went",
        description="Of credentials it tells only which are kept.",
        tag="Exchanges",
        answers={200: ExchangeList},
        problems=(400,),
    ),
    Scope.ADMIN,
)
async def list_exchanges(request: Req) -> Response[bytes]:
    query(request)
    return json_response(ExchangeList(tuple(await asyncio.to_thread(hands_of(request).services.exchanges.list))))


@endpoint(
    "POST",
    "/exchanges",
    Doc(
        summary="Add an exchange",
        description="Its bank is made where there is none. Lists in files are added on the machine, with `nightlight exchange add`.",
        tag="Exchanges",
        body=NewExchange,
        answers={201: Exchange},
        problems=(409,),
    ),
    Scope.ADMIN,
)
async def create_exchange(request: Req) -> Response[bytes]:
    new = decode(await body_of(request), _new)
    exchange = Exchange(
        name=new.name,
        kind=ExchangeKind(new.kind),
        bank=new.bank,
        url="" if new.url is UNSET else new.url,
        options=new.options,
        enabled=new.enabled,
        interval_minutes=new.interval_minutes,
    )
    make = hands_of(request).services.exchanges.create
    return json_response(await asyncio.to_thread(make, exchange, caller_of(request).id, new.credentials), 201)


@endpoint(
    "PATCH",
    "/exchanges/{exchange:str}",
    Doc(
        summary="Change an exchange",
        description="Another `url` or `options`: the list is fetched from its beginning. Another `url` needs the credentials again.",
        tag="Exchanges",
        body=ExchangeChange,
        answers={200: Exchange},
        problems=(404, 409),
    ),
    Scope.ADMIN,
)
async def change_exchange(request: Req) -> Response[bytes]:
    name = name_in_path(request, "exchange")
    change = decode(await body_of(request), _change)

    def work() -> Exchange:
        exchanges = hands_of(request).services.exchanges
        options: Mapping[str, str] | None = None if change.options is UNSET else change.options
        if options is not None and exchanges.status(name).exchange.kind is ExchangeKind.FILE:
            raise Invalid("which files are read is changed on the machine itself: nightlight exchange change", field="options")
        return exchanges.change(
            name,
            caller_of(request).id,
            url=None if change.url is UNSET else change.url,
            options=options,
            enabled=None if change.enabled is UNSET else change.enabled,
            interval_minutes=None if change.interval_minutes is UNSET else change.interval_minutes,
            credentials=None if change.credentials is UNSET else change.credentials,
        )

    return json_response(await asyncio.to_thread(work))


@endpoint(
    "DELETE",
    "/exchanges/{exchange:str}",
    Doc(
        summary="Forget an exchange and its credentials",
        description="Its bank and what is in it stay.",
        tag="Exchanges",
        answers={204: None},
        problems=(400, 404, 409),
    ),
    Scope.ADMIN,
)
async def remove_exchange(request: Req) -> None:
    query(request)
    await asyncio.to_thread(hands_of(request).services.exchanges.remove, name_in_path(request, "exchange"), caller_of(request).id)


@endpoint(
    "POST",
    "/exchanges/{exchange:str}",
    Doc(
        summary="Fetch a list now",
        description="In the background; `GET /v1/exchanges` shows how it goes.",
        suffix=":run",
        tag="Exchanges",
        answers={202: ExchangeState},
        problems=(400, 404, 409),
    ),
    Scope.ADMIN,
)
async def run_exchange(request: Req) -> Response[bytes]:
    query(request)
    # The router takes a whole part of the path for a parameter, so the verb at its end is looked for here. No name holds a colon.
    name, verb = name_in_path(request, "exchange")[: -len(_RUN)], name_in_path(request, "exchange")[-len(_RUN) :]
    if verb != _RUN or not name:
        raise NotFound("there is no such verb: add `:run` to the exchange's name", field="exchange")
    return json_response(await asyncio.to_thread(hands_of(request).services.exchanges.start, name, caller_of(request).id), 202)
