"""`/v1/messages`: the words behind message keys."""

from __future__ import annotations

from typing import Annotated

from litestar import Response
from msgspec import Meta

from nightlight.core.errors import NotFound
from nightlight.core.services import Scope
from nightlight.web.api.wire import MessageList
from nightlight.web.bodies import Req, query
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, endpoint, json_response

DEFAULT = "en"


@endpoint(
    "GET",
    "/messages",
    Doc(
        summary="What to show under each message key",
        description="Ask once and keep it; it changes with the version of Nightlight only.",
        tag="Events",
        query={"language": (Annotated[str, Meta(min_length=2, max_length=35)], "Such as `es`; `en` unless told")},
        answers={200: MessageList},
        problems=(400, 404),
    ),
    Scope.EVENTS_WRITE,
)
async def list_messages(request: Req) -> Response[bytes]:
    hands = hands_of(request)
    catalogue = hands.services.messages
    language = query(request, "language").get("language", DEFAULT)
    if language not in catalogue:
        raise NotFound(f"there are messages in: {', '.join(sorted(catalogue))}", field="language")
    found = MessageList(
        language=language, languages=tuple(sorted(catalogue)), messages=dict(catalogue[language]), helplines=hands.config.family.helplines
    )
    return json_response(found)
