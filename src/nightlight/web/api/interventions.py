"""`/v1/interventions`: the words at moments of decision."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, TypeVar

from litestar import Response
from msgspec import Meta, Struct

from nightlight.core.catalogue import ChoiceKind, Words
from nightlight.core.decision import Display, Helpline
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.moment import Audience, Situation, Unmet
from nightlight.core.services import Scope
from nightlight.web.api.messages import DEFAULT
from nightlight.web.bodies import Req, query
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, endpoint, json_response

_Kind = TypeVar("_Kind", bound=StrEnum)


class Intervention(Struct, frozen=True, kw_only=True):
    """One moment: how its words may be shown, and the words for each reader that was asked for."""

    key: str
    """What a rule names in place of a message."""
    choices: tuple[ChoiceKind, ...]
    waits: Unmet
    """What waits while a condition of `show` is not met."""
    show: Display
    words: dict[Audience, Words]


class InterventionList(Struct, frozen=True, kw_only=True):
    language: str
    languages: tuple[str, ...]
    """All there are."""
    interventions: dict[Situation, Intervention]
    helplines: tuple[Helpline, ...]
    """All that the operator set. Where there are none, leave the choice `helpline` out."""


@endpoint(
    "GET",
    "/interventions",
    Doc(
        summary="What to show at a moment of decision",
        description="Ask once and keep it; it changes with the version of Nightlight only. Which moment has come your app knows itself: "
        "showing the words asks nothing of Nightlight and tells it nothing.",
        tag="Events",
        query={
            "language": (Annotated[str, Meta(min_length=2, max_length=35)], "Such as `es`; `en` unless told"),
            "reader": (Audience, "The words for one reader; for each unless told"),
            "situation": (Situation, "One moment; all unless told"),
        },
        answers={200: InterventionList},
        problems=(400, 404),
    ),
    Scope.EVENTS_WRITE,
)
async def list_interventions(request: Req) -> Response[bytes]:
    hands = hands_of(request)
    asked = query(request, "language", "reader", "situation")
    catalogue = hands.services.moments
    language = asked.get("language", DEFAULT)
    readers, situations = _one_of(Audience, asked, "reader"), _one_of(Situation, asked, "situation")
    if language not in catalogue:
        raise NotFound(f"there are interventions in: {', '.join(sorted(catalogue))}", field="language")
    found = {
        situation: Intervention(
            key=situation.key,
            choices=moment.choices,
            waits=moment.waits,
            show=moment.show,
            words={reader: moment.words[reader] for reader in readers},
        )
        for situation, moment in catalogue[language].items()
        if situation in situations
    }
    return json_response(
        InterventionList(
            language=language, languages=tuple(sorted(catalogue)), interventions=found, helplines=hands.config.family.helplines
        )
    )


def _one_of(kind: type[_Kind], asked: Mapping[str, str], field: str) -> tuple[_Kind, ...]:
    if field not in asked:
        return tuple(kind)
    try:
        return (kind(asked[field]),)
    except ValueError:
        raise Invalid(f"one of {', '.join(kind)}", field=field) from None


ROUTES = (list_interventions,)
