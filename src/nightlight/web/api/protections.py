"""`GET /v1/protections`: what each feature is to be like, by age and place."""

from __future__ import annotations

from typing import Annotated, TypeVar

from litestar import Response
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid, NotFound
from nightlight.core.event import AgeBand, Assurance, Place
from nightlight.core.protections import Protection
from nightlight.core.services import Scope
from nightlight.web.bodies import Req, query
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, endpoint, json_response

E = TypeVar("E", AgeBand, Assurance)
_PLACE_SHAPE = "two capital letters (ISO 3166-1), with a subdivision where wanted"


class ProtectionList(Struct, frozen=True):
    place: str | None
    """As asked for; null: the strictest of all places."""
    language: str
    protections: tuple[Protection, ...]


@endpoint(
    "GET",
    "/protections",
    Doc(
        summary="What each feature is to be like by default, by age",
        description="The default, whether a child may change it, whether a guardian must agree, why, and the source. Without `place` the "
        "strictest of all places counts; an unknown age is a child's until it is assured.",
        tag="Gates",
        query={
            "age_band": (AgeBand, "Of this age alone"),
            "assurance": (Assurance, "How that age is known; left out: well enough"),
            "place": (Annotated[Place, Meta(max_length=6)], "Where the person is"),
            "language": (Annotated[str, Meta(pattern="^(en|es)$")], "Of the reasons; `en` unless told"),
        },
        answers={200: ProtectionList},
        problems=(400, 404),
    ),
    Scope.GATES_ASK,
)
async def list_protections(request: Req) -> Response[bytes]:
    found = hands_of(request).services.protections
    if found is None:
        raise NotFound("there are no protections here")
    given = query(request, "age_band", "assurance", "place", "language")
    place, language = given.get("place"), given.get("language", "en")
    if place is not None and not _is_place(place):
        raise Invalid(_PLACE_SHAPE, field="place")
    band = _one_of(AgeBand, given.get("age_band"), "age_band")
    assurance = _one_of(Assurance, given.get("assurance"), "assurance")
    all_ = tuple(found.protections(age_band=band, assurance=assurance, place=place, language=language))
    return json_response(ProtectionList(place, language, all_))


def _one_of(kind: type[E], value: str | None, field: str) -> E | None:
    try:
        return kind(value) if value is not None else None
    except ValueError:
        raise Invalid(f"one of {', '.join(kind)}", field=field) from None


def _is_place(value: str) -> bool:
    country, bar, rest = value.partition("-")
    letters = len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()
    return letters and (not bar or (1 <= len(rest) <= 3 and rest.isascii() and rest.isalnum() and rest.upper() == rest))


ROUTES = (list_protections,)
