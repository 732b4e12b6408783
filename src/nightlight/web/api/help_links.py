"""`/v1/help-links`: the service sends somebody who is threatened to `/with-you`, so that the first tap there keeps the evidence."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response

from nightlight.core.errors import NotFound
from nightlight.core.help import HelpAsk, HelpLink, check_ask
from nightlight.core.services import Scope
from nightlight.web.api.banks import body_of
from nightlight.web.bodies import Req, decode
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, endpoint, json_response

_ask = msgspec.json.Decoder(HelpAsk)


@endpoint(
    "POST",
    "/help-links",
    Doc(
        summary="A link to help, for somebody in one conversation",
        description="Stores nothing. The token goes into the field `link` of a form that the person sends to `path`, or behind `#` of that "
        "address; the first tap with it keeps the latest messages of the conversation for a short while.",
        tag="User reports",
        body=HelpAsk,
        answers={200: HelpLink},
        problems=(404,),
    ),
    Scope.EVENTS_WRITE,
)
async def make_help_link(request: Req) -> Response[bytes]:
    help = hands_of(request).services.help
    if help is None or hands_of(request).config.family.help == "off":
        raise NotFound("there is no page to lead to")
    ask = check_ask(decode(await body_of(request), _ask))
    return json_response(await asyncio.to_thread(help.link, ask))


ROUTES = (make_help_link,)
