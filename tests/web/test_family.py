"""The family pages without a browser: every page of the list in every language, what they carry and what they keep, and the words."""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from nightlight.core.decision import Helpline
from nightlight.core.family import Ages
from nightlight.core.helplines import Need
from nightlight.protect.helplines import helplines
from nightlight.web import FamilyConfig, WebConfig, create_app
from nightlight.web.family.pages import FILES, HUB, PAGE_HEADERS, STATIC
from nightlight.web.family.routes import FAMILY_ROUTES
from nightlight.web.family.words import LANGUAGES
from tests.web.client import Client, problem
from tests.web.fakes import Fakes

WORDS = files("nightlight.web.family").joinpath("words")
PATHS = sorted(path for route in FAMILY_ROUTES if "GET" in route.http_methods for path in route.paths if path.startswith(HUB))
PAGES = sorted(
    path.replace("{ages:str}", ages) for path in PATHS if "{name" not in path for ages in (list(Ages) if "{ages" in path else [""])
)


_REACHED: set[str] = set()
"""Links that were followed already: many pages have the same."""


def pages(**family: Any) -> Client:
    return Client(create_app(Fakes().services, WebConfig(family=FamilyConfig(**family), page_rate_per_minute=100_000)))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_speaks_each_language_and_keeps_nothing(path: str) -> None:
    client = pages(leave_to="https://play.example/")
    for language in LANGUAGES:
        answer = client.get(f"{path}?lang={language}", headers={"accept-language": "de"})
        assert answer.status_code == 200 and f'<html lang="{language}" dir="ltr">' in answer.text
        assert client.get(path, headers={"accept-language": language}).headers["content-language"] == language
        for name, value in PAGE_HEADERS.items():
            assert answer.headers[name] == value
        assert answer.headers["cache-control"] == "no-store" and answer.headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in answer.headers and "etag" not in answer.headers
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=|<script(?![^>]*(?: src=|application/json))", answer.text)
        assert '<a class="leave" id="leave" href="https://play.example/"' in answer.text
        local = re.findall(r"(?:src|href)=\"(/[^\"#]*)", answer.text)
        weight = len(answer.content)
        for address in {address for address in local if "/static/" in address}:
            weight += len(client.get(address).content)
        assert weight < 100_000, weight
        for address in {address.replace("&amp;", "&") for address in local if "/static/" not in address} - _REACHED:
            assert client.get(address).status_code == 200, address
            _REACHED.add(address)
    problem(client.get(f"{path}?lang=xx"), 400, "invalid")
    problem(client.get(f"{path}?age=9"), 400, "invalid")


def inner(text: str) -> list[str]:
    """Links to other pages, less the switch of language."""
    return re.findall(
        r'href="(/family(?![./])[^"]*|/family/(?!static)[^"]*)"', re.sub(r"<nav class=.languages.*?</nav>", "", text, flags=re.DOTALL)
    )


def test_what_a_reader_chose_goes_along_and_what_the_browser_asked_for_does_not() -> None:
    client = pages()
    asked = inner(client.get(HUB, headers={"accept-language": "es"}).text)
    assert len(asked) >= 8 and not any("lang=" in link for link in asked)
    chosen = inner(client.get(f"{HUB}?lang=es").text)
    assert len(chosen) == len(asked) and all(link.endswith("?lang=es") for link in chosen)


def test_the_most_urgent_door_comes_first_and_none_leads_nowhere() -> None:
    text = pages().get(f"{HUB}?lang=en").text
    titles = [
        "Someone is threatening me",
        "makes me feel uneasy",
        "picture of me",
        "worried about my child",
        "worried about my own",
        "call or write",
        "Talk together",
    ]
    places = [text.index(title) for title in titles]
    assert places == sorted(places)
    assert "/protect-my-picture" not in pages(page="off").get(HUB).text
    assert '<a class="door first" href="/with-you?lang=en"' in text and "/with-you" not in pages(help="off").get(HUB).text
    # with or without the flow for who is threatened, the emergency number stands above every door
    assert text.index("112 or 911") < text.index('class="door')


