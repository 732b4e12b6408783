"""What every family page has: one layout, one set of style tokens, a way out, two languages, and headers that let nothing in or out.

A page is a handler made with `family_page` that answers with `show`. Its words lie in `words/<page>.<language>.toml`, its layout in
`templates/<page>.html`, which begins with `{% extends "base.html" %}`. It is listed in `routes.py`, and a test walks that list.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from litestar.types import Guard

from nightlight.core.errors import Invalid, NotFound
from nightlight.web.bodies import Req, header, query
from nightlight.web.config import FamilyConfig
from nightlight.web.family.words import LANGUAGES, language_of, words_of
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, page

TAG = "Families"
HUB = "/family"
STATIC = HUB + "/static"
NAMES = {"en": "English", "es": "Espa\u00f1ol"}
DIRECTIONS = {"en": "ltr", "es": "ltr"}
EMPTY_PAGE = "about:blank"
PAGE_HEADERS = {
    "vary": "accept-language",
    # Its own files and nothing else: no picture, no frame and no other host, whatever the page might be made to ask for.
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; worker-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "permissions-policy": "camera=(), microphone=(), geolocation=(), display-capture=()",
    "cross-origin-opener-policy": "same-origin",
}
FILES = {
    "family.css": "text/css",
    "hub.css": "text/css",
    "family.svg": "image/svg+xml",
    "leave.js": "text/javascript",
    "agreement.js": "text/javascript",
}
"""Shared by the pages. A page's own script is added here, or served beside the page."""


def family_page(path: str, summary: str, *guards: Guard, description: str = "", problems: tuple[int, ...] = (400, 404)) -> HTTPRouteHandler:
    """Declare a family page: GET, no key, HTML, limited by client address as every page."""
    doc = Doc(
        summary=summary,
        description=description,
        tag=TAG,
        answers={200: str},
        query={"lang": (Literal["en", "es"], "the language; by default what the browser asks for")},
        problems=problems,
        media_type="text/html",
    )
    return page(path, doc, *guards)


def show(request: Req, name: str, /, *, words: str | None = None, allowed: tuple[str, ...] = (), **more: Any) -> Response[str]:
    """The page that `templates/<name>.html` makes, in the reader's language.

    `words` is the file of words, by default `name`; what it holds and what `common` holds is `words` in the template, tables in it
    included. `more` are values of its own. Raises NotFound where the operator switched the pages off, and Invalid for a parameter that is
    neither `lang` nor in `allowed`.
    """
    config = family_of(request)
    found = query(request, "lang", *allowed)
    language, chosen = language_asked(request, found)
    body = (
        environment()
        .get_template(f"{name}.html")
        .render(**layout(request, config, language, chosen), words=words_of(words or name, language), **more)
    )
    return Response(body, media_type="text/html", headers=PAGE_HEADERS | {"content-language": language})


def family_of(request: Req) -> FamilyConfig:
    """The settings of the family pages. Raises NotFound where they are switched off."""
    config = hands_of(request).config.family
    if config.hub == "off":
        raise NotFound("this page is switched off")
    return config


def language_asked(request: Req, found: Mapping[str, str]) -> tuple[str, bool]:
    """The language of the page, and whether the reader chose it (`?lang=`): then links to other pages carry it. No cookie remembers it.

    Raises Invalid for a language that there is not.
    """
    chosen = found.get("lang")
    if chosen is None:
        return language_of(header(request, b"accept-language")), False
    if chosen not in LANGUAGES:
        raise Invalid(f"one of {', '.join(LANGUAGES)}", field="lang")
    return chosen, True


def layout(request: Req, config: FamilyConfig, language: str, chosen: bool) -> dict[str, Any]:
    """What `base.html` needs."""
    path = str(request.scope["path"])

    def link(to: str, **more: str) -> str:
        """Where a link within the pages leads: `/family/talk#start` and the like, with the language that was chosen."""
        address, mark, fragment = to.partition("#")
        asked = ({"lang": language} if chosen else {}) | more
        return address + ("?" + urlencode(asked) if asked else "") + mark + fragment

    return {
        "language": language,
        "direction": DIRECTIONS[language],
        "languages": [(tag, NAMES[tag], f"{path}?{urlencode({'lang': tag})}") for tag in LANGUAGES],
        "link": link,
        "static": STATIC,
        "hub": HUB,
        "service": config.service,
        "leave_to": config.leave_to or EMPTY_PAGE,
        "helplines": config.helplines,
        "doors_said": words_of("hub", language)["door"],
    }


@page(
    STATIC + "/{name:str}",
    Doc(summary="Style and scripts of the family pages", tag=TAG, answers={200: str}, problems=(404,), media_type="*/*"),
)
async def family_file(request: Req) -> Response[bytes]:
    # Without a tag and under `no-store`: nothing of these pages stays in the cache of a phone that others use.
    name = str(request.path_params["name"])
    if name not in FILES:
        raise NotFound("there is no such file")
    return Response(static(name), media_type=FILES[name])


@cache
def static(name: str) -> bytes:
    return files("nightlight.web.family").joinpath("static", name).read_bytes()


@cache
def environment() -> Environment:
    return Environment(
        loader=PackageLoader("nightlight.web.family", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


SHARED_ROUTES: tuple[HTTPRouteHandler, ...] = (family_file,)
