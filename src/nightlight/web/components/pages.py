"""`/components`: the web components as files, with their words, and a page on which each can be tried."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from nightlight.core.catalogue import Catalogue
from nightlight.core.errors import NotFound
from nightlight.core.moment import Audience, Moments, Situation
from nightlight.web.bodies import Req, header
from nightlight.web.family.pages import DIRECTIONS, family_page, show
from nightlight.web.hands import hands_of
from nightlight.web.route import Doc, page

PATH = "/components"
COMPONENTS = ("base.js", "nl-nudge.js", "nl-help.js", "nl-report.js", "nl-before-you-send.js", "nl-blur.js", "nightlight.js")
"""What a page loads that uses them all."""
CHECK = ("check.js", "check-worker.js")
"""Loaded when a picture check is first used."""
EXAMPLE = ("check-example.js", "check-example.json")
DEMO = ("demo.js", "demo.css")
TYPES = {"js": "text/javascript", "json": "application/json", "css": "text/css"}
REPORTS = ("report.thanks", "help.reported", "report.looking", "report.answered")
"""Messages that the answer to a report may name."""
WORKER_HEADERS = {
    # A worker goes by the policy of its own answer: it may read a module, and connect to nothing.
    "content-security-policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'",
}
_NAME = re.compile(r"words\.([a-z]{2,3})\.([a-z0-9-]+)\.json")


@family_page(PATH, "The page on which the web components can be tried", description="Nothing is sent from it.")
async def components_page(request: Req) -> Response[str]:
    lines = msgspec.json.encode(hands_of(request).config.family.helplines).decode()
    return show(request, "components", situations=list(Situation), audiences=list(Audience), path=PATH, lines=lines)


@page(
    PATH + "/{name:str}",
    Doc(
        summary="The web components, and their words by language and reader",
        description="`nightlight.js` brings all of them; `nightlight protect components` writes the same files into a folder.",
        tag="Families",
        answers={200: str},
        problems=(404,),
        media_type="*/*",
    ),
)
async def components_file(request: Req) -> Response[bytes]:
    name = str(request.path_params["name"])
    services = hands_of(request).services
    if found := _NAME.fullmatch(name):
        language, reader = found.groups()
        if language not in services.moments or reader not in set(Audience):
            raise NotFound("there is no such file")
        body = words_file(services.moments, services.messages, language, Audience(reader))
    elif name in (*COMPONENTS, *CHECK, *EXAMPLE, *DEMO):
        body = static(name)
    else:
        raise NotFound("there is no such file")
    tag = f'"{sha256(body).hexdigest()[:20]}"'
    headers = {"etag": tag, "cache-control": "no-cache", **(WORKER_HEADERS if name == "check-worker.js" else {})}
    if header(request, b"if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=TYPES[name.rpartition(".")[2]], headers=headers)


def words_file(moments: Moments, messages: Catalogue, language: str, reader: Audience) -> bytes:
    """What a component reads: the moments, the components' own words, and the messages that a report's answer may name."""
    by_situation = moments[language]
    known = messages.get(language, {})
    first = next(iter(by_situation.values())).words[reader]
    return msgspec.json.encode(
        {
            "language": language,
            "direction": DIRECTIONS.get(language, "ltr"),
            "leave": first.leave,
            "ui": own_words(language),
            "messages": {key: {"title": known[key].title, "body": known[key].body} for key in REPORTS if key in known},
            "moments": {
                situation: {
                    "title": (words := moment.words[reader]).title,
                    "body": words.body,
                    "waits": moment.waits,
                    "choices": [(choice.kind, choice.label) for choice in words.choices],
                }
                for situation, moment in by_situation.items()
            },
        }
    )


def all_files(moments: Moments, messages: Catalogue) -> dict[str, bytes]:
    """Every file that a page of one's own needs, by name; the page to try them on is left out."""
    found = {name: static(name) for name in (*COMPONENTS, *CHECK, *EXAMPLE)}
    for language in sorted(moments):
        for reader in Audience:
            found[f"words.{language}.{reader.value}.json"] = words_file(moments, messages, language, reader)
    return found


@cache
def own_words(language: str) -> Mapping[str, str]:
    """The words of the components themselves."""
    text = files("nightlight.web.components").joinpath("words", f"components.{language}.toml").read_text("utf-8")
    found: dict[str, str] = tomllib.loads(text)
    return found


@cache
def static(name: str) -> bytes:
    return files("nightlight.web.components").joinpath("static", name).read_bytes()


COMPONENT_ROUTES: tuple[HTTPRouteHandler, ...] = (components_page, components_file)
