"""`/v1/interventions`, and the web components as files."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from nightlight.core.decision import Helpline
from nightlight.core.moment import Audience, Situation
from nightlight.core.services import Scope
from nightlight.core.user_report import UserReportState
from nightlight.protect import LANGUAGES, catalogue, moments
from nightlight.protect.reading import measure
from nightlight.web import FamilyConfig, WebConfig, create_app
from nightlight.web.components.pages import CHECK, COMPONENTS, EXAMPLE, PATH, REPORTS, all_files, own_words, static
from tests.protect.test_catalogue import BLAMING
from tests.web.client import Client, problem
from tests.web.fakes import Fakes

LINE = Helpline(name="Sample line", contact="https://help.example", place="GB")


@cache
def client(*scopes: Scope) -> Client:
    fakes = Fakes()
    services = msgspec.structs.replace(fakes.services, messages=catalogue(), moments=moments())
    app = create_app(services, WebConfig(family=FamilyConfig(helplines=(LINE,)), page_rate_per_minute=100_000))
    return Client(app, fakes.keys.add("game", *(scopes or (Scope.EVENTS_WRITE,))))


# -- the API -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_moment_is_given_for_every_reader(language: str) -> None:
    found = client().get(f"/v1/interventions?language={language}").json()
    assert (found["language"], found["languages"]) == (language, ["en", "es"])
    assert found["helplines"][0]["name"] == "Sample line"
    assert set(found["interventions"]) == set(Situation)
    for situation, moment in moments()[language].items():
        given = found["interventions"][situation]
        assert given["key"] == f"moment.{situation.value}"
        assert given["words"] == msgspec.json.decode(msgspec.json.encode(moment.words))
        assert (given["choices"], given["waits"]) == (list(moment.choices), moment.waits)
        assert given["show"]["lock_screen"] is False and given["show"]["screen_sharing"] is False and given["show"]["quick_exit"] is True


def test_one_reader_and_one_moment_may_be_asked_for() -> None:
    found = client().get("/v1/interventions?reader=7-10&situation=threat").json()["interventions"]
    assert list(found) == ["threat"] and list(found["threat"]["words"]) == ["7-10"]
    assert set(client().get("/v1/interventions?reader=adult").json()["interventions"]["gift_from_stranger"]["words"]) == {"adult"}


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ("language=xx", 404, "language"),
        ("reader=8", 400, "reader"),
        ("reader=", 400, "reader"),
        ("situation=nothing", 400, "situation"),
        ("lang=es", 400, "lang"),
        ("reader=adult&reader=7-10", 400, "reader"),
    ],
)
def test_what_there_is_not_is_refused_by_name(asked: str, status: int, field: str) -> None:
    answer = problem(client().get(f"/v1/interventions?{asked}"), status, {400: "invalid", 404: "not_found"}[status])
    assert field in json.dumps(answer)


def test_another_scope_does_not_open_it() -> None:
    problem(client(Scope.BANKS_READ).get("/v1/interventions"), 403, "denied")


# -- the components as files ---------------------------------------------------------------------------------------------------------


def test_all_components_are_small() -> None:
    assert sum(len(static(name)) for name in COMPONENTS) < 30_000
    assert sum(len(static(name)) for name in CHECK) < 6_000
    for name, body in all_files(moments(), catalogue()).items():
        if name.startswith("words."):
            assert len(body) < 8_000, name


def test_every_file_is_served_and_what_is_not_one_is_not() -> None:
    web = client()
    for name, body in all_files(moments(), catalogue()).items():
        answer = web.get(f"{PATH}/{name}", headers={"authorization": ""})
        assert answer.status_code == 200 and answer.content == body, name
        assert answer.headers["cache-control"] == "no-cache" and "set-cookie" not in answer.headers
        again = web.get(f"{PATH}/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for name in ("words.xx.7-10.json", "words.en.8.json", "words.en.json", "pages.py", "..%2fpages.py", "components.en.toml"):
        problem(web.get(f"{PATH}/{name}"), 404, "not_found")
    worker = web.get(f"{PATH}/check-worker.js").headers["content-security-policy"]
    assert worker == "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"


def test_modules_import_only_each_other_and_keep_nothing() -> None:
    for name in (*COMPONENTS, *CHECK):
        text = static(name).decode()
        for imported in re.findall(r'(?:from|import)\s*\(?"([^"]+)"', text):
            assert imported.removeprefix("./") in (*COMPONENTS, *CHECK), (name, imported)
        assert not re.search(r"localStorage|sessionStorage|document\.cookie|sendBeacon|innerHTML|\beval\b|https?://[a-z]", text), name
        if name not in ("base.js", "nl-report.js", "check.js", "check-worker.js"):
            assert "fetch" not in text, name
    # Words, the report that a person sends, and an operator's model: nothing else is ever asked for.
    assert [static(n).decode().count("fetch(") for n in ("base.js", "nl-report.js", "check.js", "check-worker.js")] == [1, 1, 1, 0]


def test_the_words_of_a_file_are_those_of_the_catalogue() -> None:
    found = json.loads(all_files(moments(), catalogue())["words.es.7-10.json"])
    threat = moments()["es"][Situation.THREAT].words[Audience.CHILD]
    assert found["moments"]["threat"]["body"] == threat.body and found["leave"] == threat.leave
    assert found["moments"]["threat"]["choices"] == [[c.kind, c.label] for c in threat.choices]
    assert set(found["messages"]) == set(REPORTS)
    assert {f"report.{state}" for state in ("thanks", "looking", "answered")} <= set(found["messages"]) and len(UserReportState) == 3


def test_the_components_own_words_are_equal_plain_and_used() -> None:
    code = "".join(static(name).decode() for name in COMPONENTS)
    english, spanish = own_words("en"), own_words("es")
    assert set(english) == set(spanish)
    categories = {"uncomfortable", "asked_for_pictures", "threatened", "wants_to_meet", "self_harm", "in_danger", "other"}
    assert set(re.findall(r"\bui\.([a-z_]+)", code)) | categories == set(english)
    for language in LANGUAGES:
        for key, text in own_words(language).items():
            assert not BLAMING.search(text), key
        # One text serves every reader: together they are plain enough for the youngest.
        assert measure(" ".join(t if t[-1] in ".?!" else t + "." for t in own_words(language).values()), language).age <= 9


def test_the_page_to_try_them_names_every_moment_and_reader_in_both_languages() -> None:
    for language in LANGUAGES:
        answer = client().get(f"{PATH}?lang={language}")
        assert answer.status_code == 200 and "unsafe" not in answer.headers["content-security-policy"]
        for value in (*Situation, *Audience):
            assert f'<option value="{value}"' in answer.text
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=|<script(?![^>]* src=)", answer.text)
        assert "Sample line" in answer.text
    problem(client().get(f"{PATH}?lang=xx"), 400, "invalid")


def test_nothing_lies_in_the_folder_that_nothing_serves() -> None:
    there = {path.name for path in files("nightlight.web.components").joinpath("static").iterdir()}
    assert there == {*COMPONENTS, *CHECK, *EXAMPLE, "demo.js", "demo.css"}


def test_the_how_to_names_every_element_attribute_and_property() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/embed-components.md").read_text("utf-8")
    code = "".join(static(name).decode() for name in COMPONENTS)
    for name in re.findall(r'customElements\.define\("([a-z-]+)"', code):
        assert f"`<{name}>`" in page
    for name in set(re.findall(r"--nl-[a-z-]+", code)) | set(re.findall(r'emit\("(nl-[a-z-]+)"', code)) - {"nl-leave"}:
        assert f"`{name}`" in page, name
    for name in set(re.findall(r'[gh][ea][ts]Attribute\("([a-z-]+)"\)', code)) - {"open", "inline"}:
        assert re.search(rf"`{name}`|\b{name}=|\s{name}>", page), name
