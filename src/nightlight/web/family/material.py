"""Conversation cards, practice, know-the-apps and the family agreement: the material of `protect/family` as pages."""

from __future__ import annotations

from typing import Any

from litestar import Response

from nightlight.core.errors import NotFound
from nightlight.core.family import Ages, FamilyMaterial
from nightlight.web.bodies import Req, query
from nightlight.web.family.pages import HUB, family_of, family_page, language_asked, show
from nightlight.web.hands import hands_of

TALK, PRACTICE, APPS, AGREEMENT = (f"{HUB}/{name}" for name in ("talk", "practice", "apps", "agreement"))
OWN_RULES = 3
"""Lines for rules of a family's own; on paper there is room for more."""


def material(request: Req) -> FamilyMaterial:
    """In the language of the page. Raises NotFound where there is none, or the pages are switched off."""
    family_of(request)
    language, _ = language_asked(request, query(request, "lang"))
    found = hands_of(request).services.family.get(language)
    if found is None:
        raise NotFound("this page is switched off")
    return found


def ages_in_path(request: Req) -> Ages:
    """Raises NotFound."""
    given = str(request.path_params["ages"])
    if given not in list(Ages):
        raise NotFound("there is no such page")
    return Ages(given)


def _page(request: Req, name: str, **more: Any) -> Response[str]:
    return show(request, name, words="material", **more)


@family_page(TALK, "Conversation cards: which age")
async def talk_page(request: Req) -> Response[str]:
    material(request)
    return _page(request, "ages", part="talk", to=TALK, ages=list(Ages))


@family_page(TALK + "/{ages:str}", "A conversation card for one age", description="Ages 7-9, 10-12, 13-15 or 16-17.")
async def card_page(request: Req) -> Response[str]:
    ages = ages_in_path(request)
    return _page(request, "card", card=material(request).cards[ages], up_to=TALK)


@family_page(PRACTICE, "Practice for children: which age")
async def practice_page(request: Req) -> Response[str]:
    material(request)
    return _page(request, "ages", part="practice", to=PRACTICE, ages=list(Ages))


@family_page(
    PRACTICE + "/{ages:str}", "Practice for one age", description="Ages 7-9, 10-12, 13-15 or 16-17. What somebody picks is not sent."
)
async def situations_page(request: Req) -> Response[str]:
    ages = ages_in_path(request)
    return _page(request, "practice", ages=ages, situations=material(request).practice(ages), up_to=PRACTICE)


@family_page(APPS, "Kinds of features, what each can mean and what to switch on")
async def apps_page(request: Req) -> Response[str]:
    return _page(request, "apps", features=material(request).features)


@family_page(
    AGREEMENT,
    "The family agreement builder",
    description="What is written there stays on the device; without JavaScript it is a form to print.",
)
async def agreement_page(request: Req) -> Response[str]:
    return _page(request, "agreement", agreement=material(request).agreement, own=OWN_RULES)


MATERIAL_ROUTES = (talk_page, card_page, practice_page, situations_page, apps_page, agreement_page)