def test_helplines_begin_with_the_readers_country_and_say_how_sure_they_are() -> None:
    book, path = helplines(), f"{HUB}/helplines"
    client = pages(helplines=(Helpline(name="Our own", contact="https://chat.example/", place="MX"),), place="GB")
    text = client.get(path, headers={"accept-language": "es-MX"}).text
    assert (
        text.index("Our own") < text.index("<h3>México</h3>") < text.index("<h3>En todos los países</h3>") < text.index("<h3>Alemania</h3>")
    )
    assert re.findall(r"<details class=.feature. open><summary><h3>([^<]+)", text) == ["México"]
    assert all(entry.name in html.unescape(text) for entry in book.entries)
    assert re.findall(r"open><summary><h3>([^<]+)", client.get(path, headers={"accept-language": "en"}).text) == ["United Kingdom"]
    first = book.entries[0]
    services = msgspec.structs.replace(Fakes().services, helplines=book.with_word({first.id: date(2026, 11, 30)}, [book.entries[1].id]))
    told = Client(create_app(services)).get(f"{path}?lang=en").text
    assert told.count("Tried on") == 1 and "2026-11-30" in told
    assert told.count("Not yet tried") == len(book.entries) - 2


def test_who_worries_about_their_thoughts_sees_whom_to_call() -> None:
    names = [line.name for line in helplines().lines("GB", Need.OWN_THOUGHTS)]
    text = pages().get(f"{HUB}/thoughts?lang=en", headers={"accept-language": "en-GB"}).text
    assert names and all(html.escape(name) in text for name in names)


def test_an_age_that_there_is_not_is_no_page() -> None:
    for path in ("/family/talk/7", "/family/practice/18+", "/family/talk/unknown", "/family/nothing"):
        problem(pages().get(path), 404, "not_found")


def test_without_material_the_doors_to_it_say_so() -> None:
    client = Client(create_app(msgspec.structs.replace(Fakes().services, family={})))
    for path in ("/family/talk", "/family/agreement", "/family/apps", "/family/practice/7-9"):
        problem(client.get(path), 404, "not_found")
    assert client.get(HUB).status_code == 200


def test_switched_off() -> None:
    client = pages(hub="off")
    for path in PAGES:
        problem(client.get(path), 404, "not_found")


def test_shared_files_carry_no_address_and_no_storage() -> None:
    client = pages()
    for name in FILES:
        file = client.get(f"{STATIC}/{name}")
        assert (file.status_code, file.headers["cache-control"]) == (200, "no-store")
        assert not re.search(r"https?://(?!www\.w3\.org)|localStorage|sessionStorage|indexedDB|document\.cookie|sendBeacon", file.text), (
            name
        )
    problem(client.get(f"{STATIC}/base.html"), 404, "not_found")
    problem(client.get(f"{STATIC}/..%2fwords.py"), 404, "not_found")


# -- words ---------------------------------------------------------------------------------------------------------------------------


def leaves(raw: Any, at: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(raw, Mapping):
        for key, inner in raw.items():
            yield from leaves(inner, f"{at}.{key}" if at else key)
    elif isinstance(raw, list):
        for place, inner in enumerate(raw):
            yield from leaves(inner, f"{at}[{place}]")
    else:
        yield at, str(raw)


def words(page: str, language: str) -> dict[str, str]:
    return dict(leaves(tomllib.loads(WORDS.joinpath(f"{page}.{language}.toml").read_text("utf-8"))))


FILES_OF_WORDS = sorted({entry.name.partition(".")[0] for entry in WORDS.iterdir() if entry.name.endswith(".toml")})


@pytest.mark.parametrize("page", FILES_OF_WORDS)
def test_each_page_says_the_same_in_each_language(page: str) -> None:
    told = {language: words(page, language) for language in LANGUAGES}
    shapes = {language: {key: set(re.findall(r"\{\w+\}", text)) for key, text in found.items()} for language, found in told.items()}
    assert shapes["en"] == shapes["es"]
    assert all(text.strip() for found in told.values() for text in found.values())
    same = {key for key, text in told["en"].items() if len(text) > 30 and told["es"][key] == text}
    assert not same  # left untranslated
