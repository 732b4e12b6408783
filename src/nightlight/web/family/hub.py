"""`/family`: the first page, the most urgent door first, and the short guides behind some of the doors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from litestar import Response
from msgspec import Struct

from nightlight.core.helplines import HelplineBook, Need
from nightlight.web.bodies import Req, query
from nightlight.web.family.help import PATH as THREAT
from nightlight.web.family.help import guessed
from nightlight.web.family.lines import Line, lines_for, of_book, of_operator
from nightlight.web.family.pages import HUB, family_of, family_page, language_asked, show
from nightlight.web.family.protect import PATH as PICTURE
from nightlight.web.family.words import words_of
from nightlight.web.hands import hands_of


class Door(Struct, frozen=True):
    name: str
    """As the words of the pages call it, and its drawing."""
    to: str


URGENT = (
    Door("threat", THREAT),
    Door("uneasy", HUB + "/uneasy"),
    Door("picture", PICTURE),
    Door("worried", HUB + "/worried"),
    Door("thoughts", HUB + "/thoughts"),
    Door("helplines", HUB + "/helplines"),
)
CALM = (
    Door("talk", HUB + "/talk"),
    Door("practice", HUB + "/practice"),
    Door("agreement", HUB + "/agreement"),
    Door("apps", HUB + "/apps"),
)
GUIDES = ("uneasy", "worried", "thoughts")


def open_doors(request: Req, doors: tuple[Door, ...]) -> list[Door]:
    """Those that lead somewhere on this service: a door to a page that is switched off would be a wall."""
    hands = hands_of(request)
    served = {route.path for route in request.app.routes}
    shut = {door.to for door in doors if door.to not in served}
    if hands.config.family.help == "off":
        shut.add(THREAT)
    if hands.services.self_reports is None or hands.config.family.page == "off":
        shut.add(PICTURE)
    return [door for door in doors if door.to not in shut]


class Listed(Struct, frozen=True):
    """A helpline as it stands in the list."""

    line: Line
    needs: tuple[Need, ...]
    on: date
    checked: bool
    """True: `on` is when a person of the service last tried it; False: when it was written down, and nobody has."""


class Country(Struct, frozen=True):
    place: str
    """ISO 3166-1 alpha-2; empty: everywhere."""
    name: str
    lines: tuple[Listed, ...]


def countries(book: HelplineBook, names: Mapping[str, str], first: str, everywhere: str) -> list[Country]:
    """The country `first`, what helps everywhere, then the others by name."""
    found = [_country(book, place, names[place]) for place in book.places()]
    world = _country(book, None, everywhere)
    ordered = sorted(found, key=lambda one: (one.place != first, one.name))
    mine = ordered[:1] if ordered and ordered[0].place == first else []
    return [*mine, *([world] if world.lines else []), *ordered[len(mine) :]]


def _country(book: HelplineBook, place: str | None, name: str) -> Country:
    return Country(
        place or "",
        name,
        tuple(Listed(of_book(e), e.needs, e.checked or e.written, e.checked is not None) for e in book.entries if e.place == place),
    )


@family_page(HUB, "The first page for families", description="English and Spanish. It stores nothing and asks for nothing.")
async def hub_page(request: Req) -> Response[str]:
    return show(request, "hub", urgent=open_doors(request, URGENT), calm=open_doors(request, CALM))


def _guide(request: Req, name: str, *needs: Need) -> Response[str]:
    config = family_of(request)
    lines = lines_for(hands_of(request).services.helplines, config.helplines, guessed(request, config.place), needs)
    return show(
        request, "guide", words="guides", name=name, lines=lines, doors={door.name: door for door in open_doors(request, URGENT + CALM)}
    )


@family_page(HUB + "/uneasy", "For a young person whom somebody makes feel uneasy")
async def uneasy_page(request: Req) -> Response[str]:
    return _guide(request, "uneasy")


@family_page(HUB + "/worried", "For an adult who is worried about a child")
async def worried_page(request: Req) -> Response[str]:
    return _guide(request, "worried")


@family_page(HUB + "/thoughts", "For people who are worried about their own thoughts")
async def thoughts_page(request: Req) -> Response[str]:
    return _guide(request, "thoughts", Need.OWN_THOUGHTS)


@family_page(HUB + "/helplines", "Whom to call or write to")
async def helplines_page(request: Req) -> Response[str]:
    config = family_of(request)
    language, _ = language_asked(request, query(request, "lang"))
    book, first = hands_of(request).services.helplines, guessed(request, config.place)
    return show(
        request,
        "helplines",
        ours=[(of_operator(line), line.place) for line in config.helplines],
        countries=countries(book, words_of("places", language), first, words_of("helplines", language)["everywhere"]),
        first=first,
    )


HUB_ROUTES = (hub_page, uneasy_page, worried_page, thoughts_page, helplines_page)
